/* SPDX-License-Identifier: MIT */
/* Worker sessions: their slot, what they hold, and their state table. */
#ifndef XDB_CORE_WORKER_H
#define XDB_CORE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "core/rows.h"
#include "core/session.h"
#include "core/task.h"

struct xdb_core;
struct xdb_event;
struct xdb_offer;
struct xdb_pool;
struct xdb_profile;

enum xdb_worker_state {
    XDB_WORKER_IDLE,
    XDB_WORKER_BUSY,
    XDB_WORKER_BLOCKED,  /* its pipe is full */
    XDB_WORKER_SUSPECT,  /* silent: gets nothing new */
    XDB_WORKER_DRAINING, /* says that it is leaving */
    XDB_WORKER_STUCK,    /* was told to end its process; never used again */
    XDB_WORKER_GONE,
    XDB_WORKER_STATES
};

enum xdb_worker_move {
    XDB_WORKER_LEASE,    /* it was sent a task */
    XDB_WORKER_EMPTY,    /* its last task ended */
    XDB_WORKER_FULL,     /* a send failed */
    XDB_WORKER_WRITABLE, /* its pipe takes messages again */
    XDB_WORKER_SILENT,
    XDB_WORKER_HEARD,
    XDB_WORKER_LEAVES, /* it handed back unasked */
    XDB_WORKER_KILL,
    XDB_WORKER_END
};

extern const struct xdb_table xdb_worker_table;

struct xdb_worker {
    struct xdb_session session;
    struct xdb_offer *offer;
    struct xd_list ready;  /* the offer's idle or ahead list */
    struct xd_list own;    /* tasks pinned to it: a part, or early bound ones */
    struct xd_list leases; /* in the order sent */
    uint32_t leased, held, hold;
    uint64_t predicted_us; /* sum over the leases */
    xd_time front_since;   /* since when the first lease is the first */
    xd_time cancel_since;  /* since when the first lease is to end; XD_NEVER: it is not */
    uint64_t done;
    uint8_t state;
    bool silent, full, leaving, stuck, gone; /* what the state is made from */
    bool overdue;         /* its held tasks were recalled: nothing ahead until a result */
    struct xd_list awake; /* the core's list of those with tasks of their own to send */
    struct xd_session_id owner;
    struct xdb_pool *pool;
    struct xd_list in_core, in_pool;
};

struct xdb_worker *xdb_worker_find(const struct xdb_core *core, struct xd_session_id id);

/* The state that follows from the flags and leases; changes it by the table when it is
 * another, and sees to the lists of workers that take tasks. */
void xdb_worker_settle(struct xdb_core *core,
                       struct xdb_worker *worker,
                       enum xdb_worker_move move);

/* The lease of that id and part; NULL: it has none. */
struct xdb_task *xdb_worker_lease(const struct xdb_worker *worker,
                                  const struct xd_task_id *id,
                                  uint32_t part);
/* The same for messages that name no part. */
struct xdb_task *xdb_worker_lease_any(const struct xdb_worker *worker,
                                      const struct xd_task_id *id);

void xdb_worker_add_lease(struct xdb_core *core,
                          struct xdb_worker *worker,
                          struct xdb_task *task,
                          bool ahead);
void xdb_worker_remove_lease(struct xdb_core *core, struct xdb_task *task);

/* Pin a QUEUED task to it. */
void xdb_worker_pin(struct xdb_core *core,
                    struct xdb_worker *worker,
                    struct xdb_task *task);
/* The profile may run again: so may what of it is pinned. */
void xdb_worker_wake_pinned(struct xdb_core *core, const struct xdb_profile *profile);
/* "idle", "busy", ... */
const char *xdb_worker_state_name(const struct xdb_worker *worker);
/* It takes no more: what is pinned to it goes back, parts are lost. */
void xdb_worker_unpin_all(struct xdb_core *core, struct xdb_worker *worker);

/* It said that it was leaving, and then goodbye: what it has not reported it never saw.
 */
void xdb_worker_give_back_rest(struct xdb_core *core, struct xdb_worker *worker);

/* Its leased tasks are lost; the session is over. */
void xdb_worker_end(struct xdb_core *core, struct xdb_worker *worker);
size_t xdb_worker_end_actions(const struct xdb_worker *worker);

static inline bool xdb_worker_takes_tasks(const struct xdb_worker *worker)
{
    return worker->state <= XDB_WORKER_BUSY;
}

static inline bool xdb_worker_is_live(const struct xdb_worker *worker)
{
    return worker->state <= XDB_WORKER_SUSPECT;
}

enum xd_err xdb_plan_worker_join(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need) XD_MUST_USE;
void xdb_apply_worker_join(struct xdb_core *core, struct xdb_event *event);

#endif
