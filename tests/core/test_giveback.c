/* SPDX-License-Identifier: MIT */
/* Tasks that come back unstarted. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

Test(giveback, a_task_that_did_not_leave_goes_to_the_front)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 1, 3);
    xdt_send_failed(desk, 2, 1, false);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "blocked");
    cr_assert_eq(xdt_stats(desk).queued, 3);
    cr_assert_eq(xdt_stats(desk).returned, 1);
    xdt_worker(desk, 3, "p");
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    xdt_simple(desk, XDB_EVENT_UNBLOCKED, 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_desk_free(desk);
}

Test(giveback, a_worker_that_is_not_there_ends_without_losing_what_did_not_leave)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_send_failed(desk, 2, 1, true);
    cr_assert_eq(xdt_stats(desk).workers, 0);
    cr_assert_eq(xdt_stats(desk).queued, 1);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 0);
    xdt_desk_free(desk);
}

Test(giveback, a_client_that_is_not_there_ends)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 1);
    xdt_send_failed(desk, 1, 0, false); /* full: its results wait in io */
    cr_assert_eq(xdt_stats(desk).clients, 1);
    xdt_send_failed(desk, 1, 0, true);
    cr_assert_eq(xdt_stats(desk).clients, 0);
    xdt_desk_free(desk);
}

Test(giveback, a_worker_that_hands_back_unasked_is_leaving)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 1);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "draining");
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_worker(desk, 3, "p");
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 3, 0); /* with nothing to hand back */
    xdt_submit(desk, 1, 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_simple(desk, XDB_EVENT_LEAVE, 3); /* it never saw the task that was on its way */
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    cr_assert_eq(xdt_stats(desk).queued, 2);
    xdt_desk_free(desk);
}

Test(giveback, of_a_worker_that_leaves_keeps_the_order)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 1, 2);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 0);
    xdt_simple(desk, XDB_EVENT_LEAVE, 2);
    xdt_worker(desk, 3, "p");
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_desk_free(desk);
}

Test(giveback, of_a_worker_that_is_lost_while_leaving_is_a_loss)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 0);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_LOST);
    xdt_desk_free(desk);
}

Test(giveback, a_part_that_comes_back_waits_for_its_worker_or_is_lost)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.everywhere = true});
    xdt_send_failed(desk, 2, 7, false);
    xdt_clear(desk);
    xdt_simple(desk, XDB_EVENT_UNBLOCKED, 2);
    cr_assert_eq(xdt_sent_to(desk, 7), 2);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 7);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_LOST);
    xdt_desk_free(desk);
}

Test(giveback, several_keep_their_order)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.hold = 9});
    xdt_submit(desk, 1, 100);
    xdt_result_how(desk, 2, 100, (struct xdt_result_how){.run_ns = 1000});
    xdt_submit_many(desk, 1, 1, 12); /* 1 .. 10 are there, 11 and 12 wait */
    struct xd_task_id ids[10];
    memset(ids, 0, sizeof ids);
    for (uint8_t i = 0; i < 10; i++) {
        ids[i].bytes[0] = (uint8_t)(i + 1);
    }
    struct xdb_event event = {.kind = XDB_EVENT_SEND_FAILED, .session = {2}};
    event.send_failed.ids = ids;
    event.send_failed.count = 10;
    xdt_step(desk, &event);
    cr_assert_eq(xdt_stats(desk).queued, 12);
    xdt_worker(desk, 3, "p");
    for (unsigned i = 1; i <= 12; i++) {
        cr_assert_eq(xdt_sent_to(desk, i), 3);
        xdt_result(desk, 3, i);
    }
    xdt_desk_free(desk);
}
