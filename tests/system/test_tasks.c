/* SPDX-License-Identifier: MIT */
/* Tasks through real processes: many, in batches and one by one, from many clients, none
 * lost and none twice. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

static struct sys sys;

/* A thousand clients on two busy cores may be silent for a while. */
static void begin(void)
{
    const char *patience[] = {"--set",
                              "suspect_ms=30000",
                              "--set",
                              "lost_ms=60000",
                              NULL};
    sys_begin(&sys, patience);
}

static void end(void)
{
    sys_end(&sys);
}

TestSuite(tasks, .init = begin, .fini = end, .timeout = 300);

Test(tasks, echo_returns_frames_with_their_class_tags)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_payload payloads[2] = {{.tag = "text"}, {.tag = "my.class"}};
    cr_assert(xd_bytes_text("hello", &payloads[0].bytes) == XD_OK);
    cr_assert(xd_bytes_copy("\0\1\2", 3, &payloads[1].bytes) == XD_OK);
    struct xd_future *future = sys_submit(client, "echo", payloads, 2);
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_result *result = xd_future_result(future, 0);
    cr_assert(result->frame_count == 2);
    for (int i = 0; i < 2; i++) {
        cr_assert(xd_bytes_is(result->frames[i].tag, payloads[i].tag));
        cr_assert(xd_bytes_equal(result->frames[i].bytes, payloads[i].bytes));
        xd_bytes_unref(payloads[i].bytes);
    }
    xd_future_free(future);
    xd_client_close(client);
}

Test(tasks, error_of_a_handler_is_the_outcome_failed_with_its_sentence)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_future *future = sys_call(client, "fail", "the reason");
    sys_expect(future, XD_OUTCOME_FAILED);
    cr_assert(strstr(xd_future_error(future), "the reason") != NULL,
              "%s",
              xd_future_error(future));
    xd_future_free(future);
    xd_client_close(client);
}

/* Submit `count` echoes of their own number, `batch` in each call, and check every
 * answer. */
static void echo_numbers(struct xd_client *client, size_t count, size_t batch)
{
    struct xd_future **futures = calloc(count, sizeof *futures);
    struct xd_payload *payloads = calloc(batch, sizeof *payloads);
    struct xd_call *calls = calloc(batch, sizeof *calls);
    for (size_t at = 0; at < count; at += batch) {
        size_t n = count - at < batch ? count - at : batch;
        for (size_t i = 0; i < n; i++) {
            uint64_t number = at + i;
            payloads[i] = (struct xd_payload){.tag = "raw"};
            cr_assert(xd_bytes_copy(&number, sizeof number, &payloads[i].bytes) == XD_OK);
            calls[i] = (struct xd_call){.callee = "echo",
                                        .payloads = &payloads[i],
                                        .payload_count = 1};
        }
        struct xd_error why = {""};
        cr_assert(xd_submit_many(client, calls, n, futures + at, &why) == XD_OK,
                  "%s",
                  why.text);
        for (size_t i = 0; i < n; i++) {
            xd_bytes_unref(payloads[i].bytes);
        }
    }
    for (size_t i = 0; i < count; i++) {
        sys_expect(futures[i], XD_OUTCOME_DONE);
        uint64_t number;
        const struct xd_result *result = xd_future_result(futures[i], 0);
        cr_assert(result->frame_count == 1 && result->frames[0].size == sizeof number);
        memcpy(&number, result->frames[0].bytes->data, sizeof number);
        cr_assert(number == i,
                  "task %zu came back as %llu",
                  i,
                  (unsigned long long)number);
        xd_future_free(futures[i]);
    }
    free(calls);
    free(payloads);
    free(futures);
}

Test(tasks, two_hundred_thousand_over_four_workers_none_lost_none_twice)
{
    sys_workers(&sys, 4, NULL);
    struct xd_client *client = sys_client(&sys);
    echo_numbers(client, 200000, 100);
    cr_assert(sys_counter(client, "submitted") == 200000);
    cr_assert(sys_counter(client, "accepted") == 200000);
    cr_assert(sys_counter(client, "done") == 200000);
    sys_await_counter(client, "unacked", 0);
    cr_assert(sys_counter(client, "queued") == 0);
    cr_assert(sys_counter(client, "leased") == 0);
    cr_assert(sys_counter(client, "bytes") == 0);
    cr_assert(sys_counter(client, "stale") == 0);
    xd_client_close(client);
}

