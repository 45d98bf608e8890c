/* SPDX-License-Identifier: MIT */
/* Tasks that come after others, at their client: what goes to the broker by name, what
 * goes along as a result, and what becomes of them when those before them end badly. */
#include "after.h"

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "client_side.h"
#include "payload.h"

TestSuite(after, .init = begin, .fini = end);

/* It comes after these, with one payload of its own. */
static struct xd_future *submit_after(struct xd_future *const *parents, size_t count)
{
    struct xd_payload own = {.tag = "text"};
    cr_assert_eq(xd_bytes_text("own", &own.bytes), XD_OK);
    const struct xd_call_options options = {.after = parents, .after_count = count};
    const struct xd_call call = {.callee = "g",
                                 .payloads = &own,
                                 .payload_count = 1,
                                 .options = &options};
    struct xd_future *child = submit_call(&call);
    xd_bytes_unref(own.bytes);
    return child;
}

/* The broker has it. */
static struct xd_future *open_task(void)
{
    struct xd_future *future = submit();
    turn(XD_MS);
    expect_submit(1);
    return future;
}

static void end_task(struct xd_future *future, const char *text)
{
    fake_say_result(fake, future->task.id, XD_OUTCOME_DONE, text);
    turn(0);
    cr_assert_eq(future->state, XD_FUTURE_ENDED);
}

static struct xd_future *ended_task(const char *text)
{
    struct xd_future *future = open_task();
    end_task(future, text);
    return future;
}

/* The next SUBMIT, of one task; to be cleared. */
static struct xd_task *hear_child(struct xd_msg *msg)
{
    turn(XD_MS);
    fake_expect(fake, XD_KIND_SUBMIT, msg);
    cr_assert_eq(msg->tasks.count, 1);
    return &msg->tasks.tasks[0];
}

/* Row `at` of the table says that task, and so many frames. */
static void expect_row(const struct xd_task *task,
                       size_t at,
                       const struct xd_future *parent,
                       uint32_t frames)
{
    struct xd_task_id id;
    const struct xd_frame *table = &task->frames[1];
    cr_assert_eq(table->role, XD_FRAME_GIVEN);
    cr_assert_geq(table->size, (at + 1) * XD_GIVEN_BYTES);
    uint32_t said = xd_given_read(table->bytes->data + at * XD_GIVEN_BYTES, &id);
    cr_assert_eq(said, frames, "%u frames, not %u", said, frames);
    cr_assert(xd_task_id_equal(&id, &parent->task.id));
}

static void expect_text(const struct xd_task *task, size_t at, const char *text)
{
    cr_assert_lt(at, task->frame_count);
    cr_assert(xd_bytes_is(task->frames[at].bytes, text), "frame %zu", at);
}

/* ---- the table */

Test(table, a_row_is_read_as_it_was_written)
{
    static const uint32_t counts[] = {0, 1, 0x01020304, XD_GIVEN_BY_BROKER};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint8_t row[XD_GIVEN_BYTES];
        struct xd_task_id id = fake_id(77), read;
        xd_given_write(row, &id, counts[i]);
        cr_assert_eq(row[16], counts[i] & 0xff, "little endian");
        cr_assert_eq(xd_given_read(row, &read), counts[i]);
        cr_assert(xd_task_id_equal(&id, &read));
    }
}

/* ---- what leaves */

Test(after, open_tasks_are_named_and_nothing_goes_along)
{
    struct xd_future *const parents[] = {open_task(), open_task()};
    submit_after(parents, 2);
    struct xd_msg msg;
    struct xd_task *task = hear_child(&msg);
    cr_assert_eq(task->frame_count, 1);
    cr_assert_eq(task->options.after_count, 2);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(xd_task_id_equal(&task->options.after[i], &parents[i]->task.id));
    }
    xd_msg_clear(&msg);
}

Test(after, results_that_are_here_go_along_in_order)
{
    struct xd_future *one = ended_task("one"), *two = ended_task("two");
    struct xd_future *nothing = ended_task(NULL);
    struct xd_future *const parents[] = {two, nothing, one, two};
    submit_after(parents, 4);
    struct xd_msg msg;
    struct xd_task *task = hear_child(&msg);
    cr_assert_eq(task->options.after_count, 0);
    cr_assert_eq(task->frame_count, 5);
    expect_text(task, 0, "own");
    expect_row(task, 0, two, 1);
    expect_row(task, 1, nothing, 0);
    expect_row(task, 2, one, 1);
    expect_row(task, 3, two, 1);
    expect_text(task, 2, "two");
    expect_text(task, 3, "one");
    expect_text(task, 4, "two");
    xd_msg_clear(&msg);
}

