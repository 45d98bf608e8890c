/* SPDX-License-Identifier: MIT */
/* Packing: golden bytes, limits, what is missing. XDT_REGENERATE=1 in the environment
 * writes the golden files instead of comparing. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "xdt.h"

static struct xd_frames frames, golden;

/* The sum of everything written, to be compared with the bound that callers use. */
static size_t envelope_bytes(struct xd_msg *msg)
{
    cr_assert_eq(xd_msg_pack(msg, &frames), XD_OK);
    size_t size = frames.items[0]->size;
    xd_frames_clear(&frames);
    return size;
}

static void golden_path(enum xd_kind kind, char path[512])
{
    int used = snprintf(path, 512, "%s/%s.hex", XDT_GOLDEN_DIR, xd_kind_name(kind));
    for (char *at = path + strlen(XDT_GOLDEN_DIR); at < path + used; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
}

static void expect_golden(enum xd_kind kind)
{
    char path[512];
    golden_path(kind, path);
    if (getenv("XDT_REGENERATE")) {
        cr_assert(xdt_frames_write(path, xd_kind_name(kind), &frames));
    }
    cr_assert(xdt_frames_read(path, &golden), "%s cannot be read", path);
    cr_assert_eq(golden.count, frames.count, "%s", path);
    for (size_t i = 0; i < golden.count; i++) {
        cr_assert(xd_bytes_equal(golden.items[i], frames.items[i]),
                  "frame %zu of %s differs",
                  i,
                  path);
    }
    xd_frames_clear(&golden);
}

Test(pack, every_kind_gives_its_golden_bytes)
{
    for (unsigned kind = 1; kind <= XDT_KIND_LAST; kind++) {
        struct xd_msg msg;
        xdt_sample((enum xd_kind)kind, &msg);
        cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK, "%s", xd_kind_name(kind));
        expect_golden((enum xd_kind)kind);
        xd_frames_clear(&frames);
        xd_msg_clear(&msg);
    }
}

Test(pack, the_version_comes_first)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_SUBMIT, &msg);
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    cr_assert_eq(memcmp(frames.items[0]->data, "\x08\x01\x10\x04", 4), 0);
    xd_frames_clear(&frames);
    xd_msg_clear(&msg);
}

Test(pack, payloads_are_shared_and_not_copied)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_SUBMIT, 3, 100, &msg);
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    cr_assert_eq(frames.count, 4);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(frames.items[i + 1], msg.tasks.tasks[i].frames[0].bytes);
        cr_assert_eq(atomic_load(&frames.items[i + 1]->refs), 2);
    }
    xd_frames_clear(&frames);
    cr_assert_eq(atomic_load(&msg.tasks.tasks[0].frames[0].bytes->refs), 1);
    xd_msg_clear(&msg);
}

/* Packs, expects that error and that nothing is held; drops the message. */
static void expect_refused(struct xd_msg *msg, enum xd_err expected)
{
    long before = xd_alloc_balance();
    enum xd_err err = xd_msg_pack(msg, &frames);
    cr_assert_eq(err, expected, "gave %s", xd_err_name(err));
    cr_assert_eq(frames.count, 0);
    cr_assert_eq(xd_alloc_balance(), before);
    xd_msg_clear(msg);
}

static void replace(struct xd_bytes **field, struct xd_bytes *with)
{
    xd_bytes_unref(*field);
    *field = with;
}

Test(pack, a_message_may_be_full_and_not_fuller)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_SUBMIT, XD_TASKS_MAX, 1, &msg);
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    xd_frames_clear(&frames);
    xd_msg_clear(&msg);
    xdt_batch(XD_KIND_SUBMIT, XD_TASKS_MAX + 1, 1, &msg);
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_batch(XD_KIND_RESULT, XD_TASKS_MAX + 1, 1, &msg);
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}

