/* SPDX-License-Identifier: MIT */
/* Frames over real sockets: ipc in a directory of the test's own. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"
#include "wire/limits.h"
#include "wire/zmq.h"
#include "xdt.h"

#define LIMIT_MS 10000

static struct xdt_dir dir;
static char endpoint[128];
static void *context, *router, *dealer;
static struct xd_bytes *got[8];
static size_t got_count;
static struct xd_zmq_from from;

static void set(void *socket, int option, int value)
{
    cr_assert_eq(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void *open_socket(int type)
{
    void *socket = zmq_socket(context, type);
    cr_assert_not_null(socket);
    set(socket, ZMQ_LINGER, 0);
    return socket;
}

static void setup(void)
{
    xdt_dir_make(&dir);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/s", dir.path);
    context = zmq_ctx_new();
    router = open_socket(ZMQ_ROUTER);
    set(router, ZMQ_ROUTER_MANDATORY, 1);
    cr_assert_eq(zmq_bind(router, endpoint), 0);
    dealer = open_socket(ZMQ_DEALER);
    cr_assert_eq(zmq_connect(dealer, endpoint), 0);
    got_count = 0;
}

static void drop(void)
{
    for (size_t i = 0; i < got_count; i++) {
        xd_bytes_unref(got[i]);
    }
    got_count = 0;
}

static void teardown(void)
{
    drop();
    zmq_close(dealer);
    zmq_close(router);
    zmq_ctx_term(context);
    xdt_dir_remove(&dir);
}

TestSuite(zmq, .init = setup, .fini = teardown);

/* Until something comes; the answer of the last try. */
static enum xd_err recv_soon(void *socket, bool want_user, size_t capacity)
{
    int64_t end = xdt_now_ms() + LIMIT_MS;
    enum xd_err err;
    do {
        zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, 100);
        err = xd_zmq_recv(socket,
                          socket == router ? &from : NULL,
                          want_user,
                          got,
                          capacity,
                          &got_count);
    } while (err == XD_ERR_AGAIN && xdt_now_ms() < end);
    return err;
}

static enum xd_err send_texts(void *socket,
                              const struct xd_route *to,
                              const char *a,
                              const char *b)
{
    struct xd_bytes *frames[] = {xdt_text(a), xdt_text(b)};
    enum xd_err err = xd_zmq_send(socket, to, frames, 2);
    xd_bytes_unref(frames[0]);
    xd_bytes_unref(frames[1]);
    return err;
}

