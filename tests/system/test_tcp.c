/* SPDX-License-Identifier: MIT */
/* A broker on tcp, its keys and rights, and strangers on its ports: refused, nothing
 * delivered, nobody else disturbed. */
#include <criterion/criterion.h>
#include <czmq.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curve.h"
#include "raw.h"
#include "sys.h"
#include "wire/address.h"
#include "wire/keys.h"

/* The broker ends a handshake after so long (broker/io/bus.c). */
#define HANDSHAKE (5 * XD_S)

static struct sys sys;
static void *context;
static char state[96], server_key[XD_KEY_Z85_ROOM];
static unsigned ports[PLACES];
static struct xd_key_pair user;

/* ---- the broker's ports, and sockets that libzmq makes */

static void *dial(unsigned port, const struct xd_key_pair *own)
{
    char endpoint[64];
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int zero = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, strlen(server_key));
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->public_key, strlen(own->public_key));
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret_key, strlen(own->secret_key));
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    cr_assert(zmq_connect(socket, endpoint) == 0);
    return socket;
}

/* The broker names its other ports to who has said hello. */
static void learn_ports(void)
{
    ports[ON_CLIENTS] = xd_address_port(sys.address);
    void *socket = dial(ports[ON_CLIENTS], &user);
    struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
    raw_send(socket, &msg);
    cr_assert(raw_receive(socket, &msg) && msg.kind == XD_KIND_HELLO_OK);
    ports[ON_WORKERS] = raw_port(msg.hello_ok.worker_endpoint);
    ports[ON_BULK] = raw_port(msg.hello_ok.bulk_endpoint);
    xd_msg_clear(&msg);
    msg = (struct xd_msg){.kind = XD_KIND_BYE};
    raw_send(socket, &msg);
    sys_sleep_ms(100); /* it leaves without lingering */
    zmq_close(socket);
}

static void begin(void)
{
    struct xd_error why = {""};
    cr_assert(setenv("XDT_TRANSPORT", "tcp", 1) == 0);
    sys_begin(&sys, NULL);
    (void)snprintf(state, sizeof state, "%s", getenv("CROSSDOCK_STATE"));
    cr_assert(xd_keys_server_public(state, server_key, &why) == XD_OK, "%s", why.text);
    cr_assert(xd_keys_user(state, false, &user, &why) == XD_OK, "%s", why.text);
    context = zmq_ctx_new();
    learn_ports();
}

static void remove_key(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/allow/%s", state, name);
    (void)unlink(path);
}

static void end(void)
{
    static const char *const names[] = {"client", "worker", "gpu", "admin", "guest"};
    char path[256];
    zmq_ctx_term(context);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        remove_key(names[i]);
    }
    (void)snprintf(path, sizeof path, "%s/allow", state);
    (void)rmdir(path);
    sys_end(&sys);
}

TestSuite(tcp, .init = begin, .fini = end, .timeout = 300);

/* ---- keys */

/* A pair of its own, and the file that a client finds it in. */
static void make_key(const char *name, struct xd_key_pair *pair, char path[static 128])
{
    zcert_t *cert = zcert_new();
    cr_assert(cert != NULL);
    memcpy(pair->public_key, zcert_public_txt(cert), XD_KEY_Z85_ROOM);
    memcpy(pair->secret_key, zcert_secret_txt(cert), XD_KEY_Z85_ROOM);
    (void)snprintf(path, 128, "%s/%s.key", state, name);
    cr_assert(zcert_save_secret(cert, path) == 0);
    zcert_destroy(&cert);
}

static void allow(const char *name,
                  const struct xd_key_pair *pair,
                  unsigned roles,
                  const char *profile)
{
    struct xd_error why = {""};
    struct xd_allow entry = {.roles = roles};
    char copy[64];
    char *profiles[] = {copy};
    (void)snprintf(entry.name, sizeof entry.name, "%s", name);
    memcpy(entry.public_key, pair->public_key, sizeof entry.public_key);
    if (profile != NULL) {
        (void)snprintf(copy, sizeof copy, "%s", profile);
        entry.profiles = profiles;
        entry.profile_count = 1;
    }
    cr_assert(xd_allow_add(state, &entry, &why) == XD_OK, "%s", why.text);
}

static enum xd_err connect_with(const char *key_file,
                                const char *server,
                                struct xd_client **out,
                                struct xd_error *why)
{
    struct xd_client_options options = {.address = sys.address,
                                        .key_file = key_file,
                                        .server_key = server,
                                        .timeout_ms = 10000 * sys_slowness()};
    return xd_client_connect(&options, out, why);
}

static void expect_no_way_in(const char *key_file, const char *server, const char *what)
{
    struct xd_client *client;
    struct xd_error why = {""};
    enum xd_err err = connect_with(key_file, server, &client, &why);
    cr_assert(err == XD_ERR_FORBIDDEN, "%s: %s (%s)", what, xd_err_name(err), why.text);
    cr_assert(strstr(why.text, "key") != NULL, "%s: '%s'", what, why.text);
}

