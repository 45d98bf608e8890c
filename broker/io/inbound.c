/* SPDX-License-Identifier: MIT */
/* Messages from connections: checked, authorised, and turned into events of the core. */
#include "io/inbound.h"

#include <stdio.h>
#include <string.h>

#include "io/admin.h"
#include "io/bus.h"
#include "io/death.h"
#include "io/hello.h"
#include "io/outbound.h"
#include "wire/class.h"

#define BAD_MAX                                                                          \
    3u /* malformed messages within BAD_WINDOW, then the connection is cut               \
        */
#define BAD_WINDOW (60 * XD_S)

/* ---- what a role may say on a lane */

enum {
    CLIENT = 1, /* a client's control lane */
    WORKER = 2, /* a worker's control lane */
    BULK = 4,   /* anybody's bulk lane */
    AGENT = 8   /* a host agent's control lane */
};

static const unsigned char SPEAKERS[] = {
    [XD_KIND_HELLO] = CLIENT | WORKER | BULK | AGENT,
    [XD_KIND_READY] = WORKER,
    [XD_KIND_SUBMIT] = CLIENT,
    [XD_KIND_STARTED] = WORKER,
    [XD_KIND_EVENT] = WORKER,
    [XD_KIND_RESULT] = WORKER,
    [XD_KIND_ACK] = CLIENT,
    [XD_KIND_CANCEL] = CLIENT,
    [XD_KIND_RECALLED] = WORKER,
    [XD_KIND_HEARTBEAT] = CLIENT | WORKER | BULK | AGENT,
    [XD_KIND_BYE] = CLIENT | WORKER | AGENT,
    [XD_KIND_CHUNK] = BULK,
    [XD_KIND_CREDIT] = BULK,
    [XD_KIND_ADMIN] = CLIENT | AGENT,
    [XD_KIND_SETUP] = CLIENT,
};

static bool may_say(const struct xdb_conn *conn, enum xd_kind kind)
{
    unsigned who = conn->lane == XD_LANE_BULK           ? BULK
                   : conn->peer->role == XD_ROLE_WORKER ? WORKER
                   : conn->peer->role == XD_ROLE_AGENT  ? AGENT
                                                        : CLIENT;
    return (size_t)kind < sizeof SPEAKERS && (SPEAKERS[kind] & who) != 0;
}

/* ---- bad messages */

static void cut(struct xdb_server *server, struct xdb_conn *conn)
{
    if (!xdb_conn_shut(conn)) {
        return;
    }
    server->stats.cut++;
    xdb_log(server,
            1,
            "connection cut after %u bad messages principal=%s",
            conn->bad,
            xdb_conn_principal(conn));
}

void xdb_inbound_bad(struct xdb_server *server,
                     struct xdb_conn *conn,
                     uint32_t kind,
                     enum xd_err code,
                     const char *text)
{
    server->stats.bad++;
    if (server->now - conn->bad_since > BAD_WINDOW) {
        conn->bad = 0;
        conn->bad_since = server->now;
    }
    conn->bad++;
    xdb_log(server,
            1,
            "bad message principal=%s kind=%s code=%s: %s",
            xdb_conn_principal(conn),
            xd_kind_name((enum xd_kind)kind),
            xd_err_name(code),
            text);
    xdb_conn_error(server, conn, kind, code, text);
    if (conn->bad > BAD_MAX) {
        cut(server, conn);
    }
}

static void forbidden(struct xdb_server *server,
                      struct xdb_conn *conn,
                      enum xd_kind kind,
                      const char *why)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%s: %s", xd_kind_name(kind), why);
    xdb_inbound_bad(server, conn, kind, XD_ERR_FORBIDDEN, text);
}

/* ---- from messages to events */

static struct xdb_event event_of(const struct xdb_server *server,
                                 const struct xdb_conn *conn,
                                 enum xdb_event_kind kind)
{
    struct xdb_event event;
    memset(&event, 0, sizeof event);
    event.kind = kind;
    event.now = server->now;
    event.session = conn->peer->session;
    return event;
}

