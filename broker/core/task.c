/* SPDX-License-Identifier: MIT */
/* Task records: their states, how they end, how they are kept and reused. */
#include "core/task.h"

#include "core/inside.h"

/* A million queued ones take 250 bytes each, with the allocator's and the table's. */
_Static_assert(sizeof(struct xdb_task) <= 232, "a record that grew");

#define ROW(from, move, to, text)                                                        \
    {                                                                                    \
        XDB_TASK_##from, XDB_MOVE_##move, XDB_TASK_##to,                                 \
            #from " " #move " " #to ": " text                                            \
    }

static const struct xdb_row rows[] = {
    ROW(NEW, SUBMIT, QUEUED, "accepted"),
    ROW(NEW, SUBMIT, BARRIER, "accepted, for all workers"),
    ROW(NEW, SUBMIT, DELAYED, "accepted, for later"),
    ROW(NEW, SUBMIT, WAITING, "accepted, waits for others"),
    ROW(NEW, REJECT, ENDED, "the broker is draining"),
    ROW(NEW, PART, QUEUED, "a part waits for its worker"),
    ROW(QUEUED, SEND, RUNNING, "sent to a free worker"),
    ROW(QUEUED, SEND, HELD, "sent ahead to a busy worker"),
    ROW(QUEUED, LOSE, ENDED, "a part whose worker is gone"),
    ROW(QUEUED, CANCEL, ENDED, "cancelled while it waited"),
    ROW(QUEUED, EXPIRE, ENDED, "expired while it waited"),
    ROW(QUEUED, RESULT, ENDED, "what it comes after is gone"),
    ROW(QUEUED, ORPHAN, FREE, "its client is gone"),
    ROW(HELD, START, RUNNING, "the worker begins it"),
    ROW(HELD, RETURN, QUEUED, "handed back, or it did not leave"),
    ROW(HELD, RESULT, DELAYED, "failed without a word of its start, once more"),
    ROW(HELD, RESULT, ENDED, "result without a word of its start"),
    ROW(HELD, LOSE, DELAYED, "worker lost, once more"),
    ROW(HELD, LOSE, BURIED, "too many workers lost"),
    ROW(HELD, LOSE, ENDED, "worker lost; it may have begun"),
    ROW(HELD, CANCEL, CANCELLING, "cancelled ahead of its turn"),
    ROW(HELD, EXPIRE, CANCELLING, "expired ahead of its turn"),
    ROW(HELD, ORPHAN, GHOST, "its client is gone"),
    ROW(RUNNING, RETURN, QUEUED, "it did not leave, or was not begun"),
    ROW(RUNNING, RESULT, ENDED, "result"),
    ROW(RUNNING, RESULT, DELAYED, "failed, once more"),
    ROW(RUNNING, LOSE, DELAYED, "worker lost, once more"),
    ROW(RUNNING, LOSE, BURIED, "too many workers lost"),
    ROW(RUNNING, LOSE, ENDED, "worker lost"),
    ROW(RUNNING, CANCEL, CANCELLING, "cancelled while it ran"),
    ROW(RUNNING, EXPIRE, CANCELLING, "expired while it ran"),
    ROW(RUNNING, ORPHAN, GHOST, "its client is gone"),
    ROW(CANCELLING, RETURN, ENDED, "the worker had not begun it"),
    ROW(CANCELLING, RESULT, ENDED, "the worker is through"),
    ROW(CANCELLING, LOSE, ENDED, "worker lost"),
    ROW(CANCELLING, ORPHAN, GHOST, "its client is gone"),
    ROW(CANCELLING, ACK, GHOST, "acknowledged before the worker is through"),
    ROW(GHOST, RETURN, FREE, "the worker had not begun it"),
    ROW(GHOST, RESULT, FREE, "the worker is through"),
    ROW(GHOST, LOSE, FREE, "worker lost"),
    ROW(ENDED, ORPHAN, FREE, "its client is gone"),
    ROW(ENDED, ACK, FREE, "acknowledged"),
    ROW(ENDED, ACK, KEPT, "acknowledged, and still of use"),
    ROW(KEPT, SPENT, FREE, "nobody needs it any more"),
    ROW(KEPT, ORPHAN, FREE, "its client is gone"),
    ROW(BARRIER, CANCEL, ENDED, "cancelled while it waited"),
    ROW(BARRIER, EXPIRE, ENDED, "expired while it waited"),
    ROW(BARRIER, ORPHAN, FREE, "its client is gone"),
    ROW(BARRIER, OPEN, OPEN, "its parts are out"),
    ROW(OPEN, CLOSE, CLOSED, "all parts have ended"),
    ROW(CLOSED, SPENT, FREE, "all parts are forgotten"),
    ROW(DELAYED, READY, QUEUED, "its time has come"),
    ROW(DELAYED, READY, WAITING, "its time has come, its twin is before it"),
    ROW(DELAYED, CANCEL, ENDED, "cancelled before its time"),
    ROW(DELAYED, EXPIRE, ENDED, "expired before its time"),
    ROW(DELAYED, ORPHAN, FREE, "its client is gone"),
    ROW(BURIED, KICK, QUEUED, "kicked"),
    ROW(BURIED, CANCEL, ENDED, "cancelled in quarantine"),
    ROW(BURIED, EXPIRE, ENDED, "expired in quarantine"),
    ROW(BURIED, ORPHAN, FREE, "its client is gone"),
    ROW(WAITING, READY, QUEUED, "it waits for no other any more"),
    ROW(WAITING, READY, DELAYED, "the others have ended, its time has not come"),
    ROW(WAITING, RESULT, ENDED, "its outcome follows from another's"),
    ROW(WAITING, CANCEL, ENDED, "cancelled while it waited for others"),
    ROW(WAITING, EXPIRE, ENDED, "expired while it waited for others"),
    ROW(WAITING, ORPHAN, FREE, "its client is gone"),
};

