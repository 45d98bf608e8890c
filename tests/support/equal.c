/* SPDX-License-Identifier: MIT */
/* Comparing messages field by field. */
#include <string.h>

#include "xdt.h"

static bool ids_equal(const struct xd_task_id *a,
                      const struct xd_task_id *b,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!xd_task_id_equal(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

static bool tokens_equal(const struct xd_token *a, const struct xd_token *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool refs_equal(struct xd_ref a, struct xd_ref b)
{
    return xd_session_is(a.owner, b.owner) && a.counter == b.counter;
}

static bool texts_equal(struct xd_bytes *const *a,
                        struct xd_bytes *const *b,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!xd_bytes_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

bool xdt_frames_equal(const struct xd_frame *a, const struct xd_frame *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!xd_bytes_equal(a[i].bytes, b[i].bytes) ||
            !xd_bytes_equal(a[i].tag, b[i].tag) ||
            !xd_bytes_equal(a[i].name, b[i].name) || !refs_equal(a[i].ref, b[i].ref) ||
            a[i].size != b[i].size || a[i].role != b[i].role ||
            a[i].codec != b[i].codec || a[i].count != b[i].count) {
            return false;
        }
    }
    return true;
}

static bool options_equal(const struct xd_task_options *a,
                          const struct xd_task_options *b)
{
    return a->priority == b->priority && a->rank == b->rank &&
           xd_bytes_equal(a->kind, b->kind) && a->estimate_us == b->estimate_us &&
           a->delay_ms == b->delay_ms && a->deadline_ms == b->deadline_ms &&
           a->limit_ms == b->limit_ms && a->retries_failed == b->retries_failed &&
           a->retries_lost == b->retries_lost && a->backoff_ms == b->backoff_ms &&
           xd_bytes_equal(a->replaces, b->replaces) &&
           xd_bytes_equal(a->dedupe, b->dedupe) && xd_bytes_equal(a->needs, b->needs) &&
           xd_session_is(a->worker, b->worker) && a->after_count == b->after_count &&
           ids_equal(a->after, b->after, a->after_count);
}

/* By id alone: their frames come in messages of their own. */
static bool given_equal(const struct xd_task *a, const struct xd_task *b)
{
    for (size_t i = 0; a->given_count == b->given_count && i < a->given_count; i++) {
        if (!xd_task_id_equal(&a->given[i].id, &b->given[i].id)) {
            return false;
        }
    }
    return a->given_count == b->given_count;
}

bool xdt_task_equal(const struct xd_task *a, const struct xd_task *b)
{
    return xd_task_id_equal(&a->id, &b->id) && a->format == b->format &&
           a->everywhere == b->everywhere && a->hold == b->hold &&
           a->timeout_ms == b->timeout_ms && a->min_workers == b->min_workers &&
           a->part == b->part && a->setup == b->setup &&
           xd_session_is(a->origin, b->origin) && xd_bytes_equal(a->callee, b->callee) &&
           options_equal(&a->options, &b->options) && a->attempt == b->attempt &&
           given_equal(a, b) && a->frame_count == b->frame_count &&
           xdt_frames_equal(a->frames, b->frames, a->frame_count);
}

bool xdt_result_equal(const struct xd_result *a, const struct xd_result *b)
{
    return xd_task_id_equal(&a->id, &b->id) && a->part == b->part &&
           a->parts == b->parts && a->outcome == b->outcome && a->run_ns == b->run_ns &&
           xd_session_is(a->worker, b->worker) && a->attempt == b->attempt &&
           xd_bytes_equal(a->error, b->error) && a->frame_count == b->frame_count &&
           xdt_frames_equal(a->frames, b->frames, a->frame_count);
}

static bool facts_equal(const struct xd_facts *a, const struct xd_facts *b)
{
    return xd_bytes_equal(a->name, b->name) && a->label_count == b->label_count &&
           texts_equal(a->labels, b->labels, a->label_count) &&
           a->version_count == b->version_count &&
           texts_equal(a->versions, b->versions, a->version_count) &&
           a->cores == b->cores && a->memory_bytes == b->memory_bytes &&
           a->agent == b->agent && a->slot == b->slot;
}

static bool hellos_equal(const struct xd_hello *a, const struct xd_hello *b)
{
    return a->role == b->role && a->min_version == b->min_version &&
           a->max_version == b->max_version && xd_session_is(a->session, b->session) &&
           tokens_equal(&a->token, &b->token) && a->lane == b->lane &&
           xd_bytes_equal(a->software, b->software) && xd_bytes_equal(a->host, b->host) &&
           a->pid == b->pid && xd_session_is(a->owner, b->owner) &&
           facts_equal(&a->facts, &b->facts);
}

static bool hello_oks_equal(const struct xd_hello_ok *a, const struct xd_hello_ok *b)
{
    return a->version == b->version && xd_session_is(a->session, b->session) &&
           tokens_equal(&a->token, &b->token) &&
           xd_bytes_equal(a->worker_endpoint, b->worker_endpoint) &&
           xd_bytes_equal(a->bulk_endpoint, b->bulk_endpoint) &&
           xd_bytes_equal(a->software, b->software) &&
           a->heartbeat_ms == b->heartbeat_ms && a->lost_ms == b->lost_ms &&
           a->budget_tasks == b->budget_tasks && a->budget_bytes == b->budget_bytes;
}

static bool readies_equal(const struct xd_ready *a, const struct xd_ready *b)
{
    return xd_bytes_equal(a->profile, b->profile) && a->formats == b->formats &&
           a->hold == b->hold && xd_bytes_equal(a->has, b->has) &&
           a->handler_count == b->handler_count &&
           texts_equal(a->handlers, b->handlers, a->handler_count);
}

static bool tasks_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    if (a->tasks.count != b->tasks.count ||
        !xd_bytes_equal(a->tasks.profile, b->tasks.profile)) {
        return false;
    }
    for (size_t i = 0; i < a->tasks.count; i++) {
        if (!xdt_task_equal(&a->tasks.tasks[i], &b->tasks.tasks[i])) {
            return false;
        }
    }
    return true;
}

static bool results_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    if (a->results.count != b->results.count ||
        a->results.has_started != b->results.has_started ||
        !xd_task_id_equal(&a->results.started, &b->results.started)) {
        return false;
    }
    for (size_t i = 0; i < a->results.count; i++) {
        if (!xdt_result_equal(&a->results.results[i], &b->results.results[i])) {
            return false;
        }
    }
    return true;
}

