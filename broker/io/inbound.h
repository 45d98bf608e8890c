/* SPDX-License-Identifier: MIT */
/* Messages from connections: checked, authorised, and turned into events of the core. */
#ifndef XDB_IO_INBOUND_H
#define XDB_IO_INBOUND_H

#include "io/server.h"

/* One whole message that came by `conn`; the frames stay the caller's. The connection may
 * be gone afterwards. */
void xdb_inbound(struct xdb_server *server,
                 struct xdb_conn *conn,
                 struct xd_bytes *const *frames,
                 size_t count);

/* A message that could not even be received: count it, answer it, cut the connection when
 * that happens often. */
void xdb_inbound_bad(struct xdb_server *server,
                     struct xdb_conn *conn,
                     uint32_t kind,
                     enum xd_err code,
                     const char *text);

#endif
