/* SPDX-License-Identifier: MIT */
/* What one session is to be sent, gathered into messages. */
#include "io/outbox.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/limits.h"

/* What the envelope has beside its tasks or results. */
#define ENVELOPE_ROOM (XD_ENVELOPE_MAX_BYTES - 512)

enum xd_err xdb_parked_new(struct xd_bytes *const *frames,
                           size_t count,
                           struct xdb_parked **out)
{
    struct xdb_parked *parked =
        xd_alloc(sizeof *parked + count * sizeof parked->frames[0]);
    if (parked == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_list_init(&parked->link);
    parked->count = count;
    for (size_t i = 0; i < count; i++) {
        parked->frames[i] = xd_bytes_ref(frames[i]);
    }
    *out = parked;
    return XD_OK;
}

void xdb_parked_free(struct xdb_parked *parked)
{
    if (parked == NULL) {
        return;
    }
    for (size_t i = 0; i < parked->count; i++) {
        xd_bytes_unref(parked->frames[i]);
    }
    xd_free(parked);
}

void xdb_parked_free_all(struct xd_list *list)
{
    XD_LIST_EACH_SAFE (link, list) {
        xdb_parked_free(XD_ITEM(link, struct xdb_parked, link));
    }
    xd_list_init(list);
}

void xdb_outbox_init(struct xdb_outbox *box)
{
    memset(box, 0, sizeof *box);
    xd_list_init(&box->parked);
}

void xdb_outbox_fini(struct xdb_outbox *box)
{
    xdb_outbox_sent(box);
    xdb_parked_free_all(&box->parked);
    xd_free(box->tasks);
    xd_free(box->results);
    xd_free(box->ids);
    xd_free(box->frames);
    xdb_outbox_init(box);
}

/* The kind of message an action becomes. */
static enum xd_kind kind_of(const struct xdb_action *action)
{
    switch (action->kind) {
    case XDB_ACTION_SEND_TASK:
        return XD_KIND_TASK;
    case XDB_ACTION_SEND_RESULT:
        return XD_KIND_RESULT;
    case XDB_ACTION_BUSY:
        return XD_KIND_BUSY;
    case XDB_ACTION_CANCEL:
        return XD_KIND_CANCEL;
    default:
        xd_assert(action->kind == XDB_ACTION_RECALL);
        return XD_KIND_RECALL;
    }
}

/* What the action adds to a message. */
struct weight {
    size_t frames, payload, envelope;
};

static struct weight weigh(const struct xdb_action *action)
{
    if (action->kind == XDB_ACTION_SEND_TASK) {
        const struct xd_task *t = action->task;
        return (struct weight){t->frame_count,
                               xd_frames_bytes(t->frames, t->frame_count),
                               xd_task_envelope_bytes(t)};
    }
    if (action->kind == XDB_ACTION_SEND_RESULT) {
        const struct xd_result *r = action->result;
        return (struct weight){r->frame_count,
                               xd_frames_bytes(r->frames, r->frame_count),
                               xd_result_envelope_bytes(r)};
    }
    return (struct weight){0, 0, sizeof(struct xd_task_id) + 4};
}

static bool same_batch(const struct xdb_outbox *box, const struct xdb_action *action)
{
    if (box->kind != kind_of(action)) {
        return false;
    }
    if (action->kind == XDB_ACTION_BUSY) {
        return box->scope == (enum xd_scope)action->busy.scope &&
               box->retry_after_ms == action->busy.retry_after_ms;
    }
    return action->kind != XDB_ACTION_CANCEL ||
           box->level == (enum xd_cancel_level)action->cancel.level;
}

bool xdb_outbox_fits(const struct xdb_outbox *box, const struct xdb_action *action)
{
    if (box->kind == 0) {
        return true;
    }
    struct weight w = weigh(action);
    return same_batch(box, action) && box->count < XD_TASKS_MAX &&
           box->frame_count + w.frames < XD_FRAMES_MAX &&
           box->payload_bytes + w.payload <= XD_MESSAGE_MAX_BYTES &&
           box->envelope_bytes + w.envelope <= ENVELOPE_ROOM;
}

/* Put references of `count` frames behind those that are there; the room is reserved. The
 * items point at theirs only when packed: the array may still move. */
static void add_frames(struct xdb_outbox *box,
                       const struct xd_frame *frames,
                       size_t count)
{
    size_t at = box->frame_count;
    for (size_t i = 0; i < count; i++) {
        xd_frame_share(&frames[i], &box->frames[at + i]);
    }
    box->frame_count += count;
}

static enum xd_err reserve_frames(struct xdb_outbox *box, size_t more)
{
    void *frames = box->frames;
    enum xd_err err = xd_reserve(&frames,
                                 &box->frame_room,
                                 box->frame_count + more,
                                 sizeof *box->frames);
    box->frames = frames;
    return err;
}

static void free_given(struct xd_given *given, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        xd_frames_free(given[i].frames, given[i].frame_count);
    }
    xd_free(given);
}

/* The core's own are gone with the next step. */
static enum xd_err share_given(const struct xd_task *task, struct xd_given **out)
{
    *out = NULL;
    if (task->given_count == 0) {
        return XD_OK;
    }
    struct xd_given *given = xd_zalloc(task->given_count * sizeof *given);
    enum xd_err err = given == NULL ? XD_ERR_NOMEM : XD_OK;
    for (size_t i = 0; err == XD_OK && i < task->given_count; i++) {
        const struct xd_given *from = &task->given[i];
        given[i].id = from->id;
        err = xd_frames_share(from->frames, from->frame_count, &given[i].frames);
        given[i].frame_count = err == XD_OK ? from->frame_count : 0;
    }
    if (err != XD_OK && given != NULL) {
        free_given(given, task->given_count);
        given = NULL;
    }
    *out = given;
    return err;
}

