/* SPDX-License-Identifier: MIT */
/* How the world's clients and workers behave, and the parcels they send. */
#include <string.h>

#include "world_inside.h"

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(struct world *world)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned roll(struct world *world, unsigned below)
{
    return (unsigned)(next_random(world) % below);
}

bool chance(struct world *world, unsigned percent)
{
    return roll(world, 100) < percent;
}

/* There are two users. */
uint64_t principal_of(uint64_t session)
{
    return session % 2;
}

/* Messages of one sender arrive in order, after a while. */
struct parcel *post(struct world *world, enum parcel_kind kind, uint64_t session)
{
    if (world->parcel_count == PARCELS) {
        fail(world, "the world is too small for its messages");
        world->parcel_count--;
    }
    struct parcel *parcel = &world->parcels[world->parcel_count++];
    xd_time when = world->now + (xd_time)roll(world, chance(world, 10) ? 40 : 3) * XD_MS;
    struct wclient *client = client_of(world, session);
    struct wworker *worker = worker_of(world, session);
    xd_time *last = client != NULL   ? &client->last_arrival
                    : worker != NULL ? &worker->last_arrival
                                     : &when;
    if (kind < TO_WORKER_TASK) {
        when = when > *last ? when : *last;
        *last = when;
    }
    *parcel = (struct parcel){.kind = kind,
                              .when = when,
                              .order = world->next_order++,
                              .session = session};
    return parcel;
}

struct wclient *client_of(struct world *world, uint64_t session)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (session != 0 && world->clients[i].session == session) {
            return &world->clients[i];
        }
    }
    return NULL;
}

struct wworker *worker_of(struct world *world, uint64_t session)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        if (session != 0 && world->workers[i].session == session) {
            return &world->workers[i];
        }
    }
    return NULL;
}

static void drop_slot(struct wworker *worker, unsigned i)
{
    worker->slot_count--;
    memmove(&worker->slots[i],
            &worker->slots[i + 1],
            (worker->slot_count - i) * sizeof worker->slots[0]);
}

static bool may_run_again(const struct wtask *task)
{
    return task->options.retries_failed > 0 || task->options.retries_lost > 0;
}

static void begin(struct world *world, struct wworker *worker)
{
    struct wslot *slot = &worker->slots[0];
    struct wtask *task = &world->tasks[slot->task];
    uint64_t bit = UINT64_C(1) << slot->part;
    if ((task->begun & bit) != 0 && !may_run_again(task)) {
        fail(world, "a task was begun twice");
    }
    task->begun |= bit;
    slot->begun = true;
    if (task->poison && !world->calm && chance(world, 80)) {
        worker_dies(world, worker);
        return;
    }
    slot->deaf = !world->calm && chance(world, 25);
    struct parcel *end = post(world, WORKER_FINISHES, worker->session);
    end->number = ++worker->run;
    bool is_long = !world->calm && chance(world, 6);
    end->when = world->now + (is_long ? (xd_time)roll(world, 4000) * XD_MS
                                      : (xd_time)roll(world, 2000) * XD_US);
    if (chance(world, 5)) {
        struct parcel *event = post(world, TO_CORE_EVENT, worker->session);
        event->id = slot->id;
        event->part = slot->part;
    }
}

static bool id_is_unique(const struct world *world, const struct xd_task_id *id)
{
    unsigned found = 0;
    for (unsigned i = 0; i < world->task_count; i++) {
        found += xd_task_id_equal(&world->tasks[i].id, id) ? 1 : 0;
    }
    return found == 1;
}

static void send_result(struct world *world,
                        struct wworker *worker,
                        unsigned i,
                        enum xd_outcome outcome)
{
    struct wslot slot = worker->slots[i];
    drop_slot(worker, i);
    bool starts = worker->slot_count > 0 && !worker->slots[0].begun && i == 0;
    if (!world->calm && chance(world, 1)) {
        worker->has_holes = true;
        return; /* lost on the way; the worker goes on */
    }
    /* A repeated result of an id that two clients use could be anybody's, one of a task
     * that is tried again its next run's. */
    bool is_clear =
        id_is_unique(world, &slot.id) && !may_run_again(&world->tasks[slot.task]);
    unsigned copies = is_clear && chance(world, 2) ? 2 : 1;
    while (copies-- > 0) {
        struct parcel *parcel = post(world, TO_CORE_RESULT, worker->session);
        parcel->id = slot.id;
        parcel->task = slot.task;
        parcel->part = slot.part;
        parcel->outcome = outcome;
        parcel->flag = starts && chance(world, 70);
        parcel->started = worker->slots[0].id;
    }
    if (starts && chance(world, 20)) {
        post(world, TO_CORE_STARTED, worker->session)->id = worker->slots[0].id;
    }
}

static void go_on(struct world *world, struct wworker *worker)
{
    if (worker->slot_count > 0 && !worker->slots[0].begun) {
        begin(world, worker);
    }
}

void worker_finishes(struct world *world,
                     struct wworker *worker,
                     const struct parcel *parcel)
{
    if (parcel->number != worker->run || worker->slot_count == 0 ||
        !worker->slots[0].begun) {
        return;
    }
    send_result(world,
                worker,
                0,
                chance(world, 85) ? XD_OUTCOME_DONE : XD_OUTCOME_FAILED);
    go_on(world, worker);
}

void worker_takes(struct world *world,
                  struct wworker *worker,
                  const struct parcel *parcel)
{
    if (worker->slot_count > worker->hold || worker->slot_count == SLOTS) {
        fail(world, "a worker got more than it takes");
        return;
    }
    worker->slots[worker->slot_count++] =
        (struct wslot){.task = parcel->task, .part = parcel->part, .id = parcel->id};
    go_on(world, worker);
}

static void hand_back(struct world *world, struct wworker *worker, unsigned i)
{
    struct parcel *parcel = post(world, TO_CORE_RECALLED, worker->session);
    parcel->count = 1;
    parcel->id = worker->slots[i].id;
    parcel->started = parcel->id;
    drop_slot(worker, i);
}

/* An interrupt, a recall. */
void worker_hears(struct world *world,
                  struct wworker *worker,
                  const struct parcel *parcel)
{
    for (unsigned i = 0; i < worker->slot_count; i++) {
        struct wslot *slot = &worker->slots[i];
        if (!xd_task_id_equal(&slot->id, &parcel->id)) {
            continue;
        }
        if (parcel->kind == TO_WORKER_RECALL && !slot->begun) {
            hand_back(world, worker, i);
        } else if (parcel->kind == TO_WORKER_CANCEL && !(slot->begun && slot->deaf)) {
            if (!slot->begun && chance(world, 20)) {
                hand_back(world, worker, i);
            } else {
                worker->run += i == 0 ? 1 : 0;
                send_result(world, worker, i, XD_OUTCOME_CANCELLED);
            }
            go_on(world, worker);
        }
        return;
    }
}

/* The process is gone; the broker hears of it, or not. */
void worker_dies(struct world *world, struct wworker *worker)
{
    if (world->calm || chance(world, 70)) {
        post(world, TO_CORE_LOST, worker->session);
    }
    worker->quiet_until = XD_NEVER;
    worker->slot_count = 0;
    worker->run++;
}

void client_hears(struct world *world,
                  struct wclient *client,
                  const struct parcel *parcel)
{
    client->received++;
    if (world->calm || chance(world, 40)) {
        post(world, TO_CORE_ACK, client->session)->number = client->received;
    }
}
