/* SPDX-License-Identifier: MIT */
/* Tasks that come after others. The broker keeps the results of tasks it knows for those
 * that come after them; a task that has ended here it may have forgotten, so its result
 * goes along. */
#include "after.h"

#include <string.h>

#include "base/alloc.h"
#include "client_core.h"
#include "payload.h"

void xd_given_write(uint8_t at[XD_GIVEN_BYTES],
                    const struct xd_task_id *id,
                    uint32_t count)
{
    memcpy(at, id->bytes, sizeof id->bytes);
    for (unsigned i = 0; i < 4; i++) {
        at[sizeof id->bytes + i] = (uint8_t)(count >> (8 * i));
    }
}

uint32_t xd_given_read(const uint8_t at[XD_GIVEN_BYTES], struct xd_task_id *id)
{
    uint32_t count = 0;
    memcpy(id->bytes, at, sizeof id->bytes);
    for (unsigned i = 0; i < 4; i++) {
        count |= (uint32_t)at[sizeof id->bytes + i] << (8 * i);
    }
    return count;
}

/* An everywhere-task has a value for each worker: only its order counts. */
static size_t frames_of(const struct xd_future *parent)
{
    return parent->task.everywhere ? 0 : parent->parts[0].frame_count;
}

static bool has(uint32_t bits, uint32_t place)
{
    return (bits >> place & 1u) != 0;
}

/* Those that have ended, also the ones whose results it has. */
static uint32_t ended(const struct xd_after *after, size_t *frames)
{
    uint32_t bits = 0;
    *frames = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        if (after->parents[i]->state == XD_FUTURE_ENDED) {
            bits |= UINT32_C(1) << i;
            *frames += frames_of(after->parents[i]);
        }
    }
    return bits;
}

static struct xd_bytes *table(const struct xd_after *after, uint32_t bits)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    if (xd_bytes_room((size_t)after->count * XD_GIVEN_BYTES, &room, &bytes) != XD_OK) {
        return NULL;
    }
    for (uint32_t i = 0; i < after->count; i++) {
        const struct xd_future *parent = after->parents[i];
        xd_given_write(room + (size_t)i * XD_GIVEN_BYTES,
                       &parent->task.id,
                       has(bits, i) ? (uint32_t)frames_of(parent) : XD_GIVEN_BY_BROKER);
    }
    return bytes;
}

/* Those results that are there already may be references by now: they are moved. */
static size_t fill_given(const struct xd_future *child,
                         uint32_t bits,
                         struct xd_frame *to)
{
    const struct xd_after *after = child->after;
    const struct xd_frame *from = &child->task.frames[after->own + 1];
    size_t filled = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        const struct xd_future *parent = after->parents[i];
        size_t count = has(bits, i) ? frames_of(parent) : 0;
        for (size_t k = 0; k < count; k++) {
            if (has(after->taken, i)) {
                to[filled++] = *from++;
            } else {
                xd_frame_share(&parent->parts[0].frames[k], &to[filled]);
                to[filled++].ref = (struct xd_ref){0};
            }
        }
    }
    return filled;
}

/* Its frames in an array of their own, with the results of all that have ended; the
 * broker hears of the others. */
static enum xd_err take(struct xd_future *child, uint32_t bits, size_t given)
{
    struct xd_after *after = child->after;
    struct xd_task *task = &child->task;
    struct xd_bytes *bytes = table(after, bits);
    struct xd_frame *frames = xd_calloc(after->own + 1 + given, sizeof *frames);
    if (bytes == NULL || frames == NULL) {
        xd_bytes_unref(bytes);
        xd_free(frames);
        return XD_ERR_NOMEM;
    }
    if (after->own > 0) {
        memcpy(frames, task->frames, after->own * sizeof *frames);
    }
    frames[after->own] =
        (struct xd_frame){.bytes = bytes, .size = bytes->size, .role = XD_FRAME_GIVEN};
    size_t filled = fill_given(child, bits, &frames[after->own + 1]);
    if (after->taken != 0) {
        xd_frame_clear(&task->frames[after->own]);
    }
    if (task->frames != child->frames) {
        xd_free(task->frames);
    }
    task->frames = frames;
    task->frame_count = after->own + 1 + filled;
    after->taken = bits;
    task->options.after_count = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        if (!has(bits, i)) {
            task->options.after[task->options.after_count++] = after->parents[i]->task.id;
        }
    }
    return XD_OK;
}

/* What does not fit into a message goes as references; and it has more to send now. */
static enum xd_err detach(struct xd_client_core *core, struct xd_future *child)
{
    struct xd_task *task = &child->task;
    enum xd_err err = xd_channel_detach(&core->channel,
                                        task->frames,
                                        task->frame_count,
                                        false,
                                        &child->made);
    size_t bytes = xd_frames_bytes(task->frames, task->frame_count);
    core->unsent_bytes += bytes - child->bytes;
    core->open_bytes += bytes - child->bytes;
    child->bytes = bytes;
    return err;
}

