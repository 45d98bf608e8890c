/* SPDX-License-Identifier: MIT */
/* Tasks sent ahead of need: how much may lie at a worker, and when it is called back. */
#include "core/inside.h"

/* Is its predicted run time more than a guess from other classes? */
static bool is_known(const struct xdb_task *task, uint64_t predicted_us)
{
    return predicted_us != 0 && xdb_estimate_is_known(task->shape);
}

/* Only short tasks, only so many predicted seconds, nothing of or behind a task whose
 * class nobody knows, and never two of one id (they would be other clients', and reports
 * name no client). */
bool xdb_hold_allows(const struct xdb_core *core,
                     const struct xdb_worker *worker,
                     const struct xdb_task *task)
{
    uint64_t predicted_us = task->shape->predicted_us;
    uint64_t budget_us = (uint64_t)(core->config.hold_budget / XD_US);
    uint64_t below_us = (uint64_t)(core->config.hold_below / XD_US);
    const struct xdb_task *first = XD_ITEM(worker->leases.next, struct xdb_task, place);
    return worker->leased <= worker->hold && !worker->overdue && task->barrier == NULL &&
           is_known(task, predicted_us) && predicted_us < below_us &&
           is_known(first, first->predicted_us) && worker->cancel_since == XD_NEVER &&
           worker->predicted_us + predicted_us <= budget_us &&
           xdb_worker_lease_any(worker, &task->id) == NULL;
}

/* Its first task took longer than predicted: what lies behind it is better served
 * elsewhere. */
void xdb_hold_recall(struct xdb_core *core, struct xdb_worker *worker)
{
    worker->overdue = true;
    xd_list_remove(&worker->ready);
    XD_LIST_EACH (link, &worker->leases) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (task->state == XDB_TASK_HELD && !task->recalled &&
            link != worker->leases.next) {
            task->recalled = true;
            xdb_action_push(core, XDB_ACTION_RECALL, &worker->session)->recall.id =
                task->id;
        }
    }
}
