/* SPDX-License-Identifier: MIT */
/* Why a task waits, and why a worker does. */
#include "core/inside.h"

static const char *const state_names[XDB_TASK_STATES] = {
    [XDB_TASK_NEW] = "new",
    [XDB_TASK_QUEUED] = "queued",
    [XDB_TASK_HELD] = "held",
    [XDB_TASK_RUNNING] = "running",
    [XDB_TASK_CANCELLING] = "cancelling",
    [XDB_TASK_GHOST] = "cancelling",
    [XDB_TASK_ENDED] = "ended",
    [XDB_TASK_BARRIER] = "queued",
    [XDB_TASK_OPEN] = "running",
    [XDB_TASK_CLOSED] = "ended",
    [XDB_TASK_DELAYED] = "delayed",
    [XDB_TASK_BURIED] = "quarantine",
    [XDB_TASK_WAITING] = "waiting",
    [XDB_TASK_KEPT] = "ended",
    [XDB_TASK_FREE] = "ended",
};

static uint64_t live_workers(const struct xdb_shape *shape)
{
    uint64_t live = 0;
    XD_LIST_EACH (link, &shape->fits) {
        live += XD_ITEM(link, struct xdb_fit, in_shape)->site->offer->live;
    }
    return live;
}

static bool has_idle(const struct xdb_shape *shape)
{
    XD_LIST_EACH (link, &shape->fits) {
        const struct xdb_fit *fit = XD_ITEM(link, struct xdb_fit, in_shape);
        if (!xd_list_is_empty(&fit->site->offer->idle)) {
            return true;
        }
    }
    return false;
}

static const char *why_queued(const struct xdb_task *task)
{
    const struct xdb_shape *shape = task->shape;
    const struct xdb_profile *profile = shape->profile;
    if (profile->paused) {
        return "its profile is paused";
    }
    if (task->worker != NULL) {
        return "it waits for the worker that it is bound to";
    }
    if (profile->pool->worker_count == 0) {
        return "its profile has no workers";
    }
    if (xd_list_is_empty(&shape->fits)) {
        return shape->needs != NULL ? "no worker has what it needs, or runs its kind"
                                    : "no worker runs its kind";
    }
    if (task->seq >= profile->gate) {
        return "an everywhere-task before it has not ended";
    }
    if (!xdb_profile_may_run(profile)) {
        return "its profile runs as many as it may";
    }
    if (live_workers(shape) == 0) {
        return "all workers that fit are leaving or silent";
    }
    return has_idle(shape) ? "it is sent with the next message"
                           : "all workers that fit are busy";
}

static const char *why(const struct xdb_task *task)
{
    switch ((enum xdb_task_state)task->state) {
    case XDB_TASK_QUEUED:
        return why_queued(task);
    case XDB_TASK_HELD:
        return "its worker has others before it";
    case XDB_TASK_DELAYED:
        return task->extra->tries > 0 ? "it pauses before it is tried again"
                                      : "its time has not come";
    case XDB_TASK_BURIED:
        return "too many workers were lost with it: kick it, or cancel it";
    case XDB_TASK_WAITING:
        return task->extra->bond->pending > 0
                   ? "tasks that it comes after have not ended"
                   : "an earlier task with its key has not ended";
    case XDB_TASK_BARRIER:
        return "tasks before it have not been sent, or workers are missing";
    case XDB_TASK_CANCELLING:
        return "its worker is not through with it";
    default:
        return "";
    }
}

static uint64_t tasks_ahead(const struct xdb_task *task)
{
    uint64_t ahead = 0;
    if (task->state == XDB_TASK_QUEUED && task->worker == NULL) {
        const struct xd_list *head = &task->shape->queue;
        for (const struct xd_list *link = head->next; link != &task->place;
             link = link->next) {
            ahead++;
        }
    }
    return ahead;
}

/* Of what the workers do, by weight among the profiles that have work. */
static double share_of(const struct xdb_profile *profile)
{
    double all = 0;
    XD_LIST_EACH (link, &profile->pool->profiles) {
        const struct xdb_profile *other = XD_ITEM(link, struct xdb_profile, in_pool);
        all += other->queued > 0 ? other->weight : 0;
    }
    return all > 0 ? profile->weight / all : 1;
}

static xd_time starts_in(const struct xdb_core *core,
                         const struct xdb_task *task,
                         const struct xdb_task_why *why_it_waits)
{
    double left = 0;
    if (task->state == XDB_TASK_DELAYED) {
        left = (double)(task->extra->ready - core->now);
    } else if (task->state == XDB_TASK_QUEUED && task->worker == NULL &&
               why_it_waits->workers > 0 && why_it_waits->predicted_us > 0 &&
               xdb_profile_may_run(task->shape->profile)) {
        double work = (double)(why_it_waits->ahead + 1) * why_it_waits->predicted_us;
        left = work / (double)why_it_waits->workers / share_of(task->shape->profile) *
               (double)XD_US;
    } else {
        return XD_NEVER;
    }
    return left >= (double)XD_NEVER ? XD_NEVER : (xd_time)left;
}

