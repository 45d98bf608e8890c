/* SPDX-License-Identifier: MIT */
/* The client's state over a scripted broker, with a hand-moved clock. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "client_side.h"
#include "clock.h"
#include "kept.h"
#include "wire/limits.h"

TestSuite(client, .init = begin, .fini = end);

static void accept(uint64_t count)
{
    struct xd_msg msg = {.kind = XD_KIND_ACCEPTED, .accepted = count};
    fake_say(fake, XD_LANE_CONTROL, &msg);
}

static struct xd_bytes *zeros(size_t size)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert_eq(xd_bytes_room(size, &room, &bytes), XD_OK);
    memset(room, 0, size);
    return bytes;
}

/* ---- submitting ---- */

Test(client, one_task_leaves_at_once)
{
    submit();
    turn(0);
    expect_submit(1);
}

Test(client, tasks_gather_while_others_are_out)
{
    submit();
    turn(0);
    expect_submit(1);
    for (int i = 0; i < 10; i++) {
        submit();
    }
    turn(100 * XD_US);
    expect_nothing();
    cr_assert_leq(xd_client_core_deadline(core), now + 500 * XD_US);
    turn(500 * XD_US);
    expect_submit(10);
}

Test(client, sixty_four_leave_without_waiting)
{
    submit();
    turn(0);
    expect_submit(1);
    for (int i = 0; i < 64; i++) {
        submit();
    }
    turn(0);
    expect_submit(64);
}

Test(client, after_a_pause_a_task_leaves_at_once)
{
    submit();
    turn(0);
    expect_submit(1);
    turn(XD_MS);
    submit();
    turn(0);
    expect_submit(1);
    submit();
    turn(0);
    expect_nothing();
    turn(250 * XD_US);
    expect_submit(1);
}

Test(client, one_message_has_one_profile_in_order)
{
    submit_to("a");
    submit_to("a");
    submit_to("b");
    submit_to("a");
    turn(0);
    expect_submit(2);
    expect_submit(1);
    expect_submit(1);
}

Test(client, a_message_ends_at_its_limits)
{
    struct xd_bytes *bytes = zeros(400 * 1024);
    struct xd_payload payload = {.bytes = bytes};
    struct xd_call call = {.callee = "f", .payloads = &payload, .payload_count = 1};
    for (int i = 0; i < 3; i++) {
        submit_call(&call);
    }
    turn(0);
    expect_submit(2);
    expect_submit(1);
    xd_bytes_unref(bytes);
}

Test(client, a_full_link_keeps_everything)
{
    fake->full[XD_LANE_CONTROL] = true;
    struct xd_future *future = submit();
    turn(0);
    cr_assert_eq(future->state, XD_FUTURE_UNSENT);
    cr_assert_gt(xd_client_core_deadline(core), now, "no spinning");
    fake->full[XD_LANE_CONTROL] = false;
    turn(2 * XD_MS);
    expect_submit(1);
}

