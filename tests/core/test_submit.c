/* SPDX-License-Identifier: MIT */
/* Tasks come in. */
#include <criterion/criterion.h>

#include "desk.h"

Test(submit, a_task_goes_to_a_free_worker_and_its_result_to_the_client)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.callee = "sum", .size = 5});
    cr_assert_eq(xdt_sent_to(desk, 7), 2);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 7)->first_size, 5);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.size = 9});
    const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_RESULT, 7);
    cr_assert(line != NULL && line->session == 1 && line->outcome == XD_OUTCOME_DONE);
    cr_assert_eq(line->first_size, 9);
    xdt_desk_free(desk);
}

Test(submit, several_frames_arrive_in_number)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.frames = 5, .size = 3});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 7)->frame_count, 5);
    xdt_desk_free(desk);
}

Test(submit, accepted_waits_for_a_result_to_ride_on)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ACCEPTED), 0);
    xdt_result(desk, 2, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ACCEPTED), 1);
    xdt_pass(desk, 10 * XD_MS, NULL);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ACCEPTED), 1);
    xdt_desk_free(desk);
}

Test(submit, accepted_goes_alone_after_its_delay)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit_many(desk, 1, 1, 3);
    xdt_pass(desk, desk->config.accept_delay - 1, NULL);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ACCEPTED), 0);
    xdt_pass(desk, 1, NULL);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ACCEPTED), 1);
    cr_assert_eq(desk->lines[desk->count - 1].count, 3);
    xdt_desk_free(desk);
}

Test(submit, tasks_the_client_may_not_have_end_as_rejected_with_the_reason)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.denied = "not yours", .size = 5});
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_REJECTED);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 7)->text, "not yours");
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 0);
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_stats(desk).rejected, 1);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_submit(desk, 1, 8); /* the session goes on */
    cr_assert_eq(xdt_sent_to(desk, 8), 2);
    xdt_desk_free(desk);
}

Test(submit, a_known_id_is_no_second_task)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_submit(desk, 1, 7);
    xdt_result(desk, 2, 7);
    xdt_submit(desk, 1, 7); /* its outcome is not acknowledged: still known */
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    cr_assert_eq(xdt_stats(desk).accepted, 1);
    cr_assert_eq(xdt_stats(desk).stale, 2);
    xdt_desk_free(desk);
}

Test(submit, an_id_belongs_to_the_session_that_made_it)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 4, "p");
    xdt_submit(desk, 1, 7);
    uint64_t first = xdt_sent_to(desk, 7);
    xdt_submit(desk, 3, 7);
    uint64_t second = xdt_sent_to(desk, 7);
    cr_assert_neq(first, second);
    xdt_result(desk, second, 7);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_RESULT, 3), 1);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_RESULT, 1), 0);
    xdt_desk_free(desk);
}

static void refused(struct xdt_task_how how, enum xd_err code)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit_how(desk, 1, 7, how);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 1);
    cr_assert_eq(desk->lines[0].code, code);
    cr_assert_eq(xdt_stats(desk).submitted, 0);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}

Test(submit, a_payload_of_another_session_is_forbidden)
{
    refused((struct xdt_task_how){.ref_owner = 9}, XD_ERR_FORBIDDEN);
}

Test(submit, a_format_outside_the_list_is_an_error)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    for (int bad = 0; bad < 2; bad++) {
        struct xd_task task = {.format = bad == 0 ? (enum xd_format)9 : XD_FORMAT_CALL};
        struct xd_bytes *name;
        cr_assert_eq(xd_bytes_text("p", &name), XD_OK);
        struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
        event.submit.profile = name;
        event.submit.tasks = &task;
        event.submit.count = 1;
        xdt_clear(desk);
        xdt_step(desk, &event);
        xd_bytes_unref(name);
        cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 1);
    }
    xdt_desk_free(desk);
}

Test(submit, tasks_of_an_unknown_session_are_dropped)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_submit(desk, 1, 7);
    cr_assert_eq(desk->count, 0);
    cr_assert_eq(xdt_stats(desk).stale, 1);
    xdt_desk_free(desk);
}

Test(submit, acknowledging_more_than_was_sent_is_an_error_and_changes_nothing)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_result(desk, 2, 7);
    xdt_ack(desk, 1, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 1);
    cr_assert_eq(xdt_stats(desk).unacked, 1);
    xdt_ack(desk, 1, 1);
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_stats(desk).unacked, 0);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_desk_free(desk);
}

Test(submit, a_setup_is_passed_on_with_the_session_whose_it_is)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.setup = 5});
    xdt_result(desk, 2, 7);
    xdt_submit_how(desk, 1, 8, (struct xdt_task_how){.setup = 6, .everywhere = true});
    const struct xdt_line *task = xdt_line(desk, XDB_ACTION_SEND_TASK, 7),
                          *part = xdt_line(desk, XDB_ACTION_SEND_TASK, 8);
    cr_assert(task->setup == 5 && task->origin == 1);
    cr_assert(part->setup == 6 && part->origin == 1 && part->everywhere);
    xdt_desk_free(desk);
}
