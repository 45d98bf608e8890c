/* SPDX-License-Identifier: MIT */
/* Results that a task is given, as they reach its handler: ahead from the broker, or with
 * the task from its client; and tables that are wrong. */
#include <criterion/criterion.h>

#include "after.h"
#include "base/alloc.h"
#include "worker_side.h"

TestSuite(given, .init = begin, .fini = end);

static struct xd_frame text_frame(const char *text)
{
    struct xd_frame frame = {.role = XD_FRAME_BODY};
    cr_assert_eq(xd_bytes_text(text, &frame.bytes), XD_OK);
    frame.size = frame.bytes->size;
    return frame;
}

/* The result of task `parent` comes ahead of task `child`: one frame, or none. */
static struct xd_msg given_msg(unsigned child, unsigned parent, struct xd_frame *frame)
{
    struct xd_msg msg = {.kind = XD_KIND_GIVEN};
    msg.given.child = fake_id(child);
    msg.given.parent = fake_id(parent);
    msg.given.frames = frame;
    msg.given.frame_count = frame == NULL ? 0 : 1;
    return msg;
}

static void say_given(unsigned child, unsigned parent, const char *text)
{
    struct xd_frame frame = text_frame(text);
    struct xd_msg msg = given_msg(child, parent, &frame);
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_frame_clear(&frame);
}

static void say_task(struct xd_task *task)
{
    struct xd_msg msg = {.kind = XD_KIND_TASK};
    cr_assert_eq(xd_bytes_text("f", &task->callee), XD_OK);
    task->format = XD_FORMAT_CALL;
    msg.tasks.tasks = task;
    msg.tasks.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(task->callee);
}

/* Task `child`, whose results all come from the broker. */
static void say_child(unsigned child, const unsigned *parents, size_t count)
{
    struct xd_given given[XD_AFTER_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        given[i].id = fake_id(parents[i]);
    }
    struct xd_frame own = text_frame("own");
    struct xd_task task = {.id = fake_id(child),
                           .frames = &own,
                           .frame_count = 1,
                           .given = given,
                           .given_count = count};
    say_task(&task);
    xd_frame_clear(&own);
}

/* One row of a client's table. */
struct row {
    unsigned parent;
    uint32_t frames;
};

/* Task `child` with a table of these rows, cut by some bytes, and so many frames behind
 * it: "0", "1", ... */
static void say_child_with(unsigned child,
                           const struct row *rows,
                           size_t count,
                           size_t cut,
                           size_t behind)
{
    struct xd_frame frames[2 + 8];
    uint8_t *room;
    cr_assert_leq(behind, 8);
    frames[0] = text_frame("own");
    frames[1] = (struct xd_frame){.role = XD_FRAME_GIVEN};
    cr_assert_eq(xd_bytes_room(count * XD_GIVEN_BYTES, &room, &frames[1].bytes), XD_OK);
    for (size_t i = 0; i < count; i++) {
        struct xd_task_id id = fake_id(rows[i].parent);
        xd_given_write(room + i * XD_GIVEN_BYTES, &id, rows[i].frames);
    }
    struct xd_bytes *whole = frames[1].bytes;
    cr_assert_eq(xd_bytes_slice(whole, 0, whole->size - cut, &frames[1].bytes), XD_OK);
    xd_bytes_unref(whole);
    frames[1].size = frames[1].bytes->size;
    for (size_t i = 0; i < behind; i++) {
        frames[2 + i] = text_frame((const char[]){(char)('0' + i), '\0'});
    }
    struct xd_task task = {.id = fake_id(child),
                           .frames = frames,
                           .frame_count = 2 + behind};
    say_task(&task);
    for (size_t i = 0; i < 2 + behind; i++) {
        xd_frame_clear(&frames[i]);
    }
}

static struct xd_job *begin_job(void)
{
    turn(0);
    struct xd_job *job = xd_worker_core_begin(core, now);
    cr_assert_not_null(job);
    return job;
}

static void expect_given(const struct xd_job *job, size_t index, const char *text)
{
    size_t count;
    cr_assert_lt(index, xd_job_given_count(job));
    const struct xd_frame *frames = xd_job_given(job, index, &count);
    cr_assert_eq(count, text == NULL ? 0 : 1);
    if (text != NULL) {
        cr_assert(xd_bytes_is(frames[0].bytes, text), "result %zu", index);
    }
}