Test(client, what_is_wrong_is_named)
{
    struct xd_error error;
    struct xd_future *future;
    struct xd_payload no_bytes = {0};
    struct xd_bytes *bytes = zeros(1);
    struct xd_payload no_tag = {.bytes = bytes, .role = XD_FRAME_OBJECT};
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    const struct {
        struct xd_call call;
        enum xd_err err;
        const char *word;
    } table[] = {
        {{.callee = NULL}, XD_ERR_INVALID, "callee"},
        {{.callee = ""}, XD_ERR_INVALID, "callee"},
        {{.callee = "a\nb"}, XD_ERR_INVALID, "callee"},
        {{.callee = long_name}, XD_ERR_TOO_LARGE, "callee"},
        {{.callee = "f", .profile = "\x01"}, XD_ERR_INVALID, "profile"},
        {{.callee = "f", .format = XD_FORMAT_R}, XD_ERR_INVALID, "callee"},
        {{.callee = "f", .format = (enum xd_format)9}, XD_ERR_INVALID, "format"},
        {{.callee = "f", .payloads = &no_bytes, .payload_count = 1},
         XD_ERR_INVALID,
         "bytes"},
        {{.callee = "f", .payloads = &no_tag, .payload_count = 1}, XD_ERR_INVALID, "tag"},
        {{.callee = "f", .payloads = &no_tag, .payload_count = 1001},
         XD_ERR_TOO_LARGE,
         "payloads"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        enum xd_err err =
            xd_client_core_make(core, &table[i].call, fake_id(1), &future, &error);
        cr_assert_eq(err, table[i].err, "row %zu: %s", i, xd_err_name(err));
        cr_assert_not_null(strstr(error.text, table[i].word), "%s", error.text);
    }
    cr_assert_eq(atomic_load(&bytes->refs), 1);
    xd_bytes_unref(bytes);
}

Test(client, names_that_fill_an_envelope_are_too_large)
{
    static char name[250];
    memset(name, 'n', sizeof name - 1);
    struct xd_bytes *bytes = zeros(1);
    static struct xd_payload payloads[400];
    for (size_t i = 0; i < 400; i++) {
        payloads[i] = (struct xd_payload){.bytes = bytes, .name = name};
    }
    struct xd_call call = {.callee = "f", .payloads = payloads, .payload_count = 400};
    struct xd_future *future;
    cr_assert_eq(xd_client_core_make(core, &call, fake_id(1), &future, NULL),
                 XD_ERR_TOO_LARGE);
    cr_assert_eq(atomic_load(&bytes->refs), 1);
    xd_bytes_unref(bytes);
}

Test(client, every_failed_allocation_of_a_submission_changes_nothing)
{
    struct xd_bytes *bytes = zeros(2 * XD_MESSAGE_MAX_BYTES);
    struct xd_payload payload = {.bytes = bytes, .tag = "raw", .name = "x"};
    struct xd_call call = {.callee = "g",
                           .profile = "p",
                           .payloads = &payload,
                           .payload_count = 1};
    for (size_t n = 1;; n++) {
        struct xd_future *future = NULL;
        xd_alloc_fail_at(n);
        enum xd_err err = xd_client_core_make(core, &call, fake_id(1), &future, NULL);
        if (err == XD_OK) {
            err = xd_client_core_admit(core, 1, future->bytes, NULL);
            if (err != XD_OK) {
                xd_client_core_unmake(core, future);
            }
        }
        xd_alloc_fail_at(0);
        cr_assert_null(xd_client_core_check(core));
        if (err == XD_OK) {
            cr_assert_gt(n, 4);
            xd_client_core_unmake(core, future);
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert_eq(atomic_load(&bytes->refs), 1);
        cr_assert_eq(core->channel.owned.payloads.count, 0);
        xd_names_fini(&core->names); /* each round meets the names anew */
    }
    xd_bytes_unref(bytes);
}

Test(client, failed_allocations_while_sending_only_delay)
{
    struct xd_future *future = submit();
    for (size_t n = 1; future->state == XD_FUTURE_UNSENT; n++) {
        xd_alloc_fail_at(n);
        xd_client_core_flush(core, now);
        xd_alloc_fail_at(0);
        now += 3 * XD_MS;
        cr_assert_lt(n, 100);
    }
    expect_submit(1);
}

/* ---- budget ---- */

Test(client_budget, no_more_tasks_than_allowed, .fini = end)
{
    begin_with(2);
    submit();
    struct xd_future *second = submit();
    cr_assert_eq(xd_client_core_admit(core, 1, 0, NULL), XD_ERR_BUSY);
    cr_assert_eq(xd_client_core_admit(core, 3, 0, NULL), XD_ERR_TOO_LARGE);
    turn(0);
    expect_submit(2);
    fake_say_result(fake, second->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_eq(xd_client_core_admit(core, 1, 0, NULL), XD_OK);
}

Test(client, bytes_that_stay_here_are_not_the_brokers)
{
    struct xd_payload payloads[2] = {{.bytes = zeros(XD_MESSAGE_MAX_BYTES + 1)},
                                     {.bytes = zeros(100)}};
    struct xd_call call = {.callee = "f", .payloads = payloads, .payload_count = 2};
    core->channel.session.budget_bytes = 150;
    cr_assert_eq(submit_call(&call)->bytes, 100);
    cr_assert_eq(core->open_bytes, 100);
    cr_assert_eq(xd_client_core_admit(core, 1, 51, NULL), XD_ERR_BUSY);
    cr_assert_eq(xd_client_core_admit(core, 1, 151, NULL), XD_ERR_TOO_LARGE);
    xd_bytes_unref(payloads[0].bytes);
    xd_bytes_unref(payloads[1].bytes);
}

/* ---- results ---- */

Test(client, a_result_ends_its_task)
{
    struct xd_future *future = submit();
    turn(0);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, "value");
    turn(0);
    cr_assert(atomic_load(&future->done));
    cr_assert_eq(future->outcome, XD_OUTCOME_DONE);
    cr_assert_eq(future->part_count, 1);
    cr_assert(xd_bytes_is(future->one.frames[0].bytes, "value"));
    cr_assert_eq(core->open_count, 0);
    struct xd_future *ended = xd_client_core_next(core);
    cr_assert_eq(ended, future);
    cr_assert_null(xd_client_core_next(core), "each is given out once");
    xd_future_destroy(future);
}

Test(client, an_error_has_its_sentence)
{
    struct xd_future *future = submit();
    turn(0);
    fake_say_result(fake, future->task.id, XD_OUTCOME_FAILED, NULL);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_FAILED);
    cr_assert_str_eq(future->text, "it went wrong");
}

Test(client, a_second_result_is_counted_and_dropped)
{
    struct xd_future *future = submit();
    turn(0);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, "first");
    fake_say_result(fake, future->task.id, XD_OUTCOME_FAILED, "second");
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_DONE);
    cr_assert_eq(core->received, 2);
}