/* Step, and say so when there was no memory for it. */
static void step(struct xdb_server *server,
                 struct xdb_conn *conn,
                 enum xd_kind kind,
                 struct xdb_event *event)
{
    struct xd_session_id session = event->session;
    if (xdb_server_step(server, event) == XD_OK) {
        return;
    }
    server->stats.no_memory++;
    if (xdb_peer_find(&server->conns, session) != NULL) {
        xdb_conn_error(server, conn, kind, XD_ERR_NOMEM, "the broker is out of memory");
    }
}

static void heard(struct xdb_server *server, struct xdb_conn *conn)
{
    struct xdb_event event = event_of(server, conn, XDB_EVENT_HEARD);
    step(server, conn, XD_KIND_HEARTBEAT, &event);
}

static void on_nothing(struct xdb_server *server,
                       struct xdb_conn *conn,
                       struct xd_msg *msg)
{
    (void)msg;
    if (conn->peer->in_core) {
        heard(server, conn);
    }
}

static void on_ready(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    struct xdb_peer *peer = conn->peer;
    if (peer->in_core || conn->key.socket != XDB_SOCKET_WORKERS) {
        forbidden(server,
                  conn,
                  msg->kind,
                  "once, on the workers' endpoint named in HELLO_OK");
        return;
    }
    if (!xdb_right_covers(conn->right, msg->ready.profile)) {
        char text[XDB_DENIAL_ROOM];
        xdb_right_deny(conn->right, msg->ready.profile, text);
        xdb_inbound_bad(server, conn, msg->kind, XD_ERR_FORBIDDEN, text);
        return;
    }
    struct xdb_event event = event_of(server, conn, XDB_EVENT_WORKER_JOIN);
    event.worker_join.profile = msg->ready.profile;
    event.worker_join.owner = peer->owner;
    event.worker_join.formats = msg->ready.formats;
    event.worker_join.handlers = msg->ready.handlers;
    event.worker_join.handler_count = msg->ready.handler_count;
    event.worker_join.hold = msg->ready.hold;
    event.worker_join.has = msg->ready.has;
    peer->in_core = true;
    peer->hello_deadline = XD_NEVER;
    if (xdb_server_step(server, &event) != XD_OK) {
        peer->in_core = false; /* a failed step dropped nobody */
        server->stats.no_memory++;
        xdb_conn_error(server,
                       conn,
                       msg->kind,
                       XD_ERR_NOMEM,
                       "the broker is out of memory");
    }
}

/* Tasks there was no memory for: the client is told to try again. */
static void refuse_tasks(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg)
{
    struct xd_task_id ids[XD_TASKS_MAX];
    struct xd_msg busy = {.kind = XD_KIND_BUSY};
    for (size_t i = 0; i < msg->tasks.count; i++) {
        ids[i] = msg->tasks.tasks[i].id;
    }
    busy.ids.ids = ids;
    busy.ids.count = msg->tasks.count;
    busy.ids.scope = XD_SCOPE_BROKER;
    busy.ids.retry_after_ms = 1000;
    server->stats.no_memory++;
    xdb_conn_send_msg(server, conn, &busy);
}

/* One task that names a setup nobody sent spoils the message: no worker could run it. */
static void refuse_setup(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg,
                         const struct xd_task *task)
{
    char text[128];
    (void)snprintf(text,
                   sizeof text,
                   "tasks[%zu].setup is %llu, which this session has not sent",
                   (size_t)(task - msg->tasks.tasks),
                   (unsigned long long)task->setup);
    xdb_inbound_bad(server, conn, msg->kind, XD_ERR_NOT_FOUND, text);
    on_nothing(server, conn, NULL);
}

