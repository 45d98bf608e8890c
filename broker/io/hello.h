/* SPDX-License-Identifier: MIT */
/* HELLO and its answer: a new session, or a further socket of one. */
#ifndef XDB_IO_HELLO_H
#define XDB_IO_HELLO_H

#include "io/server.h"

void xdb_hello(struct xdb_server *server,
               struct xdb_conn *conn,
               struct xd_hello *hello); /* its facts are taken */

#endif
