/* SPDX-License-Identifier: MIT */
/* The core's actions carried out: gathered per session during a turn, sent at its end. */
#ifndef XDB_IO_OUTBOUND_H
#define XDB_IO_OUTBOUND_H

#include "io/server.h"

/* Put the actions of one step into the outboxes. */
void xdb_outbound(struct xdb_server *server, const struct xdb_actions *actions);

/* Send all that was gathered. Failures go back into the core, so there may be new
 * actions; all are carried out. */
void xdb_outbound_flush(struct xdb_server *server);

/* Try again what did not go because a peer was full. */
void xdb_outbound_retry(struct xdb_server *server);

/* Send this to the session behind what is gathered for it, or park it. */
void xdb_peer_send(struct xdb_server *server,
                   struct xdb_peer *peer,
                   const struct xd_msg *msg);

/* The same ahead of what is gathered. */
void xdb_peer_send_ahead(struct xdb_server *server,
                         struct xdb_peer *peer,
                         const struct xd_msg *msg);

#endif