Test(pack, payloads_are_bounded_together)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_SUBMIT, 2, XD_MESSAGE_MAX_BYTES / 2, &msg);
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    xd_frames_clear(&frames);
    xd_msg_clear(&msg);
    xdt_batch(XD_KIND_SUBMIT, 2, XD_MESSAGE_MAX_BYTES / 2 + 1, &msg);
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}

/* One task with `count` references, then `count` inline frames. */
static void make_wide(size_t count, bool is_inline, struct xd_msg *out)
{
    struct xd_frame *wide = xd_calloc(count, sizeof *wide);
    cr_assert_not_null(wide);
    for (size_t i = 0; i < count; i++) {
        wide[i] = is_inline ? xdt_body("x") : xdt_reference(1, i + 1, 1);
    }
    xdt_batch(XD_KIND_SUBMIT, 1, 1, out);
    xd_frames_free(out->tasks.tasks[0].frames, 1);
    out->tasks.tasks[0].frames = wide;
    out->tasks.tasks[0].frame_count = count;
}

Test(pack, a_setup_is_smaller_than_a_message)
{
    for (size_t over = 0; over < 2; over++) {
        struct xd_msg msg;
        xdt_sample(XD_KIND_SETUP, &msg);
        xd_frame_clear(&msg.setup.frames[0]);
        size_t rest = xd_frames_bytes(msg.setup.frames, msg.setup.frame_count);
        msg.setup.frames[0].bytes = xdt_filled(XD_SETUP_MAX_BYTES - rest + over, 's');
        if (over) {
            expect_refused(&msg, XD_ERR_TOO_LARGE);
        } else {
            cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
            xd_frames_clear(&frames);
            xd_msg_clear(&msg);
        }
    }
}

Test(pack, frames_are_bounded_inline_or_not)
{
    for (int is_inline = 0; is_inline < 2; is_inline++) {
        struct xd_msg msg;
        make_wide(XD_FRAMES_MAX - 1, is_inline, &msg);
        cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
        xd_frames_clear(&frames);
        xd_msg_clear(&msg);
        make_wide(XD_FRAMES_MAX, is_inline, &msg);
        expect_refused(&msg, XD_ERR_TOO_LARGE);
    }
}

Test(pack, an_envelope_past_its_limit_is_refused)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_RESULT, 20, 1, &msg);
    for (size_t i = 0; i < 20; i++) {
        msg.results.results[i].outcome = XD_OUTCOME_FAILED;
        msg.results.results[i].error = xdt_filled(XD_TEXT_MAX_BYTES, 'e');
    }
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}

