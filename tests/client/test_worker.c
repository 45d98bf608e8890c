/* SPDX-License-Identifier: MIT */
/* The worker's state over a scripted broker, with a hand-moved clock. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "base/alloc.h"
#include "clock.h"
#include "wire/limits.h"
#include "worker.h"
#include "worker_side.h"

TestSuite(worker, .init = begin, .fini = end);

/* ---- tasks and results ---- */

Test(worker, a_task_runs_and_its_result_leaves_at_once)
{
    struct xd_job *job = run(1);
    cr_assert_str_eq(job->callee, "f");
    now += 5 * XD_MS;
    finish();
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.count, 1);
    struct xd_task_id id = fake_id(1);
    cr_assert(xd_task_id_equal(&msg.results.results[0].id, &id));
    cr_assert_eq(msg.results.results[0].run_ns, (uint64_t)(5 * XD_MS));
    cr_assert_not(msg.results.has_started);
    xd_msg_clear(&msg);
}

Test(worker, a_task_sent_twice_runs_once)
{
    fake_say_task(fake, fake_id(1), "f", false);
    fake_say_task(fake, fake_id(1), "f", false);
    turn(0);
    cr_assert_eq(core->inbox_count, 1);
}

Test(worker, results_of_short_held_tasks_gather)
{
    for (unsigned n = 1; n <= 5; n++) {
        fake_say_task(fake, fake_id(n), "f", n > 1);
    }
    turn(0);
    for (unsigned n = 1; n <= 5; n++) {
        cr_assert_not_null(xd_worker_core_begin(core, now));
        turn(0);
        if (n == 1) {
            expect_nothing();
        } else {
            cr_assert_eq(core->result_count, n - 1, "gathered");
        }
        now += XD_US;
        finish();
    }
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.count, 5);
    xd_msg_clear(&msg);
}

Test(worker, the_start_of_a_held_task_rides_on_the_result_before_it)
{
    run(1);
    fake_say_task(fake, fake_id(2), "f", true);
    turn(0);
    now += 5 * XD_MS; /* a long one: it does not wait for more */
    finish();
    cr_assert_not_null(xd_worker_core_begin(core, now));
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert(msg.results.has_started);
    struct xd_task_id id = fake_id(2);
    cr_assert(xd_task_id_equal(&msg.results.started, &id));
    xd_msg_clear(&msg);
    turn(0);
    expect_nothing();
}

Test(worker, a_start_nothing_rides_on_is_told_alone)
{
    fake_say_task(fake, fake_id(1), "f", true);
    turn(0);
    cr_assert_not_null(xd_worker_core_begin(core, now));
    turn(0);
    expect_and_drop(XD_KIND_STARTED);
    turn(0);
    expect_nothing();
}

Test(worker, a_failure_has_its_sentence_cut_at_a_character)
{
    char *text = malloc(XD_TEXT_MAX_BYTES + 10);
    memset(text, 'x', XD_TEXT_MAX_BYTES + 9);
    memcpy(text + XD_TEXT_MAX_BYTES - 1, "\xc3\xbc", 2);
    text[XD_TEXT_MAX_BYTES + 9] = '\0';
    run(1);
    cr_assert_eq(xd_worker_core_finish(core, XD_OUTCOME_FAILED, text, NULL, 0, now),
                 XD_OK);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_FAILED);
    cr_assert_eq(msg.results.results[0].error->size, XD_TEXT_MAX_BYTES - 1);
    xd_msg_clear(&msg);
    free(text);
}

Test(worker, a_result_that_is_wrong_becomes_a_failure)
{
    run(1);
    struct xd_payload payload = {0};
    cr_assert_eq(xd_worker_core_finish(core, XD_OUTCOME_DONE, NULL, &payload, 1, now),
                 XD_ERR_INVALID);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_FAILED);
    cr_assert_gt(msg.results.results[0].error->size, 0);
    xd_msg_clear(&msg);
}

