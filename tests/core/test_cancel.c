/* SPDX-License-Identifier: MIT */
/* Cancel and time limits. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

static const uint64_t both[] = {1, 2, 0};

Test(cancel, a_queued_task_is_removed)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_CANCELLED);
    xdt_worker(desk, 2, "p");
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 0);
    xdt_desk_free(desk);
}

Test(cancel, a_running_task_is_interrupted_and_its_slot_stays_taken)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 7, 2);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_CANCEL, 7)->level, 1);
    cr_assert_eq(xdt_sent_to(desk, 8), 0);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.outcome = XD_OUTCOME_CANCELLED});
    cr_assert_eq(xdt_sent_to(desk, 8), 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 1);
    xdt_desk_free(desk);
}

Test(cancel, what_does_not_react_is_killed_and_never_used_again)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 7, 2);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    xdt_clear(desk);
    xdt_pass(desk, desk->config.kill_after - 1, both);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_CANCEL), 0);
    xdt_pass(desk, 1, both);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_CANCEL), 1);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_CANCEL, 7)->level, 2);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "stuck");
    xdt_result(desk, 2, 7); /* too late */
    cr_assert_str_eq(xdt_worker_state(desk, 2), "stuck");
    cr_assert_eq(xdt_sent_to(desk, 8), 0);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    xdt_worker(desk, 3, "p");
    cr_assert_eq(xdt_sent_to(desk, 8), 3);
    xdt_desk_free(desk);
}

Test(cancel, an_unknown_id_is_not_found)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_submit(desk, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 99);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 3, 7); /* another's */
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 2);
    cr_assert_eq(desk->lines[0].code, XD_ERR_NOT_FOUND);
    cr_assert_str_eq(desk->lines[0].text, desk->lines[1].text);
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_desk_free(desk);
}

Test(cancel, an_administrator_reaches_all_sessions_of_the_principal)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    for (uint64_t i = 1; i <= 3; i++) {
        struct xdb_event join = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {i}};
        join.client_join.principal = i == 3 ? 500 : 400;
        xdt_step(desk, &join);
        xdt_submit(desk, i, 7);
    }
    struct xd_task_id id = {{7}};
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL, .session = {9}};
    event.ids.ids = &id;
    event.ids.count = 1;
    event.ids.any_session = true;
    event.ids.principal = 400;
    xdt_step(desk, &event);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 2);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_SEND_RESULT, 3), 0);
    event.ids.principal = 600;
    xdt_step(desk, &event);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_ERROR, 9), 1);
    xdt_desk_free(desk);
}

Test(cancel, an_outcome_is_not_told_again)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 1);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 0);
    xdt_desk_free(desk);
}

Test(cancel, a_time_limit_ends_a_waiting_task)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.timeout_ms = 100});
    xdt_pass(desk, 100 * XD_MS - 1, NULL);
    cr_assert_eq(xdt_outcome(desk, 7), 0);
    xdt_pass(desk, 1, NULL);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_EXPIRED);
    cr_assert_eq(xdt_stats(desk).queued, 0);
    xdt_desk_free(desk);
}

Test(cancel, a_time_limit_interrupts_a_running_task)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.timeout_ms = 100});
    xdt_pass(desk, 100 * XD_MS, NULL);
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_EXPIRED);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_CANCEL, 7)->level, 1);
    xdt_pass(desk, desk->config.kill_after, both);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "stuck");
    xdt_desk_free(desk);
}

Test(cancel, an_outcome_acknowledged_before_the_worker_is_through_keeps_the_slot)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_stats(desk).leased, 1);
    xdt_submit(desk, 1, 7); /* the id is free again; the slot is not */
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_result(desk, 2, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 1);
    xdt_desk_free(desk);
}

/* By an administrator of all sessions' principal, unless it is only session 1's own. */
static size_t cancel_many(struct xdt_desk *desk,
                          enum xdb_cancel_by by,
                          const char *value,
                          bool own,
                          bool *goes_on)
{
    struct xd_bytes *text = NULL;
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL_MANY, .session = {1}};
    cr_assert_eq(xd_bytes_text(value, &text), XD_OK);
    event.cancel_many.by = by;
    event.cancel_many.profile = by == XDB_CANCEL_PROFILE ? text : NULL;
    event.cancel_many.key = by == XDB_CANCEL_KEY ? text : NULL;
    event.cancel_many.any_session = !own;
    event.cancel_many.target = (struct xd_session_id){2};
    xdt_step(desk, &event);
    xd_bytes_unref(text);
    *goes_on = event.cancel_many.goes_on;
    return event.cancel_many.cancelled;
}

Test(cancel, many_by_key_profile_or_session)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    bool goes_on;
    xdt_client(desk, 1);
    xdt_client(desk, 2);
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.replaces = "slider"});
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.dedupe = "slider"});
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.profile = "q"});
    xdt_submit_how(desk, 2, 4, (struct xdt_task_how){.profile = "q"});
    xdt_submit(desk, 2, 5);
    xdt_submit(desk, 1, 6);
    cr_assert_eq(cancel_many(desk, XDB_CANCEL_KEY, "slide", false, &goes_on), 0);
    cr_assert_eq(cancel_many(desk, XDB_CANCEL_KEY, "slider", false, &goes_on), 2);
    cr_assert_eq(cancel_many(desk, XDB_CANCEL_PROFILE, "q", true, &goes_on), 1);
    cr_assert_eq(xdt_outcome(desk, 3), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_outcome(desk, 4), 0, "another session's");
    cr_assert_eq(cancel_many(desk, XDB_CANCEL_SESSION, "", false, &goes_on), 2);
    cr_assert_eq(xdt_outcome(desk, 5), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_outcome(desk, 6), 0, "it was of session 1");
    cr_assert_not(goes_on);
    xdt_desk_free(desk);
}

Test(cancel, many_takes_several_steps)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    bool goes_on;
    xdt_client(desk, 1);
    xdt_submit_many(desk, 1, 1, 5000);
    xdt_clear(desk);
    size_t first = cancel_many(desk, XDB_CANCEL_PROFILE, "p", true, &goes_on);
    cr_assert(goes_on && first < 5000);
    cr_assert_eq(first + cancel_many(desk, XDB_CANCEL_PROFILE, "p", true, &goes_on),
                 5000);
    cr_assert_not(goes_on);
    xdt_desk_free(desk);
}
