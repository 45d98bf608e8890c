/* SPDX-License-Identifier: MIT */
/* What must hold of every action of the core, and when the world has ended. */
#include <string.h>

#include "world_inside.h"

void fail(struct world *world, const char *wrong)
{
    if (world->wrong == NULL) {
        world->wrong = wrong;
    }
}

struct wtask *oracle_find(struct world *world,
                          uint64_t session,
                          const struct xd_task_id *id)
{
    for (unsigned i = 0; i < world->task_count; i++) {
        if (world->tasks[i].session == session && world->tasks[i].offered &&
            xd_task_id_equal(&world->tasks[i].id, id)) {
            return &world->tasks[i];
        }
    }
    return NULL;
}

static bool has_ended(const struct wtask *task)
{
    return task->outcomes > 0 &&
           (!task->everywhere || task->outcomes == (task->parts ? task->parts : 1));
}

static bool is_open(struct world *world, const struct wtask *task)
{
    const struct wclient *client = client_of(world, task->session);
    return task->accepted && client != NULL && client->known && !has_ended(task);
}

/* Nothing passes a barrier, in either direction. */
static void look_at_order(struct world *world, const struct wtask *task)
{
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct wtask *other = &world->tasks[i];
        if (other->profile != task->profile || !is_open(world, other) || other == task) {
            continue;
        }
        if (task->everywhere && other->order < task->order &&
            ((other->dispatched == 0 && other->options.delay_ms == 0 &&
              other->after_count == 0 && other->key < 0) ||
             other->everywhere)) {
            fail(world, "an everywhere-task passed another");
        }
        if (!task->everywhere && other->everywhere && other->order < task->order) {
            fail(world, "a task passed an everywhere-task");
        }
    }
}

/* One run of tasks that are done once. */
static bool is_twin(const struct wtask *a, const struct wtask *b)
{
    return a->key >= 0 && a->key == b->key && a->profile == b->profile &&
           principal_of(a->session) == principal_of(b->session);
}

/* Whose result this is; only of a task itself, or of its twin. */
static bool is_result_of(struct world *world,
                         const struct wtask *task,
                         const struct xd_frame *frames,
                         size_t count)
{
    unsigned index = TASKS;
    if (count > 0 && frames[0].bytes != NULL && frames[0].bytes->size >= sizeof index) {
        memcpy(&index, frames[0].bytes->data, sizeof index);
    }
    return index < TASKS && count == 1 + index % 3 && world->tasks[index].begun != 0 &&
           (task == &world->tasks[index] || is_twin(task, &world->tasks[index]));
}

/* Counts results with references: told, or let go of. */
static void count_held(struct world *world,
                       const struct xd_frame *frames,
                       size_t count,
                       int by)
{
    for (size_t i = 0; i < count; i++) {
        if (xd_ref_is_set(frames[i].ref)) {
            world->held[frames[i].ref.counter] += by;
            if (world->held[frames[i].ref.counter] < 0) {
                fail(world, "a payload let go that nobody held");
            }
        }
    }
}

static void look_at_given(struct world *world, const struct xdb_action *action)
{
    const struct xd_task *sent = action->task;
    for (size_t i = 0; i < sent->given_count; i++) {
        for (size_t k = 0; k < sent->given[i].frame_count; k++) {
            const struct xd_ref ref = sent->given[i].frames[k].ref;
            const struct wworker *owner = worker_of(world, ref.owner.n);
            if (xd_ref_is_set(ref) &&
                (owner == NULL || !owner->known || world->held[ref.counter] == 0)) {
                fail(world, "a payload given that is not there");
            }
        }
    }
}

static void look_at_after(struct world *world,
                          const struct wtask *task,
                          const struct xdb_action *action)
{
    const struct xd_task *sent = action->task;
    if (sent->given_count != task->after_count) {
        fail(world, "a task without the results before it");
        return;
    }
    for (unsigned i = 0; i < task->after_count; i++) {
        const struct wtask *parent = &world->tasks[task->after[i]];
        const struct xd_given *given = &sent->given[i];
        if (parent->outcome != XD_OUTCOME_DONE) {
            fail(world, "a task passed one that it comes after");
        }
        if (!xd_task_id_equal(&given->id, &parent->id) ||
            !is_result_of(world, parent, given->frames, given->frame_count)) {
            fail(world, "the result of another task");
        }
    }
    look_at_given(world, action);
}