Test(worker, every_failed_allocation_of_a_result_is_a_failure_the_client_hears)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert_eq(xd_bytes_room(2 * XD_MESSAGE_MAX_BYTES, &room, &bytes), XD_OK);
    struct xd_payload payloads[3] = {{.bytes = bytes, .tag = "a"},
                                     {.bytes = bytes},
                                     {.bytes = bytes}};
    for (unsigned n = 1; n < 50; n++) {
        run(n);
        xd_alloc_fail_at(n);
        enum xd_err err =
            xd_worker_core_finish(core, XD_OUTCOME_DONE, NULL, payloads, 3, now);
        xd_alloc_fail_at(0);
        cr_assert_null(xd_worker_core_check(core));
        struct xd_job *job = XD_ITEM(core->results.prev, struct xd_job, link);
        if (err == XD_OK) {
            cr_assert_gt(n, 4);
            cr_assert_eq(job->result.outcome, XD_OUTCOME_DONE);
            xd_bytes_unref(bytes);
            return;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert_eq(job->result.outcome, XD_OUTCOME_FAILED);
        cr_assert_not_null(job->result.error);
        cr_assert_eq(core->channel.owned.payloads.count, 0);
        turn(0);
        expect_and_drop(XD_KIND_RESULT);
    }
    cr_assert_fail("it never worked");
}

Test(worker, a_task_without_memory_goes_back_or_ends_the_session)
{
    for (size_t n = 1; n < 20; n++) {
        struct xd_task task = {.id = fake_id((unsigned)n), .format = XD_FORMAT_R};
        struct xd_msg msg = {.kind = XD_KIND_TASK};
        msg.tasks.tasks = &task;
        msg.tasks.count = 1;
        xd_alloc_fail_at(n);
        xd_worker_core_message(core, &msg, now);
        xd_alloc_fail_at(0);
        cr_assert_null(xd_worker_core_check(core));
        if (core->inbox_count == 1) {
            cr_assert_gt(n, 1);
            return;
        }
        turn(0);
        expect_and_drop(XD_KIND_RECALLED);
    }
}

/* ---- recall and cancel ---- */

Test(worker, only_what_has_not_begun_is_handed_back)
{
    run(1);
    fake_say_task(fake, fake_id(2), "f", true);
    fake_say_ids(fake, XD_KIND_RECALL, fake_id(1), 0);
    fake_say_ids(fake, XD_KIND_RECALL, fake_id(2), 0);
    fake_say_ids(fake, XD_KIND_RECALL, fake_id(3), 0);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RECALLED, &msg);
    struct xd_task_id id = fake_id(2);
    cr_assert_eq(msg.ids.count, 1);
    cr_assert(xd_task_id_equal(&msg.ids.ids[0], &id));
    xd_msg_clear(&msg);
    expect_nothing();
}

Test(worker, a_cancel_reaches_the_running_task)
{
    struct xd_job *job = run(1);
    fake_say_ids(fake, XD_KIND_CANCEL, fake_id(1), XD_CANCEL_INTERRUPT);
    turn(0);
    cr_assert(atomic_load(&job->cancelled));
    cr_assert(core->alarm.interrupt);
    cr_assert_not(core->alarm.kill);
    fake_say_ids(fake, XD_KIND_CANCEL, fake_id(1), XD_CANCEL_KILL);
    turn(0);
    cr_assert(core->alarm.kill);
}

Test(worker, a_cancel_of_a_held_task_is_its_result)
{
    run(1);
    fake_say_task(fake, fake_id(2), "f", true);
    fake_say_ids(fake, XD_KIND_CANCEL, fake_id(2), XD_CANCEL_INTERRUPT);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_CANCELLED);
    xd_msg_clear(&msg);
    cr_assert_eq(core->inbox_count, 0);
}

