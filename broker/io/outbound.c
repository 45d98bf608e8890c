/* SPDX-License-Identifier: MIT */
/* The core's actions carried out. */
#include "io/outbound.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/bus.h"
#include "io/death.h"
#include "wire/limits.h"

static void mark_dirty(struct xdb_server *server, struct xdb_peer *peer)
{
    if (xd_list_is_empty(&peer->dirty)) {
        xd_list_push_back(&server->conns.dirty, &peer->dirty);
    }
}

static void retry_soon(struct xdb_server *server)
{
    server->retry_at = xd_time_min(server->retry_at, server->now + XDB_RETRY_INTERVAL);
}

/* There is no memory to tell this session something it must hear: end it, so that it is
 * not left waiting. */
static void give_up(struct xdb_server *server, struct xdb_peer *peer)
{
    server->stats.no_memory++;
    struct xdb_conn *conn = peer->lanes[XD_LANE_CONTROL];
    if (conn != NULL) {
        conn->is_dead = true;
        xdb_conn_check(&server->conns, conn);
    }
}

/* Send parked messages, oldest first. True when none is left. */
static bool send_parked(struct xdb_server *server, struct xdb_peer *peer)
{
    while (!xd_list_is_empty(&peer->outbox.parked)) {
        struct xdb_parked *parked =
            XD_ITEM(peer->outbox.parked.next, struct xdb_parked, link);
        enum xd_err err = xdb_conn_send_frames(server,
                                               peer->lanes[XD_LANE_CONTROL],
                                               parked->frames,
                                               parked->count);
        if (err == XD_ERR_AGAIN) {
            return false;
        }
        xd_list_remove(&parked->link);
        xdb_parked_free(parked);
    }
    return true;
}

/* Send packed frames, or park them behind what is parked. */
static void send_or_park(struct xdb_server *server,
                         struct xdb_peer *peer,
                         const struct xd_frames *frames)
{
    enum xd_err err = XD_ERR_AGAIN;
    if (send_parked(server, peer)) {
        err = xdb_conn_send(server, peer->lanes[XD_LANE_CONTROL], frames);
    }
    struct xdb_parked *parked;
    if (err == XD_ERR_AGAIN) {
        err = xdb_parked_new(frames->items, frames->count, &parked);
        if (err == XD_OK) {
            xd_list_push_back(&peer->outbox.parked, &parked->link);
            peer->is_blocked = true;
            retry_soon(server);
        }
    }
    if (err == XD_ERR_NOMEM) {
        give_up(server, peer);
    }
}

/* The tasks of the open batch did not leave: the core gets them back, once nobody reads
 * its actions any more. */
static void give_back(struct xdb_server *server, struct xdb_peer *peer, bool gone)
{
    xdb_relay_revoke(server,
                     peer->outbox.frames,
                     peer->outbox.frame_count,
                     peer->session);
    for (size_t i = 0; i < peer->outbox.count; i++) {
        const struct xd_task *task = &peer->outbox.tasks[i];
        for (size_t k = 0; k < task->given_count; k++) {
            xdb_relay_revoke(server,
                             task->given[k].frames,
                             task->given[k].frame_count,
                             peer->session);
        }
    }
    void *items = server->failed;
    size_t count = peer->outbox.count, at = server->failed_count;
    enum xd_err err =
        xd_reserve(&items, &server->failed_room, at + count, sizeof *server->failed);
    server->failed = items;
    if (err != XD_OK) {
        give_up(server, peer);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        server->failed[at + i] =
            (struct xdb_failed){peer->session, peer->outbox.tasks[i].id, gone};
    }
    server->failed_count += count;
    if (!gone) {
        peer->is_blocked = true;
        retry_soon(server);
    }
}

static void flush_tasks(struct xdb_server *server,
                        struct xdb_peer *peer,
                        const struct xd_frames *frames)
{
    enum xd_err err = XD_ERR_AGAIN;
    if (send_parked(server, peer)) {
        err = xdb_conn_send(server, peer->lanes[XD_LANE_CONTROL], frames);
    }
    if (err != XD_OK) {
        give_back(server, peer, err == XD_ERR_GONE);
    }
}