static bool id_lists_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    return a->ids.count == b->ids.count && a->ids.level == b->ids.level &&
           a->ids.scope == b->ids.scope &&
           a->ids.retry_after_ms == b->ids.retry_after_ms &&
           ids_equal(a->ids.ids, b->ids.ids, a->ids.count);
}

static bool events_equal(const struct xd_event *a, const struct xd_event *b)
{
    return xd_task_id_equal(&a->id, &b->id) && a->part == b->part &&
           xd_bytes_equal(a->kind, b->kind) && xd_bytes_equal(a->bytes, b->bytes);
}

static bool errors_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    return a->error.code == b->error.code && a->error.kind == b->error.kind &&
           xd_bytes_equal(a->error.text, b->error.text);
}

static bool chunks_equal(const struct xd_chunk *a, const struct xd_chunk *b)
{
    return refs_equal(a->ref, b->ref) && xd_session_is(a->reader, b->reader) &&
           a->offset == b->offset && a->code == b->code &&
           xd_bytes_equal(a->bytes, b->bytes);
}

static bool credits_equal(const struct xd_credit *a, const struct xd_credit *b)
{
    return refs_equal(a->ref, b->ref) && xd_session_is(a->reader, b->reader) &&
           a->chunks == b->chunks && a->done == b->done;
}

static bool admins_equal(const struct xd_admin *a, const struct xd_admin *b)
{
    return xd_bytes_equal(a->verb, b->verb) && a->ticket == b->ticket &&
           a->answer == b->answer && a->code == b->code &&
           xd_bytes_equal(a->text, b->text) && a->arg_count == b->arg_count &&
           texts_equal(a->args, b->args, a->arg_count);
}

static bool setups_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    return xd_session_is(a->setup.origin, b->setup.origin) &&
           a->setup.number == b->setup.number && a->setup.drop == b->setup.drop &&
           a->setup.frame_count == b->setup.frame_count &&
           xdt_frames_equal(a->setup.frames, b->setup.frames, a->setup.frame_count);
}

static bool givens_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    return xd_task_id_equal(&a->given.child, &b->given.child) &&
           xd_task_id_equal(&a->given.parent, &b->given.parent) &&
           a->given.frame_count == b->given.frame_count &&
           xdt_frames_equal(a->given.frames, b->given.frames, a->given.frame_count);
}

bool xdt_msg_equal(const struct xd_msg *a, const struct xd_msg *b)
{
    if (a->kind != b->kind || a->ack != b->ack || a->accepted != b->accepted) {
        return false;
    }
    switch (a->kind) {
    case XD_KIND_HELLO:
        return hellos_equal(&a->hello, &b->hello);
    case XD_KIND_HELLO_OK:
        return hello_oks_equal(&a->hello_ok, &b->hello_ok);
    case XD_KIND_READY:
        return readies_equal(&a->ready, &b->ready);
    case XD_KIND_SUBMIT:
    case XD_KIND_TASK:
        return tasks_equal(a, b);
    case XD_KIND_RESULT:
        return results_equal(a, b);
    case XD_KIND_STARTED:
    case XD_KIND_CANCEL:
    case XD_KIND_RECALL:
    case XD_KIND_RECALLED:
    case XD_KIND_BUSY:
        return id_lists_equal(a, b);
    case XD_KIND_EVENT:
        return events_equal(&a->event, &b->event);
    case XD_KIND_ERROR:
    case XD_KIND_BYE:
        return errors_equal(a, b);
    case XD_KIND_CHUNK:
        return chunks_equal(&a->chunk, &b->chunk);
    case XD_KIND_CREDIT:
        return credits_equal(&a->credit, &b->credit);
    case XD_KIND_ADMIN:
        return admins_equal(&a->admin, &b->admin);
    case XD_KIND_SETUP:
        return setups_equal(a, b);
    case XD_KIND_GIVEN:
        return givens_equal(a, b);
    case XD_KIND_ACCEPTED:
    case XD_KIND_ACK:
    case XD_KIND_HEARTBEAT:
        return true;
    }
    return false;
}