Test(after, the_broker_is_asked_for_those_that_are_open)
{
    struct xd_future *const parents[] = {open_task(), ended_task("here")};
    submit_after(parents, 2);
    struct xd_msg msg;
    struct xd_task *task = hear_child(&msg);
    cr_assert_eq(task->options.after_count, 1);
    cr_assert(xd_task_id_equal(&task->options.after[0], &parents[0]->task.id));
    cr_assert_eq(task->frame_count, 3);
    expect_row(task, 0, parents[0], XD_GIVEN_BY_BROKER);
    expect_row(task, 1, parents[1], 1);
    expect_text(task, 2, "here");
    xd_msg_clear(&msg);
}

/* Each that ends while it waits here makes the table anew, and what was taken is moved.
 */
Test(after, those_that_end_while_it_waits_here_are_added)
{
    struct xd_future *const parents[] = {open_task(), open_task(), open_task()};
    fake->full[XD_LANE_CONTROL] = true;
    submit_after(parents, 3);
    static const char *const texts[] = {"zero", "one", "two"};
    for (size_t i = 3; i-- > 0;) {
        end_task(parents[i], texts[i]);
        turn(3 * XD_MS);
    }
    fake->full[XD_LANE_CONTROL] = false;
    struct xd_msg msg;
    struct xd_task *task = hear_child(&msg);
    cr_assert_eq(task->options.after_count, 0);
    cr_assert_eq(task->frame_count, 5);
    for (size_t i = 0; i < 3; i++) {
        expect_row(task, i, parents[i], 1);
        expect_text(task, 2 + i, texts[i]);
    }
    xd_msg_clear(&msg);
}

Test(after, results_too_large_for_a_message_stay_here_and_are_referred_to)
{
    enum { SIZE = 700 * 1024 };
    char *text = malloc(SIZE + 1);
    memset(text, 't', SIZE);
    text[SIZE] = '\0';
    struct xd_future *const parents[] = {ended_task(text), ended_task(text)};
    struct xd_future *child = submit_after(parents, 2);
    size_t own = core->open_bytes;
    cr_assert_eq(xd_after_settle(core), XD_OK);
    size_t here = 0;
    for (size_t i = 2; i < child->task.frame_count; i++) {
        cr_assert_eq(child->task.frames[i].size, SIZE);
        here += child->task.frames[i].bytes != NULL;
    }
    cr_assert_eq(child->task.frame_count, 4);
    cr_assert_eq(here, 1);
    cr_assert_eq(core->channel.owned.payloads.count, 1);
    cr_assert_eq(core->open_bytes, own + SIZE + 2 * XD_GIVEN_BYTES);
    cr_assert_eq(core->unsent_bytes, child->bytes);
    cr_assert_null(xd_client_core_check(core));
    free(text);
}

Test(after, of_an_everywhere_task_only_the_order_counts)
{
    const struct xd_call call = {.callee = "f", .everywhere = true};
    struct xd_future *const parents[] = {submit_call(&call)};
    turn(0);
    expect_submit(1);
    end_task(parents[0], "a part");
    submit_after(parents, 1);
    struct xd_msg msg;
    struct xd_task *task = hear_child(&msg);
    cr_assert_eq(task->frame_count, 2);
    expect_row(task, 0, parents[0], 0);
    xd_msg_clear(&msg);
}

/* ---- how long those before it stay */

Test(after, a_task_that_was_given_up_stays_until_the_one_behind_it_has_left)
{
    struct xd_future *parent = ended_task("here");
    fake->full[XD_LANE_CONTROL] = true;
    struct xd_future *child = submit_after(&parent, 1);
    xd_list_remove(&parent->ended);
    xd_client_core_release(core, parent);
    turn(0);
    cr_assert_null(xd_client_core_dead(core));
    fake->full[XD_LANE_CONTROL] = false;
    struct xd_msg msg;
    expect_text(hear_child(&msg), 2, "here");
    xd_msg_clear(&msg);
    fake_say_result(fake, child->task.id, XD_OUTCOME_DONE, NULL);
    turn(0);
    cr_assert_eq(xd_client_core_dead(core), parent);
    xd_future_destroy(parent);
}

Test(after, a_cancelled_one_lets_go_of_those_before_it)
{
    struct xd_future *parent = open_task();
    struct xd_future *child = submit_after(&parent, 1);
    cr_assert_eq(parent->pins, 1);
    xd_client_core_cancel(core, child);
    cr_assert_eq(child->outcome, XD_OUTCOME_CANCELLED);
    cr_assert_eq(parent->pins, 0);
    cr_assert_eq(parent->children, 0);
    turn(0);
    expect_nothing();
}

