/* SPDX-License-Identifier: MIT */
/* Who gets how much: virtual time, in which a flow that gets more than its weight falls
 * behind. Tiers by minimum share, profiles by weight, bands by weight. */
#ifndef XDB_CORE_SHARE_H
#define XDB_CORE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct xdb_core;
struct xdb_offer;
struct xdb_profile;
struct xdb_shape;
struct xdb_task;

/* The bands of one profile and tier. Times are virtual: microseconds by weight. */
struct xdb_flow {
    double time[8];    /* XDB_BANDS */
    double clock;      /* of the band served last */
    uint32_t busy[8];  /* shapes with tasks */
    uint32_t all_busy; /* the same of all bands */
};

/* The tier whose turn it is at this offer; XDB_TIERS: none has work. */
size_t xdb_share_tier(const struct xdb_offer *offer);

/* A shape's queue has its first task, or none any more. */
void xdb_share_wake(struct xdb_core *core, struct xdb_shape *shape);
void xdb_share_sleep(struct xdb_shape *shape);

/* A shape with tasks goes to another band. */
void xdb_share_change_band(struct xdb_shape *shape, uint8_t band);

/* A worker of the offer gets the task: its prediction is charged. Call before the task
 * leaves its queue, xdb_share_turn() after. */
void xdb_share_charge(struct xdb_core *core,
                      struct xdb_task *task,
                      struct xdb_offer *offer);

/* It took `used_us` of its worker's time in truth: the charge is corrected. */
void xdb_share_settle(struct xdb_core *core, struct xdb_task *task, double used_us);

/* The profile's virtual time, or whether it may run, is another. */
void xdb_share_turn(struct xdb_core *core, struct xdb_profile *profile);

/* A virtual time as a heap's key. */
static inline xd_time xdb_share_key(double time)
{
    return (xd_time)time;
}

#endif
