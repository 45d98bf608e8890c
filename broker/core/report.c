/* SPDX-License-Identifier: MIT */
/* What a worker says about its tasks: begun, an event, an outcome. Only of tasks it
 * holds. */
#include "core/inside.h"

static void start(struct xdb_core *core, struct xdb_task *task)
{
    if (task->state == XDB_TASK_HELD) {
        task->worker->held--;
        xdb_task_move(core, task, XDB_MOVE_START, XDB_TASK_RUNNING);
    }
}

static void started(struct xdb_core *core,
                    struct xdb_worker *worker,
                    const struct xd_task_id *id)
{
    struct xdb_task *task = xdb_worker_lease_any(worker, id);
    if (task == NULL) {
        core->counters.stale++;
    } else {
        start(core, task);
    }
}

void xdb_apply_started(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    for (size_t i = 0; worker != NULL && i < event->ids.count; i++) {
        started(core, worker, &event->ids.ids[i]);
    }
    core->counters.stale += worker == NULL ? 1 : 0;
}

enum xd_err xdb_plan_task_event(struct xdb_core *core,
                                const struct xdb_event *event,
                                size_t *need)
{
    *need = 1;
    return XD_OK;
}

void xdb_apply_task_event(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    struct xdb_task *task =
        worker == NULL
            ? NULL
            : xdb_worker_lease(worker, &event->task_event.id, event->task_event.part);
    if (task == NULL || task->state > XDB_TASK_RUNNING) {
        core->counters.stale++;
        return;
    }
    start(core, task);
    xdb_extra_touch(core, task);
    if (event->task_event.kind == NULL) {
        return;
    }
    struct xdb_action *action =
        xdb_action_push(core, XDB_ACTION_SEND_EVENT, &task->client->session);
    action->event.id = task->id;
    action->event.part = xdb_task_part(task);
    action->event.kind = xd_bytes_ref(event->task_event.kind);
    action->event.bytes = xd_bytes_ref(event->task_event.bytes);
}

static bool refs_are_own(const struct xd_result *result, struct xd_session_id session)
{
    for (size_t i = 0; i < result->frame_count; i++) {
        const struct xd_frame *frame = &result->frames[i];
        if (xd_ref_is_set(frame->ref) && !xd_session_is(frame->ref.owner, session)) {
            return false;
        }
    }
    return true;
}

/* Who failed or was cancelled might have run longer. A run not measured says nothing. */
static void note_run(struct xdb_core *core,
                     struct xdb_task *task,
                     const struct xd_result *result)
{
    if (result->run_ns == 0) {
        return;
    }
    bool is_whole = result->outcome == XD_OUTCOME_DONE ||
                    result->run_ns / 1000 > task->shape->predicted_us;
    if (is_whole) {
        xdb_estimate_learn(core, task->shape, result->run_ns);
        xdb_cuts_learn(core, task->shape->profile, result->run_ns / 1000);
    }
    xdb_share_settle(core, task, (double)result->run_ns / 1000);
}

static void take_result(struct xdb_core *core,
                        struct xdb_worker *worker,
                        struct xd_result *result)
{
    struct xdb_task *task = xdb_worker_lease(worker, &result->id, result->part);
    if (task == NULL) {
        core->counters.stale++;
        return;
    }
    worker->done++;
    note_run(core, task, result);
    result->attempt = xdb_extra_attempt(task);
    result->worker = worker->session.id;
    if (task->extra != NULL) {
        task->extra->run =
            (struct xdb_run){result->run_ns, result->attempt, result->worker};
    }
    if (!xdb_task_unlease(core, task, XDB_MOVE_RESULT)) {
        return;
    }
    struct xdb_outcome outcome = {result->outcome, result->error, result};
    if (!refs_are_own(result, worker->session.id)) {
        outcome = (struct xdb_outcome){XD_OUTCOME_FAILED, core->texts.foreign, NULL};
    } else if (result->outcome < XD_OUTCOME_DONE ||
               result->outcome > XD_OUTCOME_REJECTED) {
        outcome.outcome = XD_OUTCOME_FAILED;
    }
    if (outcome.outcome != XD_OUTCOME_FAILED ||
        !xdb_aside_retry(core, task, XDB_MOVE_RESULT)) {
        xdb_task_finish(core, task, XDB_MOVE_RESULT, XDB_TASK_ENDED, outcome);
    }
}

/* What a run teaches, and what is charged for it. */
static void prefetch_shape(const struct xdb_shape *shape)
{
    const struct xdb_estimate *estimate = shape->estimate;
    const char *profile = (const char *)shape->profile;
    for (size_t at = 0; at < offsetof(struct xdb_profile, cuts); at += 64) {
        __builtin_prefetch(profile + at);
    }
    for (; estimate != NULL; estimate = estimate->above) {
        __builtin_prefetch(estimate);
        __builtin_prefetch(&estimate->below);
    }
}

/* Among a million tasks every record is far away: fetch together what the result ends,
 * what goes to the worker next, and what is beside them in lists. */
static void prefetch(const struct xdb_core *core, const struct xdb_event *event)
{
    const struct xdb_worker *worker = xdb_worker_find(core, event->session);
    if (worker == NULL) {
        return;
    }
    const struct xdb_task *next = xdb_offer_first(worker->offer), *first = NULL;
    if (!xd_list_is_empty(&worker->leases)) {
        first = XD_ITEM(worker->leases.next, struct xdb_task, place);
        xdb_task_prefetch_record(first);
    }
    if (next != NULL) {
        xdb_task_prefetch_record(next);
        __builtin_prefetch(next->place.next);
    }
    if (first != NULL) {
        xdb_task_prefetch(first);
        __builtin_prefetch(first->frame_count == 1 ? (const void *)first->frames.one.bytes
                                                   : first->frames.many);
        prefetch_shape(first->shape);
    }
}

enum xd_err xdb_plan_result(struct xdb_core *core,
                            const struct xdb_event *event,
                            size_t *need)
{
    prefetch(core, event);
    *need = 2 * event->result.count;
    return XD_OK;
}

void xdb_apply_result(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    core->counters.stale += worker == NULL ? 1 : 0;
    for (size_t i = 0; i < event->result.count; i++) {
        if (worker != NULL) {
            take_result(core, worker, &event->result.results[i]);
        }
        xd_result_clear(&event->result.results[i]);
    }
    if (worker != NULL && event->result.has_started) {
        started(core, worker, &event->result.started);
    }
}