Test(client, every_failed_allocation_at_a_result_still_ends_the_task)
{
    for (size_t n = 1; n < 12; n++) {
        struct xd_future *future = submit();
        turn(0);
        struct xd_msg msg = {.kind = XD_KIND_RESULT};
        struct xd_result result = {.id = future->task.id, .outcome = XD_OUTCOME_FAILED};
        cr_assert_eq(xd_bytes_text("wrong", &result.error), XD_OK);
        struct xd_frame frame = {.ref = {{5}, 1}, .size = 9, .role = XD_FRAME_BODY};
        result.frames = calloc(1, sizeof frame);
        result.frames[0] = frame;
        result.frame_count = 1;
        msg.results.results = &result;
        msg.results.count = 1;
        xd_alloc_fail_at(n);
        xd_client_core_message(core, &msg, now);
        xd_client_core_settle(core);
        xd_alloc_fail_at(0);
        cr_assert_null(xd_client_core_check(core));
        if (!atomic_load(&future->done)) { /* nothing failed: it waits for its payload */
            cr_assert_geq(n, 2);
            struct xd_pull *pull =
                XD_ITEM(core->channel.reads.pulls.next, struct xd_pull, link);
            cr_assert_eq(pull->context, &future->one);
            break;
        }
        cr_assert_eq(future->outcome, XD_OUTCOME_FAILED);
    }
}

Test(client, results_are_acknowledged_after_a_while)
{
    struct xd_future *future = submit();
    turn(0);
    expect_submit(1);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    expect_nothing();
    turn(10 * XD_MS);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_ACK, &msg);
    cr_assert_eq(msg.ack, 1);
    turn(100 * XD_MS);
    expect_nothing();
}

Test(client, acknowledgement_rides_on_the_next_message)
{
    struct xd_future *future = submit();
    turn(0);
    expect_submit(1);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    submit();
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    cr_assert_eq(msg.ack, 1);
    xd_msg_clear(&msg);
    turn(20 * XD_MS);
    expect_nothing();
}

/* ---- acceptance and refusal ---- */

Test(client, accepted_frames_are_let_go)
{
    struct xd_bytes *bytes = zeros(10);
    struct xd_payload payload = {.bytes = bytes};
    struct xd_call call = {.callee = "f", .payloads = &payload, .payload_count = 1};
    submit_call(&call);
    submit_call(&call);
    turn(0);
    cr_assert_eq(atomic_load(&bytes->refs), 5, "the library's and the fake's");
    expect_submit(2);
    accept(1);
    turn(0);
    cr_assert_eq(atomic_load(&bytes->refs), 2);
    accept(2);
    turn(0);
    cr_assert_eq(atomic_load(&bytes->refs), 1);
    xd_bytes_unref(bytes);
}

Test(client, a_result_before_the_count_is_not_counted_twice)
{
    struct xd_future *first = submit(), *second = submit();
    turn(0);
    fake_say_result(fake, first->task.id, XD_OUTCOME_DONE, NULL);
    accept(1);
    turn(0);
    cr_assert_eq(second->state, XD_FUTURE_SENT);
}

Test(client, busy_is_tried_again_in_time_and_order)
{
    struct xd_future *first = submit(), *second = submit();
    turn(0);
    expect_submit(2);
    fake_say_ids(fake, XD_KIND_BUSY, first->task.id, 50);
    fake_say_ids(fake, XD_KIND_BUSY, second->task.id, 50);
    submit();
    turn(0);
    cr_assert_eq(first->state, XD_FUTURE_BUSY);
    expect_nothing();
    turn(49 * XD_MS);
    expect_nothing();
    turn(1 * XD_MS);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    cr_assert_eq(msg.tasks.count, 3);
    cr_assert(xd_task_id_equal(&msg.tasks.tasks[0].id, &first->task.id));
    cr_assert(xd_task_id_equal(&msg.tasks.tasks[1].id, &second->task.id));
    xd_msg_clear(&msg);
}

Test(client, busy_after_accepted_is_a_rejection)
{
    struct xd_future *future = submit();
    turn(0);
    accept(1);
    fake_say_ids(fake, XD_KIND_BUSY, future->task.id, 50);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_REJECTED);
}

/* ---- cancel ---- */

Test(client, cancel_before_it_left_ends_it_here)
{
    fake->full[XD_LANE_CONTROL] = true;
    struct xd_future *future = submit();
    xd_client_core_cancel(core, future);
    cr_assert_eq(future->outcome, XD_OUTCOME_CANCELLED);
    fake->full[XD_LANE_CONTROL] = false;
    turn(5 * XD_MS);
    expect_nothing();
}

Test(client, cancels_leave_together_and_once)
{
    struct xd_future *first = submit(), *second = submit();
    turn(0);
    expect_submit(2);
    xd_client_core_cancel(core, first);
    xd_client_core_cancel(core, second);
    xd_client_core_cancel(core, second);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_CANCEL, &msg);
    cr_assert_eq(msg.ids.count, 2);
    xd_msg_clear(&msg);
    fake_say_result(fake, first->task.id, XD_OUTCOME_CANCELLED, NULL);
    turn(0);
    cr_assert_eq(first->outcome, XD_OUTCOME_CANCELLED);
    expect_nothing();
}

Test(client, cancelled_while_busy_ends_here)
{
    struct xd_future *future = submit();
    turn(0);
    fake->full[XD_LANE_CONTROL] = true;
    xd_client_core_cancel(core, future);
    fake_say_ids(fake, XD_KIND_BUSY, future->task.id, 50);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_CANCELLED);
}

