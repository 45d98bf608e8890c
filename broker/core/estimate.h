/* SPDX-License-Identifier: MIT */
/* How long tasks will run: learned per (profile, task class, size), from the logarithms
 * of the runs seen. What knows nothing asks what is above it: the class over all sizes,
 * then the profile. */
#ifndef XDB_CORE_ESTIMATE_H
#define XDB_CORE_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

struct xdb_core;
struct xdb_profile;
struct xdb_shape;
struct xd_bytes;

/* What every result looks at stands first, as in other records of which there may be
 * thousands. */
struct xdb_estimate {
    struct xdb_estimate *above; /* NULL: the profile's */
    struct xd_list shapes;      /* whose tasks it predicts */
    double run_log;       /* moving average of the logarithms of runs (of nanoseconds) */
    double hint_log;      /* of the ratios of runs to their clients' hints */
    uint64_t running;     /* tasks at workers; counted for a class only */
    uint32_t runs, hints; /* how many of each were seen, saturating */
    struct xd_list below; /* estimates of sizes */
    struct xd_list in_above;
    struct xd_map_item by_key;
    struct xdb_profile *profile;
    struct xd_list spare; /* the profile's list of those that nobody uses */
    uint64_t users;       /* shapes, and estimates below */
    uint32_t key_size;
    uint8_t key[]; /* size bucket (0 for all sizes), class */
};

/* Estimates in use, above which a profile's new classes share the one without a name;
 * and unused ones kept for what they know. */
#define XDB_ESTIMATES_MAX 4096u
#define XDB_SPARE_ESTIMATES 512u

/* The profile's own, above all others. */
enum xd_err xdb_estimate_init(struct xdb_profile *profile) XD_MUST_USE;
void xdb_estimate_fini(struct xdb_profile *profile);

/* The bucket of a task with so many bytes: from 1. */
uint8_t xdb_estimate_bucket(uint64_t bytes);

/* Find or make; `kind` NULL: the class without a name. */
enum xd_err xdb_estimate_intern(struct xdb_profile *profile,
                                const struct xd_bytes *kind,
                                uint8_t bucket,
                                struct xdb_estimate **out) XD_MUST_USE;

/* A shape uses it, or does no more. */
void xdb_estimate_use(struct xdb_estimate *estimate, struct xdb_shape *shape);
void xdb_estimate_unuse(struct xdb_shape *shape);
void xdb_estimate_drop_spare(struct xdb_profile *profile, size_t keep);

/* A task of the shape goes to a worker, or is no longer there. The first task of a class
 * is supposed to run as long as the profile's others; until it has ended, the next ones
 * of the class count as unknown: they may all be long. */
void xdb_estimate_begin(struct xdb_core *core, struct xdb_shape *shape);
void xdb_estimate_end(struct xdb_core *core, struct xdb_shape *shape);

/* A task of the shape ran so long; its shapes are sorted anew. */
void xdb_estimate_learn(struct xdb_core *core, struct xdb_shape *shape, uint64_t run_ns);

/* Has a task of its class ended, or its client said how long it runs? What the profile's
 * others take is a guess, on which nothing waits behind a task. */
bool xdb_estimate_is_known(const struct xdb_shape *shape);

/* In microseconds, at least 1; 0: nothing is known. */
uint32_t xdb_estimate_predict(const struct xdb_shape *shape);

#endif
