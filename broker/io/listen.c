/* SPDX-License-Identifier: MIT */
/* Binding, with locks for ipc and keys for tcp. */
#include "io/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"
#include "io/bus.h"
#include "io/lock.h"

static const char *const SUFFIX[XDB_SOCKET_COUNT] = {"", ".workers", ".bulk"};

struct binding {
    struct xdb_listeners *all;
    void *const *sockets;
    struct xdb_zap *zap;
    const struct xd_key_pair *server_key;
    struct xd_error *error;
};

static enum xd_err fail_bind(struct xd_error *error, const char *endpoint, int why)
{
    return xd_fail(error,
                   why == EADDRINUSE ? XD_ERR_EXISTS : XD_ERR_SYSTEM,
                   "cannot listen on %s: %s",
                   endpoint,
                   zmq_strerror(why));
}

static bool set_domain(const struct binding *binding,
                       const struct xdb_listener *listener,
                       enum xdb_mechanism mechanism)
{
    char domain[XDB_ZAP_DOMAIN_ROOM];
    uint32_t number = (uint32_t)(listener - binding->all->items);
    xdb_zap_announce(binding->zap, number, mechanism, domain);
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        if (zmq_setsockopt(binding->sockets[i], ZMQ_ZAP_DOMAIN, domain, strlen(domain)) !=
            0) {
            return false;
        }
    }
    return true;
}

/* ---- ipc ---- */

/* libzmq unlinks a path it binds and so would steal a live broker's socket: the lock
 * comes first. */
static enum xd_err lock_address(struct xdb_listener *listener,
                                const char *address,
                                struct xd_error *error)
{
    char path[XD_ADDRESS_MAX_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s.lock", address + strlen("ipc://"));
    listener->lock_path = xd_alloc(strlen(path) + 1);
    if (listener->lock_path == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for an address");
    }
    memcpy(listener->lock_path, path, strlen(path) + 1);
    listener->lock_fd = xdb_lock_take(path);
    if (listener->lock_fd >= 0) {
        return XD_OK;
    }
    int why = errno;
    if (why == EWOULDBLOCK) {
        return xd_fail(error,
                       XD_ERR_EXISTS,
                       "another broker listens on %s; stop it or choose another address",
                       address);
    }
    return xd_fail(error, XD_ERR_SYSTEM, "cannot lock %s: %s", path, strerror(why));
}

/* Takes the address where its sockets will lie. */
static enum xd_err settle(struct xdb_listener *listener,
                          const char *address,
                          char place[XD_ADDRESS_MAX_BYTES],
                          struct xd_error *error)
{
    enum xd_err err = xd_address_place(address, true, place, error);
    if (err == XD_OK) {
        err = xd_address_directory(place, 1, error);
    }
    if (err == XD_OK) {
        err = lock_address(listener, place, error);
    }
    listener->has_directory = err == XD_OK && strcmp(place, address) != 0;
    return err;
}

/* The umask is the socket file's mode; no other thread of ours makes files here. */
static enum xd_err bind_path(void *socket, const char *endpoint, struct xd_error *error)
{
    mode_t old = umask(0077);
    int failed = zmq_bind(socket, endpoint);
    int why = errno;
    umask(old);
    return failed == 0 ? XD_OK : fail_bind(error, endpoint, why);
}

static enum xd_err bind_ipc(const struct binding *binding,
                            struct xdb_listener *listener,
                            const char *address)
{
    struct xd_error *error = binding->error;
    char place[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = settle(listener, address, place, error);
    if (err == XD_OK && !set_domain(binding, listener, XDB_MECHANISM_NULL)) {
        err = xd_fail(error, XD_ERR_SYSTEM, "no ZAP domain: %s", zmq_strerror(errno));
    }
    for (int i = 0; err == XD_OK && i < XDB_SOCKET_COUNT; i++) {
        char endpoint[XD_ADDRESS_MAX_BYTES];
        err = xd_address_beside(place, SUFFIX[i], endpoint, error);
        if (err == XD_OK) {
            err = bind_path(binding->sockets[i], endpoint, error);
        }
        if (err == XD_OK) {
            memcpy(listener->endpoint[i], endpoint, sizeof endpoint);
            memcpy(listener->told[i], endpoint, sizeof endpoint);
        }
    }
    return err;
}

/* ---- tcp ---- */

/* From here on the socket binds with CURVE only. A dead host's connection ends after two
 * minutes even where nobody speaks. */
static bool set_tcp(void *socket, int lane, const char *address, const char *secret_key)
{
    uint64_t io_threads = xdb_bus_tcp_threads(lane);
    const struct {
        int option, value;
    } ints[] = {{ZMQ_CURVE_SERVER, 1},
                {ZMQ_IPV6, strchr(address, '[') != NULL},
                {ZMQ_TCP_KEEPALIVE, 1},
                {ZMQ_TCP_KEEPALIVE_IDLE, 60},
                {ZMQ_TCP_KEEPALIVE_INTVL, 10},
                {ZMQ_TCP_KEEPALIVE_CNT, 3}};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        if (zmq_setsockopt(socket,
                           ints[i].option,
                           &ints[i].value,
                           sizeof ints[i].value) != 0) {
            return false;
        }
    }
    return zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, strlen(secret_key)) ==
               0 &&
           zmq_setsockopt(socket, ZMQ_AFFINITY, &io_threads, sizeof io_threads) == 0;
}