static void look_at_worker(struct world *world,
                           const struct wworker *worker,
                           const struct wtask *task)
{
    /* The first two share their workers, if it came to that in time. */
    if (task->profile != worker->profile && (task->profile > 1 || worker->profile > 1)) {
        fail(world, "a task for another profile");
    }
    if (world->bound_to[worker->profile] != 0 &&
        (worker->owner != task->session ||
         task->session != world->bound_to[worker->profile])) {
        fail(world, "a bound profile used by another session");
    }
    bool fits = task->callee < 0
                    ? (worker->formats & 1u << XD_FORMAT_R) != 0
                    : (worker->formats & 1u << XD_FORMAT_CALL) != 0 &&
                          (worker->handlers & (1u << task->callee | 8u)) != 0;
    if (!fits || (task->needs_star && !worker->has_star)) {
        fail(world, "a task that the worker does not offer");
    }
    xd_time silence =
        world->now - (worker->heard > world->stalled ? worker->heard : world->stalled);
    if (silence > world->config.suspect) {
        fail(world, "a task for a silent worker");
    }
}

static void see_task(struct world *world, const struct xdb_action *action)
{
    struct wworker *worker = worker_of(world, action->session.n);
    if (worker == NULL || !worker->known) {
        fail(world, "a task for a worker that is gone");
        return;
    }
    unsigned index;
    if (action->task->frame_count < 1 || action->task->frames[0].bytes->size < 4) {
        fail(world, "a task without its payload");
        return;
    }
    memcpy(&index, action->task->frames[0].bytes->data, sizeof index);
    struct wtask *task = &world->tasks[index];
    if (!xd_task_id_equal(&task->id, &action->task->id) ||
        action->task->frame_count != 1 + index % 3) {
        fail(world, "the payload of another task");
    }
    if (!is_open(world, task)) {
        fail(world, "an ended task was sent");
    }
    look_at_order(world, task);
    look_at_after(world, task, action);
    look_at_worker(world, worker, task);
    task->dispatched++;
    if (!worker->blocked && !world->calm && chance(world, 2)) {
        worker->blocked = true;
    }
    bool failed = worker->blocked;
    bool gone = failed && chance(world, 10);
    struct parcel *parcel =
        post(world, failed ? TO_CORE_SEND_FAILED : TO_WORKER_TASK, worker->session);
    if (failed) {
        parcel->when = world->now; /* known at once */
        if (!gone) {
            post(world, TO_CORE_UNBLOCKED, worker->session)->when =
                world->now + (xd_time)roll(world, 50) * XD_MS;
        }
    }
    parcel->task = index;
    parcel->part = action->task->part;
    parcel->id = action->task->id;
    parcel->flag = gone;
    parcel->count = 1;
}

/* An error of a task that did not run: of one before it, or of a twin that ended while it
 * waited. */
static bool has_cause(struct world *world,
                      const struct wtask *task,
                      enum xd_outcome outcome)
{
    for (unsigned i = 0; i < task->after_count && outcome == XD_OUTCOME_FAILED; i++) {
        const struct wtask *parent = &world->tasks[task->after[i]];
        if (parent->outcome != 0 && parent->outcome != XD_OUTCOME_DONE) {
            return true;
        }
    }
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct wtask *twin = &world->tasks[i];
        if (twin != task && is_twin(task, twin) && twin->outcome == outcome &&
            twin->ended_at > task->order) {
            return true;
        }
    }
    return false;
}

static void look_at_outcome(struct world *world,
                            const struct wtask *task,
                            const struct xd_result *result)
{
    if (result->outcome == XD_OUTCOME_DONE &&
        !is_result_of(world, task, result->frames, result->frame_count)) {
        fail(world, "a value of a task that never ran");
    }
    bool is_theirs = result->outcome == XD_OUTCOME_FAILED ||
                     (result->outcome == XD_OUTCOME_LOST && !task->everywhere);
    bool is_gone = result->error != NULL && xd_bytes_is(result->error,
                                                        "the result of a task it comes "
                                                        "after is gone with its worker");
    if (is_theirs && task->dispatched == 0 && !is_gone &&
        !has_cause(world, task, result->outcome)) {
        fail(world, "an end without a cause");
    }
}

