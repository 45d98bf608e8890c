/* SPDX-License-Identifier: MIT */
/* HELLO and its answer: a new session, or a further socket of one. */
#include "io/hello.h"

#include <stdio.h>
#include <string.h>

#include "io/bus.h"
#include "io/death.h"
#include "io/inbound.h"

static enum xd_err text_of(const char *text, struct xd_bytes **out)
{
    return text[0] == '\0' ? XD_OK : xd_bytes_text(text, out);
}

static void answer(struct xdb_server *server, struct xdb_conn *conn)
{
    const struct xdb_peer *peer = conn->peer;
    struct xd_msg msg = {.kind = XD_KIND_HELLO_OK};
    struct xd_hello_ok *ok = &msg.hello_ok;
    const struct xdb_listener *listener = &server->listeners.items[conn->listener];
    bool remote = conn->embed == NULL;
    ok->version = XD_PROTOCOL_VERSION;
    ok->session = peer->session;
    ok->token = peer->token;
    ok->heartbeat_ms = server->heartbeat_ms;
    ok->lost_ms = server->lost_ms;
    ok->budget_tasks = server->client_tasks;
    ok->budget_bytes = server->client_bytes;
    if (text_of(remote ? listener->told[XDB_SOCKET_WORKERS] : "", &ok->worker_endpoint) !=
            XD_OK ||
        text_of(remote ? listener->told[XDB_SOCKET_BULK] : "", &ok->bulk_endpoint) !=
            XD_OK ||
        text_of("crossdock-broker " XD_VERSION, &ok->software) != XD_OK) {
        server->stats.no_memory++; /* the other side asks again after its time-out */
    } else {
        xdb_conn_send_msg(server, conn, &msg);
    }
    xd_msg_clear(&msg);
}

static bool speaks_our_version(struct xdb_server *server,
                               struct xdb_conn *conn,
                               const struct xd_hello *hello)
{
    if (hello->min_version <= XD_PROTOCOL_VERSION &&
        XD_PROTOCOL_VERSION <= hello->max_version) {
        return true;
    }
    char text[160];
    (void)snprintf(text,
                   sizeof text,
                   "this broker speaks version %u of the protocol, the peer %u to %u",
                   XD_PROTOCOL_VERSION,
                   hello->min_version,
                   hello->max_version);
    xdb_inbound_bad(server, conn, XD_KIND_HELLO, XD_ERR_VERSION, text);
    return false;
}

/* What it says of itself, for people. */
static void keep_facts(struct xdb_peer *peer, struct xd_hello *hello)
{
    peer->said_pid = hello->pid;
    peer->software = hello->software;
    peer->host = hello->host;
    peer->facts = hello->facts;
    hello->software = NULL;
    hello->facts = (struct xd_facts){.name = NULL};
    hello->host = NULL;
}

/* Pids mean something only where the peer says that it runs on our host. */
static void note_process(struct xdb_server *server,
                         struct xdb_peer *peer,
                         const struct xd_hello *hello)
{
    if (server->host[0] == '\0' || hello->pid == 0 || hello->pid > INT32_MAX ||
        !xd_bytes_is(peer->host, server->host)) {
        return;
    }
    peer->pid = (pid_t)hello->pid;
    if (peer->role == XD_ROLE_WORKER) {
        xdb_death_watch_process(server, peer);
    }
}

static bool has_role(struct xdb_server *server,
                     struct xdb_conn *conn,
                     const struct xd_hello *hello)
{
    bool is_worker = hello->role == XD_ROLE_WORKER || hello->role == XD_ROLE_AGENT;
    unsigned wanted = is_worker ? XD_ALLOW_WORKER : XD_ALLOW_CLIENT | XD_ALLOW_ADMIN;
    if ((conn->right->roles & wanted) != 0) {
        return true;
    }
    char text[XDB_PRINCIPAL_MAX + 80];
    (void)snprintf(text,
                   sizeof text,
                   "%s may not be a %s of this broker",
                   conn->right->principal,
                   xd_role_name(hello->role));
    xdb_inbound_bad(server, conn, XD_KIND_HELLO, XD_ERR_FORBIDDEN, text);
    return false;
}