/* Its own frames are its arguments, and nothing else. */
static void expect_own(const struct xd_job *job)
{
    cr_assert(xd_bytes_is(xd_job_arg(job, 0)->bytes, "own"));
    cr_assert_null(xd_job_arg(job, 1));
    cr_assert_eq(xd_job_task(job)->frame_count, 1);
}

static void expect_failed(const char *words)
{
    struct xd_msg msg;
    turn(0);
    cr_assert_null(xd_worker_core_begin(core, now));
    fake_expect(fake, XD_KIND_RESULT, &msg);
    cr_assert_eq(msg.results.results[0].outcome, XD_OUTCOME_FAILED);
    const struct xd_bytes *text = msg.results.results[0].error;
    cr_assert(xd_bytes_is(text, words),
              "%.*s",
              (int)text->size,
              (const char *)text->data);
    xd_msg_clear(&msg);
    cr_assert(xd_list_is_empty(&core->given));
}

/* ---- right ones */

Test(given, what_the_broker_sends_ahead_is_the_tasks_in_its_order)
{
    static const unsigned parents[] = {3, 1, 2};
    say_given(9, 1, "one");
    struct xd_msg nothing = given_msg(9, 2, NULL);
    fake_say(fake, XD_LANE_CONTROL, &nothing);
    say_given(9, 3, "three");
    say_child(9, parents, 3);
    struct xd_job *job = begin_job();
    expect_own(job);
    cr_assert_eq(xd_job_given_count(job), 3);
    expect_given(job, 0, "three");
    expect_given(job, 1, "one");
    expect_given(job, 2, NULL);
    cr_assert(xd_list_is_empty(&core->given));
    finish();
}

Test(given, what_the_client_brings_lies_behind_its_table)
{
    static const struct row rows[] = {{1, 2}, {2, 0}, {3, 1}};
    say_child_with(9, rows, 3, 0, 3);
    struct xd_job *job = begin_job();
    expect_own(job);
    size_t count;
    const struct xd_frame *frames = xd_job_given(job, 0, &count);
    cr_assert_eq(count, 2);
    cr_assert(xd_bytes_is(frames[1].bytes, "1"));
    expect_given(job, 1, NULL);
    expect_given(job, 2, "2");
    finish();
}

Test(given, a_table_may_name_what_comes_from_the_broker)
{
    static const struct row rows[] = {{1, 1}, {2, XD_GIVEN_BY_BROKER}, {3, 1}};
    say_given(9, 2, "ahead");
    say_child_with(9, rows, 3, 0, 2);
    struct xd_job *job = begin_job();
    expect_own(job);
    expect_given(job, 0, "0");
    expect_given(job, 1, "ahead");
    expect_given(job, 2, "1");
    finish();
}

Test(given, one_that_is_named_twice_was_sent_twice)
{
    static const unsigned parents[] = {1, 1};
    for (int i = 0; i < 2; i++) {
        say_given(9, 1, "the same");
    }
    say_child(9, parents, 2);
    struct xd_job *job = begin_job();
    expect_given(job, 0, "the same");
    expect_given(job, 1, "the same");
    finish();
    turn(0);
    expect_and_drop(XD_KIND_RESULT);
    static const struct row rows[] = {{1, XD_GIVEN_BY_BROKER}, {1, XD_GIVEN_BY_BROKER}};
    for (int i = 0; i < 2; i++) {
        say_given(8, 1, "again");
    }
    say_child_with(8, rows, 2, 0, 0);
    job = begin_job();
    expect_given(job, 0, "again");
    expect_given(job, 1, "again");
    finish();
}

Test(given, what_nobody_took_goes_with_the_next_tasks)
{
    say_given(9, 1, "for a task that went elsewhere");
    turn(0);
    cr_assert_not(xd_list_is_empty(&core->given));
    run(2);
    cr_assert(xd_list_is_empty(&core->given));
    finish();
}

/* ---- wrong ones */

static const char ABSENT[] = "the results that the task comes after did not come with it";

