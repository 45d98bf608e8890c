/* SPDX-License-Identifier: MIT */
/* Frames to and from a ZeroMQ socket, never blocking, errors mapped, with the annotations
 * that let TSan see libzmq's hand-over of memory between threads. Beside keys.c the
 * only file of proto/ that knows <zmq.h>. */
#ifndef XD_WIRE_ZMQ_H
#define XD_WIRE_ZMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

/* A route of a ROUTER: its own automatic id (5 bytes: zero and a counter). Never logged
 * or shown. */
struct xd_route {
    uint32_t n; /* 0: none */
};

/* What came with a message on a ROUTER. */
struct xd_zmq_from {
    struct xd_route route;
    int fd;            /* ZMQ_SRCFD of a data frame; -1 unknown */
    char user_id[128]; /* User-Id of a data frame, read only when asked for; "" when there
                          is none */
};

/* One whole message without waiting. Frames below XD_COPY_BELOW_BYTES are copied, larger
 * ones keep libzmq's buffer. `from` NULL: not a ROUTER; `want_user`: read the metadata as
 * well (slower). Errors: XD_ERR_AGAIN; XD_ERR_TOO_LARGE (over `capacity` frames; drained
 * and dropped, `from` is filled); XD_ERR_NOMEM (drained and dropped); XD_ERR_GONE
 * (context ended). */
enum xd_err xd_zmq_recv(void *socket,
                        struct xd_zmq_from *from,
                        bool want_user,
                        struct xd_bytes **frames,
                        size_t capacity,
                        size_t *count) XD_MUST_USE;

/* One whole message without waiting; libzmq takes references of large frames and copies
 * small ones. `to` NULL: not a ROUTER. Errors: XD_ERR_AGAIN (full), XD_ERR_GONE (that
 * route is gone), XD_ERR_NOMEM. On failure nothing was sent. */
enum xd_err xd_zmq_send(void *socket,
                        const struct xd_route *to,
                        struct xd_bytes *const *frames,
                        size_t count) XD_MUST_USE;

/* For a connection that libzmq made or accepted. tcp: while little is under way, a lost
 * packet is sent again after 0.2 s each time instead of doubling the wait, so that a few
 * of them in a row are no silence (tcp(7), thin streams). Unix sockets: the kernel takes
 * a whole chunk at once, so that sender and receiver need not wake each other for every
 * part of it (libzmq's option ZMQ_SNDBUF is for tcp alone). Other descriptors: quietly
 * nothing. */
void xd_zmq_tune_stream(int fd);

#endif