Test(client, a_profile_is_cancelled_with_what_was_given_up)
{
    struct xd_future *first = submit(), *given_up = submit();
    turn(0);
    expect_submit(2);
    xd_client_core_release(core, given_up);
    struct xd_future *unsent = submit();
    xd_client_core_cancel_all(core, "elsewhere");
    cr_assert_neq(unsent->outcome, XD_OUTCOME_CANCELLED);
    xd_client_core_cancel_all(core, "default");
    cr_assert_eq(unsent->outcome, XD_OUTCOME_CANCELLED);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_CANCEL, &msg);
    cr_assert_eq(msg.ids.count, 2);
    xd_msg_clear(&msg);
    fake_say_result(fake, first->task.id, XD_OUTCOME_CANCELLED, NULL);
    fake_say_result(fake, given_up->task.id, XD_OUTCOME_CANCELLED, NULL);
    turn(0);
    cr_assert_eq(first->outcome, XD_OUTCOME_CANCELLED);
    cr_assert_eq(xd_client_core_dead(core), given_up);
    xd_future_destroy(given_up);
}

/* ---- everywhere ---- */

static void say_part(struct xd_task_id id,
                     uint32_t part,
                     uint32_t parts,
                     enum xd_outcome outcome)
{
    struct xd_result result = {.id = id,
                               .part = part,
                               .parts = parts,
                               .outcome = outcome};
    struct xd_msg msg = {.kind = XD_KIND_RESULT};
    msg.results.results = &result;
    msg.results.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
}

Test(client, everywhere_ends_with_its_last_part)
{
    struct xd_call call = {.callee = "f", .everywhere = true};
    struct xd_future *future = submit_call(&call);
    turn(0);
    say_part(future->task.id, 2, 3, XD_OUTCOME_DONE);
    say_part(future->task.id, 0, 3, XD_OUTCOME_DONE);
    say_part(future->task.id, 0, 3, XD_OUTCOME_FAILED); /* said twice */
    say_part(future->task.id, 4, 9, XD_OUTCOME_DONE);   /* there is no such part */
    turn(0);
    cr_assert_not(atomic_load(&future->done));
    say_part(future->task.id, 1, 3, XD_OUTCOME_LOST);
    turn(0);
    cr_assert_eq(future->part_count, 3);
    cr_assert_eq(future->outcome, XD_OUTCOME_LOST, "the first that is not done");
    cr_assert_eq(core->received, 5);
}

Test(client, everywhere_that_never_ran_has_one_part)
{
    struct xd_call call = {.callee = "f", .everywhere = true};
    struct xd_future *future = submit_call(&call);
    turn(0);
    say_part(future->task.id, 0, 0, XD_OUTCOME_CANCELLED);
    turn(0);
    cr_assert_eq(future->part_count, 1);
    cr_assert_eq(future->outcome, XD_OUTCOME_CANCELLED);
}

/* ---- streams ---- */

Test(client, a_large_payload_is_offered_and_kept_until_the_end)
{
    struct xd_bytes *bytes = zeros(3 * XD_MESSAGE_MAX_BYTES);
    struct xd_payload payload = {.bytes = bytes};
    struct xd_call call = {.callee = "f", .payloads = &payload, .payload_count = 1};
    struct xd_future *future = submit_call(&call);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake,
                XD_KIND_HELLO,
                &msg); /* the bulk lane first: whoever gets the task may read at once */
    cr_assert_eq(msg.hello.lane, XD_LANE_BULK);
    xd_msg_clear(&msg);
    expect_nothing();
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    turn(0);
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    struct xd_ref ref = msg.tasks.tasks[0].frames[0].ref;
    cr_assert_eq(ref.owner.n, 7);
    cr_assert_eq(msg.tasks.tasks[0].frames[0].size, bytes->size);
    xd_msg_clear(&msg);
    accept(1);
    struct xd_msg credit = {.kind = XD_KIND_CREDIT};
    credit.credit = (struct xd_credit){.ref = ref, .reader = {9}, .chunks = 2};
    fake_say(fake, XD_LANE_BULK, &credit);
    turn(0);
    for (uint64_t i = 0; i < 2; i++) {
        fake_expect(fake, XD_KIND_CHUNK, &msg);
        cr_assert_eq(msg.chunk.offset, i * XD_CHUNK_BYTES);
        cr_assert_eq(msg.chunk.reader.n, 9);
        xd_msg_clear(&msg);
    }
    expect_nothing();
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_eq(atomic_load(&bytes->refs), 1, "let go at the end");
    fake_say(fake, XD_LANE_BULK, &credit);
    turn(0);
    fake_expect(fake, XD_KIND_CHUNK, &msg);
    cr_assert_eq(msg.chunk.code, XD_ERR_NOT_FOUND);
    xd_msg_clear(&msg);
    xd_bytes_unref(bytes);
}

static void expect_credit(uint32_t chunks, bool done)
{
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_CREDIT, &msg);
    cr_assert_eq(msg.credit.chunks, chunks);
    cr_assert_eq(msg.credit.done, done);
    xd_msg_clear(&msg);
}

