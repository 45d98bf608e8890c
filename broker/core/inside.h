/* SPDX-License-Identifier: MIT */
/* The core's own state and the functions its files share; nobody else's business. */
#ifndef XDB_CORE_INSIDE_H
#define XDB_CORE_INSIDE_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/needs.h"
#include "core/bond.h"
#include "core/client.h"
#include "core/core.h"
#include "core/estimate.h"
#include "core/extra.h"
#include "core/fault.h"
#include "core/memo.h"
#include "core/pace.h"
#include "core/policy.h"
#include "core/pool.h"
#include "core/profile.h"
#include "core/rows.h"
#include "core/session.h"
#include "core/shape.h"
#include "core/share.h"
#include "core/slab.h"
#include "core/task.h"
#include "core/worker.h"

/* What a record costs in the account besides its payload, about what it takes. */
#define XDB_RECORD_BYTES 256u

/* Records kept for reuse. */
#define XDB_SPARE_RECORDS 1024u

/* The sentences that go with outcomes: made once, shared. X(field, text). */
#define XDB_TEXT_LIST(X)                                                                 \
    X(worker_lost, "worker lost")                                                        \
    X(cancelled, "cancelled")                                                            \
    X(replaced, "replaced by a later task")                                              \
    X(expired, "the time allowed is over")                                               \
    X(warning, "warning")                                                                \
    X(homeless, "no worker here has what the task needs")                                \
    X(draining, "the broker is draining")                                                \
    X(given_gone, "the result of a task it comes after is gone with its worker")         \
    X(over_client, "the task is larger than all bytes that a client may have here")      \
    X(over_profile, "the task is larger than all bytes that its profile may have")       \
    X(over_broker, "the task is larger than all bytes that the broker may have")         \
    X(foreign, "the result names a payload that is not the worker's")

struct xdb_texts {
#define XDB_TEXT_FIELD(field, text) struct xd_bytes *field;
    XDB_TEXT_LIST(XDB_TEXT_FIELD)
#undef XDB_TEXT_FIELD
};

/* What a plan made for one task. */
struct xdb_planned {
    struct xdb_shape *shape;
    struct xdb_bond *bond; /* NULL: it needs none, or has it already */
};

struct xdb_core {
    struct xdb_core_config config;
    xd_time now;
    xd_time stalled; /* when the broker itself last woke late: silence counts from then */
    struct xd_map sessions, profiles;
    struct xd_heap session_timers, task_timers;
    struct xd_list clients, workers;
    struct xdb_slabs records; /* of tasks */
    struct xd_list dead;      /* theirs until the next step */
    struct xdb_extra *spare_extras;
    size_t spare_extra_count, extra_count; /* unused; of tasks */
    struct xd_list awake, hungry, touched; /* to serve at the end of the step, */
    struct xd_list fated, spent;           /* like these: bonds, KEPT tasks */
    struct xd_list memos;                  /* kept results, the oldest first */
    uint64_t memo_count, memo_bytes;
    struct xdb_actions *actions; /* of the step that runs */
    struct xdb_planned
        *planned; /* of the tasks of a SUBMIT, from its plan to its apply */
    size_t planned_room, planned_count;
    struct xdb_client *spare_client; /* made by a plan, not used yet */
    struct xdb_worker *spare_worker;
    uint64_t seq;
    uint64_t account_tasks, account_bytes;
    struct xdb_pace pace;             /* of tasks that left it */
    uint64_t outside_bytes;           /* held by the edge */
    uint64_t states[XDB_TASK_STATES]; /* records in each */
    struct xdb_stats counters;        /* the gauges in it are filled in by stats.c */
    struct xdb_hits task_hits, worker_hits;
    struct xdb_texts texts;
    bool draining, drained;
    bool silent; /* being freed: what it would say goes into `unseen` */
    struct xdb_action unseen;
    bool starved; /* no room for an action or a part: goes on at the next step */
};

/* action.c: room first, then push, which cannot fail. */
enum xd_err xdb_action_reserve(struct xdb_core *core, size_t more) XD_MUST_USE;
struct xdb_action *xdb_action_push(struct xdb_core *core,
                                   enum xdb_action_kind kind,
                                   struct xdb_session *to);
struct xdb_action *xdb_action_push_id(struct xdb_core *core,
                                      enum xdb_action_kind kind,
                                      struct xd_session_id to);
void xdb_action_error(struct xdb_core *core,
                      struct xd_session_id to,
                      enum xd_err code,
                      const char *text);
void xdb_action_drop(struct xdb_core *core,
                     struct xdb_session *session,
                     enum xd_err code,
                     const char *text);
void xdb_action_note(struct xdb_core *core,
                     struct xd_session_id about,
                     enum xdb_note_level level,
                     const char *what);
void xdb_action_result(struct xdb_core *core,
                       struct xdb_task *task,
                       const struct xdb_outcome *outcome);
void xdb_action_let_go(struct xdb_core *core, struct xdb_task *task);
void xdb_actions_clear(struct xdb_actions *actions);
void xdb_actions_finish(struct xdb_actions *actions);

