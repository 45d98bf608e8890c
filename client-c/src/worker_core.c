/* SPDX-License-Identifier: MIT */
/* The worker's jobs from their beginning to the wire. What comes from the broker is in
 * worker_take.c. */
#include "worker_core.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "payload.h"
#include "wire/class.h"

/* Results gather while more short tasks are held, for so long. */
#define GATHER_TIME (200 * XD_US)
/* Events that may wait for the link. */
#define EVENTS_MAX 256u
#define EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define TOUCH_EVERY (100 * XD_MS)

/* The first of a list that is not empty. */
static struct xd_job *front(const struct xd_list *jobs)
{
    return XD_ITEM(jobs->next, struct xd_job, link);
}

static struct xd_job *first_of(const struct xd_list *jobs)
{
    return xd_list_is_empty(jobs) ? NULL : XD_ITEM(jobs->next, struct xd_job, link);
}

enum xd_err xd_worker_core_init(struct xd_worker_core *core,
                                struct xd_link *link,
                                struct xd_session_id owner,
                                uint64_t seed,
                                xd_time now)
{
    memset(core, 0, sizeof *core);
    xd_map_init(&core->by_id, seed);
    xd_map_init(&core->setups, seed);
    xd_list_init(&core->inbox);
    xd_list_init(&core->results);
    xd_list_init(&core->recalled);
    xd_list_init(&core->kept);
    xd_list_init(&core->given);
    core->flush_at = core->kill_at = XD_NEVER;
    enum xd_err err = xd_channel_init(&core->channel, link, XD_ROLE_WORKER, owner, now);
    core->channel.message = xd_worker_core_message;
    core->channel.owner = core;
    if (err == XD_OK &&
        xd_bytes_text("out of memory in the worker", &core->no_memory) != XD_OK) {
        xd_channel_fini(&core->channel, true);
        err = XD_ERR_NOMEM;
    }
    return err;
}

static void destroy_all(struct xd_worker_core *core, struct xd_list *jobs)
{
    while (!xd_list_is_empty(jobs)) {
        xd_job_destroy(core, front(jobs));
    }
}

void xd_worker_core_fini(struct xd_worker_core *core, bool close_link)
{
    destroy_all(core, &core->inbox);
    destroy_all(core, &core->results);
    destroy_all(core, &core->recalled);
    if (core->running != NULL) {
        xd_job_destroy(core, core->running);
        core->running = NULL;
    }
    xd_worker_core_setups_fini(core);
    xd_worker_core_drop_given(core);
    xd_channel_fini(&core->channel, close_link);
    xd_names_fini(&core->names);
    xd_map_fini(&core->by_id);
    xd_bytes_unref(core->no_memory);
}

static void drop_result(struct xd_job *job)
{
    struct xd_result *result = &job->result;
    for (size_t i = 0; i < result->frame_count; i++) {
        xd_frame_clear(&result->frames[i]);
    }
    if (result->frames != job->few) {
        xd_free(result->frames);
    }
    xd_bytes_unref(result->error);
    *result = (struct xd_result){0};
}

static void drop_task(struct xd_job *job)
{
    job->task.frame_count = job->all_frames;
    xd_task_clear(&job->task);
    xd_free(job->results);
    job->results = NULL;
    job->result_count = job->frame_count = job->all_frames = 0;
}

void xd_job_destroy(struct xd_worker_core *core, struct xd_job *job)
{
    xd_list_remove(&job->link);
    xd_pull_drop(&core->channel.reads, job->pull);
    xd_channel_release(&core->channel, &job->made);
    drop_task(job);
    xd_kept_setup_unuse(job->setup);
    drop_result(job);
    xd_free(job);
}

/* ---- READY ---- */

static enum xd_err check_offer(const struct xd_worker_options *options,
                               const char *profile,
                               const char *has,
                               struct xd_error *error)
{
    if (options->handler_count > XD_HANDLERS_MAX) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu handlers, %u are allowed",
                       options->handler_count,
                       XD_HANDLERS_MAX);
    }
    if (options->hold > XD_HOLD_MAX) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "hold is %u, %u is allowed",
                       options->hold,
                       XD_HOLD_MAX);
    }
    uint32_t known = 1u << XD_FORMAT_R | 1u << XD_FORMAT_CALL;
    if ((options->formats & ~known) != 0) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "formats %#x are unknown",
                       options->formats);
    }
    enum xd_err err = xd_name_check("profile", profile, xd_name_is_valid, error);
    if (err == XD_OK && has != NULL) {
        err = xd_name_check("has", has, xd_name_is_valid, error);
    }
    if (err == XD_OK && has != NULL) {
        err = xd_needs_check("has", has, error);
    }
    for (size_t i = 0; i < options->handler_count && err == XD_OK; i++) {
        err = xd_name_check("handler", options->handlers[i], xd_name_is_valid, error);
    }
    return err;
}

