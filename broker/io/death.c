/* SPDX-License-Identifier: MIT */
/* How the broker hears that somebody is gone. */
#include "io/death.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zmq.h>

#include "io/bus.h"

/* The loop checks once a millisecond; a closed connection loses its route within a few.
 */
#define TRIES_MAX 200
/* A process has ended, and its connection is still there: what it sent last may not have
 * been read by libzmq so far. Afterwards somebody else holds the descriptor (a forked
 * grandchild). */
#define TRIES_OF_THE_DEAD 50

enum xd_err xdb_death_watch(struct xdb_server *server, enum xdb_socket which)
{
    char endpoint[64];
    int zero = 0;
    (void)
        snprintf(endpoint, sizeof endpoint, "inproc://crossdock.monitor.%d", (int)which);
    int events = ZMQ_EVENT_DISCONNECTED | (server->has_tcp ? ZMQ_EVENT_ACCEPTED : 0);
    if (zmq_socket_monitor(server->sockets[which], endpoint, events) != 0) {
        return XD_ERR_SYSTEM;
    }
    void *pair = zmq_socket(server->context, ZMQ_PAIR);
    if (pair == NULL) {
        return XD_ERR_SYSTEM;
    }
    server->monitors[which] = pair;
    if (zmq_setsockopt(pair, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt(pair, ZMQ_RCVHWM, &zero, sizeof zero) != 0 ||
        zmq_connect(pair, endpoint) != 0) {
        return XD_ERR_SYSTEM;
    }
    /* Its descriptor tells of the first event only who has looked and found none. */
    size_t size = sizeof events;
    return zmq_getsockopt(pair, ZMQ_EVENTS, &events, &size) == 0 ? XD_OK : XD_ERR_SYSTEM;
}

void xdb_death_watch_process(struct xdb_server *server, struct xdb_peer *peer)
{
#ifdef SYS_pidfd_open
    if (peer->pid <= 0 || peer->pidfd >= 0) {
        return;
    }
    int fd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = peer->session.n};
    if (fd >= 0 && epoll_ctl(server->pidfds, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        fd = -1;
    }
    peer->pidfd = fd;
#else
    (void)server;
    (void)peer;
#endif
}

/* One monitor message: event number and value in the first frame, the endpoint in the
 * second. */
static bool read_monitor(void *monitor, uint16_t *number, int *fd)
{
    unsigned char event[6];
    char endpoint[256];
    int got = zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT);
    if (got != (int)sizeof event) {
        return false;
    }
    (void)zmq_recv(monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    int32_t value;
    memcpy(number, event, sizeof *number);
    memcpy(&value, event + sizeof *number, sizeof value);
    *fd = value;
    return true;
}

static void read_pidfds(struct xdb_server *server)
{
    struct epoll_event events[16];
    int count = epoll_wait(server->pidfds, events, 16, 0);
    for (int i = 0; i < count; i++) {
        struct xd_session_id session = {events[i].data.u64};
        struct xdb_peer *peer = xdb_peer_find(&server->conns, session);
        if (peer == NULL || peer->pidfd < 0) {
            continue;
        }
        close(peer->pidfd); /* leaves the epoll by itself */
        peer->pidfd = -1;
        struct xdb_conn *conn = peer->lanes[XD_LANE_CONTROL];
        if (conn != NULL) {
            conn->is_dead = true;
            conn->tries = 0;
            xdb_conn_check(&server->conns, conn);
        }
    }
}

void xdb_death_read(struct xdb_server *server)
{
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        uint16_t number;
        int fd;
        while (read_monitor(server->monitors[i], &number, &fd)) {
            if (number == ZMQ_EVENT_ACCEPTED) {
                xd_zmq_tune_stream(fd);
                xdb_flood_accepted(&server->flood, (enum xdb_socket)i, fd);
            } else {
                xdb_flood_closed(&server->flood, fd);
                xdb_conns_fd_closed(&server->conns, fd);
            }
        }
    }
    read_pidfds(server);
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) { /* what they said last comes first */
        server->ready[i] = true;
        server->drained[i] = false;
    }
}

/* The connections outlive their session, until their descriptors are closed: what the
 * peer said before it heard of the end is still on its way. */
static void retire_lanes(struct xdb_peer *peer)
{
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        struct xdb_conn *conn = peer->lanes[lane];
        if (conn != NULL && conn->embed == NULL) {
            conn->peer = NULL;
            conn->is_over = true;
            peer->lanes[lane] = NULL;
        }
    }
}

