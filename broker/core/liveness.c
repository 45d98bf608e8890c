/* SPDX-License-Identifier: MIT */
/* What time does: silence, heartbeats, limits of tasks, kills, recalls; and the end of
 * sessions. */
#include "core/inside.h"

/* Timers in one tick; the rest at the next, which is due at once. */
#define TIMERS_A_TICK 1024u

static void end_session(struct xdb_core *core, struct xdb_session *session)
{
    if (session->is_worker) {
        xdb_worker_end(core, XD_ITEM(session, struct xdb_worker, session));
    } else {
        xdb_client_end(core, XD_ITEM(session, struct xdb_client, session));
    }
}

static size_t end_actions(const struct xdb_core *core, struct xdb_session *session)
{
    return session->is_worker
               ? xdb_worker_end_actions(XD_ITEM(session, struct xdb_worker, session))
               : xdb_client_end_actions(core,
                                        XD_ITEM(session, struct xdb_client, session));
}

enum xd_err xdb_plan_end(struct xdb_core *core,
                         const struct xdb_event *event,
                         size_t *need)
{
    struct xdb_session *session = xdb_session_find(core, event->session);
    *need = session == NULL ? 0 : end_actions(core, session);
    return XD_OK;
}

void xdb_apply_end(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_session *session = xdb_session_find(core, event->session);
    struct xdb_worker *worker = xdb_worker_find(core, event->session);
    if (worker != NULL && worker->leaving && event->kind == XDB_EVENT_LEAVE) {
        xdb_worker_give_back_rest(core, worker);
    }
    if (session != NULL) {
        end_session(core, session);
    }
}

/* Since when it is silent. While the broker itself did not run, nobody was. */
static xd_time heard(const struct xdb_core *core, const struct xdb_session *session)
{
    return session->heard > core->stalled ? session->heard : core->stalled;
}

static void beat(struct xdb_core *core, struct xdb_session *session)
{
    if (core->now >= xd_time_add(session->sent, core->config.heartbeat)) {
        xdb_action_push(core, XDB_ACTION_HEARTBEAT, session);
    }
}

static xd_time look_at_client(struct xdb_core *core, struct xdb_client *client)
{
    if (core->now >= client->accept_due) {
        xdb_client_tell_accepted(core, client);
    }
    return client->accept_due;
}

static xd_time recall_due(const struct xdb_core *core, const struct xdb_worker *worker)
{
    bool first_is_held =
        worker->held > 0 &&
        XD_ITEM(worker->leases.next, struct xdb_task, place)->state == XDB_TASK_HELD;
    bool any_behind = worker->held > (first_is_held ? 1 : 0);
    return any_behind && !worker->overdue && !worker->stuck
               ? xd_time_add(worker->front_since, core->config.recall_after)
               : XD_NEVER;
}

static xd_time kill_due(const struct xdb_core *core, const struct xdb_worker *worker)
{
    return worker->stuck ? XD_NEVER
                         : xd_time_add(worker->cancel_since, core->config.kill_after);
}

static xd_time look_at_worker(struct xdb_core *core, struct xdb_worker *worker)
{
    xd_time suspect = xd_time_add(heard(core, &worker->session), core->config.suspect);
    if (core->now >= suspect && !worker->silent && !xdb_fault(11)) {
        worker->silent = true;
        xdb_worker_settle(core, worker, XDB_WORKER_SILENT);
    }
    if (core->now >= kill_due(core, worker)) {
        xdb_cancel_kill(core, worker);
    }
    if (core->now >= recall_due(core, worker)) {
        xdb_hold_recall(core, worker);
    }
    xd_time next = xd_time_min(kill_due(core, worker), recall_due(core, worker));
    return worker->silent ? next : xd_time_min(next, suspect);
}

static void look_at_session(struct xdb_core *core, struct xdb_session *session)
{
    xd_time lost = xd_time_add(heard(core, session), core->config.lost);
    if (core->now >= lost) {
        xdb_action_note(core,
                        session->id,
                        XDB_NOTE_WARNING,
                        session->is_worker ? "worker silent" : "client silent");
        xdb_action_drop(core, session, XD_ERR_TIMEOUT, "not heard of for too long");
        end_session(core, session);
        return;
    }
    beat(core, session);
    xd_time own =
        session->is_worker
            ? look_at_worker(core, XD_ITEM(session, struct xdb_worker, session))
            : look_at_client(core, XD_ITEM(session, struct xdb_client, session));
    xd_time next = xd_time_min(own, xd_time_add(session->sent, core->config.heartbeat));
    xd_heap_move(&core->session_timers, &session->timer, xd_time_min(next, lost));
}

/* A beat, a note, a drop or the two of a kill, an ACCEPTED, recalls; or its end. */
static size_t session_actions(const struct xdb_core *core, struct xdb_session *session)
{
    return 8 + end_actions(core, session) +
           (session->is_worker ? XD_ITEM(session, struct xdb_worker, session)->held : 0);
}

static struct xdb_task *due_task(const struct xdb_core *core, xd_time now)
{
    struct xd_heap_item *first = xd_heap_first(&core->task_timers);
    return first == NULL || first->key > now
               ? NULL
               : XD_ITEM(first, struct xdb_extra, timer)->task;
}

static struct xdb_session *due_session(const struct xdb_core *core, xd_time now)
{
    struct xd_heap_item *first = xd_heap_first(&core->session_timers);
    return first == NULL || first->key > now ? NULL
                                             : XD_ITEM(first, struct xdb_session, timer);
}

/* How many actions the first due timer may need; 0: none is due. */
static size_t due_actions(const struct xdb_core *core, xd_time now)
{
    const struct xdb_task *task = due_task(core, now);
    if (task != NULL) {
        return xdb_cancel_actions(task);
    }
    struct xdb_session *session = due_session(core, now);
    return session == NULL ? 0 : session_actions(core, session);
}

static void fire_first(struct xdb_core *core)
{
    struct xdb_task *task = due_task(core, core->now);
    struct xdb_session *session = due_session(core, core->now);
    if (task != NULL) {
        xdb_extra_fire(core, task);
    } else if (session != NULL) {
        look_at_session(core, session);
    }
}

enum xd_err xdb_plan_tick(struct xdb_core *core,
                          const struct xdb_event *event,
                          size_t *need)
{
    *need = due_actions(core, event->now);
    return XD_OK;
}

void xdb_apply_tick(struct xdb_core *core, struct xdb_event *event)
{
    size_t need = due_actions(core, core->now);
    for (size_t i = 0; need > 0 && i < TIMERS_A_TICK; i++) {
        /* Of the first the plan made sure. The one that stays is one for DRAINED. */
        if (xdb_action_reserve(core, need + 1) != XD_OK) {
            return;
        }
        fire_first(core);
        need = due_actions(core, core->now);
    }
}
