/* SPDX-License-Identifier: MIT */
/* Dropping and sharing tasks, frames and results. */
#include "base/task.h"

#include "base/alloc.h"

const char *xd_outcome_name(enum xd_outcome outcome)
{
    switch (outcome) {
#define NAME(code, number, name)                                                         \
    case XD_OUTCOME_##code:                                                              \
        return name;
        XD_OUTCOME_LIST(NAME)
#undef NAME
    }
    return "unknown";
}

void xd_frame_clear(struct xd_frame *frame)
{
    if (!frame) {
        return;
    }
    xd_bytes_unref(frame->bytes);
    xd_bytes_unref(frame->tag);
    xd_bytes_unref(frame->name);
    *frame = (struct xd_frame){0};
}

void xd_frames_free(struct xd_frame *frames, size_t count)
{
    if (!frames) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        xd_frame_clear(&frames[i]);
    }
    xd_free(frames);
}

void xd_task_clear(struct xd_task *task)
{
    if (!task) {
        return;
    }
    xd_bytes_unref(task->callee);
    xd_frames_free(task->frames, task->frame_count);
    *task = (struct xd_task){0};
}

void xd_result_clear(struct xd_result *result)
{
    if (!result) {
        return;
    }
    xd_bytes_unref(result->error);
    xd_frames_free(result->frames, result->frame_count);
    *result = (struct xd_result){0};
}

void xd_frame_share(const struct xd_frame *from, struct xd_frame *to)
{
    *to = *from;
    xd_bytes_ref(to->bytes);
    xd_bytes_ref(to->tag);
    xd_bytes_ref(to->name);
}

enum xd_err xd_frames_share(const struct xd_frame *frames,
                            size_t count,
                            struct xd_frame **out)
{
    if (count == 0) {
        *out = NULL;
        return XD_OK;
    }
    struct xd_frame *copy = xd_calloc(count, sizeof *copy);
    if (!copy) {
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        xd_frame_share(&frames[i], &copy[i]);
    }
    *out = copy;
    return XD_OK;
}

size_t xd_frames_bytes(const struct xd_frame *frames, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += frames[i].bytes ? frames[i].bytes->size : 0;
    }
    return sum;
}
