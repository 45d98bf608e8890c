/* SPDX-License-Identifier: MIT */
/* DEALER sockets with a context of their own. They are watched: a broker that dies is
 * noticed when the kernel says so. */
#include "link_zmq.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/alloc.h"
#include "wire/address.h"
#include "wire/limits.h"
#include "wire/zmq.h"

#define LINGER_MS 500
/* A broker that has another key than we expect closes the connection without a word, each
 * time. */
#define WRONG_KEY_AFTER 3u

struct link_zmq {
    struct xd_link link; /* first */
    void *context;
    void *sockets[XD_LANE_COUNT];
    void *monitors[XD_LANE_COUNT];
    void *retired; /* the control socket before the last open(), until the new one is
                      answered */
    bool full[XD_LANE_COUNT];         /* the last send found no room */
    bool ready[XD_LANE_COUNT];        /* there may be something to read */
    bool alarmed;                     /* a monitor has something to say */
    bool shook[XD_LANE_COUNT];        /* a handshake of the socket has succeeded */
    unsigned failures[XD_LANE_COUNT]; /* of handshakes, without a reason */
    bool lost;
    struct xd_link_keys keys; /* of a tcp address */
    char address[XD_ADDRESS_MAX_BYTES];
    unsigned watched; /* how many monitors were made: their names */
};

static struct link_zmq *self_of(struct xd_link *link)
{
    return (struct link_zmq *)(void *)link;
}

static enum xd_err map_errno(void)
{
    return errno == ENOMEM ? XD_ERR_NOMEM : XD_ERR_SYSTEM;
}

static const struct {
    int option, control, bulk;
} socket_options[] = {
    {ZMQ_SNDHWM, 1000, 32},
    {ZMQ_RCVHWM, 1000, 32},
    {ZMQ_LINGER, LINGER_MS, LINGER_MS},
    {ZMQ_IMMEDIATE, 1, 1},
    {ZMQ_CONNECT_TIMEOUT, 3000, 3000},
    {ZMQ_HANDSHAKE_IVL, 5000, 5000},
    {ZMQ_RECONNECT_IVL, 100, 100},
    {ZMQ_RECONNECT_IVL_MAX, 1000, 1000},
    {ZMQ_TCP_KEEPALIVE, 1, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 60, 60},
    {ZMQ_TCP_KEEPALIVE_INTVL, 10, 10},
    {ZMQ_TCP_KEEPALIVE_CNT, 3, 3},
};

static bool set_text(void *socket, int option, const char *text)
{
    return zmq_setsockopt(socket, option, text, strlen(text)) == 0;
}

/* tcp is always CURVE. */
static bool set_keys(void *socket, const struct xd_link_keys *keys, const char *address)
{
    int ipv6 = strchr(address, '[') != NULL;
    return zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6) == 0 &&
           set_text(socket, ZMQ_CURVE_SERVERKEY, keys->server) &&
           set_text(socket, ZMQ_CURVE_PUBLICKEY, keys->own.public_key) &&
           set_text(socket, ZMQ_CURVE_SECRETKEY, keys->own.secret_key);
}

static bool set_options(void *socket, enum xd_lane lane)
{
    for (size_t i = 0; i < sizeof socket_options / sizeof *socket_options; i++) {
        int value =
            lane == XD_LANE_BULK ? socket_options[i].bulk : socket_options[i].control;
        if (zmq_setsockopt(socket, socket_options[i].option, &value, sizeof value) != 0) {
            return false;
        }
    }
    int64_t frame = (int64_t)XD_FRAME_MAX_BYTES;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame, sizeof frame) == 0;
}

/* A socket announces what comes on its descriptor only to who has looked and found
 * nothing: look once. */
static void look_once(void *socket)
{
    int events;
    size_t size = sizeof events;
    (void)zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
}