const struct xdb_table xdb_task_table = {"task",
                                         rows,
                                         (uint8_t)(sizeof rows / sizeof rows[0])};

enum xd_err xdb_task_reserve(struct xdb_core *core, size_t more)
{
    return xdb_slabs_reserve(&core->records, more);
}

struct xdb_task *xdb_task_new(struct xdb_core *core)
{
    struct xdb_task *task = xdb_slabs_take(&core->records);
    *task = (struct xdb_task){.state = XDB_TASK_NEW};
    xd_list_init(&task->place);
    xd_list_init(&task->in_client);
    core->states[XDB_TASK_NEW]++;
    return task;
}

/* The gauges of the profile, where the record still stands in it. */
static void count_in_profile(struct xdb_core *core, struct xdb_task *task, uint64_t by)
{
    if (task->shape == NULL) {
        return;
    }
    struct xdb_profile *profile = task->shape->profile;
    if (xdb_task_is_leased(task)) {
        profile->leased += by;
        if (profile->max_running > 0) {
            xdb_share_turn(core, profile);
            xdb_worker_wake_pinned(core, profile);
        }
    } else if (task->state == XDB_TASK_QUEUED || task->state == XDB_TASK_BARRIER ||
               xdb_task_is_aside(task)) {
        profile->queued += by;
    }
}

void xdb_task_move(struct xdb_core *core,
                   struct xdb_task *task,
                   enum xdb_task_move move,
                   enum xdb_task_state to)
{
    xdb_hits_take(&core->task_hits, task->state, (uint8_t)move, (uint8_t)to);
    core->states[task->state]--;
    count_in_profile(core, task, UINT64_MAX); /* minus one */
    task->state = (uint8_t)to;
    core->states[to]++;
    count_in_profile(core, task, 1);
    if (task->extra != NULL) {
        if (to == XDB_TASK_RUNNING) {
            xdb_extra_touch(core, task);
        }
        xdb_extra_arm(core, task);
    }
}

void xdb_task_retire(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move)
{
    xdb_task_move(core, task, move, XDB_TASK_FREE);
    core->states[XDB_TASK_FREE]--;
    if (task->by_ref) {
        xdb_action_let_go(core, task);
        task->client->by_ref--;
    }
    xdb_extra_detach(core, task);
    if (task->client != NULL && task->barrier == NULL) {
        xd_map_remove(&task->client->tasks_by_id, &task->by_id);
    }
    xdb_shape_unuse(core, task);
    xd_list_remove(&task->in_client);
    xd_list_remove(&task->place);
    xd_list_push_back(&core->dead, &task->place);
}

static bool any_ref(const struct xd_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (xd_ref_is_set(frames[i].ref)) {
            return true;
        }
    }
    return false;
}

/* The record keeps what came out of the task from now on. */
static void take_outcome(struct xdb_task *task, struct xdb_outcome *outcome)
{
    xdb_task_drop_frames(task);
    task->outcome = (uint8_t)outcome->outcome;
    if (outcome->result != NULL) {
        xdb_task_take_frames(task, outcome->result->frames, outcome->result->frame_count);
        outcome->result->frames = NULL;
        outcome->result->frame_count = 0;
    }
    task->by_ref = any_ref(xdb_task_frames(task), task->frame_count);
    task->client->by_ref += task->by_ref ? 1 : 0;
}

/* Others may wait for it; it waits for none. */
static void tell_others(struct xdb_core *core,
                        struct xdb_task *task,
                        const struct xdb_outcome *outcome)
{
    if (task->extra != NULL && task->barrier == NULL) {
        xdb_memo_end(core, task, outcome);
        xdb_bond_tell(core, task, outcome);
        xdb_bond_release(core, task);
    }
}