enum xd_err xd_worker_core_ready(struct xd_worker_core *core,
                                 const struct xd_worker_options *options,
                                 struct xd_error *error)
{
    const char *profile = options->profile;
    if (profile == NULL) {
        profile = getenv("CROSSDOCK_PROFILE");
    }
    if (profile == NULL || profile[0] == '\0') {
        profile = "default";
    }
    const char *has = options->has != NULL ? options->has : getenv("CROSSDOCK_HAS");
    if (has != NULL && has[0] == '\0') {
        has = NULL;
    }
    enum xd_err err = check_offer(options, profile, has, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_msg msg = {.kind = XD_KIND_READY};
    struct xd_ready *ready = &msg.ready;
    ready->formats = options->formats == 0 ? 1u << XD_FORMAT_CALL : options->formats;
    ready->hold = options->hold;
    ready->handlers = xd_calloc(options->handler_count + 1, sizeof *ready->handlers);
    err =
        ready->handlers == NULL ? XD_ERR_NOMEM : xd_bytes_text(profile, &ready->profile);
    if (err == XD_OK && has != NULL) {
        err = xd_bytes_text(has, &ready->has);
    }
    for (size_t i = 0; i < options->handler_count && err == XD_OK; i++) {
        err = xd_bytes_text(options->handlers[i], &ready->handlers[i]);
        ready->handler_count += err == XD_OK;
    }
    if (err == XD_OK) {
        err = xd_outbox_put(&core->channel.outbox, &msg, 0);
    }
    if (err != XD_OK) {
        xd_msg_clear(&msg);
        (void)xd_fail(error, err, "cannot offer handlers: %s", xd_err_text(err));
    }
    return err;
}

/* ---- a job's life ---- */

bool xd_worker_core_has_next(const struct xd_worker_core *core)
{
    const struct xd_job *job = first_of(&core->inbox);
    return core->running == NULL && job != NULL && job->is_complete;
}

struct xd_job *xd_worker_core_begin(struct xd_worker_core *core, xd_time now)
{
    if (!xd_worker_core_has_next(core)) {
        return NULL;
    }
    struct xd_job *job = front(&core->inbox);
    xd_list_remove(&job->link);
    core->inbox_count--;
    job->task.frame_count = job->frame_count;
    core->running = job;
    core->touched = now;
    core->alarm = (struct xd_alarm){.id = job->task.id};
    job->begun = now;
    return job;
}

/* The result waits in line; the bytes of the task are not needed any more. */
static void push_result(struct xd_worker_core *core, struct xd_job *job, xd_time now)
{
    xd_map_remove(&core->by_id, &job->item);
    job->result.id = job->task.id;
    job->result.part = job->task.part;
    drop_task(job);
    xd_kept_setup_unuse(job->setup);
    job->setup = NULL;
    xd_list_push_back(&core->results, &job->link);
    core->result_count++;
    core->result_bytes += xd_frames_bytes(job->result.frames, job->result.frame_count);
    if (core->flush_at == XD_NEVER) {
        core->flush_at = now + GATHER_TIME;
    }
}

/* One sentence, cut where a character begins. */
static struct xd_bytes *sentence(struct xd_worker_core *core, const char *text)
{
    struct xd_bytes *out;
    size_t size = text == NULL ? 0 : strlen(text);
    if (size > XD_TEXT_MAX_BYTES) {
        size = XD_TEXT_MAX_BYTES;
        while (size > 0 && ((uint8_t)text[size] & 0xc0u) == 0x80u) {
            size--;
        }
    }
    if (size == 0) {
        return NULL;
    }
    return xd_bytes_copy(text, size, &out) == XD_OK ? out : xd_bytes_ref(core->no_memory);
}

void xd_worker_core_unread(struct xd_worker_core *core, struct xd_job *job)
{
    if (job->pull == NULL) {
        xd_reads_disown(&core->channel.reads, job->task.frames, job->task.frame_count);
    }
    xd_pull_drop(&core->channel.reads, job->pull);
    job->pull = NULL;
}

void xd_worker_core_refuse(struct xd_worker_core *core,
                           struct xd_job *job,
                           enum xd_outcome outcome,
                           const char *text,
                           xd_time now)
{
    xd_list_remove(&job->link);
    core->inbox_count--;
    xd_worker_core_unread(core, job);
    job->result = (struct xd_result){.outcome = outcome, .error = sentence(core, text)};
    push_result(core, job, now);
    core->flush_at = now;
}

static enum xd_err build_result(struct xd_worker_core *core,
                                struct xd_job *job,
                                const struct xd_payload *payloads,
                                size_t count,
                                struct xd_error *error)
{
    struct xd_result *result = &job->result;
    if (count > XD_PAYLOADS_MAX) {
        return xd_fail(error, XD_ERR_TOO_LARGE, "a result of %zu payloads", count);
    }
    result->frames = count <= 2 ? job->few : xd_calloc(count, sizeof *result->frames);
    if (result->frames == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for a result");
    }
    for (size_t i = 0; i < count; i++) {
        enum xd_err err = xd_payload_check(&payloads[i], error);
        if (err == XD_OK &&
            xd_payload_frame(&core->names, &payloads[i], &result->frames[i]) != XD_OK) {
            err = xd_fail(error, XD_ERR_NOMEM, "out of memory for a result");
        }
        if (err != XD_OK) {
            return err;
        }
        result->frame_count++;
    }
    if (xd_channel_detach(&core->channel,
                          result->frames,
                          result->frame_count,
                          true,
                          &job->made) != XD_OK) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for a result");
    }
    if (!xd_room_is_possible(xd_result_envelope_bytes(result), count)) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the names of a result's payloads are too long");
    }
    return XD_OK;
}

