/* SPDX-License-Identifier: MIT */
/* Setups: kept per session, given to each worker once ahead of its tasks, taken back. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "io/outbound.h"
#include "stage.h"
#include "wire/limits.h"

static void begin(void)
{
    stage_begin();
    xdb_relay_init(&stage.relay, 1);
    xdb_setups_init(&stage.setups, 1);
}

static void end(void)
{
    xdb_relay_fini(&stage.relay);
    xdb_setups_fini(&stage.setups);
    stage_end();
}

TestSuite(setups, .init = begin, .fini = end);

static void expect_nothing(const struct xdb_peer *peer)
{
    struct xd_msg msg;
    cr_assert_not(stage_hear(peer, &msg), "%s was sent", xd_kind_name(msg.kind));
}

static void expect_setup(const struct xdb_peer *worker,
                         const struct xdb_peer *client,
                         uint64_t number,
                         bool drop)
{
    struct xd_msg msg;
    cr_assert(stage_hear(worker, &msg));
    cr_assert_eq(msg.kind, XD_KIND_SETUP, "%s was sent", xd_kind_name(msg.kind));
    cr_assert_eq(msg.setup.origin.n, client->session.n);
    cr_assert_eq(msg.setup.number, number);
    cr_assert_eq(msg.setup.drop, drop);
    cr_assert(drop || xd_bytes_is(msg.setup.frames[0].bytes, "how"));
    xd_msg_clear(&msg);
}

static void expect_error(const struct xdb_peer *client, enum xd_err code)
{
    struct xd_msg msg;
    cr_assert(stage_hear(client, &msg));
    cr_assert(msg.kind == XD_KIND_ERROR && msg.error.code == code &&
                  msg.error.kind == XD_KIND_SETUP,
              "%s",
              xd_err_name(msg.error.code));
    xd_msg_clear(&msg);
}

static void say(struct xdb_peer *client, uint64_t number, bool drop)
{
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.number = number;
    msg.setup.drop = drop;
    if (!drop) {
        msg.setup.frames = xd_zalloc(sizeof *msg.setup.frames);
        msg.setup.frame_count = 1;
        msg.setup.frames[0].role = XD_FRAME_SETUP;
        msg.setup.frames[0].size = 3;
        cr_assert(xd_bytes_text("how", &msg.setup.frames[0].bytes) == XD_OK);
    }
    xdb_setups_take(&stage, client->lanes[XD_LANE_CONTROL], &msg);
    xd_msg_clear(&msg);
}

static void give(struct xdb_peer *worker, const struct xdb_peer *client, uint64_t number)
{
    const struct xd_task tasks[] = {{.setup = number, .origin = client->session},
                                    {.origin = client->session},
                                    {.setup = number, .origin = client->session}};
    cr_assert(xdb_setups_give(&stage, worker, tasks, 3) == XD_OK);
}

Test(setups, a_worker_gets_one_once_and_only_when_a_task_names_it)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *worker = stage_join(XD_ROLE_WORKER);
    say(client, 1, false);
    say(client, 2, false);
    expect_nothing(worker);
    give(worker, client, 2);
    expect_setup(worker, client, 2, false);
    give(worker, client, 2);
    give(worker, client, 0);
    expect_nothing(worker);
    give(worker, client, 1);
    expect_setup(worker, client, 1, false);
    expect_nothing(client);
}

Test(setups, numbers_of_two_sessions_are_not_mixed_up)
{
    struct xdb_peer *a = stage_join(XD_ROLE_CLIENT), *b = stage_join(XD_ROLE_CLIENT),
                    *worker = stage_join(XD_ROLE_WORKER);
    say(a, 1, false);
    say(b, 1, false);
    give(worker, a, 1);
    expect_setup(worker, a, 1, false);
    give(worker, b, 1);
    expect_setup(worker, b, 1, false);
    say(a, 1, true);
    expect_setup(worker, a, 1, true);
    give(worker, b, 1);
    expect_nothing(worker);
}

Test(setups, what_is_dropped_is_taken_back_from_those_who_have_it)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *has = stage_join(XD_ROLE_WORKER),
                    *has_not = stage_join(XD_ROLE_WORKER);
    say(client, 1, false);
    give(has, client, 1);
    expect_setup(has, client, 1, false);
    say(client, 1, true);
    expect_setup(has, client, 1, true);
    expect_nothing(has_not);
    cr_assert(stage.setups.setups.count == 0 && stage.setups.copies.count == 0);
    give(has, client, 1); /* it names one that is gone: the worker will say so */
    expect_nothing(has);
    say(client, 1, true);
    expect_nothing(client);
}