Test(client, a_result_is_given_when_its_payloads_are_here)
{
    struct xd_future *future = large_result(XD_CHUNK_BYTES + 3);
    expect_credit(2, false);
    struct xd_bytes *chunk = zeros(XD_CHUNK_BYTES), *rest = zeros(3);
    say_chunk(0, chunk, XD_OK);
    turn(0);
    cr_assert_not(atomic_load(&future->done));
    say_chunk(XD_CHUNK_BYTES, rest, XD_OK);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_DONE);
    cr_assert_eq(future->one.frames[0].bytes->size, XD_CHUNK_BYTES + 3);
    expect_credit(0, true);
    xd_bytes_unref(chunk);
    xd_bytes_unref(rest);
}

Test(client, a_broken_stream_is_a_lost_result)
{
    struct xd_future *future = large_result(XD_CHUNK_BYTES + 3);
    expect_credit(2, false);
    say_chunk(0, NULL, XD_ERR_GONE);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_LOST);
    cr_assert_not_null(strstr(future->text, "broke off"), "%s", future->text);
    cr_assert_eq(future->one.frame_count, 0);
    expect_credit(0, true);
}

Test(client, a_size_without_memory_is_a_failure)
{
    struct xd_future *future = large_result(UINT64_MAX / 4);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_FAILED);
    expect_credit(0, true);
}

Test(client, given_up_during_a_stream_says_done)
{
    struct xd_future *future = large_result(XD_CHUNK_BYTES + 3);
    expect_credit(2, false);
    xd_client_core_release(core, future);
    cr_assert_eq(xd_client_core_dead(core), future);
    xd_future_destroy(future);
    turn(0);
    expect_credit(0, true);
}

Test(client, the_end_during_a_stream_ends_the_task)
{
    struct xd_future *future = large_result(XD_CHUNK_BYTES + 3);
    fake_break(fake);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_BROKER_GONE);
    cr_assert_eq(xd_frames_missing(future->one.frames, future->one.frame_count), 0);
}

/* ---- ends ---- */

Test(client, a_broken_connection_ends_every_task)
{
    struct xd_future *sent = submit();
    turn(0);
    fake->full[XD_LANE_CONTROL] = true;
    struct xd_future *unsent = submit();
    turn(5 * XD_MS);
    fake_break(fake);
    turn(0);
    cr_assert_eq(sent->outcome, XD_OUTCOME_BROKER_GONE);
    cr_assert_eq(unsent->outcome, XD_OUTCOME_BROKER_GONE);
    cr_assert_gt(strlen(sent->text), 0);
    cr_assert_eq(core->open_count, 0);
    cr_assert_eq(xd_client_core_deadline(core), XD_NEVER);
}

Test(client, bye_ends_the_session_with_its_reason)
{
    struct xd_future *future = submit();
    turn(0);
    struct xd_msg msg = {.kind = XD_KIND_BYE};
    cr_assert_eq(xd_bytes_text("shutting down", &msg.error.text), XD_OK);
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(msg.error.text);
    turn(0);
    cr_assert_eq(future->outcome, XD_OUTCOME_BROKER_GONE);
    cr_assert_not_null(strstr(future->text, "shutting down"));
}

Test(client, silence_ends_the_session_after_three_beats)
{
    struct xd_future *future = submit();
    for (int i = 0; i < 8 && !atomic_load(&future->done); i++) {
        turn(500 * XD_MS);
    }
    cr_assert_eq(future->outcome, XD_OUTCOME_BROKER_GONE);
    cr_assert_not_null(strstr(future->text, "silent"));
}

Test(client, an_error_that_answers_a_cancel_ends_nothing)
{
    struct xd_msg msg = {.kind = XD_KIND_ERROR};
    msg.error.code = XD_ERR_NOT_FOUND;
    msg.error.kind = XD_KIND_CANCEL;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    turn(0);
    cr_assert_not(core->channel.session.gone);
    msg.error.kind = XD_KIND_SUBMIT;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    turn(0);
    cr_assert(core->channel.session.gone);
}

Test(client, a_beat_is_sent_when_nothing_else_was)
{
    turn(1000 * XD_MS);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_HEARTBEAT, &msg);
    turn(10 * XD_MS);
    expect_nothing();
}

/* ---- giving up, events, questions ---- */

Test(client, a_future_given_up_dies_with_its_task)
{
    struct xd_future *future = submit();
    turn(0);
    xd_client_core_release(core, future);
    cr_assert_null(xd_client_core_dead(core));
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, "x");
    turn(0);
    cr_assert_null(xd_client_core_next(core));
    cr_assert_eq(xd_client_core_dead(core), future);
    xd_future_destroy(future);
}

Test(client, an_event_pins_its_future)
{
    core->calls_event = true;
    struct xd_future *future = submit();
    turn(0);
    struct xd_msg msg = {.kind = XD_KIND_EVENT};
    msg.event.id = future->task.id;
    cr_assert_eq(xd_bytes_text("progress", &msg.event.kind), XD_OK);
    msg.event.bytes = zeros(3);
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(msg.event.kind);
    xd_bytes_unref(msg.event.bytes);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_not(xd_list_is_empty(&core->news));
    struct xd_news *news = XD_ITEM(core->news.next, struct xd_news, link);
    cr_assert(xd_bytes_is(news->event.kind, "progress"));
    xd_client_core_release(core, future);
    cr_assert_null(xd_client_core_dead(core), "pinned");
    xd_client_core_unpin(core, future);
    cr_assert_eq(xd_client_core_dead(core), future);
    xd_future_destroy(future);
    xd_bytes_unref(news->event.kind);
    xd_bytes_unref(news->event.bytes);
    xd_free(news);
}