static void expect_way_in(const char *key_file)
{
    struct xd_client *client;
    struct xd_error why = {""};
    cr_assert(connect_with(key_file, NULL, &client, &why) == XD_OK, "%s", why.text);
    xd_client_close(client);
}

Test(tcp, only_known_keys_connect_and_only_to_the_right_broker)
{
    struct xd_key_pair stranger;
    char file[128];
    expect_way_in(NULL);
    make_key("stranger", &stranger, file);
    expect_no_way_in(NULL, stranger.public_key, "another broker's key");
    expect_no_way_in(file, NULL, "a key that nobody knows");
}

Test(tcp, key_that_is_added_works_at_once_and_a_removed_one_no_more)
{
    struct xd_key_pair guest;
    char file[128];
    make_key("guest", &guest, file);
    for (int round = 0; round < 3; round++) {
        expect_no_way_in(file, NULL, "not there");
        allow("guest", &guest, XD_ALLOW_CLIENT, NULL);
        expect_way_in(file);
        remove_key("guest");
    }
    expect_no_way_in(file, NULL, "gone again");
}

Test(tcp, client_knows_the_ports_that_a_tunnel_forwards)
{
    unsigned told[XD_CLIENT_PORTS] = {0};
    struct xd_client *client = sys_client(&sys);
    cr_assert(xd_client_ports(client, told) == XD_OK);
    cr_assert_eq(told[0], ports[ON_CLIENTS]);
    cr_assert_eq(told[1], ports[ON_WORKERS]);
    cr_assert_eq(told[2], ports[ON_BULK]);
    xd_client_close(client);
}

/* ---- roles and profiles */

/* A worker's session up to READY, in that profile. Returns the broker's answer to the
 * first step that it refuses, XD_OK when it takes none of them badly. */
static enum xd_err become_worker(const struct xd_key_pair *own, const char *profile)
{
    void *first = dial(ports[ON_CLIENTS], own), *second = dial(ports[ON_WORKERS], own);
    struct xd_msg msg = raw_hello(XD_ROLE_WORKER, XD_LANE_CONTROL);
    enum xd_err refused = XD_OK;
    raw_send(first, &msg);
    cr_assert(raw_receive(first, &msg));
    if (msg.kind == XD_KIND_ERROR) {
        refused = msg.error.code;
    } else {
        cr_assert(msg.kind == XD_KIND_HELLO_OK);
        struct xd_msg again = raw_hello(XD_ROLE_WORKER, XD_LANE_CONTROL);
        again.hello.session = msg.hello_ok.session;
        again.hello.token = msg.hello_ok.token;
        xd_msg_clear(&msg);
        raw_send(second, &again);
        cr_assert(raw_receive(second, &msg) && msg.kind == XD_KIND_HELLO_OK);
        xd_msg_clear(&msg);
        msg = (struct xd_msg){.kind = XD_KIND_READY};
        msg.ready.formats = 1u << XD_FORMAT_CALL;
        cr_assert(xd_bytes_text(profile, &msg.ready.profile) == XD_OK);
        raw_send(second, &msg);
        xd_msg_clear(&msg);
        msg = (struct xd_msg){.kind = XD_KIND_READY}; /* a second one is out of turn */
        msg.ready.formats = 1u << XD_FORMAT_CALL;
        cr_assert(xd_bytes_text(profile, &msg.ready.profile) == XD_OK);
        raw_send(second, &msg);
        xd_msg_clear(&msg);
        cr_assert(raw_receive(second, &msg) && msg.kind == XD_KIND_ERROR);
        const struct xd_bytes *text = msg.error.text;
        if (memmem(text->data, text->size, "profile", 7) != NULL) {
            refused = msg.error.code;
        } else {
            cr_assert(memmem(text->data, text->size, "once", 4) != NULL);
        }
    }
    xd_msg_clear(&msg);
    zmq_close(first);
    zmq_close(second);
    return refused;
}

