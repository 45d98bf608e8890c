/* SPDX-License-Identifier: MIT */
/* Tasks, results, frames and ids out of an unpacked envelope. */
#include "wire/unpack_items.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "wire/limits.h"

/* An array of the message being built. Counts come from protobuf, so the envelope's size
 * bounds them; the protocol's own limit is lower. */
static enum xd_err make_list(struct xd_reader *reader,
                             const char *name,
                             size_t count,
                             size_t size,
                             void **out)
{
    if (count > XD_TASKS_MAX) {
        (void)xd_reader_fail(reader,
                             XD_ERR_TOO_LARGE,
                             name,
                             "has %zu items, want at most %u",
                             count,
                             XD_TASKS_MAX);
        return XD_ERR_TOO_LARGE;
    }
    void *list = xd_calloc(count, size);
    if (!list) {
        (void)xd_reader_fail(reader, XD_ERR_NOMEM, name, "finds no memory");
        return XD_ERR_NOMEM;
    }
    *out = list;
    return XD_OK;
}

static enum xd_err read_ref(struct xd_reader *reader,
                            const Xd__Pb__Frame *from,
                            struct xd_frame *to)
{
    if (from->owner == 0) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "owner",
                              "is missing in a reference");
    }
    if (from->size == 0) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "size", "of a reference is 0");
    }
    if (from->size > INT64_MAX) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              "size",
                              "is %" PRIu64,
                              from->size);
    }
    to->ref.owner.n = from->owner;
    to->ref.counter = from->counter;
    to->size = from->size;
    return XD_OK;
}

static enum xd_err read_inline(struct xd_reader *reader,
                               const Xd__Pb__Frame *from,
                               struct xd_frame *to)
{
    if (from->owner != 0) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "owner",
                              "is %" PRIu64 " without a counter",
                              from->owner);
    }
    enum xd_err err = xd_reader_payload(reader, &to->bytes);
    if (!err && to->bytes->size != from->size) {
        err = xd_reader_fail(reader,
                             XD_ERR_PROTOCOL,
                             "size",
                             "is %" PRIu64 ", but its payload frame has %zu bytes",
                             from->size,
                             to->bytes->size);
    }
    to->size = from->size;
    return err;
}

static enum xd_err read_tag(struct xd_reader *reader,
                            const Xd__Pb__Frame *from,
                            struct xd_frame *to)
{
    if (from->role == XD_FRAME_OBJECT && from->class_tag.len == 0) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "class_tag",
                              "is missing on an object");
    }
    return xd_reader_optional_tag(reader,
                                  "class_tag",
                                  from->class_tag.data,
                                  from->class_tag.len,
                                  &to->tag);
}

/* Roles and kinds: what a setup is made of is in no task, and nothing else is in it; what
 * a task is given is told in tasks alone. */
static enum xd_err check_role(struct xd_reader *reader,
                              const Xd__Pb__Frame *from,
                              enum xd_kind kind)
{
    bool is_task = kind == XD_KIND_SUBMIT || kind == XD_KIND_TASK;
    if (is_task && from->role == XD_FRAME_GIVEN) {
        return XD_OK;
    }
    if (kind != XD_KIND_SETUP) {
        return xd_reader_number(reader,
                                "role",
                                from->role,
                                XD_FRAME_BODY,
                                XD_FRAME_SEGMENT);
    }
    if (from->counter) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "counter",
                              "is %" PRIu64 ", but a setup is inline",
                              from->counter);
    }
    return xd_reader_number(reader, "role", from->role, XD_FRAME_SETUP, XD_FRAME_SETUP);
}

/* Of packed objects only that their table of sizes can be there: payloads are not read
 * here. */
static enum xd_err check_count(struct xd_reader *reader, const Xd__Pb__Frame *from)
{
    if (from->count && from->role != XD_FRAME_OBJECT) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "count",
                              "is %" PRIu32 " on a frame of role %" PRIu32,
                              from->count,
                              from->role);
    }
    if (from->size / sizeof(uint64_t) < from->count) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "count",
                              "is %" PRIu32 ", but size is %" PRIu64,
                              from->count,
                              from->size);
    }
    return XD_OK;
}

static enum xd_err read_frame(struct xd_reader *reader,
                              const Xd__Pb__Frame *from,
                              enum xd_kind kind,
                              struct xd_frame *to)
{
    enum xd_err err = check_role(reader, from, kind);
    if (!err) {
        err = check_count(reader, from);
    }
    if (!err) {
        err = read_tag(reader, from, to);
    }
    if (!err) {
        err = xd_reader_optional_name(reader,
                                      "name",
                                      from->name.data,
                                      from->name.len,
                                      &to->name);
    }
    to->role = (uint8_t)from->role;
    to->codec = from->codec;
    to->count = from->count;
    if (err) {
        return err;
    }
    return from->counter ? read_ref(reader, from, to) : read_inline(reader, from, to);
}