/* The events of `socket` on a PAIR of our own. */
static void *watch(struct link_zmq *self, void *socket)
{
    char name[32];
    snprintf(name, sizeof name, "inproc://monitor-%u", self->watched++);
    int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    if (zmq_socket_monitor(socket, name, events) != 0) {
        return NULL;
    }
    void *pair = zmq_socket(self->context, ZMQ_PAIR);
    int zero = 0;
    if (pair != NULL && (zmq_setsockopt(pair, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
                         zmq_connect(pair, name) != 0)) {
        zmq_close(pair);
        pair = NULL;
    }
    if (pair != NULL) {
        look_once(pair);
    }
    return pair;
}

/* A new socket for the lane, dialling. On failure nothing is left over. */
static enum xd_err dial(struct link_zmq *self,
                        enum xd_lane lane,
                        const char *endpoint,
                        void **socket,
                        void **monitor,
                        struct xd_error *error)
{
    enum xd_err err = XD_OK;
    *socket = zmq_socket(self->context, ZMQ_DEALER);
    *monitor = NULL;
    bool is_tcp = xd_address_is_tcp(endpoint);
    if (*socket == NULL || !set_options(*socket, lane) ||
        (is_tcp && !set_keys(*socket, &self->keys, endpoint)) ||
        (*monitor = watch(self, *socket)) == NULL ||
        zmq_connect(*socket, endpoint) != 0) {
        err = xd_fail(error, map_errno(), "dial %s: %s", endpoint, zmq_strerror(errno));
        if (*monitor != NULL) {
            zmq_close(*monitor);
        }
        if (*socket != NULL) {
            int zero = 0;
            zmq_setsockopt(*socket, ZMQ_LINGER, &zero, sizeof zero);
            zmq_close(*socket);
        }
        *socket = *monitor = NULL;
    }
    return err;
}

static void close_quietly(void **socket)
{
    if (*socket != NULL) {
        int zero = 0;
        zmq_setsockopt(*socket, ZMQ_LINGER, &zero, sizeof zero);
        zmq_close(*socket);
        *socket = NULL;
    }
}

static enum xd_err zmq_link_open(struct xd_link *link,
                                 enum xd_lane lane,
                                 const char *endpoint,
                                 struct xd_error *error)
{
    struct link_zmq *self = self_of(link);
    char where[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_plain(endpoint, where, error);
    if (err != XD_OK) {
        return err;
    }
    if (xd_address_is_tcp(where) != xd_address_is_tcp(self->address)) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "the broker at %s names an endpoint of another kind, %s",
                       self->address,
                       where);
    }
    if (xd_address_is_tcp(where)) { /* the host that we reached it by */
        err = xd_address_with_port(self->address, xd_address_port(where), where, error);
    }
    if (err != XD_OK) {
        return err;
    }
    void *socket, *monitor;
    err = dial(self, lane, where, &socket, &monitor, error);
    if (err != XD_OK) {
        return err;
    }
    void *old = self->sockets[lane];
    if (old != NULL) {
        zmq_socket_monitor(old, NULL, 0);
    }
    close_quietly(&self->monitors[lane]);
    self->monitors[lane] = monitor;
    /* The old one stays until the new one is answered: the broker would take its end for
     * ours. */
    close_quietly(&self->retired);
    self->retired = old;
    self->sockets[lane] = socket;
    self->full[lane] = self->shook[lane] = false;
    self->failures[lane] = 0;
    self->ready[lane] = true;
    return XD_OK;
}

static enum xd_err zmq_link_send(struct xd_link *link,
                                 enum xd_lane lane,
                                 struct xd_bytes *const *frames,
                                 size_t count)
{
    struct link_zmq *self = self_of(link);
    if (self->lost || self->sockets[lane] == NULL) {
        return XD_ERR_GONE;
    }
    enum xd_err err = xd_zmq_send(self->sockets[lane], NULL, frames, count);
    self->full[lane] = err == XD_ERR_AGAIN;
    self->ready[lane] = true; /* see has_news() */
    return err;
}