Test(tcp, key_has_the_roles_of_its_entry_and_no_others)
{
    struct xd_key_pair client_key, worker_key, admin_key;
    char client_file[128], worker_file[128], admin_file[128];
    make_key("client", &client_key, client_file);
    make_key("worker", &worker_key, worker_file);
    make_key("admin", &admin_key, admin_file);
    allow("client", &client_key, XD_ALLOW_CLIENT, NULL);
    allow("worker", &worker_key, XD_ALLOW_WORKER, NULL);
    allow("admin", &admin_key, XD_ALLOW_ADMIN, NULL);

    struct xd_client *client;
    struct xd_error why = {""};
    enum xd_err err = connect_with(worker_file, NULL, &client, &why);
    cr_assert(err == XD_ERR_FORBIDDEN && strstr(why.text, "key=worker") != NULL,
              "a worker's key as a client: %s (%s)",
              xd_err_name(err),
              why.text);
    err = become_worker(&client_key, "default");
    cr_assert(err == XD_ERR_FORBIDDEN,
              "a client's key as a worker: %s",
              xd_err_name(err));
    cr_assert(become_worker(&worker_key, "default") == XD_OK);

    struct xd_bytes *json;
    cr_assert(connect_with(client_file, NULL, &client, &why) == XD_OK, "%s", why.text);
    err = xd_admin(client, "status", NULL, 0, 10000, &json, &why);
    cr_assert(err == XD_ERR_FORBIDDEN && strstr(why.text, "key=client") != NULL,
              "a client asks for the status: %s (%s)",
              xd_err_name(err),
              why.text);
    struct xd_profile_counts counts;
    cr_assert(xd_profile_counts(client, "default", 10000, &counts, &why) == XD_OK);
    xd_client_close(client);
    cr_assert(connect_with(admin_file, NULL, &client, &why) == XD_OK, "%s", why.text);
    cr_assert(xd_admin(client, "status", NULL, 0, 10000, &json, &why) == XD_OK,
              "%s",
              why.text);
    xd_bytes_unref(json);
    xd_client_close(client);
}

static struct xd_future *submit_to(struct xd_client *client, const char *profile)
{
    struct xd_call call = {.callee = "echo", .profile = profile};
    struct xd_future *future;
    struct xd_error why = {""};
    cr_assert(xd_submit(client, &call, &future, &why) == XD_OK, "%s", why.text);
    return future;
}

Test(tcp, key_reaches_the_profiles_of_its_entry_and_no_others)
{
    struct xd_key_pair pair;
    char file[128];
    make_key("gpu", &pair, file);
    allow("gpu", &pair, XD_ALLOW_CLIENT | XD_ALLOW_WORKER, "gpu");
    sys_workers(&sys, 1, "gpu");
    struct xd_client *client;
    struct xd_error why = {""};
    cr_assert(connect_with(file, NULL, &client, &why) == XD_OK, "%s", why.text);
    struct xd_future *own = submit_to(client, "gpu"), *other = submit_to(client, NULL),
                     *nowhere = submit_to(client, "never-heard-of");
    sys_expect(own, XD_OUTCOME_DONE);
    sys_expect(other, XD_OUTCOME_REJECTED);
    sys_expect(nowhere, XD_OUTCOME_REJECTED);
    cr_assert(strcmp(xd_future_error(other),
                     "key=gpu may not use profile default of this broker") == 0,
              "'%s'",
              xd_future_error(other));
    cr_assert(strcmp(xd_future_error(nowhere),
                     "key=gpu may not use profile never-heard-of of this broker") == 0,
              "'%s'",
              xd_future_error(nowhere));
    struct xd_profile_counts counts;
    cr_assert(xd_profile_counts(client, "default", 10000, &counts, &why) ==
              XD_ERR_FORBIDDEN);
    cr_assert(xd_profile_open(client, "another", 0, &why) == XD_ERR_FORBIDDEN);
    cr_assert(become_worker(&pair, "default") == XD_ERR_FORBIDDEN);
    cr_assert(become_worker(&pair, "gpu") == XD_OK);
    xd_future_free(own);
    xd_future_free(other);
    xd_future_free(nowhere);
    xd_client_close(client);
}

/* ---- what only administrators, or only makers, may */

static struct xd_client *client_of(const char *key_file)
{
    struct xd_client *client;
    struct xd_error why = {""};
    cr_assert(connect_with(key_file, NULL, &client, &why) == XD_OK, "%s", why.text);
    return client;
}

static enum xd_err ask(struct xd_client *client,
                       const char *verb,
                       const char *const args[3],
                       struct xd_error *why)
{
    struct xd_bytes *answer = NULL;
    size_t count = 0;
    while (count < 3 && args[count] != NULL) {
        count++;
    }
    enum xd_err err = xd_admin(client, verb, args, count, 10000, &answer, why);
    xd_bytes_unref(answer);
    return err;
}

/* `theirs` is another session's profile, `bound` is bound to it. */
static const struct refused {
    const char *verb, *args[3];
    enum xd_err err;
    const char *says;
} REFUSED[] = {
    {"status", {NULL}, XD_ERR_FORBIDDEN, "key=client is no admin"},
    {"status", {"workers_after=0"}, XD_ERR_FORBIDDEN, "key=client is no admin"},
    {"workers", {NULL}, XD_ERR_FORBIDDEN, "key=client is no admin"},
    {"agent", {"1", "drain"}, XD_ERR_FORBIDDEN, "key=client is no admin"},
    {"drain", {NULL}, XD_ERR_FORBIDDEN, "whom alone it answers drain"},
    {"drain", {"0"}, XD_ERR_FORBIDDEN, "whom alone it answers drain"},
    {"drain", {"soon"}, XD_ERR_FORBIDDEN, "whom alone it answers drain"},
    {"set", {"theirs", "paused=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "paused=0"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "weight=5"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "max_running=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "max_tasks=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "max_bytes=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "policy=fifo"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"theirs", "learned_cuts=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"set", {"bound", "paused=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"profile", {"theirs", "weight=5"}, XD_ERR_EXISTS, "another session"},
    {"profile", {"theirs", "bound"}, XD_ERR_EXISTS, "another session"},
    {"profile", {"bound", "paused=1"}, XD_ERR_FORBIDDEN, "another session"},
    {"profile", {"mine", "pool=bound"}, XD_ERR_FORBIDDEN, "another session"},
    {"kick", {"bound"}, XD_ERR_FORBIDDEN, "another session"},
    {"counts", {"bound"}, XD_ERR_FORBIDDEN, "another session"},
};

static void expect_refused(struct xd_client *client)
{
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        const struct refused *row = &REFUSED[i];
        struct xd_error why = {""};
        enum xd_err err = ask(client, row->verb, row->args, &why);
        cr_assert(err == row->err && strstr(why.text, row->says) != NULL,
                  "%s %s %s: %s (%s)",
                  row->verb,
                  row->args[0] == NULL ? "" : row->args[0],
                  row->args[1] == NULL ? "" : row->args[1],
                  xd_err_name(err),
                  why.text);
    }
}