Test(worker, the_end_of_the_broker_interrupts_the_task)
{
    struct xd_job *job = run(1);
    fake_break(fake);
    turn(0);
    cr_assert(atomic_load(&job->cancelled));
    cr_assert(core->alarm.interrupt);
}

Test(worker, the_end_of_the_broker_gives_the_task_three_seconds)
{
    run(1);
    fake_break(fake);
    turn(0);
    xd_time end = now + XD_KILL_AFTER_MS * XD_MS;
    cr_assert_eq(xd_worker_core_deadline(core), end);
    cr_assert_not(xd_worker_core_is_overdue(core, end - 1));
    cr_assert(xd_worker_core_is_overdue(core, end));
    turn(XD_KILL_AFTER_MS * XD_MS);
    cr_assert_not(xd_worker_core_is_overdue(core, now + XD_S), "it is said once");
    cr_assert_eq(xd_worker_core_deadline(core), XD_NEVER);
}

Test(worker, a_task_cancelled_before_the_end_of_the_broker_has_three_seconds_from_there)
{
    run(1);
    fake_say_ids(fake, XD_KIND_CANCEL, fake_id(1), XD_CANCEL_INTERRUPT);
    turn(0);
    core->alarm.interrupt = false;
    cr_assert_not(xd_worker_core_is_overdue(core, now + 60 * XD_S));
    fake_break(fake);
    turn(XD_S);
    cr_assert_not(core->alarm.interrupt, "it was told already");
    cr_assert(xd_worker_core_is_overdue(core, now + XD_KILL_AFTER_MS * XD_MS));
}

Test(worker, a_task_that_ends_in_time_is_not_overdue)
{
    run(1);
    fake_break(fake);
    turn(0);
    finish();
    cr_assert_not(xd_worker_core_is_overdue(core, now + 60 * XD_S));
}

Test(worker, a_task_that_may_finish_goes_on_after_the_end_of_the_broker)
{
    core->finishes = true;
    run(1);
    fake_break(fake);
    turn(0);
    cr_assert_not(core->alarm.interrupt);
    cr_assert_not(atomic_load(&core->running->cancelled));
    cr_assert_not(xd_worker_core_is_overdue(core, now + 60 * XD_S));
    finish();
}

Test(worker, the_end_of_the_broker_while_nothing_runs_is_no_alarm)
{
    fake_break(fake);
    turn(0);
    cr_assert_not(core->alarm.interrupt);
    cr_assert_eq(xd_worker_core_deadline(core), XD_NEVER);
    cr_assert_not(xd_worker_core_is_overdue(core, XD_NEVER));
}

/* ---- events ---- */

Test(worker, events_go_ahead_of_the_result)
{
    run(1);
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text("50 %", &bytes), XD_OK);
    cr_assert_eq(xd_worker_core_emit(core, "progress", bytes), XD_OK);
    finish();
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_EVENT, &msg);
    cr_assert(xd_bytes_is(msg.event.kind, "progress"));
    cr_assert(xd_bytes_is(msg.event.bytes, "50 %"));
    xd_msg_clear(&msg);
    expect_and_drop(XD_KIND_RESULT);
    xd_bytes_unref(bytes);
}

Test(worker, events_stay_ahead_when_the_link_is_full)
{
    run(1);
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text("x", &bytes), XD_OK);
    fake->full[XD_LANE_CONTROL] = true;
    enum xd_err err = XD_OK;
    unsigned taken = 0;
    while ((err = xd_worker_core_emit(core, "progress", bytes)) == XD_OK) {
        taken++;
    }
    cr_assert_eq(err, XD_ERR_BUSY);
    finish();
    turn(0);
    fake->full[XD_LANE_CONTROL] = false;
    turn(3 * XD_MS);
    for (unsigned i = 0; i < taken; i++) {
        expect_and_drop(XD_KIND_EVENT);
    }
    expect_and_drop(XD_KIND_RESULT);
    xd_bytes_unref(bytes);
}