void xdb_session_end(struct xdb_server *server,
                     struct xdb_peer *peer,
                     enum xdb_event_kind how)
{
    struct xd_session_id session = peer->session;
    xdb_log(server,
            2,
            "session end session=%llu role=%s how=%s",
            (unsigned long long)session.n,
            xd_role_name(peer->role),
            how == XDB_EVENT_LEAVE ? "left" : "lost");
    bool in_core = peer->in_core;
    if (how == XDB_EVENT_LOST) {
        /* Else libzmq would keep the chunks for a process that is only stopped. */
        (void)xdb_conn_shut(peer->lanes[XD_LANE_BULK]);
    }
    xdb_relay_session_gone(server, session);
    xdb_setups_session_gone(server, peer);
    xdb_agents_session_gone(server, session);
    retire_lanes(peer);
    xdb_peer_free(&server->conns, peer);
    if (in_core) {
        struct xdb_event event = {.kind = how, .now = server->now, .session = session};
        if (xdb_server_step(server, &event) != XD_OK) {
            /* The core keeps the session until its silence ends it: late, but nothing is
             * lost. */
            server->stats.no_memory++;
        }
    }
}

/* Does the ROUTER still have a way to this connection? A heartbeat finds out. */
static bool is_reachable(struct xdb_server *server, struct xdb_conn *conn)
{
    struct xd_msg msg = {.kind = XD_KIND_HEARTBEAT};
    struct xd_frames frames;
    frames.count = 0;
    enum xd_err err = xd_msg_pack(&msg, &frames);
    if (err == XD_OK) {
        err = xdb_conn_send(server, conn, &frames);
    }
    xd_frames_clear(&frames);
    return err != XD_ERR_GONE;
}

/* Its process has ended, and so has what it sent: on a busy host libzmq may take long to
 * read that. */
static bool has_said_all(const struct xdb_conn *conn)
{
    int unread = 0;
    if (!conn->is_dead || conn->tries < TRIES_OF_THE_DEAD) {
        return false;
    }
    bool is_known = conn->fd >= 0 && ioctl(conn->fd, FIONREAD, &unread) == 0;
    return !is_known || unread == 0 || conn->tries >= TRIES_MAX - 1;
}

/* A worker between its two control connections: its HELLO on the second one may still be
 * on the way. */
static bool is_moving(const struct xdb_peer *peer)
{
    return peer->role == XD_ROLE_WORKER && !peer->in_core;
}

static void conn_end(struct xdb_server *server, struct xdb_conn *conn)
{
    struct xdb_peer *peer = conn->peer;
    bool goes_with_session = false;
    if (peer != NULL && !is_moving(peer) && conn->lane == XD_LANE_CONTROL) {
        goes_with_session = conn->embed != NULL;
        xdb_session_end(server, peer, XDB_EVENT_LOST);
    } else if (peer != NULL && !is_moving(peer)) {
        xdb_relay_bulk_gone(server, peer->session);
    }
    if (!goes_with_session) {
        xdb_conn_free(&server->conns, conn);
    }
}

/* The proof may have taken in, together with the end, words that came after the socket
 * was last read: it is read once more. */
static void hear_last_words(struct xdb_server *server, struct xdb_conn *conn)
{
    conn->is_gone = true;
    if (conn->embed == NULL) {
        server->ready[conn->key.socket] = true;
        server->drained[conn->key.socket] = false;
    }
    xdb_conn_check(&server->conns, conn);
}

void xdb_death_check(struct xdb_server *server)
{
    struct xd_list todo;
    xd_list_init(&todo);
    while (!xd_list_is_empty(&server->conns.checks)) {
        struct xd_list *link = server->conns.checks.next;
        xd_list_remove(link);
        xd_list_push_back(&todo, link);
    }
    while (!xd_list_is_empty(&todo)) {
        struct xdb_conn *conn = XD_ITEM(todo.next, struct xdb_conn, checks);
        xd_list_remove(&conn->checks);
        bool drained = conn->embed != NULL || server->drained[conn->key.socket];
        if (!drained || (!conn->is_gone && server->now < conn->next_try)) {
            xdb_conn_check(&server->conns, conn);
            continue;
        }
        conn->next_try = server->now + XD_MS;
        if (conn->is_gone) {
            conn_end(server, conn);
        } else if (!is_reachable(server, conn) || has_said_all(conn)) {
            hear_last_words(server, conn);
        } else if (++conn->tries < TRIES_MAX) {
            xdb_conn_check(&server->conns, conn);
        } else {
            conn->tries = 0; /* a false alarm: the descriptor was somebody else's */
        }
    }
}
