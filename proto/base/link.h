/* SPDX-License-Identifier: MIT */
/* How a session reaches its broker: its own sockets, or the queue of an embedded broker.
 * Installed. */
#ifndef XD_BASE_LINK_H
#define XD_BASE_LINK_H

#include <poll.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

/* The lanes of a session. Control carries everything but CHUNK and its CREDIT. */
enum xd_lane { XD_LANE_CONTROL, XD_LANE_BULK, XD_LANE_COUNT };

#define XD_LINK_FDS ((size_t)2 * XD_LANE_COUNT)

/* A link carries whole messages: the packed envelope and its payload frames, the bytes of
 * the wire, by reference. Implementations put this struct first in their own. None of the
 * functions blocks. One thread at a time may be in send and recv (the session's lock sees
 * to it); `close` may be called once, from that thread. */
struct xd_link {
    /* Shares the frames (the callee takes its own references). XD_ERR_AGAIN: full, try
     * again when the descriptor wakes; XD_ERR_GONE: the broker is gone for good. On
     * failure nothing was sent. */
    enum xd_err (*send)(struct xd_link *link,
                        enum xd_lane lane,
                        struct xd_bytes *const *frames,
                        size_t count);

    /* One whole message into `frames` (room for `capacity`); the caller owns one
     * reference of each. XD_ERR_AGAIN: none there. XD_ERR_TOO_LARGE: it had more frames
     * than `capacity`; it was dropped. */
    enum xd_err (*recv)(struct xd_link *link,
                        enum xd_lane lane,
                        struct xd_bytes **frames,
                        size_t capacity,
                        size_t *count);

    /* What to poll(2) for until something may be received on a lane: fills `fds` (room
     * for XD_LINK_FDS) and tells how many; 0: something may be there already. Between
     * this and `woke` others may use the link, if they are one at a time: the wait itself
     * touches nothing of it. Who sent meanwhile asks `arm` again: 0 then means that the
     * one who waits would not hear of it. */
    size_t (*arm)(struct xd_link *link, struct pollfd *fds);

    /* The wait is over; poll(2) said this of them. */
    void (*woke)(struct xd_link *link, const struct pollfd *fds, size_t count);

    /* Open what a lane needs; the control lane is open from the start, the workers' and
     * bulk endpoints are those of HELLO_OK (not NUL-terminated by anything but the
     * caller). An embedded link ignores it. */
    enum xd_err (*open)(struct xd_link *link,
                        enum xd_lane lane,
                        const char *endpoint,
                        struct xd_error *error);

    void (*close)(struct xd_link *link);
};

#endif
