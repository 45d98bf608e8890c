/* SPDX-License-Identifier: MIT */
/* What workers say of their tasks. */
#include <criterion/criterion.h>

#include "desk.h"

Test(report, a_result_of_who_does_not_hold_the_lease_changes_nothing)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_worker(desk, 3, "p");
    xdt_result(desk, 3, 7);
    xdt_result(desk, 1, 7);
    xdt_result(desk, 99, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 0);
    cr_assert_eq(xdt_stats(desk).stale, 3);
    xdt_result(desk, 2, 7);
    xdt_result(desk, 2, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_RESULT), 1);
    cr_assert_eq(xdt_stats(desk).stale, 4);
    xdt_desk_free(desk);
}

Test(report, outcomes_are_counted_by_kind)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    static const enum xd_outcome outcomes[] = {XD_OUTCOME_DONE,
                                               XD_OUTCOME_FAILED,
                                               XD_OUTCOME_EXPIRED,
                                               (enum xd_outcome)77};
    for (unsigned i = 0; i < 4; i++) {
        xdt_submit(desk, 1, i + 1);
        xdt_result_how(desk, 2, i + 1, (struct xdt_result_how){.outcome = outcomes[i]});
    }
    cr_assert_eq(xdt_stats(desk).done, 1);
    cr_assert_eq(xdt_stats(desk).failed, 2); /* one that is in no list counts as failed */
    cr_assert_eq(xdt_stats(desk).expired, 1);
    xdt_desk_free(desk);
}

Test(report, a_result_with_anothers_payload_fails_the_task)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.ref_owner = 1});
    cr_assert_eq(xdt_outcome(desk, 7), XD_OUTCOME_FAILED);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 7)->frame_count, 0);
    xdt_desk_free(desk);
}

static void send_event(struct xdt_desk *desk, uint64_t session, uint8_t id)
{
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text("half", &bytes), XD_OK);
    struct xdb_event event = {.kind = XDB_EVENT_TASK_EVENT, .session = {session}};
    event.task_event.id.bytes[0] = id;
    event.task_event.kind = bytes;
    event.task_event.bytes = bytes;
    xdt_step(desk, &event);
    xd_bytes_unref(bytes);
}

Test(report, an_event_goes_to_the_client_while_the_task_runs)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 7);
    send_event(desk, 2, 7);
    const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_EVENT, 7);
    cr_assert(line != NULL && line->session == 1 && line->first_size == 4);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    send_event(desk, 2, 7);
    send_event(desk, 9, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_EVENT), 1);
    cr_assert_eq(xdt_stats(desk).stale, 2);
    xdt_desk_free(desk);
}

Test(report, started_rides_on_a_result_or_comes_alone)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.hold = 9});
    xdt_submit(desk, 1, 100);
    xdt_result_how(desk, 2, 100, (struct xdt_result_how){.run_ns = 1000});
    xdt_submit_many(desk, 1, 1, 3);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.run_ns = 1000, .started = 2});
    xdt_result_how(desk, 2, 2, (struct xdt_result_how){.run_ns = 1000});
    xdt_id_event(desk, XDB_EVENT_STARTED, 2, 3);
    xdt_id_event(desk, XDB_EVENT_STARTED, 2, 99);
    cr_assert_eq(xdt_stats(desk).stale, 1);
    xdt_result(desk, 2, 3);
    cr_assert_eq(xdt_stats(desk).done, 4);
    xdt_desk_free(desk);
}