/* Nobody else's task is found by its id, nor among many. */
static void expect_no_task(struct xd_client *client, const struct xd_future *theirs)
{
    char id[33], *at = id;
    const char *const by_id[3] = {id}, *const all[3] = {"profile=theirs"};
    struct xd_task_id number = xd_future_id(theirs);
    struct xd_error why = {""};
    for (size_t i = 0; i < sizeof number.bytes; i++, at += 2) {
        (void)snprintf(at, 3, "%02x", number.bytes[i]);
    }
    cr_assert(ask(client, "explain", by_id, &why) == XD_ERR_NOT_FOUND);
    cr_assert(ask(client, "cancel", by_id, &why) == XD_ERR_NOT_FOUND);
    cr_assert(ask(client, "cancel", all, &why) == XD_OK);
}

/* As the one who may sees it. */
static bool status_has(struct xd_client *client, const char *words)
{
    struct xd_bytes *json = NULL;
    struct xd_error why = {""};
    cr_assert(xd_admin(client, "status", NULL, 0, 10000, &json, &why) == XD_OK,
              "%s",
              why.text);
    bool has = memmem(json->data, json->size, words, strlen(words)) != NULL;
    xd_bytes_unref(json);
    return has;
}

Test(tcp, who_is_no_admin_changes_nothing_that_is_not_its_own)
{
    struct xd_key_pair pair;
    char client_file[128], admin_file[128];
    make_key("client", &pair, client_file);
    allow("client", &pair, XD_ALLOW_CLIENT, NULL);
    make_key("admin", &pair, admin_file);
    allow("admin", &pair, XD_ALLOW_ADMIN, NULL);
    struct xd_client *owner = sys_client(&sys), *client = client_of(client_file),
                     *admin = client_of(admin_file);
    struct xd_error why = {""};
    cr_assert(xd_profile_open(owner, "theirs", 0, &why) == XD_OK, "%s", why.text);
    cr_assert(xd_profile_open(owner, "bound", XD_PROFILE_BOUND, &why) == XD_OK);
    struct xd_future *task = submit_to(owner, "theirs");
    sys_await_counter(admin, "queued", 1);

    static const char untouched[] = "{\"name\":\"theirs\",\"bound\":false,\"policy\":"
                                    "\"bands\",\"weight\":1.000000,\"paused\":false,"
                                    "\"queued\":1,";
    expect_refused(client);
    expect_no_task(client, task);
    cr_assert(status_has(admin, untouched), "a refused question changed something");
    struct xd_future *more = submit_to(client, "theirs"); /* it does not drain either */
    sys_await_counter(admin, "queued", 2);

    /* The same from one who may: the refusals were not for the words. */
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        const struct refused *row = &REFUSED[i];
        bool needs_empty =
            row->args[1] != NULL && strcmp(row->args[1], "policy=fifo") == 0;
        if (strcmp(row->verb, "set") == 0 && !needs_empty) {
            cr_assert(ask(admin, row->verb, row->args, &why) == XD_OK, "%s", why.text);
        }
    }
    cr_assert(status_has(admin, "\"weight\":5.000000,\"paused\":false,\"queued\":2,"));
    xd_client_close(client);
    xd_client_close(owner);
    xd_client_close(admin);
    xd_future_free(task);
    xd_future_free(more);
}

/* What it said last is read before its end is believed: a result, or that it hands the
 * task back; then that it leaves. */