enum xd_err xd_worker_core_finish(struct xd_worker_core *core,
                                  enum xd_outcome outcome,
                                  const char *text,
                                  const struct xd_payload *payloads,
                                  size_t count,
                                  xd_time now)
{
    struct xd_job *job = core->running;
    struct xd_error error;
    core->running = NULL;
    job->result = (struct xd_result){.frames = job->few};
    struct xd_bytes *words = sentence(core, text);
    job->result.error = words; /* counts in the size of the envelope */
    enum xd_err err = build_result(core, job, payloads, count, &error);
    if (err != XD_OK) {
        xd_channel_release(&core->channel, &job->made);
        drop_result(job);
        job->result.error = err == XD_ERR_NOMEM ? xd_bytes_ref(core->no_memory)
                                                : sentence(core, error.text);
        outcome = XD_OUTCOME_FAILED;
    }
    job->result.outcome = outcome;
    job->result.run_ns = now > job->begun ? (uint64_t)(now - job->begun) : 0;
    bool was_long = now - job->begun > GATHER_TIME;
    push_result(core, job, now);
    if (was_long || core->inbox_count == 0) {
        core->flush_at = now;
    }
    return err;
}

enum xd_err xd_worker_core_emit(struct xd_worker_core *core,
                                const char *kind,
                                struct xd_bytes *bytes)
{
    struct xd_outbox *outbox = &core->channel.outbox;
    enum xd_err err = xd_name_check("event kind", kind, xd_name_is_valid, NULL);
    if (err != XD_OK) {
        return err;
    }
    if (bytes == NULL) {
        return XD_ERR_INVALID;
    }
    if (bytes->size > XD_MESSAGE_MAX_BYTES) {
        return XD_ERR_TOO_LARGE;
    }
    if (outbox->count >= EVENTS_MAX || outbox->bytes + bytes->size > EVENT_BYTES_MAX) {
        return XD_ERR_BUSY;
    }
    struct xd_msg msg = {.kind = XD_KIND_EVENT};
    err = xd_names_get(&core->names, kind, &msg.event.kind);
    if (err != XD_OK) {
        return err;
    }
    msg.event.id = core->running->task.id;
    msg.event.part = core->running->task.part;
    msg.event.bytes = xd_bytes_ref(bytes);
    err = xd_outbox_put(outbox, &msg, bytes->size);
    if (err != XD_OK) {
        xd_msg_clear(&msg);
    }
    return err;
}

enum xd_err xd_worker_core_touch(struct xd_worker_core *core, xd_time now)
{
    if (now - core->touched < TOUCH_EVERY) {
        return XD_ERR_AGAIN;
    }
    struct xd_bytes *nothing;
    enum xd_err err = xd_bytes_copy(NULL, 0, &nothing);
    if (err == XD_OK) {
        err = xd_worker_core_emit(core, XD_EVENT_TOUCH, nothing);
        xd_bytes_unref(nothing);
    }
    core->touched = err == XD_OK ? now : core->touched;
    return err;
}

/* ---- leaving ---- */

void xd_worker_core_leave(struct xd_worker_core *core)
{
    core->is_leaving = true;
    while (!xd_list_is_empty(&core->inbox)) {
        struct xd_job *job = front(&core->inbox);
        xd_list_remove(&job->link);
        core->inbox_count--;
        xd_map_remove(&core->by_id, &job->item);
        xd_list_push_back(&core->recalled, &job->link);
    }
    xd_worker_core_hurry(core);
}

bool xd_worker_core_is_quiet(const struct xd_worker_core *core)
{
    return xd_list_is_empty(&core->results) && xd_list_is_empty(&core->recalled) &&
           xd_list_is_empty(&core->kept) && core->channel.outbox.count == 0 &&
           (core->said_so || !core->is_leaving);
}

const char *xd_worker_core_check(const struct xd_worker_core *core)
{
    size_t inbox = 0, results = 0;
    XD_LIST_EACH (link, &core->inbox) {
        inbox++;
    }
    XD_LIST_EACH (link, &core->results) {
        results++;
    }
    if (inbox != core->inbox_count || results != core->result_count) {
        return "a count differs from its list";
    }
    if (core->by_id.count != inbox + (core->running != NULL)) {
        return "the table of tasks differs from what is held and runs";
    }
    return NULL;
}
