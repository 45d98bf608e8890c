/* SPDX-License-Identifier: MIT */
/* Tasks, results and frames: sharing and dropping. */
#include <criterion/criterion.h>

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
