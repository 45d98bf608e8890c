/* SPDX-License-Identifier: MIT */
/* Setups of client sessions: kept here, given to each worker ahead of the first task that
 * names one, taken back when its session drops it or ends. */
#ifndef XDB_IO_SETUPS_H
#define XDB_IO_SETUPS_H

#include <stddef.h>

#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "wire/msg.h"

struct xdb_server;
struct xdb_conn;
struct xdb_peer;

/* One of a client session. */
struct xdb_setup {
    struct xd_map_item by_key;
    struct xd_list of_client; /* link in its peer's `setups` */
    struct xd_list copies;
    struct {
        uint64_t origin, number;
    } key;
    struct xd_frame *frames;
    size_t frame_count;
};

/* A worker session has one. */
struct xdb_setup_copy {
    struct xd_map_item by_key;
    struct xd_list of_setup, of_worker; /* of_worker: link in its peer's `setups` */
    struct {
        uint64_t origin, number, worker;
    } key;
};

struct xdb_setups {
    struct xd_map setups, copies;
};

void xdb_setups_init(struct xdb_setups *setups, uint64_t seed);
void xdb_setups_fini(struct xdb_setups *setups); /* before the sessions */

/* A SETUP of a client: kept or dropped; what is wrong with it is answered. Takes the
 * frames. */
void xdb_setups_take(struct xdb_server *server,
                     struct xdb_conn *conn,
                     struct xd_msg *msg);

/* The first of these tasks of a client that names a setup it has not; NULL: none. */
const struct xd_task *xdb_setups_missing(const struct xdb_server *server,
                                         struct xd_session_id client,
                                         const struct xd_task *tasks,
                                         size_t count);

/* Send what a worker lacks for these tasks, which leave next. A setup that is gone is
 * left out: the worker fails the task that names it. Errors: XD_ERR_NOMEM (the tasks
 * cannot leave now). */
enum xd_err xdb_setups_give(struct xdb_server *server,
                            struct xdb_peer *worker,
                            const struct xd_task *tasks,
                            size_t count) XD_MUST_USE;

/* The session is over, its peer still there: a client's setups are taken back from the
 * workers, a worker has none any more. */
void xdb_setups_session_gone(struct xdb_server *server, struct xdb_peer *peer);

#endif