static struct xd_route introduce(void)
{
    cr_assert_eq(send_texts(dealer, NULL, "hello", ""), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    drop();
    return from.route;
}

Test(zmq, nothing_there_is_again)
{
    cr_assert_eq(xd_zmq_recv(router, &from, false, got, 8, &got_count), XD_ERR_AGAIN);
    cr_assert_eq(xd_zmq_recv(dealer, NULL, false, got, 8, &got_count), XD_ERR_AGAIN);
    cr_assert_eq(got_count, 0);
}

Test(zmq, a_message_goes_there_and_back)
{
    cr_assert_eq(send_texts(dealer, NULL, "envelope", "payload"), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    cr_assert_eq(got_count, 2);
    cr_assert(xd_bytes_is(got[0], "envelope"));
    cr_assert(xd_bytes_is(got[1], "payload"));
    cr_assert_neq(from.route.n, 0);
    cr_assert_str_eq(from.user_id, "");
    drop();
    cr_assert_eq(send_texts(router, &from.route, "answer", ""), XD_OK);
    cr_assert_eq(recv_soon(dealer, false, 8), XD_OK);
    cr_assert_eq(got_count, 2);
    cr_assert(xd_bytes_is(got[0], "answer"));
    cr_assert_eq(got[1]->size, 0);
}

Test(zmq, two_peers_have_two_routes)
{
    void *other = open_socket(ZMQ_DEALER);
    cr_assert_eq(zmq_connect(other, endpoint), 0);
    struct xd_route first = introduce();
    cr_assert_eq(send_texts(other, NULL, "other", ""), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    cr_assert_neq(from.route.n, first.n);
    zmq_close(other);
}

Test(zmq, the_descriptor_of_the_peer_is_told)
{
    introduce();
    int type = 0;
    socklen_t size = sizeof type;
    cr_assert_geq(from.fd, 0);
    cr_assert_eq(getsockopt(from.fd, SOL_SOCKET, SO_DOMAIN, &type, &size), 0);
    cr_assert_eq(type, AF_UNIX);
}

/* Answers one request of libzmq's authentication; the user id is "somebody". */
static void answer_zap(void *zap)
{
    static const char *const rest[] = {"200", "OK", "somebody", ""};
    char parts[16][256];
    size_t sizes[16], count = 0;
    int more;
    do {
        int size = zmq_recv(zap, parts[count], sizeof *parts, 0);
        cr_assert(size >= 0 && count < 16);
        sizes[count++] = (size_t)size;
        size_t length = sizeof more;
        zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &length);
    } while (more);
    /* The address, an empty frame, version and request id go back. */
    for (size_t i = 0; i < 4; i++) {
        zmq_send(zap, parts[i], sizes[i], ZMQ_SNDMORE);
    }
    for (size_t i = 0; i < 4; i++) {
        zmq_send(zap, rest[i], strlen(rest[i]), i < 3 ? ZMQ_SNDMORE : 0);
    }
}

Test(zmq, the_user_id_is_told_when_asked_for)
{
    char checked[144];
    void *zap = open_socket(ZMQ_ROUTER), *guarded = open_socket(ZMQ_ROUTER);
    cr_assert_eq(zmq_bind(zap, "inproc://zeromq.zap.01"), 0);
    cr_assert_eq(zmq_setsockopt(guarded, ZMQ_ZAP_DOMAIN, "test", 4), 0);
    snprintf(checked, sizeof checked, "%s2", endpoint);
    cr_assert_eq(zmq_bind(guarded, checked), 0);
    void *peer = open_socket(ZMQ_DEALER);
    cr_assert_eq(zmq_connect(peer, checked), 0);
    answer_zap(zap);
    zmq_close(router);
    router = guarded; /* recv_soon() and teardown() take this one */
    cr_assert_eq(send_texts(peer, NULL, "a", "b"), XD_OK);
    cr_assert_eq(recv_soon(router, true, 8), XD_OK);
    cr_assert_str_eq(from.user_id, "somebody");
    drop();
    cr_assert_eq(send_texts(peer, NULL, "a", "b"), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    cr_assert_str_eq(from.user_id, "");
    zmq_close(peer);
    zmq_close(zap);
}

static void count_release(void *hint)
{
    atomic_fetch_add((atomic_int *)hint, 1);
}

static bool is_one(void *number)
{
    return atomic_load((atomic_int *)number) == 1;
}

Test(zmq, large_frames_are_passed_on_without_a_copy)
{
    static uint8_t memory[3 * XD_COPY_BELOW_BYTES];
    static atomic_int released;
    struct xd_bytes *large;
    memset(memory, 'L', sizeof memory);
    cr_assert_eq(xd_bytes_wrap(memory, sizeof memory, count_release, &released, &large),
                 XD_OK);
    cr_assert_eq(xd_zmq_send(dealer, NULL, &large, 1), XD_OK);
    xd_bytes_unref(large);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    cr_assert_eq(got_count, 1);
    cr_assert_eq(got[0]->size, sizeof memory);
    cr_assert_eq(memcmp(got[0]->data, memory, sizeof memory), 0);
    cr_assert_not_null(got[0]->release, "libzmq's buffer is kept");
    cr_assert(xdt_wait(is_one, &released, LIMIT_MS));
}

Test(zmq, the_limit_between_copying_and_keeping_holds)
{
    struct xd_bytes *frames[] = {xdt_filled(XD_COPY_BELOW_BYTES - 1, 'a'),
                                 xdt_filled(XD_COPY_BELOW_BYTES, 'b'),
                                 xdt_filled(1, 'c')};
    cr_assert_eq(xd_zmq_send(dealer, NULL, frames, 3), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_OK);
    cr_assert_eq(got_count, 3, "the large one in the middle ends nothing");
    cr_assert_null(got[0]->release);
    cr_assert_not_null(got[1]->release);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(xd_bytes_equal(got[i], frames[i]));
        xd_bytes_unref(frames[i]);
    }
}

Test(zmq, a_message_of_too_many_frames_is_dropped_whole)
{
    long before = xd_alloc_balance();
    struct xd_bytes *frames[] = {xdt_text("1"),
                                 xdt_filled(XD_COPY_BELOW_BYTES, '2'),
                                 xdt_text("3")};
    cr_assert_eq(xd_zmq_send(dealer, NULL, frames, 3), XD_OK);
    cr_assert_eq(send_texts(dealer, NULL, "next", ""), XD_OK);
    cr_assert_eq(recv_soon(router, false, 2), XD_ERR_TOO_LARGE);
    cr_assert_eq(got_count, 0);
    cr_assert_neq(from.route.n, 0, "still known who sent it");
    cr_assert_eq(recv_soon(router, false, 2), XD_OK);
    cr_assert(xd_bytes_is(got[0], "next"));
    drop();
    for (size_t i = 0; i < 3; i++) {
        xd_bytes_unref(frames[i]);
    }
    cr_assert_leq(xd_alloc_balance(), before);
}

Test(zmq, without_memory_a_message_is_dropped_whole)
{
    for (size_t n = 1; n <= 2; n++) {
        cr_assert_eq(send_texts(dealer, NULL, "lost", "too"), XD_OK);
        cr_assert_eq(send_texts(dealer, NULL, "next", ""), XD_OK);
        zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
        cr_assert_eq(zmq_poll(&item, 1, LIMIT_MS), 1);
        xd_alloc_fail_at(n);
        enum xd_err err = xd_zmq_recv(router, &from, false, got, 8, &got_count);
        xd_alloc_fail_at(0);
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert_eq(recv_soon(router, false, 8), XD_OK);
        cr_assert(xd_bytes_is(got[0], "next"));
        drop();
    }
}

Test(zmq, a_route_chosen_by_the_peer_is_dropped)
{
    void *peer = open_socket(ZMQ_DEALER);
    cr_assert_eq(zmq_setsockopt(peer, ZMQ_ROUTING_ID, "me", 2), 0);
    cr_assert_eq(zmq_connect(peer, endpoint), 0);
    cr_assert_eq(send_texts(peer, NULL, "a", "b"), XD_OK);
    cr_assert_eq(recv_soon(router, false, 8), XD_ERR_PROTOCOL);
    cr_assert_eq(from.route.n, 0);
    cr_assert_eq(xd_zmq_recv(router, &from, false, got, 8, &got_count), XD_ERR_AGAIN);
    introduce();
    zmq_close(peer);
}

Test(zmq, a_route_that_never_was_is_gone)
{
    struct xd_route nobody = {0x7fffffff};
    cr_assert_eq(send_texts(router, &nobody, "a", "b"), XD_ERR_GONE);
}

static bool is_unreachable(void *route)
{
    return send_texts(router, route, "still there?", "") == XD_ERR_GONE;
}

Test(zmq, a_route_of_a_peer_that_left_is_gone)
{
    struct xd_route route = introduce();
    zmq_close(dealer);
    cr_assert(xdt_wait(is_unreachable, &route, LIMIT_MS));
    dealer = open_socket(ZMQ_DEALER);
}

Test(zmq, a_full_socket_says_again_and_sends_nothing)
{
    void *full = open_socket(ZMQ_DEALER);
    set(full, ZMQ_SNDHWM, 1);
    set(full, ZMQ_IMMEDIATE, 0);
    cr_assert_eq(zmq_connect(full, "ipc:///nonexistent/socket"), 0);
    struct xd_bytes *large = xdt_filled(XD_COPY_BELOW_BYTES, 'x');
    size_t sent = 0;
    while (xd_zmq_send(full, NULL, &large, 1) == XD_OK && sent < 10) {
        sent++;
    }
    cr_assert_eq(sent, 1);
    cr_assert_eq(xd_zmq_send(full, NULL, &large, 1), XD_ERR_AGAIN);
    cr_assert_eq(atomic_load(&large->refs), 2, "the one that waits");
    xd_bytes_unref(large);
    zmq_close(full);
}

Test(zmq, an_empty_message_is_not_sent)
{
    cr_assert_eq(xd_zmq_send(dealer, NULL, NULL, 0), XD_ERR_INVALID);
}

Test(zmq, more_frames_than_the_protocol_has_are_not_sent)
{
    struct xd_bytes *one = xdt_text("1"), *many[XD_FRAMES_MAX + 1];
    for (size_t i = 0; i <= XD_FRAMES_MAX; i++) {
        many[i] = one;
    }
    cr_assert_eq(xd_zmq_send(dealer, NULL, many, XD_FRAMES_MAX + 1), XD_ERR_TOO_LARGE);
    cr_assert_eq(xd_zmq_send(dealer, NULL, many, XD_FRAMES_MAX), XD_OK);
    xd_bytes_unref(one);
}

Test(zmq, an_ended_context_is_gone)
{
    zmq_ctx_shutdown(context);
    cr_assert_eq(xd_zmq_recv(dealer, NULL, false, got, 8, &got_count), XD_ERR_GONE);
    cr_assert_eq(send_texts(dealer, NULL, "a", "b"), XD_ERR_GONE);
}