/* ---- bad ends */

Test(after, a_failure_here_fails_it_with_the_reason)
{
    struct xd_future *const parents[] = {ended_task("fine"), open_task()};
    fake_say_result(fake, parents[1]->task.id, XD_OUTCOME_FAILED, NULL);
    turn(0);
    struct xd_future *child = submit_after(parents, 2);
    struct xd_future *grandchild = submit_after(&child, 1);
    turn(XD_MS);
    cr_assert_eq(child->outcome, XD_OUTCOME_FAILED);
    cr_assert_str_eq(child->text, "a task it comes after failed: it went wrong");
    turn(XD_MS);
    cr_assert_eq(grandchild->outcome, XD_OUTCOME_FAILED);
    cr_assert_eq(parents[0]->pins, 0);
    expect_nothing();
}

Test(after, a_cancelled_one_before_it_is_said_so)
{
    struct xd_future *parent = open_task();
    fake_say_result(fake, parent->task.id, XD_OUTCOME_CANCELLED, NULL);
    turn(0);
    struct xd_future *child = submit_after(&parent, 1);
    turn(XD_MS);
    cr_assert_eq(child->outcome, XD_OUTCOME_FAILED);
    cr_assert(strstr(child->text, "did not end well") != NULL, "%s", child->text);
}

Test(after, results_of_too_many_payloads_fail_it)
{
    enum { EACH = 100, PARENTS = 10 };
    struct xd_future *parents[PARENTS];
    struct xd_frame frames[EACH];
    for (size_t i = 0; i < EACH; i++) {
        frames[i] = (struct xd_frame){.role = XD_FRAME_BODY, .size = 1};
        cr_assert_eq(xd_bytes_text("x", &frames[i].bytes), XD_OK);
    }
    for (size_t i = 0; i < PARENTS; i++) {
        parents[i] = open_task();
        struct xd_result result = {.id = parents[i]->task.id,
                                   .outcome = XD_OUTCOME_DONE,
                                   .frames = frames,
                                   .frame_count = EACH};
        struct xd_msg msg = {.kind = XD_KIND_RESULT};
        msg.results.results = &result;
        msg.results.count = 1;
        fake_say(fake, XD_LANE_CONTROL, &msg);
        turn(0);
    }
    for (size_t i = 0; i < EACH; i++) {
        xd_bytes_unref(frames[i].bytes);
    }
    struct xd_future *fits = submit_after(parents, PARENTS - 1);
    struct xd_msg msg;
    cr_assert_eq(hear_child(&msg)->frame_count, 2 + (PARENTS - 1) * EACH);
    xd_msg_clear(&msg);
    struct xd_future *child = submit_after(parents, PARENTS);
    turn(XD_MS);
    cr_assert_eq(fits->state, XD_FUTURE_SENT);
    cr_assert_eq(child->outcome, XD_OUTCOME_FAILED);
    cr_assert(strstr(child->text, "too many payloads") != NULL, "%s", child->text);
}

/* ---- results that are on their way in pieces */

#define PIECE "the piece"

/* All of it, or that it cannot be read any more. */
static void arrive(enum xd_err code)
{
    struct xd_bytes *bytes = NULL;
    if (code == XD_OK) {
        cr_assert_eq(xd_bytes_text(PIECE, &bytes), XD_OK);
    }
    say_chunk(0, bytes, code);
    xd_bytes_unref(bytes);
    turn(0);
}

/* The next SUBMIT is of these, in this order; what is said of payloads is passed over. */
static void expect_sent(struct xd_future *const *futures, size_t count)
{
    struct xd_msg msg;
    while (fake_hear(fake, &msg) && msg.kind != XD_KIND_SUBMIT) {
        xd_msg_clear(&msg);
    }
    cr_assert_eq(msg.kind, XD_KIND_SUBMIT);
    cr_assert_eq(msg.tasks.count, count, "%zu", msg.tasks.count);
    for (size_t i = 0; i < count; i++) {
        cr_assert(xd_task_id_equal(&msg.tasks.tasks[i].id, &futures[i]->task.id));
    }
    xd_msg_clear(&msg);
}