static void say_event(struct xd_future *future, size_t size)
{
    struct xd_msg msg = {.kind = XD_KIND_EVENT};
    msg.event.id = future->task.id;
    cr_assert_eq(xd_bytes_text("progress", &msg.event.kind), XD_OK);
    msg.event.bytes = zeros(size);
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(msg.event.kind);
    xd_bytes_unref(msg.event.bytes);
    turn(0);
}

static uint64_t first_kept(const struct xd_future *future, uint64_t number)
{
    const struct xd_kept_entry *entry = xd_kept_find(future, number);
    return entry == NULL ? UINT64_MAX : entry->number;
}

Test(client, events_are_kept_by_number_until_their_future_is_given_up)
{
    core->keep = (struct xd_event_limits){100, 1000, 1000};
    struct xd_future *future = submit();
    turn(0);
    cr_assert_eq(first_kept(future, 0), UINT64_MAX);
    for (size_t i = 0; i < 20; i++) {
        say_event(future, i);
    }
    cr_assert_eq(first_kept(future, 0), 0);
    cr_assert_eq(xd_kept_find(future, 7)->bytes->size, 7);
    cr_assert_eq(first_kept(future, 20), UINT64_MAX);
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_eq(first_kept(future, 19), 19, "also after the end");
    cr_assert_eq(core->kept_bytes, 190);
    xd_client_core_release(core, future);
    cr_assert_eq(core->kept_bytes, 0);
    cr_assert_eq(xd_client_core_dead(core), future);
    xd_future_destroy(future);
}

Test(client, the_oldest_events_of_a_task_go_when_a_limit_is_reached)
{
    core->keep = (struct xd_event_limits){4, 100, 150};
    struct xd_future *future = submit(), *other = submit();
    turn(0);
    for (int i = 0; i < 50; i++) {
        say_event(future, 1);
    }
    cr_assert_eq(future->kept->count, 4);
    cr_assert_eq(future->kept->dropped, 46);
    cr_assert_eq(first_kept(future, 0), 46);
    say_event(future, 98);
    cr_assert_eq(future->kept->bytes, 100);
    cr_assert_eq(first_kept(future, 0), 48);
    say_event(future, 101);
    cr_assert_eq(future->kept->count, 0, "too large for itself: it is dropped, too");
    cr_assert_eq(future->kept->dropped, 52);
    say_event(future, 100);
    say_event(other, 50);
    say_event(other, 20);
    cr_assert_eq(first_kept(other, 0),
                 1,
                 "the total; nothing is taken from another task");
    cr_assert_eq(future->kept->count, 1);
    cr_assert_eq(core->kept_bytes, 120);
}

Test(client, an_answer_finds_its_question)
{
    struct xd_question first, second;
    const char *args[] = {"mine", "bound"};
    cr_assert_eq(xd_client_core_ask(core, "status", NULL, 0, &first), XD_OK);
    cr_assert_eq(xd_client_core_ask(core, "profile", args, 2, &second), XD_OK);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_ADMIN, &msg);
    xd_msg_clear(&msg);
    fake_expect(fake, XD_KIND_ADMIN, &msg);
    cr_assert_eq(msg.admin.arg_count, 2);
    uint64_t ticket = msg.admin.ticket;
    xd_msg_clear(&msg);
    struct xd_msg answer = {.kind = XD_KIND_ADMIN};
    answer.admin =
        (struct xd_admin){.ticket = ticket, .answer = true, .code = XD_ERR_EXISTS};
    cr_assert_eq(xd_bytes_text("profile", &answer.admin.verb), XD_OK);
    answer.admin.text = zeros(2);
    fake_say(fake, XD_LANE_CONTROL, &answer);
    xd_bytes_unref(answer.admin.verb);
    xd_bytes_unref(answer.admin.text);
    turn(0);
    cr_assert_not(first.answered);
    cr_assert(second.answered);
    cr_assert_eq(second.code, XD_ERR_EXISTS);
    xd_bytes_unref(second.text);
    fake_break(fake);
    turn(0);
    cr_assert(first.answered);
    cr_assert_eq(first.code, XD_ERR_GONE);
    xd_client_core_unask(&first);
    xd_client_core_unask(&second);
}

/* ---- setups ---- */

static struct xd_setup *make_setup(const char *text)
{
    struct xd_payload payload = {.name = "sfunc"};
    struct xd_setup *setup;
    struct xd_error error = {""};
    cr_assert_eq(xd_bytes_text(text, &payload.bytes), XD_OK);
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &setup, &error),
                 XD_OK,
                 "%s",
                 error.text);
    xd_bytes_unref(payload.bytes);
    return setup;
}

static struct xd_future *submit_with(struct xd_setup *setup)
{
    struct xd_call call = {.callee = "f", .setup = setup};
    return submit_call(&call);
}

static void expect_setup(uint64_t number, bool drop)
{
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SETUP, &msg);
    cr_assert_eq(msg.setup.number, number);
    cr_assert_eq(msg.setup.drop, drop);
    cr_assert_eq(msg.setup.origin.n, 0);
    cr_assert_eq(msg.setup.frame_count, drop ? 0 : 1);
    xd_msg_clear(&msg);
}