/* The results that tasks come after, ahead of them. Where the tasks then do not leave,
 * the worker drops them when it hears of the next. */
static void send_given(struct xdb_server *server, struct xdb_peer *peer)
{
    for (size_t i = 0; i < peer->outbox.count; i++) {
        const struct xd_task *task = &peer->outbox.tasks[i];
        for (size_t k = 0; k < task->given_count; k++) {
            struct xd_msg msg = {.kind = XD_KIND_GIVEN};
            msg.given.child = task->id;
            msg.given.parent = task->given[k].id;
            msg.given.frames = task->given[k].frames;
            msg.given.frame_count = task->given[k].frame_count;
            xdb_peer_send_ahead(server, peer, &msg);
        }
    }
}

/* Send the open batch of one session. Never steps the core. */
static void flush_batch(struct xdb_server *server, struct xdb_peer *peer)
{
    if (peer->outbox.kind == 0) {
        return;
    }
    if (peer->lanes[XD_LANE_CONTROL] == NULL) {
        xdb_outbox_sent(&peer->outbox);
        return;
    }
    if (peer->outbox.kind == XD_KIND_TASK &&
        xdb_setups_give(server, peer, peer->outbox.tasks, peer->outbox.count) != XD_OK) {
        server->stats.no_memory++;
        give_back(server, peer, false);
        xdb_outbox_sent(&peer->outbox);
        return;
    }
    if (peer->outbox.kind == XD_KIND_TASK) {
        send_given(server, peer);
    }
    struct xd_frames frames;
    frames.count = 0;
    enum xd_err err = xdb_outbox_pack(&peer->outbox, &frames);
    if (err != XD_OK) {
        xdb_outbox_sent(&peer->outbox);
        give_up(server, peer);
    } else if (peer->outbox.kind == XD_KIND_TASK) {
        flush_tasks(server, peer, &frames);
        xdb_outbox_sent(&peer->outbox);
    } else {
        send_or_park(server, peer, &frames);
        xdb_outbox_sent(&peer->outbox);
    }
    xd_frames_clear(&frames);
}

void xdb_peer_send(struct xdb_server *server,
                   struct xdb_peer *peer,
                   const struct xd_msg *msg)
{
    flush_batch(server, peer);
    xdb_peer_send_ahead(server, peer, msg);
}

void xdb_peer_send_ahead(struct xdb_server *server,
                         struct xdb_peer *peer,
                         const struct xd_msg *msg)
{
    if (peer->lanes[XD_LANE_CONTROL] == NULL) {
        return;
    }
    struct xd_frames frames;
    frames.count = 0;
    if (xd_msg_pack(msg, &frames) == XD_OK) {
        send_or_park(server, peer, &frames);
    } else {
        give_up(server, peer);
    }
    xd_frames_clear(&frames);
}

/* Only the cumulative count, when no other message took it along. */
static void send_accepted(struct xdb_server *server, struct xdb_peer *peer)
{
    struct xdb_outbox *box = &peer->outbox;
    if (box->accepted <= box->accepted_sent) {
        return;
    }
    struct xd_msg msg = {.kind = XD_KIND_ACCEPTED, .accepted = box->accepted};
    box->accepted_sent = box->accepted;
    xdb_peer_send(server, peer, &msg);
}

