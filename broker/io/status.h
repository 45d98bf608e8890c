/* SPDX-License-Identifier: MIT */
/* What the broker holds, as JSON text. */
#ifndef XDB_IO_STATUS_H
#define XDB_IO_STATUS_H

#include "io/server.h"

/* Counters, profiles, workers, clients. The caller frees *out with free(). Errors:
 * XD_ERR_NOMEM. */
enum xd_err xdb_status(const struct xdb_server *server, char **out) XD_MUST_USE;

/* Host agents, and each worker with what it said of itself. Likewise. */
enum xd_err xdb_status_workers(const struct xdb_server *server, char **out) XD_MUST_USE;

#endif
