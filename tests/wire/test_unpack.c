/* SPDX-License-Identifier: MIT */
/* Unpacking: round trips, every bad input, what is shared. */
#include <criterion/criterion.h>
#include <string.h>

#include "bad_inputs.h"
#include "base/alloc.h"
#include "xdt.h"

static struct xd_frames frames;
static struct xd_error error;

static enum xd_err unpack(struct xd_msg *out)
{
    memset(&error, 0, sizeof error);
    return xd_msg_unpack(frames.items, frames.count, out, &error);
}

/* Packs, unpacks, compares; leaves nothing. */
static void expect_round_trip(struct xd_msg *msg)
{
    struct xd_msg out;
    cr_assert_eq(xd_msg_pack(msg, &frames), XD_OK, "%s", xd_kind_name(msg->kind));
    cr_assert_eq(unpack(&out), XD_OK, "%s: %s", xd_kind_name(msg->kind), error.text);
    cr_assert(xdt_msg_equal(msg, &out), "%s", xd_kind_name(msg->kind));
    cr_assert_str_eq(error.text, "");
    xd_frames_clear(&frames);
    xd_msg_clear(&out);
    xd_msg_clear(msg);
}

Test(unpack, every_kind_comes_back_as_it_was)
{
    long before = xd_alloc_balance();
    for (unsigned kind = 1; kind <= XDT_KIND_LAST; kind++) {
        struct xd_msg msg;
        xdt_sample((enum xd_kind)kind, &msg);
        expect_round_trip(&msg);
    }
    cr_assert_eq(xd_alloc_balance(), before);
}

Test(unpack, the_least_that_a_kind_may_have_comes_back)
{
    struct xd_msg msg = {.kind = XD_KIND_HELLO};
    msg.hello =
        (struct xd_hello){.role = XD_ROLE_CLIENT, .min_version = 1, .max_version = 1};
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_HELLO_OK};
    msg.hello_ok = (struct xd_hello_ok){.version = 1,
                                        .session = {1},
                                        .heartbeat_ms = 1,
                                        .lost_ms = 1};
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_READY};
    msg.ready.profile = xdt_text("p");
    msg.ready.formats = 1u << XD_FORMAT_R;
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_RECALLED};
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_BYE};
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_ADMIN};
    msg.admin.verb = xdt_text("status");
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_SETUP};
    msg.setup.number = UINT64_MAX;
    msg.setup.drop = true;
    expect_round_trip(&msg);
}

Test(unpack, a_broken_off_stream_and_a_finished_reader_come_back)
{
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk = (struct xd_chunk){.ref = {{7}, 1}, .reader = {8}, .code = XD_ERR_GONE};
    expect_round_trip(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_CREDIT};
    msg.credit = (struct xd_credit){.ref = {{7}, 1}, .done = true};
    expect_round_trip(&msg);
}

Test(unpack, empty_payloads_and_tasks_without_frames_come_back)
{
    struct xd_msg msg;
    xdt_batch(XD_KIND_SUBMIT, 2, 0, &msg);
    xd_frames_free(msg.tasks.tasks[1].frames, 1);
    msg.tasks.tasks[1].frames = NULL;
    msg.tasks.tasks[1].frame_count = 0;
    expect_round_trip(&msg);
}

Test(unpack, bad_inputs_are_refused_with_their_sentence)
{
    cr_assert_geq(xdt_bad_input_count, 60);
    for (size_t i = 0; i < xdt_bad_input_count; i++) {
        const struct xdt_bad_input *bad = &xdt_bad_inputs[i];
        struct xd_msg out, same;
        memset(&out, 0xa5, sizeof out);
        memcpy(&same, &out, sizeof out);
        xdt_message(bad->fields, bad->payloads, &frames);
        long before = xd_alloc_balance();
        enum xd_err err = unpack(&out);
        cr_assert_eq(err,
                     bad->err,
                     "%.80s: %s instead of %s: %s",
                     bad->fields,
                     xd_err_name(err),
                     xd_err_name(bad->err),
                     error.text);
        cr_assert_not_null(strstr(error.text, bad->sentence),
                           "%.80s: \"%s\" lacks \"%s\"",
                           bad->fields,
                           error.text,
                           bad->sentence);
        cr_assert_eq(memcmp(&out, &same, sizeof out), 0, "%.80s", bad->fields);
        cr_assert_eq(xd_alloc_balance(), before, "%.80s leaks", bad->fields);
        cr_assert_eq(xd_msg_unpack(frames.items, frames.count, &out, NULL), bad->err);
        for (size_t j = 0; j < frames.count; j++) {
            cr_assert_eq(atomic_load(&frames.items[j]->refs), 1, "%.80s", bad->fields);
        }
        xd_frames_clear(&frames);
    }
}

