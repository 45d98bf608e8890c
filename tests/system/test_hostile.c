/* SPDX-License-Identifier: MIT */
/* Malformed and forbidden input on every socket: the documented answer, nothing counted,
 * nobody else disturbed. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "raw.h"
#include "sys.h"
#include "wire/limits.h"

static struct sys sys;
static void *context;

static void begin(void)
{
    sys_begin(&sys, NULL);
    context = zmq_ctx_new();
}

static void end(void)
{
    zmq_ctx_term(context);
    sys_end(&sys);
}

TestSuite(hostile, .init = begin, .fini = end, .timeout = 240);

static void send_raw(void *socket,
                     const void *const *data,
                     const size_t *sizes,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert(zmq_send(socket, data[i], sizes[i], i + 1 < count ? ZMQ_SNDMORE : 0) >=
                  0);
    }
}

static void expect_error(void *socket, enum xd_err code, const char *what)
{
    struct xd_msg msg;
    cr_assert(raw_receive(socket, &msg), "%s: no answer", what);
    cr_assert(msg.kind == XD_KIND_ERROR,
              "%s: answered with %s",
              what,
              xd_kind_name(msg.kind));
    cr_assert(msg.error.code == code,
              "%s: %s instead of %s",
              what,
              xd_err_name(msg.error.code),
              xd_err_name(code));
    cr_assert(msg.error.text != NULL && msg.error.text->size > 5,
              "%s: no sentence",
              what);
    xd_msg_clear(&msg);
}

/* ---- bytes that are no message, on each socket */

struct bytes_case {
    const char *what;
    const char *frames[4];
    size_t sizes[4], count;
    enum xd_err code;
};

#define ONE(text) {text}, {sizeof(text) - 1}, 1