/* Returns the port in *out; port 0 is any free one. */
static enum xd_err bind_port(void *socket,
                             const char *address,
                             unsigned port,
                             unsigned *out,
                             struct xd_error *error)
{
    char endpoint[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_with_port(address, port, endpoint, error);
    if (err != XD_OK) {
        return err;
    }
    if (zmq_bind(socket, endpoint) != 0) {
        return fail_bind(error, endpoint, errno);
    }
    size_t size = sizeof endpoint;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0) {
        return fail_bind(error, endpoint, errno);
    }
    *out = xd_address_port(endpoint);
    return XD_OK;
}

/* The ports behind the address's own are the first choice, for people who open them in a
 * firewall or a tunnel. */
static enum xd_err bind_lane(void *socket,
                             const char *address,
                             unsigned wanted,
                             bool is_first,
                             unsigned *out,
                             struct xd_error *error)
{
    enum xd_err err = XD_ERR_EXISTS;
    if (is_first || wanted <= UINT16_MAX) {
        err = bind_port(socket, address, wanted, out, error);
    }
    return err == XD_ERR_EXISTS && !is_first ? bind_port(socket, address, 0, out, error)
                                             : err;
}

static enum xd_err bind_tcp(const struct binding *binding,
                            struct xdb_listener *listener,
                            const char *address)
{
    struct xd_error *error = binding->error;
    unsigned port = xd_address_port(address);
    enum xd_err err = XD_OK;
    listener->is_tcp = true;
    if (!set_domain(binding, listener, XDB_MECHANISM_CURVE)) {
        err = xd_fail(error, XD_ERR_SYSTEM, "no ZAP domain: %s", zmq_strerror(errno));
    }
    for (int i = 0; err == XD_OK && i < XDB_SOCKET_COUNT; i++) {
        void *socket = binding->sockets[i];
        if (!set_tcp(socket, i, address, binding->server_key->secret_key)) {
            return xd_fail(error,
                           XD_ERR_SYSTEM,
                           "cannot set a socket up for CURVE: %s",
                           zmq_strerror(errno));
        }
        err = bind_lane(socket, address, i == 0 ? port : port + 1, i == 0, &port, error);
        if (err == XD_OK) {
            err = xd_address_with_port(address, port, listener->endpoint[i], error);
        }
        if (err == XD_OK) {
            err = xd_address_with_port("tcp://*:1", port, listener->told[i], error);
        }
    }
    return err;
}

/* ---- all of them ---- */

static enum xd_err bind_address(const struct binding *binding,
                                struct xdb_listener *listener,
                                const char *address)
{
    char plain[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_plain(address, plain, binding->error);
    if (err != XD_OK) {
        return err;
    }
    return xd_address_is_tcp(plain) ? bind_tcp(binding, listener, plain)
                                    : bind_ipc(binding, listener, plain);
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

static bool is_tcp(const char *address)
{
    char plain[XD_ADDRESS_MAX_BYTES];
    return xd_address_plain(address, plain, NULL) == XD_OK && xd_address_is_tcp(plain);
}

bool xdb_listen_needs_keys(const struct xd_broker_options *options)
{
    for (size_t i = 0; options->listen != NULL && options->listen[i] != NULL; i++) {
        if (is_tcp(options->listen[i])) {
            return true;
        }
    }
    return false;
}

enum xd_err xdb_listen_open(struct xdb_listeners *listeners,
                            void *const sockets[XDB_SOCKET_COUNT],
                            struct xdb_zap *zap,
                            const struct xd_broker_options *options,
                            const struct xd_key_pair *server_key,
                            struct xd_error *error)
{
    char own[XD_ADDRESS_MAX_BYTES];
    const char *fallback[] = {own, NULL};
    const char *const *addresses = options->listen;
    const struct binding binding = {listeners, sockets, zap, server_key, error};
    if (addresses == NULL || addresses[0] == NULL) {
        enum xd_err err = private_address(own, error);
        if (err != XD_OK) {
            return err;
        }
        addresses = fallback;
    }
    for (uint32_t i = 0; addresses[i] != NULL; i++) {
        if (i == XDB_LISTENERS_MAX) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "more than %u addresses to listen on",
                           XDB_LISTENERS_MAX);
        }
        memset(&listeners->items[i], 0, sizeof listeners->items[i]);
        listeners->items[i].lock_fd = -1;
        listeners->count = i + 1;
    }
    enum xd_err err = XD_OK;
    for (int tcp = 0; tcp <= 1; tcp++) {
        for (uint32_t i = 0; err == XD_OK && i < listeners->count; i++) {
            if (is_tcp(addresses[i]) == (tcp == 1)) {
                err = bind_address(&binding, &listeners->items[i], addresses[i]);
            }
        }
    }
    return err;
}

/* libzmq leaves the files of sockets. */
static void unlink_endpoints(const struct xdb_listener *listener)
{
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        if (listener->endpoint[i][0] != '\0') {
            (void)unlink(listener->endpoint[i] + strlen("ipc://"));
        }
    }
}

/* The directory was this address's alone; one with other files in it stays. */
static void remove_directory(char *lock_path)
{
    *strrchr(lock_path, '/') = '\0';
    (void)rmdir(lock_path);
}

void xdb_listen_close(struct xdb_listeners *listeners)
{
    for (uint32_t i = 0; i < listeners->count; i++) {
        struct xdb_listener *listener = &listeners->items[i];
        if (listener->lock_fd >= 0) {
            unlink_endpoints(listener);
            xdb_lock_drop(listener->lock_path, listener->lock_fd);
        }
        if (listener->has_directory) {
            remove_directory(listener->lock_path);
        }
        xd_free(listener->lock_path);
    }
    listeners->count = 0;
}