Test(worker, an_event_that_is_wrong_is_refused)
{
    run(1);
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert_eq(xd_bytes_room(XD_MESSAGE_MAX_BYTES + 1, &room, &bytes), XD_OK);
    cr_assert_eq(xd_worker_core_emit(core, "", bytes), XD_ERR_INVALID);
    cr_assert_eq(xd_worker_core_emit(core, "x", NULL), XD_ERR_INVALID);
    cr_assert_eq(xd_worker_core_emit(core, "x", bytes), XD_ERR_TOO_LARGE);
    xd_bytes_unref(bytes);
}

/* ---- streams ---- */

static void say_large_task(unsigned n, uint64_t size)
{
    struct xd_frame frame = {.ref = {{5}, n}, .size = size, .role = XD_FRAME_BODY};
    struct xd_task task = {.id = fake_id(n),
                           .format = XD_FORMAT_R,
                           .frames = &frame,
                           .frame_count = 1};
    struct xd_msg msg = {.kind = XD_KIND_TASK};
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    turn(0);
}

static void say_chunk(unsigned n, struct xd_bytes *bytes, enum xd_err code)
{
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk =
        (struct xd_chunk){.ref = {{5}, n}, .reader = {7}, .code = code, .bytes = bytes};
    fake_say(fake, XD_LANE_BULK, &msg);
}

Test(worker, a_task_begins_when_its_payloads_are_here)
{
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text("payload", &bytes), XD_OK);
    say_large_task(1, bytes->size);
    fake_say_task(fake, fake_id(2), "f", true);
    turn(0);
    cr_assert_not(xd_worker_core_has_next(core), "in order");
    expect_and_drop(XD_KIND_HELLO);
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    turn(0);
    expect_and_drop(XD_KIND_CREDIT);
    say_chunk(1, bytes, XD_OK);
    turn(0);
    struct xd_job *job = xd_worker_core_begin(core, now);
    cr_assert_not_null(job);
    cr_assert(xd_bytes_equal(job->task.frames[0].bytes, bytes));
    xd_bytes_unref(bytes);
}

Test(worker, a_task_whose_payload_is_gone_never_shows_up)
{
    say_large_task(1, 100);
    expect_and_drop(XD_KIND_HELLO);
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    turn(0);
    expect_and_drop(XD_KIND_CREDIT);
    say_chunk(1, NULL, XD_ERR_GONE);
    turn(0);
    cr_assert_not(xd_worker_core_has_next(core));
    expect_and_drop(XD_KIND_CREDIT);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_LOST);
    xd_msg_clear(&msg);
}

Test(worker, a_task_handed_back_unread_says_so)
{
    run(1);
    say_large_task(2, 100);
    expect_and_drop(XD_KIND_HELLO);
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    turn(0);
    expect_and_drop(XD_KIND_CREDIT);
    say_large_task(3, 100); /* behind it: nothing of that is read so far */
    for (unsigned n = 2; n <= 3; n++) {
        fake_say_ids(fake, XD_KIND_RECALL, fake_id(n), 0);
    }
    turn(0);
    turn(0);
    expect_and_drop(XD_KIND_RECALLED);
    for (unsigned n = 2; n <= 3; n++) {
        struct xd_msg msg;
        fake_expect(fake, XD_KIND_CREDIT, &msg);
        cr_assert(msg.credit.done);
        cr_assert_eq(msg.credit.ref.counter, n);
    }
    cr_assert(xd_list_is_empty(&core->channel.reads.pulls));
}

