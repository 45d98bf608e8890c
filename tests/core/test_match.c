/* SPDX-License-Identifier: MIT */
/* Which task goes to which worker. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "desk.h"

Test(match, tasks_of_all_shapes_go_in_the_order_they_came)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    for (unsigned i = 1; i <= 9; i++) {
        const char *callees[] = {"a", "b", NULL};
        xdt_submit_how(desk, 1, i, (struct xdt_task_how){.callee = callees[i % 3]});
    }
    xdt_worker(desk, 2, "p");
    for (unsigned i = 1; i <= 9; i++) {
        cr_assert_eq(xdt_sent_to(desk, i), 2, "task %u is not the next", i);
        cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), i);
        xdt_result(desk, 2, i);
    }
    xdt_desk_free(desk);
}

Test(match, a_call_goes_where_its_handler_is)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.handler = "a"});
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.handler = "b"});
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.callee = "b"});
    xdt_submit_how(desk, 1, 8, (struct xdt_task_how){.callee = "a"});
    cr_assert_eq(xdt_sent_to(desk, 7), 3);
    cr_assert_eq(xdt_sent_to(desk, 8), 2);
    xdt_desk_free(desk);
}

Test(match, a_format_goes_where_it_is_offered)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.formats = 1u << XD_FORMAT_CALL});
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_sent_to(desk, 7), 0);
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.formats = 1u << XD_FORMAT_R});
    cr_assert_eq(xdt_sent_to(desk, 7), 3);
    xdt_desk_free(desk);
}

Test(match, a_task_stays_in_its_profile)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "other");
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_sent_to(desk, 7), 0);
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_desk_free(desk);
}

Test(match, one_that_fits_nowhere_lets_the_others_pass)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.handler = "a"});
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.callee = "nobody"});
    xdt_submit_how(desk, 1, 8, (struct xdt_task_how){.callee = "a"});
    cr_assert_eq(xdt_sent_to(desk, 8), 2);
    xdt_desk_free(desk);
}

Test(match, kinds_of_tasks_without_end_do_not_fill_the_memory)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    for (unsigned i = 1; i <= 600; i++) {
        char callee[16];
        (void)snprintf(callee, sizeof callee, "f%u", i);
        xdt_submit_how(desk, 1, i, (struct xdt_task_how){.callee = callee});
        xdt_result(desk, 2, i);
        xdt_ack(desk, 1, i); /* the check of the core limits the spare shapes */
    }
    cr_assert_eq(xdt_stats(desk).done, 600);
    xdt_desk_free(desk);
}
