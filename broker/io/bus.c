/* SPDX-License-Identifier: MIT */
/* The three ROUTER sockets. */
#include "io/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "io/death.h"
#include "io/listen.h"
#include "wire/limits.h"

/* libzmq's own threads, one for each kind of traffic, so that large payloads do not hold
 * up small messages nor encryption what needs none. CURVE takes a core for half a GB/s,
 * so that bulk over tcp gets several where there are cores. */
enum { IPC_CONTROL, IPC_BULK, TCP_CONTROL, TCP_BULK, TCP_BULK_MAX = 4 };

static int tcp_bulk_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores <= 2 ? 1 : cores / 2 >= TCP_BULK_MAX ? TCP_BULK_MAX : (int)(cores / 2);
}

/* Bits of ZMQ_AFFINITY. */
uint64_t xdb_bus_tcp_threads(int which)
{
    uint64_t bulk = (UINT64_C(1) << tcp_bulk_threads()) - 1;
    return which == XDB_SOCKET_BULK ? bulk << TCP_BULK : UINT64_C(1) << TCP_CONTROL;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* The settings of DESIGN.md and of the list at the end of reference/reliability.md 5;
 * before any bind. */
static bool configure(void *socket, enum xdb_socket which)
{
    int hwm = which == XDB_SOCKET_BULK ? 32 : 1000;
    int64_t max_frame = (int64_t)XD_FRAME_MAX_BYTES;
    uint64_t io_thread = UINT64_C(1)
                         << (which == XDB_SOCKET_BULK ? IPC_BULK : IPC_CONTROL);
    return set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(socket, ZMQ_ROUTER_HANDOVER, 0) && set_int(socket, ZMQ_SNDHWM, hwm) &&
           set_int(socket, ZMQ_RCVHWM, hwm) && set_int(socket, ZMQ_HANDSHAKE_IVL, 5000) &&
           set_int(socket, ZMQ_BACKLOG, 4096) && set_int(socket, ZMQ_LINGER, 500) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, 0) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_frame, sizeof max_frame) == 0 &&
           zmq_setsockopt(socket, ZMQ_AFFINITY, &io_thread, sizeof io_thread) == 0;
}

/* What the loop polls. */
static enum xd_err note_descriptors(struct xdb_server *server)
{
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        size_t size = sizeof(int);
        if (zmq_getsockopt(server->sockets[i], ZMQ_FD, &server->socket_fds[i], &size) !=
                0 ||
            zmq_getsockopt(server->monitors[i], ZMQ_FD, &server->monitor_fds[i], &size) !=
                0) {
            return XD_ERR_SYSTEM;
        }
    }
    return XD_OK;
}

/* libzmq counts its automatic routing ids from a number of the C library's generator,
 * which it seeds with time and pid; nobody on the network shall guess them. After the
 * context, before the ROUTERs. */
static void seed_routing_ids(void)
{
    unsigned seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed) {
        srand(seed);
    }
}

static enum xd_err make_sockets(struct xdb_server *server, struct xd_error *error)
{
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        server->sockets[i] = zmq_socket(server->context, ZMQ_ROUTER);
        if (server->sockets[i] == NULL ||
            !configure(server->sockets[i], (enum xdb_socket)i)) {
            return xd_fail(error,
                           XD_ERR_SYSTEM,
                           "no ROUTER socket: %s",
                           zmq_strerror(errno));
        }
        enum xd_err err = xdb_death_watch(server, (enum xdb_socket)i);
        if (err != XD_OK) {
            return xd_fail(error,
                           err,
                           "cannot monitor a socket: %s",
                           zmq_strerror(errno));
        }
    }
    return XD_OK;
}

/* Keys and rights: of keys only where an address needs them. */
static enum xd_err open_rights(struct xdb_server *server,
                               const struct xd_broker_options *options,
                               struct xd_key_pair *server_key,
                               struct xd_error *error)
{
    struct xd_key_pair user;
    char state[XD_STATE_MAX_BYTES];
    struct xdb_rights_options rights = {.uids = options->uids,
                                        .gids = options->gids,
                                        .uid_count = options->uid_count,
                                        .gid_count = options->gid_count};
    enum xd_err err = XD_OK;
    memset(&user, 0, sizeof user);
    if (server->has_tcp) {
        if (options->state == NULL) {
            err = xd_state_directory(state, error);
        } else {
            (void)snprintf(state, sizeof state, "%s", options->state);
        }
        err = err ? err : xd_keys_server(state, server_key, error);
        err = err ? err : xd_keys_user(state, true, &user, error);
        rights.state = state;
        rights.user = &user;
    }
    err = err ? err : xdb_rights_new(&rights, &server->rights, error);
    xd_key_pair_wipe(&user);
    return err;
}