/* What one event means for the session: XD_ERR_AGAIN nothing yet. A handshake that did
 * not end in time (a thousand at once on a busy host) is tried again by libzmq, and the
 * time limit of the session's start counts. */
static enum xd_err judge(struct link_zmq *self, enum xd_lane lane, uint16_t event)
{
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        return XD_ERR_AGAIN;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        self->shook[lane] = true;
        return XD_ERR_AGAIN;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        self->failures[lane]++;
        return xd_address_is_tcp(self->address) && self->failures[lane] >= WRONG_KEY_AFTER
                   ? XD_ERR_FORBIDDEN
                   : XD_ERR_AGAIN;
    case ZMQ_EVENT_DISCONNECTED:
        return self->shook[lane] ? XD_ERR_GONE : XD_ERR_AGAIN;
    default:
        return XD_ERR_FORBIDDEN;
    }
}

/* What a lane's monitor saw: XD_ERR_AGAIN for nothing, XD_ERR_FORBIDDEN for a broker that
 * does not want us, XD_ERR_GONE. */
static enum xd_err read_monitor(struct link_zmq *self, enum xd_lane lane)
{
    enum xd_err err = XD_ERR_AGAIN;
    uint8_t data[6];
    void *monitor = self->monitors[lane];
    while (monitor != NULL &&
           zmq_recv(monitor, data, sizeof data, ZMQ_DONTWAIT) == (int)sizeof data) {
        uint16_t event;
        int32_t value;
        memcpy(&event, data, sizeof event);
        memcpy(&value, data + sizeof event, sizeof value);
        char address[1];
        (void)zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT);
        if (event == ZMQ_EVENT_CONNECTED) {
            xd_zmq_tune_stream(value);
        }
        enum xd_err seen = judge(self, lane, event);
        err = err == XD_ERR_AGAIN ? seen : err;
    }
    return err;
}

static enum xd_err zmq_link_recv(struct xd_link *link,
                                 enum xd_lane lane,
                                 struct xd_bytes **frames,
                                 size_t capacity,
                                 size_t *count)
{
    struct link_zmq *self = self_of(link);
    if (self->sockets[lane] == NULL) {
        return XD_ERR_AGAIN;
    }
    enum xd_err err = XD_ERR_AGAIN;
    if (self->ready[lane]) {
        err = xd_zmq_recv(self->sockets[lane], NULL, false, frames, capacity, count);
        self->ready[lane] = err != XD_ERR_AGAIN;
    }
    if (lane != XD_LANE_CONTROL) {
        return err;
    }
    if (err == XD_OK) {
        close_quietly(&self->retired);
        return err;
    }
    if (err != XD_ERR_AGAIN) {
        return err;
    }
    if (self->lost) {
        return XD_ERR_GONE;
    }
    if (!self->alarmed) {
        return XD_ERR_AGAIN;
    }
    self->alarmed = false;
    enum xd_err seen = read_monitor(self, XD_LANE_CONTROL);
    if (seen == XD_ERR_AGAIN) {
        seen = read_monitor(self, XD_LANE_BULK);
    }
    if (seen == XD_ERR_AGAIN) {
        return XD_ERR_AGAIN;
    }
    /* What came before the end is still in the socket. */
    self->lost = true;
    self->ready[lane] = true;
    err = xd_zmq_recv(self->sockets[lane], NULL, false, frames, capacity, count);
    return err == XD_ERR_AGAIN ? seen : err;
}

static int descriptor(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

/* Did a send take in the news of something to read? Its descriptor is silent then. */
static bool has_news(struct link_zmq *self)
{
    bool news = self->alarmed;
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        int events = 0;
        size_t size = sizeof events;
        if (self->ready[lane] && self->sockets[lane] != NULL) {
            self->ready[lane] =
                zmq_getsockopt(self->sockets[lane], ZMQ_EVENTS, &events, &size) != 0 ||
                (events & ZMQ_POLLIN) != 0 ||
                (self->full[lane] && (events & ZMQ_POLLOUT) != 0);
        }
        news = news || self->ready[lane];
    }
    return news;
}

