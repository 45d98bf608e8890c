/* SPDX-License-Identifier: MIT */
/* The dispatcher: one event in, actions out. The only header that broker/io includes from
 * core (with event.h and action.h). No socket, clock, log, protobuf or CZMQ below this
 * folder. */
#ifndef XDB_CORE_CORE_H
#define XDB_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "core/action.h"
#include "core/event.h"

struct xdb_core;

/* Times in nanoseconds; a budget of 0 means none. xdb_config_default() fills in
 * DESIGN.md's table. */
struct xdb_core_config {
    xd_time heartbeat, suspect,
        lost; /* silence: when to beat, when to stop dispatching, when it is lost */
    xd_time kill_after;   /* from a running task's interrupt to the end of its process */
    xd_time accept_delay; /* ACCEPTED waits this long for a result to ride on */
    xd_time hold_budget;  /* predicted work that may lie ahead at one worker */
    xd_time hold_below;   /* tasks predicted longer than this are never sent ahead */
    xd_time recall_after; /* a worker this long in one task while others idle gives held
                             ones back */
    xd_time run_unknown;  /* how long a task runs of which nothing is known */
    uint64_t memo_count, memo_bytes; /* results of tasks with a key that are kept: at most
                                        so many, so many bytes; 0: none */
    double tier_share; /* of the workers' time, that each priority class gets at least */
    uint64_t client_tasks, client_bytes, profile_tasks, profile_bytes, broker_tasks,
        broker_bytes;
    uint32_t retry_after_ms; /* what BUSY says while no task has ended yet */
    uint64_t seed;           /* of the hash tables */
};

void xdb_config_default(struct xdb_core_config *config);

/* Errors: XD_ERR_NOMEM. */
enum xd_err xdb_core_new(const struct xdb_core_config *config,
                         struct xdb_core **out) XD_MUST_USE;
void xdb_core_free(struct xdb_core *core);

/* Clears `actions`, takes one event and fills them. The only error is XD_ERR_NOMEM, and
 * then nothing has changed and nothing was taken; a bad peer is an action. Events about a
 * session or task that is unknown (late messages) are counted and ignored, or answered
 * with ERROR not_found where a client asked. */
enum xd_err xdb_core_step(struct xdb_core *core,
                          struct xdb_event *event,
                          struct xdb_actions *actions) XD_MUST_USE;

/* Bytes that the edge holds beside the tasks: they count in the broker's budget. */
void xdb_core_note_outside(struct xdb_core *core, uint64_t bytes);

/* When the next TICK is due at the latest; XD_NEVER when nothing waits for time. A late
 * tick is like an exact one. */
xd_time xdb_core_deadline(const struct xdb_core *core);

/* Walks all invariants; returns NULL when they hold, else a static text naming the broken
 * one. Slow. */
const char *xdb_core_check(const struct xdb_core *core);

/* Counters since the start and gauges of now: X(field, "name", what it counts). */
#define XDB_STATS_LIST(X)                                                                \
    X(submitted, "submitted", "tasks offered by clients")                                \
    X(accepted, "accepted", "of them taken")                                             \
    X(refused, "refused", "of them over budget")                                         \
    X(done, "done", "ended with a value")                                                \
    X(failed, "failed", "ended with the task's error")                                   \
    X(lost, "lost", "ended because the worker was lost")                                 \
    X(cancelled, "cancelled", "ended by cancel")                                         \
    X(expired, "expired", "ended by their time limit")                                   \
    X(rejected, "rejected", "ended because the broker would not take them")              \
    X(orphaned, "orphaned", "dropped because their client is gone")                      \
    X(dispatched, "dispatched", "sent to a worker, each time")                           \
    X(returned, "returned", "came back from a worker unstarted")                         \
    X(stale, "stale", "results, events and ids that named nothing of the sender's")      \
    X(queued, "queued", "now waiting")                                                   \
    X(leased, "leased", "now at workers")                                                \
    X(unacked, "unacked", "results now held until the client acknowledges")              \
    X(bytes, "bytes", "now accounted, payloads and records")                             \
    X(clients, "clients", "client sessions now")                                         \
    X(workers, "workers", "worker sessions now")                                         \
    X(profiles, "profiles", "profiles now")

struct xdb_stats {
#define XDB_STATS_FIELD(field, name, text) uint64_t field;
    XDB_STATS_LIST(XDB_STATS_FIELD)
#undef XDB_STATS_FIELD
};

void xdb_core_stats(const struct xdb_core *core, struct xdb_stats *out);

/* What there is, for status: called once per profile / worker, in no particular order.
 * Names are not NUL-ended. */
