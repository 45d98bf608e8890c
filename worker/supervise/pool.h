/* SPDX-License-Identifier: MIT */
/* The slots' lives as a state table: what may happen, when a crash is followed by a
 * restart. Pure: time and seed come in as data. */
#ifndef XDW_SUPERVISE_POOL_H
#define XDW_SUPERVISE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "crossdock_supervise.h"

enum xdw_event {
    XDW_EV_START,   /* the slot got a command */
    XDW_EV_RAN,     /* its process runs */
    XDW_EV_REFUSED, /* the system had no room for a process; may go well later */
    XDW_EV_NOT_RUN, /* the command cannot be run */
    XDW_EV_DONE,    /* the process ended with a final exit code */
    XDW_EV_CRASHED, /* it ended in any other way */
    XDW_EV_GAVE_UP, /* it crashed, or was refused, once too often */
    XDW_EV_DUE,     /* the time of its restart has come */
    XDW_EV_STOP,    /* it is to end, with grace */
    XDW_EV_KILL,    /* it is to end now, or its grace is over */
    XDW_EV_FORGET
};

struct xdw_row {
    enum xdw_state from;
    enum xdw_event event;
    enum xdw_state to;
};

/* Every move there is; anything else is a bug (asserted). */
#define XDW_ROWS 20
extern const struct xdw_row xdw_rows[XDW_ROWS];

/* What the caller is to do when a slot has entered a state. */
enum xdw_action { XDW_DO_NOTHING, XDW_DO_START, XDW_DO_TERM, XDW_DO_KILL };

struct xdw_slot {
    enum xdw_state state;
    bool told;        /* the state's action has been given out */
    uint32_t crashes; /* in a row */
    xd_time since;    /* UP: when it began */
    xd_time due;      /* BACKOFF: restart; STOPPING: kill; else XD_NEVER */
    xd_time delay;    /* BACKOFF: how long in all */
};

/* All positive, but give_up_after may be 0 (never). */
struct xdw_pool_config {
    xd_time backoff, backoff_cap, stable;
    uint32_t give_up_after;
    uint64_t seed;
};

struct xdw_pool {
    struct xdw_pool_config config;
    uint64_t random;
    struct xdw_slot *slots;
    size_t count, capacity;
    uint64_t hits[XDW_ROWS]; /* how often each row was taken; tests see that all were */
};

void xdw_pool_init(struct xdw_pool *pool, const struct xdw_pool_config *config);
void xdw_pool_fini(struct xdw_pool *pool);

/* The lowest vacant slot, made if need be; it stays vacant until XDW_EV_START. */
enum xd_err xdw_pool_add(struct xdw_pool *pool, uint32_t *slot) XD_MUST_USE;

/* START, RAN, NOT_RUN or FORGET has happened to a slot that allows it (asserted). */
void xdw_pool_event(struct xdw_pool *pool,
                    uint32_t slot,
                    enum xdw_event event,
                    xd_time now);

/* The process could not be started this time, or has ended: decides whether that was a
 * crash and what follows. */
void xdw_pool_refused(struct xdw_pool *pool, uint32_t slot, xd_time now);
void xdw_pool_ended(struct xdw_pool *pool,
                    uint32_t slot,
                    struct xdw_end end,
                    xd_time now);

/* End it for good; harmless in every state. True when the state has changed. */
bool xdw_pool_stop(struct xdw_pool *pool, uint32_t slot, xd_time grace, xd_time now);

/* The next thing to do at `now`, for *slot; each is said once. */
enum xdw_action xdw_pool_next(struct xdw_pool *pool, xd_time now, uint32_t *slot);

/* When xdw_pool_next() will have something to do again, as far as the pool knows. */
xd_time xdw_pool_deadline(const struct xdw_pool *pool);

bool xdw_state_is_over(enum xdw_state state); /* vacant, finished, failed */

/* Do the slots' fields agree with their states? */
bool xdw_pool_check(const struct xdw_pool *pool);

#endif
