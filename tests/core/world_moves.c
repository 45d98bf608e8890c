/* SPDX-License-Identifier: MIT */
/* What happens in the world: peers come, ask, stand still, go. */
#include <string.h>

#include "world_inside.h"

void beat(struct world *world)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct wclient *client = &world->clients[i];
        if (client->session != 0 && client->next_beat <= world->now &&
            client->quiet_until <= world->now) {
            client->next_beat = world->now + 900 * XD_MS;
            post(world, TO_CORE_HEARD, client->session);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        struct wworker *worker = &world->workers[i];
        if (worker->session != 0 && worker->next_beat <= world->now &&
            worker->quiet_until <= world->now) {
            worker->next_beat = world->now + 900 * XD_MS;
            post(world, TO_CORE_HEARD, worker->session);
        }
    }
}

static void join_client(struct world *world)
{
    struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (client->session != 0) {
        return;
    }
    *client = (struct wclient){.session = ++world->next_session, .known = true};
    struct xdb_event event = {.kind = XDB_EVENT_CLIENT_JOIN,
                              .session = {client->session}};
    event.client_join.principal = principal_of(client->session);
    step(world, &event);
}

static void configure(struct world *world)
{
    unsigned profile = roll(world, PROFILES);
    struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (client->session == 0 || world->task_count > TASKS / 2) {
        return;
    }
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {client->session}};
    event.profile.name = world->profiles[profile];
    event.profile.bound = profile == 3;
    event.profile.policy =
        profile == 2 ? XDB_POLICY_ROUND_ROBIN : (enum xdb_policy_kind)roll(world, 4);
    if (profile == 1) {
        event.profile.set = XDB_SET_POOL;
        event.profile.pool = world->profiles[0];
    }
    event.profile.free = profile != 3 && chance(world, 30);
    step(world, &event);
    bool refused = false;
    for (size_t i = 0; i < world->actions.count; i++) {
        refused = refused || world->actions.items[i].kind == XDB_ACTION_ERROR;
    }
    if (event.profile.bound && !refused) {
        world->bound_to[profile] = client->session;
    }
}

/* An administrator turns the knobs of what runs; what they may be is not for the world
 * to know. */
static void turn_knobs(struct world *world)
{
    const struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (client->session == 0) {
        return;
    }
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {client->session}};
    event.profile.name = world->profiles[roll(world, PROFILES)];
    event.profile.only_set = event.profile.admin = true;
    event.profile.set = roll(world, 256);
    event.profile.weight = chance(world, 10) ? -1 : 0.5 + roll(world, 8);
    event.profile.policy = (enum xdb_policy_kind)roll(world, XDB_POLICIES);
    event.profile.max_running = roll(world, 4);
    event.profile.paused = chance(world, 50);
    event.profile.max_tasks = chance(world, 50) ? 0 : 1 + roll(world, 20);
    event.profile.max_bytes = chance(world, 50) ? 0 : 1000 + roll(world, 5000);
    event.profile.learned_cuts = chance(world, 70);
    step(world, &event);
}

static void kick(struct world *world)
{
    struct xdb_event event = {.kind = XDB_EVENT_KICK};
    event.session.n = world->clients[roll(world, CLIENTS)].session;
    event.profile.name = world->profiles[roll(world, PROFILES)];
    event.profile.admin = true;
    if (event.session.n != 0) {
        step(world, &event);
    }
}

void resume(struct world *world)
{
    for (unsigned i = 0; i < CLIENTS * PROFILES; i++) {
        struct xdb_event event = {.kind = XDB_EVENT_PROFILE};
        event.session.n = world->clients[i % CLIENTS].session;
        event.profile.name = world->profiles[i / CLIENTS];
        event.profile.only_set = event.profile.admin = true;
        event.profile.set = XDB_SET_PAUSED;
        if (event.session.n != 0) {
            step(world, &event);
        }
    }
}

