/* SPDX-License-Identifier: MIT */
/* Worker sessions: what they hold, and the state that follows from it. */
#include "core/worker.h"

#include "core/inside.h"

#define ROW(from, move, to, text)                                                        \
    {                                                                                    \
        XDB_WORKER_##from, XDB_WORKER_##move, XDB_WORKER_##to,                           \
            #from " " #move " " #to ": " text                                            \
    }

static const struct xdb_row rows[] = {
    ROW(IDLE, LEASE, BUSY, "sent a task"),
    ROW(IDLE, FULL, BLOCKED, "a message did not leave"),
    ROW(IDLE, SILENT, SUSPECT, "not heard of"),
    ROW(IDLE, LEAVES, DRAINING, "says that it is leaving"),
    ROW(IDLE, END, GONE, "session over"),
    ROW(BUSY, EMPTY, IDLE, "its last task ended"),
    ROW(BUSY, FULL, BLOCKED, "a task did not leave"),
    ROW(BUSY, SILENT, SUSPECT, "not heard of"),
    ROW(BUSY, LEAVES, DRAINING, "hands back unasked"),
    ROW(BUSY, KILL, STUCK, "ignored an interrupt"),
    ROW(BUSY, END, GONE, "session over"),
    ROW(BLOCKED, WRITABLE, IDLE, "can be sent to again"),
    ROW(BLOCKED, WRITABLE, BUSY, "can be sent to again, has tasks"),
    ROW(BLOCKED, SILENT, SUSPECT, "not heard of"),
    ROW(BLOCKED, LEAVES, DRAINING, "says that it is leaving"),
    ROW(BLOCKED, KILL, STUCK, "ignored an interrupt"),
    ROW(BLOCKED, END, GONE, "session over"),
    ROW(SUSPECT, HEARD, IDLE, "heard again"),
    ROW(SUSPECT, HEARD, BUSY, "heard again, has tasks"),
    ROW(SUSPECT, HEARD, BLOCKED, "heard again, still full"),
    ROW(SUSPECT, KILL, STUCK, "ignored an interrupt"),
    ROW(SUSPECT, END, GONE, "session over"),
    ROW(DRAINING, KILL, STUCK, "ignored an interrupt"),
    ROW(DRAINING, END, GONE, "session over"),
    ROW(STUCK, END, GONE, "session over"),
};

const struct xdb_table xdb_worker_table = {"worker",
                                           rows,
                                           (uint8_t)(sizeof rows / sizeof rows[0])};

const char *xdb_worker_state_name(const struct xdb_worker *worker)
{
    static const char *const names[XDB_WORKER_STATES] =
        {"idle", "busy", "blocked", "suspect", "draining", "stuck", "gone"};
    return names[worker->state];
}

struct xdb_worker *xdb_worker_find(const struct xdb_core *core, struct xd_session_id id)
{
    struct xdb_session *session = xdb_session_find(core, id);
    return session == NULL || !session->is_worker
               ? NULL
               : XD_ITEM(session, struct xdb_worker, session);
}

static enum xdb_worker_state state_from_flags(const struct xdb_worker *worker)
{
    if (worker->gone) {
        return XDB_WORKER_GONE;
    }
    if (worker->stuck) {
        return XDB_WORKER_STUCK;
    }
    if (worker->leaving) {
        return XDB_WORKER_DRAINING;
    }
    if (worker->silent) {
        return XDB_WORKER_SUSPECT;
    }
    if (worker->full) {
        return XDB_WORKER_BLOCKED;
    }
    return worker->leased > 0 ? XDB_WORKER_BUSY : XDB_WORKER_IDLE;
}

/* Into the list of those that take tasks now, or ahead of need, or out of both. */
static void place(struct xdb_core *core, struct xdb_worker *worker, bool changed)
{
    struct xdb_offer *offer = worker->offer;
    bool idle = worker->state == XDB_WORKER_IDLE;
    bool ahead = worker->state == XDB_WORKER_BUSY && worker->leased <= worker->hold &&
                 !worker->overdue;
    if (changed || !ahead) {
        xd_list_remove(&worker->ready);
    }
    if (!idle && !ahead) {
        return;
    }
    if (xd_list_is_empty(&worker->ready)) {
        /* The last to become idle goes first: its caches are warm, others can end. */
        if (idle) {
            xd_list_push_front(&offer->idle, &worker->ready);
        } else {
            xd_list_push_back(&offer->ahead, &worker->ready);
        }
        xdb_offer_touch(core, offer);
    }
    if (!xd_list_is_empty(&worker->own) && xd_list_is_empty(&worker->awake)) {
        xd_list_push_back(&core->awake, &worker->awake);
    }
}