Test(tcp, worker_that_is_told_to_end_has_the_last_word)
{
    enum { ROUNDS = 30 };
    const char *arguments[] = {"--module", getenv("XDT_HANDLERS"), "--slots", "3", NULL};
    struct xd_future *futures[ROUNDS];
    struct xd_client *client = sys_client(&sys);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t worker = sys_worker_with(&sys, arguments);
        sys_await_counter(client, "workers", 3);
        futures[i] = sys_call(client, "sleep", "10");
        cr_assert(kill(worker, SIGTERM) == 0 && waitpid(worker, NULL, 0) == worker);
        sys.child_count--;
        sys_await_counter(client, "workers", 0);
    }
    sys_workers(&sys, 1, NULL); /* for those that were handed back */
    for (int i = 0; i < ROUNDS; i++) {
        sys_expect(futures[i], XD_OUTCOME_DONE);
        xd_future_free(futures[i]);
    }
    cr_assert(sys_counter(client, "bad_messages") == 0,
              "late messages were taken for bad");
    xd_client_close(client);
}

/* ---- while strangers are at the door */

/* What no stranger may change. */
static const char *const STEADY[] = {"submitted",
                                     "queued",
                                     "leased",
                                     "bytes",
                                     "clients",
                                     "workers",
                                     "profiles",
                                     "bad_messages"};
enum { STEADY_COUNT = sizeof STEADY / sizeof STEADY[0], ROUNDS_MIN = 10 };

struct siege {
    struct xd_client *watcher;
    uint64_t before[STEADY_COUNT];
    size_t fds;
    pid_t innocent;
    int stop;
};

/* In a process of its own: one task after the other until told to stop. */
static void innocent(int stop)
{
    struct xd_client *client = sys_client(&sys);
    int rounds = 0, late = 0;
    char byte;
    while (read(stop, &byte, 1) < 0) {
        struct xd_future *future = sys_call(client, "echo", "hello");
        late += xd_future_wait(future, 2000 * sys_slowness()) != XD_OK ||
                xd_future_outcome(future) != XD_OUTCOME_DONE;
        xd_future_free(future);
        rounds++;
        sys_sleep_ms(5);
    }
    _exit(late > 0 ? 1 : rounds < ROUNDS_MIN ? 2 : 0);
}

/* Counters that no innocent client changes are noted before there is one. */
static void siege_begin(struct siege *siege)
{
    int fds[2];
    sys_workers(&sys, 1, NULL);
    cr_assert(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    siege->innocent = sys_fork(&sys);
    if (siege->innocent == 0) {
        close(fds[1]);
        innocent(fds[0]);
    }
    close(fds[0]);
    siege->stop = fds[1];
    siege->watcher = sys_client(&sys);
    sys_await_counter(siege->watcher, "clients", 2);
    sys_sleep_ms(200);
    for (size_t i = 0; i < STEADY_COUNT; i++) {
        siege->before[i] = sys_counter(siege->watcher, STEADY[i]);
    }
    siege->fds = sys_fds(sys.broker);
}

static void await_descriptors(const struct siege *siege)
{
    xd_time until = sys_now() + 10 * XD_S;
    while (sys_fds(sys.broker) > siege->fds && sys_now() < until) {
        sys_sleep_ms(20);
    }
    cr_assert(sys_fds(sys.broker) <= siege->fds,
              "%zu descriptors, %zu before",
              sys_fds(sys.broker),
              siege->fds);
}

/* The innocent one's tasks come and go: of those counters nothing may be left. */
static void siege_end(struct siege *siege)
{
    int status;
    await_descriptors(siege);
    close(siege->stop);
    cr_assert(waitpid(siege->innocent, &status, 0) == siege->innocent);
    sys.children[--sys.child_count] = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "the innocent client: %x",
              status);
    sys_await_counter(siege->watcher, "clients", 1);
    for (size_t i = 1; i < STEADY_COUNT; i++) {
        bool is_count =
            strcmp(STEADY[i], "clients") != 0 && strcmp(STEADY[i], "queued") != 0 &&
            strcmp(STEADY[i], "leased") != 0 && strcmp(STEADY[i], "bytes") != 0;
        uint64_t is = sys_counter(siege->watcher, STEADY[i]);
        uint64_t was = is_count ? siege->before[i] : strcmp(STEADY[i], "clients") == 0;
        cr_assert(is == was,
                  "%s is %llu, not %llu",
                  STEADY[i],
                  (unsigned long long)is,
                  (unsigned long long)was);
    }
    xd_client_close(siege->watcher);
}

/* ---- strangers: bytes that are no CURVE */

struct stranger {
    const char *what;
    const void *bytes;
    size_t size;
};

/* A greeting of 64 bytes: signature, version 3.`minor`, the mechanism, and whether it
 * claims to be the server. */
#define SIGNATURE "\xff\0\0\0\0\0\0\0\1\x7f"
#define ZERO4 "\0\0\0\0"
#define FILLER ZERO4 ZERO4 ZERO4 ZERO4 ZERO4 ZERO4 ZERO4 "\0\0\0"
#define GREETING(mechanism, as_server) SIGNATURE "\3\0" mechanism as_server FILLER
#define NULL_16 "NULL" ZERO4 ZERO4 ZERO4 ZERO4
#define PLAIN_15 "PLAIN" ZERO4 ZERO4 ZERO4 "\0\0\0"
#define CURVE_15 "CURVE" ZERO4 ZERO4 ZERO4 "\0\0\0"
#define GSSAPI_14 "GSSAPI" ZERO4 ZERO4 ZERO4 "\0\0"
#define OTHER_15 "OTHER" ZERO4 ZERO4 ZERO4 "\0\0\0"
#define READY_DEALER "\4\x1c\5READY\xbSocket-Type\0\0\0\6DEALER"
#define READY_USER "\4\x2f\5READY\xbSocket-Type\0\0\0\6DEALER\7User-Id\0\0\0\5admin"
#define HEARTBEAT "\0\4\x08\1\x10\x0e"