Test(worker, a_large_result_is_kept_until_it_was_read)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert_eq(xd_bytes_room(XD_MESSAGE_MAX_BYTES + 1, &room, &bytes), XD_OK);
    memset(room, 1, XD_MESSAGE_MAX_BYTES + 1);
    struct xd_payload payload = {.bytes = bytes};
    run(1);
    cr_assert_eq(xd_worker_core_finish(core, XD_OUTCOME_DONE, NULL, &payload, 1, now),
                 XD_OK);
    xd_bytes_unref(bytes);
    turn(0);
    expect_and_drop(XD_KIND_HELLO);
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    struct xd_msg credit = {.kind = XD_KIND_CREDIT};
    credit.credit.ref = msg.results.results[0].frames[0].ref;
    credit.credit.reader.n = 9;
    credit.credit.chunks = 8;
    xd_msg_clear(&msg);
    cr_assert_not(xd_worker_core_is_quiet(core));
    fake_say(fake, XD_LANE_BULK, &credit);
    turn(0);
    expect_and_drop(XD_KIND_CHUNK);
    expect_and_drop(XD_KIND_CHUNK);
    credit.credit.chunks = 0;
    credit.credit.done = true;
    fake_say(fake, XD_LANE_BULK, &credit);
    turn(0);
    cr_assert_not(xd_worker_core_is_quiet(core), "others may come to read it");
    credit.credit.reader.n = 0;
    fake_say(fake, XD_LANE_BULK, &credit);
    turn(0);
    cr_assert(xd_worker_core_is_quiet(core));
}

/* ---- offers and leaving ---- */

Test(worker, offers_are_checked)
{
    const char *bad[] = {"a\nb"};
    static const char *many[XD_HANDLERS_MAX + 1];
    const struct {
        struct xd_worker_options options;
        enum xd_err err;
    } table[] = {
        {{.profile = "\x01"}, XD_ERR_INVALID},
        {{.hold = XD_HOLD_MAX + 1}, XD_ERR_INVALID},
        {{.formats = 1u << 9}, XD_ERR_INVALID},
        {{.handlers = bad, .handler_count = 1}, XD_ERR_INVALID},
        {{.handlers = many, .handler_count = XD_HANDLERS_MAX + 1}, XD_ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xd_error error = {""};
        cr_assert_eq(xd_worker_core_ready(core, &table[i].options, &error), table[i].err);
        cr_assert_gt(strlen(error.text), 0);
    }
}

Test(worker, leaving_hands_back_what_has_not_begun)
{
    fake_say_task(fake, fake_id(1), "f", false);
    fake_say_task(fake, fake_id(2), "f", true);
    turn(0);
    xd_worker_core_leave(core);
    fake_say_task(fake, fake_id(3), "f", false); /* was on its way */
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RECALLED, &msg);
    cr_assert_eq(msg.ids.count, 3);
    xd_msg_clear(&msg);
    fake_expect(fake,
                XD_KIND_RECALLED,
                &msg); /* "no more": said once, also with nothing */
    cr_assert_eq(msg.ids.count, 0);
    xd_msg_clear(&msg);
    cr_assert(xd_worker_core_is_quiet(core));
    turn(0);
    expect_nothing();
}

Test(worker, is_not_through_with_leaving_before_it_said_so)
{
    fake->full[XD_LANE_CONTROL] = true;
    xd_worker_core_leave(core);
    turn(0);
    cr_assert_not(xd_worker_core_is_quiet(core));
    fake->full[XD_LANE_CONTROL] = false;
    turn(5 * XD_MS);
    expect_and_drop(XD_KIND_RECALLED);
    cr_assert(xd_worker_core_is_quiet(core));
}

/* ---- the public functions ---- */

static struct xd_worker *connect_worker_with(const struct xd_worker_options *options)
{
    struct xd_worker *worker;
    struct xd_error error = {""};
    fake = fake_new();
    fake->answer = fake_welcome;
    cr_assert_eq(xd_worker_connect_link(options, &fake->link, &worker, &error),
                 XD_OK,
                 "%s",
                 error.text);
    expect_and_drop(XD_KIND_READY);
    return worker;
}

static struct xd_worker *connect_worker(void)
{
    const struct xd_worker_options options = {.profile = "p"};
    return connect_worker_with(&options);
}

