/* SPDX-License-Identifier: MIT */
/* The policies there are. */
#include "core/policy.h"

#include "core/inside.h"

/* Shortest first, but who waits long goes before who came later: a task is as old as if
 * it had come AGE times its run time later, and at most AGE_MAX. */
#define AGE 8
#define AGE_MAX (300 * XD_S)

/* Sequence numbers of one rank: 2^47 tasks. */
#define SEQ_BITS 47

static uint8_t one_band(const struct xdb_core *core, const struct xdb_shape *shape)
{
    return 0;
}

static uint8_t band_by_time(const struct xdb_core *core, const struct xdb_shape *shape)
{
    uint64_t us = shape->predicted_us > 0 ? shape->predicted_us
                                          : (uint64_t)(core->config.run_unknown / XD_US);
    const uint64_t *at_us = shape->profile->cuts.at_us;
    uint8_t band = 0;
    while (band < XDB_CUTS && us >= at_us[band]) {
        band++;
    }
    return xdb_fault(19) ? (uint8_t)(XDB_BANDS - 1 - band) : band;
}

static xd_time by_seq(const struct xdb_shape *shape, const struct xdb_task *first)
{
    return (xd_time)first->seq;
}

static xd_time by_age(const struct xdb_shape *shape, const struct xdb_task *first)
{
    xd_time run = (xd_time)shape->predicted_us * XD_US;
    return xdb_fault(24) ? run
                         : xd_time_add(first->arrived, xd_time_min(AGE * run, AGE_MAX));
}

static xd_time by_rank(const struct xdb_shape *shape, const struct xdb_task *first)
{
    int rank = xdb_fault(25) ? 0 : shape->rank;
    return (xd_time)((uint64_t)(INT16_MAX - rank) << SEQ_BITS | first->seq);
}

/* The next worker round the ring that takes tasks of this shape; NULL: none now. The
 * ring is the pool's list of workers, its first the one whose turn it is. */
static struct xdb_worker *next_in_ring(const struct xdb_task *task)
{
    XD_LIST_EACH (link, &task->shape->profile->pool->workers) {
        struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        if (xdb_worker_takes_tasks(worker) &&
            xdb_shape_fits(task->shape, worker->offer)) {
            return worker;
        }
    }
    return NULL;
}

/* Bound when it arrives, whoever is free. What cannot be bound then (no worker, or a
 * barrier before it) waits for whoever becomes free. */
static void put_in_ring(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_profile *profile = task->shape->profile;
    struct xdb_worker *worker = task->seq < profile->gate ? next_in_ring(task) : NULL;
    if (worker == NULL) {
        xdb_shape_put(core, task);
        return;
    }
    xd_list_remove(&worker->in_pool);
    xd_list_push_back(&profile->pool->workers, &worker->in_pool);
    profile->bound_queued++;
    xdb_worker_pin(core, worker, task);
}

static struct xdb_worker *wanted_by(const struct xdb_core *core,
                                    const struct xdb_task *task)
{
    struct xd_session_id wanted = {task->extra == NULL ? 0 : task->extra->wanted.n};
    struct xdb_worker *worker = wanted.n == 0 ? NULL : xdb_worker_find(core, wanted);
    const struct xdb_profile *profile = task->shape->profile;
    bool fits = worker != NULL && worker->pool == profile->pool &&
                xdb_worker_is_live(worker) && task->seq < profile->gate &&
                xdb_shape_fits(task->shape, worker->offer);
    return fits ? worker : NULL;
}

void xdb_policy_put(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_profile *profile = task->shape->profile;
    struct xdb_worker *worker = wanted_by(core, task);
    if (worker != NULL) {
        profile->bound_queued++;
        xdb_worker_pin(core, worker, task);
    } else {
        profile->policy->put(core, task);
    }
}

const struct xdb_policy xdb_policies[XDB_POLICIES] = {
    [XDB_POLICY_BANDS] = {"bands", false, band_by_time, by_seq, xdb_shape_put},
    [XDB_POLICY_FIFO] = {"fifo", false, one_band, by_seq, xdb_shape_put},
    [XDB_POLICY_SJF] = {"sjf", true, one_band, by_age, xdb_shape_put},
    [XDB_POLICY_PRIORITY] = {"priority", false, one_band, by_rank, xdb_shape_put},
    [XDB_POLICY_ROUND_ROBIN] = {"round_robin", false, one_band, by_seq, put_in_ring},
};
