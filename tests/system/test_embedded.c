/* SPDX-License-Identifier: MIT */
/* What a host program must not feel of the libraries in it: their threads take no signal,
 * and a forked child can do no harm. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crossdock.h"
#include "crossdock_broker.h"
#include "crossdock_worker.h"
#include "sys.h"

/* A broker, a client by link, a client and a worker by ipc: all threads there can be. */
struct guests {
    struct xd_broker *broker;
    struct xd_client *by_link, *by_ipc;
    struct xd_worker *worker;
};

static struct xd_client *connect_to(const struct xd_client_options *options)
{
    struct xd_client *client;
    struct xd_error why = {""};
    cr_assert(xd_client_connect(options, &client, &why) == XD_OK, "%s", why.text);
    return client;
}

static void invite(struct guests *guests)
{
    struct xd_error why = {""};
    cr_assert(xd_broker_start(NULL, &guests->broker, &why) == XD_OK, "%s", why.text);
    struct xd_client_options by_ipc = {.address = xd_broker_address(guests->broker)},
                             by_link = {0};
    cr_assert(xd_broker_link(guests->broker, &by_link.link) == XD_OK);
    guests->by_link = connect_to(&by_link);
    guests->by_ipc = connect_to(&by_ipc);
    static const char *const handlers[] = {"f"};
    struct xd_worker_options options = {.address = by_ipc.address,
                                        .handlers = handlers,
                                        .handler_count = 1};
    cr_assert(xd_worker_connect(&options, &guests->worker, &why) == XD_OK,
              "%s",
              why.text);
}

static void see_off(struct guests *guests)
{
    xd_worker_leave(guests->worker);
    xd_client_close(guests->by_ipc);
    xd_client_close(guests->by_link);
    xd_broker_stop(guests->broker);
}

static struct xd_future *submit(struct xd_client *client, struct xd_setup *setup)
{
    struct xd_call call = {.callee = "f", .setup = setup};
    struct xd_future *future;
    cr_assert(xd_submit(client, &call, &future, NULL) == XD_OK);
    return future;
}

static struct xd_job *next_job(struct xd_worker *worker)
{
    struct xd_job *job;
    struct xd_error why = {""};
    cr_assert(xd_worker_next(worker, 10000, &job, &why) == XD_OK, "%s", why.text);
    return job;
}

/* ---- signals ---- */

/* Which signals a thread of this process blocks, bit n - 1 for signal n. */
static unsigned long long blocked(const char *tid)
{
    char path[300], line[128];
    unsigned long long mask = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0) {
            mask = strtoull(line + 7, NULL, 16);
        }
    }
    (void)fclose(file);
    return mask;
}

/* The threads there are, and those that were there before: the test's. */
static char known[16][24];
static size_t known_count;

static bool is_known(const char *tid)
{
    for (size_t i = 0; i < known_count; i++) {
        if (strcmp(known[i], tid) == 0) {
            return true;
        }
    }
    return false;
}

/* Calls `visit` for each thread that is not known; how many there are for which it says
 * true. */
static size_t count_new_threads(bool (*visit)(const char *tid))
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    cr_assert(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && !is_known(entry->d_name)) {
            count += visit(entry->d_name);
        }
    }
    closedir(dir);
    return count;
}

static bool know(const char *tid)
{
    cr_assert(known_count < 16);
    (void)snprintf(known[known_count++], sizeof known[0], "%s", tid);
    return true;
}

static bool is_there(const char *tid)
{
    (void)tid;
    return true;
}

/* A signal that it does not block, though it could, among those a program sends and
 * handles; 0: none. */
static int heard_by(const char *tid)
{
    unsigned long long mask = blocked(tid);
    for (int n = 1; n < 32; n++) {
        if (n != SIGKILL && n != SIGSTOP && (mask >> (n - 1) & 1) == 0) {
            return n;
        }
    }
    return 0;
}

static char who_hears[128];

static bool hears(const char *tid)
{
    int n = heard_by(tid);
    if (n != 0) {
        (void)snprintf(who_hears, sizeof who_hears, "thread %s hears signal %d", tid, n);
    }
    return n != 0;
}

Test(embedded, no_thread_of_the_libraries_hears_a_signal, .timeout = 60)
{
    struct guests guests;
    (void)count_new_threads(know);
    invite(&guests);
    (void)xd_client_fd(guests.by_link);
    struct xd_future *future = submit(guests.by_link, NULL);
    (void)xd_job_finish(next_job(guests.worker), NULL, 0);
    cr_assert(xd_future_wait(future, 10000) == XD_OK);
    xd_time until = sys_now() + 10 * XD_S;
    while (count_new_threads(hears) > 0) {
        /* A thread of libzmq blocks them itself, in its first moments. */
        cr_assert(sys_now() < until, "%s", who_hears);
        sys_sleep_ms(1);
    }
    /* The broker, its ZAP handler, three sessions, and libzmq's own of two contexts. */
    cr_assert(count_new_threads(is_there) >= 8);
    xd_future_free(future);
    see_off(&guests);
}

/* ---- forks ---- */