/* admit.c: the account of tasks and bytes per client, profile and broker. */
enum xdb_scope { XDB_SCOPE_NONE, XDB_SCOPE_CLIENT, XDB_SCOPE_PROFILE, XDB_SCOPE_BROKER };
enum xdb_scope xdb_admit_test(const struct xdb_core *core,
                              const struct xdb_client *client,
                              const struct xdb_profile *profile,
                              uint64_t bytes);
/* Why a task can never be taken, whoever waits: it is larger than a budget of bytes.
 * NULL: it can. */
struct xd_bytes *xdb_admit_never(const struct xdb_core *core,
                                 const struct xdb_client *client,
                                 const struct xdb_profile *profile,
                                 uint64_t bytes);
/* After which time it is worth trying again, for one of `count` tasks that came
 * together. */
uint32_t xdb_admit_retry_ms(const struct xdb_core *core,
                            const struct xdb_client *client,
                            const struct xdb_profile *profile,
                            enum xdb_scope scope,
                            uint64_t bytes,
                            size_t count);
void xdb_admit_charge(struct xdb_core *core, struct xdb_task *task, uint64_t bytes);
void xdb_admit_to_result(struct xdb_core *core, struct xdb_task *task, uint64_t bytes);
void xdb_admit_release(struct xdb_core *core, struct xdb_task *task);

/* hold.c: what may be sent ahead. */
bool xdb_hold_allows(const struct xdb_core *core,
                     const struct xdb_worker *worker,
                     const struct xdb_task *task);
void xdb_hold_recall(struct xdb_core *core, struct xdb_worker *worker);

/* aside.c: tasks for later, and in quarantine. */
void xdb_aside_put(struct xdb_core *core,
                   struct xdb_task *task,
                   enum xdb_task_move move,
                   enum xdb_task_state to);
void xdb_aside_release(struct xdb_core *core,
                       struct xdb_task *task,
                       enum xdb_task_move move);
void xdb_aside_take(struct xdb_core *core, struct xdb_task *task);
bool xdb_aside_retry(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move);

/* dispatch.c */
void xdb_dispatch(struct xdb_core *core);

/* barrier.c */
void xdb_barrier_put(struct xdb_core *core, struct xdb_task *barrier);
void xdb_barrier_try_open(struct xdb_core *core, struct xdb_profile *profile);
void xdb_barrier_remove(struct xdb_core *core, struct xdb_task *barrier);
void xdb_barrier_part_ended(struct xdb_core *core,
                            struct xdb_task *part,
                            enum xd_outcome outcome);
void xdb_barrier_part_forgotten(struct xdb_core *core, struct xdb_task *part);
void xdb_barrier_each_part(struct xdb_core *core,
                           struct xdb_task *barrier,
                           void (*visit)(struct xdb_core *core,
                                         struct xdb_task *part,
                                         enum xdb_task_move move,
                                         struct xdb_outcome outcome),
                           enum xdb_task_move move,
                           struct xdb_outcome outcome);

/* cancel.c */
void xdb_cancel_task(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move,
                     struct xdb_outcome outcome);
void xdb_cancel_at_worker(struct xdb_core *core, struct xdb_task *task);
void xdb_cancel_kill(struct xdb_core *core, struct xdb_worker *worker);
size_t xdb_cancel_actions(const struct xdb_task *task);

/* stats.c */
void xdb_stats_count_outcome(struct xdb_core *core, enum xd_outcome outcome);

/* One row per kind of event: `plan` allocates and says how many actions `apply` may
 * need; it changes nothing anybody could see. `apply` cannot fail. */
typedef enum xd_err xdb_plan(struct xdb_core *core,
                             const struct xdb_event *event,
                             size_t *need);
typedef void xdb_apply(struct xdb_core *core, struct xdb_event *event);

xdb_plan xdb_plan_configure; /* configure.c */
xdb_apply xdb_apply_configure;
xdb_plan xdb_plan_kick; /* aside.c */
xdb_apply xdb_apply_kick;
xdb_plan xdb_plan_submit; /* submit.c */
xdb_apply xdb_apply_submit;
void xdb_submit_drop_planned(struct xdb_core *core);
xdb_plan xdb_plan_cancel_many; /* sweep.c */
xdb_apply xdb_apply_cancel_many;
xdb_plan xdb_plan_cancel; /* cancel.c */
xdb_apply xdb_apply_cancel;
xdb_plan xdb_plan_result, xdb_plan_task_event; /* report.c */
xdb_apply xdb_apply_result, xdb_apply_started, xdb_apply_task_event;
xdb_plan xdb_plan_recalled, xdb_plan_send_failed; /* giveback.c */
xdb_apply xdb_apply_recalled, xdb_apply_send_failed, xdb_apply_unblocked;
xdb_plan xdb_plan_end, xdb_plan_tick; /* liveness.c */
xdb_apply xdb_apply_end, xdb_apply_tick;
xdb_apply xdb_apply_drain; /* core.c */

#endif
