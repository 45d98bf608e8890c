/* SPDX-License-Identifier: MIT */
/* Interned kinds: shapes of tasks (format, callee), offers of workers (formats,
 * handlers), and which fits which, decided once per pair. */
#ifndef XDB_CORE_SHAPE_H
#define XDB_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/task.h"

struct xdb_core;
struct xdb_profile;
struct xdb_task;

/* What a task asks for, and the queue of those that ask for it in one profile. */
struct xdb_shape {
    struct xd_map_item by_callee;
    struct xdb_profile *profile;
    struct xd_bytes *callee; /* NULL: format r */
    enum xd_format format;
    uint32_t run_count;    /* runs seen, saturating */
    double run_log;        /* the moving average of their logarithms (of nanoseconds) */
    uint32_t predicted_us; /* from that; at least 1 when anything is known, 0 when not */
    struct xd_list queue;  /* by seq */
    struct xd_list fits;
    struct xd_list in_profile, spare; /* spare: no task has it now */
    uint64_t tasks;                   /* records with it */
    uint64_t queued;
};

/* What workers offer; workers of one kind share it. */
struct xdb_offer {
    struct xdb_profile *profile;
    struct xd_list in_profile;
    struct xd_list hungry; /* the core's list of those to serve */
    uint32_t formats;
    struct xd_bytes **handlers;
    size_t handler_count;
    struct xd_list fits;
    struct xd_heap ready;       /* fits whose shape has tasks, by the first one's seq */
    struct xd_list idle, ahead; /* workers */
    uint64_t workers, live;
};

/* Tasks of the shape may go to workers of the offer. */
struct xdb_fit {
    struct xdb_shape *shape;
    struct xdb_offer *offer;
    struct xd_list in_shape, in_offer;
    struct xd_heap_item ready;
};

/* Find or make. What was made and is not used goes at the end of the step. */
enum xd_err xdb_shape_intern(struct xdb_core *core,
                             struct xdb_profile *profile,
                             enum xd_format format,
                             struct xd_bytes *callee,
                             struct xdb_shape **out) XD_MUST_USE;
struct xdb_shape *xdb_shape_find(struct xdb_profile *profile,
                                 enum xd_format format,
                                 const struct xd_bytes *callee);
void xdb_shape_free(struct xdb_shape *shape); /* no task has it */

enum xd_err xdb_offer_intern(struct xdb_core *core,
                             struct xdb_profile *profile,
                             uint32_t formats,
                             struct xd_bytes *const *handlers,
                             size_t handler_count,
                             struct xdb_offer **out) XD_MUST_USE;
void xdb_offer_free(struct xdb_offer *offer); /* no worker has it */

/* A task has the shape, or has it no more. */
void xdb_shape_use(struct xdb_shape *shape, struct xdb_task *task);
void xdb_shape_unuse(struct xdb_core *core, struct xdb_task *task);

/* Into the queue by seq (new ones at the end, returned ones near the front), and out. */
void xdb_shape_put(struct xdb_core *core, struct xdb_task *task);
void xdb_shape_take(struct xdb_core *core, struct xdb_task *task);

/* The first task by seq that a worker of this offer may run; NULL: none. */
struct xdb_task *xdb_offer_first(const struct xdb_offer *offer);

/* Serve it at the end of the step. */
void xdb_offer_touch(struct xdb_core *core, struct xdb_offer *offer);

/* The seq of its first task, XD_NEVER without one. */
xd_time xdb_shape_key(const struct xdb_shape *shape);

/* Link the two if they fit. */
enum xd_err xdb_fit_make(struct xdb_shape *shape, struct xdb_offer *offer) XD_MUST_USE;
void xdb_fit_free(struct xdb_fit *fit);
bool xdb_shape_fits(const struct xdb_shape *shape, const struct xdb_offer *offer);

#endif
