/* SPDX-License-Identifier: MIT */
/* Tasks, results, ids and frames into an envelope; and how much room they take there. */
#include "wire/pack_items.h"

#include <string.h>

ProtobufCBinaryData xd_pack_view(const void *data, size_t size)
{
    ProtobufCBinaryData bytes = {.len = size};
    memcpy(&bytes.data, &data, sizeof bytes.data); /* protobuf-c wants it writable */
    return bytes;
}

enum xd_err xd_pack_text(const struct xd_bytes *text,
                         size_t limit,
                         ProtobufCBinaryData *out)
{
    if (!text) {
        return XD_OK;
    }
    if (text->size > limit) {
        return XD_ERR_TOO_LARGE;
    }
    *out = xd_pack_view(text->data, text->size);
    return XD_OK;
}

enum xd_err xd_pack_name(const struct xd_bytes *name, ProtobufCBinaryData *out)
{
    return xd_pack_text(name, XD_NAME_MAX_BYTES, out);
}

enum xd_err xd_pack_payload(struct xd_packer *packer, struct xd_bytes *bytes)
{
    struct xd_frames *out = packer->out;
    if (!bytes) {
        return XD_ERR_INVALID;
    }
    if (out->count == XD_FRAMES_MAX ||
        bytes->size > XD_MESSAGE_MAX_BYTES - packer->payload_bytes) {
        return XD_ERR_TOO_LARGE;
    }
    packer->payload_bytes += bytes->size;
    out->items[out->count++] = xd_bytes_ref(bytes);
    return XD_OK;
}

static enum xd_err put_frame(struct xd_packer *packer,
                             const struct xd_frame *frame,
                             Xd__Pb__Frame *out)
{
    xd__pb__frame__init(out);
    out->role = frame->role;
    out->codec = frame->codec;
    out->count = frame->count;
    enum xd_err err = xd_pack_name(frame->tag, &out->class_tag);
    if (!err) {
        err = xd_pack_name(frame->name, &out->name);
    }
    if (err) {
        return err;
    }
    if (xd_ref_is_set(frame->ref)) {
        out->owner = frame->ref.owner.n;
        out->counter = frame->ref.counter;
        out->size = frame->size;
        return XD_OK;
    }
    out->size = frame->bytes ? frame->bytes->size : 0;
    return xd_pack_payload(packer, frame->bytes);
}

/* An array of `count` structs and one of pointers to them, as protobuf-c wants repeated
 * messages. */
static enum xd_err make_array(struct xd_packer *packer,
                              size_t count,
                              size_t size,
                              char **items,
                              void ***list)
{
    char *first = xd_arena_alloc(&packer->arena, count * size);
    void **pointers = xd_arena_alloc(&packer->arena, count * sizeof(*pointers));
    if (!first || !pointers) {
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        pointers[i] = first + i * size;
    }
    *items = first;
    *list = pointers;
    return XD_OK;
}

static enum xd_err put_frames(struct xd_packer *packer,
                              const struct xd_frame *frames,
                              size_t count,
                              Xd__Pb__Frame ***out)
{
    if (count == 0) {
        return XD_OK;
    }
    if (count > XD_FRAMES_MAX - 1 - packer->descriptors) {
        return XD_ERR_TOO_LARGE;
    }
    packer->descriptors += count;
    char *items;
    void **list;
    enum xd_err err = make_array(packer, count, sizeof(Xd__Pb__Frame), &items, &list);
    for (size_t i = 0; !err && i < count; i++) {
        err = put_frame(packer, &frames[i], list[i]);
    }
    if (!err) {
        *out = (Xd__Pb__Frame **)list;
    }
    return err;
}

static enum xd_err put_ids(struct xd_packer *packer,
                           const struct xd_task_id *ids,
                           size_t count,
                           ProtobufCBinaryData **out)
{
    ProtobufCBinaryData *list = xd_arena_alloc(&packer->arena, count * sizeof *list);
    if (!list) {
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = xd_pack_view(ids[i].bytes, sizeof ids[i].bytes);
    }
    *out = list;
    return XD_OK;
}

static enum xd_err put_names(const struct xd_task_options *options, Xd__Pb__Options *to)
{
    const struct {
        const struct xd_bytes *from;
        ProtobufCBinaryData *to;
    } names[] = {{options->kind, &to->task_class},
                 {options->replaces, &to->replaces},
                 {options->dedupe, &to->dedupe},
                 {options->needs, &to->needs}};
    enum xd_err err = XD_OK;
    for (size_t i = 0; !err && i < sizeof names / sizeof names[0]; i++) {
        err = xd_pack_name(names[i].from, names[i].to);
    }
    return err;
}