/* The one dead setup, destroyed. */
static void expect_dead(struct xd_setup *setup)
{
    cr_assert_eq(xd_client_core_dead_setup(core), setup);
    cr_assert_null(xd_client_core_dead_setup(core));
    xd_setup_destroy(setup);
}

Test(client, a_setup_leaves_once_ahead_of_the_first_task_that_uses_it)
{
    struct xd_setup *first = make_setup("one"), *second = make_setup("two");
    turn(0);
    expect_nothing();
    submit_with(second);
    turn(0);
    expect_setup(2, false);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    cr_assert_eq(msg.tasks.tasks[0].setup, 2);
    cr_assert_eq(msg.tasks.tasks[0].origin.n, 0);
    xd_msg_clear(&msg);
    submit_with(second);
    submit_with(first);
    submit();
    turn(XD_MS);
    expect_setup(1, false);
    expect_submit(3);
    fake_break(fake);
    turn(0);
    xd_client_core_setup_release(core, second);
    expect_dead(second);
    xd_client_core_setup_release(core, first);
    expect_dead(first);
}

Test(client, a_setup_is_dropped_after_its_last_task_and_its_owner)
{
    struct xd_setup *setup = make_setup("how");
    struct xd_future *a = submit_with(setup), *b = submit_with(setup);
    turn(0);
    expect_setup(1, false);
    expect_submit(2);
    fake_say_result(fake, a->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    expect_nothing();
    xd_client_core_setup_release(core, setup);
    turn(0);
    expect_nothing();
    cr_assert_eq(core->setup_count, 1);
    fake_say_result(fake, b->task.id, XD_OUTCOME_FAILED, NULL);
    turn(0);
    expect_setup(1, true);
    cr_assert_eq(core->setup_count, 0);
    expect_dead(setup);
}

Test(client, a_setup_that_was_never_sent_is_never_dropped)
{
    struct xd_setup *setup = make_setup("how");
    struct xd_future *future = submit_with(setup);
    xd_client_core_cancel(core, future);
    xd_client_core_setup_release(core, setup);
    expect_dead(setup);
    turn(0);
    expect_nothing();
}

Test(client, a_full_link_holds_back_the_setup_with_its_task)
{
    struct xd_setup *setup = make_setup("how");
    struct xd_future *future = submit_with(setup);
    fake->full[XD_LANE_CONTROL] = true;
    turn(0);
    expect_nothing();
    fake->full[XD_LANE_CONTROL] = false;
    turn(5 * XD_MS);
    expect_setup(1, false);
    expect_submit(1);
    xd_client_core_setup_release(core, setup);
    fake->full[XD_LANE_CONTROL] = true;
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_null(xd_client_core_dead_setup(core), "its last word has not left");
    fake->full[XD_LANE_CONTROL] = false;
    turn(XD_S / 10);
    struct xd_msg msg;
    while (fake_hear(fake, &msg) && msg.kind != XD_KIND_SETUP) {
        xd_msg_clear(&msg); /* ACK */
    }
    cr_assert(msg.setup.drop);
    expect_dead(setup);
}

Test(client, a_task_that_was_refused_keeps_its_setup)
{
    struct xd_setup *setup = make_setup("how");
    struct xd_future *future = submit_with(setup);
    turn(0);
    expect_setup(1, false);
    expect_submit(1);
    fake_say_ids(fake, XD_KIND_BUSY, future->task.id, 0);
    xd_client_core_setup_release(core, setup);
    turn(0);
    expect_nothing();
    turn(XD_S);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    cr_assert_eq(msg.tasks.tasks[0].setup, 1, "not sent again, still named");
    xd_msg_clear(&msg);
    fake_break(fake);
    turn(0);
    expect_dead(setup);
}

Test(client, a_setup_must_be_this_sessions_and_within_the_limits)
{
    struct xd_client_core other = {0};
    struct xd_setup foreign = {.core = &other}, *none;
    struct xd_call call = {.callee = "f", .setup = &foreign};
    struct xd_future *future;
    struct xd_error error;
    cr_assert_eq(xd_client_core_make(core, &call, fake_id(1), &future, &error),
                 XD_ERR_INVALID);
    cr_assert_eq(xd_client_core_setup(core, NULL, 0, &none, &error), XD_ERR_INVALID);
    struct xd_payload payload = {.bytes = zeros(XD_SETUP_MAX_BYTES + 1)};
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &none, &error),
                 XD_ERR_TOO_LARGE);
    xd_bytes_unref(payload.bytes);
    payload = (struct xd_payload){.bytes = zeros(8), .name = "a\nb"};
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &none, &error), XD_ERR_INVALID);
    payload = (struct xd_payload){.bytes = payload.bytes, .count = 1};
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &none, &error), XD_ERR_INVALID);
    payload = (struct xd_payload){.bytes = payload.bytes, .role = XD_FRAME_SETUP};
    call = (struct xd_call){.callee = "f", .payloads = &payload, .payload_count = 1};
    cr_assert_eq(xd_client_core_make(core, &call, fake_id(1), &future, &error),
                 XD_ERR_INVALID);
    xd_bytes_unref(payload.bytes);
}

