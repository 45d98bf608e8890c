/* SPDX-License-Identifier: MIT */
/* The end of the broker. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

Test(drain, says_when_nothing_is_left_and_only_once)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_simple(desk, XDB_EVENT_DRAIN, 0);
    xdt_result(desk, 2, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DRAINED), 0);
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DRAINED), 1);
    xdt_simple(desk, XDB_EVENT_HEARD, 1);
    xdt_simple(desk, XDB_EVENT_DRAIN, 0);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DRAINED), 1);
    xdt_desk_free(desk);
}

Test(drain, of_an_empty_broker_is_over_at_once)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_simple(desk, XDB_EVENT_DRAIN, 0);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DRAINED), 1);
    xdt_desk_free(desk);
}

Test(drain, rejects_new_tasks_and_ends_the_old)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 7);
    xdt_simple(desk, XDB_EVENT_DRAIN, 0);
    xdt_submit(desk, 1, 8);
    cr_assert_eq(xdt_outcome(desk, 8), XD_OUTCOME_REJECTED);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 8)->text,
                     "the broker is draining");
    xdt_worker(desk, 2, "p");
    cr_assert_eq(xdt_sent_to(desk, 7), 2);
    xdt_result(desk, 2, 7);
    xdt_ack(desk, 1, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_DRAINED), 1);
    cr_assert_eq(xdt_stats(desk).rejected, 1);
    xdt_desk_free(desk);
}
