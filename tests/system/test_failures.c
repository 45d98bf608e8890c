/* SPDX-License-Identifier: MIT */
/* What happens when processes die, tasks are cancelled, brokers meet. Deadlines are five
 * times the figure that the documentation names; the figure itself is printed. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

static struct sys sys;

static void begin(void)
{
    sys_begin(&sys, NULL);
}

static void end(void)
{
    sys_end(&sys);
}

TestSuite(failures, .init = begin, .fini = end, .timeout = 120);

Test(failures, killed_worker_is_heard_of_within_milliseconds_and_replaced)
{
    enum { FIGURE_MS = 20 };
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_worker_pid(client);
    struct xd_future *running = sys_call(client, "sleep", "30000");
    struct xd_future *waiting = sys_call(client, "echo", "waits");
    sys_await_counter(client, "leased", 1);
    xd_time before = sys_now();
    kill(pid, SIGKILL);
    sys_expect(running, XD_OUTCOME_LOST);
    int ms = (int)((sys_now() - before) / XD_MS);
    printf("a killed worker was heard of after %d ms\n", ms);
    cr_assert(ms <= 5 * FIGURE_MS * sys_slowness(), "%d ms", ms);
    sys_expect(waiting, XD_OUTCOME_DONE); /* by the restarted slot */
    cr_assert(sys_worker_pid(client) != pid);
    xd_future_free(running);
    xd_future_free(waiting);
    xd_client_close(client);
}

Test(failures, crash_of_one_worker_leaves_the_others_alone)
{
    sys_workers(&sys, 2, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_future *other = sys_call(client, "sleep", "300");
    struct xd_future *crash = sys_call(client, "crash", NULL);
    sys_expect(crash, XD_OUTCOME_LOST);
    sys_expect(other, XD_OUTCOME_DONE);
    sys_await_counter(client, "workers", 2);
    xd_future_free(crash);
    xd_future_free(other);
    xd_client_close(client);
}

/* A client process that submits `count` sleeps and then waits to be killed; says on `fd`
 * when all are in. */
static void doomed_client(int fd, int count)
{
    struct xd_client *client = sys_client(&sys);
    for (int i = 0; i < count; i++) {
        struct xd_future *future = sys_call(client, "spin", NULL);
        (void)future;
    }
    sys_await_counter(client, "accepted", (uint64_t)count);
    (void)!write(fd, "x", 1);
    pause();
}

Test(failures, killed_client_frees_its_tasks_queued_and_running)
{
    enum { COUNT = 50 };
    int fds[2];
    char byte;
    sys_workers(&sys, 1, NULL);
    cr_assert(pipe(fds) == 0);
    pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        doomed_client(fds[1], COUNT);
    }
    cr_assert(read(fds[0], &byte, 1) == 1);
    struct xd_client *client = sys_client(&sys);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    sys_await_counter(client, "queued", 0);
    sys_await_counter(client, "leased", 0);
    sys_await_counter(client, "bytes", 0);
    sys_await_counter(client, "clients", 1);
    struct xd_future *future = sys_call(client, "echo", "the slot is free");
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    xd_client_close(client);
}

static _Atomic bool running;

static void see_running(void *context,
                        struct xd_future *future,
                        uint32_t part,
                        const char *kind,
                        struct xd_bytes *bytes)
{
    (void)context;
    (void)future;
    (void)part;
    (void)bytes;
    running = running || strcmp(kind, "running") == 0;
}

/* Submit a task that says when it runs, and wait until it does. */
static struct xd_future *call_until_running(struct xd_client *client, const char *callee)
{
    xd_client_on_event(client, see_running, NULL);
    struct xd_future *future = sys_call(client, callee, NULL);
    xd_time until = sys_now() + 10 * XD_S;
    while (!running) {
        cr_assert(sys_now() < until, "%s did not start within 10 s", callee);
        sys_sleep_ms(1);
    }
    return future;
}

Test(failures, cancel_of_a_queued_task_never_runs_it)
{
    struct xd_client *client = sys_client(&sys);
    struct xd_future *future = sys_call(client, "echo", "never");
    sys_await_counter(client, "queued", 1);
    cr_assert(xd_future_cancel(future) == XD_OK);
    sys_expect(future, XD_OUTCOME_CANCELLED);
    cr_assert(sys_counter(client, "dispatched") == 0);
    sys_await_counter(client, "bytes", 0);
    xd_future_free(future);
    xd_client_close(client);
}

Test(failures, cancel_interrupts_a_running_task)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_worker_pid(client);
    struct xd_future *future = call_until_running(client, "spin");
    cr_assert(xd_future_cancel(future) == XD_OK);
    sys_expect(future, XD_OUTCOME_CANCELLED);
    sys_await_counter(client, "leased", 0);
    cr_assert(sys_worker_pid(client) == pid, "the worker was ended though it stopped");
    xd_future_free(future);
    xd_client_close(client);
}