Test(setups, a_client_that_goes_takes_all_along)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *worker = stage_join(XD_ROLE_WORKER);
    for (uint64_t number = 1; number <= 3; number++) {
        say(client, number, false);
        give(worker, client, number);
        expect_setup(worker, client, number, false);
    }
    xdb_setups_session_gone(&stage, client);
    for (uint64_t number = 1; number <= 3; number++) {
        expect_setup(worker, client, number, true);
    }
    cr_assert(stage.setups.setups.count == 0 && stage.setups.copies.count == 0);
    cr_assert(xd_list_is_empty(&worker->setups));
}

Test(setups, a_worker_that_goes_leaves_no_copy)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *worker = stage_join(XD_ROLE_WORKER);
    say(client, 1, false);
    give(worker, client, 1);
    xdb_setups_session_gone(&stage, worker);
    cr_assert(stage.setups.setups.count == 1 && stage.setups.copies.count == 0);
    xdb_peer_free(&stage.conns, worker);
    say(client, 1, true);
    cr_assert(stage.setups.setups.count == 0);
}

Test(setups, a_number_in_use_and_too_many_are_refused)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT);
    for (uint64_t number = 1; number <= XD_SETUPS_MAX; number++) {
        say(client, number, false);
    }
    expect_nothing(client);
    say(client, 1, false);
    expect_error(client, XD_ERR_EXISTS);
    say(client, 1000, false);
    expect_error(client, XD_ERR_BUSY);
    say(client, 7, true);
    say(client, 1000, false);
    expect_nothing(client);
    cr_assert(stage.setups.setups.count == XD_SETUPS_MAX);
}

Test(setups, an_origin_is_not_the_clients_to_say)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT);
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.origin.n = 99;
    msg.setup.number = 1;
    xdb_setups_take(&stage, client->lanes[XD_LANE_CONTROL], &msg);
    expect_error(client, XD_ERR_PROTOCOL);
    cr_assert(stage.setups.setups.count == 0);
}

Test(setups, the_first_task_without_its_setup_is_named)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *other = stage_join(XD_ROLE_CLIENT);
    const struct xd_task tasks[] = {{.setup = 1},
                                    {.setup = 0},
                                    {.setup = 1},
                                    {.setup = 2}};
    say(client, 1, false);
    cr_assert_null(xdb_setups_missing(&stage, client->session, tasks, 3));
    cr_assert_eq(xdb_setups_missing(&stage, client->session, tasks, 4), &tasks[3]);
    cr_assert_eq(xdb_setups_missing(&stage, other->session, tasks, 4), &tasks[0]);
}

Test(setups, without_memory_nothing_changes)
{
    struct xdb_peer *client = stage_join(XD_ROLE_CLIENT),
                    *worker = stage_join(XD_ROLE_WORKER);
    const struct xd_task task = {.setup = 1, .origin = client->session};
    say(client, 1, false);
    for (size_t n = 1; n <= 2; n++) { /* the table, the copy */
        xd_alloc_fail_at(n);
        cr_assert_eq(xdb_setups_give(&stage, worker, &task, 1), XD_ERR_NOMEM);
        xd_alloc_fail_at(0);
        cr_assert(stage.setups.copies.count == 0 && xd_list_is_empty(&worker->setups));
    }
    give(worker, client, 1);
    expect_setup(worker, client, 1, false);
}
