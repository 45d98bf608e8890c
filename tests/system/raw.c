/* SPDX-License-Identifier: MIT */
/* Sessions made by hand. */
#include "raw.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "wire/address.h"
#include "wire/keys.h"
#include "wire/limits.h"
#include "wire/zmq.h"

static bool is_tcp(const struct sys *sys)
{
    return xd_address_is_tcp(sys->address);
}

/* Those of the test's own state directory. */
static void set_keys(void *socket)
{
    char state[XD_STATE_MAX_BYTES], server[XD_KEY_Z85_ROOM];
    struct xd_key_pair own;
    cr_assert(xd_state_directory(state, NULL) == XD_OK);
    cr_assert(xd_keys_server_public(state, server, NULL) == XD_OK);
    cr_assert(xd_keys_user(state, false, &own, NULL) == XD_OK);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, strlen(server));
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own.public_key, strlen(own.public_key));
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own.secret_key, strlen(own.secret_key));
}

static void *dial(void *context, const char *endpoint)
{
    int zero = 0, few = 4; /* so that who does not read is noticed */
    void *socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &few, sizeof few);
    if (xd_address_is_tcp(endpoint)) {
        set_keys(socket);
    }
    cr_assert(zmq_connect(socket, endpoint) == 0);
    return socket;
}

void *raw_dial(const struct sys *sys, void *context, enum where where)
{
    static const char *const SUFFIX[] = {"", ".workers", ".bulk"};
    char endpoint[XD_ADDRESS_MAX_BYTES];
    if (is_tcp(sys)) {
        cr_assert(where == ON_CLIENTS, "which port is not known before the greeting");
        return dial(context, sys->address);
    }
    (void)snprintf(endpoint, sizeof endpoint, "%s%s", sys->address, SUFFIX[where]);
    return dial(context, endpoint);
}

void raw_send(void *socket, const struct xd_msg *msg)
{
    struct xd_frames frames;
    frames.count = 0;
    cr_assert(xd_msg_pack(msg, &frames) == XD_OK);
    for (size_t i = 0; i < frames.count; i++) {
        cr_assert(zmq_send(socket,
                           frames.items[i]->data,
                           frames.items[i]->size,
                           i + 1 < frames.count ? ZMQ_SNDMORE : 0) >= 0);
    }
    xd_frames_clear(&frames);
}

static bool receive(void *socket, int seconds, bool beats, struct xd_msg *msg)
{
    static const struct xd_msg beat = {.kind = XD_KIND_HEARTBEAT};
    xd_time until = sys_now() + seconds * XD_S * sys_slowness();
    while (sys_now() < until) {
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
        if (zmq_poll(&item, 1, 100) == 0 && beats) {
            raw_send(socket, &beat);
        }
        struct xd_bytes *frames[XD_FRAMES_MAX];
        size_t count;
        if (xd_zmq_recv(socket, NULL, false, frames, XD_FRAMES_MAX, &count) != XD_OK) {
            continue;
        }
        memset(msg, 0, sizeof *msg);
        enum xd_err err = xd_msg_unpack(frames, count, msg, NULL);
        for (size_t i = 0; i < count; i++) {
            xd_bytes_unref(frames[i]);
        }
        cr_assert(err == XD_OK, "the broker sent nonsense");
        if (msg->kind != XD_KIND_HEARTBEAT) {
            return true;
        }
        xd_msg_clear(msg);
    }
    return false;
}

bool raw_receive(void *socket, struct xd_msg *msg)
{
    return receive(socket, 5, false, msg);
}

bool raw_await(void *socket, struct xd_msg *msg)
{
    return receive(socket, 60, true, msg);
}

struct xd_msg raw_hello(enum xd_role role, enum xd_lane lane)
{
    struct xd_msg msg = {.kind = XD_KIND_HELLO};
    msg.hello.role = role;
    msg.hello.lane = lane;
    msg.hello.min_version = msg.hello.max_version = XD_PROTOCOL_VERSION;
    return msg;
}

static struct xd_msg greet(void *socket, const struct xd_msg *hello)
{
    struct xd_msg msg;
    raw_send(socket, hello);
    cr_assert(raw_receive(socket, &msg) && msg.kind == XD_KIND_HELLO_OK);
    return msg;
}

void *raw_further(const struct sys *sys,
                  void *context,
                  const struct raw *raw,
                  enum xd_role role,
                  enum where where)
{
    char endpoint[XD_ADDRESS_MAX_BYTES];
    if (is_tcp(sys)) {
        cr_assert(xd_address_with_port(sys->address, raw->ports[where], endpoint, NULL) ==
                  XD_OK);
    }
    void *socket = is_tcp(sys) ? dial(context, endpoint) : raw_dial(sys, context, where);
    struct xd_msg hello =
        raw_hello(role, where == ON_BULK ? XD_LANE_BULK : XD_LANE_CONTROL);
    hello.hello.session = raw->session;
    hello.hello.token = raw->token;
    struct xd_msg answer = greet(socket, &hello);
    xd_msg_clear(&answer);
    return socket;
}

unsigned raw_port(const struct xd_bytes *endpoint)
{
    char text[XD_ADDRESS_MAX_BYTES];
    if (endpoint == NULL) {
        return 0;
    }
    (void)snprintf(text,
                   sizeof text,
                   "%.*s",
                   (int)endpoint->size,
                   (const char *)endpoint->data);
    return xd_address_port(text);
}

struct raw raw_open(const struct sys *sys, void *context, enum xd_role role)
{
    struct raw raw = {.socket = raw_dial(sys, context, ON_CLIENTS)};
    struct xd_msg hello = raw_hello(role, XD_LANE_CONTROL);
    struct xd_msg answer = greet(raw.socket, &hello);
    raw.session = answer.hello_ok.session;
    raw.token = answer.hello_ok.token;
    raw.ports[ON_WORKERS] = raw_port(answer.hello_ok.worker_endpoint);
    raw.ports[ON_BULK] = raw_port(answer.hello_ok.bulk_endpoint);
    xd_msg_clear(&answer);
    if (role == XD_ROLE_WORKER) {
        zmq_close(raw.socket);
        raw.socket = raw_further(sys, context, &raw, role, ON_WORKERS);
    }
    return raw;
}
