/* SPDX-License-Identifier: MIT */
/* A peer that speaks ZMTP 3 with CURVE (ZeroMQ RFC 23, 26) by hand: for what libzmq would
 * not send. */
#ifndef XDT_SYSTEM_CURVE_H
#define XDT_SYSTEM_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/keys.h"

#define CURVE_BUFFER ((size_t)2 * 1024 * 1024)

struct curve {
    int fd;
    uint64_t nonce;
    unsigned char shared[32]; /* of the connection, once both sides know it */
    unsigned char *buffer;    /* what is still to be written */
    size_t used;
};

/* How a peer may spoil its handshake. */
enum curve_spoil {
    CURVE_HONEST,
    CURVE_BAD_HELLO,    /* its box is noise */
    CURVE_BAD_COOKIE,   /* not the one that the server gave */
    CURVE_BAD_VOUCH,    /* of another key than its own */
    CURVE_OLD_INITIATE, /* one that the server has already seen on another connection */
};

/* A tcp connection to that port of 127.0.0.1; the test fails where nobody listens. */
int curve_connect(unsigned port);

/* Connect and shake hands; `name` and `value` are one more property of its metadata
 * (NULL: none). False: the other side refused. Closed with curve_close() in either case.
 */
bool curve_open(struct curve *curve,
                unsigned port,
                const char *server_key,
                const struct xd_key_pair *own,
                const char *name,
                const char *value,
                enum curve_spoil spoil);

/* One frame, gathered; false: the connection is broken. */
bool curve_send(struct curve *curve, const void *data, size_t size, bool more);
bool curve_flush(struct curve *curve);

/* The next frame that is no command, opened, without its flags; false: none within
 * `timeout_ms`. */
bool curve_receive(struct curve *curve,
                   unsigned char *data,
                   size_t room,
                   size_t *size,
                   int timeout_ms);

void curve_close(struct curve *curve);

#endif
