/* SPDX-License-Identifier: MIT */
/* Sender, receiver or broker killed in the middle of a payload, again and again: the
 * outcomes that are documented, and afterwards no memory, descriptor or file more than
 * before. XDT_KILLS is how often (102, a third each; under sanitizers and valgrind a
 * fifth). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crossdock_worker.h"
#include "estate.h"
#include "sys.h"

enum {
    SIZE = 32 * 1024 * 1024,
    /* Rounds after which what is kept for use again (arenas, tables) has been made. */
    WARM_UP = 3,
};
_Static_assert(SIZE > ESTATE_SLACK, "a payload that is kept would not be noticed");

static struct sys sys;

static void begin(void)
{
    sys_begin(&sys, NULL);
}

static void end(void)
{
    sys_end(&sys);
}

TestSuite(broken_streams, .init = begin, .fini = end, .timeout = 590);

static int rounds(void)
{
    const char *text = getenv("XDT_KILLS");
    return (text == NULL ? 102 / sys_slowness() : atoi(text)) / 3;
}

/* Microseconds from 0 to `most`, the same in each run. */
static void random_nap(int64_t most)
{
    static uint32_t seed = 20261122;
    seed = seed * 1664525u + 1013904223u;
    usleep((useconds_t)((uint64_t)most * (seed >> 8) >> 24));
}

/* ---- the three parts: each a process of its own */

static void serve_one(struct xd_job *job)
{
    struct xd_payload back = {.bytes = xd_job_arg(job, 0)->bytes, .tag = "raw"};
    if (xd_job_finish(job, &back, 1) != XD_OK) {
        _exit(2);
    }
}

/* Gives back what it gets; dials again when the broker is gone. */
static _Noreturn void worker_process(void)
{
    static const char *const handlers[] = {"back"};
    struct xd_worker_options options = {.address = sys.address,
                                        .handlers = handlers,
                                        .handler_count = 1};
    for (;;) {
        struct xd_worker *worker;
        struct xd_job *job;
        if (xd_worker_connect(&options, &worker, NULL) != XD_OK) {
            sys_sleep_ms(5);
            continue;
        }
        while (xd_worker_next(worker, -1, &job, NULL) == XD_OK) {
            serve_one(job);
        }
        xd_worker_leave(worker);
    }
}

static struct xd_future *submit(struct xd_client *client)
{
    struct xd_payload payload = {.tag = "raw"};
    uint8_t *room;
    cr_assert(xd_bytes_room(SIZE, &room, &payload.bytes) == XD_OK);
    memset(room, 'x', SIZE);
    struct xd_future *future = sys_submit(client, "back", &payload, 1);
    xd_bytes_unref(payload.bytes);
    return future;
}

/* Sends one after the other until it is killed. */
static _Noreturn void client_process(void)
{
    struct xd_client *client = sys_client(&sys);
    for (;;) {
        struct xd_future *future = submit(client);
        if (xd_future_wait(future, -1) != XD_OK) {
            _exit(2);
        }
        xd_future_free(future);
    }
}

static pid_t start(void (*process)(void))
{
    pid_t pid = sys_fork(&sys);
    if (pid == 0) {
        process();
    }
    return pid;
}

static void run_worker(void)
{
    worker_process();
}

static void run_client(void)
{
    client_process();
}

/* How long a payload takes there and back, in microseconds. */
static int64_t measure(struct xd_client *client)
{
    xd_time before = sys_now();
    struct xd_future *future = submit(client);
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    return (sys_now() - before) / XD_US;
}

/* The shortest so far: naps shall end before most payloads do, also where something else
 * held the first ones up. */
static int64_t measure_again(struct xd_client *client, int64_t shortest)
{
    int64_t now = measure(client);
    return shortest == 0 || now < shortest ? now : shortest;
}

/* A new session works, with a worker whose bulk lane is then open. */
static void use_anew(void)
{
    struct xd_client *client = sys_client(&sys);
    (void)measure(client);
    xd_client_close(client);
}

