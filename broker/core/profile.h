/* SPDX-License-Identifier: MIT */
/* Compute profiles: shared or bound to the session that made them; shapes, workers and
 * barriers live in one. */
#ifndef XDB_CORE_PROFILE_H
#define XDB_CORE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "core/cuts.h"
#include "core/fault.h"
#include "core/pace.h"
#include "core/pool.h"
#include "core/shape.h"
#include "core/share.h"

struct xdb_client;
struct xdb_core;
struct xdb_event;
struct xdb_policy;

struct xdb_profile {
    struct xd_list sites; /* its work, by kind of worker */
    double weight;
    double time;  /* virtual: microseconds of its workers by weight */
    double floor; /* what it was when its work began: no correction goes below */
    const struct xdb_policy *policy;
    uint32_t max_running; /* leases at one time; 0: no limit */
    uint8_t at_work;      /* bits of tiers with work */
    bool paused;
    bool bound;
    bool lasting;            /* the operator's: stays without a maker */
    struct xd_list barriers; /* in order; the first may be open */
    uint64_t gate; /* tasks from this seq on wait: the first barrier's, or UINT64_MAX */
    uint64_t queued, leased; /* gauges */
    uint64_t records;        /* that stand in one of its shapes */
    uint64_t tasks, bytes;   /* accounted: without outcome */
    struct xdb_pace pace;    /* of outcomes */
    uint64_t done;
    uint64_t ended; /* since it was made: tasks and parts told or dropped, not the whole
                       of an opened barrier */
    struct xdb_flow flows[XDB_TIERS];
    struct xdb_cuts cuts;
    struct xd_map_item by_name;
    struct xd_bytes *name;
    struct xdb_client *maker; /* who configured it and is here; NULL: nobody */
    struct xd_list in_maker;
    struct xdb_pool *pool; /* whose workers it uses: its own, or another profile's */
    struct xdb_pool own_pool;
    struct xd_list in_pool;
    struct xd_map shapes;
    struct xd_list all_shapes;
    struct xd_list spare_shapes; /* oldest first, like the next */
    struct xd_list spare_estimates;
    size_t spare_count, spare_estimate_count;
    struct xd_map estimates;
    struct xd_map memos;  /* keys of tasks that are done once */
    uint64_t keys_unused; /* open tasks with a key that may still come to stand there */
    struct xdb_estimate *estimate; /* over all its tasks */
    uint64_t max_tasks, max_bytes; /* accounted; 0: what the broker gives to each */
    uint64_t refused;              /* tasks over these, since it was made */
    struct xd_list aside;          /* tasks for later, and in quarantine */
    struct xd_list touched;        /* the core's list of those to look at */
    uint64_t bound_queued;         /* early bound ones not sent yet */
};

/* Spare shapes kept for their estimates. */
#define XDB_SPARE_SHAPES 256u

enum xd_err xdb_profile_intern(struct xdb_core *core,
                               struct xd_bytes *name,
                               struct xdb_profile **out) XD_MUST_USE;
struct xdb_profile *xdb_profile_find(const struct xdb_core *core,
                                     const struct xd_bytes *name);

/* Its policy or its cuts are others: sort all its shapes anew. */
void xdb_profile_predict(struct xdb_core *core, struct xdb_profile *profile);

/* Look at it at the end of the step: its barrier, and whether it is still of use. */
void xdb_profile_touch(struct xdb_core *core, struct xdb_profile *profile);

/* Free what it keeps too much of. */
void xdb_profile_trim(struct xdb_profile *profile);

/* Free it, or what it keeps too much of, when nobody uses it. */
void xdb_profile_tidy(struct xdb_core *core, struct xdb_profile *profile);
void xdb_profile_free(struct xdb_core *core, struct xdb_profile *profile);

/* Its maker is gone: bound, its workers are dropped. */
void xdb_profile_unmake(struct xdb_core *core, struct xdb_profile *profile);

/* May this session put tasks into it? */
bool xdb_profile_admits(const struct xdb_profile *profile,
                        const struct xdb_client *client);

/* Its maker is this session from now on; it had none. */
void xdb_profile_make(struct xdb_profile *profile, struct xdb_client *client);

/* Use the workers of that pool; there must be no records in it. */
void xdb_profile_join_pool(struct xdb_core *core,
                           struct xdb_profile *profile,
                           struct xdb_pool *pool);

static inline bool xdb_profile_may_run(const struct xdb_profile *profile)
{
    return xdb_fault(20) ||
           (!profile->paused &&
            (profile->max_running == 0 || profile->leased < profile->max_running));
}

#endif