static enum xd_err open_context(struct xdb_server *server, struct xd_error *error)
{
    int threads = server->has_tcp ? TCP_BULK + tcp_bulk_threads() : TCP_CONTROL;
    server->context = zmq_ctx_new();
    if (server->context == NULL ||
        zmq_ctx_set(server->context, ZMQ_IO_THREADS, threads) != 0) {
        return xd_fail(error,
                       XD_ERR_SYSTEM,
                       "no ZeroMQ context: %s",
                       zmq_strerror(errno));
    }
    enum xd_err err =
        xdb_zap_start(server->context, server->rights, server->died_fd, &server->zap);
    return err ? xd_fail(error, err, "cannot start the ZAP handler") : XD_OK;
}

enum xd_err xdb_bus_open(struct xdb_server *server,
                         const struct xd_broker_options *options,
                         struct xd_error *error)
{
    struct xd_key_pair key;
    memset(&key, 0, sizeof key);
    server->has_tcp = xdb_listen_needs_keys(options);
    enum xd_err err = open_rights(server, options, &key, error);
    err = err ? err : open_context(server, error);
    if (err == XD_OK && server->has_tcp) {
        seed_routing_ids();
    }
    err = err ? err : make_sockets(server, error);
    if (err == XD_OK && (err = note_descriptors(server)) != XD_OK) {
        (void)xd_fail(error, err, "no descriptor of a socket: %s", zmq_strerror(errno));
    }
    err = err ? err
              : xdb_listen_open(&server->listeners,
                                server->sockets,
                                server->zap,
                                options,
                                &key,
                                error);
    xd_key_pair_wipe(&key);
    return err;
}

void xdb_bus_close(struct xdb_server *server)
{
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        if (server->monitors[i] != NULL) {
            (void)zmq_socket_monitor(server->sockets[i], NULL, 0);
            zmq_close(server->monitors[i]);
        }
        if (server->sockets[i] != NULL) {
            zmq_close(server->sockets[i]);
        }
    }
    xdb_zap_stop(server->zap);
    if (server->context != NULL) {
        zmq_ctx_term(server->context);
    }
    xdb_listen_close(&server->listeners);
    xdb_rights_free(server->rights);
}

enum xd_err xdb_conn_send_frames(struct xdb_server *server,
                                 struct xdb_conn *conn,
                                 struct xd_bytes *const *frames,
                                 size_t count)
{
    enum xd_err err;
    if (conn->embed != NULL) {
        err = xdb_embed_send(conn->embed, conn->lane, frames, count);
    } else {
        struct xd_route route = {conn->key.route};
        /* A send takes in what libzmq's threads announced, and the descriptor is silent
         * then. */
        server->ready[conn->key.socket] = true;
        err = xd_zmq_send(server->sockets[conn->key.socket], &route, frames, count);
    }
    if (err == XD_OK) {
        server->stats.messages_out++;
    } else if (err == XD_ERR_GONE) {
        xdb_conn_check(&server->conns, conn);
    }
    return err;
}

enum xd_err xdb_conn_send(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_frames *frames)
{
    return xdb_conn_send_frames(server, conn, frames->items, frames->count);
}

void xdb_conn_send_msg(struct xdb_server *server,
                       struct xdb_conn *conn,
                       const struct xd_msg *msg)
{
    struct xd_frames frames;
    frames.count = 0;
    enum xd_err err = xd_msg_pack(msg, &frames);
    if (err == XD_OK) {
        err = xdb_conn_send(server, conn, &frames);
    }
    if (err == XD_ERR_NOMEM) {
        server->stats.no_memory++;
    }
    xd_frames_clear(&frames);
}

void xdb_conn_error(struct xdb_server *server,
                    struct xdb_conn *conn,
                    uint32_t kind,
                    enum xd_err code,
                    const char *text)
{
    struct xd_msg msg = {.kind = XD_KIND_ERROR};
    msg.error.code = code;
    msg.error.kind = kind;
    if (xd_bytes_text(text, &msg.error.text) != XD_OK) {
        server->stats.no_memory++;
        return;
    }
    xdb_conn_send_msg(server, conn, &msg);
    xd_msg_clear(&msg);
}
