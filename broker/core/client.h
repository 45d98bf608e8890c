/* SPDX-License-Identifier: MIT */
/* Client sessions: their open tasks, and the results they have not acknowledged. */
#ifndef XDB_CORE_CLIENT_H
#define XDB_CORE_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "core/pace.h"
#include "core/session.h"

struct xdb_core;
struct xdb_event;

struct xdb_client {
    struct xdb_session session;
    struct xd_list in_core;
    struct xd_list open;    /* tasks and parts without outcome */
    struct xd_list unacked; /* in the order of their results */
    struct xd_list kept;    /* acknowledged, of use to others */
    struct xd_list made;    /* profiles it made */
    struct xd_map tasks_by_id;
    struct xd_map replaceable; /* open tasks that a later one may replace, by key */
    uint64_t principal;
    uint64_t open_count;            /* tasks, a barrier counts as one */
    uint64_t tasks, bytes;          /* accounted */
    struct xdb_pace pace;           /* of tasks that left it */
    uint64_t accepted, told;        /* cumulative; told: what it knows */
    uint64_t results, acknowledged; /* cumulative */
    uint64_t by_ref;                /* records whose results refer to payloads */
    uint64_t refused;               /* tasks that were over a budget */
    xd_time accept_due;             /* XD_NEVER while accepted == told */
};

struct xdb_client *xdb_client_find(const struct xdb_core *core, struct xd_session_id id);

/* The session is over: no more action names it. Its tasks go, at workers they are
 * interrupted. */
void xdb_client_end(struct xdb_core *core, struct xdb_client *client);
size_t xdb_client_end_actions(const struct xdb_core *core,
                              const struct xdb_client *client);

/* Tell it the count of accepted tasks, if it does not know it. */
void xdb_client_tell_accepted(struct xdb_core *core, struct xdb_client *client);

enum xd_err xdb_plan_client_join(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need) XD_MUST_USE;
void xdb_apply_client_join(struct xdb_core *core, struct xdb_event *event);
enum xd_err xdb_plan_ack(struct xdb_core *core,
                         const struct xdb_event *event,
                         size_t *need) XD_MUST_USE;
void xdb_apply_ack(struct xdb_core *core, struct xdb_event *event);

#endif
