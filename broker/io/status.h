/* SPDX-License-Identifier: MIT */
/* What the broker holds, as JSON text. */
#ifndef XDB_IO_STATUS_H
#define XDB_IO_STATUS_H

#include "io/server.h"

/* By what lists are sorted: a session's number, or a profile's name. */
struct xdb_page_key {
    uint64_t session;
    const struct xd_bytes *name; /* NULL: before all names */
};

/* Which part of the lists. Where one is cut, "LIST_next" behind it is the key of its
 * last one: with that as `after` comes what follows. */
struct xdb_page {
    const char *list; /* this one alone; NULL: everything */
    struct xdb_page_key after;
    size_t most; /* bytes of text, about: three quarters are filled, the last item of a
                    list may go beyond */
};

/* Counters, profiles, workers, clients; `page` NULL: all of each. The caller frees *out
 * with free(). Errors: XD_ERR_NOMEM. */
enum xd_err xdb_status(const struct xdb_server *server,
                       const struct xdb_page *page,
                       char **out) XD_MUST_USE;

/* Host agents, and each worker with what it said of itself. Likewise. */
enum xd_err xdb_status_workers(const struct xdb_server *server,
                               const struct xdb_page *page,
                               char **out) XD_MUST_USE;

#endif
