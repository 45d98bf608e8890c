/* SPDX-License-Identifier: MIT */
/* The end of every step: bring waiting tasks and willing workers together. */
#include "core/inside.h"

/* What one end decided here may say: the count of accepted tasks, an outcome. */
#define FATE_ACTIONS 2u

static void fill_task(struct xdb_action *action, struct xdb_task *task, bool ahead)
{
    struct xdb_task *source = task->barrier != NULL ? task->barrier : task;
    action->room.task = (struct xd_task){
        .id = task->id,
        .format = task->shape->format,
        .everywhere = task->barrier != NULL,
        .hold = ahead,
        .timeout_ms = source->extra == NULL ? 0 : source->extra->timeout_ms,
        .attempt = xdb_extra_attempt(task),
        .part = xdb_task_part(task),
        .setup = source->setup,
        .origin = task->client->session.id,
        .callee = task->shape->callee,
        .frames = xdb_task_frames(source),
        .frame_count = source->frame_count,
    };
    xdb_bond_give(task, &action->room.task);
}

/* What it was to get cannot be read any more. */
static void end_without(struct xdb_core *core, struct xdb_task *task)
{
    xdb_task_unqueue(core, task);
    xdb_task_finish(
        core,
        task,
        XDB_MOVE_RESULT,
        XDB_TASK_ENDED,
        (struct xdb_outcome){XD_OUTCOME_FAILED, core->texts.given_gone, NULL});
}

/* False without room for the action: nothing changed, the next step goes on. */
static bool send(struct xdb_core *core,
                 struct xdb_worker *worker,
                 struct xdb_task *task,
                 bool ahead)
{
    if (xdb_action_reserve(core, FATE_ACTIONS + 1) != XD_OK) {
        core->starved = true;
        return false;
    }
    if (!xdb_bond_can_give(core, task)) {
        end_without(core, task);
        return true;
    }
    struct xdb_profile *profile = task->shape->profile;
    if (task->barrier == NULL) {
        xdb_share_charge(core, task, worker->offer);
    }
    xdb_task_unqueue(core, task);
    if (task->barrier == NULL) {
        xdb_estimate_begin(core, task->shape);
    }
    xdb_share_turn(core, profile);
    xdb_task_move(core, task, XDB_MOVE_SEND, ahead ? XDB_TASK_HELD : XDB_TASK_RUNNING);
    xdb_worker_add_lease(core, worker, task, ahead);
    core->counters.dispatched++;
    fill_task(xdb_action_push(core, XDB_ACTION_SEND_TASK, &worker->session), task, ahead);
    return true;
}

/* What is pinned to it goes first; a part only when it is idle, and before all else. */
static struct xdb_task *next_task(const struct xdb_worker *worker)
{
    XD_LIST_EACH (link, &worker->own) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (task->barrier != NULL) {
            return worker->state == XDB_WORKER_IDLE ? task : NULL;
        }
        if (xdb_profile_may_run(task->shape->profile)) {
            return task;
        }
    }
    return xdb_offer_first(worker->offer);
}

static void serve_worker(struct xdb_core *core, struct xdb_worker *worker)
{
    bool sent = true;
    while (sent && xdb_worker_takes_tasks(worker)) {
        bool idle = worker->state == XDB_WORKER_IDLE;
        struct xdb_task *task = next_task(worker);
        sent = task != NULL && (idle || xdb_hold_allows(core, worker, task)) &&
               send(core, worker, task, !idle);
    }
}

/* What goes to the next worker that is free, probably: until then it may come near. */
static void prefetch_next(const struct xdb_offer *offer)
{
    const struct xdb_task *next = xdb_offer_first(offer);
    if (next != NULL) {
        xdb_task_prefetch_record(next);
    }
}

static void serve_idle(struct xdb_core *core, struct xdb_offer *offer)
{
    bool any = false;
    while (!xd_list_is_empty(&offer->idle)) {
        struct xdb_worker *worker = XD_ITEM(offer->idle.next, struct xdb_worker, ready);
        struct xdb_task *task = next_task(worker);
        if (task == NULL || !send(core, worker, task, false)) {
            return;
        }
        any = true;
    }
    if (any) {
        prefetch_next(offer);
    }
}

/* Round the busy ones, one each; who takes no more leaves the ring until its next
 * result. */
static void serve_ahead(struct xdb_core *core, struct xdb_offer *offer)
{
    while (!xd_list_is_empty(&offer->ahead)) {
        struct xdb_worker *worker = XD_ITEM(offer->ahead.next, struct xdb_worker, ready);
        struct xdb_task *task = next_task(worker);
        if (task == NULL) {
            return;
        }
        if (!xdb_hold_allows(core, worker, task)) {
            xd_list_remove(&worker->ready);
            continue;
        }
        if (!send(core, worker, task, true)) {
            return;
        }
        if (!xd_list_is_empty(&worker->ready)) {
            xd_list_remove(&worker->ready);
            xd_list_push_back(&offer->ahead, &worker->ready);
        }
    }
}

static void serve_awake(struct xdb_core *core)
{
    while (!core->starved && !xd_list_is_empty(&core->awake)) {
        struct xdb_worker *worker = XD_ITEM(core->awake.next, struct xdb_worker, awake);
        serve_worker(core, worker);
        if (!core->starved) {
            xd_list_remove(&worker->awake);
        }
    }
}

static void serve_hungry(struct xdb_core *core)
{
    while (!core->starved && !xd_list_is_empty(&core->hungry)) {
        struct xdb_offer *offer = XD_ITEM(core->hungry.next, struct xdb_offer, hungry);
        serve_idle(core, offer);
        if (!core->starved) {
            serve_ahead(core, offer);
        }
        if (!core->starved) {
            xd_list_remove(&offer->hungry);
        }
    }
}

/* One end may decide the next: the list grows at its end meanwhile. */
static void serve_fated(struct xdb_core *core)
{
    while (!core->starved && !xd_list_is_empty(&core->fated)) {
        struct xdb_bond *bond = XD_ITEM(core->fated.next, struct xdb_bond, fated);
        core->starved = xdb_action_reserve(core, FATE_ACTIONS + 1) != XD_OK ||
                        xdb_bond_settle(core, bond) != XD_OK;
    }
}

static void serve_spent(struct xdb_core *core)
{
    while (!core->starved && !xd_list_is_empty(&core->spent)) {
        struct xdb_task *task = XD_ITEM(core->spent.next, struct xdb_task, place);
        core->starved = xdb_action_reserve(core, 1 + 1) != XD_OK;
        if (!core->starved) {
            xdb_task_spend(core, task);
        }
    }
}

static void serve_touched(struct xdb_core *core)
{
    while (!core->starved && !xd_list_is_empty(&core->touched)) {
        struct xdb_profile *profile =
            XD_ITEM(core->touched.next, struct xdb_profile, touched);
        xdb_barrier_try_open(core, profile);
        if (!core->starved) {
            xd_list_remove(&profile->touched);
            xdb_profile_tidy(core, profile);
        }
    }
}

void xdb_dispatch(struct xdb_core *core)
{
    core->starved = false;
    do {
        serve_fated(core);
        serve_awake(core);
        serve_hungry(core);
        serve_spent(core);
        serve_touched(core);
    } while (!core->starved &&
             !(xd_list_is_empty(&core->awake) && xd_list_is_empty(&core->hungry) &&
               xd_list_is_empty(&core->fated)));
}
