/* SPDX-License-Identifier: MIT */
/* Tasks sent ahead of need: predicted run times, how much may lie at a worker, and when
 * it is called back. */
#include <math.h>

#include "core/inside.h"

/* The average of the logarithms of the runs seen, the last ones more: one run of a
 * microsecond that the system interrupted for milliseconds must not end what goes ahead.
 * A run not measured says nothing. */
void xdb_hold_learn(struct xdb_shape *shape, uint64_t run_ns)
{
    if (run_ns == 0) {
        return;
    }
    shape->run_count += shape->run_count < 10 ? 1 : 0;
    shape->run_log += (log((double)run_ns) - shape->run_log) / (double)shape->run_count;
    double us = exp(shape->run_log) / 1000.0 + 1.0;
    shape->predicted_us = us > (double)UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)us;
}

/* Only short tasks, only so many predicted seconds, never one of unknown length, and
 * never two of one id (they would be other clients', and reports name no client). */
bool xdb_hold_allows(const struct xdb_core *core,
                     const struct xdb_worker *worker,
                     const struct xdb_task *task)
{
    uint64_t predicted_us = task->shape->predicted_us;
    uint64_t budget_us = (uint64_t)(core->config.hold_budget / XD_US);
    uint64_t below_us = (uint64_t)(core->config.hold_below / XD_US);
    const struct xdb_task *first = XD_ITEM(worker->leases.next, struct xdb_task, place);
    return worker->leased <= worker->hold && !worker->overdue && task->barrier == NULL &&
           predicted_us != 0 && predicted_us < below_us && first->predicted_us != 0 &&
           worker->cancel_since == XD_NEVER &&
           worker->predicted_us + predicted_us <= budget_us &&
           xdb_worker_lease_any(worker, &task->key.id) == NULL;
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
                task->key.id;
        }
    }
}
