/* SPDX-License-Identifier: MIT */
/* What tasks need of their workers. */
#include <criterion/criterion.h>

#include "desk.h"

Test(needs, a_task_goes_where_they_are_met)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.has = "cpu=4"});
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.has = "cpu=4 gpu=1"});
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.needs = "gpu>=1"});
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.needs = "gpu>=1"});
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.needs = "cpu>=2"});
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_EVENT), 0);
    xdt_desk_free(desk);
}

Test(needs, that_nobody_meets_are_said_at_once)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.needs = "gpu>=1"});
    cr_assert(xdt_line(desk, XDB_ACTION_SEND_EVENT, 1) != NULL);
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.has = "gpu=1"});
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    xdt_clear(desk);
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.needs = "gpu>="});
    cr_assert_eq(desk->lines[0].code, XD_ERR_INVALID);
    xdt_desk_free(desk);
}

Test(needs, a_worker_that_was_asked_for_is_waited_for_while_it_lives)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    struct xdt_task_how how = {.options = {.worker = {2}}};
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 1, how);
    xdt_submit_how(desk, 1, 2, how);
    xdt_submit_how(desk, 1, 3, how);
    cr_assert_eq(xdt_sent_to(desk, 1), 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_sent_to(desk, 3), 3);
    xdt_submit_how(desk, 1, 4, how);
    xdt_result(desk, 3, 3);
    cr_assert_eq(xdt_sent_to(desk, 4), 3);
    xdt_desk_free(desk);
}
