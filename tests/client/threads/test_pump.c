/* SPDX-License-Identifier: MIT */
/* Several threads submit, wait, cancel and free on one client over a scripted broker. A
 * plain program: for TSan. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "crossdock.h"
#include "crossdock_worker.h"
#include "fake.h"
#include "worker.h"

#define THREADS 4
#define ROUNDS 200
#define BURST 8

static void must(bool claim, const char *what)
{
    if (!claim) {
        fprintf(stderr, "FAILED: %s\n", what);
        exit(1);
    }
}

/* Everything that is submitted is done; what is cancelled afterwards was done before. */
static bool echo(struct fake *fake, enum xd_lane lane, struct xd_msg *msg)
{
    if (msg->kind == XD_KIND_SUBMIT) {
        fake_say_done(fake, msg->tasks.tasks, msg->tasks.count);
    } else if (msg->kind == XD_KIND_HELLO) {
        return fake_welcome(fake, lane, msg);
    }
    return true;
}

static struct xd_client *connect_to(struct fake *fake)
{
    struct xd_client *client;
    struct xd_error error = {""};
    struct xd_client_options options = {.link = &fake->link};
    fake->answer = echo;
    must(xd_client_connect(&options, &client, &error) == XD_OK, error.text);
    return client;
}

static void *submitter(void *argument)
{
    struct xd_client *client = argument;
    struct xd_call call = {.callee = "f"};
    for (int round = 0; round < ROUNDS; round++) {
        struct xd_future *futures[BURST];
        for (int i = 0; i < BURST; i++) {
            must(xd_submit(client, &call, &futures[i], NULL) == XD_OK, "submit");
        }
        must(xd_future_cancel(futures[1]) == XD_OK, "cancel");
        for (int i = 0; i < BURST; i++) {
            if (i == 2) { /* given up before or after its end */
                xd_future_free(futures[i]);
                continue;
            }
            must(xd_future_wait(futures[i], 20000) == XD_OK, "wait");
            enum xd_outcome outcome = xd_future_outcome(futures[i]);
            must(outcome == XD_OUTCOME_DONE ||
                     (i == 1 && outcome == XD_OUTCOME_CANCELLED),
                 "outcome");
            xd_future_free(futures[i]);
        }
    }
    return NULL;
}

static void run_threads(void *(*body)(void *), void *argument)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, body, argument) == 0, "thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void threads_share_a_client(void)
{
    struct fake *fake = fake_new();
    struct xd_client *client = connect_to(fake);
    run_threads(submitter, client);
    xd_client_close(client);
    must(fake->closed, "the link was closed");
    fake_free(fake);
}

static atomic_int called;

static void count_call(void *context, struct xd_future *future)
{
    (void)context;
    must(xd_future_is_done(future), "called before the end");
    atomic_fetch_add(&called, 1);
    xd_future_free(future);
}

static void *fire(void *argument)
{
    struct xd_call call = {.callee = "f"};
    for (int i = 0; i < ROUNDS; i++) {
        struct xd_future *future;
        must(xd_submit(argument, &call, &future, NULL) == XD_OK, "submit");
    }
    return NULL;
}

static void callbacks_come_once_each(void)
{
    struct fake *fake = fake_new();
    struct xd_client *client = connect_to(fake);
    xd_client_on_done(client, count_call, NULL);
    run_threads(fire, client);
    for (int i = 0; i < 20000 && atomic_load(&called) < THREADS * ROUNDS; i++) {
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
    must(atomic_load(&called) == THREADS * ROUNDS, "every future was called");
    xd_client_close(client);
    fake_free(fake);
}

static bool silent(struct fake *fake, enum xd_lane lane, struct xd_msg *msg)
{
    return msg->kind != XD_KIND_HELLO || fake_welcome(fake, lane, msg);
}

static void *wait_for_end(void *argument)
{
    must(xd_future_wait(argument, 20000) == XD_OK, "wait ends with the session");
    must(xd_future_outcome(argument) == XD_OUTCOME_BROKER_GONE, "broker gone");
    return NULL;
}

static void a_close_wakes_all_who_wait(void)
{
    struct fake *fake = fake_new();
    struct xd_client *client = connect_to(fake);
    fake->answer = silent;
    struct xd_call call = {.callee = "f"};
    struct xd_future *future;
    must(xd_submit(client, &call, &future, NULL) == XD_OK, "submit");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, wait_for_end, future) == 0, "thread");
    }
    struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL);
    xd_client_close(client);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    xd_future_free(future);
    fake_free(fake);
}

/* ---- the worker: cancels reach a job that computes, by the background thread ---- */

static atomic_int interrupted;

static void on_interrupt(void *context, struct xd_task_id id)
{
    (void)context;
    (void)id;
    atomic_fetch_add(&interrupted, 1);
}

static void *cancel_soon(void *argument)
{
    struct timespec pause = {.tv_nsec = 3000000};
    nanosleep(&pause, NULL);
    fake_say_ids(argument, XD_KIND_CANCEL, fake_id(1), XD_CANCEL_INTERRUPT);
    return NULL;
}

static void a_cancel_reaches_a_job_that_computes(void)
{
    struct fake *fake = fake_new();
    fake->answer = fake_welcome;
    struct xd_worker_options options = {.interrupt = on_interrupt};
    struct xd_worker *worker;
    struct xd_error error = {""};
    must(xd_worker_connect_link(&options, &fake->link, &worker, &error) == XD_OK,
         error.text);
    fake_say_task(fake, fake_id(1), "f", false);
    struct xd_job *job;
    must(xd_worker_next(worker, 20000, &job, &error) == XD_OK, error.text);
    pthread_t canceller;
    must(pthread_create(&canceller, NULL, cancel_soon, fake) == 0, "thread");
    while (!xd_job_is_cancelled(job)) {
        struct timespec pause = {.tv_nsec = 100000};
        nanosleep(&pause, NULL);
    }
    (void)xd_job_fail(job, "stopped", NULL, 0);
    pthread_join(canceller, NULL);
    xd_worker_wake(worker);
    must(xd_worker_next(worker, 20000, &job, &error) == XD_ERR_TIMEOUT, "woken");
    xd_worker_leave(worker);
    must(atomic_load(&interrupted) <= 1, "interrupted at most once");
    fake_free(fake);
}

int main(void)
{
    threads_share_a_client();
    callbacks_come_once_each();
    a_close_wakes_all_who_wait();
    a_cancel_reaches_a_job_that_computes();
    puts("4 passed, 0 failed");
    return 0;
}