static enum xd_err put_options(struct xd_packer *packer,
                               const struct xd_task_options *options,
                               Xd__Pb__Task *out)
{
    if (!xd_task_options_are_set(options)) {
        return XD_OK;
    }
    if (options->after_count > XD_AFTER_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    Xd__Pb__Options *to = xd_arena_alloc(&packer->arena, sizeof *to);
    if (!to) {
        return XD_ERR_NOMEM;
    }
    xd__pb__options__init(to);
    to->priority = options->priority;
    to->rank = options->rank;
    to->estimate_us = options->estimate_us;
    to->delay_ms = options->delay_ms;
    to->deadline_ms = options->deadline_ms;
    to->limit_ms = options->limit_ms;
    to->retries_failed = options->retries_failed;
    to->retries_lost = options->retries_lost;
    to->backoff_ms = options->backoff_ms;
    to->worker = options->worker.n;
    to->n_after = options->after_count;
    out->options = to;
    enum xd_err err = put_names(options, to);
    return err || options->after_count == 0
               ? err
               : put_ids(packer, options->after, options->after_count, &to->after);
}

/* Their frames went ahead. */
static enum xd_err put_given(struct xd_packer *packer,
                             const struct xd_task *task,
                             Xd__Pb__Task *out)
{
    size_t count = task->given_count;
    if (count == 0) {
        return XD_OK;
    }
    if (count > XD_AFTER_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    out->given = xd_arena_alloc(&packer->arena, count * sizeof *out->given);
    if (!out->given) {
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct xd_task_id *id = &task->given[i].id;
        out->given[i] = xd_pack_view(id->bytes, sizeof id->bytes);
    }
    out->n_given = count;
    return XD_OK;
}

static enum xd_err put_task(struct xd_packer *packer,
                            const struct xd_task *task,
                            Xd__Pb__Task *out)
{
    xd__pb__task__init(out);
    out->id = xd_pack_view(task->id.bytes, sizeof task->id.bytes);
    out->format = task->format;
    out->timeout_ms = task->timeout_ms;
    out->everywhere = task->everywhere;
    out->min_workers = task->min_workers;
    out->part = task->part;
    out->hold = task->hold;
    out->setup = task->setup;
    out->origin = task->origin.n;
    out->attempt = task->attempt > 1 ? task->attempt : 0;
    out->n_frames = task->frame_count;
    enum xd_err err = xd_pack_name(task->callee, &out->callee);
    if (!err) {
        err = put_options(packer, &task->options, out);
    }
    if (!err) {
        err = put_given(packer, task, out);
    }
    return err ? err : put_frames(packer, task->frames, task->frame_count, &out->frames);
}

enum xd_err xd_pack_tasks(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out)
{
    size_t count = msg->tasks.count;
    if (count == 0 || (msg->kind == XD_KIND_SUBMIT && !msg->tasks.profile)) {
        return XD_ERR_INVALID;
    }
    if (count > XD_TASKS_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    char *items;
    void **list;
    enum xd_err err = make_array(packer, count, sizeof(Xd__Pb__Task), &items, &list);
    for (size_t i = 0; !err && i < count; i++) {
        err = put_task(packer, &msg->tasks.tasks[i], list[i]);
    }
    if (!err) {
        out->n_tasks = count;
        out->tasks = (Xd__Pb__Task **)list;
        err = xd_pack_name(msg->tasks.profile, &out->profile);
    }
    return err;
}

static enum xd_err put_result(struct xd_packer *packer,
                              const struct xd_result *result,
                              Xd__Pb__Result *out)
{
    xd__pb__result__init(out);
    out->id = xd_pack_view(result->id.bytes, sizeof result->id.bytes);
    out->part = result->part;
    out->parts = result->parts;
    out->outcome = result->outcome;
    out->run_ns = result->run_ns;
    out->worker = result->worker.n;
    out->attempt = result->attempt;
    out->n_frames = result->frame_count;
    enum xd_err err = xd_pack_text(result->error, XD_TEXT_MAX_BYTES, &out->error);
    return err ? err
               : put_frames(packer, result->frames, result->frame_count, &out->frames);
}

enum xd_err xd_pack_results(struct xd_packer *packer,
                            const struct xd_msg *msg,
                            Xd__Pb__Envelope *out)
{
    size_t count = msg->results.count;
    if (count == 0) {
        return XD_ERR_INVALID;
    }
    if (count > XD_TASKS_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    if (msg->results.has_started) {
        out->started =
            xd_pack_view(msg->results.started.bytes, sizeof msg->results.started);
    }
    char *items;
    void **list;
    enum xd_err err = make_array(packer, count, sizeof(Xd__Pb__Result), &items, &list);
    for (size_t i = 0; !err && i < count; i++) {
        err = put_result(packer, &msg->results.results[i], list[i]);
    }
    if (!err) {
        out->n_results = count;
        out->results = (Xd__Pb__Result **)list;
    }
    return err;
}

enum xd_err xd_pack_setup(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out)
{
    const struct xd_frame *frames = msg->setup.frames;
    size_t count = msg->setup.frame_count;
    if (xd_frames_bytes(frames, count) > XD_SETUP_MAX_BYTES) {
        return XD_ERR_TOO_LARGE;
    }
    out->setup = xd_arena_alloc(&packer->arena, sizeof *out->setup);
    if (!out->setup) {
        return XD_ERR_NOMEM;
    }
    xd__pb__setup__init(out->setup);
    out->setup->origin = msg->setup.origin.n;
    out->setup->number = msg->setup.number;
    out->setup->drop = msg->setup.drop;
    out->setup->n_frames = count;
    return put_frames(packer, frames, count, &out->setup->frames);
}

enum xd_err xd_pack_given(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out)
{
    Xd__Pb__Given *given = xd_arena_alloc(&packer->arena, sizeof *given);
    if (!given) {
        return XD_ERR_NOMEM;
    }
    xd__pb__given__init(given);
    given->child = xd_pack_view(msg->given.child.bytes, sizeof msg->given.child.bytes);
    given->parent = xd_pack_view(msg->given.parent.bytes, sizeof msg->given.parent.bytes);
    given->n_frames = msg->given.frame_count;
    out->given = given;
    return put_frames(packer, msg->given.frames, msg->given.frame_count, &given->frames);
}

enum xd_err xd_pack_ids(struct xd_packer *packer,
                        const struct xd_msg *msg,
                        Xd__Pb__Envelope *out)
{
    size_t count = msg->ids.count;
    if (count == 0) {
        return msg->kind == XD_KIND_RECALLED ? XD_OK : XD_ERR_INVALID;
    }
    if (count > XD_TASKS_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    out->n_ids = count;
    return put_ids(packer, msg->ids.ids, count, &out->ids);
}

/* What the fields take at most, tags and lengths included: every field of Frame but the
 * two names and the count; every field of Task but its options and what it is given, of
 * Options but the names and ids; of Result but the texts. */
#define FRAME_BYTES ((size_t)48)
#define COUNT_BYTES ((size_t)6)
#define TASK_BYTES ((size_t)88)
#define OPTIONS_BYTES ((size_t)112)
#define ID_BYTES ((size_t)18)
#define RESULT_BYTES ((size_t)88)

static size_t size_of(const struct xd_bytes *bytes)
{
    return bytes ? bytes->size : 0;
}

size_t xd_frames_envelope_bytes(const struct xd_frame *frames, size_t count)
{
    size_t sum = count * FRAME_BYTES;
    for (size_t i = 0; i < count; i++) {
        sum += size_of(frames[i].tag) + size_of(frames[i].name) +
               (frames[i].count ? COUNT_BYTES : 0);
    }
    return sum;
}

static size_t options_bytes(const struct xd_task_options *options)
{
    return xd_task_options_are_set(options)
               ? OPTIONS_BYTES + size_of(options->kind) + size_of(options->replaces) +
                     size_of(options->dedupe) + size_of(options->needs) +
                     options->after_count * ID_BYTES
               : 0;
}

size_t xd_task_envelope_bytes(const struct xd_task *task)
{
    return TASK_BYTES + size_of(task->callee) + options_bytes(&task->options) +
           task->given_count * ID_BYTES +
           xd_frames_envelope_bytes(task->frames, task->frame_count);
}

size_t xd_result_envelope_bytes(const struct xd_result *result)
{
    return RESULT_BYTES + size_of(result->error) +
           xd_frames_envelope_bytes(result->frames, result->frame_count);
}
