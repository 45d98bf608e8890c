/* SPDX-License-Identifier: MIT */
/* Questions: the state as JSON, profiles made and configured, tasks cancelled by id. */
#ifndef XDB_IO_ADMIN_H
#define XDB_IO_ADMIN_H

#include "io/server.h"

/* An ADMIN message of a client. */
void xdb_admin(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg);

/* The state as JSON text; the caller frees it with free(). */
enum xd_err xdb_admin_status(struct xdb_server *server, char **json) XD_MUST_USE;

#endif
