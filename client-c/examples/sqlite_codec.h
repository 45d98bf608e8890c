/* SPDX-License-Identifier: MIT */
/* A codec for an opaque C handle: in-memory SQLite databases, class tag "sqlite3". */
#ifndef SQLITE_CODEC_H
#define SQLITE_CODEC_H

#include <sqlite3.h>

#include "crossdock_codec.h"

#define SQLITE_TAG "sqlite3"

/* Objects are sqlite3 *. Encoding takes a picture of the database "main"; decoding makes
 * a new one in memory, to be closed by xd_release(). Errors as xd_registry_add(). */
enum xd_err sqlite_codec_add(struct xd_registry *registry,
                             struct xd_error *error) XD_MUST_USE;

/* An empty database in memory that distrusts what its files say about functions. */
enum xd_err sqlite_open(sqlite3 **out, struct xd_error *error) XD_MUST_USE;

#endif