Test(failures, cancel_ends_the_process_of_a_task_that_does_not_stop)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_worker_pid(client);
    struct xd_future *future = call_until_running(client, "spin_deaf");
    cr_assert(xd_future_cancel(future) == XD_OK);
    sys_expect(future, XD_OUTCOME_CANCELLED);
    struct xd_future *next = sys_call(client, "echo", "next");
    sys_expect(next, XD_OUTCOME_DONE);
    cr_assert(sys_worker_pid(client) != pid);
    xd_future_free(next);
    xd_future_free(future);
    xd_client_close(client);
}

Test(failures, broker_that_ends_is_the_outcome_broker_gone)
{
    struct xd_client *client = sys_client(&sys);
    struct xd_future *future = sys_call(client, "echo", "nobody");
    sys_await_counter(client, "queued", 1);
    kill(sys.broker, SIGKILL);
    waitpid(sys.broker, NULL, 0);
    sys.broker = 0;
    sys_expect(future, XD_OUTCOME_BROKER_GONE);
    struct xd_error why = {""};
    struct xd_future *late;
    struct xd_call call = {.callee = "echo"};
    cr_assert(xd_submit(client, &call, &late, &why) == XD_ERR_GONE);
    cr_assert(why.text[0] != '\0');
    xd_future_free(future);
    xd_client_close(client);
}

Test(failures, worker_that_is_stopped_is_lost_after_three_silent_seconds)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_worker_pid(client);
    struct xd_future *future = sys_call(client, "sleep", "60000");
    sys_await_counter(client, "leased", 1);
    xd_time before = sys_now();
    kill(pid, SIGSTOP);
    sys_expect(future, XD_OUTCOME_LOST);
    int ms = (int)((sys_now() - before) / XD_MS);
    printf("a stopped worker was lost after %d ms\n", ms);
    cr_assert(ms >= 1500 && ms < 15000, "%d ms", ms);
    kill(pid, SIGKILL);
    xd_future_free(future);
    xd_client_close(client);
}

Test(failures, second_broker_on_the_same_address_exits_with_3_and_harms_nobody)
{
    const char *argv[] = {getenv("CROSSDOCK_BROKER"), "--listen", sys.address, NULL};
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_spawn(&sys, argv);
    int status;
    cr_assert(waitpid(pid, &status, 0) == pid);
    sys.child_count--;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status %x", status);
    cr_assert(sys_counter(client, "clients") == 1);
    xd_client_close(client);
}

Test(failures, nothing_is_left_of_a_hundred_sessions_that_came_and_went)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    size_t fds = sys_fds(sys.broker);
    for (int i = 0; i < 100; i++) {
        struct xd_client *other = sys_client(&sys);
        struct xd_future *future = sys_call(other, "echo", "x");
        sys_expect(future, XD_OUTCOME_DONE);
        xd_future_free(future);
        xd_client_close(other);
    }
    sys_await_counter(client, "clients", 1);
    xd_time until = sys_now() + 5 * XD_S;
    while (sys_fds(sys.broker) > fds && sys_now() < until) {
        sys_sleep_ms(10);
    }
    cr_assert(sys_fds(sys.broker) <= fds,
              "%zu descriptors, %zu before",
              sys_fds(sys.broker),
              fds);
    xd_client_close(client);
}

/* A door before the broker: it shuts in the face of the first ones, as a broker does
 * where a thousand come at once and the handshake takes too long; then it lets through.
 */
enum { SHUT_FIRST = 2 };

struct door {
    int listener;
    const char *to; /* the broker's path */
};

static int open_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr *name = (struct sockaddr *)(void *)&address;
    cr_assert(fd >= 0 &&
              (listens ? bind(fd, name, sizeof address) == 0 && listen(fd, 8) == 0
                       : connect(fd, name, sizeof address) == 0));
    return fd;
}

/* Bytes both ways until either side is over. */
static void splice_both(int a, int b)
{
    struct pollfd fds[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    char buffer[4096];
    while (poll(fds, 2, 20000) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t got = fds[i].revents ? read(fds[i].fd, buffer, sizeof buffer) : -1;
            if (fds[i].revents &&
                (got <= 0 || write(fds[1 - i].fd, buffer, (size_t)got) != got)) {
                return;
            }
        }
    }
}

static void *keep_door(void *argument)
{
    const struct door *door = argument;
    for (int i = 0; i < SHUT_FIRST; i++) {
        close(accept(door->listener, NULL, NULL));
    }
    int client = accept(door->listener, NULL, NULL);
    int broker = open_socket(door->to, false);
    splice_both(client, broker);
    close(client);
    close(broker);
    return NULL;
}

Test(failures, handshake_that_is_cut_short_is_tried_again)
{
    sys_workers(&sys, 1, NULL);
    char path[96], address[104];
    (void)snprintf(path, sizeof path, "%s/door", sys.dir);
    (void)snprintf(address, sizeof address, "ipc://%s", path);
    struct door door = {open_socket(path, true), sys.address + strlen("ipc://")};
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, keep_door, &door) == 0);
    struct xd_client_options options = {.address = address, .timeout_ms = 20000};
    struct xd_client *client;
    struct xd_error why = {""};
    cr_assert(xd_client_connect(&options, &client, &why) == XD_OK, "%s", why.text);
    struct xd_future *future = sys_call(client, "echo", "through the door");
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    xd_client_close(client);
    pthread_join(thread, NULL);
    close(door.listener);
    (void)unlink(path);
}