struct xdb_profile_view {
    const struct xd_bytes *name;
    bool bound, round_robin, paused;
    const char *policy;
    double weight;
    uint64_t queued, leased, workers, done, bytes,
        homeless;                  /* homeless: queued tasks that no worker here fits */
    uint64_t tasks, refused;       /* accounted now; over budget, ever */
    uint64_t max_tasks, max_bytes; /* its budget; 0: none, like the next */
    uint32_t max_running;
    bool learned_cuts;
};
struct xdb_worker_view {
    struct xd_session_id session, owner;
    const struct xd_bytes *profile;
    const char *state; /* "idle", "busy", "suspect", "stuck", "blocked" */
    uint64_t leased, done;
};
struct xdb_client_view {
    struct xd_session_id session;
    uint64_t open, unacked, bytes, refused;
};

/* What there is in one profile, all zero where there is none of that name. `queued` has
 * an everywhere-task as its parts that are not sent, and before it opens as the workers
 * it waits for; `ended` has parts and not the whole; `r_workers` take format r. Errors:
 * XD_ERR_FORBIDDEN (bound to a session other than `asker`). */
struct xdb_profile_counts {
    uint64_t workers, r_workers, joined, queued, leased, ended;
};
enum xd_err xdb_core_profile_counts(const struct xdb_core *core,
                                    const struct xd_bytes *name,
                                    struct xd_session_id asker,
                                    struct xdb_profile_counts *out) XD_MUST_USE;

void xdb_core_each_profile(const struct xdb_core *core,
                           void (*visit)(void *context,
                                         const struct xdb_profile_view *view),
                           void *context);
void xdb_core_each_worker(const struct xdb_core *core,
                          void (*visit)(void *context,
                                        const struct xdb_worker_view *view),
                          void *context);
void xdb_core_each_client(const struct xdb_core *core,
                          void (*visit)(void *context,
                                        const struct xdb_client_view *view),
                          void *context);

/* Why a task is where it is. The sentences are static. `in` is XD_NEVER where nothing
 * can be said of its start; else it counts on the workers that fit, shared by weight. */
struct xdb_task_why {
    const char *state;              /* "queued", "delayed", "running", ... */
    const char *reason;             /* what it waits for; "" when it does not */
    const struct xd_bytes *profile; /* NULL once it has ended */
    struct xd_session_id worker;    /* that has it, or that it waits for; 0: none */
    uint64_t ahead;                 /* tasks of its kind before it */
    uint64_t workers;               /* that live and could run it */
    uint32_t predicted_us;          /* its run time; 0: unknown */
    uint32_t tries, deaths;         /* runs that were to be repeated; by a lost worker */
    xd_time in;                     /* about when it starts, from now */
};
/* Walks the tasks of its kind before it. Errors: XD_ERR_NOT_FOUND. */
enum xd_err xdb_core_explain_task(const struct xdb_core *core,
                                  struct xd_session_id client,
                                  const struct xd_task_id *id,
                                  struct xdb_task_why *out) XD_MUST_USE;

/* The session of that user's whose task it is. Errors: XD_ERR_NOT_FOUND. */
enum xd_err xdb_core_find_task(const struct xdb_core *core,
                               uint64_t principal,
                               const struct xd_task_id *id,
                               struct xd_session_id *out) XD_MUST_USE;

/* A session's open tasks that are not simply queued: calls `visit` for each, of one
 * profile (NULL: of all). */
struct xdb_task_view {
    struct xd_task_id id;
    const char *state; /* as in xdb_task_why */
    struct xd_session_id worker;
    uint32_t attempt; /* from 1 */
    xd_time run;      /* since it began; 0: it did not */
};
void xdb_core_each_task(const struct xdb_core *core,
                        struct xd_session_id session,
                        const struct xd_bytes *profile,
                        void (*visit)(void *context, const struct xdb_task_view *view),
                        void *context);

/* What a worker could do, and why it does not. */
struct xdb_worker_why {
    const char *state, *reason;
    const struct xd_bytes *profile, *has;
    uint64_t fitting,
        waiting; /* tasks that wait in its profiles: that it could run; all */
};
/* Walks the kinds of tasks of its profiles. Errors: XD_ERR_NOT_FOUND. */
enum xd_err xdb_core_explain_worker(const struct xdb_core *core,
                                    struct xd_session_id worker,
                                    struct xdb_worker_why *out) XD_MUST_USE;

/* How often each row of each state table was taken in this process, for the tests'
 * coverage of them: calls visit(table, row, text, hits) for all rows. */
void xdb_core_each_row(
    const struct xdb_core *core,
    void (*visit)(void *context, const char *table, const char *row, uint64_t hits),
    void *context);

#endif
