/* SPDX-License-Identifier: MIT */
/* The barest relay of payloads in pieces, with the project's own scheme of credit and no
 * more than one payload under way: DEALER client, ROUTER-ROUTER relay, DEALER worker. A
 * payload goes as chunks of 1 MiB, at most WINDOW (8) of which have not been answered by
 * a credit; the receiver puts them together in one piece of memory, and the worker sends
 * as much back in the same way. stream_floor MODE C 1 N SIZE MODE: ipc | tcp | curve. */
#include "curve.h"
#include "side.h"
#include <malloc.h>

enum { CHUNK = 1024 * 1024 };
static int curve;
static size_t window = 8;

static void *sock(void *ctx, int type)
{
    void *s = zmq_socket(ctx, type);
    int zero = 0;
    CHECK(s);
    zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
    if (curve)
        side_curve(s, type == ZMQ_ROUTER);
    return s;
}

static void bind_any(void *s, int tcp, const char *role, char ep[128])
{
    size_t len = 128;
    if (tcp)
        snprintf(ep, 128, "tcp://127.0.0.1:*");
    else
        snprintf(ep, 128, "ipc://@stream_floor-%d-%s", (int)getpid(), role);
    CHECK(zmq_bind(s, ep) == 0);
    CHECK(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, ep, &len) == 0);
}

/* ---- the relay: one client, one worker, each known by its first message (a single byte)
 */
static int relay_some(void *from, void *to, zmq_msg_t *from_id, const zmq_msg_t *to_id)
{
    for (int k = 0; k < 64; k++) {
        zmq_msg_t id, body, copy;
        zmq_msg_init(&id);
        if (zmq_msg_recv(&id, from, ZMQ_DONTWAIT) < 0)
            return k;
        zmq_msg_init(&body);
        CHECK(zmq_msg_recv(&body, from, 0) >= 0);
        if (zmq_msg_size(from_id) == 0) {
            zmq_msg_move(from_id, &id);
            zmq_msg_close(&body);
            continue;
        }
        zmq_msg_close(&id);
        zmq_msg_init(&copy);
        CHECK(zmq_msg_copy(&copy, (zmq_msg_t *)to_id) == 0);
        CHECK(zmq_msg_send(&copy, to, ZMQ_SNDMORE) >= 0);
        CHECK(zmq_msg_send(&body, to, 0) >= 0);
    }
    return 64;
}

static void relay(int tcp, int out)
{
    void *ctx = zmq_ctx_new(), *fe = sock(ctx, ZMQ_ROUTER), *be = sock(ctx, ZMQ_ROUTER);
    char ep[2][128];
    zmq_msg_t client, worker;
    zmq_msg_init(&client);
    zmq_msg_init(&worker);
    bind_any(fe, tcp, "fe", ep[0]);
    bind_any(be, tcp, "be", ep[1]);
    CHECK(write(out, ep, sizeof ep) == sizeof ep);
    zmq_pollitem_t it[2] = {{fe, 0, ZMQ_POLLIN, 0}, {be, 0, ZMQ_POLLIN, 0}};
    for (;;) { /* ends when the parent kills this process */
        zmq_poll(it, 2, -1);
        relay_some(be, fe, &worker, &client);
        relay_some(fe, be, &client, &worker);
    }
}

/* ---- both ends */
static void free_later(void *data,
                       void *hint) /* a piece has left: the last one frees the payload */
{
    size_t *left = hint;
    (void)data;
    if (__atomic_sub_fetch(left, 1, __ATOMIC_ACQ_REL) == 0)
        free(left);
}

static void send_payload(void *s,
                         size_t size) /* really written, sent in place, piece by piece */
{
    size_t pieces = (size + CHUNK - 1) / CHUNK, credit = window, head = 64;
    char *memory = malloc(head + size);
    CHECK(memory);
    memset(memory + head, 1, size);
    __atomic_store_n((size_t *)memory, pieces, __ATOMIC_RELEASE);
    for (size_t at = 0; at < size; at += CHUNK, credit--) {
        char grant;
        while (zmq_recv(s, &grant, 1, credit ? ZMQ_DONTWAIT : 0) == 1)
            credit += (size_t)grant;
        zmq_msg_t m;
        size_t part = size - at < CHUNK ? size - at : CHUNK;
        CHECK(zmq_msg_init_data(&m, memory + head + at, part, free_later, memory) == 0);
        CHECK(zmq_msg_send(&m, s, 0) >= 0);
    }
    for (size_t owed = window - credit;
         owed;) { /* each piece is answered before the next payload */
        char grant;
        CHECK(zmq_recv(s, &grant, 1, 0) == 1);
        owed -= (size_t)grant;
    }
}

static void recv_payload(void *s, size_t size)
{
    char *memory = malloc(size), unsaid = 0;
    CHECK(memory);
    for (size_t at = 0; at < size;) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        CHECK(zmq_msg_recv(&m, s, 0) >= 0);
        memcpy(memory + at, zmq_msg_data(&m), zmq_msg_size(&m));
        at += zmq_msg_size(&m);
        zmq_msg_close(&m);
        if (++unsaid == (char)(window / 2) ||
            at == size) { /* like ours: half a window at a time */
            CHECK(zmq_send(s, &unsaid, 1, 0) == 1);
            unsaid = 0;
        }
    }
    free(memory);
}

int main(int argc, char **argv)
{
    if (argc < 6 || argv[2][0] != 'C') {
        fprintf(stderr, "usage: stream_floor MODE C 1 N SIZE\n");
        return 2;
    }
    (void)mallopt(M_MMAP_THRESHOLD,
                  32 << 20); /* what xd_keep_memory() sets for the other side */
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
    curve = strcmp(argv[1], "curve") == 0;
    int tcp = strcmp(argv[1], "ipc") != 0, fd[2];
    size_t n = strtoull(argv[4], NULL, 10), size = strtoull(argv[5], NULL, 10);
    char ep[2][128];
    if (getenv("WINDOW"))
        window = strtoull(getenv("WINDOW"), NULL, 10);
    if (curve)
        side_curve_keys();
    CHECK(pipe(fd) == 0);
    pid_t b = side_fork(), w;
    if (b == 0)
        relay(tcp, fd[1]);
    CHECK(read(fd[0], ep, sizeof ep) == sizeof ep);
    if ((w = side_fork()) == 0) {
        void *s = sock(zmq_ctx_new(), ZMQ_DEALER);
        CHECK(zmq_connect(s, ep[1]) == 0);
        CHECK(zmq_send(s, "", 1, 0) == 1);
        for (;;) {
            recv_payload(s, size);
            send_payload(s, size);
        }
    }
    void *s = sock(zmq_ctx_new(), ZMQ_DEALER);
    CHECK(zmq_connect(s, ep[0]) == 0);
    CHECK(zmq_send(s, "", 1, 0) == 1);
    sleep_ns(300000000);
    struct meter m;
    send_payload(s, size); /* warm-up */
    recv_payload(s, size);
    meter_start(&m, b, &w, 1);
    for (size_t i = 0; i < n; i++) {
        send_payload(s, size);
        recv_payload(s, size);
    }
    double wall = meter_stop(&m);
    printf("RESULT gb_per_s=%.6g\n", 2.0 * n * size / wall / 1e9);
    side_kill_all();
    return 0;
}
