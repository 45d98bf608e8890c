/* SPDX-License-Identifier: MIT */
/* The worker object: its core, and who runs it. */
#ifndef XD_CLIENT_WORKER_H
#define XD_CLIENT_WORKER_H

#include "crossdock_worker.h"
#include "origin.h"
#include "pump.h"
#include "worker_core.h"

struct xd_worker {
    struct xd_origin origin;
    struct xd_pump pump;
    struct xd_facts facts;
    struct xd_worker_core core; /* under pump.lock */
    struct xd_batch inbox;      /* the leader's */
    atomic_bool wake;           /* xd_worker_wake() was called */
    xd_time looked_at;          /* when xd_worker_next() last looked at the link */
    void (*interrupt)(void *context, struct xd_task_id id);
    void (*kill)(void *context, struct xd_task_id id);
    void *context;
};

/* xd_worker_connect() over a link of the caller's, which is taken, also on failure. */
enum xd_err xd_worker_connect_link(const struct xd_worker_options *options,
                                   struct xd_link *link,
                                   struct xd_worker **out,
                                   struct xd_error *error) XD_MUST_USE;

/* With the lock held: results or events were queued. */
void xd_worker_post(struct xd_worker *worker, xd_time now);

#endif
