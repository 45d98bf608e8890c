/* SPDX-License-Identifier: MIT */
/* The three ROUTER sockets: opened, bound and closed, and one message from or to a
 * connection. */
#ifndef XDB_IO_BUS_H
#define XDB_IO_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/server.h"
#include "wire/codec.h"

/* Make context, ZAP handler and sockets, lock and bind all addresses. */
enum xd_err xdb_bus_open(struct xdb_server *server,
                         const struct xd_broker_options *options,
                         struct xd_error *error) XD_MUST_USE;
void xdb_bus_close(struct xdb_server *server);

/* Which of libzmq's threads serve a socket's tcp connections: bits of ZMQ_AFFINITY. */
uint64_t xdb_bus_tcp_threads(int which);

/* Send a packed message on a connection, now. Errors: XD_ERR_AGAIN (full), XD_ERR_GONE
 * (then the connection is on the list of checks), XD_ERR_NOMEM. */
enum xd_err xdb_conn_send_frames(struct xdb_server *server,
                                 struct xdb_conn *conn,
                                 struct xd_bytes *const *frames,
                                 size_t count) XD_MUST_USE;
enum xd_err xdb_conn_send(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_frames *frames) XD_MUST_USE;

/* Pack and send; what cannot be sent is dropped. For answers to bad messages and the
 * like. */
void xdb_conn_send_msg(struct xdb_server *server,
                       struct xdb_conn *conn,
                       const struct xd_msg *msg);

/* Tell the other side of a connection what was wrong. */
void xdb_conn_error(struct xdb_server *server,
                    struct xdb_conn *conn,
                    uint32_t kind,
                    enum xd_err code,
                    const char *text);

#endif