void xdb_worker_settle(struct xdb_core *core,
                       struct xdb_worker *worker,
                       enum xdb_worker_move move)
{
    enum xdb_worker_state to = state_from_flags(worker);
    bool changed = to != worker->state;
    if (changed) {
        bool was_live = xdb_worker_is_live(worker);
        xdb_hits_take(&core->worker_hits, worker->state, (uint8_t)move, (uint8_t)to);
        worker->state = (uint8_t)to;
        if (was_live && !xdb_worker_is_live(worker)) {
            worker->offer->live--;
            xdb_worker_unpin_all(core, worker);
        }
    }
    place(core, worker, changed);
}

struct xdb_task *xdb_worker_lease(const struct xdb_worker *worker,
                                  const struct xd_task_id *id,
                                  uint32_t part)
{
    XD_LIST_EACH (link, &worker->leases) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (xdb_fault(1) ||
            (xd_task_id_equal(&task->id, id) && xdb_task_part(task) == part)) {
            return task;
        }
    }
    return NULL;
}

struct xdb_task *xdb_worker_lease_any(const struct xdb_worker *worker,
                                      const struct xd_task_id *id)
{
    XD_LIST_EACH (link, &worker->leases) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (xd_task_id_equal(&task->id, id)) {
            return task;
        }
    }
    return NULL;
}

void xdb_worker_add_lease(struct xdb_core *core,
                          struct xdb_worker *worker,
                          struct xdb_task *task,
                          bool ahead)
{
    xd_list_push_back(&worker->leases, &task->place);
    task->worker = worker;
    task->recalled = false;
    worker->predicted_us += task->predicted_us;
    worker->leased++;
    worker->held += ahead ? 1 : 0;
    if (!ahead) {
        worker->front_since = core->now;
    } else {
        xdb_session_wake(core,
                         &worker->session,
                         xd_time_add(worker->front_since, core->config.recall_after));
    }
    xdb_worker_settle(core, worker, XDB_WORKER_LEASE);
}

static bool is_to_end(const struct xdb_task *task)
{
    return task->state == XDB_TASK_CANCELLING || task->state == XDB_TASK_GHOST;
}

void xdb_worker_remove_lease(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_worker *worker = task->worker;
    bool was_first = worker->leases.next == &task->place;
    xd_list_remove(&task->place);
    task->worker = NULL;
    worker->predicted_us -= task->predicted_us;
    worker->leased--;
    worker->held -= task->state == XDB_TASK_HELD ? 1 : 0;
    if (was_first) {
        worker->overdue = false;
        worker->front_since = core->now;
        worker->cancel_since = XD_NEVER;
    }
    if (was_first && worker->leased > 0 &&
        is_to_end(XD_ITEM(worker->leases.next, struct xdb_task, place))) {
        worker->cancel_since = core->now;
        xdb_session_wake(core,
                         &worker->session,
                         xd_time_add(core->now, core->config.kill_after));
    }
    xdb_worker_settle(core, worker, XDB_WORKER_EMPTY);
}

void xdb_worker_pin(struct xdb_core *core,
                    struct xdb_worker *worker,
                    struct xdb_task *task)
{
    task->worker = worker;
    xd_list_push_back(&worker->own, &task->place);
    if (xdb_worker_takes_tasks(worker) && xd_list_is_empty(&worker->awake)) {
        xd_list_push_back(&core->awake, &worker->awake);
    }
}

void xdb_worker_wake_pinned(struct xdb_core *core, const struct xdb_profile *profile)
{
    if (profile->bound_queued == 0 || !xdb_profile_may_run(profile)) {
        return;
    }
    XD_LIST_EACH (link, &profile->pool->workers) {
        struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        if (!xd_list_is_empty(&worker->own) && xd_list_is_empty(&worker->awake)) {
            xd_list_push_back(&core->awake, &worker->awake);
        }
    }
}

void xdb_worker_unpin_all(struct xdb_core *core, struct xdb_worker *worker)
{
    while (!xd_list_is_empty(&worker->own)) {
        struct xdb_task *task = XD_ITEM(worker->own.prev, struct xdb_task, place);
        if (task->barrier == NULL) {
            xdb_task_unqueue(core, task);
            xdb_shape_put(core, task);
            continue;
        }
        xdb_task_unqueue(core, task);
        xdb_task_finish(core,
                        task,
                        XDB_MOVE_LOSE,
                        XDB_TASK_ENDED,
                        (struct xdb_outcome){.outcome = XD_OUTCOME_LOST,
                                             .error = core->texts.worker_lost});
    }
}