static void on_submit(struct xdb_server *server,
                      struct xdb_conn *conn,
                      struct xd_msg *msg)
{
    const struct xd_task *missing = xdb_setups_missing(server,
                                                       conn->peer->session,
                                                       msg->tasks.tasks,
                                                       msg->tasks.count);
    if (missing != NULL) {
        refuse_setup(server, conn, msg, missing);
        return;
    }
    struct xdb_event event = event_of(server, conn, XDB_EVENT_SUBMIT);
    event.submit.profile = msg->tasks.profile;
    event.submit.tasks = msg->tasks.tasks;
    event.submit.count = msg->tasks.count;
    enum xd_err err = XD_OK;
    char text[XDB_DENIAL_ROOM] = "";
    if ((conn->right->roles & XD_ALLOW_CLIENT) == 0) {
        (void)snprintf(text,
                       sizeof text,
                       "%s may not submit tasks: it has not the role client",
                       conn->right->principal);
    } else if (!xdb_right_covers(conn->right, msg->tasks.profile)) {
        xdb_right_deny(conn->right, msg->tasks.profile, text);
    }
    if (text[0] != '\0') {
        server->stats.bad++;
        err = xd_bytes_text(text, &event.submit.denied);
    }
    err = err ? err : xdb_server_step(server, &event);
    if (err != XD_OK) {
        refuse_tasks(server, conn, msg);
    }
    xd_bytes_unref(event.submit.denied);
}

static void on_result(struct xdb_server *server,
                      struct xdb_conn *conn,
                      struct xd_msg *msg)
{
    struct xdb_event event = event_of(server, conn, XDB_EVENT_RESULT);
    event.result.results = msg->results.results;
    event.result.count = msg->results.count;
    event.result.has_started = msg->results.has_started;
    event.result.started = msg->results.started;
    struct xdb_relay_refs refs;
    xdb_relay_note(&refs, event.session, msg->results.results, msg->results.count);
    step(server, conn, msg->kind, &event);
    xdb_relay_settle(server, &refs);
}

static void on_task_event(struct xdb_server *server,
                          struct xdb_conn *conn,
                          struct xd_msg *msg)
{
    struct xdb_event event = event_of(server, conn, XDB_EVENT_TASK_EVENT);
    event.task_event.id = msg->event.id;
    event.task_event.part = msg->event.part;
    bool is_word = !xd_bytes_is(msg->event.kind, XD_EVENT_TOUCH);
    event.task_event.kind = is_word ? msg->event.kind : NULL;
    event.task_event.bytes = msg->event.bytes;
    step(server, conn, msg->kind, &event);
}

static void on_ids(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    enum xdb_event_kind kind = msg->kind == XD_KIND_CANCEL    ? XDB_EVENT_CANCEL
                               : msg->kind == XD_KIND_STARTED ? XDB_EVENT_STARTED
                                                              : XDB_EVENT_RECALLED;
    struct xdb_event event = event_of(server, conn, kind);
    event.ids.ids = msg->ids.ids;
    event.ids.count = msg->ids.count;
    step(server, conn, msg->kind, &event);
}

static void on_bye(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    if (conn->peer->role == XD_ROLE_WORKER) { /* it waits with its process's end */
        xdb_conn_send_msg(server, conn, msg);
    }
    xdb_session_end(server, conn->peer, XDB_EVENT_LEAVE);
}

static void on_setup(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    xdb_setups_take(server, conn, msg);
    on_nothing(server, conn, msg);
}

static void on_admin(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    struct xd_session_id session = conn->peer->session;
    heard(server, conn);
    if (xdb_peer_find(&server->conns, session) != NULL) {
        xdb_admin(server, conn, msg);
    }
}

static void on_credit(struct xdb_server *server,
                      struct xdb_conn *conn,
                      struct xd_msg *msg)
{
    enum xd_err err = xdb_relay_credit(server, conn->peer->session, &msg->credit);
    if (err == XD_ERR_FORBIDDEN) {
        forbidden(server,
                  conn,
                  msg->kind,
                  "no such payload for this session, or more than the window");
    }
    on_nothing(server, conn, msg);
}

