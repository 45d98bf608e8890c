/* SPDX-License-Identifier: MIT */
/* The link of an embedded broker: two queues and two eventfds between a session of this
 * process and the loop. */
#ifndef XDB_IO_EMBED_H
#define XDB_IO_EMBED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/link.h"
#include "base/list.h"

struct xdb_conn;

/* Messages of one direction and lane, oldest first; linked xdb_parked. */
struct xdb_queue {
    struct xd_list messages;
    size_t count;
};

/* One link; each side holds one reference. Queues and flags are under the lock of all
 * embeds. */
struct xdb_embed {
    struct xd_link link; /* first: the client's side holds a pointer to this */
    struct xdb_embeds *all;
    struct xd_list in_all;
    struct xdb_queue to_broker[XD_LANE_COUNT], to_client[XD_LANE_COUNT];
    int client_fd; /* eventfd that wakes the client's side */
    bool client_closed, broker_closed;
    struct xdb_conn *conns[XD_LANE_COUNT]; /* the loop's own */
};

/* All links of a broker, counted: the loop holds one reference, each link one. */
struct xdb_embeds {
    pthread_mutex_t lock;
    struct xd_list links;
    int broker_fd; /* eventfd that wakes the loop, for links and commands */
    size_t refs;
};

enum xd_err xdb_embeds_new(struct xdb_embeds **out) XD_MUST_USE;

/* The broker ends: every link hears XD_ERR_GONE from now on. NULL allowed. */
void xdb_embeds_free(struct xdb_embeds *embeds);

/* A new link; any thread. */
enum xd_err xdb_embed_new(struct xdb_embeds *embeds, struct xdb_embed **out) XD_MUST_USE;

/* Loop side: send to the client; never full. Errors: XD_ERR_GONE (closed there),
 * XD_ERR_NOMEM. */
enum xd_err xdb_embed_send(struct xdb_embed *embed,
                           enum xd_lane lane,
                           struct xd_bytes *const *frames,
                           size_t count) XD_MUST_USE;

/* Loop side: the oldest message of a lane, or NULL; the caller frees it. */
struct xdb_parked *xdb_embed_recv(struct xdb_embed *embed, enum xd_lane lane);

/* Loop side: the links one after the other, from NULL; and one that the client has closed
 * and that has nothing left to read, or NULL. */
struct xdb_embed *xdb_embeds_next(struct xdb_embeds *embeds, struct xdb_embed *embed);
struct xdb_embed *xdb_embeds_over(struct xdb_embeds *embeds);

/* Loop side: let go of it. */
void xdb_embed_drop(struct xdb_embed *embed);

#endif