static enum xd_err read_frames(struct xd_reader *reader,
                               Xd__Pb__Frame *const *from,
                               size_t count,
                               enum xd_kind kind,
                               struct xd_frame **frames,
                               size_t *frame_count)
{
    if (count == 0) {
        return XD_OK;
    }
    reader->descriptors += count;
    if (reader->descriptors > XD_FRAMES_MAX - 1) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              "frames",
                              "brings the message to %zu frames, want at most %u",
                              reader->descriptors,
                              XD_FRAMES_MAX - 1);
    }
    *frames = xd_calloc(count, sizeof(**frames));
    if (!*frames) {
        return xd_reader_fail(reader, XD_ERR_NOMEM, "frames", "finds no memory");
    }
    *frame_count = count;
    enum xd_err err = XD_OK;
    for (size_t i = 0; !err && i < count; i++) {
        reader->frame = i;
        err = read_frame(reader, from[i], kind, &(*frames)[i]);
    }
    reader->frame = XD_NOWHERE;
    return err;
}

static enum xd_err read_callee(struct xd_reader *reader,
                               const Xd__Pb__Task *from,
                               struct xd_task *to)
{
    if (from->format == XD_FORMAT_CALL) {
        return xd_reader_name(reader,
                              "callee",
                              from->callee.data,
                              from->callee.len,
                              &to->callee);
    }
    if (from->callee.len) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "callee",
                              "is set, but the format is r");
    }
    return XD_OK;
}

/* Who may say what: part, origin and holding ahead are the broker's to decide; a part and
 * a number of workers belong to everywhere, an origin to a setup. */
static enum xd_err check_flags(struct xd_reader *reader,
                               const Xd__Pb__Task *from,
                               enum xd_kind kind)
{
    if (from->min_workers && !from->everywhere) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "min_workers",
                              "is %" PRIu32 " without everywhere",
                              from->min_workers);
    }
    if (from->part && !from->everywhere) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "part",
                              "is %" PRIu32 " without everywhere",
                              from->part);
    }
    if (from->part && kind != XD_KIND_TASK) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "part",
                              "is %" PRIu32 " in a SUBMIT",
                              from->part);
    }
    if (from->hold && kind != XD_KIND_TASK) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "hold", "is set in a SUBMIT");
    }
    if (from->origin && kind != XD_KIND_TASK) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "origin", "is set in a SUBMIT");
    }
    if (from->options && kind == XD_KIND_TASK) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "options", "are set in a TASK");
    }
    if (from->attempt && kind != XD_KIND_TASK) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "attempt",
                              "is %" PRIu32 " in a SUBMIT",
                              from->attempt);
    }
    if (from->n_given && kind != XD_KIND_TASK) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "given", "is set in a SUBMIT");
    }
    if (from->setup && !from->origin && kind == XD_KIND_TASK) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "origin",
                              "is missing beside a setup");
    }
    return XD_OK;
}

static enum xd_err read_task(struct xd_reader *reader,
                             const Xd__Pb__Task *from,
                             enum xd_kind kind,
                             struct xd_task *to)
{
    enum xd_err err =
        xd_reader_id(reader, "id", from->id.data, from->id.len, to->id.bytes);
    if (!err) {
        err =
            xd_reader_number(reader, "format", from->format, XD_FORMAT_R, XD_FORMAT_CALL);
    }
    if (!err) {
        err = read_callee(reader, from, to);
    }
    if (!err) {
        err = check_flags(reader, from, kind);
    }
    if (err) {
        return err;
    }
    to->format = (enum xd_format)from->format;
    to->everywhere = from->everywhere;
    to->hold = from->hold;
    to->timeout_ms = from->timeout_ms;
    to->min_workers = from->min_workers;
    to->part = from->part;
    to->setup = from->setup;
    to->origin.n = from->origin;
    to->attempt = kind == XD_KIND_TASK && from->attempt == 0 ? 1 : from->attempt;
    err = xd_unpack_options(reader, from, to);
    return err ? err
               : read_frames(reader,
                             from->frames,
                             from->n_frames,
                             kind,
                             &to->frames,
                             &to->frame_count);
}

enum xd_err xd_unpack_tasks(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    enum xd_err err = XD_OK;
    void *list = NULL;
    if (msg->kind == XD_KIND_SUBMIT) {
        err = xd_reader_name(reader,
                             "profile",
                             envelope->profile.data,
                             envelope->profile.len,
                             &msg->tasks.profile);
    }
    if (!err) {
        err =
            make_list(reader, "tasks", envelope->n_tasks, sizeof(struct xd_task), &list);
    }
    if (err) {
        return err;
    }
    msg->tasks.tasks = list;
    msg->tasks.count = envelope->n_tasks;
    for (size_t i = 0; !err && i < envelope->n_tasks; i++) {
        xd_reader_at(reader, "tasks", i);
        err = read_task(reader, envelope->tasks[i], msg->kind, &msg->tasks.tasks[i]);
    }
    return err;
}