static enum xd_err join_core(struct xdb_server *server, struct xdb_peer *peer)
{
    struct xdb_event event = {.kind = XDB_EVENT_CLIENT_JOIN,
                              .now = server->now,
                              .session = peer->session};
    event.client_join.principal = xdb_principal_number(peer->right->principal);
    peer->in_core = true;
    return xdb_server_step(server, &event);
}

static void open_session(struct xdb_server *server,
                         struct xdb_conn *conn,
                         struct xd_hello *hello)
{
    bool is_worker = hello->role == XD_ROLE_WORKER;
    if (conn->peer != NULL || hello->lane != XD_LANE_CONTROL ||
        conn->key.socket != XDB_SOCKET_CLIENTS || (is_worker && conn->embed != NULL)) {
        xdb_inbound_bad(
            server,
            conn,
            XD_KIND_HELLO,
            XD_ERR_PROTOCOL,
            "a new session begins with one HELLO on the control lane of the address");
        return;
    }
    if (!has_role(server, conn, hello)) {
        return;
    }
    struct xdb_peer *peer;
    enum xd_err err = xdb_peer_add(&server->conns, hello->role, &peer);
    if (err == XD_OK) {
        peer->right = conn->right;
        peer->owner = hello->owner;
        keep_facts(peer, hello);
        xdb_peer_attach(&server->conns, peer, XD_LANE_CONTROL, conn);
        if (is_worker) {
            peer->hello_deadline = server->now + XDB_HELLO_DEADLINE;
        } else if ((err = join_core(server, peer)) != XD_OK) {
            conn->peer = NULL;
            peer->lanes[XD_LANE_CONTROL] = NULL;
            xdb_peer_free(&server->conns, peer);
        }
    }
    if (err != XD_OK) {
        server->stats.no_memory++;
        xdb_conn_error(server,
                       conn,
                       XD_KIND_HELLO,
                       XD_ERR_NOMEM,
                       "the broker is out of memory");
        return;
    }
    note_process(server, peer, hello);
    xdb_log(server,
            2,
            "session begin session=%llu role=%s principal=%s",
            (unsigned long long)peer->session.n,
            xd_role_name(peer->role),
            peer->right->principal);
    answer(server, conn);
}

/* Equal in a time that does not tell where the difference is. */
static bool same_token(const struct xd_token *a, const struct xd_token *b)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < sizeof a->bytes; i++) {
        difference |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
    }
    return difference == 0;
}

static void join_session(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_hello *hello)
{
    struct xdb_peer *peer = xdb_peer_find(&server->conns, hello->session);
    enum xd_lane lane = conn->embed != NULL                   ? conn->lane
                        : conn->key.socket == XDB_SOCKET_BULK ? XD_LANE_BULK
                                                              : XD_LANE_CONTROL;
    if (peer == NULL || conn->peer != NULL || hello->lane != lane ||
        peer->role != hello->role || !same_token(&peer->token, &hello->token) ||
        strcmp(peer->right->principal, conn->right->principal) != 0) {
        xdb_inbound_bad(server,
                        conn,
                        XD_KIND_HELLO,
                        XD_ERR_FORBIDDEN,
                        "no such session, or not with this token, role, lane and user");
        return;
    }
    xdb_peer_attach(&server->conns, peer, lane, conn);
    answer(server, conn);
    if (lane == XD_LANE_BULK) {
        xdb_relay_bulk_open(server, peer->session);
    }
}

void xdb_hello(struct xdb_server *server, struct xdb_conn *conn, struct xd_hello *hello)
{
    if (!speaks_our_version(server, conn, hello)) {
        return;
    }
    if (hello->session.n == 0) {
        open_session(server, conn, hello);
    } else {
        join_session(server, conn, hello);
    }
}
