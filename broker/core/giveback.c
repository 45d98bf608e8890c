/* SPDX-License-Identifier: MIT */
/* Tasks that come back unstarted: the send failed, or the worker hands them back. */
#include "core/inside.h"

/* To where they were in the order; a part has no other place than its worker. */
static void give_back(struct xdb_core *core,
                      struct xdb_worker *worker,
                      struct xdb_task *task)
{
    if (!xdb_task_unlease(core, task, XDB_MOVE_RETURN)) {
        return;
    }
    core->counters.returned++;
    xdb_task_move(core, task, XDB_MOVE_RETURN, XDB_TASK_QUEUED);
    if (xdb_fault(14)) {
        return;
    }
    if (task->barrier == NULL) {
        xdb_shape_put(core, task);
        return;
    }
    xdb_worker_pin(core, worker, task);
    if (!xdb_worker_is_live(worker)) {
        xdb_worker_unpin_all(core, worker);
    }
}

static void give_back_all(struct xdb_core *core,
                          struct xdb_worker *worker,
                          const struct xd_task_id *ids,
                          size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct xdb_task *task = xdb_worker_lease_any(worker, &ids[i]);
        if (task == NULL) {
            core->counters.stale++;
        } else {
            give_back(core, worker, task);
        }
    }
}

void xdb_worker_give_back_rest(struct xdb_core *core, struct xdb_worker *worker)
{
    while (!xd_list_is_empty(&worker->leases)) { /* the last first: to their old order */
        give_back(core, worker, XD_ITEM(worker->leases.prev, struct xdb_task, place));
    }
}

static bool was_asked(const struct xdb_worker *worker,
                      const struct xd_task_id *ids,
                      size_t count)
{
    bool asked = count > 0;
    for (size_t i = 0; i < count; i++) {
        const struct xdb_task *task = xdb_worker_lease_any(worker, &ids[i]);
        asked = asked && (task == NULL || task->recalled);
    }
    return asked;
}

/* A part that a leaving worker hands back is lost: a result and a count; so may one be
 * that was pinned. */
enum xd_err xdb_plan_recalled(struct xdb_core *core,
                              const struct xdb_event *event,
                              size_t *need)
{
    *need = 4;
    return XD_OK;
}

void xdb_apply_recalled(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    if (worker == NULL) {
        core->counters.stale++;
        return;
    }
    if (!was_asked(worker, event->ids.ids, event->ids.count)) {
        worker->leaving = true;
        xdb_worker_settle(core, worker, XDB_WORKER_LEAVES);
    }
    give_back_all(core, worker, event->ids.ids, event->ids.count);
}

enum xd_err xdb_plan_send_failed(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need)
{
    const struct xdb_worker *worker = xdb_worker_find(core, event->session);
    const struct xdb_client *client = xdb_client_find(core, event->session);
    *need = 4 + (worker != NULL ? xdb_worker_end_actions(worker) : 0) +
            (client != NULL ? xdb_client_end_actions(core, client) : 0);
    return XD_OK;
}

void xdb_apply_send_failed(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_client *client = xdb_client_find(core, event->session);
    if (client != NULL && event->send_failed.gone) {
        xdb_client_end(core, client);
        return;
    }
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    if (worker == NULL) {
        core->counters.stale += client == NULL ? 1 : 0;
        return;
    }
    worker->full = true;
    xdb_worker_settle(core, worker, XDB_WORKER_FULL);
    give_back_all(core, worker, event->send_failed.ids, event->send_failed.count);
    if (event->send_failed.gone) {
        xdb_worker_end(core, worker);
    }
}

void xdb_apply_unblocked(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    if (worker != NULL) {
        worker->full = false;
        xdb_worker_settle(core, worker, XDB_WORKER_WRITABLE);
    }
}