static const struct bytes_case BYTES[] = {
    {"empty envelope", {""}, {0}, 1, XD_ERR_VERSION},
    {"one byte", ONE("\x07"), XD_ERR_PROTOCOL},
    {"text", ONE("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), XD_ERR_PROTOCOL},
    {"version 0", ONE("\x08\x00\x10\x0e"), XD_ERR_VERSION},
    {"version 999", ONE("\x08\xe7\x07\x10\x0e"), XD_ERR_VERSION},
    {"kind 0", ONE("\x08\x01"), XD_ERR_UNSUPPORTED},
    {"kind 99", ONE("\x08\x01\x10\x63"), XD_ERR_UNSUPPORTED},
    {"length past the end", ONE("\x08\x01\x10\x04\x42\x7f\x0a"), XD_ERR_PROTOCOL},
    {"over-long varint",
     ONE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
     XD_ERR_PROTOCOL},
    {"a frame too many", {"\x08\x01\x10\x0e", "x"}, {4, 1}, 2, XD_ERR_PROTOCOL},
    {"three frames too many",
     {"\x08\x01\x10\x0e", "", "", ""},
     {4, 0, 0, 0},
     4,
     XD_ERR_PROTOCOL},
    {"hello without body", ONE("\x08\x01\x10\x01"), XD_ERR_PROTOCOL},
    {"submit without tasks",
     ONE("\x08\x01\x10\x04\x52\x01"
         "a"),
     XD_ERR_PROTOCOL},
    {"heartbeat before hello", ONE("\x08\x01\x10\x0e"), XD_ERR_PROTOCOL},
};

static void bad_bytes_on(enum where where)
{
    for (size_t i = 0; i < sizeof BYTES / sizeof BYTES[0]; i++) {
        const struct bytes_case *c = &BYTES[i];
        const void *data[4] = {c->frames[0], c->frames[1], c->frames[2], c->frames[3]};
        void *socket = raw_dial(&sys, context, where);
        send_raw(socket, data, c->sizes, c->count);
        expect_error(socket, c->code, c->what);
        zmq_close(socket);
    }
}

/* An envelope of 64 KiB and one byte, and 1,025 and 5,000 frames. */
static void too_much_on(enum where where)
{
    void *socket = raw_dial(&sys, context, where);
    char *large = calloc(1, XD_ENVELOPE_MAX_BYTES + 1);
    cr_assert(zmq_send(socket, large, XD_ENVELOPE_MAX_BYTES + 1, 0) > 0);
    expect_error(socket, XD_ERR_TOO_LARGE, "envelope over the limit");
    free(large);
    for (size_t frames = 1025; frames <= 5000; frames += 3975) {
        for (size_t i = 0; i < frames; i++) {
            cr_assert(zmq_send(socket, "", 0, i + 1 < frames ? ZMQ_SNDMORE : 0) == 0);
        }
        expect_error(socket, XD_ERR_TOO_LARGE, "frames over the limit");
    }
    zmq_close(socket);
}

static void noise_on(enum where where)
{
    unsigned seed = 12345;
    for (int round = 0; round < 40; round++) {
        void *socket = raw_dial(&sys, context, where);
        for (int k = 0; k < 3; k++) {
            unsigned char noise[1024];
            for (size_t i = 0; i < sizeof noise; i++) {
                seed = seed * 1103515245u + 12345u;
                noise[i] = (unsigned char)(seed >> 16);
            }
            cr_assert(zmq_send(socket, noise, 1 + (size_t)(seed >> 20) % 1023, 0) > 0);
        }
        struct xd_msg msg;
        cr_assert(raw_receive(socket, &msg) && msg.kind == XD_KIND_ERROR);
        xd_msg_clear(&msg);
        zmq_close(socket);
    }
}

/* ---- messages that a role may not say, or that name what is not its own */

static struct xd_task_id some_id(unsigned char n)
{
    struct xd_task_id id;
    memset(id.bytes, n, sizeof id.bytes);
    return id;
}

static void client_says(struct raw *raw,
                        const struct xd_msg *msg,
                        enum xd_err code,
                        const char *what)
{
    struct xd_msg copy = *msg;
    raw_send(raw->socket, &copy);
    expect_error(raw->socket, code, what);
}

static void wrong_setups_of_a_client(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    struct xd_frame frame = {.role = XD_FRAME_SETUP, .size = 3};
    cr_assert(xd_bytes_text("how", &frame.bytes) == XD_OK);
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.frames = &frame;
    msg.setup.frame_count = 1;
    client_says(&raw, &msg, XD_ERR_PROTOCOL, "a setup without a number");
    msg.setup.number = 1;
    msg.setup.origin = raw.session;
    client_says(&raw, &msg, XD_ERR_PROTOCOL, "a setup with an origin");
    msg.setup.origin.n = 0;
    raw_send(raw.socket, &msg);
    client_says(&raw, &msg, XD_ERR_EXISTS, "a setup's number used again");
    zmq_close(raw.socket);

    raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    struct xd_task task = {.id = some_id(9), .format = XD_FORMAT_R, .setup = 1};
    struct xd_msg submit = {.kind = XD_KIND_SUBMIT};
    cr_assert(xd_bytes_text("default", &submit.tasks.profile) == XD_OK);
    submit.tasks.tasks = &task;
    submit.tasks.count = 1;
    client_says(&raw, &submit, XD_ERR_NOT_FOUND, "a setup of another session");
    xd_bytes_unref(submit.tasks.profile);
    zmq_close(raw.socket);

    raw = raw_open(&sys, context, XD_ROLE_WORKER);
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "a setup from a worker");
    zmq_close(raw.socket);
    xd_bytes_unref(frame.bytes);
}

static void wrong_things_of_a_client(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    struct xd_task_id id = some_id(7);
    struct xd_result result = {.id = id, .outcome = XD_OUTCOME_DONE};
    struct xd_msg msg = {.kind = XD_KIND_RESULT};
    msg.results.results = &result;
    msg.results.count = 1;
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "client says RESULT");
    msg = (struct xd_msg){.kind = XD_KIND_STARTED};
    msg.ids.ids = &id;
    msg.ids.count = 1;
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "client says STARTED");
    msg.kind = XD_KIND_CANCEL;
    msg.ids.level = XD_CANCEL_INTERRUPT;
    client_says(&raw, &msg, XD_ERR_NOT_FOUND, "client cancels what it does not have");
    zmq_close(raw.socket);

    raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    struct xd_frame frame = {.role = XD_FRAME_OBJECT, .size = 5000000};
    frame.ref = (struct xd_ref){{raw.session.n + 1000}, 1};
    struct xd_task task = {.id = id,
                           .format = XD_FORMAT_CALL,
                           .frames = &frame,
                           .frame_count = 1};
    cr_assert(xd_bytes_text("echo", &task.callee) == XD_OK);
    cr_assert(xd_bytes_text("raw", &frame.tag) == XD_OK);
    msg = (struct xd_msg){.kind = XD_KIND_SUBMIT};
    cr_assert(xd_bytes_text("default", &msg.tasks.profile) == XD_OK);
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "a reference to another session's payload");
    xd_bytes_unref(msg.tasks.profile);
    xd_bytes_unref(task.callee);
    xd_bytes_unref(frame.tag);
    msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
    client_says(&raw, &msg, XD_ERR_PROTOCOL, "a second HELLO");
    zmq_close(raw.socket);
}

