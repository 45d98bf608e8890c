/* SPDX-License-Identifier: MIT */
/* Peers that send one message without end. libzmq gives out whole messages and counts
 * whole messages for its high-water mark, so that the frames of an unfinished one gather
 * without a limit, and the loop never hears of them. The kernel's count of a connection's
 * bytes tells. */
#ifndef XDB_IO_FLOOD_H
#define XDB_IO_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/time.h"
#include "io/conn.h"
#include "wire/limits.h"

/* What libzmq may take in from a connection that gives no message meanwhile: a whole one
 * is little over a quarter of it. */
#define XDB_FLOOD_MAX_BYTES (4 * XD_FRAME_MAX_BYTES)

struct xdb_flow; /* one accepted tcp connection */
struct xdb_server;

struct xdb_flood {
    int arrivals; /* epoll: bytes came on a connection that was quiet */
    struct xdb_flow **by_fd;
    size_t room;
    struct xd_list active; /* connections to look at */
    xd_time look_at;       /* XD_NEVER: none */
    uint64_t reads[XDB_SOCKET_COUNT], drains[XDB_SOCKET_COUNT];
};

/* Errors: XD_ERR_SYSTEM. */
enum xd_err xdb_flood_init(struct xdb_flood *flood) XD_MUST_USE;
void xdb_flood_fini(struct xdb_flood *flood); /* also of a zeroed one */

/* What the sockets' monitors say. A connection that cannot be watched (unix, no memory)
 * is left alone. */
void xdb_flood_accepted(struct xdb_flood *flood, enum xdb_socket which, int fd);
void xdb_flood_closed(struct xdb_flood *flood, int fd);

/* A message came out of a socket by that descriptor; there was none left. */
void xdb_flood_delivered(struct xdb_flood *flood, enum xdb_socket which, int fd);
void xdb_flood_drained(struct xdb_flood *flood, enum xdb_socket which);

/* `arrivals` is readable. */
void xdb_flood_arrived(struct xdb_flood *flood, xd_time now);

/* At `look_at`: cut those that are over the limit though all their messages were read. */
void xdb_flood_look(struct xdb_server *server);

#endif
