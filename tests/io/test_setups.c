/* SPDX-License-Identifier: MIT */
/* Setups: kept per session, given to each worker once ahead of its tasks, taken back. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "io/outbound.h"
#include "io/server.h"
#include "wire/limits.h"

/* A server of which only what setups need is there: sessions over links, whose other
 * sides are read here. */
static struct xdb_server server;
static struct xdb_embed *links[4];
static size_t link_count;

static void begin(void)
{
    memset(&server, 0, sizeof server);
    xdb_conns_init(&server.conns, 1);
    xdb_relay_init(&server.relay, 1);
    xdb_setups_init(&server.setups, 1);
    cr_assert(xdb_embeds_new(&server.embeds) == XD_OK);
}

static void end(void)
{
    xdb_relay_fini(&server.relay);
    xdb_setups_fini(&server.setups);
    xdb_conns_fini(&server.conns);
    for (size_t i = 0; i < link_count; i++) {
        links[i]->link.close(&links[i]->link);
        xdb_embed_drop(links[i]);
    }
    xdb_embeds_free(server.embeds);
    xd_free(server.failed);
}

TestSuite(setups, .init = begin, .fini = end);

static struct xdb_peer *join(enum xd_role role)
{
    struct xdb_peer *peer;
    struct xdb_conn *conn;
    struct xdb_embed *embed;
    struct xd_route none = {0};
    cr_assert(xdb_embed_new(server.embeds, &embed) == XD_OK);
    links[link_count++] = embed;
    cr_assert(xdb_peer_add(&server.conns, role, &peer) == XD_OK);
    cr_assert(xdb_conn_add(&server.conns, XDB_SOCKET_CLIENTS, none, embed, &conn) ==
              XD_OK);
    embed->conns[XD_LANE_CONTROL] = conn;
    xdb_peer_attach(&server.conns, peer, XD_LANE_CONTROL, conn);
    return peer;
}

/* What the session was sent next; false: nothing. */
static bool hear(const struct xdb_peer *peer, struct xd_msg *msg)
{
    struct xd_link *link = &peer->lanes[XD_LANE_CONTROL]->embed->link;
    struct xd_bytes *frames[16];
    size_t count;
    if (link->recv(link, XD_LANE_CONTROL, frames, 16, &count) != XD_OK) {
        return false;
    }
    memset(msg, 0, sizeof *msg);
    cr_assert(xd_msg_unpack(frames, count, msg, NULL) == XD_OK);
    for (size_t i = 0; i < count; i++) {
        xd_bytes_unref(frames[i]);
    }
    return true;
}

static void expect_nothing(const struct xdb_peer *peer)
{
    struct xd_msg msg;
    cr_assert_not(hear(peer, &msg), "%s was sent", xd_kind_name(msg.kind));
}

static void expect_setup(const struct xdb_peer *worker,
                         const struct xdb_peer *client,
                         uint64_t number,
                         bool drop)
{
    struct xd_msg msg;
    cr_assert(hear(worker, &msg));
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
    cr_assert(hear(client, &msg));
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
    xdb_setups_take(&server, client->lanes[XD_LANE_CONTROL], &msg);
    xd_msg_clear(&msg);
}

static void give(struct xdb_peer *worker, const struct xdb_peer *client, uint64_t number)
{
    const struct xd_task tasks[] = {{.setup = number, .origin = client->session},
                                    {.origin = client->session},
                                    {.setup = number, .origin = client->session}};
    cr_assert(xdb_setups_give(&server, worker, tasks, 3) == XD_OK);
}

Test(setups, a_worker_gets_one_once_and_only_when_a_task_names_it)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *worker = join(XD_ROLE_WORKER);
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
    struct xdb_peer *a = join(XD_ROLE_CLIENT), *b = join(XD_ROLE_CLIENT),
                    *worker = join(XD_ROLE_WORKER);
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
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *has = join(XD_ROLE_WORKER),
                    *has_not = join(XD_ROLE_WORKER);
    say(client, 1, false);
    give(has, client, 1);
    expect_setup(has, client, 1, false);
    say(client, 1, true);
    expect_setup(has, client, 1, true);
    expect_nothing(has_not);
    cr_assert(server.setups.setups.count == 0 && server.setups.copies.count == 0);
    give(has, client, 1); /* it names one that is gone: the worker will say so */
    expect_nothing(has);
    say(client, 1, true);
    expect_nothing(client);
}

Test(setups, a_client_that_goes_takes_all_along)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *worker = join(XD_ROLE_WORKER);
    for (uint64_t number = 1; number <= 3; number++) {
        say(client, number, false);
        give(worker, client, number);
        expect_setup(worker, client, number, false);
    }
    xdb_setups_session_gone(&server, client);
    for (uint64_t number = 1; number <= 3; number++) {
        expect_setup(worker, client, number, true);
    }
    cr_assert(server.setups.setups.count == 0 && server.setups.copies.count == 0);
    cr_assert(xd_list_is_empty(&worker->setups));
}

Test(setups, a_worker_that_goes_leaves_no_copy)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *worker = join(XD_ROLE_WORKER);
    say(client, 1, false);
    give(worker, client, 1);
    xdb_setups_session_gone(&server, worker);
    cr_assert(server.setups.setups.count == 1 && server.setups.copies.count == 0);
    xdb_peer_free(&server.conns, worker);
    say(client, 1, true);
    cr_assert(server.setups.setups.count == 0);
}

Test(setups, a_number_in_use_and_too_many_are_refused)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT);
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
    cr_assert(server.setups.setups.count == XD_SETUPS_MAX);
}

Test(setups, an_origin_is_not_the_clients_to_say)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT);
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.origin.n = 99;
    msg.setup.number = 1;
    xdb_setups_take(&server, client->lanes[XD_LANE_CONTROL], &msg);
    expect_error(client, XD_ERR_PROTOCOL);
    cr_assert(server.setups.setups.count == 0);
}

Test(setups, the_first_task_without_its_setup_is_named)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *other = join(XD_ROLE_CLIENT);
    const struct xd_task tasks[] = {{.setup = 1},
                                    {.setup = 0},
                                    {.setup = 1},
                                    {.setup = 2}};
    say(client, 1, false);
    cr_assert_null(xdb_setups_missing(&server, client->session, tasks, 3));
    cr_assert_eq(xdb_setups_missing(&server, client->session, tasks, 4), &tasks[3]);
    cr_assert_eq(xdb_setups_missing(&server, other->session, tasks, 4), &tasks[0]);
}

Test(setups, without_memory_nothing_changes)
{
    struct xdb_peer *client = join(XD_ROLE_CLIENT), *worker = join(XD_ROLE_WORKER);
    const struct xd_task task = {.setup = 1, .origin = client->session};
    say(client, 1, false);
    for (size_t n = 1; n <= 2; n++) { /* the table, the copy */
        xd_alloc_fail_at(n);
        cr_assert_eq(xdb_setups_give(&server, worker, &task, 1), XD_ERR_NOMEM);
        xd_alloc_fail_at(0);
        cr_assert(server.setups.copies.count == 0 && xd_list_is_empty(&worker->setups));
    }
    give(worker, client, 1);
    expect_setup(worker, client, 1, false);
}