static enum xd_err read_error(struct xd_reader *reader,
                              const Xd__Pb__Result *from,
                              struct xd_result *to)
{
    if (from->outcome == XD_OUTCOME_DONE && from->error.len) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "error",
                              "is set, but the outcome is done");
    }
    return xd_reader_optional_text(reader,
                                   "error",
                                   from->error.data,
                                   from->error.len,
                                   XD_TEXT_MAX_BYTES,
                                   &to->error);
}

static enum xd_err read_result(struct xd_reader *reader,
                               const Xd__Pb__Result *from,
                               struct xd_result *to)
{
    enum xd_err err =
        xd_reader_id(reader, "id", from->id.data, from->id.len, to->id.bytes);
    if (!err) {
        err = xd_reader_number(reader,
                               "outcome",
                               from->outcome,
                               XD_OUTCOME_DONE,
                               XD_OUTCOME_REJECTED);
    }
    if (!err && from->parts) {
        err = xd_reader_number(reader, "part", from->part, 0, from->parts - 1);
    }
    if (!err) {
        err = read_error(reader, from, to);
    }
    if (err) {
        return err;
    }
    to->outcome = (enum xd_outcome)from->outcome;
    to->part = from->part;
    to->parts = from->parts;
    to->run_ns = from->run_ns;
    to->worker.n = from->worker;
    to->attempt = from->attempt;
    return read_frames(reader,
                       from->frames,
                       from->n_frames,
                       XD_KIND_RESULT,
                       &to->frames,
                       &to->frame_count);
}

static enum xd_err read_started(struct xd_reader *reader,
                                const Xd__Pb__Envelope *envelope,
                                struct xd_msg *msg)
{
    if (envelope->started.len == 0) {
        return XD_OK;
    }
    msg->results.has_started = true;
    return xd_reader_id(reader,
                        "started",
                        envelope->started.data,
                        envelope->started.len,
                        msg->results.started.bytes);
}

enum xd_err xd_unpack_results(struct xd_reader *reader,
                              const Xd__Pb__Envelope *envelope,
                              struct xd_msg *msg)
{
    void *list = NULL;
    enum xd_err err = read_started(reader, envelope, msg);
    if (!err) {
        err = make_list(reader,
                        "results",
                        envelope->n_results,
                        sizeof(struct xd_result),
                        &list);
    }
    if (err) {
        return err;
    }
    msg->results.results = list;
    msg->results.count = envelope->n_results;
    for (size_t i = 0; !err && i < envelope->n_results; i++) {
        xd_reader_at(reader, "results", i);
        err = read_result(reader, envelope->results[i], &msg->results.results[i]);
    }
    return err;
}

static enum xd_err check_setup(struct xd_reader *reader, const Xd__Pb__Setup *from)
{
    if (from->number == 0) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, "number", "is 0");
    }
    if (from->drop != (from->n_frames == 0)) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "frames",
                              from->drop ? "are %zu, but it is dropped" : "are %zu",
                              from->n_frames);
    }
    return XD_OK;
}

enum xd_err xd_unpack_setup(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Setup *from = envelope->setup;
    xd_reader_at(reader, "setup", XD_NOWHERE);
    enum xd_err err = check_setup(reader, from);
    if (!err) {
        err = read_frames(reader,
                          from->frames,
                          from->n_frames,
                          msg->kind,
                          &msg->setup.frames,
                          &msg->setup.frame_count);
    }
    msg->setup.origin.n = from->origin;
    msg->setup.number = from->number;
    msg->setup.drop = from->drop;
    if (!err && reader->payload_bytes > XD_SETUP_MAX_BYTES) {
        err = xd_reader_fail(reader,
                             XD_ERR_TOO_LARGE,
                             "frames",
                             "have %zu bytes, want at most %zu",
                             reader->payload_bytes,
                             XD_SETUP_MAX_BYTES);
    }
    return err;
}

enum xd_err xd_unpack_given(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Given *from = envelope->given;
    xd_reader_at(reader, "given", XD_NOWHERE);
    enum xd_err err = xd_reader_id(reader,
                                   "child",
                                   from->child.data,
                                   from->child.len,
                                   msg->given.child.bytes);
    if (!err) {
        err = xd_reader_id(reader,
                           "parent",
                           from->parent.data,
                           from->parent.len,
                           msg->given.parent.bytes);
    }
    return err ? err
               : read_frames(reader,
                             from->frames,
                             from->n_frames,
                             msg->kind,
                             &msg->given.frames,
                             &msg->given.frame_count);
}

enum xd_err xd_unpack_ids(struct xd_reader *reader,
                          const Xd__Pb__Envelope *envelope,
                          struct xd_msg *msg)
{
    void *list = NULL;
    enum xd_err err =
        make_list(reader, "ids", envelope->n_ids, sizeof(struct xd_task_id), &list);
    if (err) {
        return err;
    }
    msg->ids.ids = list;
    msg->ids.count = envelope->n_ids;
    for (size_t i = 0; !err && i < envelope->n_ids; i++) {
        const ProtobufCBinaryData *id = &envelope->ids[i];
        xd_reader_at(reader, "ids", i);
        err = xd_reader_id(reader, NULL, id->data, id->len, msg->ids.ids[i].bytes);
    }
    return err;
}
