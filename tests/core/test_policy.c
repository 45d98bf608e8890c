/* SPDX-License-Identifier: MIT */
/* Early round robin. */
#include <criterion/criterion.h>

#include "desk.h"

static struct xdt_desk *ring(void)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_profile(desk, 1, "p", false, true);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    return desk;
}

Test(policy, round_robin_binds_in_turn_though_another_is_free)
{
    struct xdt_desk *desk = ring();
    xdt_submit_many(desk, 1, 1, 4); /* 1, 3 -> 2; 2, 4 -> 3 */
    cr_assert_eq(xdt_sent_to(desk, 1), 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 3);
    xdt_result(desk, 3, 2);
    cr_assert_eq(xdt_sent_to(desk, 4), 3);
    xdt_result(desk, 3, 4);
    cr_assert_eq(xdt_sent_to(desk, 3), 0);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    xdt_desk_free(desk);
}

Test(policy, tasks_bound_to_a_lost_worker_go_to_another)
{
    struct xdt_desk *desk = ring();
    xdt_submit_many(desk, 1, 1, 4);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_LOST);
    xdt_result(desk, 3, 2);
    xdt_result(desk, 3, 4);
    cr_assert_eq(xdt_sent_to(desk, 3), 3);
    xdt_desk_free(desk);
}

Test(policy, what_found_no_worker_waits_for_the_first)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_profile(desk, 1, "p", false, true);
    xdt_submit(desk, 1, 1);
    xdt_worker(desk, 2, "p");
    cr_assert_eq(xdt_sent_to(desk, 1), 2);
    xdt_desk_free(desk);
}