static void on_chunk(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    enum xd_err err = xdb_relay_chunk(server, conn->peer->session, &msg->chunk);
    if (err == XD_ERR_FORBIDDEN) {
        forbidden(server, conn, msg->kind, "nobody asked for this chunk");
    } else if (err != XD_OK) {
        server->stats.no_memory++;
    }
    on_nothing(server, conn, msg);
}

typedef void handler(struct xdb_server *server,
                     struct xdb_conn *conn,
                     struct xd_msg *msg);

static handler *const HANDLERS[] = {
    [XD_KIND_READY] = on_ready,
    [XD_KIND_SUBMIT] = on_submit,
    [XD_KIND_STARTED] = on_ids,
    [XD_KIND_EVENT] = on_task_event,
    [XD_KIND_RESULT] = on_result,
    [XD_KIND_ACK] = on_nothing,
    [XD_KIND_CANCEL] = on_ids,
    [XD_KIND_RECALLED] = on_ids,
    [XD_KIND_HEARTBEAT] = on_nothing,
    [XD_KIND_BYE] = on_bye,
    [XD_KIND_CHUNK] = on_chunk,
    [XD_KIND_CREDIT] = on_credit,
    [XD_KIND_ADMIN] = on_admin,
    [XD_KIND_SETUP] = on_setup,
};

/* The envelope's count of results received; before the message itself, whose kind may
 * need the room. */
static void take_ack(struct xdb_server *server,
                     struct xdb_conn *conn,
                     const struct xd_msg *msg)
{
    if (msg->ack == 0 || conn->peer->role == XD_ROLE_WORKER ||
        conn->peer->role == XD_ROLE_AGENT || !conn->peer->in_core) {
        return;
    }
    struct xdb_event event = event_of(server, conn, XDB_EVENT_ACK);
    event.ack.count = msg->ack;
    step(server, conn, XD_KIND_ACK, &event);
}

static bool needs_ready(enum xd_kind kind)
{
    return kind == XD_KIND_STARTED || kind == XD_KIND_EVENT || kind == XD_KIND_RESULT ||
           kind == XD_KIND_RECALLED;
}

static void dispatch(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    if (msg->kind == XD_KIND_HELLO) {
        xdb_hello(server, conn, &msg->hello);
        return;
    }
    if (conn->peer == NULL && conn->is_over) {
        return;
    }
    if (conn->peer == NULL) {
        xdb_inbound_bad(server,
                        conn,
                        msg->kind,
                        XD_ERR_PROTOCOL,
                        "the first message must be HELLO");
        return;
    }
    if (!may_say(conn, msg->kind)) {
        forbidden(server, conn, msg->kind, "not from this role on this lane");
        return;
    }
    if (needs_ready(msg->kind) && !conn->peer->in_core) {
        forbidden(server, conn, msg->kind, "READY must come first");
        return;
    }
    struct xd_session_id session = conn->peer->session;
    take_ack(server, conn, msg);
    if (xdb_peer_find(&server->conns, session) != NULL) {
        HANDLERS[msg->kind](server, conn, msg);
    }
}

void xdb_inbound(struct xdb_server *server,
                 struct xdb_conn *conn,
                 struct xd_bytes *const *frames,
                 size_t count)
{
    struct xd_msg msg;
    struct xd_error why;
    memset(&msg, 0, sizeof msg);
    server->stats.messages_in++;
    enum xd_err err = xd_msg_unpack(frames, count, &msg, &why);
    if (err == XD_ERR_NOMEM) {
        server->stats.no_memory++;
        xdb_conn_error(server, conn, 0, err, "the broker is out of memory");
        return;
    }
    if (err != XD_OK) {
        xdb_inbound_bad(server, conn, 0, err, why.text);
        return;
    }
    dispatch(server, conn, &msg);
    xd_msg_clear(&msg);
}