enum xd_err xdb_core_explain_task(const struct xdb_core *core,
                                  struct xd_session_id session,
                                  const struct xd_task_id *id,
                                  struct xdb_task_why *out)
{
    const struct xdb_client *client = xdb_client_find(core, session);
    const struct xdb_task *task = client == NULL ? NULL : xdb_task_find(client, id);
    if (task == NULL) {
        return XD_ERR_NOT_FOUND;
    }
    *out = (struct xdb_task_why){.state = state_names[task->state],
                                 .reason = why(task),
                                 .in = XD_NEVER};
    if (task->worker != NULL) {
        out->worker = task->worker->session.id;
    }
    if (task->barrier == NULL && task->extra != NULL) {
        out->tries = task->extra->tries;
        out->deaths = task->extra->deaths;
    }
    if (task->shape != NULL) {
        out->profile = task->shape->profile->name;
        out->predicted_us = task->shape->predicted_us;
        out->workers = live_workers(task->shape);
        out->ahead = tasks_ahead(task);
        out->in = starts_in(core, task, out);
    }
    return XD_OK;
}

enum xd_err xdb_core_find_task(const struct xdb_core *core,
                               uint64_t principal,
                               const struct xd_task_id *id,
                               struct xd_session_id *out)
{
    XD_LIST_EACH (link, &core->clients) {
        const struct xdb_client *client = XD_ITEM(link, struct xdb_client, in_core);
        if (client->principal == principal && xdb_task_find(client, id) != NULL) {
            *out = client->session.id;
            return XD_OK;
        }
    }
    return XD_ERR_NOT_FOUND;
}

/* By our own clock; a task behind others at its worker has not begun. */
static xd_time run_so_far(const struct xdb_core *core, const struct xdb_task *task)
{
    const struct xdb_worker *worker = task->worker;
    bool runs = task->state == XDB_TASK_RUNNING && worker->leases.next == &task->place;
    return runs ? core->now - worker->front_since : 0;
}

void xdb_core_each_task(const struct xdb_core *core,
                        struct xd_session_id session,
                        const struct xd_bytes *profile,
                        void (*visit)(void *context, const struct xdb_task_view *view),
                        void *context)
{
    const struct xdb_client *client = xdb_client_find(core, session);
    if (client == NULL) {
        return;
    }
    XD_LIST_EACH (link, &client->open) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, in_client);
        bool is_plain = task->state == XDB_TASK_QUEUED || task->barrier != NULL;
        if (is_plain ||
            (profile != NULL && !xd_bytes_equal(task->shape->profile->name, profile))) {
            continue;
        }
        struct xdb_task_view view = {
            .id = task->id,
            .state = state_names[task->state],
            .attempt = 1 + (task->extra == NULL ? 0u : task->extra->tries),
            .run = run_so_far(core, task)};
        if (task->worker != NULL) {
            view.worker = task->worker->session.id;
        }
        visit(context, &view);
    }
}

static const char *why_idle(const struct xdb_worker *worker,
                            const struct xdb_worker_why *found)
{
    switch ((enum xdb_worker_state)worker->state) {
    case XDB_WORKER_IDLE:
        return found->waiting == 0 ? "no task waits"
               : found->fitting == 0
                   ? "it cannot run what waits"
                   : "what waits is paused, limited or behind a barrier";
    case XDB_WORKER_BLOCKED:
        return "its connection is full";
    case XDB_WORKER_SUSPECT:
        return "it was not heard of for a while";
    case XDB_WORKER_DRAINING:
        return "it is leaving";
    case XDB_WORKER_STUCK:
        return "it ignored an interrupt and was told to end";
    default:
        return "";
    }
}

enum xd_err xdb_core_explain_worker(const struct xdb_core *core,
                                    struct xd_session_id session,
                                    struct xdb_worker_why *out)
{
    const struct xdb_worker *worker = xdb_worker_find(core, session);
    if (worker == NULL) {
        return XD_ERR_NOT_FOUND;
    }
    *out = (struct xdb_worker_why){.state = xdb_worker_state_name(worker),
                                   .profile = worker->pool->owner->name,
                                   .has = worker->offer->has};
    XD_LIST_EACH (link, &worker->pool->profiles) {
        const struct xdb_profile *profile = XD_ITEM(link, struct xdb_profile, in_pool);
        out->waiting += profile->queued;
        XD_LIST_EACH (kind, &profile->all_shapes) {
            const struct xdb_shape *shape = XD_ITEM(kind, struct xdb_shape, in_profile);
            bool fits = shape->queued > 0 && xdb_shape_fits(shape, worker->offer);
            out->fitting += fits ? shape->queued : 0;
        }
    }
    out->reason = why_idle(worker, out);
    return XD_OK;
}