#define BYTES(text) text, sizeof(text) - 1

static const struct stranger STRANGERS[] = {
    {"nothing at all", BYTES("")},
    {"ZMTP 3 NULL, heartbeat", BYTES(GREETING(NULL_16, "\0") READY_DEALER HEARTBEAT)},
    {"ZMTP 3 NULL with a User-Id", BYTES(GREETING(NULL_16, "\0") READY_USER HEARTBEAT)},
    {"ZMTP 3 PLAIN",
     BYTES(GREETING(PLAIN_15, "\0") "\4\x13\5HELLO\5admin\6secret" READY_DEALER)},
    {"ZMTP 3 GSSAPI", BYTES(GREETING(GSSAPI_14, "\0") "\4\x9\x8INITIATE")},
    {"ZMTP 3, a mechanism of its own", BYTES(GREETING(OTHER_15, "\0") READY_DEALER)},
    {"CURVE as a server", BYTES(GREETING(CURVE_15, "\1") READY_DEALER)},
    {"CURVE, READY first", BYTES(GREETING(CURVE_15, "\0") READY_DEALER HEARTBEAT)},
    {"CURVE, a short HELLO", BYTES(GREETING(CURVE_15, "\0") "\4\6\5HELLO")},
    {"CURVE, a message at once", BYTES(GREETING(CURVE_15, "\0") HEARTBEAT)},
    {"CURVE, a frame of 8 EiB",
     BYTES(GREETING(CURVE_15, "\0") "\6\x7f\xff\xff\xff\xff\xff\xff\xff\5HELLO")},
    {"ZMTP 2.0", BYTES(SIGNATURE "\1\5\0\0" HEARTBEAT)},
    {"ZMTP 1.0", BYTES("\1\0\5\0\x08\1\x10\x0e")},
    {"ZMTP 1.0 with a length of eight bytes",
     BYTES("\xff\0\0\0\0\0\0\0\5\0\x08\1\x10\x0e")},
    {"HTTP GET", BYTES("GET / HTTP/1.1\r\nHost: 127.0.0.1:5555\r\n\r\n")},
    {"SSH", BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")},
    {"TLS ClientHello",
     BYTES("\x16\3\1\0\x70\1\0\0\x6c\3\3" FILLER FILLER "\0\2\x13\1\1\0\0\x21" FILLER)},
};
enum { STRANGER_COUNT = sizeof STRANGERS / sizeof STRANGERS[0] };

static void say(int fd, const void *bytes, size_t size)
{
    (void)!send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT); /* they may hang up */
}

/* A page can post any bytes behind headers of the browser's making. With as many bytes of
 * padding as it takes, a frame begins where an old ZMTP peer's would. */
