/* SPDX-License-Identifier: MIT */
/* The three ROUTER sockets. */
#include "io/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"
#include "io/death.h"
#include "io/lock.h"
#include "wire/limits.h"

static const char *const SUFFIX[XDB_SOCKET_COUNT] = {"", ".workers", ".bulk"};

#define LOCKS_MAX                                                                        \
    (sizeof((struct xdb_server *)0)->locks / sizeof((struct xdb_server *)0)->locks[0])

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
    uint64_t io_thread = which == XDB_SOCKET_BULK ? 2 : 1; /* a bit for each */
    return set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(socket, ZMQ_ROUTER_HANDOVER, 0) && set_int(socket, ZMQ_SNDHWM, hwm) &&
           set_int(socket, ZMQ_RCVHWM, hwm) && set_int(socket, ZMQ_HANDSHAKE_IVL, 5000) &&
           set_int(socket, ZMQ_BACKLOG, 4096) && set_int(socket, ZMQ_LINGER, 500) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, 0) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_frame, sizeof max_frame) == 0 &&
           zmq_setsockopt(socket, ZMQ_AFFINITY, &io_thread, sizeof io_thread) == 0 &&
           zmq_setsockopt(socket,
                          ZMQ_ZAP_DOMAIN,
                          XDB_ZAP_DOMAIN,
                          strlen(XDB_ZAP_DOMAIN)) == 0;
}

/* libzmq unlinks a path it binds and so would steal a live broker's socket: the lock
 * comes first. */
static enum xd_err lock_address(struct xdb_server *server,
                                const char *address,
                                struct xd_error *error)
{
    char path[XD_ADDRESS_MAX_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s.lock", address + strlen("ipc://"));
    if (server->lock_count == LOCKS_MAX) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "more than %zu addresses to listen on",
                       LOCKS_MAX);
    }
    char *kept = xd_alloc(strlen(path) + 1);
    if (kept == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for an address");
    }
    int fd = xdb_lock_take(path);
    int why = errno;
    if (fd < 0) {
        xd_free(kept);
    }
    if (fd < 0 && why == EWOULDBLOCK) {
        return xd_fail(error,
                       XD_ERR_EXISTS,
                       "another broker listens on %s; stop it or choose another address",
                       address);
    }
    if (fd < 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "cannot lock %s: %s", path, strerror(why));
    }
    server->locks[server->lock_count].fd = fd;
    memcpy(kept, path, strlen(path) + 1);
    server->locks[server->lock_count++].path = kept;
    return XD_OK;
}

static enum xd_err bind_one(struct xdb_server *server,
                            enum xdb_socket which,
                            const char *endpoint,
                            struct xd_error *error)
{
    mode_t old =
        umask(0077); /* the socket's mode; no other thread of ours makes files here */
    int failed = zmq_bind(server->sockets[which], endpoint);
    int why = errno;
    umask(old);
    if (failed != 0) {
        return xd_fail(error,
                       why == EADDRINUSE ? XD_ERR_EXISTS : XD_ERR_SYSTEM,
                       "cannot listen on %s: %s",
                       endpoint,
                       zmq_strerror(why));
    }
    return XD_OK;
}

static enum xd_err bind_address(struct xdb_server *server,
                                const char *address,
                                bool first,
                                struct xd_error *error)
{
    enum xd_err err = xd_address_check(address, error);
    if (err == XD_OK) {
        err = xd_address_directory(address, 1, error);
    }
    if (err == XD_OK) {
        err = lock_address(server, address, error);
    }
    char endpoint[XDB_SOCKET_COUNT][XD_ADDRESS_MAX_BYTES];
    for (int i = 0; err == XD_OK && i < XDB_SOCKET_COUNT; i++) {
        err = xd_address_beside(address, SUFFIX[i], endpoint[i], error);
        if (err == XD_OK) {
            err = bind_one(server, (enum xdb_socket)i, endpoint[i], error);
        }
    }
    if (err == XD_OK && first) {
        memcpy(server->address, endpoint[0], sizeof endpoint[0]);
        memcpy(server->worker_endpoint, endpoint[1], sizeof endpoint[1]);
        memcpy(server->bulk_endpoint, endpoint[2], sizeof endpoint[2]);
    }
    return err;
}

/* An address of this process's own, for a broker that only its own workers dial. */
static enum xd_err private_address(char *out, struct xd_error *error)
{
    static _Atomic unsigned counter;
    char base[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_default(base, error);
    if (err != XD_OK) {
        return err;
    }
    xdb_lock_sweep(base + strlen("ipc://"));
    char suffix[48];
    (void)snprintf(suffix, sizeof suffix, "-%ld-%u", (long)getpid(), counter++);
    return xd_address_beside(base, suffix, out, error);
}

static enum xd_err bind_all(struct xdb_server *server,
                            const struct xd_broker_options *options,
                            struct xd_error *error)
{
    char own[XD_ADDRESS_MAX_BYTES];
    const char *fallback[] = {own, NULL};
    const char *const *addresses = options->listen;
    if (addresses == NULL || addresses[0] == NULL) {
        enum xd_err err = private_address(own, error);
        if (err != XD_OK) {
            return err;
        }
        addresses = fallback;
    }
    for (size_t i = 0; addresses[i] != NULL; i++) {
        enum xd_err err = bind_address(server, addresses[i], i == 0, error);
        if (err != XD_OK) {
            return err;
        }
    }
    return XD_OK;
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

enum xd_err xdb_bus_open(struct xdb_server *server,
                         const struct xd_broker_options *options,
                         struct xd_error *error)
{
    server->context = zmq_ctx_new();
    if (server->context == NULL || zmq_ctx_set(server->context, ZMQ_IO_THREADS, 2) != 0) {
        return xd_fail(error,
                       XD_ERR_SYSTEM,
                       "no ZeroMQ context: %s",
                       zmq_strerror(errno));
    }
    enum xd_err err = xdb_zap_start(server->context,
                                    options->uids,
                                    options->uid_count,
                                    options->gids,
                                    options->gid_count,
                                    server->died_fd,
                                    &server->zap);
    if (err != XD_OK) {
        return xd_fail(error, err, "cannot start the ZAP handler");
    }
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        server->sockets[i] = zmq_socket(server->context, ZMQ_ROUTER);
        if (server->sockets[i] == NULL ||
            !configure(server->sockets[i], (enum xdb_socket)i)) {
            return xd_fail(error,
                           XD_ERR_SYSTEM,
                           "no ROUTER socket: %s",
                           zmq_strerror(errno));
        }
        err = xdb_death_watch(server, (enum xdb_socket)i);
        if (err != XD_OK) {
            return xd_fail(error,
                           err,
                           "cannot monitor a socket: %s",
                           zmq_strerror(errno));
        }
    }
    err = note_descriptors(server);
    if (err != XD_OK) {
        return xd_fail(error, err, "no descriptor of a socket: %s", zmq_strerror(errno));
    }
    return bind_all(server, options, error);
}

/* The last endpoints' files; libzmq leaves them. */
static void unlink_all(struct xdb_server *server)
{
    const char *endpoints[] = {server->address,
                               server->worker_endpoint,
                               server->bulk_endpoint};
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        if (strncmp(endpoints[i], "ipc://", 6) == 0) {
            (void)unlink(endpoints[i] + 6);
        }
    }
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
    if (server->lock_count > 0) {
        unlink_all(server);
    }
    for (size_t i = 0; i < server->lock_count; i++) {
        xdb_lock_drop(server->locks[i].path, server->locks[i].fd);
        xd_free(server->locks[i].path);
    }
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