static void join_worker(struct world *world)
{
    struct wworker *worker = &world->workers[roll(world, WORKERS)];
    if (worker->session != 0) {
        return;
    }
    *worker = (struct wworker){
        .session = ++world->next_session,
        .owner = world->clients[roll(world, CLIENTS)].session,
        .known = true,
        .profile = roll(world, PROFILES),
        .hold = chance(world, 50) ? 0 : roll(world, SLOTS - 1),
        .handlers = roll(world, 16),
        .formats = chance(world, 70) ? 6u : 1u << (1 + roll(world, 2)),
        .has_star = chance(world, 50),
        .heard = world->now,
    };
    struct xd_bytes *handlers[4];
    size_t count = 0;
    for (unsigned i = 0; i < 4; i++) {
        if ((worker->handlers & 1u << i) != 0) {
            handlers[count++] = i == 3 ? world->star : world->callees[i];
        }
    }
    struct xdb_event event = {.kind = XDB_EVENT_WORKER_JOIN,
                              .session = {worker->session}};
    event.worker_join.profile = world->profiles[worker->profile];
    event.worker_join.owner.n = worker->owner;
    event.worker_join.formats = worker->formats;
    event.worker_join.handlers = handlers;
    event.worker_join.handler_count = count;
    event.worker_join.hold = worker->hold;
    event.worker_join.has = worker->has_star ? world->star : NULL;
    step(world, &event);
}

/* Ids are the task's number; now and then that of another client's task. */
static struct xd_task_id make_id(struct world *world, unsigned index, uint64_t session)
{
    struct xd_task_id id = {{0}};
    unsigned other = index > 0 && chance(world, 3) ? roll(world, index) : index;
    unsigned number = other;
    for (unsigned i = 0; i < index && number != index; i++) {
        bool is_own = world->tasks[i].session == session;
        number = is_own && memcmp(world->tasks[i].id.bytes, &other, sizeof other) == 0
                     ? index
                     : number;
    }
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

/* Tasks before it of the same session, whether the core still knows them or not. */
static void choose_others(struct world *world, struct wtask *task)
{
    unsigned index = (unsigned)(task - world->tasks);
    task->key = chance(world, 85) ? -1 : (int)roll(world, KEYS);
    if (chance(world, 70)) {
        return;
    }
    for (unsigned i = 0; i < 6 && task->after_count < 2; i++) {
        unsigned back = 1 + roll(world, 12);
        if (back <= index && world->tasks[index - back].session == task->session &&
            !world->tasks[index - back].everywhere) {
            task->after[task->after_count++] = index - back;
        }
    }
}

/* Half of the tasks ask for nothing. */
static void choose_options(struct world *world, struct wtask *task)
{
    struct xd_task_options *options = &task->options;
    if (chance(world, 50)) {
        return;
    }
    options->priority = (uint8_t)roll(world, 4);
    options->rank = (int16_t)((int)roll(world, 5) - 2);
    options->estimate_us =
        chance(world, 50) ? 0 : UINT64_C(1) << roll(world, chance(world, 5) ? 60 : 24);
    if (task->everywhere) {
        return;
    }
    choose_others(world, task);
    task->has_key = chance(world, 10);
    task->needs_star = chance(world, 20);
    options->worker.n =
        chance(world, 80) ? 0 : world->workers[roll(world, WORKERS)].session;
    task->poison = chance(world, 12);
    options->delay_ms = chance(world, 80) ? 0 : roll(world, 2000);
    options->deadline_ms =
        chance(world, 80) ? 0 : options->delay_ms + 1 + roll(world, 2000);
    options->limit_ms = chance(world, 80) ? 0 : 1 + roll(world, 2000);
    options->retries_failed = (uint16_t)(chance(world, 70) ? 0 : roll(world, 4));
    options->retries_lost = (uint16_t)(chance(world, 50) ? 0 : roll(world, 6));
    options->retries_lost = task->poison ? 5 : options->retries_lost;
    options->backoff_ms = chance(world, 50) ? 0 : roll(world, 300);
}

void submit(struct world *world)
{
    unsigned who = roll(world, CLIENTS);
    struct wclient *client = &world->clients[who];
    unsigned count = 1 + roll(world, chance(world, 20) ? 8 : 2);
    if (client->session == 0 || client->quiet_until > world->now ||
        world->task_count + count > TASKS) {
        return;
    }
    unsigned first = world->task_count, profile = roll(world, PROFILES);
    for (unsigned i = 0; i < count; i++) {
        unsigned index = world->task_count++;
        world->tasks[index] = (struct wtask){
            .client = who,
            .profile = profile,
            .session = client->session,
            .id = make_id(world, index, client->session),
            .callee = (int)roll(world, 4) - 1,
            .key = -1,
            .everywhere = chance(world, 7),
            .timeout = chance(world, 15),
            .min_workers = roll(world, 3),
        };
        choose_options(world, &world->tasks[index]);
    }
    unsigned copies = chance(world, 5) ? 2 : 1;
    for (unsigned copy = 0; copy < copies; copy++) {
        struct parcel *parcel = post(world, TO_CORE_SUBMIT, client->session);
        parcel->task = first;
        parcel->count = count;
    }
}

static void cancel(struct world *world)
{
    if (world->task_count == 0) {
        return;
    }
    const struct wtask *task = &world->tasks[roll(world, world->task_count)];
    const struct wclient *client = client_of(world, task->session);
    const struct wclient *other = &world->clients[roll(world, CLIENTS)];
    uint64_t session =
        client == NULL || chance(world, 5) ? other->session : task->session;
    if (session != 0) {
        struct parcel *parcel = post(world, TO_CORE_CANCEL, session);
        parcel->id = task->id;
        parcel->count = 1;
        parcel->flag = chance(world, 5);
    }
}

static void cancel_many(struct world *world)
{
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL_MANY};
    event.session.n = world->clients[roll(world, CLIENTS)].session;
    event.cancel_many.by = (enum xdb_cancel_by)roll(world, 4);
    event.cancel_many.profile =
        chance(world, 10) ? NULL : world->profiles[roll(world, PROFILES)];
    event.cancel_many.key = chance(world, 50) ? world->star : world->callees[0];
    event.cancel_many.any_session = chance(world, 30);
    event.cancel_many.target.n = world->clients[roll(world, CLIENTS)].session;
    event.cancel_many.principal = roll(world, 2);
    if (event.session.n != 0) {
        step(world, &event);
    }
}

