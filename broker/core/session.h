/* SPDX-License-Identifier: MIT */
/* What clients and workers have in common: an identity, and when they were heard. */
#ifndef XDB_CORE_SESSION_H
#define XDB_CORE_SESSION_H

#include <stdbool.h>

#include "base/heap.h"
#include "base/id.h"
#include "base/map.h"
#include "base/time.h"

struct xdb_core;

struct xdb_session {
    struct xd_map_item by_id;
    struct xd_session_id id;
    struct xd_heap_item timer; /* when to look at it again; often too early, never late */
    xd_time heard, sent;
    bool is_worker;
};

/* Room for one more session. */
enum xd_err xdb_session_reserve(struct xdb_core *core) XD_MUST_USE;
void xdb_session_init(struct xdb_core *core,
                      struct xdb_session *session,
                      struct xd_session_id id,
                      bool is_worker);
void xdb_session_fini(struct xdb_core *core, struct xdb_session *session);

/* NULL when there is none of that number. */
struct xdb_session *xdb_session_find(const struct xdb_core *core,
                                     struct xd_session_id id);

/* Look at the session at `when` at the latest. */
void xdb_session_wake(struct xdb_core *core, struct xdb_session *session, xd_time when);

#endif
