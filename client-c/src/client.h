/* SPDX-License-Identifier: MIT */
/* The client object: its core, and who runs it. */
#ifndef XD_CLIENT_CLIENT_H
#define XD_CLIENT_CLIENT_H

#include "client_core.h"
#include "origin.h"
#include "pump.h"

#define XD_ID_POOL 64u

struct xd_client {
    struct xd_origin origin;
    char address[XD_ADDRESS_MAX_BYTES]; /* that was dialled; "": a link */
    struct xd_pump pump;
    struct xd_facts facts;
    struct xd_client_core core; /* under pump.lock */
    struct xd_batch inbox;      /* the leader's */
    atomic_uint refs;           /* the application's handle, each future and setup */
    int fd;                     /* -1: none made so far */
    bool fd_is_set, closed;
    void (*done)(void *context, struct xd_future *future);
    void *done_context;
    void (*event)(void *context,
                  struct xd_future *future,
                  uint32_t part,
                  const char *kind,
                  struct xd_bytes *bytes);
    void *event_context;
    struct xd_task_id ids[XD_ID_POOL]; /* random, fetched ahead */
    size_t ids_left;
};

/* `count` references less; without the lock. */
void xd_client_unref(struct xd_client *client, unsigned count);

/* With the lock held: destroy the futures and setups that nobody needs. Returns how many
 * references of the client that frees. */
unsigned xd_client_reap(struct xd_client *client);

/* With the lock held: something was queued that leaves by core.flush_at, or at once. */
void xd_client_post(struct xd_client *client, xd_time now);

/* With the lock held: something is to be said now. */
void xd_client_attend(struct xd_client *client);

/* With the lock held: make the descriptor tell the truth. */
void xd_client_show(struct xd_client *client);

#endif