Test(pack, names_and_texts_are_bounded)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_SUBMIT, &msg);
    replace(&msg.tasks.tasks[0].callee, xdt_filled(256, 'c'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_SUBMIT, &msg);
    replace(&msg.tasks.tasks[0].frames[1].tag, xdt_filled(256, 't'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_SUBMIT, &msg);
    replace(&msg.tasks.profile, xdt_filled(256, 'p'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_RESULT, &msg);
    replace(&msg.results.results[1].error, xdt_filled(4097, 'e'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_READY, &msg);
    replace(&msg.ready.handlers[1], xdt_filled(256, 'h'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_ADMIN, &msg);
    replace(&msg.admin.args[0], xdt_filled(4097, 'a'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}

Test(pack, numbers_past_their_limit_are_refused)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_CREDIT, &msg);
    msg.credit.chunks = XD_CHUNK_WINDOW + 1;
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_READY, &msg);
    msg.ready.hold = XD_HOLD_MAX + 1;
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}

Test(pack, what_a_kind_needs_must_be_there)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_SUBMIT, &msg);
    replace(&msg.tasks.profile, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_SUBMIT, &msg);
    replace(&msg.tasks.tasks[0].frames[0].bytes, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_EVENT, &msg);
    replace(&msg.event.bytes, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_EVENT, &msg);
    replace(&msg.event.kind, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_ADMIN, &msg);
    replace(&msg.admin.text, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_ADMIN, &msg);
    replace(&msg.admin.verb, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_READY, &msg);
    replace(&msg.ready.profile, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
    xdt_sample(XD_KIND_CHUNK, &msg);
    replace(&msg.chunk.bytes, NULL);
    expect_refused(&msg, XD_ERR_INVALID);
}

Test(pack, empty_lists_and_unknown_kinds_are_refused)
{
    static const enum xd_kind kinds[] = {XD_KIND_SUBMIT,
                                         XD_KIND_TASK,
                                         XD_KIND_RESULT,
                                         XD_KIND_CANCEL,
                                         XD_KIND_BUSY};
    volatile int outside = 99;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct xd_msg msg = {.kind = kinds[i]};
        if (kinds[i] == XD_KIND_SUBMIT) {
            msg.tasks.profile = xdt_text("default");
        }
        expect_refused(&msg, XD_ERR_INVALID);
    }
    expect_refused(&(struct xd_msg){0}, XD_ERR_INVALID);
    expect_refused(&(struct xd_msg){.kind = (enum xd_kind)outside}, XD_ERR_INVALID);
}

/* Every number as long as it gets. */
static void make_heavy(struct xd_task *task)
{
    struct xd_frame *frame = task->frames;
    replace(&frame->bytes, NULL);
    *frame = xdt_reference(UINT64_MAX, UINT64_MAX, UINT64_MAX);
    frame->codec = UINT32_MAX;
    frame->role = UINT8_MAX;
    frame->tag = xdt_filled(255, 't');
    frame->name = xdt_filled(255, 'n');
    task->timeout_ms = task->min_workers = task->part = UINT32_MAX;
    task->everywhere = task->hold = true;
    task->setup = UINT64_MAX;
    task->origin.n = UINT64_MAX;
    frame->count = UINT32_MAX;
}

Test(pack, the_bound_of_a_task_is_an_upper_one)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_TASK, 2, 1, &msg);
    make_heavy(&msg.tasks.tasks[0]);
    make_heavy(&msg.tasks.tasks[1]);
    size_t two = envelope_bytes(&msg), bound = xd_task_envelope_bytes(msg.tasks.tasks);
    xd_task_clear(&msg.tasks.tasks[1]);
    msg.tasks.count = 1;
    size_t one = envelope_bytes(&msg);
    cr_assert_leq(two - one, bound);
    cr_assert_geq(two - one + 40, bound, "the bound is far off");
    xd_msg_clear(&msg);
}

Test(pack, the_bound_of_a_result_is_an_upper_one)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_RESULT, 2, 1, &msg);
    for (size_t i = 0; i < 2; i++) {
        struct xd_result *result = &msg.results.results[i];
        result->part = result->parts = UINT32_MAX;
        result->run_ns = UINT64_MAX;
        result->outcome = XD_OUTCOME_REJECTED;
        result->error = xdt_filled(4096, 'e');
    }
    size_t two = envelope_bytes(&msg),
           bound = xd_result_envelope_bytes(msg.results.results);
    xd_result_clear(&msg.results.results[1]);
    msg.results.count = 1;
    cr_assert_leq(two - envelope_bytes(&msg), bound);
    xd_msg_clear(&msg);
}

Test(pack, frames_can_be_cleared_twice)
{
    struct xd_msg msg = {.kind = XD_KIND_HEARTBEAT};
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    xd_frames_clear(&frames);
    xd_frames_clear(&frames);
    xd_frames_clear(NULL);
}

Test(pack, facts_are_bounded)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_HELLO, &msg);
    replace(&msg.hello.facts.versions[1], xdt_filled(XD_VERSION_MAX_BYTES + 1, 'v'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_HELLO, &msg);
    replace(&msg.hello.facts.labels[0], xdt_filled(XD_NAME_MAX_BYTES + 1, 'l'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
    xdt_sample(XD_KIND_HELLO, &msg);
    replace(&msg.hello.facts.name, xdt_filled(XD_NAME_MAX_BYTES + 1, 'n'));
    expect_refused(&msg, XD_ERR_TOO_LARGE);
}
