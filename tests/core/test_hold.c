/* SPDX-License-Identifier: MIT */
/* Tasks sent ahead of need. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

static const uint64_t both[] = {1, 2, 0};

/* A worker that holds up to three, and a known run time. */
static struct xdt_desk *known(uint64_t run_ns)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.hold = 3});
    xdt_submit(desk, 1, 1000);
    xdt_result_how(desk, 2, 1000, (struct xdt_result_how){.run_ns = run_ns});
    xdt_clear(desk);
    return desk;
}

Test(hold, nothing_goes_ahead_while_run_times_are_unknown)
{
    struct xdt_desk *desk = known(0);
    xdt_submit_many(desk, 1, 1, 5);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    xdt_desk_free(desk);
}

/* The profile's other tasks are short: that says nothing of a class not seen yet. */
Test(hold, nothing_goes_ahead_of_or_behind_a_class_nobody_knows)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.kind = "new"});
    xdt_submit(desk, 1, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    xdt_result(desk, 2, 1);
    xdt_submit(desk, 1, 3);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 3, "behind a known one");
    xdt_submit_how(desk, 1, 4, (struct xdt_task_how){.kind = "newer"});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 3);
    xdt_desk_free(desk);
}

Test(hold, short_tasks_go_ahead_up_to_what_the_worker_takes)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_many(desk, 1, 1, 9);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 4);
    cr_assert_not(xdt_line(desk, XDB_ACTION_SEND_TASK, 1)->hold);
    cr_assert(xdt_line(desk, XDB_ACTION_SEND_TASK, 2)->hold);
    xdt_desk_free(desk);
}

Test(hold, long_tasks_do_not_go_ahead)
{
    struct xdt_desk *desk = known((uint64_t)(5 * XD_MS));
    xdt_submit_many(desk, 1, 1, 9);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    xdt_desk_free(desk);
}

Test(hold, one_run_that_was_interrupted_does_not_end_what_goes_ahead)
{
    struct xdt_desk *desk = known(1000);
    for (unsigned i = 2; i <= 9; i++) {
        xdt_submit(desk, 1, 1000 + i);
        xdt_result_how(desk,
                       2,
                       1000 + i,
                       (struct xdt_result_how){.run_ns = i == 9 ? 4000000 : 1000});
    }
    xdt_clear(desk);
    xdt_submit_many(desk, 1, 1, 9);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 4);
    xdt_desk_free(desk);
}

static void tight(struct xdb_core_config *config)
{
    config->hold_budget = 3500 * XD_US;
    config->hold_below = 2 * XD_MS;
}

Test(hold, only_so_much_predicted_work_lies_at_a_worker)
{
    struct xdt_desk *desk = xdt_desk_new(tight);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.hold = 100});
    xdt_submit(desk, 1, 1000);
    xdt_result_how(desk, 2, 1000, (struct xdt_result_how){.run_ns = 1000000});
    xdt_clear(desk);
    xdt_submit_many(desk, 1, 1, 9);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 3);
    xdt_desk_free(desk);
}

Test(hold, what_lies_behind_a_task_that_takes_long_is_called_back)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_many(desk, 1, 1, 3);
    xdt_worker(desk, 3, "p");
    xdt_pass(desk, desk->config.recall_after, both);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_RECALL, 2), 2);
    cr_assert(xdt_line(desk, XDB_ACTION_RECALL, 1) == NULL);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 3);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "busy");
    cr_assert_eq(xdt_stats(desk).returned, 1);
    xdt_desk_free(desk);
}

Test(hold, a_recalled_worker_gets_nothing_ahead_until_its_next_result)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_many(desk, 1, 1, 2);
    xdt_pass(desk, desk->config.recall_after, both);
    xdt_id_event(desk, XDB_EVENT_RECALLED, 2, 2);
    xdt_clear(desk);
    xdt_submit(desk, 1, 3);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 0);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.run_ns = 1000});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 2);
    xdt_desk_free(desk);
}

Test(hold, held_tasks_of_a_lost_worker_count_as_started)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_many(desk, 1, 1, 3);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    for (unsigned i = 1; i <= 3; i++) {
        cr_assert_eq(xdt_outcome(desk, i), XD_OUTCOME_LOST);
    }
    xdt_desk_free(desk);
}

Test(hold, an_id_that_two_clients_use_is_not_sent_to_one_worker_twice)
{
    struct xdt_desk *desk = known(1000);
    xdt_client(desk, 5);
    xdt_submit(desk, 1, 7);
    xdt_submit(desk, 5, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.run_ns = 1000});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 2);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_RESULT, 5), 0);
    xdt_desk_free(desk);
}

Test(hold, a_cancelled_held_task_waits_with_the_kill_until_it_is_the_first)
{
    struct xdt_desk *desk = known(1000);
    xdt_submit_many(desk, 1, 1, 2);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 2);
    xdt_pass(desk, desk->config.kill_after * 2, both);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "busy");
    xdt_result(desk, 2, 1);
    xdt_pass(desk, desk->config.kill_after, both);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "stuck");
    xdt_desk_free(desk);
}
