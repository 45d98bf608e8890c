/* SPDX-License-Identifier: MIT */
/* Tasks for all workers. */
#include <criterion/criterion.h>

#include "desk.h"

static const struct xdt_task_how everywhere = {.everywhere = true, .size = 11};

Test(barrier, goes_to_each_worker_as_a_part)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 7, everywhere);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_TASK, 2), 1);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_TASK, 3), 1);
    cr_assert(desk->lines[0].everywhere && desk->lines[0].first_size == 11);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.part = 0});
    xdt_result_how(desk, 3, 7, (struct xdt_result_how){.part = 1});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 2);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 7)->parts, 2);
    cr_assert_eq(xdt_stats(desk).accepted, 1);
    cr_assert_eq(xdt_stats(desk).done, 1);
    xdt_ack(desk, 1, 2);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_desk_free(desk);
}

Test(barrier, waits_for_what_is_before_it_and_holds_what_is_behind)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_many(desk, 1, 1, 3);
    xdt_submit_how(desk, 1, 7, everywhere);
    xdt_submit(desk, 1, 8);
    uint64_t first = xdt_sent_to(desk, 1), second = xdt_sent_to(desk, 2);
    xdt_result(desk, first, 1);
    cr_assert_eq(xdt_sent_to(desk, 3), first);
    cr_assert_eq(xdt_sent_to(desk, 7), 0);
    xdt_result(desk, second, 2); /* task 3 was sent: its part goes to the free one */
    cr_assert_eq(xdt_sent_to(desk, 7), second);
    uint32_t part = xdt_line(desk, XDB_ACTION_SEND_TASK, 7)->part;
    xdt_result_how(desk, second, 7, (struct xdt_result_how){.part = part});
    cr_assert_eq(xdt_sent_to(desk, 8), 0);
    xdt_result(desk, first, 3);
    cr_assert_eq(xdt_sent_to(desk, 7), first);
    xdt_result_how(desk, first, 7, (struct xdt_result_how){.part = 1 - part});
    cr_assert_neq(xdt_sent_to(desk, 8), 0);
    xdt_desk_free(desk);
}

Test(barrier, waits_for_the_number_of_workers_it_asks_for)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk,
                   1,
                   7,
                   (struct xdt_task_how){.everywhere = true, .min_workers = 2});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 0);
    xdt_worker(desk, 3, "p");
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 2);
    xdt_desk_free(desk);
}

Test(barrier, a_part_of_a_lost_worker_is_lost_and_the_rest_goes_on)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 7, everywhere); /* worker 2 is busy: its part waits */
    xdt_submit(desk, 1, 8);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_LOST);
    uint32_t part = xdt_line(desk, XDB_ACTION_SEND_TASK, 7)->part;
    xdt_result_how(desk, 3, 7, (struct xdt_result_how){.part = part});
    cr_assert_eq(xdt_sent_to(desk, 8), 3);
    cr_assert_eq(xdt_stats(desk).lost, 2);
    xdt_desk_free(desk);
}

Test(barrier, cancel_ends_all_parts)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 7, everywhere);
    xdt_submit_how(desk, 1, 8, everywhere);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 8);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 8)->parts, 1);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 3);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_CANCEL, 3), 1);
    cr_assert_eq(xdt_stats(desk).cancelled, 2);
    xdt_desk_free(desk);
}

Test(barrier, a_time_limit_ends_it_waiting_and_open)
{
    static const uint64_t alive[] = {1, 2, 0};
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    struct xdt_task_how how = {.everywhere = true, .timeout_ms = 50};
    xdt_submit_how(desk, 1, 7, how);
    xdt_pass(desk, 50 * XD_MS, NULL);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_EXPIRED);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 8, how);
    xdt_pass(desk, 50 * XD_MS, alive);
    cr_assert_eq(xdt_outcome(desk, 8), XD_OUTCOME_EXPIRED);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_CANCEL, 2), 1);
    xdt_desk_free(desk);
}

Test(barrier, a_client_that_goes_takes_it_along)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 5);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 7, everywhere);
    xdt_submit_how(desk, 1, 8, everywhere);
    xdt_submit(desk, 5, 9);
    xdt_simple(desk, XDB_EVENT_LEAVE, 1);
    cr_assert_eq(xdt_stats(desk).orphaned, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_CANCEL), 2);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.part = 0});
    xdt_result_how(desk, 3, 7, (struct xdt_result_how){.part = 1});
    cr_assert_neq(xdt_sent_to(desk, 9), 0);
    xdt_desk_free(desk);
}