static void say_post(int fd, size_t padding)
{
    char body[512], text[1024];
    struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
    struct xd_frames frames;
    frames.count = 0;
    cr_assert(xd_msg_pack(&msg, &frames) == XD_OK && frames.count == 1);
    size_t size = frames.items[0]->size, used = padding;
    memset(body, 'A', padding);
    for (int i = 0; i < 3; i++) {
        body[used++] = (char)(size + 1);
        body[used++] = 0;
        memcpy(body + used, frames.items[0]->data, size);
        used += size;
    }
    xd_frames_clear(&frames);
    int head = snprintf(text,
                        sizeof text,
                        "POST / HTTP/1.1\r\nHost: 127.0.0.1:5555\r\n"
                        "Origin: http://127.0.0.1\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        used);
    memcpy(text + head, body, used);
    say(fd, text, (size_t)head + used);
}

static void say_junk(int fd)
{
    static unsigned char junk[1024 * 1024];
    unsigned seed = 4711;
    for (size_t i = 0; i < sizeof junk; i++) {
        seed = seed * 1103515245u + 12345u;
        junk[i] = (unsigned char)(seed >> 16);
    }
    say(fd, junk, sizeof junk);
}

enum { ALIGNMENTS = 64, DOOR_COUNT = STRANGER_COUNT + ALIGNMENTS + 2 };

/* One stranger of each kind on one port; the last one says a byte a second. */
static void strangers_come(unsigned port, struct pollfd doors[DOOR_COUNT])
{
    for (size_t i = 0; i < DOOR_COUNT; i++) {
        int fd = curve_connect(port);
        doors[i] = (struct pollfd){fd, POLLIN, 0};
        if (i < STRANGER_COUNT) {
            say(fd, STRANGERS[i].bytes, STRANGERS[i].size);
        } else if (i < STRANGER_COUNT + ALIGNMENTS) {
            say_post(fd, i - STRANGER_COUNT);
        } else if (i == DOOR_COUNT - 2) {
            say_junk(fd);
        }
    }
}

/* Whatever came; true: the other side has hung up. */
static bool is_shut(int fd)
{
    char bytes[256];
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void expect_all_shut(struct pollfd *doors, size_t count)
{
    xd_time until = sys_now() + HANDSHAKE + 5 * XD_S * sys_slowness(), next = sys_now();
    size_t open = count, said = 0;
    while (open > 0 && sys_now() < until) {
        (void)poll(doors, (nfds_t)count, 50);
        for (size_t i = 0; i < count; i++) {
            if (doors[i].fd < 0) {
                continue;
            }
            if (i % DOOR_COUNT == DOOR_COUNT - 1 && sys_now() >= next) {
                say(doors[i].fd, &SIGNATURE[said], 1);
            }
            if (doors[i].revents != 0 && is_shut(doors[i].fd)) {
                close(doors[i].fd);
                doors[i].fd = -1;
                open--;
            }
        }
        if (sys_now() >= next) {
            next += XD_S;
            said = said < 9 ? said + 1 : 9;
        }
    }
    for (size_t i = 0; i < count; i++) {
        size_t kind = i % DOOR_COUNT;
        cr_assert(doors[i].fd < 0,
                  "still open: %s (%zu)",
                  kind < STRANGER_COUNT ? STRANGERS[kind].what : "post, junk or slow",
                  kind);
    }
}

Test(tcp, strangers_on_each_port_are_shut_out_and_nothing_is_delivered)
{
    static struct pollfd doors[PLACES * DOOR_COUNT];
    struct siege siege;
    siege_begin(&siege);
    for (int where = 0; where < PLACES; where++) {
        strangers_come(ports[where], doors + where * DOOR_COUNT);
    }
    expect_all_shut(doors, PLACES * DOOR_COUNT);
    siege_end(&siege);
}

static bool says_hello_in_vain(zsock_t *peer)
{
    struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
    struct xd_frames frames;
    frames.count = 0;
    cr_assert(xd_msg_pack(&msg, &frames) == XD_OK);
    zframe_t *frame = zframe_new(frames.items[0]->data, frames.items[0]->size);
    xd_frames_clear(&frames);
    cr_assert(zframe_send(&frame, peer, 0) == 0);
    zsock_set_rcvtimeo(peer, 1000);
    frame = zframe_recv(peer);
    bool in_vain = frame == NULL;
    zframe_destroy(&frame);
    return in_vain;
}

Test(tcp, zeromq_peer_without_keys_or_with_bare_ones_is_not_heard)
{
    struct siege siege;
    siege_begin(&siege);
    for (int where = 0; where < PLACES; where++) {
        for (int keyed = 0; keyed <= 1; keyed++) {
            zsock_t *peer = zsock_new(ZMQ_DEALER);
            zcert_t *cert = zcert_new();
            cr_assert(peer != NULL && cert != NULL);
            if (keyed) {
                zcert_apply(cert, peer);
                zsock_set_curve_serverkey(peer, server_key);
            }
            cr_assert(zsock_connect(peer, "tcp://127.0.0.1:%u", ports[where]) == 0);
            cr_assert(says_hello_in_vain(peer), "port %d, keys %d", where, keyed);
            zcert_destroy(&cert);
            zsock_destroy(&peer);
        }
    }
    siege_end(&siege);
}

Test(tcp, spoilt_handshakes_fail)
{
    static const struct {
        const char *what;
        enum curve_spoil how;
    } cases[] = {{"noise in HELLO", CURVE_BAD_HELLO},
                 {"another cookie", CURVE_BAD_COOKIE},
                 {"a vouch of another key", CURVE_BAD_VOUCH},
                 {"an INITIATE used again", CURVE_OLD_INITIATE}};
    struct siege siege;
    struct curve curve;
    siege_begin(&siege);
    for (int where = 0; where < PLACES; where++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            cr_assert(!curve_open(&curve,
                                  ports[where],
                                  server_key,
                                  &user,
                                  NULL,
                                  NULL,
                                  cases[i].how),
                      "%s",
                      cases[i].what);
            curve_close(&curve);
        }
        cr_assert(curve_open(&curve,
                             ports[where],
                             server_key,
                             &user,
                             NULL,
                             NULL,
                             CURVE_HONEST));
        curve_close(&curve);
    }
    siege_end(&siege);
}

/* The User-Id that counts is the ZAP handler's: whoever sends one of his own is who his
 * key says. */
Test(tcp, user_id_of_a_peers_own_making_does_not_count)
{
    struct xd_key_pair guest;
    char file[128];
    make_key("guest", &guest, file);
    allow("guest", &guest, XD_ALLOW_WORKER, NULL);
    struct curve curve;
    cr_assert(curve_open(&curve,
                         ports[ON_CLIENTS],
                         server_key,
                         &guest,
                         "User-Id",
                         "uid=0",
                         CURVE_HONEST));
    struct xd_msg msg = raw_hello(XD_ROLE_CLIENT, XD_LANE_CONTROL);
    struct xd_frames frames;
    frames.count = 0;
    cr_assert(xd_msg_pack(&msg, &frames) == XD_OK);
    cr_assert(curve_send(&curve, frames.items[0]->data, frames.items[0]->size, false) &&
              curve_flush(&curve));
    xd_frames_clear(&frames);
    unsigned char answer[4096];
    size_t size;
    cr_assert(curve_receive(&curve, answer, sizeof answer, &size, 5000 * sys_slowness()));
    cr_assert(memmem(answer, size, "key=guest may not be a client", 29) != NULL);
    curve_close(&curve);
}

/* ---- floods */

Test(tcp, hundreds_of_silent_connections_leave_room_for_a_client)
{
    enum { SILENT = 400 };
    static int fds[SILENT];
    struct rlimit limit = {4096, 4096};
    struct siege siege;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    siege_begin(&siege);
    size_t rss = sys_rss(sys.broker);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = curve_connect(ports[i % PLACES]);
    }
    xd_time before = sys_now();
    struct xd_client *client = sys_client(&sys);
    int ms = (int)((sys_now() - before) / XD_MS);
    printf("beside %d silent connections a client connected in %d ms\n", SILENT, ms);
    cr_assert(ms < 2000 * sys_slowness(), "%d ms", ms);
    struct xd_future *future = sys_call(client, "echo", "in between");
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    xd_client_close(client);
    cr_assert(sys_rss(sys.broker) < rss + (size_t)32 * 1024 * 1024);
    for (int i = 0; i < SILENT; i++) {
        close(fds[i]);
    }
    siege_end(&siege);
}

