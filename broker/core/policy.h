/* SPDX-License-Identifier: MIT */
/* The seam for scheduling policies: where a task waits, and which one a worker gets. */
#ifndef XDB_CORE_POLICY_H
#define XDB_CORE_POLICY_H

struct xdb_core;
struct xdb_task;
struct xdb_worker;

/* A policy decides inside one profile, in O(log n) at most, and allocates nothing. It
 * never gives out a task behind the profile's gate (profile.h). */
struct xdb_policy {
    const char *name;
    /* A new task begins to wait (QUEUED). */
    void (*put)(struct xdb_core *core, struct xdb_task *task);
    /* One comes back unstarted, to where it was in the order. */
    void (*put_back)(struct xdb_core *core, struct xdb_task *task);
    /* Which one this worker would get now, without taking it; NULL: none. */
    struct xdb_task *(*next)(const struct xdb_worker *worker);
    /* It waits no more. */
    void (*take)(struct xdb_core *core, struct xdb_task *task);
};

extern const struct xdb_policy xdb_policy_fifo, xdb_policy_round_robin;

#endif