Test(worker_api, job_shows_its_task)
{
    struct xd_worker *worker = connect_worker();
    fake_say_task(fake, fake_id(1), "f", false);
    struct xd_job *job;
    cr_assert_eq(xd_worker_next(worker, 5000, &job, NULL), XD_OK);
    cr_assert(xd_worker_is_busy(worker));
    cr_assert_str_eq(xd_job_callee(job), "f");
    cr_assert_eq(xd_job_task(job)->format, XD_FORMAT_CALL);
    cr_assert_null(xd_job_arg(job, 0));
    cr_assert_null(xd_job_arg_named(job, "x"));
    cr_assert_not(xd_job_is_cancelled(job));
    cr_assert_eq(xd_job_finish(job, NULL, 0), XD_OK);
    cr_assert_not(xd_worker_is_busy(worker));
    expect_and_drop(XD_KIND_RESULT);
    xd_worker_leave(worker);
    expect_and_drop(XD_KIND_RECALLED);
    expect_and_drop(XD_KIND_BYE);
    cr_assert(fake->closed);
    fake_free(fake);
}

Test(worker_api, waiting_has_an_end_and_can_be_woken)
{
    struct xd_worker *worker = connect_worker();
    struct xd_job *job;
    struct xd_error error;
    cr_assert_eq(xd_worker_next(worker, 10, &job, &error), XD_ERR_TIMEOUT);
    xd_worker_wake(worker);
    cr_assert_eq(xd_worker_next(worker, -1, &job, &error), XD_ERR_TIMEOUT);
    fake_break(fake);
    cr_assert_eq(xd_worker_next(worker, -1, &job, &error), XD_ERR_GONE);
    cr_assert_gt(strlen(error.text), 0);
    xd_worker_leave(worker);
    fake_free(fake);
}

Test(worker_api, heartbeats_go_on_while_a_job_computes)
{
    struct xd_worker *worker = connect_worker();
    fake_say_task(fake, fake_id(1), "f", false);
    struct xd_job *job;
    cr_assert_eq(xd_worker_next(worker, 5000, &job, NULL), XD_OK);
    struct xd_msg msg = {0};
    for (int i = 0; i < 5000 && !fake_hear(fake, &msg); i++) {
        usleep(1000);
    }
    cr_assert_eq(msg.kind, XD_KIND_HEARTBEAT);
    cr_assert_eq(xd_job_fail(job, NULL, NULL, 0), XD_OK);
    xd_worker_leave(worker);
    fake_free(fake);
}

struct kill {
    _Atomic xd_time at; /* 0: it has not come */
};

static void note_kill(void *context, struct xd_task_id id)
{
    struct kill *kill = context;
    struct xd_task_id job = fake_id(1);
    cr_assert(xd_task_id_equal(&id, &job));
    atomic_store(&kill->at, xd_now());
}

Test(worker_api, a_deaf_job_is_to_be_killed_once_the_broker_is_gone)
{
    struct kill kill = {0};
    const struct xd_worker_options options = {.profile = "p",
                                              .kill = note_kill,
                                              .context = &kill};
    struct xd_worker *worker = connect_worker_with(&options);
    fake_say_task(fake, fake_id(1), "f", false);
    struct xd_job *job;
    cr_assert_eq(xd_worker_next(worker, 5000, &job, NULL), XD_OK);
    xd_time begun = xd_now();
    fake_break(fake);
    while (atomic_load(&kill.at) == 0) {
        usleep(1000);
        cr_assert(xd_now() < begun + 20 * XD_S, "nobody says that its time is over");
    }
    cr_assert(kill.at - begun >= (XD_KILL_AFTER_MS - 1) * XD_MS);
    cr_assert(xd_job_is_cancelled(job));
    cr_assert_eq(xd_job_fail(job, NULL, NULL, 0), XD_OK);
    xd_worker_leave(worker);
    fake_free(fake);
}

/* ---- setups ---- */

