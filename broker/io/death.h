/* SPDX-License-Identifier: MIT */
/* How the broker hears that somebody is gone: closed descriptors from the sockets'
 * monitors, ended processes from pidfds, and the proof that follows either. */
#ifndef XDB_IO_DEATH_H
#define XDB_IO_DEATH_H

#include "io/server.h"

/* Start the monitor of one socket; before it is bound. */
enum xd_err xdb_death_watch(struct xdb_server *server, enum xdb_socket which) XD_MUST_USE;

/* Watch the process of a session on this host. Quietly does nothing where that is not
 * possible. */
void xdb_death_watch_process(struct xdb_server *server, struct xdb_peer *peer);

/* Read what the monitors and the pidfds have to say; connections in doubt go on the list
 * of checks. */
void xdb_death_read(struct xdb_server *server);

/* Go through the list of checks. A connection is gone when its ROUTER does not know it
 * any more (a send says so) and nothing of it was left to read in this turn; its session
 * then ends. */
void xdb_death_check(struct xdb_server *server);

/* End a session: the core is told (XDB_EVENT_LOST or LEAVE) and everything of it
 * forgotten. */
void xdb_session_end(struct xdb_server *server,
                     struct xdb_peer *peer,
                     enum xdb_event_kind how);

#endif
