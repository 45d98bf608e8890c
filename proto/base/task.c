/* SPDX-License-Identifier: MIT */
/* Dropping and sharing tasks, frames and results. */
#include "base/task.h"

#include <inttypes.h>

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

bool xd_task_options_are_set(const struct xd_task_options *options)
{
    bool is_placed = options->priority != XD_PRIORITY_DEFAULT || options->rank != 0 ||
                     options->kind || options->estimate_us > 0 || options->needs ||
                     options->worker.n != 0;
    bool is_timed =
        options->delay_ms > 0 || options->deadline_ms > 0 || options->limit_ms > 0;
    bool is_retried = options->retries_failed > 0 || options->retries_lost > 0 ||
                      options->backoff_ms > 0;
    return is_placed || is_timed || is_retried || options->replaces || options->dedupe ||
           options->after_count > 0;
}

void xd_task_clear(struct xd_task *task)
{
    if (!task) {
        return;
    }
    xd_bytes_unref(task->callee);
    xd_bytes_unref(task->options.kind);
    xd_bytes_unref(task->options.replaces);
    xd_bytes_unref(task->options.needs);
    xd_bytes_unref(task->options.dedupe);
    xd_free(task->options.after);
    xd_frames_free(task->frames, task->frame_count);
    for (size_t i = 0; i < task->given_count; i++) {
        xd_frames_free(task->given[i].frames, task->given[i].frame_count);
    }
    xd_free(task->given);
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

static uint64_t read_u64(const uint8_t *at)
{
    uint64_t value = 0;
    for (size_t i = 8; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

/* Where object `index` lies in a frame of packed ones. */
static enum xd_err find_part(const struct xd_frame *frame,
                             uint32_t index,
                             size_t *offset,
                             size_t *size,
                             struct xd_error *error)
{
    const struct xd_bytes *bytes = frame->bytes;
    if (bytes->size / sizeof(uint64_t) < frame->count) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "a frame of %zu bytes cannot hold %" PRIu32 " objects",
                       bytes->size,
                       frame->count);
    }
    uint64_t left = bytes->size - frame->count * sizeof(uint64_t), wanted = 0;
    for (uint32_t i = 0; i <= index; i++) {
        left -= wanted;
        wanted = read_u64(bytes->data + i * sizeof(uint64_t));
        bool is_last = i + 1 == frame->count;
        if (wanted > left || (is_last && wanted != left)) {
            return xd_fail(error,
                           XD_ERR_PROTOCOL,
                           "object %" PRIu32 " of %" PRIu32 " has %" PRIu64
                           " bytes, where %" PRIu64 " are left",
                           i,
                           frame->count,
                           wanted,
                           left);
        }
    }
    *offset = bytes->size - (size_t)left;
    *size = (size_t)wanted;
    return XD_OK;
}

enum xd_err xd_frame_part(const struct xd_frame *frame,
                          uint32_t index,
                          struct xd_bytes **out,
                          struct xd_error *error)
{
    uint32_t count = frame->count ? frame->count : 1;
    if (!frame->bytes) {
        return xd_fail(error, XD_ERR_INVALID, "the frame's bytes are not here");
    }
    if (index >= count) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "object %" PRIu32 " of a frame of %" PRIu32,
                       index,
                       count);
    }
    if (frame->count == 0) {
        *out = xd_bytes_ref(frame->bytes);
        return XD_OK;
    }
    size_t offset = 0, size = 0;
    enum xd_err err = find_part(frame, index, &offset, &size, error);
    if (!err && xd_bytes_slice(frame->bytes, offset, size, out) != XD_OK) {
        err = xd_fail(error, XD_ERR_NOMEM, "out of memory for an object");
    }
    return err;
}