Test(after, others_pass_those_that_wait_for_a_payload)
{
    struct xd_future *parent = large_result(strlen(PIECE));
    struct xd_future *child = submit_after(&parent, 1);
    struct xd_future *grandchild = submit_after(&child, 1), *other = submit();
    turn(XD_MS);
    expect_sent(&other, 1);
    cr_assert_gt(xd_client_core_deadline(core), now, "nothing is due until it is here");
    cr_assert_eq(core->unsent_bytes, 0);
    arrive(XD_OK);
    cr_assert_eq(parent->outcome, XD_OUTCOME_DONE);
    turn(0);
    cr_assert_eq(child->task.frame_count, 3);
    expect_text(&child->task, 2, PIECE);
    struct xd_future *const both[] = {child, grandchild};
    expect_sent(both, 2);
}

Test(after, one_with_a_key_keeps_its_place)
{
    struct xd_future *parent = large_result(strlen(PIECE));
    const struct xd_call_options options = {.after = &parent,
                                            .after_count = 1,
                                            .replaces = "key"};
    const struct xd_call call = {.callee = "g", .options = &options};
    struct xd_future *const both[] = {submit_call(&call), submit()};
    turn(XD_MS);
    cr_assert_eq(both[1]->state, XD_FUTURE_UNSENT);
    cr_assert_not_null(xd_client_core_held_up(core));
    struct xd_question question;
    cr_assert_eq(xd_client_core_ask(core, "status", NULL, 0, &question), XD_OK);
    turn(0);
    cr_assert(question.sent, "nobody knows how long it will take");
    xd_client_core_unask(&question);
    cr_assert_gt(xd_client_core_deadline(core), now, "nothing is due until it is here");
    arrive(XD_OK);
    turn(0);
    expect_sent(both, 2);
}

Test(after, a_payload_that_never_comes_fails_those_that_wait_for_it)
{
    struct xd_future *parent = large_result(strlen(PIECE));
    struct xd_future *child = submit_after(&parent, 1);
    struct xd_future *grandchild = submit_after(&child, 1);
    turn(XD_MS);
    arrive(XD_ERR_GONE);
    turn(0);
    cr_assert_neq(parent->outcome, XD_OUTCOME_DONE);
    cr_assert_eq(child->outcome, XD_OUTCOME_FAILED);
    turn(0);
    cr_assert_eq(grandchild->outcome, XD_OUTCOME_FAILED);
}

Test(after, who_waits_for_a_payload_can_be_cancelled)
{
    struct xd_future *parent = large_result(strlen(PIECE));
    struct xd_future *child = submit_after(&parent, 1);
    turn(XD_MS);
    xd_client_core_cancel(core, child);
    cr_assert_eq(child->outcome, XD_OUTCOME_CANCELLED);
    turn(0);
    arrive(XD_OK);
    turn(0);
    cr_assert_eq(parent->outcome, XD_OUTCOME_DONE);
    cr_assert(xd_list_is_empty(&core->aside));
}

/* ---- memory */

Test(after, every_failed_allocation_only_delays)
{
    enum { SIZE = 700 * 1024 };
    char *text = malloc(SIZE + 1);
    memset(text, 't', SIZE);
    text[SIZE] = '\0';
    struct xd_future *const parents[] = {ended_task(text), open_task(), ended_task(text)};
    struct xd_future *child = submit_after(parents, 3);
    size_t failed = 0;
    for (size_t n = 1;; n++) {
        xd_alloc_fail_at(n);
        enum xd_err err = xd_after_settle(core);
        xd_alloc_fail_at(0);
        cr_assert_null(xd_client_core_check(core));
        cr_assert_eq(core->unsent_bytes, child->bytes);
        if (err == XD_OK) {
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        failed++;
    }
    cr_assert_gt(failed, 2, "%zu", failed);
    end_task(parents[1], "late");
    for (size_t n = 1; child->state == XD_FUTURE_UNSENT; n++) {
        cr_assert_lt(n, 200);
        xd_alloc_fail_at(n);
        xd_client_core_flush(core, now);
        xd_alloc_fail_at(0);
        now += 3 * XD_MS;
        fake_say_hello_ok(fake, XD_LANE_BULK, 0); /* the large one's way */
        turn(0);
    }
    cr_assert_eq(child->task.frame_count, 5);
    free(text);
}

/* Without memory for the sentence there is one that needs none. */
Test(after, a_failure_without_memory_is_still_one)
{
    struct xd_future *parent = open_task();
    fake_say_result(fake, parent->task.id, XD_OUTCOME_FAILED, NULL);
    turn(0);
    for (size_t n = 1; n <= 2; n++) {
        struct xd_future *child = submit_after(&parent, 1);
        xd_alloc_fail_at(n);
        cr_assert_eq(xd_after_settle(core), XD_OK);
        xd_alloc_fail_at(0);
        cr_assert_eq(child->outcome, XD_OUTCOME_FAILED);
        cr_assert_gt(strlen(child->text), 0);
    }
}