/* Frames of `size` bytes of a message that never ends, until the broker hangs up. Returns
 * how many bytes it took. */
static uint64_t flood(const struct xd_key_pair *own, enum where where, size_t size)
{
    static unsigned char frame[1024 * 1024];
    struct curve curve;
    uint64_t sent = 0;
    xd_time until = sys_now() + 30 * XD_S * sys_slowness();
    cr_assert(
        curve_open(&curve, ports[where], server_key, own, NULL, NULL, CURVE_HONEST));
    while (curve_send(&curve, frame, size, true)) {
        sent += size + 34; /* with what CURVE adds to a small frame */
        cr_assert(sys_now() < until,
                  "not cut after %llu bytes",
                  (unsigned long long)sent);
    }
    curve_close(&curve);
    return sent;
}

static void floods_of(size_t size)
{
    const size_t limit = (size_t)128 * 1024 * 1024;
    struct xd_key_pair guest;
    char file[128];
    struct siege siege;
    make_key("guest", &guest, file);
    allow("guest", &guest, XD_ALLOW_CLIENT, NULL);
    siege_begin(&siege);
    size_t before = sys_peak(sys.broker);
    for (int where = 0; where < PLACES; where++) {
        uint64_t sent = flood(&guest, (enum where)where, size);
        size_t grown = sys_peak(sys.broker) - before;
        printf("frames of %zu bytes: cut after %llu MB, the broker grew by %zu MB\n",
               size,
               (unsigned long long)(sent >> 20),
               grown >> 20);
        cr_assert(grown < limit * (size_t)sys_slowness(), "%zu bytes more", grown);
    }
    cr_assert(sys_counter(siege.watcher, "cut") == PLACES);
    siege_end(&siege);
}

Test(tcp, message_of_endless_large_frames_is_cut)
{
    floods_of((size_t)1024 * 1024);
}

Test(tcp, message_of_endless_empty_frames_is_cut)
{
    floods_of(0);
}

/* 200 MB of messages of nearly a MiB while the broker is stopped for a while in the
 * middle: many are under way, none is without end. */
Test(tcp, honest_peer_with_much_to_say_is_not_cut)
{
    enum { TASKS = 200, SIZE = 1000000 };
    static struct xd_future *futures[TASKS];
    sys_workers(&sys, 2, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert(xd_bytes_room(SIZE, &room, &bytes) == XD_OK);
    memset(room, 7, SIZE);
    struct xd_payload payload = {.bytes = bytes, .tag = "raw"};
    for (int i = 0; i < TASKS; i++) {
        futures[i] = sys_submit(client, "echo", &payload, 1);
        if (i == TASKS / 2) {
            kill(sys.broker, SIGSTOP);
            sys_sleep_ms(1200);
            kill(sys.broker, SIGCONT);
        }
    }
    xd_bytes_unref(bytes);
    for (int i = 0; i < TASKS; i++) {
        sys_expect(futures[i], XD_OUTCOME_DONE);
        xd_future_free(futures[i]);
    }
    cr_assert(sys_counter(client, "cut") == 0);
    xd_client_close(client);
}