static struct xd_msg question(const char *verb, uint64_t ticket)
{
    struct xd_msg msg = {.kind = XD_KIND_ADMIN};
    cr_assert(xd_bytes_text(verb, &msg.admin.verb) == XD_OK);
    msg.admin.ticket = ticket;
    return msg;
}

static void wrong_things_of_a_worker(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_WORKER);
    struct xd_task_id id = some_id(8);
    struct xd_msg msg = {.kind = XD_KIND_STARTED};
    msg.ids.ids = &id;
    msg.ids.count = 1;
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "worker says STARTED before READY");
    struct xd_task task = {.id = id, .format = XD_FORMAT_CALL};
    cr_assert(xd_bytes_text("echo", &task.callee) == XD_OK);
    msg = (struct xd_msg){.kind = XD_KIND_SUBMIT};
    cr_assert(xd_bytes_text("default", &msg.tasks.profile) == XD_OK);
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "worker says SUBMIT");
    xd_bytes_unref(msg.tasks.profile);
    xd_bytes_unref(task.callee);
    zmq_close(raw.socket);
    raw = raw_open(&sys, context, XD_ROLE_WORKER);
    msg = question("agent", 9);
    client_says(&raw, &msg, XD_ERR_FORBIDDEN, "worker says ADMIN");
    xd_msg_clear(&msg);
    zmq_close(raw.socket);
}

/* An answer that nobody waits for is no offence: it may only be late. Everything but
 * answers is. */
static void wrong_things_of_an_agent(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_AGENT);
    struct xd_msg msg = question("kill", 0);
    msg.admin.answer = true;
    cr_assert(xd_bytes_text("nobody asked", &msg.admin.text) == XD_OK);
    for (uint64_t ticket = 0; ticket < 1000; ticket++) {
        msg.admin.ticket = ticket % 2 ? ticket : UINT64_MAX - ticket;
        raw_send(raw.socket, &msg);
    }
    msg.admin.answer = false;
    xd_bytes_unref(msg.admin.text);
    msg.admin.text = NULL;
    client_says(&raw, &msg, XD_ERR_PROTOCOL, "agent asks");
    xd_msg_clear(&msg);
    struct xd_msg ready = {.kind = XD_KIND_READY};
    cr_assert(xd_bytes_text("default", &ready.ready.profile) == XD_OK);
    ready.ready.formats = 1u << XD_FORMAT_CALL;
    client_says(&raw, &ready, XD_ERR_FORBIDDEN, "agent says READY");
    xd_bytes_unref(ready.ready.profile);
    struct xd_msg ack = {.kind = XD_KIND_ACK, .ack = 7};
    client_says(&raw, &ack, XD_ERR_FORBIDDEN, "agent says ACK");
    zmq_close(raw.socket);
}

static void answers_of_a_client(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    struct xd_msg msg = question("agent", 1);
    msg.admin.answer = true;
    cr_assert(xd_bytes_text("it is so", &msg.admin.text) == XD_OK);
    client_says(&raw, &msg, XD_ERR_PROTOCOL, "client answers");
    xd_msg_clear(&msg);
    zmq_close(raw.socket);
}

static void wrong_things_on_bulk(void)
{
    struct raw raw = raw_open(&sys, context, XD_ROLE_CLIENT);
    void *bulk = raw_dial(&sys, context, ON_BULK);
    struct raw lane = {.socket = bulk};
    struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_BULK);
    msg.hello.session = raw.session;
    msg.hello.token = raw.token;
    msg.hello.token.bytes[0] ^= 1;
    client_says(&lane, &msg, XD_ERR_FORBIDDEN, "a wrong token");
    msg.hello.token.bytes[0] ^= 1;
    raw_send(bulk, &msg);
    cr_assert(raw_receive(bulk, &msg) && msg.kind == XD_KIND_HELLO_OK);
    xd_msg_clear(&msg);
    struct raw other = raw_open(&sys, context, XD_ROLE_CLIENT);
    void *others = raw_further(&sys, context, &other, XD_ROLE_CLIENT, ON_BULK);
    msg = (struct xd_msg){.kind = XD_KIND_CREDIT};
    msg.credit = (struct xd_credit){.ref = {other.session, 1}, .chunks = 8};
    raw_send(bulk, &msg); /* the stream ends at once, and the message is an error */
    cr_assert(raw_receive(bulk, &msg) && msg.kind == XD_KIND_CHUNK &&
              msg.chunk.code == XD_ERR_GONE);
    xd_msg_clear(&msg);
    expect_error(bulk, XD_ERR_FORBIDDEN, "credit for somebody's payload");
    msg = (struct xd_msg){.kind = XD_KIND_CHUNK};
    msg.chunk.ref = (struct xd_ref){other.session, 1};
    msg.chunk.reader = raw.session;
    cr_assert(xd_bytes_text("x", &msg.chunk.bytes) == XD_OK);
    client_says(&lane, &msg, XD_ERR_FORBIDDEN, "a chunk of somebody's payload");
    xd_msg_clear(&msg);
    zmq_close(others);
    zmq_close(other.socket);
    zmq_close(bulk);
    zmq_close(raw.socket);
}