/* Give the core what did not leave, the tasks of one session in one event. */
static void report_failures(struct xdb_server *server)
{
    struct xd_task_id ids[XD_TASKS_MAX];
    size_t done = 0;
    while (done < server->failed_count) {
        const struct xdb_failed *first = &server->failed[done];
        struct xdb_event event = {.kind = XDB_EVENT_SEND_FAILED,
                                  .now = server->now,
                                  .session = first->session};
        event.send_failed.ids = ids;
        event.send_failed.gone = first->gone;
        size_t count = 0;
        while (done < server->failed_count && count < XD_TASKS_MAX &&
               xd_session_is(server->failed[done].session, event.session) &&
               server->failed[done].gone == event.send_failed.gone) {
            ids[count++] = server->failed[done++].id;
        }
        event.send_failed.count = count;
        struct xdb_peer *peer = xdb_peer_find(&server->conns, event.session);
        if (xdb_server_step(server, &event) != XD_OK && peer != NULL) {
            give_up(server, peer);
        }
    }
    server->failed_count = 0;
}

void xdb_outbound_flush(struct xdb_server *server)
{
    while (!xd_list_is_empty(&server->conns.dirty)) {
        while (!xd_list_is_empty(&server->conns.dirty)) {
            struct xdb_peer *peer =
                XD_ITEM(server->conns.dirty.next, struct xdb_peer, dirty);
            xd_list_remove(&peer->dirty);
            flush_batch(server, peer);
            send_accepted(server, peer);
        }
        report_failures(server);
    }
}

static void retry_peer(struct xdb_server *server, struct xdb_peer *peer)
{
    bool waits = xdb_relay_flush(server, peer);
    if (peer->is_blocked && peer->lanes[XD_LANE_CONTROL] != NULL &&
        send_parked(server, peer)) {
        peer->is_blocked = false;
        struct xdb_event event = {.kind = XDB_EVENT_UNBLOCKED,
                                  .now = server->now,
                                  .session = peer->session};
        if (peer->in_core && xdb_server_step(server, &event) != XD_OK) {
            peer->is_blocked = true;
        }
        return; /* the step may have ended the session */
    }
    if (waits || peer->is_blocked) {
        retry_soon(server);
    }
}

void xdb_outbound_retry(struct xdb_server *server)
{
    server->retry_at = XD_NEVER;
    xdb_relay_retry(server);
    struct xd_map_item *item = xd_map_next(&server->conns.sessions, NULL);
    while (item != NULL) {
        struct xdb_peer *peer = XD_ITEM(item, struct xdb_peer, by_session);
        item = xd_map_next(&server->conns.sessions, item);
        if (peer->is_blocked || peer->bulk_count > 0) {
            retry_peer(server, peer);
        }
    }
}

/* ---- the actions, one by one */

static void gather(struct xdb_server *server,
                   struct xdb_peer *peer,
                   const struct xdb_action *action)
{
    if (!xdb_outbox_fits(&peer->outbox, action)) {
        flush_batch(server, peer);
    }
    if (xdb_outbox_add(&peer->outbox, action) != XD_OK) {
        give_up(server, peer);
    }
    mark_dirty(server, peer);
}

/* A task or result: let its receiver read what its frames refer to. */
static void gather_frames(struct xdb_server *server,
                          struct xdb_peer *peer,
                          const struct xdb_action *action)
{
    bool is_task = action->kind == XDB_ACTION_SEND_TASK;
    const struct xd_frame *frames =
        is_task ? action->task->frames : action->result->frames;
    size_t count = is_task ? action->task->frame_count : action->result->frame_count;
    enum xd_err err = xdb_relay_grant(server, frames, count, peer->session);
    for (size_t i = 0; err == XD_OK && is_task && i < action->task->given_count; i++) {
        const struct xd_given *given = &action->task->given[i];
        err = xdb_relay_grant(server, given->frames, given->frame_count, peer->session);
    }
    if (err != XD_OK) {
        give_up(server, peer);
    }
    gather(server, peer, action);
}

/* The same of what its frames refer to, which others may come to need. */
static void gather_result(struct xdb_server *server,
                          struct xdb_peer *peer,
                          const struct xdb_action *action)
{
    const struct xd_result *result = action->result;
    if (xdb_relay_hold(server, result->frames, result->frame_count) != XD_OK) {
        give_up(server, peer);
    }
    gather_frames(server, peer, action);
}

