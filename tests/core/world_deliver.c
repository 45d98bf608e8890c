/* SPDX-License-Identifier: MIT */
/* Time passes in the world: what is due arrives, at the core or at a peer. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world_inside.h"

static void must(enum xd_err err)
{
    if (err != XD_OK) {
        abort();
    }
}

static bool same_stats(const struct xdb_stats *a, const struct xdb_stats *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* In some worlds allocations fail: then nothing may have changed, and the same event
 * goes through when tried again. */
static void step_failing(struct world *world, struct xdb_event *event)
{
    struct xdb_stats before, after;
    for (unsigned n = roll(world, 3); n > 0; n--) {
        xdb_core_stats(world->core, &before);
        xd_alloc_fail_at(n);
        enum xd_err err = xdb_core_step(world->core, event, &world->actions);
        xd_alloc_fail_at(0);
        if (err == XD_OK) {
            return;
        }
        world->report->failed_allocations++;
        xdb_core_stats(world->core, &after);
        if (err != XD_ERR_NOMEM || !same_stats(&before, &after)) {
            fail(world, "a failed step changed something");
        }
        const char *wrong = xdb_core_check(world->core);
        if (wrong != NULL) {
            fail(world, wrong);
        }
    }
    must(xdb_core_step(world->core, event, &world->actions));
}

static void note_heard(struct world *world, const struct xdb_event *event)
{
    struct wworker *worker = worker_of(world, event->session.n);
    bool from_io = event->kind == XDB_EVENT_SEND_FAILED ||
                   event->kind == XDB_EVENT_UNBLOCKED || event->kind == XDB_EVENT_LOST;
    if (worker != NULL && !from_io) {
        worker->heard = world->now;
    }
}

void step(struct world *world, struct xdb_event *event)
{
    if (world->wrong != NULL) {
        return;
    }
    event->now = world->now;
    note_heard(world, event);
    if (world->failing) {
        step_failing(world, event);
    } else {
        must(xdb_core_step(world->core, event, &world->actions));
    }
    world->report->steps++;
    for (size_t i = 0; i < world->actions.count; i++) {
        oracle_action(world, &world->actions.items[i]);
    }
    const char *wrong = xdb_core_check(world->core);
    if (wrong != NULL) {
        fail(world, wrong);
    }
}
void simple(struct world *world, enum xdb_event_kind kind, uint64_t session)
{
    struct xdb_event event = {.kind = kind, .session = {session}};
    step(world, &event);
}

static struct xd_frame *make_frames(unsigned index, size_t *count)
{
    *count = 1 + index % 3;
    struct xd_frame *frames = xd_calloc(*count, sizeof *frames);
    if (frames == NULL) {
        abort();
    }
    for (size_t i = 0; i < *count; i++) {
        uint8_t body[40] = {0};
        memcpy(body, &index, sizeof index);
        must(xd_bytes_copy(body, 4 + index % 36, &frames[i].bytes));
        frames[i].size = frames[i].bytes->size;
        frames[i].role = XD_FRAME_BODY;
    }
    return frames;
}

static struct xd_task make_task(const struct world *world, unsigned index)
{
    const struct wtask *from = &world->tasks[index];
    struct xd_task task = {
        .id = from->id,
        .format = from->callee < 0 ? XD_FORMAT_R : XD_FORMAT_CALL,
        .everywhere = from->everywhere,
        .min_workers = from->min_workers,
        .timeout_ms = from->timeout ? 1 + index * 37 % 3000 : 0,
        .callee = from->callee < 0 ? NULL : xd_bytes_ref(world->callees[from->callee]),
    };
    task.frames = make_frames(index, &task.frame_count);
    task.options = from->options;
    task.options.kind = index % 3 == 0 ? xd_bytes_ref(world->callees[index % 2]) : NULL;
    task.options.replaces = from->has_key ? xd_bytes_ref(world->star) : NULL;
    task.options.needs = from->needs_star ? xd_bytes_ref(world->star) : NULL;
    task.options.dedupe = from->key < 0 ? NULL : xd_bytes_ref(world->callees[from->key]);
    task.options.after = xd_calloc(2, sizeof *task.options.after);
    task.options.after_count = from->after_count;
    for (unsigned i = 0; i < from->after_count; i++) {
        task.options.after[i] = world->tasks[from->after[i]].id;
    }
    return task;
}

static bool may_submit(const struct world *world, unsigned profile, uint64_t session)
{
    return world->bound_to[profile] == 0 || world->bound_to[profile] == session;
}

/* One of them comes after a task that the core does not know any more. */
static bool is_refused(const struct world *world)
{
    for (size_t i = 0; i < world->actions.count; i++) {
        if (world->actions.items[i].kind == XDB_ACTION_ERROR) {
            return true;
        }
    }
    return false;
}

