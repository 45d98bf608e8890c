/* SPDX-License-Identifier: MIT */
/* The seam for scheduling policies: in which order one profile's tasks go. */
#ifndef XDB_CORE_POLICY_H
#define XDB_CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "core/event.h"

struct xdb_core;
struct xdb_shape;
struct xdb_task;

/* Tasks that are alike (shape.h) go in the order they came; a policy says in which band
 * a shape stands, and in which order shapes stand in a band. It allocates nothing, and
 * never gives out a task behind the profile's gate (profile.h). */
struct xdb_policy {
    const char *name;
    bool by_time; /* the key depends on how long the shape's tasks run */
    uint8_t (*band)(const struct xdb_core *core, const struct xdb_shape *shape);
    xd_time (*key)(const struct xdb_shape *shape, const struct xdb_task *first);
    /* A new task begins to wait (QUEUED). */
    void (*put)(struct xdb_core *core, struct xdb_task *task);
};

/* Where a QUEUED task waits: at the worker that it asks for, else where its profile's
 * policy has it. */
void xdb_policy_put(struct xdb_core *core, struct xdb_task *task);

extern const struct xdb_policy xdb_policies[XDB_POLICIES];

#endif
