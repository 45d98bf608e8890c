/* SPDX-License-Identifier: MIT */
/* The policies there are: first in, first out; and early round robin. */
#include "core/policy.h"

#include "core/inside.h"

static struct xdb_task *fifo_next(const struct xdb_worker *worker)
{
    return xdb_offer_first(worker->offer);
}

const struct xdb_policy xdb_policy_fifo = {
    .name = "fifo",
    .put = xdb_shape_put,
    .put_back = xdb_shape_put,
    .next = fifo_next,
    .take = xdb_shape_take,
};

/* The next worker round the ring that takes tasks of this shape; NULL: none now. The
 * ring is the profile's list of workers, its first the one whose turn it is. */
static struct xdb_worker *next_in_ring(const struct xdb_task *task)
{
    XD_LIST_EACH (link, &task->shape->profile->workers) {
        struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_profile);
        if (xdb_worker_takes_tasks(worker) &&
            xdb_shape_fits(task->shape, worker->offer)) {
            return worker;
        }
    }
    return NULL;
}

/* Bound when it arrives, whoever is free. What cannot be bound then (no worker, or a
 * barrier before it) waits for whoever becomes free. */
static void round_robin_put(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_profile *profile = task->shape->profile;
    struct xdb_worker *worker = task->seq < profile->gate ? next_in_ring(task) : NULL;
    if (worker == NULL) {
        xdb_shape_put(core, task);
        return;
    }
    xd_list_remove(&worker->in_profile);
    xd_list_push_back(&profile->workers, &worker->in_profile);
    profile->bound_queued++;
    xdb_worker_pin(core, worker, task);
}

static void round_robin_take(struct xdb_core *core, struct xdb_task *task)
{
    if (task->worker == NULL) {
        xdb_shape_take(core, task);
        return;
    }
    xd_list_remove(&task->place);
    task->worker = NULL;
    task->shape->profile->bound_queued--;
}

static struct xdb_task *round_robin_next(const struct xdb_worker *worker)
{
    if (xd_list_is_empty(&worker->own)) {
        return xdb_offer_first(worker->offer);
    }
    return XD_ITEM(worker->own.next, struct xdb_task, place);
}

const struct xdb_policy xdb_policy_round_robin = {
    .name = "round_robin",
    .put = round_robin_put,
    .put_back = xdb_shape_put,
    .next = round_robin_next,
    .take = round_robin_take,
};