Test(client, so_many_setups_and_no_more_are_alive)
{
    struct xd_setup *setups[XD_SETUPS_MAX], *more;
    struct xd_payload payload = {.bytes = zeros(1)};
    struct xd_error error;
    for (size_t i = 0; i < XD_SETUPS_MAX; i++) {
        setups[i] = make_setup("x");
    }
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &more, &error), XD_ERR_BUSY);
    for (size_t i = 0; i < XD_SETUPS_MAX; i++) {
        xd_client_core_setup_release(core, setups[i]);
        expect_dead(setups[i]);
    }
    cr_assert_eq(xd_client_core_setup(core, &payload, 1, &more, &error), XD_OK);
    cr_assert_eq(more->number, XD_SETUPS_MAX + 1, "a number is never used again");
    xd_client_core_setup_release(core, more);
    expect_dead(more);
    xd_bytes_unref(payload.bytes);
}

Test(client, packed_objects_say_how_many_they_are)
{
    struct xd_payload payload = {.bytes = zeros(16), .tag = "a", .count = 2};
    struct xd_call call = {.callee = "f", .payloads = &payload, .payload_count = 1};
    struct xd_future *future = submit_call(&call);
    cr_assert_eq(future->task.frames[0].count, 2);
    cr_assert_eq(future->task.frames[0].role, XD_FRAME_OBJECT);
    struct xd_error error;
    payload.count = 3;
    cr_assert_eq(xd_client_core_make(core, &call, fake_id(99), &future, &error),
                 XD_ERR_INVALID);
    payload = (struct xd_payload){.bytes = payload.bytes, .count = 2};
    cr_assert_eq(xd_client_core_make(core, &call, fake_id(99), &future, &error),
                 XD_ERR_INVALID);
    xd_bytes_unref(payload.bytes);
}

/* ---- the order of questions ---- */

static void answer_counts(uint64_t ticket)
{
    struct xd_msg answer = {.kind = XD_KIND_ADMIN};
    answer.admin = (struct xd_admin){.ticket = ticket, .answer = true};
    cr_assert_eq(xd_bytes_text("counts", &answer.admin.verb), XD_OK);
    answer.admin.text = zeros(0);
    fake_say(fake, XD_LANE_CONTROL, &answer);
    xd_bytes_unref(answer.admin.verb);
    xd_bytes_unref(answer.admin.text);
}

Test(client, a_question_leaves_behind_the_tasks_submitted_before)
{
    struct xd_question question;
    const char *args[] = {"default"};
    submit();
    turn(0);
    expect_submit(1);
    submit(); /* gathers */
    cr_assert_eq(xd_client_core_ask(core, "counts", args, 1, &question), XD_OK);
    turn(0);
    expect_submit(1);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_ADMIN, &msg);
    xd_msg_clear(&msg);
    xd_client_core_unask(&question);
}

Test(client, a_question_that_is_too_large_is_answered_here)
{
    struct xd_question large, question;
    struct xd_msg msg;
    static char words[XD_TEXT_MAX_BYTES + 2];
    memset(words, 'w', sizeof words - 1);
    const char *args[] = {words};
    cr_assert_eq(xd_client_core_ask(core, "status", args, 1, &large), XD_OK);
    cr_assert_eq(xd_client_core_ask(core, "status", NULL, 0, &question), XD_OK);
    turn(0);
    cr_assert(large.answered);
    cr_assert_eq(large.code, XD_ERR_TOO_LARGE);
    fake_expect(fake, XD_KIND_ADMIN, &msg);
    cr_assert_eq(msg.admin.ticket, question.ticket);
    xd_msg_clear(&msg);
    xd_client_core_unask(&large);
    xd_client_core_unask(&question);
}

Test(client, counts_add_what_the_broker_refused_and_offer_it_again_afterwards)
{
    struct xd_question question;
    const char *args[] = {"default"};
    struct xd_call wide = {.callee = "f", .everywhere = true, .min_workers = 3};
    struct xd_future *refused = submit_call(&wide);
    submit_to("other");
    turn(0);
    expect_submit(1);
    expect_submit(1);
    fake_say_ids(fake, XD_KIND_BUSY, refused->task.id, 0);
    turn(0);
    submit(); /* waits behind it */
    cr_assert_eq(xd_client_core_ask(core, "counts", args, 1, &question), XD_OK);
    question.counts_of = args[0];
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_ADMIN, &msg);
    uint64_t ticket = msg.admin.ticket;
    xd_msg_clear(&msg);
    turn(XD_S); /* it is time to try again, but the answer is still to come */
    while (fake_hear(fake, &msg)) {
        cr_assert_eq(msg.kind, XD_KIND_HEARTBEAT);
        xd_msg_clear(&msg);
    }
    cr_assert_gt(xd_client_core_deadline(core), now, "nobody spins meanwhile");
    answer_counts(ticket);
    turn(0);
    cr_assert(question.answered);
    cr_assert_eq(question.held, 4);
    xd_bytes_unref(question.text);
    xd_client_core_unask(&question);
    turn(XD_MS);
    expect_submit(2);
}
