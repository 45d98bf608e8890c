/* SPDX-License-Identifier: MIT */
/* The addresses a broker listens on: each is three endpoints, one on each ROUTER. */
#ifndef XDB_IO_LISTEN_H
#define XDB_IO_LISTEN_H

#include <stdbool.h>

#include "crossdock_broker.h"
#include "io/conn.h"
#include "io/zap.h"
#include "wire/address.h"
#include "wire/keys.h"

#define XDB_LISTENERS_MAX XDB_ZAP_LISTENERS_MAX

struct xdb_listener {
    char endpoint[XDB_SOCKET_COUNT][XD_ADDRESS_MAX_BYTES]; /* as bound; the first is the
                                                              address */
    char told[XDB_SOCKET_COUNT][XD_ADDRESS_MAX_BYTES]; /* in HELLO_OK: for tcp any host */
    bool is_tcp;
    bool has_directory; /* of its own, see xd_address_place() */
    int lock_fd;        /* of an ipc address; -1: none */
    char *lock_path;
};

struct xdb_listeners {
    struct xdb_listener items[XDB_LISTENERS_MAX]; /* in the order of the options */
    uint32_t count;
};

/* Does one of them need keys? */
bool xdb_listen_needs_keys(const struct xd_broker_options *options);

/* Bind all addresses of `options`, ipc ones first: a socket that has once been set to
 * CURVE binds nothing else. `server_key` may be NULL where none is tcp. Errors:
 * XD_ERR_INVALID, XD_ERR_EXISTS (somebody listens there), XD_ERR_FORBIDDEN (the
 * directory), XD_ERR_SYSTEM, XD_ERR_NOMEM; what was bound is unbound by
 * xdb_listen_close(). */
enum xd_err xdb_listen_open(struct xdb_listeners *listeners,
                            void *const sockets[XDB_SOCKET_COUNT],
                            struct xdb_zap *zap,
                            const struct xd_broker_options *options,
                            const struct xd_key_pair *server_key,
                            struct xd_error *error) XD_MUST_USE;

/* Remove socket and lock files; after the sockets were closed. */
void xdb_listen_close(struct xdb_listeners *listeners);

#endif
