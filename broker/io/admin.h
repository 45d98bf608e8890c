/* SPDX-License-Identifier: MIT */
/* Questions: the state as JSON, profiles made and configured, tasks cancelled by id, host
 * agents asked. */
#ifndef XDB_IO_ADMIN_H
#define XDB_IO_ADMIN_H

#include "io/server.h"

/* An ADMIN message: a client's question, or a host agent's answer. */
void xdb_admin(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg);

/* Answer a session's question; shares verb and text. */
void xdb_admin_answer(struct xdb_server *server,
                      struct xdb_peer *peer,
                      struct xd_bytes *verb,
                      uint64_t ticket,
                      enum xd_err code,
                      struct xd_bytes *text);

/* Make the profiles of the options (crossdock_broker.h). Errors: XD_ERR_INVALID (`error`
 * names profile and setting), XD_ERR_EXISTS (others use its workers already),
 * XD_ERR_NOMEM.
 */
enum xd_err xdb_admin_found(struct xdb_server *server,
                            const char *const *profiles,
                            struct xd_error *error) XD_MUST_USE;

#endif
