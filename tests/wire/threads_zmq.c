/* SPDX-License-Identifier: MIT */
/* Frames handed from one thread to another through libzmq: for the thread sanitizer,
 * which Criterion does not survive, hence a program of its own. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "wire/limits.h"
#include "wire/zmq.h"
#include "xdt.h"

#define MESSAGES 2000u

static void *context;
static char endpoint[128];

static void must(bool claim, const char *what)
{
    if (!claim) {
        fprintf(stderr, "threads_zmq: %s\n", what);
        abort();
    }
}

static void wait_for(void *socket, short events)
{
    zmq_pollitem_t item = {.socket = socket, .events = events};
    must(zmq_poll(&item, 1, 20000) == 1, "nothing for 20 s");
}

/* One message: a small frame and a large one, both filled with `value`. */
static void send_one(void *socket, uint8_t value)
{
    struct xd_bytes *frames[] = {xdt_filled(16, value),
                                 xdt_filled(2 * XD_COPY_BELOW_BYTES, value)};
    enum xd_err err;
    while ((err = xd_zmq_send(socket, NULL, frames, 2)) == XD_ERR_AGAIN) {
        wait_for(socket, ZMQ_POLLOUT);
    }
    must(!err, xd_err_text(err));
    xd_bytes_unref(frames[0]);
    xd_bytes_unref(frames[1]);
}

static void *produce(void *unused)
{
    (void)unused;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    must(socket && zmq_connect(socket, endpoint) == 0, "connect");
    for (unsigned i = 0; i < MESSAGES; i++) {
        send_one(socket, (uint8_t)i);
    }
    zmq_close(socket);
    return NULL;
}

static void check_frame(const struct xd_bytes *frame, size_t size, uint8_t value)
{
    must(frame->size == size, "size");
    must(frame->data[0] == value && frame->data[size - 1] == value, "content");
}

static void recv_one(void *socket, uint8_t value)
{
    struct xd_bytes *frames[4];
    struct xd_zmq_from from;
    size_t count;
    enum xd_err err;
    while ((err = xd_zmq_recv(socket, &from, true, frames, 4, &count)) == XD_ERR_AGAIN) {
        wait_for(socket, ZMQ_POLLIN);
    }
    must(!err && count == 2, xd_err_text(err));
    check_frame(frames[0], 16, value);
    check_frame(frames[1], 2 * XD_COPY_BELOW_BYTES, value);
    xd_bytes_unref(frames[0]);
    xd_bytes_unref(frames[1]);
}

static void run(const char *address)
{
    pthread_t producer;
    snprintf(endpoint, sizeof endpoint, "%s", address);
    context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    must(socket && zmq_bind(socket, endpoint) == 0, "bind");
    must(pthread_create(&producer, NULL, produce, NULL) == 0, "thread");
    for (unsigned i = 0; i < MESSAGES; i++) {
        recv_one(socket, (uint8_t)i);
    }
    pthread_join(producer, NULL);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* Over inproc the receiver reads the very memory that the sender wrote. */
int main(void)
{
    struct xdt_dir dir;
    char address[96];
    xdt_dir_make(&dir);
    snprintf(address, sizeof address, "ipc://%s/s", dir.path);
    run(address);
    run("inproc://frames");
    xdt_dir_remove(&dir);
    return 0;
}