/* The sockets' own descriptors: zmq_poll() asks each socket twice, with system calls. One
 * is readable whenever libzmq has announced something, room to send as well, that no call
 * has taken in. */
static size_t zmq_link_arm(struct xd_link *link, struct pollfd *fds)
{
    struct link_zmq *self = self_of(link);
    if (has_news(self)) {
        return 0;
    }
    for (size_t lane = 0; lane < XD_LANE_COUNT; lane++) {
        bool is_open = self->sockets[lane] != NULL;
        fds[2 * lane] = (struct pollfd){.fd = -1, .events = POLLIN};
        fds[2 * lane + 1] = fds[2 * lane];
        if (is_open) {
            fds[2 * lane].fd = descriptor(self->sockets[lane]);
            fds[2 * lane + 1].fd = descriptor(self->monitors[lane]);
        }
    }
    return XD_LINK_FDS;
}

static void zmq_link_woke(struct xd_link *link, const struct pollfd *fds, size_t count)
{
    struct link_zmq *self = self_of(link);
    (void)count;
    for (size_t lane = 0; lane < XD_LANE_COUNT; lane++) {
        self->ready[lane] = self->ready[lane] || fds[2 * lane].revents != 0;
        self->alarmed = self->alarmed || fds[2 * lane + 1].revents != 0;
    }
}

static void link_free(struct link_zmq *self)
{
    xd_key_pair_wipe(&self->keys.own);
    xd_free(self);
}

static void zmq_link_close(struct xd_link *link)
{
    struct link_zmq *self = self_of(link);
    close_quietly(&self->retired);
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        close_quietly(&self->monitors[lane]);
        if (self->sockets[lane] == NULL) {
            continue;
        }
        if (self->lost) {
            close_quietly(&self->sockets[lane]);
        } else {
            zmq_close(self->sockets[lane]);
        }
    }
    while (zmq_ctx_term(self->context) != 0 && errno == EINTR) {
    }
    link_free(self);
}

static enum xd_err make(struct link_zmq *self,
                        const char *address,
                        struct xd_error *error)
{
    self->context = zmq_ctx_new();
    if (self->context == NULL) {
        return xd_fail(error, map_errno(), "no ZeroMQ context: %s", zmq_strerror(errno));
    }
    zmq_ctx_set(self->context, ZMQ_IO_THREADS, 1);
    enum xd_err err = dial(self,
                           XD_LANE_CONTROL,
                           address,
                           &self->sockets[XD_LANE_CONTROL],
                           &self->monitors[XD_LANE_CONTROL],
                           error);
    if (err != XD_OK) {
        zmq_ctx_term(self->context);
    }
    return err;
}

enum xd_err xd_link_zmq_new(const char *address,
                            const struct xd_link_keys *keys,
                            struct xd_link **out,
                            struct xd_error *error)
{
    char place[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_place(address, false, place, error);
    if (err == XD_OK) {
        err = xd_address_directory(place, 0, error);
    }
    if (err != XD_OK) {
        return err;
    }
    struct link_zmq *self = xd_zalloc(sizeof *self);
    if (self == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the connection");
    }
    self->link = (struct xd_link){.send = zmq_link_send,
                                  .recv = zmq_link_recv,
                                  .arm = zmq_link_arm,
                                  .woke = zmq_link_woke,
                                  .open = zmq_link_open,
                                  .close = zmq_link_close};
    (void)snprintf(self->address, sizeof self->address, "%s", place);
    if (keys != NULL) {
        self->keys = *keys;
    }
    err = make(self, place, error);
    if (err != XD_OK) {
        link_free(self);
        return err;
    }
    *out = &self->link;
    return XD_OK;
}
