/* SPDX-License-Identifier: MIT */
/* Everywhere-tasks: a place in the profile's order that everything before it has passed
 * and nothing behind it passes, until each worker has ended its part. */
#include "core/inside.h"

static struct xdb_task *first_barrier(const struct xdb_profile *profile)
{
    return xd_list_is_empty(&profile->barriers)
               ? NULL
               : XD_ITEM(profile->barriers.next, struct xdb_task, place);
}

static void set_gate(struct xdb_core *core, struct xdb_profile *profile)
{
    const struct xdb_task *first = first_barrier(profile);
    uint64_t gate = first == NULL ? UINT64_MAX : first->seq;
    if (gate == profile->gate || (xdb_fault(10) && gate == UINT64_MAX)) {
        return;
    }
    profile->gate = gate;
    xdb_profile_touch(core, profile);
    XD_LIST_EACH (link, &profile->all_shapes) {
        xdb_shape_head_changed(core, XD_ITEM(link, struct xdb_shape, in_profile));
    }
}

void xdb_barrier_put(struct xdb_core *core, struct xdb_task *barrier)
{
    struct xdb_profile *profile = barrier->shape->profile;
    xd_list_push_back(&profile->barriers, &barrier->place);
    set_gate(core, profile);
}

void xdb_barrier_remove(struct xdb_core *core, struct xdb_task *barrier)
{
    xd_list_remove(&barrier->place);
    set_gate(core, barrier->shape->profile);
}

/* Have all tasks before it been sent? */
static bool is_at_front(const struct xdb_profile *profile, const struct xdb_task *barrier)
{
    if (profile->bound_queued > 0) {
        return false;
    }
    XD_LIST_EACH (link, &profile->all_shapes) {
        const struct xdb_shape *shape = XD_ITEM(link, struct xdb_shape, in_profile);
        if (xdb_shape_first_seq(shape) < barrier->seq) {
            return false;
        }
    }
    return true;
}

static uint64_t live_workers(const struct xdb_shape *shape)
{
    uint64_t live = 0;
    XD_LIST_EACH (link, &shape->fits) {
        live += XD_ITEM(link, struct xdb_fit, in_shape)->site->offer->live;
    }
    return live;
}

static void make_part(struct xdb_core *core,
                      struct xdb_task *barrier,
                      struct xdb_worker *worker,
                      uint32_t number)
{
    struct xdb_task *part = xdb_task_new(core);
    part->id = barrier->id;
    part->client = barrier->client;
    part->barrier = barrier;
    part->part = number;
    part->parts = barrier->parts;
    part->seq = barrier->seq;
    xdb_shape_use(barrier->shape, part);
    xdb_admit_charge(core, part, 0);
    xd_list_push_back(&barrier->client->open, &part->in_client);
    xdb_task_move(core, part, XDB_MOVE_PART, XDB_TASK_QUEUED);
    xdb_worker_pin(core, worker, part);
}

static void open_barrier(struct xdb_core *core, struct xdb_task *barrier, uint32_t parts)
{
    struct xdb_profile *profile = barrier->shape->profile;
    barrier->part = barrier->parts = barrier->alive = parts;
    xdb_task_move(core, barrier, XDB_MOVE_OPEN, XDB_TASK_OPEN);
    uint32_t number = 0;
    XD_LIST_EACH (link, &profile->pool->workers) {
        struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        if (xdb_worker_is_live(worker) && xdb_shape_fits(barrier->shape, worker->offer)) {
            make_part(core, barrier, worker, number++);
        }
    }
    xd_assert(number == parts);
}

void xdb_barrier_try_open(struct xdb_core *core, struct xdb_profile *profile)
{
    struct xdb_task *barrier = first_barrier(profile);
    if (barrier == NULL || barrier->state != XDB_TASK_BARRIER ||
        !(is_at_front(profile, barrier) || xdb_fault(7))) {
        return;
    }
    uint64_t live = live_workers(barrier->shape);
    if (live < (barrier->parts == 0 ? 1 : barrier->parts)) {
        return;
    }
    if (xdb_task_reserve(core, live) != XD_OK) {
        core->starved = true;
        return;
    }
    open_barrier(core, barrier, (uint32_t)live);
}

/* The last part ended: what stands behind may pass. */
static void close_barrier(struct xdb_core *core, struct xdb_task *barrier)
{
    xdb_barrier_remove(core, barrier);
    xdb_extra_end(core, barrier);
    xdb_task_drop_frames(barrier);
    xdb_admit_to_result(core, barrier, 0);
    barrier->shape->profile->done++;
    xdb_task_move(core, barrier, XDB_MOVE_CLOSE, XDB_TASK_CLOSED);
    xdb_shape_unuse(core, barrier);
    xd_list_remove(&barrier->in_client);
    barrier->client->open_count--;
    if (barrier->orphan) {
        core->counters.orphaned++;
    } else {
        xdb_stats_count_outcome(core, (enum xd_outcome)barrier->outcome);
    }
}

/* The whole is done when all parts are; else it is what the first other one was. */
void xdb_barrier_part_ended(struct xdb_core *core,
                            struct xdb_task *part,
                            enum xd_outcome outcome)
{
    struct xdb_task *barrier = part->barrier;
    if (barrier->outcome == 0 || barrier->outcome == XD_OUTCOME_DONE) {
        barrier->outcome = (uint8_t)outcome;
    }
    if (--barrier->part == 0) {
        close_barrier(core, barrier);
    }
}

void xdb_barrier_part_forgotten(struct xdb_core *core, struct xdb_task *part)
{
    struct xdb_task *barrier = part->barrier;
    if (--barrier->alive == 0) {
        xdb_admit_release(core, barrier);
        xdb_task_retire(core, barrier, XDB_MOVE_SPENT);
    }
}

static struct xdb_task *part_in(const struct xd_list *list,
                                const struct xdb_task *barrier)
{
    XD_LIST_EACH (link, list) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (task->barrier == barrier && task->state != XDB_TASK_CANCELLING) {
            return task;
        }
    }
    return NULL;
}

void xdb_barrier_each_part(struct xdb_core *core,
                           struct xdb_task *barrier,
                           void (*visit)(struct xdb_core *core,
                                         struct xdb_task *part,
                                         enum xdb_task_move move,
                                         struct xdb_outcome outcome),
                           enum xdb_task_move move,
                           struct xdb_outcome outcome)
{
    const struct xdb_profile *profile = barrier->shape->profile;
    XD_LIST_EACH (link, &profile->pool->workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        struct xdb_task *part = part_in(&worker->own, barrier);
        part = part != NULL ? part : part_in(&worker->leases, barrier);
        if (part != NULL) {
            visit(core, part, move, outcome);
        }
    }
}