Test(unpack, frame_counts_outside_the_limits_are_refused)
{
    struct xd_msg out;
    struct xd_bytes *many[XD_FRAMES_MAX + 1], *empty = xdt_text("");
    for (size_t i = 0; i < XD_FRAMES_MAX + 1; i++) {
        many[i] = empty;
    }
    cr_assert_eq(xd_msg_unpack(many, 0, &out, &error), XD_ERR_PROTOCOL);
    cr_assert_str_eq(error.text, "message has no frames");
    cr_assert_eq(xd_msg_unpack(many, XD_FRAMES_MAX + 1, &out, &error), XD_ERR_TOO_LARGE);
    cr_assert_str_eq(error.text, "message has 1025 frames, want at most 1024");
    xd_bytes_unref(empty);
}

Test(unpack, unknown_fields_are_ignored)
{
    struct xd_msg out;
    xdt_message(
        "1:1 2:4 10:|p| 8:{1:#16 2:1 30:|later| 8:{1:1 4:1 15:9}} 39:{1:2} 1000:5",
        "1",
        &frames);
    cr_assert_eq(unpack(&out), XD_OK, "%s", error.text);
    cr_assert_eq(out.tasks.count, 1);
    xd_msg_clear(&out);
    xd_frames_clear(&frames);
}

Test(unpack, the_version_may_stand_anywhere)
{
    struct xd_msg out;
    xdt_message("2:14 1:1", "", &frames);
    cr_assert_eq(unpack(&out), XD_OK, "%s", error.text);
    xd_msg_clear(&out);
    xd_frames_clear(&frames);
}

Test(unpack, equal_names_share_their_bytes)
{
    struct xd_msg msg, out;
    xdt_batch(XD_KIND_SUBMIT, 100, 1, &msg);
    for (size_t i = 0; i < 100; i++) {
        msg.tasks.tasks[i].frames[0].tag = xdt_text(i % 2 ? "sqlite3" : "text");
    }
    cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
    cr_assert_eq(unpack(&out), XD_OK);
    for (size_t i = 2; i < 100; i++) {
        cr_assert_eq(out.tasks.tasks[i].callee, out.tasks.tasks[0].callee);
        cr_assert_eq(out.tasks.tasks[i].frames[0].tag,
                     out.tasks.tasks[i - 2].frames[0].tag);
    }
    cr_assert_eq(atomic_load(&out.tasks.tasks[0].callee->refs), 100);
    xd_frames_clear(&frames);
    xd_msg_clear(&out);
    xd_msg_clear(&msg);
}

Test(unpack, payloads_are_shared_and_not_copied)
{
    struct xd_msg out;
    xdt_message("1:1 2:4 10:|p| 8:{1:#16 2:1 8:{1:1 4:3}}", "3", &frames);
    cr_assert_eq(unpack(&out), XD_OK);
    cr_assert_eq(out.tasks.tasks[0].frames[0].bytes, frames.items[1]);
    xd_frames_clear(&frames);
    cr_assert(xd_bytes_is(out.tasks.tasks[0].frames[0].bytes, "ppp"));
    xd_msg_clear(&out);
}

/* Does item `i` of a batch equal the only one of a message of its own? */
static bool equals_single(const struct xd_msg *batch, size_t i)
{
    struct xd_msg single = *batch, out;
    single.tasks.tasks = &batch->tasks.tasks[i];
    if (batch->kind == XD_KIND_RESULT) {
        single.results.results = &batch->results.results[i];
        single.results.count = 1;
    } else {
        single.tasks.count = 1;
    }
    cr_assert_eq(xd_msg_pack(&single, &frames), XD_OK);
    cr_assert_eq(unpack(&out), XD_OK, "%s", error.text);
    bool equal = batch->kind == XD_KIND_RESULT
                     ? xdt_result_equal(out.results.results, &batch->results.results[i])
                     : xdt_task_equal(out.tasks.tasks, &batch->tasks.tasks[i]);
    xd_frames_clear(&frames);
    xd_msg_clear(&out);
    return equal;
}

