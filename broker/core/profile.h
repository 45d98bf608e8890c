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

struct xdb_client;
struct xdb_core;
struct xdb_event;
struct xdb_policy;

struct xdb_profile {
    struct xd_map_item by_name;
    struct xd_bytes *name;
    const struct xdb_policy *policy;
    struct xdb_client *maker; /* who configured it and is here; NULL: nobody */
    struct xd_list in_maker;
    bool bound;
    struct xd_map shapes[2]; /* format r, format call */
    struct xd_list all_shapes;
    struct xd_list spare_shapes; /* oldest first */
    size_t spare_count;
    struct xd_list offers, workers;
    struct xd_list barriers; /* in order; the first may be open */
    uint64_t gate; /* tasks from this seq on wait: the first barrier's, or UINT64_MAX */
    struct xd_list touched;  /* the core's list of those to look at */
    uint64_t queued, leased; /* gauges */
    uint64_t bound_queued;   /* early bound ones not sent yet */
    uint64_t records;        /* that stand in one of its shapes */
    uint64_t tasks, bytes;   /* accounted: without outcome */
    uint64_t worker_count, done;
    uint64_t joined, ended; /* since it was made: workers; tasks and parts told or
                               dropped, not the whole of an opened barrier */
};

/* Spare shapes kept for their estimates. */
#define XDB_SPARE_SHAPES 256u

enum xd_err xdb_profile_intern(struct xdb_core *core,
                               struct xd_bytes *name,
                               struct xdb_profile **out) XD_MUST_USE;
struct xdb_profile *xdb_profile_find(const struct xdb_core *core,
                                     const struct xd_bytes *name);

/* Look at it at the end of the step: its barrier, and whether it is still of use. */
void xdb_profile_touch(struct xdb_core *core, struct xdb_profile *profile);

/* Free it, or what it keeps too much of, when nobody uses it. */
void xdb_profile_tidy(struct xdb_core *core, struct xdb_profile *profile);
void xdb_profile_free(struct xdb_core *core, struct xdb_profile *profile);

/* Its maker is gone: bound, its workers are dropped. */
void xdb_profile_unmake(struct xdb_core *core, struct xdb_profile *profile);

/* May this session put tasks into it? */
bool xdb_profile_admits(const struct xdb_profile *profile,
                        const struct xdb_client *client);

enum xd_err xdb_plan_profile(struct xdb_core *core,
                             const struct xdb_event *event,
                             size_t *need) XD_MUST_USE;
void xdb_apply_profile(struct xdb_core *core, struct xdb_event *event);

#endif