static enum xd_err add_task(struct xdb_outbox *box, const struct xd_task *task)
{
    struct xd_given *given = NULL;
    void *tasks = box->tasks;
    enum xd_err err =
        xd_reserve(&tasks, &box->task_room, box->count + 1, sizeof *box->tasks);
    box->tasks = tasks;
    if (err == XD_OK) {
        err = reserve_frames(box, task->frame_count);
    }
    if (err == XD_OK) {
        err = share_given(task, &given);
    }
    if (err != XD_OK) {
        return err;
    }
    struct xd_task *t = &box->tasks[box->count];
    *t = *task;
    t->given = given;
    t->options = (struct xd_task_options){0}; /* its worker needs none of them */
    (void)xd_bytes_ref(t->callee);
    add_frames(box, task->frames, task->frame_count);
    t->frames = NULL;
    return XD_OK;
}

static enum xd_err add_result(struct xdb_outbox *box, const struct xd_result *result)
{
    void *results = box->results;
    enum xd_err err =
        xd_reserve(&results, &box->result_room, box->count + 1, sizeof *box->results);
    box->results = results;
    if (err == XD_OK) {
        err = reserve_frames(box, result->frame_count);
    }
    if (err != XD_OK) {
        return err;
    }
    struct xd_result *r = &box->results[box->count];
    *r = *result;
    (void)xd_bytes_ref(r->error);
    add_frames(box, result->frames, result->frame_count);
    r->frames = NULL;
    return XD_OK;
}

static enum xd_err add_id(struct xdb_outbox *box, struct xd_task_id id)
{
    void *ids = box->ids;
    enum xd_err err = xd_reserve(&ids, &box->id_room, box->count + 1, sizeof *box->ids);
    box->ids = ids;
    if (err == XD_OK) {
        box->ids[box->count] = id;
    }
    return err;
}

static enum xd_err add_item(struct xdb_outbox *box, const struct xdb_action *action)
{
    switch (action->kind) {
    case XDB_ACTION_SEND_TASK:
        return add_task(box, action->task);
    case XDB_ACTION_SEND_RESULT:
        return add_result(box, action->result);
    case XDB_ACTION_BUSY:
        box->scope = (enum xd_scope)action->busy.scope;
        box->retry_after_ms = action->busy.retry_after_ms;
        return add_id(box, action->busy.id);
    case XDB_ACTION_CANCEL:
        box->level = (enum xd_cancel_level)action->cancel.level;
        return add_id(box, action->cancel.id);
    default:
        return add_id(box, action->recall.id);
    }
}

enum xd_err xdb_outbox_add(struct xdb_outbox *box, const struct xdb_action *action)
{
    xd_assert(xdb_outbox_fits(box, action));
    enum xd_err err = add_item(box, action);
    if (err != XD_OK) {
        return err;
    }
    struct weight w = weigh(action);
    box->kind = kind_of(action);
    box->count++;
    box->payload_bytes += w.payload;
    box->envelope_bytes += w.envelope;
    return XD_OK;
}

/* Point the items at their frames, now that the array does not move any more. */
static void settle_frames(struct xdb_outbox *box)
{
    size_t next = 0;
    for (size_t i = 0; i < box->count; i++) {
        bool is_task = box->kind == XD_KIND_TASK;
        size_t count = is_task ? box->tasks[i].frame_count : box->results[i].frame_count;
        struct xd_frame *frames = count == 0 ? NULL : &box->frames[next];
        if (is_task) {
            box->tasks[i].frames = frames;
        } else {
            box->results[i].frames = frames;
        }
        next += count;
    }
}

enum xd_err xdb_outbox_pack(struct xdb_outbox *box, struct xd_frames *out)
{
    struct xd_msg msg = {.kind = box->kind};
    if (box->accepted > box->accepted_sent) {
        msg.accepted = box->accepted;
    }
    if (box->kind == XD_KIND_TASK) {
        settle_frames(box);
        msg.tasks.tasks = box->tasks;
        msg.tasks.count = box->count;
    } else if (box->kind == XD_KIND_RESULT) {
        settle_frames(box);
        msg.results.results = box->results;
        msg.results.count = box->count;
    } else {
        msg.ids.ids = box->ids;
        msg.ids.count = box->count;
        msg.ids.level = box->level;
        msg.ids.scope = box->scope;
        msg.ids.retry_after_ms = box->retry_after_ms;
    }
    enum xd_err err = xd_msg_pack(&msg, out);
    if (err == XD_OK && msg.accepted != 0) {
        box->accepted_sent = msg.accepted;
    }
    return err;
}

void xdb_outbox_sent(struct xdb_outbox *box)
{
    for (size_t i = 0; i < box->frame_count; i++) {
        xd_frame_clear(&box->frames[i]);
    }
    for (size_t i = 0; i < box->count; i++) {
        if (box->kind == XD_KIND_TASK) {
            xd_bytes_unref(box->tasks[i].callee);
            free_given(box->tasks[i].given, box->tasks[i].given_count);
        } else if (box->kind == XD_KIND_RESULT) {
            xd_bytes_unref(box->results[i].error);
        }
    }
    box->kind = 0;
    box->count = box->frame_count = 0;
    box->payload_bytes = box->envelope_bytes = 0;
}