Test(unpack, a_batch_equals_its_items_sent_one_by_one)
{
    static const enum xd_kind kinds[] = {XD_KIND_SUBMIT, XD_KIND_TASK, XD_KIND_RESULT};
    for (size_t k = 0; k < 3; k++) {
        struct xd_msg msg, batch;
        xdt_batch(kinds[k], XD_TASKS_MAX, 100, &msg);
        cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
        cr_assert_eq(unpack(&batch), XD_OK);
        xd_frames_clear(&frames);
        for (size_t i = 0; i < XD_TASKS_MAX; i++) {
            cr_assert(equals_single(&batch, i), "item %zu", i);
        }
        cr_assert(xdt_msg_equal(&msg, &batch));
        xd_msg_clear(&batch);
        xd_msg_clear(&msg);
    }
}

/* `count` references whose names have that many bytes, each different from those before.
 */
static struct xd_frame *make_references(size_t count, size_t name_bytes)
{
    struct xd_frame *wide = xd_calloc(count, sizeof *wide);
    cr_assert_not_null(wide);
    for (size_t i = 0; i < count; i++) {
        wide[i] = xdt_reference(1, 1, 1);
        wide[i].tag = xdt_filled(17, (uint8_t)('a' + i % 26));
        wide[i].name = xdt_filled(name_bytes, (uint8_t)('A' + i % 26));
    }
    return wide;
}

/* As many items, frames and bytes of names as the limits allow together: what pack makes
 * must never run into the budget of unpack. */
Test(unpack, the_heaviest_message_that_can_be_packed_can_be_unpacked)
{
    for (size_t tasks = 1; tasks <= XD_TASKS_MAX; tasks *= 2) {
        size_t each = (XD_FRAMES_MAX - 1) / tasks;
        size_t room = XD_ENVELOPE_MAX_BYTES - 100 - tasks * 34;
        struct xd_msg msg, out;
        xdt_batch(XD_KIND_SUBMIT, tasks, 0, &msg);
        for (size_t i = 0; i < tasks; i++) {
            struct xd_task *task = &msg.tasks.tasks[i];
            xd_frames_free(task->frames, 1);
            task->frames = make_references(each, room / (each * tasks) - 39);
            task->frame_count = each;
        }
        cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK, "%zu tasks", tasks);
        cr_assert_geq(frames.items[0]->size, 62000, "%zu", frames.items[0]->size);
        cr_assert_eq(unpack(&out), XD_OK, "%s", error.text);
        cr_assert(xdt_msg_equal(&msg, &out));
        xd_msg_clear(&out);
        xd_msg_clear(&msg);
        xd_frames_clear(&frames);
    }
}

Test(unpack, every_cut_of_a_good_envelope_is_refused_or_good)
{
    for (unsigned kind = 1; kind <= XDT_KIND_LAST; kind++) {
        struct xd_msg msg, out;
        xdt_sample((enum xd_kind)kind, &msg);
        cr_assert_eq(xd_msg_pack(&msg, &frames), XD_OK);
        struct xd_bytes *whole = frames.items[0];
        long before = xd_alloc_balance();
        for (size_t size = 0; size < whole->size; size++) {
            frames.items[0] = xdt_bytes(whole->data, size);
            if (unpack(&out) == XD_OK) {
                xd_msg_clear(&out);
            }
            xd_bytes_unref(frames.items[0]);
        }
        cr_assert_eq(xd_alloc_balance(), before);
        frames.items[0] = whole;
        xd_frames_clear(&frames);
        xd_msg_clear(&msg);
    }
}

Test(msg, kinds_have_names)
{
    cr_assert_str_eq(xd_kind_name(XD_KIND_SUBMIT), "SUBMIT");
    cr_assert_str_eq(xd_kind_name(XD_KIND_ADMIN), "ADMIN");
    cr_assert_str_eq(xd_kind_name(0), "unknown");
    cr_assert_str_eq(xd_kind_name(1000), "unknown");
}

Test(msg, clearing_zeroes_and_may_be_repeated)
{
    struct xd_msg msg;
    xdt_sample(XD_KIND_SUBMIT, &msg);
    xd_msg_clear(&msg);
    cr_assert_eq(msg.kind, 0);
    xd_msg_clear(&msg);
    xd_msg_clear(NULL);
}