static void do_accepted(struct xdb_server *server,
                        struct xdb_peer *peer,
                        const struct xdb_action *action)
{
    peer->outbox.accepted = action->accepted.count;
    mark_dirty(server, peer);
}

static void do_event(struct xdb_server *server,
                     struct xdb_peer *peer,
                     const struct xdb_action *action)
{
    struct xd_msg msg = {.kind = XD_KIND_EVENT};
    msg.event = (struct xd_event){action->event.id,
                                  action->event.part,
                                  action->event.kind,
                                  action->event.bytes};
    xdb_peer_send(server, peer, &msg);
}

static void send_code(struct xdb_server *server,
                      struct xdb_peer *peer,
                      enum xd_kind kind,
                      const struct xdb_action *action)
{
    struct xd_msg msg = {.kind = kind};
    msg.error.code = action->error.code;
    if (xd_bytes_text(action->error.text, &msg.error.text) != XD_OK) {
        server->stats.no_memory++;
    }
    xdb_peer_send(server, peer, &msg);
    xd_msg_clear(&msg);
}

static void do_error(struct xdb_server *server,
                     struct xdb_peer *peer,
                     const struct xdb_action *action)
{
    send_code(server, peer, XD_KIND_ERROR, action);
}

static void do_heartbeat(struct xdb_server *server,
                         struct xdb_peer *peer,
                         const struct xdb_action *action)
{
    (void)action;
    struct xd_msg msg = {.kind = XD_KIND_HEARTBEAT};
    xdb_peer_send(server, peer, &msg);
}

static void do_drop(struct xdb_server *server,
                    struct xdb_peer *peer,
                    const struct xdb_action *action)
{
    send_code(server, peer, XD_KIND_BYE, action);
    peer->in_core = false; /* it has forgotten the session already */
    xdb_session_end(server, peer, XDB_EVENT_LOST);
}

static void note(struct xdb_server *server, const struct xdb_action *action)
{
    char id[33] = "-";
    if (action->note.has_id) {
        for (size_t i = 0; i < sizeof action->note.id.bytes; i++) {
            (void)snprintf(id + 2 * i, 3, "%02x", action->note.id.bytes[i]);
        }
    }
    xdb_log(server,
            (int)action->note.level,
            "%s session=%llu task=%s",
            action->note.what,
            (unsigned long long)action->session.n,
            id);
}

typedef void doer(struct xdb_server *server,
                  struct xdb_peer *peer,
                  const struct xdb_action *action);

/* What is done to a session that is there; for one that is gone there is nothing to do.
 */
static doer *const DOERS[] = {
    [XDB_ACTION_SEND_TASK] = gather_frames,
    [XDB_ACTION_SEND_RESULT] = gather_result,
    [XDB_ACTION_ACCEPTED] = do_accepted,
    [XDB_ACTION_BUSY] = gather,
    [XDB_ACTION_SEND_EVENT] = do_event,
    [XDB_ACTION_CANCEL] = gather,
    [XDB_ACTION_RECALL] = gather,
    [XDB_ACTION_ERROR] = do_error,
    [XDB_ACTION_HEARTBEAT] = do_heartbeat,
    [XDB_ACTION_DROP] = do_drop,
};

void xdb_outbound(struct xdb_server *server, const struct xdb_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        const struct xdb_action *action = &actions->items[i];
        if (action->kind == XDB_ACTION_NOTE) {
            note(server, action);
        } else if (action->kind == XDB_ACTION_DRAINED) {
            xdb_commands_drained(&server->commands);
            server->stopping = server->stopping || server->ends_drained;
        } else if (action->kind == XDB_ACTION_LET_GO) {
            xdb_relay_let_go(server, action->let_go.frames, action->let_go.count);
        } else {
            struct xdb_peer *peer = xdb_peer_find(&server->conns, action->session);
            if (peer != NULL) {
                DOERS[action->kind](server, peer, action);
            }
        }
    }
}