static void say_setup(uint64_t origin, uint64_t number, const char *text)
{
    struct xd_frame frame = {.role = XD_FRAME_SETUP};
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.origin.n = origin;
    msg.setup.number = number;
    msg.setup.drop = text == NULL;
    if (text != NULL) {
        frame.size = strlen(text);
        cr_assert_eq(xd_bytes_text(text, &frame.bytes), XD_OK);
        msg.setup.frames = &frame;
        msg.setup.frame_count = 1;
    }
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(frame.bytes);
}

static void say_task_with(unsigned n, uint64_t origin, uint64_t setup, bool hold)
{
    struct xd_task task = {.id = fake_id(n),
                           .format = XD_FORMAT_R,
                           .hold = hold,
                           .setup = setup,
                           .origin = {origin}};
    struct xd_msg msg = {.kind = XD_KIND_TASK};
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
}

static void expect_view(const struct xd_job *job, uint64_t origin, const char *text)
{
    struct xd_setup_view view;
    cr_assert(xd_job_setup(job, &view));
    cr_assert_eq(view.origin.n, origin);
    cr_assert_eq(view.number, 1);
    cr_assert_eq(view.frame_count, 1);
    cr_assert(xd_bytes_is(view.frames[0].bytes, text));
}

Test(worker, a_job_has_its_own_sessions_setup_or_none)
{
    say_setup(7, 1, "seven");
    say_setup(8, 1, "eight");
    say_task_with(1, 8, 1, false);
    say_task_with(2, 7, 1, true);
    say_task_with(3, 7, 0, true);
    turn(0);
    expect_view(xd_worker_core_begin(core, now), 8, "eight");
    finish();
    expect_view(xd_worker_core_begin(core, now), 7, "seven");
    finish();
    struct xd_setup_view view = {.number = 99};
    cr_assert_not(xd_job_setup(xd_worker_core_begin(core, now), &view));
    cr_assert_eq(view.number, 99);
    finish();
}

Test(worker, a_dropped_setup_stays_for_running_and_held_jobs)
{
    long before = xd_alloc_balance();
    say_setup(7, 1, "how");
    say_task_with(1, 7, 1, false);
    say_task_with(2, 7, 1, true);
    turn(0);
    struct xd_job *job = xd_worker_core_begin(core, now);
    say_setup(7, 1, NULL);
    turn(0);
    cr_assert_eq(core->setups.count, 0);
    expect_view(job, 7, "how");
    finish();
    expect_view(xd_worker_core_begin(core, now), 7, "how");
    finish();
    turn(XD_MS);
    struct xd_msg msg;
    while (fake_hear(fake, &msg)) {
        xd_msg_clear(&msg);
    }
    /* The maps' buckets stay. */
    cr_assert_leq(xd_alloc_balance(),
                  before + 2,
                  "%ld more",
                  xd_alloc_balance() - before);
}

Test(worker, a_task_whose_setup_is_not_here_fails_in_words)
{
    say_setup(7, 1, "how");
    say_task_with(1, 7, 2, false);
    say_task_with(2, 8, 1, true);
    say_task_with(3, 7, 1, true);
    turn(0);
    cr_assert_not_null(xd_worker_core_begin(core, now), "the next one runs");
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.count, 2);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_FAILED);
    cr_assert(xd_bytes_is(msg.results.results[0].error,
                          "the worker does not have setup 2 of session 7"));
    cr_assert(xd_bytes_is(msg.results.results[1].error,
                          "the worker does not have setup 1 of session 8"));
    xd_msg_clear(&msg);
}

Test(worker, without_memory_for_a_setup_the_session_is_over)
{
    say_setup(7, 1, "how");
    xd_channel_receive(&core->channel, batch);
    xd_alloc_fail_at(1);
    xd_channel_take(&core->channel, batch, now);
    xd_alloc_fail_at(0);
    cr_assert(core->channel.session.gone);
    cr_assert_eq(core->channel.session.end_code, XD_ERR_NOMEM);
}