void xdb_task_finish(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move,
                     enum xdb_task_state to,
                     struct xdb_outcome outcome)
{
    struct xdb_client *client = task->client;
    bool is_new = task->state == XDB_TASK_NEW;
    xdb_extra_end(core, task);
    take_outcome(task, &outcome);
    if (!is_new) {
        xdb_admit_to_result(core,
                            task,
                            xd_frames_bytes(xdb_task_frames(task), task->frame_count));
    }
    if (task->shape != NULL) {
        task->shape->profile->ended++;
        task->shape->profile->done += task->barrier == NULL ? 1 : 0;
    }
    xdb_task_move(core, task, move, to);
    if (to == XDB_TASK_ENDED) {
        xdb_shape_unuse(core, task);
    }
    xd_list_remove(&task->in_client);
    xd_list_push_back(&client->unacked, &task->in_client);
    client->results++;
    if (task->barrier == NULL) { /* acknowledged soon, it is taken out */
        xd_map_prefetch_place(&client->tasks_by_id, &task->by_id);
    }
    xdb_action_result(core, task, &outcome);
    tell_others(core, task, &outcome);
    if (task->barrier != NULL) {
        xdb_barrier_part_ended(core, task, outcome.outcome);
    } else {
        client->open_count -= is_new ? 0 : 1;
        xdb_stats_count_outcome(core, outcome.outcome);
    }
}

static void go(struct xdb_core *core, struct xdb_task *task, enum xdb_task_move move)
{
    if (task->barrier != NULL) {
        xdb_barrier_part_forgotten(core, task);
    }
    if (!xdb_fault(2)) {
        xdb_admit_release(core, task);
    }
    xdb_task_retire(core, task, move);
}

void xdb_task_forget(struct xdb_core *core, struct xdb_task *task)
{
    if (!task->by_ref && (!xdb_bond_is_needed(task) || xdb_fault(36))) {
        go(core, task, XDB_MOVE_ACK);
        return;
    }
    xdb_task_move(core, task, XDB_MOVE_ACK, XDB_TASK_KEPT);
    xd_list_remove(&task->in_client);
    xd_list_push_back(&task->client->kept, &task->in_client);
    if (!xdb_bond_is_needed(task)) {
        xd_list_push_back(&core->spent, &task->place);
    }
}

void xdb_task_spend(struct xdb_core *core, struct xdb_task *task)
{
    xd_list_remove(&task->place);
    if (!xdb_bond_is_needed(task)) {
        go(core, task, XDB_MOVE_SPENT);
    }
}

void xdb_task_unqueue(struct xdb_core *core, struct xdb_task *task)
{
    xd_assert(task->state == XDB_TASK_QUEUED);
    struct xdb_profile *profile = task->shape->profile;
    if (task->barrier != NULL) {
        xd_list_remove(&task->place);
        task->worker = NULL;
        return;
    }
    if (task->worker != NULL) { /* pinned */
        xd_list_remove(&task->place);
        task->worker = NULL;
        profile->bound_queued--;
    } else {
        xdb_shape_take(core, task);
    }
    if (!xd_list_is_empty(&profile->barriers)) {
        xdb_profile_touch(core, profile);
    }
}

/* By our own clock, in microseconds. */
static double run_so_far(const struct xdb_core *core, const struct xdb_task *task)
{
    const struct xdb_worker *worker = task->worker;
    bool is_first = worker->leases.next == &task->place;
    return is_first ? (double)(core->now - worker->front_since) / XD_US : 0;
}

bool xdb_task_unlease(struct xdb_core *core,
                      struct xdb_task *task,
                      enum xdb_task_move move)
{
    xdb_share_settle(core, task, move == XDB_MOVE_RETURN ? 0 : run_so_far(core, task));
    xdb_worker_remove_lease(core, task);
    if (task->state == XDB_TASK_CANCELLING) {
        xdb_task_move(core, task, move, XDB_TASK_ENDED);
        xdb_shape_unuse(core, task);
        return false;
    }
    if (task->state == XDB_TASK_GHOST) {
        xdb_task_retire(core, task, move);
        return false;
    }
    return true;
}

struct xd_frame *xdb_task_frames(struct xdb_task *task)
{
    return task->frame_count == 1 ? &task->frames.one : task->frames.many;
}

void xdb_task_drop_frames(struct xdb_task *task)
{
    if (task->frame_count == 1) {
        xd_frame_clear(&task->frames.one);
    } else {
        xd_frames_free(task->frames.many, task->frame_count);
    }
    task->frames.many = NULL;
    task->frame_count = 0;
}

void xdb_task_take_frames(struct xdb_task *task, struct xd_frame *frames, size_t count)
{
    xd_assert(task->frame_count == 0 && count <= UINT32_MAX);
    task->frame_count = (uint32_t)count;
    if (count == 1) {
        task->frames.one = frames[0];
        xd_free(frames);
    } else {
        task->frames.many = frames;
    }
}

struct xdb_task *xdb_task_find(const struct xdb_client *client,
                               const struct xd_task_id *id)
{
    struct xd_map_item *item = xd_map_get(&client->tasks_by_id, id, sizeof *id);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_task, by_id);
}
