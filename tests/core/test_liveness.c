/* SPDX-License-Identifier: MIT */
/* Silence, heartbeats, ends of sessions. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

static const uint64_t client_alive[] = {1, 0};

Test(liveness, a_silent_worker_gets_nothing_new_then_loses_its_task)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit(desk, 1, 7);
    xdt_pass(desk, desk->config.suspect, client_alive);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "suspect");
    cr_assert_str_eq(xdt_worker_state(desk, 3), "suspect");
    xdt_submit(desk, 1, 8);
    cr_assert_eq(xdt_sent_to(desk, 8), 0);
    xdt_pass(desk, desk->config.lost - desk->config.suspect, client_alive);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_LOST);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 7)->text, "worker lost");
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DROP), 2);
    cr_assert_eq(xdt_stats(desk).workers, 0);
    xdt_desk_free(desk);
}

Test(liveness, a_worker_heard_again_goes_on)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_pass(desk, 2 * XD_S, client_alive);
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_sent_to(desk, 7), 0);
    xdt_simple(desk, XDB_EVENT_HEARD, 2);
    cr_assert_eq(xdt_sent_to(desk, 7), 2);
    xdt_desk_free(desk);
}

Test(liveness, a_peer_that_beats_stays)
{
    static const uint64_t both[] = {1, 2, 0};
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_pass(desk, 60 * XD_S, both);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DROP), 0);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "busy");
    xdt_desk_free(desk);
}

Test(liveness, beats_go_to_those_that_were_sent_nothing_else)
{
    static const uint64_t both[] = {1, 2, 0};
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_pass(desk, 10 * XD_S, both);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_HEARTBEAT, 1), 10);
    xdt_clear(desk);
    for (unsigned i = 1; i <= 20; i++) { /* the worker hears twice a second */
        xdt_pass(desk, XD_S / 2, both);
        xdt_submit(desk, 1, i);
        xdt_result(desk, 2, i);
    }
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_HEARTBEAT, 2), 0);
    xdt_desk_free(desk);
}

Test(liveness, a_silent_client_is_dropped_with_its_tasks)
{
    static const uint64_t worker_alive[] = {2, 0};
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 7, 3);
    xdt_pass(desk, 3 * XD_S, worker_alive);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_DROP, 1), 1);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_CANCEL, 7)->level, 1);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 0);
    cr_assert_eq(xdt_stats(desk).orphaned, 3);
    cr_assert_eq(xdt_stats(desk).leased, 1); /* the worker is not through yet */
    xdt_result(desk, 2, 7);
    cr_assert_eq(xdt_stats(desk).leased, 0);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 0);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_desk_free(desk);
}

Test(liveness, when_the_broker_itself_slept_nobody_is_lost)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_pass(desk, XD_S, NULL);
    desk->now += 60 * XD_S;
    xdt_simple(desk, XDB_EVENT_TICK, 0);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DROP), 0);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "idle");
    xdt_pass(desk, desk->config.lost, NULL);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DROP), 2);
    xdt_desk_free(desk);
}

Test(liveness, leaving_and_losing_end_the_same_way)
{
    for (int lost = 0; lost < 2; lost++) {
        struct xdt_desk *desk = xdt_desk_new(NULL);
        xdt_client(desk, 1);
        xdt_worker(desk, 2, "p");
        xdt_submit(desk, 1, 7);
        xdt_simple(desk, lost ? XDB_EVENT_LOST : XDB_EVENT_LEAVE, 2);
        cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_LOST);
        cr_assert_eq(xdt_count(desk, XDB_ACTION_DROP), 0);
        xdt_simple(desk, lost ? XDB_EVENT_LOST : XDB_EVENT_LEAVE, 1);
        cr_assert_eq(xdt_stats(desk).unacked, 0);
        cr_assert_eq(xdt_stats(desk).profiles, 0);
        cr_assert_eq(xdb_core_deadline(desk->core), XD_NEVER);
        xdt_desk_free(desk);
    }
}

Test(liveness, many_timers_due_at_once_take_several_ticks)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    for (unsigned i = 1; i <= 1500; i++) {
        xdt_submit_how(desk, 1, i, (struct xdt_task_how){.timeout_ms = 5});
    }
    xdt_clear(desk);
    desk->now += 10 * XD_MS;
    xdt_simple(desk, XDB_EVENT_TICK, 0);
    cr_assert_lt(xdt_stats(desk).expired, 1500);
    cr_assert_leq(xdb_core_deadline(desk->core), desk->now);
    xdt_simple(desk, XDB_EVENT_TICK, 0);
    cr_assert_eq(xdt_stats(desk).expired, 1500);
    xdt_desk_free(desk);
}
