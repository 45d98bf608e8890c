/* SPDX-License-Identifier: MIT */
/* What few tasks ask for: times, retries, quarantine, a key that replaces. */
#include <criterion/criterion.h>

#include "desk.h"

static const uint64_t all[] = {1, 2, 3, 4, 5, 6, 0};

static struct xdt_desk *desk_with_worker(void)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    return desk;
}

static void submit(struct xdt_desk *desk, unsigned id, struct xd_task_options options)
{
    xdt_submit_how(desk, 1, id, (struct xdt_task_how){.options = options});
}

static void fail_task(struct xdt_desk *desk, uint64_t worker, unsigned id)
{
    xdt_result_how(desk,
                   worker,
                   id,
                   (struct xdt_result_how){.outcome = XD_OUTCOME_FAILED});
}

Test(extra, a_delayed_task_waits_for_its_time_and_then_comes_last)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.delay_ms = 100});
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_submit(desk, 1, 2);
    xdt_submit(desk, 1, 3);
    xdt_pass(desk, 99 * XD_MS, all);
    cr_assert_eq(xdt_sent_to(desk, 1), 0);
    xdt_pass(desk, XD_MS, all);
    xdt_result(desk, 2, 2);
    cr_assert_eq(xdt_sent_to(desk, 1), 0);
    xdt_result(desk, 2, 3);
    cr_assert_eq(xdt_sent_to(desk, 1), 2);
    xdt_desk_free(desk);
}

Test(extra, a_delayed_task_can_be_cancelled_and_expire)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.delay_ms = 1000});
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_CANCELLED);
    xdt_submit_how(
        desk,
        1,
        2,
        (struct xdt_task_how){.timeout_ms = 10, .options = {.delay_ms = 1000}});
    xdt_pass(desk, 10 * XD_MS, all);
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_EXPIRED);
    xdt_desk_free(desk);
}

Test(extra, a_deadline_ends_what_has_not_begun_and_nothing_else)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.deadline_ms = 50});
    submit(desk, 2, (struct xd_task_options){.deadline_ms = 50});
    xdt_pass(desk, 50 * XD_MS, all);
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_EXPIRED);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_CANCEL), 0);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_DONE);
    xdt_desk_free(desk);
}

static void give_sign(struct xdt_desk *desk, uint64_t worker, unsigned id)
{
    struct xd_bytes *text = NULL;
    cr_assert_eq(xd_bytes_text("progress", &text), XD_OK);
    struct xdb_event event = {.kind = XDB_EVENT_TASK_EVENT, .session = {worker}};
    event.task_event.id.bytes[0] = (uint8_t)id;
    event.task_event.kind = event.task_event.bytes = text;
    xdt_step(desk, &event);
    xd_bytes_unref(text);
}

Test(extra, a_run_over_its_limit_is_interrupted_unless_it_gives_signs_of_life)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.limit_ms = 100});
    submit(desk, 2, (struct xd_task_options){.limit_ms = 100});
    for (unsigned i = 0; i < 5; i++) {
        xdt_pass(desk, 90 * XD_MS, all);
        give_sign(desk, 2, 1);
    }
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    xdt_pass(desk, 100 * XD_MS, all);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_EXPIRED);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_CANCEL, 1)->level, 1);
    xdt_pass(desk, 200 * XD_MS, all);
    cr_assert_eq(xdt_outcome(desk, 2), 0, "the limit counts from the start");
    xdt_desk_free(desk);
}

Test(extra, an_error_is_tried_again_as_often_as_asked_with_longer_pauses)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.retries_failed = 2, .backoff_ms = 100});
    fail_task(desk, 2, 1);
    xdt_submit(desk, 1, 2); /* goes meanwhile */
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_result(desk, 2, 2);
    xdt_clear(desk);
    xdt_pass(desk, 100 * XD_MS, all);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    fail_task(desk, 2, 1);
    xdt_clear(desk);
    xdt_pass(desk, 199 * XD_MS, all);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 0);
    xdt_pass(desk, XD_MS, all);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    fail_task(desk, 2, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_FAILED);
    cr_assert_eq(xdt_stats(desk).failed, 1);
    xdt_desk_free(desk);
}