Test(given, results_that_did_not_come_fail_the_task)
{
    static const unsigned parents[] = {1, 2};
    say_given(9, 1, "one");
    say_given(8, 2, "another task's");
    say_child(9, parents, 2);
    expect_failed(ABSENT);
}

Test(given, one_result_is_not_taken_for_two)
{
    static const struct row rows[] = {{1, XD_GIVEN_BY_BROKER}, {1, XD_GIVEN_BY_BROKER}};
    say_given(9, 1, "once");
    say_child_with(9, rows, 2, 0, 0);
    expect_failed(ABSENT);
}

Test(given, tables_that_are_wrong_fail_the_task)
{
    static const struct row many[XD_AFTER_MAX + 1];
    static const struct row two[] = {{1, 1}, {2, 1}};
    static const struct row huge[] = {{1, UINT32_MAX - 1}, {2, 1}};
    const struct {
        const struct row *rows;
        size_t count, cut, behind;
    } table[] = {
        {two, 2, 0, 1},                 /* a frame is missing */
        {two, 2, 0, 3},                 /* one is left over */
        {two, 2, 1, 2},                 /* no whole rows */
        {two, 1, XD_GIVEN_BYTES, 1},    /* no rows, and a frame */
        {huge, 2, 0, 2},                /* more than anybody has */
        {many, XD_AFTER_MAX + 1, 0, 0}, /* too many rows */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        say_child_with((unsigned)(100 + i),
                       table[i].rows,
                       table[i].count,
                       table[i].cut,
                       table[i].behind);
        expect_failed(ABSENT);
    }
    run(1); /* and the next task is none the worse */
    finish();
}

/* ---- memory */

Test(given, every_failed_allocation_of_a_result_ahead_says_so)
{
    for (size_t n = 1;; n++) {
        struct xd_frame frame = text_frame("one"), *frames = NULL;
        cr_assert_eq(xd_frames_share(&frame, 1, &frames), XD_OK);
        xd_frame_clear(&frame);
        struct xd_msg msg = given_msg(9, 1, frames);
        xd_alloc_fail_at(n);
        enum xd_err err = xd_worker_core_given(core, &msg);
        xd_alloc_fail_at(0);
        xd_msg_clear(&msg); /* what was not taken is the message's still */
        if (err == XD_OK) {
            cr_assert_gt(n, 1);
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert(xd_list_is_empty(&core->given));
    }
    xd_worker_core_drop_given(core);
}

/* It goes back, or fails with a sentence; or it has all it needs. */
Test(given, every_failed_allocation_of_a_task_is_an_answer)
{
    size_t failed = 0;
    run(1); /* the table of tasks has room from here on */
    finish();
    turn(0);
    expect_and_drop(XD_KIND_RESULT);
    for (unsigned n = 1; n < 40; n++) {
        struct xd_given *given = calloc(2, sizeof *given);
        struct xd_task task = {.id = fake_id(100 + n), .format = XD_FORMAT_R};
        for (unsigned i = 0; i < 2; i++) {
            given[i].id = fake_id(1 + i);
            say_given(100 + n, 1 + i, "here");
        }
        turn(0);
        task.given = given;
        task.given_count = 2;
        struct xd_msg msg = {.kind = XD_KIND_TASK};
        msg.tasks.tasks = &task;
        msg.tasks.count = 1;
        xd_alloc_fail_at(n);
        xd_worker_core_message(core, &msg, now);
        xd_alloc_fail_at(0);
        xd_task_clear(&task); /* unless it was taken */
        cr_assert_null(xd_worker_core_check(core));
        cr_assert(xd_list_is_empty(&core->given));
        struct xd_job *job = xd_worker_core_begin(core, now);
        if (job != NULL) {
            cr_assert_eq(failed, 2, "%zu", failed); /* the frames, and where they lie */
            expect_given(job, 1, "here");
            finish();
            return;
        }
        turn(0);
        cr_assert(fake_hear(fake, &msg));
        failed += msg.kind == XD_KIND_RESULT;
        cr_assert(msg.kind == XD_KIND_RESULT || msg.kind == XD_KIND_RECALLED);
        xd_msg_clear(&msg);
    }
    cr_assert_fail("it never worked");
}