/* ---- the whole table, while an innocent client goes on */

static const char *const STEADY[] = {"submitted",
                                     "accepted",
                                     "queued",
                                     "leased",
                                     "unacked",
                                     "bytes",
                                     "clients",
                                     "workers",
                                     "agents",
                                     "profiles"};
enum { STEADY_COUNT = sizeof STEADY / sizeof STEADY[0] };

static _Atomic int innocent_failures, innocent_rounds;

/* In a process of its own: echoes until told to stop by a closed pipe; exit code is the
 * number of failures. */
static void innocent(int fd)
{
    struct xd_client *client = sys_client(&sys);
    char byte;
    while (read(fd, &byte, 1) < 0) {
        struct xd_bytes *json;
        if (xd_admin(client, "status", NULL, 0, 1000 * sys_slowness(), &json, NULL) !=
            XD_OK) {
            innocent_failures++;
        } else {
            xd_bytes_unref(json);
        }
        innocent_rounds++;
        sys_sleep_ms(5);
    }
    _exit(innocent_failures > 0 || innocent_rounds < 10);
}

Test(hostile, table_of_bad_input_is_answered_and_changes_nothing)
{
    int fds[2];
    cr_assert(pipe2(fds, O_NONBLOCK) == 0);
    pid_t pid = fork(); /* before there is a thread: a lock that one holds stays locked in
                           the child */
    cr_assert(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[1]);
        innocent(fds[0]);
    }
    struct xd_client *client = sys_client(&sys);
    sys_await_counter(client, "clients", 2);
    uint64_t before[STEADY_COUNT];
    for (int i = 0; i < STEADY_COUNT; i++) {
        before[i] = sys_counter(client, STEADY[i]);
    }
    size_t rss = sys_rss(sys.broker);
    for (int where = 0; where < PLACES; where++) {
        bad_bytes_on((enum where)where);
        too_much_on((enum where)where);
        noise_on((enum where)where);
    }
    wrong_things_of_a_client();
    wrong_setups_of_a_client();
    wrong_things_of_a_worker();
    wrong_things_of_an_agent();
    answers_of_a_client();
    wrong_things_on_bulk();
    for (int i = 0; i < STEADY_COUNT; i++) {
        sys_await_counter(client, STEADY[i], before[i]);
    }
    size_t grown = sys_rss(sys.broker) - rss;
    cr_assert(sys_rss(sys.broker) < rss + 64u * 1024 * 1024, "%zu bytes more", grown);
    close(fds[1]);
    int status;
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "the innocent client: %x",
              status);
    cr_assert(sys_counter(client, "bad_messages") >=
              3 * (sizeof BYTES / sizeof BYTES[0]));
    xd_client_close(client);
}

Test(hostile, connection_with_repeated_bad_messages_is_cut)
{
    struct xd_client *client = sys_client(&sys);
    void *socket = raw_dial(&sys, context, ON_CLIENTS);
    for (int i = 0; i < 8; i++) {
        cr_assert(zmq_send(socket, "junk", 4, 0) == 4);
        sys_sleep_ms(10);
    }
    xd_time until = sys_now() + 5 * XD_S;
    while (sys_counter(client, "cut") == 0 && sys_now() < until) {
        sys_sleep_ms(10);
    }
    cr_assert(sys_counter(client, "cut") >= 1);
    zmq_close(socket);
    xd_client_close(client);
}

Test(hostile, other_users_cannot_connect)
{
    if (geteuid() != 0) {
        cr_skip("needs root to become another user");
    }
    cr_assert(chmod(sys.dir, 0755) == 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/broker", sys.dir);
    cr_assert(chmod(path, 0777) == 0);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(9);
        }
        void *ctx = zmq_ctx_new();
        context = ctx;
        void *socket = raw_dial(&sys, context, ON_CLIENTS);
        struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
        struct xd_frames frames;
        frames.count = 0;
        if (xd_msg_pack(&msg, &frames) != XD_OK) {
            _exit(8);
        }
        (void)
            zmq_send(socket, frames.items[0]->data, frames.items[0]->size, ZMQ_DONTWAIT);
        zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
        _exit(zmq_poll(&item, 1, 1500) == 0 ? 0 : 1);
    }
    int status;
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "another user was answered: %x",
              status);
}
