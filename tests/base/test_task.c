/* SPDX-License-Identifier: MIT */
/* Tasks, results and frames: sharing and dropping. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/task.h"
#include "xdt.h"

Test(task, outcomes_have_names)
{
    volatile int outside = 99;
    cr_assert_str_eq(xd_outcome_name(XD_OUTCOME_DONE), "done");
    cr_assert_str_eq(xd_outcome_name(XD_OUTCOME_BROKER_GONE), "broker_gone");
    cr_assert_str_eq(xd_outcome_name((enum xd_outcome)outside), "unknown");
}

Test(task, nothing_and_zeroes_can_be_cleared)
{
    struct xd_task task = {0};
    struct xd_result result = {0};
    struct xd_frame frame = {0};
    xd_task_clear(NULL);
    xd_task_clear(&task);
    xd_result_clear(NULL);
    xd_result_clear(&result);
    xd_frame_clear(NULL);
    xd_frame_clear(&frame);
    xd_frames_free(NULL, 0);
}

Test(task, clearing_drops_everything_and_zeroes)
{
    long before = xd_alloc_balance();
    struct xd_task task = xdt_task(1, "echo", 10);
    struct xd_result result = xdt_result(1, XD_OUTCOME_FAILED, "x");
    xd_task_clear(&task);
    xd_result_clear(&result);
    cr_assert_eq(xd_alloc_balance(), before);
    cr_assert_null(task.frames);
    cr_assert_null(result.error);
    xd_task_clear(&task);
    xd_result_clear(&result);
}

Test(task, shared_frames_outlive_the_first_owner)
{
    struct xd_frame frames[] = {xdt_object("sqlite3", "DB"), xdt_reference(1, 2, 3)};
    frames[0].name = xdt_text("data");
    struct xd_frame *first = xdt_frames(frames, 2), *second;
    cr_assert_eq(xd_frames_share(first, 2, &second), XD_OK);
    xd_frames_free(first, 2);
    cr_assert(xd_bytes_is(second[0].bytes, "DB"));
    cr_assert(xd_bytes_is(second[0].tag, "sqlite3"));
    cr_assert(xd_bytes_is(second[0].name, "data"));
    cr_assert_eq(second[1].ref.counter, 2);
    xd_frames_free(second, 2);
}

Test(task, sharing_no_frames_gives_none)
{
    struct xd_frame some, *frames = &some;
    cr_assert_eq(xd_frames_share(NULL, 0, &frames), XD_OK);
    cr_assert_null(frames);
}

Test(task, a_failed_share_takes_no_references)
{
    struct xd_frame frame = xdt_body("x"), *out = NULL;
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_frames_share(&frame, 1, &out), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_null(out);
    cr_assert_eq(atomic_load(&frame.bytes->refs), 1);
    xd_frame_clear(&frame);
}

Test(task, only_bytes_that_are_here_are_counted)
{
    struct xd_frame frames[] = {xdt_body("12345"),
                                xdt_reference(1, 1, 1000),
                                xdt_body("")};
    cr_assert_eq(xd_frames_bytes(frames, 3), 5);
    cr_assert_eq(xd_frames_bytes(NULL, 0), 0);
    xd_frame_clear(&frames[0]);
    xd_frame_clear(&frames[2]);
}

/* ---- packed objects ---- */

#define PACKED_SIZE(sizes, text) ((sizes)*8 + strlen(text))

/* A frame whose table has these sizes, then `text`. */
static struct xd_frame packed(uint32_t count, const uint64_t *sizes, const char *text)
{
    uint8_t *room;
    struct xd_frame frame = {.role = XD_FRAME_OBJECT, .count = count};
    frame.size = PACKED_SIZE(count, text);
    cr_assert_eq(xd_bytes_room((size_t)frame.size, &room, &frame.bytes), XD_OK);
    for (size_t i = 0; i < count * (size_t)8; i++) {
        room[i] = (uint8_t)(sizes[i / 8] >> (8 * (i % 8)));
    }
    memcpy(room + count * (size_t)8, text, strlen(text));
    return frame;
}

static void expect_part(const struct xd_frame *frame, uint32_t index, const char *text)
{
    struct xd_bytes *part;
    struct xd_error error = {""};
    cr_assert_eq(xd_frame_part(frame, index, &part, &error), XD_OK, "%s", error.text);
    cr_assert(xd_bytes_is(part, text));
    xd_bytes_unref(part);
}

static void expect_no_part(const struct xd_frame *frame,
                           uint32_t index,
                           enum xd_err err,
                           const char *sentence)
{
    struct xd_bytes *part = NULL;
    struct xd_error error = {""};
    cr_assert_eq(xd_frame_part(frame, index, &part, &error), err);
    cr_assert_not_null(strstr(error.text, sentence), "%s", error.text);
    cr_assert_eq(xd_frame_part(frame, index, &part, NULL), err);
    cr_assert_null(part);
}

Test(task, packed_objects_come_apart)
{
    const uint64_t sizes[] = {3, 0, 2};
    struct xd_frame frame = packed(3, sizes, "oneto");
    expect_part(&frame, 0, "one");
    expect_part(&frame, 1, "");
    expect_part(&frame, 2, "to");
    expect_no_part(&frame, 3, XD_ERR_INVALID, "object 3 of a frame of 3");
    struct xd_bytes *part;
    cr_assert_eq(xd_frame_part(&frame, 0, &part, NULL), XD_OK);
    xd_frame_clear(&frame);
    cr_assert(xd_bytes_is(part, "one"), "a part outlives its frame");
    xd_bytes_unref(part);
}

Test(task, one_object_is_the_whole_frame)
{
    struct xd_frame frame = xdt_object("a", "text");
    expect_part(&frame, 0, "text");
    expect_no_part(&frame, 1, XD_ERR_INVALID, "object 1 of a frame of 1");
    xd_frame_clear(&frame);
    frame = xdt_reference(1, 1, 100);
    expect_no_part(&frame, 0, XD_ERR_INVALID, "not here");
}

Test(task, sizes_that_do_not_fit_the_frame_are_refused)
{
    const uint64_t over[] = {3, 3}, under[] = {3, 1}, huge[] = {UINT64_MAX, 6},
                   wraps[] = {2, UINT64_MAX - 1};
    const uint64_t *const tables[] = {over, under, huge, wraps};
    for (size_t i = 0; i < 4; i++) {
        struct xd_frame frame = packed(2, tables[i], "oneto");
        expect_no_part(&frame, 1, XD_ERR_PROTOCOL, "are left");
        xd_frame_clear(&frame);
    }
    struct xd_frame frame = packed(2, over, "");
    frame.count = UINT32_MAX;
    expect_no_part(&frame, 0, XD_ERR_PROTOCOL, "cannot hold 4294967295 objects");
    xd_frame_clear(&frame);
}