/* Each lease may tell a client its outcome and its count of accepted tasks; so may the
 * one part that can be pinned. */
size_t xdb_worker_end_actions(const struct xdb_worker *worker)
{
    return 4 + 2 * (size_t)worker->leased;
}

static void lose_leases(struct xdb_core *core, struct xdb_worker *worker)
{
    while (!xd_list_is_empty(&worker->leases)) {
        struct xdb_task *task = XD_ITEM(worker->leases.next, struct xdb_task, place);
        if (!xdb_task_unlease(core, task, XDB_MOVE_LOSE)) {
            continue;
        }
        if (xdb_fault(15)) {
            xdb_task_move(core, task, XDB_MOVE_RETURN, XDB_TASK_QUEUED);
            xdb_shape_put(core, task);
            continue;
        }
        if (xdb_aside_retry(core, task, XDB_MOVE_LOSE)) {
            continue;
        }
        xdb_task_finish(core,
                        task,
                        XDB_MOVE_LOSE,
                        XDB_TASK_ENDED,
                        (struct xdb_outcome){.outcome = XD_OUTCOME_LOST,
                                             .error = core->texts.worker_lost});
    }
}

void xdb_worker_end(struct xdb_core *core, struct xdb_worker *worker)
{
    struct xdb_pool *pool = worker->pool;
    struct xdb_offer *offer = worker->offer;
    worker->gone = true;
    xdb_worker_settle(core, worker, XDB_WORKER_END);
    lose_leases(core, worker);
    xd_list_remove(&worker->awake);
    xd_list_remove(&worker->in_core);
    xd_list_remove(&worker->in_pool);
    pool->worker_count--;
    offer->workers--;
    if (offer->workers == 0) {
        xdb_offer_free(offer);
    }
    xdb_profile_touch(core, pool->owner);
    xdb_session_fini(core, &worker->session);
    core->counters.workers--;
    xd_free(worker);
}

enum xd_err xdb_plan_worker_join(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need)
{
    *need = 1;
    if (core->spare_worker == NULL) {
        core->spare_worker = xd_alloc(sizeof *core->spare_worker);
    }
    struct xdb_profile *profile;
    struct xdb_offer *offer;
    if (core->spare_worker == NULL || xdb_session_reserve(core) != XD_OK ||
        xdb_profile_intern(core, event->worker_join.profile, &profile) != XD_OK) {
        return XD_ERR_NOMEM;
    }
    return xdb_offer_intern(core, profile->pool, event, &offer);
}

/* The plan made profile and offer; found again, they cannot fail. */
static void add_worker(struct xdb_core *core,
                       const struct xdb_event *event,
                       struct xdb_pool *pool)
{
    struct xdb_worker *worker = core->spare_worker;
    core->spare_worker = NULL;
    *worker = (struct xdb_worker){.owner = event->worker_join.owner,
                                  .pool = pool,
                                  .hold = event->worker_join.hold,
                                  .cancel_since = XD_NEVER,
                                  .state = XDB_WORKER_IDLE};
    xdb_session_init(core, &worker->session, event->session, true);
    xd_list_init(&worker->ready);
    xd_list_init(&worker->awake);
    xd_list_init(&worker->own);
    xd_list_init(&worker->leases);
    xd_list_push_back(&core->workers, &worker->in_core);
    xd_list_push_back(&pool->workers, &worker->in_pool);
    enum xd_err err = xdb_offer_intern(core, pool, event, &worker->offer);
    xd_assert(err == XD_OK);
    worker->offer->workers++;
    worker->offer->live++;
    pool->worker_count++;
    pool->joined++;
    core->counters.workers++;
    place(core, worker, true);
}

void xdb_apply_worker_join(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_profile *profile = xdb_profile_find(core, event->worker_join.profile);
    xdb_profile_touch(core, profile);
    if (event->session.n == 0 || xdb_session_find(core, event->session) != NULL) {
        core->counters.stale++;
        return;
    }
    const struct xdb_profile *owner = profile->pool->owner;
    if (!xd_needs_are_valid(event->worker_join.has)) {
        struct xdb_action *drop =
            xdb_action_push_id(core, XDB_ACTION_DROP, event->session);
        drop->error.code = XD_ERR_INVALID;
        drop->error.text = "resources: words, name=text or name=number";
        return;
    }
    if (owner->bound &&
        !xd_session_is(event->worker_join.owner, owner->maker->session.id)) {
        struct xdb_action *drop =
            xdb_action_push_id(core, XDB_ACTION_DROP, event->session);
        drop->error.code = XD_ERR_FORBIDDEN;
        drop->error.text = "the profile belongs to another session";
        return;
    }
    add_worker(core, event, profile->pool);
}