static void ack(struct world *world)
{
    struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (client->session != 0) {
        bool lie = chance(world, 2);
        post(world, TO_CORE_ACK, client->session)->number =
            client->received + (lie ? 1000 : 0);
    }
}

static void leave_client(struct world *world)
{
    struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (client->session != 0 && client->quiet_until <= world->now) {
        bool says = chance(world, 50);
        post(world, says ? TO_CORE_LEAVE : TO_CORE_LOST, client->session);
    }
}

static void leave_worker(struct world *world)
{
    struct wworker *worker = &world->workers[roll(world, WORKERS)];
    if (worker->session == 0 || worker->quiet_until > world->now) {
        return;
    }
    if (chance(world, 50)) {
        worker_dies(world, worker);
        return;
    }
    struct parcel *back = post(world, TO_CORE_RECALLED, worker->session);
    if (worker->slot_count > 0 && !worker->slots[worker->slot_count - 1].begun) {
        back->count = 1;
        back->id = worker->slots[--worker->slot_count].id;
    }
    post(world, TO_CORE_LEAVE, worker->session)->when +=
        (xd_time)roll(world, 2000) * XD_MS;
}

/* A message that is not a task did not leave. */
static void block_worker(struct world *world)
{
    struct wworker *worker = &world->workers[roll(world, WORKERS)];
    if (worker->session != 0 && !worker->blocked) {
        worker->blocked = true;
        post(world, TO_CORE_SEND_FAILED, worker->session)->when = world->now;
        post(world, TO_CORE_UNBLOCKED, worker->session)->when =
            world->now + (xd_time)roll(world, 3000) * XD_MS;
    }
}

static void stand_still(struct world *world)
{
    xd_time until = world->now + (xd_time)(1000 + roll(world, 3000)) * XD_MS;
    struct wworker *worker = &world->workers[roll(world, WORKERS)];
    struct wclient *client = &world->clients[roll(world, CLIENTS)];
    if (chance(world, 20)) {
        client->quiet_until = until;
    } else if (worker->quiet_until != XD_NEVER) {
        worker->quiet_until = until;
    }
}

/* The broker itself does not run for a while. */
static void stall(struct world *world)
{
    world->now += (xd_time)(1600 + roll(world, 5000)) * XD_MS;
    world->stalled = world->now;
}

void happen(struct world *world)
{
    static const struct {
        unsigned weight;
        void (*what)(struct world *world);
    } table[] = {
        {10, join_client},
        {14, join_worker},
        {6, configure},
        {6, turn_knobs},
        {2, kick},
        {90, submit},
        {22, cancel},
        {1, cancel_many},
        {30, ack},
        {2, leave_client},
        {5, leave_worker},
        {5, stand_still},
        {1, stall},
        {4, block_worker},
    };
    unsigned total = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        total += table[i].weight;
    }
    unsigned pick = roll(world, total);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (pick < table[i].weight) {
            table[i].what(world);
            return;
        }
        pick -= table[i].weight;
    }
}