static void see_result(struct world *world, const struct xdb_action *action)
{
    const struct xd_result *result = action->result;
    struct wclient *client = client_of(world, action->session.n);
    struct wtask *task = oracle_find(world, action->session.n, &result->id);
    if (client == NULL || !client->known) {
        fail(world, "a result for a client that is gone");
        return;
    }
    if (task == NULL || !task->accepted || task->busy) {
        fail(world, "a result of a task that was not accepted");
        return;
    }
    uint64_t bit = UINT64_C(1) << result->part;
    if ((task->ended & bit) != 0 || has_ended(task)) {
        fail(world, "a second outcome");
    }
    task->ended |= bit;
    task->parts = task->everywhere ? result->parts : 0;
    task->outcomes++;
    if (result->outcome == XD_OUTCOME_DONE && (task->begun & bit) == 0 && task->key < 0) {
        fail(world, "a value of a task that never ran");
    }
    look_at_outcome(world, task, result);
    count_held(world, result->frames, result->frame_count, 1);
    task->outcome = result->outcome;
    task->ended_at = ++world->accept_order;
    if (!task->everywhere) {
        world->outcomes[result->outcome]++;
    }
    client->results++;
    post(world, TO_CLIENT_RESULT, client->session);
}

static void see_busy(struct world *world, const struct xdb_action *action)
{
    struct wtask *task = oracle_find(world, action->session.n, &action->busy.id);
    if (task == NULL || task->busy || task->outcomes > 0) {
        fail(world, "BUSY for no task");
        return;
    }
    task->busy = true;
    task->accepted = false;
}

static void see_accepted(struct world *world, const struct xdb_action *action)
{
    struct wclient *client = client_of(world, action->session.n);
    if (client == NULL || action->accepted.count <= client->told) {
        fail(world, "a count of accepted tasks that does not grow");
        return;
    }
    client->told = action->accepted.count;
}

static void see_drop(struct world *world, const struct xdb_action *action)
{
    struct wclient *client = client_of(world, action->session.n);
    struct wworker *worker = worker_of(world, action->session.n);
    if (client != NULL) {
        client->known = false;
        client->session = 0;
    }
    if (worker != NULL) {
        worker->known = false;
        worker->session = 0;
    }
    for (unsigned i = 0; i < PROFILES; i++) {
        if (client != NULL && world->bound_to[i] == action->session.n) {
            world->bound_to[i] = 0;
        }
    }
}

static void see_order(struct world *world, const struct xdb_action *action)
{
    struct wworker *worker = worker_of(world, action->session.n);
    if (worker == NULL || !worker->known) {
        fail(world, "an order for a worker that is gone");
        return;
    }
    bool recall = action->kind == XDB_ACTION_RECALL;
    if (!world->calm && !recall && chance(world, 10)) {
        return; /* lost */
    }
    enum parcel_kind kind = recall                      ? TO_WORKER_RECALL
                            : action->cancel.level == 2 ? TO_WORKER_KILL
                                                        : TO_WORKER_CANCEL;
    post(world, kind, worker->session)->id =
        recall ? action->recall.id : action->cancel.id;
}

void oracle_action(struct world *world, const struct xdb_action *action)
{
    bool known = client_of(world, action->session.n) != NULL ||
                 worker_of(world, action->session.n) != NULL;
    if (!known && action->session.n != 0) {
        fail(world, "an action for nobody");
        return;
    }
    switch (action->kind) {
    case XDB_ACTION_SEND_TASK:
        see_task(world, action);
        break;
    case XDB_ACTION_SEND_RESULT:
        see_result(world, action);
        break;
    case XDB_ACTION_BUSY:
        see_busy(world, action);
        break;
    case XDB_ACTION_ACCEPTED:
        see_accepted(world, action);
        break;
    case XDB_ACTION_DROP:
        see_drop(world, action);
        break;
    case XDB_ACTION_CANCEL:
    case XDB_ACTION_RECALL:
        see_order(world, action);
        break;
    case XDB_ACTION_DRAINED:
        world->drained = true;
        break;
    case XDB_ACTION_LET_GO:
        count_held(world, action->let_go.frames, action->let_go.count, -1);
        break;
    case XDB_ACTION_SEND_EVENT:
    case XDB_ACTION_ERROR:
    case XDB_ACTION_HEARTBEAT:
    case XDB_ACTION_NOTE:
        break;
    }
}

/* Every accepted task of a client that is still there has exactly its outcomes. */
void oracle_end(struct world *world)
{
    for (unsigned i = 0; i < world->task_count; i++) {
        const struct wtask *task = &world->tasks[i];
        if (is_open(world, task)) {
            fail(world, "an accepted task without outcome");
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct wclient *client = &world->clients[i];
        if (client->known && client->told != client->accepted) {
            fail(world, "a client that does not know what was accepted");
        }
    }
}
