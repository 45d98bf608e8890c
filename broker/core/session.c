/* SPDX-License-Identifier: MIT */
/* The table of sessions and their timers. */
#include "core/session.h"

#include "core/inside.h"

enum xd_err xdb_session_reserve(struct xdb_core *core)
{
    enum xd_err err = xd_map_reserve(&core->sessions, 1);
    return err != XD_OK ? err : xd_heap_reserve(&core->session_timers, 1);
}

void xdb_session_init(struct xdb_core *core,
                      struct xdb_session *session,
                      struct xd_session_id id,
                      bool is_worker)
{
    *session = (struct xdb_session){.id = id,
                                    .heard = core->now,
                                    .sent = core->now,
                                    .is_worker = is_worker};
    xd_map_add(&core->sessions, &session->by_id, &session->id, sizeof session->id);
    xd_time first = is_worker ? core->config.suspect : core->config.lost;
    xd_heap_push(&core->session_timers,
                 &session->timer,
                 xd_time_add(core->now, xd_time_min(first, core->config.heartbeat)));
}

void xdb_session_fini(struct xdb_core *core, struct xdb_session *session)
{
    xd_heap_remove(&core->session_timers, &session->timer);
    xd_map_remove(&core->sessions, &session->by_id);
}

struct xdb_session *xdb_session_find(const struct xdb_core *core, struct xd_session_id id)
{
    struct xd_map_item *item = xd_map_get(&core->sessions, &id, sizeof id);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_session, by_id);
}

void xdb_session_wake(struct xdb_core *core, struct xdb_session *session, xd_time when)
{
    if (when < session->timer.key && !xdb_fault(4)) {
        xd_heap_move(&core->session_timers, &session->timer, when);
    }
}