Test(tasks, one_message_of_many_equals_many_messages_of_one)
{
    static const char *const COUNTERS[] = {"submitted", "accepted", "done"};
    sys_workers(&sys, 2, NULL);
    struct xd_client *client = sys_client(&sys);
    uint64_t after[2][3];
    for (int round = 0; round < 2; round++) {
        echo_numbers(client, 1000, round == 0 ? 250 : 1);
        for (size_t i = 0; i < 3; i++) {
            after[round][i] = sys_counter(client, COUNTERS[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        cr_assert(after[0][i] == 1000 && after[1][i] == 2000, "%s", COUNTERS[i]);
    }
    xd_client_close(client);
}

enum { PROCESSES = 20, CLIENTS = 50, TASKS = 4 };

/* Fifty sessions at once in a process of its own; exits 0 when each got all its answers.
 */
static void many_clients(void)
{
    struct xd_client *clients[CLIENTS];
    struct xd_future *futures[CLIENTS][TASKS];
    for (int i = 0; i < CLIENTS; i++) {
        struct xd_client_options options = {.address = sys.address, .timeout_ms = 60000};
        struct xd_error why = {""};
        if (xd_client_connect(&options, &clients[i], &why) != XD_OK) {
            fprintf(stderr, "client %d: %s\n", i, why.text);
            _exit(2);
        }
    }
    for (int i = 0; i < CLIENTS * TASKS; i++) {
        struct xd_call call = {.callee = "echo"};
        if (xd_submit(clients[i / TASKS], &call, &futures[i / TASKS][i % TASKS], NULL) !=
            XD_OK) {
            _exit(3);
        }
    }
    for (int i = 0; i < CLIENTS * TASKS; i++) {
        struct xd_future *future = futures[i / TASKS][i % TASKS];
        if (xd_future_wait(future, 60000) != XD_OK ||
            xd_future_outcome(future) != XD_OUTCOME_DONE) {
            _exit(4);
        }
        xd_future_free(future);
    }
    for (int i = 0; i < CLIENTS; i++) {
        xd_client_close(clients[i]);
    }
    _exit(0);
}

Test(tasks, a_thousand_clients_at_once)
{
    sys_workers(&sys, 2, NULL);
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        cr_assert(pids[i] >= 0);
        if (pids[i] == 0) {
            many_clients();
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        cr_assert(waitpid(pids[i], &status, 0) == pids[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "process %d: status %x",
                  i,
                  status);
    }
    struct xd_client *client = sys_client(&sys);
    cr_assert(sys_counter(client, "done") == PROCESSES * CLIENTS * TASKS);
    sys_await_counter(client, "clients", 1);
    cr_assert(sys_counter(client, "bytes") == 0);
    xd_client_close(client);
}

Test(tasks, everywhere_runs_once_on_each_worker_before_what_follows)
{
    sys_workers(&sys, 3, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_call call = {.callee = "pid", .everywhere = true, .min_workers = 3};
    struct xd_future *future;
    struct xd_error why = {""};
    cr_assert(xd_submit(client, &call, &future, &why) == XD_OK, "%s", why.text);
    struct xd_future *after = sys_call(client, "echo", "after");
    sys_expect(after, XD_OUTCOME_DONE);
    cr_assert(xd_future_is_done(future), "a task behind the barrier ended before it");
    sys_expect(future, XD_OUTCOME_DONE);
    cr_assert(xd_future_parts(future) == 3);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < i; k++) {
            cr_assert(!xd_bytes_equal(xd_future_result(future, i)->frames[0].bytes,
                                      xd_future_result(future, k)->frames[0].bytes),
                      "one worker ran two parts");
        }
    }
    xd_future_free(after);
    xd_future_free(future);
    xd_client_close(client);
}

static _Atomic int events_seen;

static void count_event(void *context,
                        struct xd_future *future,
                        uint32_t part,
                        const char *kind,
                        struct xd_bytes *bytes)
{
    (void)context;
    (void)future;
    (void)part;
    (void)kind;
    (void)bytes;
    events_seen++;
}

Test(tasks, events_of_a_running_task_reach_its_client)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    xd_client_on_event(client, count_event, NULL);
    struct xd_future *future = sys_call(client, "emit", "25");
    sys_expect(future, XD_OUTCOME_DONE);
    cr_assert(events_seen == 25, "%d events", events_seen);
    xd_future_free(future);
    xd_client_close(client);
}

Test(tasks, events_are_kept_with_the_future_and_can_be_waited_for)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    const struct xd_event_limits limits = {.events = 10,
                                           .bytes = 1000,
                                           .total_bytes = 1000};
    xd_client_keep_events(client, &limits);
    struct xd_future *future = sys_call(client, "emit", "25");
    struct xd_kept_event event;
    cr_assert(xd_future_wait_event(future, 3, 20000) == XD_OK);
    sys_expect(future, XD_OUTCOME_DONE);
    cr_assert(xd_future_event(future, 0, &event) == XD_OK);
    cr_assert(event.number == 15 && event.dropped == 15 && event.came_ns > 0);
    xd_kept_event_clear(&event);
    cr_assert(xd_future_event(future, 25, &event) == XD_ERR_AGAIN);
    cr_assert(xd_future_wait_event(future, 25, 0) == XD_OK, "it has ended");
    xd_future_free(future);
    xd_client_close(client);
}

Test(tasks, time_limit_ends_a_task_as_expired_and_frees_the_worker)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_call call = {.callee = "spin", .timeout_ms = 100};
    struct xd_future *future;
    cr_assert(xd_submit(client, &call, &future, NULL) == XD_OK);
    sys_expect(future, XD_OUTCOME_EXPIRED);
    struct xd_future *next = sys_call(client, "echo", "next");
    sys_expect(next, XD_OUTCOME_DONE);
    xd_future_free(next);
    xd_future_free(future);
    xd_client_close(client);
}

Test(tasks, profile_bound_to_a_session_ends_with_it)
{
    struct xd_client *owner = sys_client(&sys), *other = sys_client(&sys);
    struct xd_error why = {""};
    cr_assert(xd_profile_open(owner, "mine", XD_PROFILE_BOUND, &why) == XD_OK,
              "%s",
              why.text);
    cr_assert(xd_profile_open(other, "mine", XD_PROFILE_BOUND, &why) == XD_ERR_FORBIDDEN);
    struct xd_call call = {.profile = "mine", .callee = "echo"};
    struct xd_future *queued;
    cr_assert(xd_submit(owner, &call, &queued, NULL) == XD_OK);
    sys_await_counter(other, "queued", 1);
    xd_client_close(owner);
    sys_await_counter(other, "queued", 0);
    sys_await_counter(other, "profiles", 0);
    cr_assert(xd_future_outcome(queued) == XD_OUTCOME_BROKER_GONE);
    xd_future_free(queued);
    xd_client_close(other);
}