Test(extra, a_retry_keeps_its_place)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.retries_failed = 1});
    xdt_submit(desk, 1, 2);
    fail_task(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_DONE);
    xdt_desk_free(desk);
}

Test(extra, an_error_is_no_loss_and_a_loss_no_error)
{
    struct xdt_desk *desk = desk_with_worker();
    submit(desk, 1, (struct xd_task_options){.retries_lost = 1});
    fail_task(desk, 2, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_FAILED);
    submit(desk, 2, (struct xd_task_options){.retries_failed = 1});
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_LOST);
    xdt_desk_free(desk);
}

static void kick(struct xdt_desk *desk)
{
    struct xdb_event event = {.kind = XDB_EVENT_KICK, .session = {1}};
    cr_assert_eq(xd_bytes_text("p", &event.profile.name), XD_OK);
    xdt_step(desk, &event);
    xd_bytes_unref(event.profile.name);
}

Test(extra, what_kills_its_workers_goes_into_quarantine_until_kicked)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    submit(desk, 1, (struct xd_task_options){.retries_lost = 9});
    for (uint64_t worker = 2; worker <= 4; worker++) {
        xdt_worker(desk, worker, "p");
        cr_assert_eq(xdt_sent_to(desk, 1), worker);
        xdt_simple(desk, XDB_EVENT_LOST, worker);
    }
    xdt_worker(desk, 5, "p");
    cr_assert_eq(xdt_sent_to(desk, 1), 4);
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    kick(desk);
    cr_assert_eq(xdt_sent_to(desk, 1), 5);
    xdt_result(desk, 5, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_DONE);
    xdt_desk_free(desk);
}

Test(extra, one_in_quarantine_can_be_cancelled)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    submit(desk, 1, (struct xd_task_options){.retries_lost = 9});
    for (uint64_t worker = 2; worker <= 4; worker++) {
        xdt_worker(desk, worker, "p");
        xdt_simple(desk, XDB_EVENT_LOST, worker);
    }
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 1);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}

Test(extra, a_later_task_of_a_key_replaces_the_earlier_one)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_client(desk, 3);
    for (unsigned id = 1; id <= 3; id++) {
        xdt_submit_how(desk, 1, id, (struct xdt_task_how){.replaces = "slider"});
    }
    xdt_submit_how(desk, 3, 4, (struct xdt_task_how){.replaces = "slider"});
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_CANCELLED); /* it ran */
    cr_assert(xdt_line(desk, XDB_ACTION_CANCEL, 1) != NULL);
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_CANCELLED); /* it waited */
    cr_assert_eq(xdt_outcome(desk, 3), 0);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 2)->text,
                     "replaced by a later task");
    xdt_result(desk, 2, 1);
    xdt_result(desk, 2, 3);
    xdt_result(desk, 2, 4);
    xdt_submit_how(desk, 1, 5, (struct xdt_task_how){.replaces = "slider"});
    cr_assert_eq(xdt_outcome(desk, 3), XD_OUTCOME_DONE);
    cr_assert_eq(xdt_outcome(desk, 4), XD_OUTCOME_DONE);
    cr_assert_eq(xdt_sent_to(desk, 5), 2);
    xdt_desk_free(desk);
}

Test(extra, bad_options_are_refused_by_name)
{
    static const struct {
        struct xdt_task_how how;
        const char *text;
    } bad[] = {
        {{.options = {.priority = 4}}, "priority: interactive, normal or batch"},
        {{.options = {.delay_ms = 5, .deadline_ms = 5}},
         "deadline: it is not after the delay"},
        {{.everywhere = true, .options = {.retries_lost = 1}},
         "everywhere: no delay, deadline, limit, retries, key or after"},
    };
    struct xdt_desk *desk = desk_with_worker();
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        xdt_clear(desk);
        xdt_submit_how(desk, 1, 1, bad[i].how);
        cr_assert_eq(desk->lines[0].kind, XDB_ACTION_ERROR);
        cr_assert_eq(desk->lines[0].code, XD_ERR_INVALID);
        cr_assert_str_eq(desk->lines[0].text, bad[i].text);
    }
    xdt_desk_free(desk);
}