static void assert_nothing_is_left(struct xd_client *client)
{
    static const char *const gauges[] = {"queued", "leased", "bytes", "relaying"};
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        sys_await_counter(client, gauges[i], 0);
    }
}

/* ---- the tests */

Test(broken_streams, receiver_killed_loses_the_task_and_nothing_else)
{
    struct xd_client *client = sys_client(&sys);
    int count = rounds(), lost = 0;
    struct estate broker = {0}, own = {0};
    int64_t whole = 0;
    for (int i = 0; i < count; i++) {
        pid_t worker = start(run_worker);
        sys_await_counter(client, "workers", 1); /* else nothing is lost with it */
        if (i < WARM_UP) {
            whole = measure_again(client, whole);
        }
        struct xd_future *future = submit(client);
        random_nap(whole);
        sys_kill(&sys, worker);
        cr_assert(xd_future_wait(future, 20000 * sys_slowness()) == XD_OK, "it hangs");
        enum xd_outcome outcome = xd_future_outcome(future);
        cr_assert(outcome == XD_OUTCOME_LOST || outcome == XD_OUTCOME_DONE,
                  "%s",
                  xd_outcome_name(outcome));
        lost += outcome == XD_OUTCOME_LOST;
        xd_future_free(future);
        sys_await_counter(client, "workers", 0);
        assert_nothing_is_left(client);
        if (i == WARM_UP) {
            broker = estate_of("broker", sys.broker);
            own = estate_of("client", getpid());
        }
    }
    printf("%d of %d payloads broke off\n", lost, count);
    cr_assert(lost > count / 5);
    estate_assert_no_more(&broker);
    estate_assert_no_more(&own);
    xd_client_close(client);
}

Test(broken_streams, sender_killed_frees_the_worker_for_the_next)
{
    struct xd_client *client = sys_client(&sys);
    pid_t worker = start(run_worker);
    int count = rounds();
    struct estate broker = {0}, survivor = {0};
    int64_t whole = measure(client);
    for (int i = 0; i < count; i++) {
        uint64_t chunks = sys_counter(client, "chunks");
        pid_t sender = start(run_client);
        while (sys_counter(client, "chunks") == chunks) {
        }
        random_nap(whole);
        sys_kill(&sys, sender);
        sys_await_counter(client, "clients", 1);
        assert_nothing_is_left(client);
        if (i == WARM_UP) {
            broker = estate_of("broker", sys.broker);
            survivor = estate_of("worker", worker);
        }
    }
    (void)measure(client); /* it serves */
    estate_assert_no_more(&broker);
    estate_assert_no_more(&survivor);
    xd_client_close(client);
}

Test(broken_streams, broker_killed_ends_both_sides_and_leaves_no_file)
{
    pid_t worker = start(run_worker);
    int count = rounds(), gone = 0;
    struct estate survivor = {0}, own = {0};
    int64_t whole = 0;
    for (int i = 0; i < count; i++) {
        struct xd_client *client = sys_client(&sys);
        if (i < WARM_UP) {
            whole = measure_again(client, whole);
        }
        struct xd_future *future = submit(client);
        random_nap(whole);
        sys_kill_broker(&sys);
        cr_assert(xd_future_wait(future, 20000 * sys_slowness()) == XD_OK, "it hangs");
        enum xd_outcome outcome = xd_future_outcome(future);
        cr_assert(outcome == XD_OUTCOME_BROKER_GONE || outcome == XD_OUTCOME_DONE,
                  "%s",
                  xd_outcome_name(outcome));
        gone += outcome == XD_OUTCOME_BROKER_GONE;
        xd_future_free(future);
        xd_client_close(client);
        sys_begin_again(&sys);
        if (i == WARM_UP) {
            use_anew(); /* all its connections are there */
            survivor = estate_of("worker", worker);
            own = estate_of("client", getpid());
        }
    }
    printf("%d of %d payloads broke off\n", gone, count);
    cr_assert(gone > count / 5);
    use_anew();
    estate_assert_no_more(&survivor);
    estate_assert_no_more(&own);
    cr_assert_eq(sys_files(&sys), sys.file_count, "files more than a broker's own");
}