static const struct xd_future *failed_parent(const struct xd_after *after)
{
    for (uint32_t i = 0; i < after->count; i++) {
        const struct xd_future *parent = after->parents[i];
        if (parent->state == XD_FUTURE_ENDED && parent->outcome != XD_OUTCOME_DONE) {
            return parent;
        }
    }
    return NULL;
}

static void fail(struct xd_client_core *core,
                 struct xd_future *child,
                 const struct xd_future *parent)
{
    struct xd_error error;
    struct xd_bytes *text = NULL;
    (void)xd_fail(&error,
                  XD_ERR_INVALID,
                  "a task it comes after %s%s%s",
                  parent->outcome == XD_OUTCOME_FAILED ? "failed" : "did not end well",
                  parent->text[0] == '\0' ? "" : ": ",
                  parent->text);
    if (xd_bytes_text(error.text, &text) == XD_OK) {
        xd_client_core_end_with(core, child, XD_OUTCOME_FAILED, text);
        xd_bytes_unref(text);
    } else {
        xd_client_core_end(core,
                           child,
                           XD_OUTCOME_FAILED,
                           "a task it comes after failed");
    }
}

static enum xd_err settle(struct xd_client_core *core, struct xd_future *child)
{
    static const char TOO_MANY[] = "the results of the tasks it comes after have too "
                                   "many payloads, or too long names";
    const struct xd_future *bad = failed_parent(child->after);
    if (bad != NULL) {
        fail(core, child, bad);
        return XD_OK;
    }
    size_t given;
    uint32_t bits = ended(child->after, &given);
    if (bits == 0) {
        return XD_OK;
    }
    if (child->after->own + 1 + given > XD_PAYLOADS_MAX) {
        xd_client_core_end(core, child, XD_OUTCOME_FAILED, TOO_MANY);
        return XD_OK;
    }
    enum xd_err err = bits == child->after->taken ? XD_OK : take(child, bits, given);
    if (err == XD_OK) {
        err = detach(core, child);
    }
    if (err == XD_OK && !xd_room_is_possible(xd_task_envelope_bytes(&child->task),
                                             child->task.frame_count)) {
        xd_client_core_end(core, child, XD_OUTCOME_FAILED, TOO_MANY);
    }
    return err;
}

enum xd_err xd_after_settle(struct xd_client_core *core)
{
    XD_LIST_EACH_SAFE (link, &core->children) {
        struct xd_future *child = XD_ITEM(link, struct xd_after, link)->child;
        enum xd_err err = child->state == XD_FUTURE_UNSENT ? settle(core, child) : XD_OK;
        if (err != XD_OK) {
            return err;
        }
    }
    return XD_OK;
}

static bool has_arrived(const struct xd_future *parent)
{
    size_t i = 0;
    while (i < parent->part_count && parent->parts[i].outcome != 0) {
        i++;
    }
    return i > 0 && i == parent->part_count;
}

static bool is_arriving(const struct xd_future *parent)
{
    return parent->state != XD_FUTURE_ENDED && has_arrived(parent);
}

bool xd_after_waits(const struct xd_future *child)
{
    const struct xd_after *after = child->after;
    for (uint32_t i = 0; after != NULL && i < after->count; i++) {
        const struct xd_future *parent = after->parents[i];
        if (is_arriving(parent) || (parent->after != NULL && parent->after->aside)) {
            return true;
        }
    }
    return false;
}

static bool keeps_its_place(const struct xd_task *task)
{
    return task->everywhere || task->options.replaces != NULL ||
           task->options.dedupe != NULL;
}

static void set_aside(struct xd_client_core *core, struct xd_future *child)
{
    xd_list_remove(&child->link);
    xd_list_push_back(&core->aside, &child->link);
    child->state = XD_FUTURE_BUSY;
    core->unsent_count--;
    core->unsent_bytes -= child->bytes;
    child->after->aside = true;
}

/* All go back first: who comes after another lies behind it among the children, so what
 * became of that one is known by then. */
void xd_after_sort(struct xd_client_core *core)
{
    while (!xd_list_is_empty(&core->aside)) {
        struct xd_future *child = XD_ITEM(core->aside.prev, struct xd_future, link);
        child->after->aside = false;
        xd_client_core_unsend(core, child);
    }
    XD_LIST_EACH (link, &core->children) {
        struct xd_future *child = XD_ITEM(link, struct xd_after, link)->child;
        if (child->state == XD_FUTURE_UNSENT && xd_after_waits(child) &&
            !keeps_its_place(&child->task)) {
            set_aside(core, child);
        }
    }
}

void xd_after_drop(struct xd_client_core *core, struct xd_future *child)
{
    struct xd_after *after = child->after;
    if (after == NULL) {
        return;
    }
    child->after = NULL;
    xd_list_remove(&after->link);
    for (uint32_t i = 0; i < after->count; i++) {
        after->parents[i]->children--;
        xd_client_core_unpin(core, after->parents[i]);
    }
    xd_free(after);
}
