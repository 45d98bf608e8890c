/* SPDX-License-Identifier: MIT */
/* What the files of the simulated world share. */
#ifndef XDT_WORLD_INSIDE_H
#define XDT_WORLD_INSIDE_H

#include "core/core.h"
#include "world.h"

#define CLIENTS 6u
#define WORKERS 10u
#define PROFILES 4u
#define TASKS 120u
#define PARCELS 512u
#define SLOTS 8u
#define KEYS 3u
#define REFS 4096u

enum parcel_kind {
    TO_CORE_HEARD,
    TO_CORE_SUBMIT,
    TO_CORE_CANCEL,
    TO_CORE_ACK,
    TO_CORE_RESULT,
    TO_CORE_STARTED,
    TO_CORE_EVENT,
    TO_CORE_RECALLED,
    TO_CORE_LEAVE,
    TO_CORE_LOST,
    TO_CORE_SEND_FAILED,
    TO_CORE_UNBLOCKED,
    TO_WORKER_TASK,
    TO_WORKER_CANCEL,
    TO_WORKER_KILL,
    TO_WORKER_RECALL,
    TO_CLIENT_RESULT,
    WORKER_FINISHES
};

/* A message on its way, or something that will happen. */
struct parcel {
    enum parcel_kind kind;
    xd_time when;
    uint64_t order; /* among those of one time */
    uint64_t session;
    unsigned task, count;
    uint32_t part;
    uint64_t number; /* ACK: count; FINISHES: which run */
    enum xd_outcome outcome;
    bool flag; /* RESULT: `started` rides on it; SEND_FAILED: gone */
    struct xd_task_id id, started;
};

/* What the world knows of a task. */
struct wtask {
    unsigned client, profile;
    uint64_t session;
    struct xd_task_id id;
    int callee;                     /* -1: format r */
    int key;                        /* done once; -1: it has none */
    unsigned after[2], after_count; /* tasks */
    bool everywhere, timeout, has_key;
    bool needs_star;
    bool poison;                    /* its workers die of it */
    struct xd_task_options options; /* without what is counted */
    uint32_t min_workers;
    bool offered, accepted, busy; /* offered: the core has seen it */
    uint64_t order;               /* of acceptance */
    unsigned dispatched, outcomes, parts;
    uint64_t begun, ended; /* bits of parts */
    enum xd_outcome outcome;
    uint64_t ended_at; /* in the order of acceptance */
};

struct wclient {
    uint64_t session; /* 0: not there */
    bool known;       /* to the core */
    xd_time quiet_until, last_arrival, next_beat;
    uint64_t results, received, accepted, told;
};

struct wslot {
    unsigned task;
    uint32_t part;
    struct xd_task_id id;
    bool begun, deaf; /* deaf: ignores interrupts */
};

struct wworker {
    uint64_t session, owner;
    bool known, blocked, leaving;
    unsigned profile, hold, handlers;
    uint32_t formats;
    bool has_star;  /* what some tasks need */
    bool has_holes; /* a result of its was lost: its goodbye is not to be believed */
    xd_time quiet_until, last_arrival, next_beat, heard;
    struct wslot slots[SLOTS];
    unsigned slot_count;
    uint64_t run;
};

struct world {
    uint64_t random;
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xdb_core_config config;
    xd_time now, stalled;
    uint64_t next_session, next_order, accept_order;
    struct wclient clients[CLIENTS];
    struct wworker workers[WORKERS];
    struct wtask tasks[TASKS];
    unsigned task_count;
    struct parcel parcels[PARCELS];
    unsigned parcel_count;
    struct xd_bytes *profiles[PROFILES], *callees[3], *star;
    uint64_t bound_to[PROFILES]; /* session, as the core took it */
    unsigned ref_count;          /* payloads that stay with a worker */
    int held[REFS];              /* results told with them, less those let go */
    bool calm;                   /* the end: nothing goes wrong any more */
    bool drained, failing;
    uint64_t outcomes[8];
    const char *wrong;
    struct xdt_world_report *report;
};

/* world_peers.c */
unsigned roll(struct world *world, unsigned below);
bool chance(struct world *world, unsigned percent);
uint64_t principal_of(uint64_t session);
struct parcel *post(struct world *world, enum parcel_kind kind, uint64_t session);
struct wclient *client_of(struct world *world, uint64_t session);
struct wworker *worker_of(struct world *world, uint64_t session);
void worker_takes(struct world *world,
                  struct wworker *worker,
                  const struct parcel *parcel);
void worker_hears(struct world *world,
                  struct wworker *worker,
                  const struct parcel *parcel);
void worker_finishes(struct world *world,
                     struct wworker *worker,
                     const struct parcel *parcel);
void worker_dies(struct world *world, struct wworker *worker);
void client_hears(struct world *world,
                  struct wclient *client,
                  const struct parcel *parcel);

/* world_oracle.c: look at every action, and at the end. */
void fail(struct world *world, const char *wrong);
void oracle_action(struct world *world, const struct xdb_action *action);
void oracle_end(struct world *world);
struct wtask *oracle_find(struct world *world,
                          uint64_t session,
                          const struct xd_task_id *id);

/* world_deliver.c: one event; parcels; time. */
void step(struct world *world, struct xdb_event *event);
void simple(struct world *world, enum xdb_event_kind kind, uint64_t session);
void deliver_to_core(struct world *world, const struct parcel *parcel);
void pass(struct world *world, xd_time by);

/* world_moves.c: something happens; who lives beats. */
void happen(struct world *world);
void beat(struct world *world);
void submit(struct world *world);
void resume(struct world *world);

#endif