static void deliver_submit(struct world *world, const struct parcel *parcel)
{
    struct wclient *client = client_of(world, parcel->session);
    struct xd_task tasks[8];
    bool fresh[8];
    unsigned profile = world->tasks[parcel->task].profile;
    for (unsigned i = 0; i < parcel->count; i++) {
        struct wtask *task = &world->tasks[parcel->task + i];
        tasks[i] = make_task(world, parcel->task + i);
        bool again = task->offered && !task->busy; /* known: nothing happens */
        fresh[i] = !again && client->known && may_submit(world, profile, parcel->session);
        if (fresh[i]) {
            task->offered = task->accepted = true;
            task->busy = false;
            task->order = ++world->accept_order;
        }
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {parcel->session}};
    event.submit.profile = world->profiles[profile];
    event.submit.tasks = tasks;
    event.submit.count = parcel->count;
    step(world, &event);
    bool refused = is_refused(world);
    for (unsigned i = 0; i < parcel->count; i++) {
        struct wtask *task = &world->tasks[parcel->task + i];
        if (fresh[i] && refused) {
            task->offered = task->accepted = false;
        }
        client->accepted += fresh[i] && task->accepted ? 1 : 0;
        if (tasks[i].frames != NULL) {
            fail(world, "a step that took less than all");
        }
        xd_task_clear(&tasks[i]);
    }
}

/* The frame's payload is not in the message. */
static void stay_with(struct world *world, struct xd_frame *frame, uint64_t owner)
{
    if (world->ref_count + 1 < REFS) {
        xd_frame_clear(frame);
        frame->ref = (struct xd_ref){{owner}, ++world->ref_count};
        frame->size = 5000000;
    }
}

static void deliver_result(struct world *world, const struct parcel *parcel)
{
    struct xd_result result = {.id = parcel->id,
                               .part = parcel->part,
                               .outcome = parcel->outcome,
                               .run_ns = 1000 + parcel->task * 7001};
    if (parcel->outcome == XD_OUTCOME_DONE) {
        result.frames = make_frames(parcel->task, &result.frame_count);
        if (parcel->task % 4 == 0 && result.frame_count > 1) {
            stay_with(world, &result.frames[1], parcel->session);
        }
    } else {
        must(xd_bytes_text("did not work", &result.error));
    }
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {parcel->session}};
    event.result.results = &result;
    event.result.count = 1;
    event.result.has_started = parcel->flag;
    event.result.started = parcel->started;
    step(world, &event);
    xd_result_clear(&result);
}

static void deliver_ids(struct world *world,
                        enum xdb_event_kind kind,
                        const struct parcel *parcel)
{
    struct xdb_event event = {.kind = kind, .session = {parcel->session}};
    if (kind == XDB_EVENT_SEND_FAILED) {
        event.send_failed.ids = &parcel->id;
        event.send_failed.count = parcel->count;
        event.send_failed.gone = parcel->flag;
    } else {
        event.ids.ids = &parcel->id;
        event.ids.count = parcel->count;
        event.ids.any_session = kind == XDB_EVENT_CANCEL && parcel->flag;
    }
    step(world, &event);
}

static void deliver_event(struct world *world, const struct parcel *parcel)
{
    struct xdb_event event = {.kind = XDB_EVENT_TASK_EVENT, .session = {parcel->session}};
    event.task_event.id = parcel->id;
    event.task_event.part = parcel->part;
    event.task_event.kind = world->callees[0];
    event.task_event.bytes = world->callees[1];
    step(world, &event);
}

static void forget(struct world *world, uint64_t session)
{
    struct wclient *client = client_of(world, session);
    struct wworker *worker = worker_of(world, session);
    if (client != NULL) {
        *client = (struct wclient){0};
    }
    if (worker != NULL) {
        *worker = (struct wworker){0};
    }
}

/* The session is over for the core before it speaks of its tasks again. */
/* Who is in the middle of a task, or of telling about one, or died since, does not say
 * goodbye. */
static bool is_at_work(struct world *world, uint64_t session)
{
    for (unsigned i = 0; i < world->parcel_count; i++) {
        const struct parcel *parcel = &world->parcels[i];
        if (parcel->session == session &&
            (parcel->kind == TO_CORE_RESULT || parcel->kind == TO_CORE_STARTED)) {
            return true;
        }
    }
    const struct wworker *worker = worker_of(world, session);
    if (worker != NULL && (worker->quiet_until == XD_NEVER || worker->has_holes)) {
        return true;
    }
    for (unsigned i = 0; worker != NULL && i < worker->slot_count; i++) {
        if (worker->slots[i].begun) {
            return true;
        }
    }
    return false;
}

static void deliver_end(struct world *world, const struct parcel *parcel)
{
    struct wclient *client = client_of(world, parcel->session);
    if (client != NULL) {
        client->known = false;
    }
    for (unsigned i = 0; i < PROFILES; i++) {
        if (client != NULL && world->bound_to[i] == parcel->session) {
            world->bound_to[i] = 0;
        }
    }
    if (parcel->kind == TO_CORE_SEND_FAILED) {
        deliver_ids(world, XDB_EVENT_SEND_FAILED, parcel);
    } else {
        bool says = parcel->kind == TO_CORE_LEAVE && !is_at_work(world, parcel->session);
        simple(world, says ? XDB_EVENT_LEAVE : XDB_EVENT_LOST, parcel->session);
    }
    forget(world, parcel->session);
}

