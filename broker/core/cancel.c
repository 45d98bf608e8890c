/* SPDX-License-Identifier: MIT */
/* Cancel in three steps: out of the queue, interrupt, kill. A time limit does the same.
 */
#include "core/inside.h"

/* The caller moves it on: to CANCELLING or GHOST. */
void xdb_cancel_at_worker(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_worker *worker = task->worker;
    struct xdb_action *action =
        xdb_action_push(core, XDB_ACTION_CANCEL, &worker->session);
    action->cancel.id = task->id;
    action->cancel.level = 1;
    worker->held -= task->state == XDB_TASK_HELD ? 1 : 0;
    if (worker->leases.next == &task->place) {
        worker->cancel_since = core->now;
        xdb_session_wake(core,
                         &worker->session,
                         xd_time_add(core->now, core->config.kill_after));
    }
}

void xdb_cancel_kill(struct xdb_core *core, struct xdb_worker *worker)
{
    struct xdb_task *task = XD_ITEM(worker->leases.next, struct xdb_task, place);
    struct xdb_action *action =
        xdb_action_push(core, XDB_ACTION_CANCEL, &worker->session);
    action->cancel.id = task->id;
    action->cancel.level = 2;
    xdb_action_note(core, worker->session.id, XDB_NOTE_WARNING, "worker stuck");
    worker->stuck = true;
    xdb_worker_settle(core, worker, XDB_WORKER_KILL);
}

/* A result, a count of accepted tasks, an interrupt: for each part. */
size_t xdb_cancel_actions(const struct xdb_task *task)
{
    return 3 * (task->state == XDB_TASK_OPEN ? (size_t)task->part : 1);
}

/* The slot stays taken: the worker is not through with it. */
static void cancel_leased(struct xdb_core *core,
                          struct xdb_task *task,
                          enum xdb_task_move move,
                          struct xdb_outcome outcome)
{
    xdb_cancel_at_worker(core, task);
    xdb_task_finish(core, task, move, XDB_TASK_CANCELLING, outcome);
    if (xdb_fault(5)) {
        task->worker->leased--;
        xdb_worker_settle(core, task->worker, XDB_WORKER_EMPTY);
    }
}

void xdb_cancel_task(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move,
                     struct xdb_outcome outcome)
{
    if (task->state == XDB_TASK_QUEUED) {
        xdb_task_unqueue(core, task);
        xdb_task_finish(core, task, move, XDB_TASK_ENDED, outcome);
    } else if (task->state == XDB_TASK_HELD || task->state == XDB_TASK_RUNNING) {
        cancel_leased(core, task, move, outcome);
    } else if (xdb_task_is_aside(task)) {
        xdb_aside_take(core, task);
        xdb_task_finish(core, task, move, XDB_TASK_ENDED, outcome);
    } else if (task->state == XDB_TASK_BARRIER) {
        xdb_barrier_remove(core, task);
        xdb_task_finish(core, task, move, XDB_TASK_ENDED, outcome);
    } else if (task->state == XDB_TASK_OPEN) {
        xdb_barrier_each_part(core, task, xdb_cancel_task, move, outcome);
    }
}

/* The tasks of that id which the event may cancel, one after the other. */
static struct xdb_task *next_target(const struct xdb_core *core,
                                    const struct xdb_event *event,
                                    const struct xd_task_id *id,
                                    struct xd_list **at)
{
    if (!event->ids.any_session) {
        const struct xdb_client *own = xdb_client_find(core, event->session);
        struct xdb_task *task =
            *at == NULL && own != NULL ? xdb_task_find(own, id) : NULL;
        *at = core->clients.prev;
        return task;
    }
    struct xd_list *link = *at == NULL ? core->clients.next : (*at)->next;
    for (; link != &core->clients; link = link->next) {
        const struct xdb_client *client = XD_ITEM(link, struct xdb_client, in_core);
        struct xdb_task *task =
            client->principal == event->ids.principal ? xdb_task_find(client, id) : NULL;
        if (task != NULL) {
            *at = link;
            return task;
        }
    }
    return NULL;
}

static void prefetch(const struct xdb_core *core, const struct xdb_event *event)
{
    const struct xdb_client *client = xdb_client_find(core, event->session);
    for (size_t i = 0; client != NULL && i < event->ids.count; i++) {
        const struct xd_task_id *id = &event->ids.ids[i];
        xd_map_prefetch(&client->tasks_by_id, id, sizeof *id);
    }
}

enum xd_err xdb_plan_cancel(struct xdb_core *core,
                            const struct xdb_event *event,
                            size_t *need)
{
    prefetch(core, event);
    for (size_t i = 0; i < event->ids.count; i++) {
        struct xd_list *at = NULL;
        const struct xdb_task *task;
        while ((task = next_target(core, event, &event->ids.ids[i], &at)) != NULL) {
            *need += xdb_cancel_actions(task);
            xdb_task_prefetch(task);
        }
        *need += 1;
    }
    return XD_OK;
}

static void cancel_id(struct xdb_core *core,
                      const struct xdb_event *event,
                      const struct xd_task_id *id)
{
    bool found = false;
    struct xd_list *at = NULL;
    struct xdb_task *task;
    while ((task = next_target(core, event, id, &at)) != NULL) {
        found = true;
        xdb_cancel_task(core,
                        task,
                        XDB_MOVE_CANCEL,
                        (struct xdb_outcome){.outcome = XD_OUTCOME_CANCELLED,
                                             .error = core->texts.cancelled});
    }
    if (!found) {
        xdb_action_error(core, event->session, XD_ERR_NOT_FOUND, "no such task");
    }
}

void xdb_apply_cancel(struct xdb_core *core, struct xdb_event *event)
{
    if (!event->ids.any_session && xdb_client_find(core, event->session) == NULL) {
        core->counters.stale++;
        return;
    }
    for (size_t i = 0; i < event->ids.count; i++) {
        cancel_id(core, event, &event->ids.ids[i]);
    }
}