#define GONE(call)                                                                       \
    do {                                                                                 \
        if ((call) != XD_ERR_GONE) {                                                     \
            (void)fprintf(stderr, "in the child: %s\n", #call);                          \
            _exit(1);                                                                    \
        }                                                                                \
    } while (0)

static void client_functions_in_child(struct xd_client *client,
                                      struct xd_future *future,
                                      struct xd_setup *setup)
{
    struct xd_call call = {.callee = "f", .setup = setup};
    struct xd_future *none;
    struct xd_setup *no_setup;
    struct xd_bytes *text;
    struct xd_profile_counts counts;
    struct xd_payload payload = {0};
    GONE(xd_submit(client, &call, &none, NULL));
    GONE(xd_submit_many(client, &call, 1, &none, NULL));
    GONE(xd_setup_new(client, &payload, 1, &no_setup, NULL));
    GONE(xd_profile_open(client, "p", 0, NULL));
    GONE(xd_profile_counts(client, "p", -1, &counts, NULL));
    GONE(xd_admin(client, "status", NULL, 0, -1, &text, NULL));
    GONE(xd_client_state(client, NULL));
    GONE(xd_client_wait(client, -1));
    GONE(xd_client_next(client, &none));
    GONE(xd_future_wait(future, -1));
    GONE(xd_future_cancel(future));
    if (xd_client_fd(client) != -1 || xd_future_is_done(future)) {
        _exit(1);
    }
    xd_client_on_done(client, NULL, NULL);
    xd_client_on_event(client, NULL, NULL);
}

static void worker_functions_in_child(struct xd_worker *worker, struct xd_job *job)
{
    struct xd_job *none;
    GONE(xd_worker_next(worker, -1, &none, NULL));
    GONE(xd_job_emit(job, "progress", NULL));
    GONE(xd_job_finish(job, NULL, 0));
    GONE(xd_job_fail(job, "no", NULL, 0));
    xd_worker_wake(worker);
    (void)xd_job_is_cancelled(job);
    (void)xd_job_task(job);
    (void)xd_worker_is_busy(worker);
    xd_worker_leave(worker);
}

static void broker_functions_in_child(struct xd_broker *broker)
{
    struct xd_link *link;
    char *json;
    GONE(xd_broker_link(broker, &link));
    GONE(xd_broker_drain(broker, -1));
    GONE(xd_broker_wait(broker, -1, NULL));
    GONE(xd_broker_status(broker, &json));
    (void)xd_broker_address(broker);
    xd_broker_stop(broker);
}

static struct xd_setup *make_setup(struct xd_client *client)
{
    struct xd_payload payload = {0};
    struct xd_setup *setup;
    cr_assert(xd_bytes_text("how", &payload.bytes) == XD_OK);
    cr_assert(xd_setup_new(client, &payload, 1, &setup, NULL) == XD_OK);
    xd_bytes_unref(payload.bytes);
    return setup;
}

Test(embedded, a_forked_child_gets_gone_from_everything_and_does_no_harm, .timeout = 60)
{
    struct guests guests;
    invite(&guests);
    struct xd_setup *setup = make_setup(guests.by_link);
    struct xd_future *future = submit(guests.by_link, setup);
    struct xd_job *job = next_job(guests.worker);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        client_functions_in_child(guests.by_link, future, setup);
        worker_functions_in_child(guests.worker, job);
        broker_functions_in_child(guests.broker);
        xd_setup_free(setup);
        xd_future_free(future);
        xd_client_close(guests.by_link);
        xd_client_close(guests.by_ipc);
        _exit(0);
    }
    int status;
    cr_assert(waitpid(pid, &status, 0) == pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    struct xd_job *none;
    struct xd_setup_view view;
    cr_assert(xd_job_setup(job, &view) && xd_bytes_is(view.frames[0].bytes, "how"));
    cr_assert(xd_job_finish(job, NULL, 0) == XD_OK, "the parent goes on");
    cr_assert(xd_future_wait(future, 10000) == XD_OK);
    cr_assert(xd_future_outcome(future) == XD_OUTCOME_DONE);
    cr_assert(xd_worker_next(guests.worker, 20, &none, NULL) == XD_ERR_TIMEOUT);
    xd_future_free(future);
    xd_setup_free(setup);
    see_off(&guests);
}

/* ---- the end of the broker under the feet of its host ---- */

/* Its last words, or else the end of the connection; not by its silence of three
 * seconds. */
Test(embedded, a_worker_hears_at_once_that_the_broker_has_ended, .timeout = 60)
{
    struct guests guests;
    invite(&guests);
    struct xd_future *future = submit(guests.by_link, NULL);
    struct xd_job *job = next_job(guests.worker);
    xd_broker_stop(guests.broker); /* while nobody looks at the worker's connection */
    guests.broker = NULL;
    xd_time until = sys_now() + 2 * XD_S;
    while (!xd_job_is_cancelled(job) && sys_now() < until) {
        sys_sleep_ms(1);
    }
    cr_assert(xd_job_is_cancelled(job));
    (void)xd_job_finish(job, NULL, 0);
    xd_future_free(future);
    see_off(&guests);
}

Test(embedded, neither_a_link_nor_ipc_has_ports, .timeout = 60)
{
    struct guests guests;
    unsigned ports[XD_CLIENT_PORTS] = {0};
    invite(&guests);
    cr_assert_eq(xd_client_ports(guests.by_link, ports), XD_ERR_UNSUPPORTED);
    cr_assert_eq(xd_client_ports(guests.by_ipc, ports), XD_ERR_UNSUPPORTED);
    cr_assert_eq(ports[0], 0);
    see_off(&guests);
}

Test(embedded, cancelling_after_the_broker_has_ended_ends_the_task, .timeout = 60)
{
    struct guests guests;
    invite(&guests);
    struct xd_future *future = submit(guests.by_link, NULL);
    struct xd_job *job = next_job(guests.worker);
    xd_broker_stop(guests.broker);
    guests.broker = NULL;
    (void)!xd_future_cancel(future);
    cr_assert(xd_future_wait(future, 10000) == XD_OK);
    cr_assert(xd_future_outcome(future) == XD_OUTCOME_BROKER_GONE);
    (void)xd_job_finish(job, NULL, 0);
    xd_future_free(future);
    see_off(&guests);
}