static void deliver_ack(struct world *world, const struct parcel *parcel)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {parcel->session}};
    event.ack.count = parcel->number;
    step(world, &event);
}

void deliver_to_core(struct world *world, const struct parcel *parcel)
{
    struct wworker *worker = worker_of(world, parcel->session);
    switch (parcel->kind) {
    case TO_CORE_HEARD:
        simple(world, XDB_EVENT_HEARD, parcel->session);
        break;
    case TO_CORE_SUBMIT:
        deliver_submit(world, parcel);
        break;
    case TO_CORE_CANCEL:
        deliver_ids(world, XDB_EVENT_CANCEL, parcel);
        break;
    case TO_CORE_ACK:
        deliver_ack(world, parcel);
        break;
    case TO_CORE_RESULT:
        deliver_result(world, parcel);
        break;
    case TO_CORE_STARTED:
        deliver_ids(world, XDB_EVENT_STARTED, parcel);
        break;
    case TO_CORE_EVENT:
        deliver_event(world, parcel);
        break;
    case TO_CORE_RECALLED:
        deliver_ids(world, XDB_EVENT_RECALLED, parcel);
        break;
    case TO_CORE_UNBLOCKED:
        worker->blocked = false;
        simple(world, XDB_EVENT_UNBLOCKED, parcel->session);
        break;
    case TO_CORE_SEND_FAILED:
        if (!parcel->flag) {
            deliver_ids(world, XDB_EVENT_SEND_FAILED, parcel);
            break;
        }
        deliver_end(world, parcel);
        break;
    default:
        deliver_end(world, parcel);
        break;
    }
}

static void deliver(struct world *world, struct parcel *parcel)
{
    struct wworker *worker = worker_of(world, parcel->session);
    struct wclient *client = client_of(world, parcel->session);
    xd_time quiet = worker != NULL   ? worker->quiet_until
                    : client != NULL ? client->quiet_until
                                     : 0;
    bool from_io = parcel->kind == TO_CORE_LOST || parcel->kind == TO_CORE_SEND_FAILED ||
                   parcel->kind == TO_CORE_UNBLOCKED;
    if (worker == NULL && client == NULL) {
        return;
    }
    if (quiet > world->now && quiet != XD_NEVER && !from_io) {
        parcel->when = quiet; /* it stands still: later */
        world->parcels[world->parcel_count++] = *parcel;
        return;
    }
    if (quiet == XD_NEVER && parcel->kind >= TO_WORKER_TASK) {
        return; /* it is dead; what it had sent still arrives */
    }
    if (parcel->kind < TO_WORKER_TASK) {
        deliver_to_core(world, parcel);
    } else if (parcel->kind == TO_WORKER_TASK) {
        worker_takes(world, worker, parcel);
    } else if (parcel->kind == TO_WORKER_KILL) {
        if (world->calm || chance(world, 80)) {
            worker_dies(world, worker);
        }
    } else if (parcel->kind == TO_CLIENT_RESULT) {
        client_hears(world, client, parcel);
    } else if (parcel->kind == WORKER_FINISHES) {
        worker_finishes(world, worker, parcel);
    } else {
        worker_hears(world, worker, parcel);
    }
}

static bool next_parcel(struct world *world, struct parcel *out)
{
    unsigned best = world->parcel_count;
    for (unsigned i = 0; i < world->parcel_count; i++) {
        const struct parcel *at = &world->parcels[i];
        if (at->when <= world->now &&
            (best == world->parcel_count || at->when < world->parcels[best].when ||
             (at->when == world->parcels[best].when &&
              at->order < world->parcels[best].order))) {
            best = i;
        }
    }
    if (best == world->parcel_count) {
        return false;
    }
    *out = world->parcels[best];
    world->parcels[best] = world->parcels[--world->parcel_count];
    return true;
}

static void tick_if_due(struct world *world)
{
    for (int i = 0; i < 50 && xdb_core_deadline(world->core) <= world->now; i++) {
        simple(world, XDB_EVENT_TICK, 0);
        if (i == 49) {
            fail(world, "a deadline that does not pass");
        }
    }
}

static void deliver_due(struct world *world)
{
    struct parcel parcel;
    tick_if_due(world);
    while (world->wrong == NULL && next_parcel(world, &parcel)) {
        deliver(world, &parcel);
        tick_if_due(world);
    }
}

void pass(struct world *world, xd_time by)
{
    xd_time end = world->now + by;
    while (world->wrong == NULL && world->now < end) {
        xd_time next = xd_time_min(end, xdb_core_deadline(world->core));
        for (unsigned i = 0; i < world->parcel_count; i++) {
            next = xd_time_min(next, world->parcels[i].when);
        }
        world->now = next > world->now ? next : world->now;
        deliver_due(world);
        if (next <= world->now && next < end && xdb_core_deadline(world->core) <= next) {
            world->now++;
        }
    }
}
