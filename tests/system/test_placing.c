/* SPDX-License-Identifier: MIT */
/* Options of tasks through real processes: at which worker, after which others, with
 * what. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

static struct sys sys;
static struct xd_client *client;

static void begin(void)
{
    sys_begin(&sys, NULL);
    client = sys_client(&sys);
}

static void end(void)
{
    xd_client_close(client);
    sys_end(&sys);
}

TestSuite(placing, .init = begin, .fini = end, .timeout = 300);

static void add_worker(const char *has)
{
    uint64_t before = sys_counter(client, "workers");
    const char *arguments[] = {"--module", getenv("XDT_HANDLERS"), "--has", has, NULL};
    (void)sys_worker_with(&sys, arguments);
    sys_await_counter(client, "workers", before + 1);
}

static uint64_t worker_of(struct xd_future *future)
{
    sys_expect(future, XD_OUTCOME_DONE);
    uint64_t worker = xd_future_result(future, 0)->worker.n;
    cr_assert(worker != 0);
    xd_future_free(future);
    return worker;
}

/* ---- needs */

Test(placing, needs_are_met)
{
    const struct xd_call_options gpu = {.needs = "gpu>=1"}, plain = {.needs = "zone=a"};
    add_worker("gpu=1 zone=b");
    add_worker("zone=a");
    uint64_t with = worker_of(call_with(client, NULL, "pid", NULL, &gpu));
    uint64_t without = worker_of(call_with(client, NULL, "pid", NULL, &plain));
    cr_assert(with != without);
    for (int i = 0; i < 20; i++) {
        struct xd_future *one = call_with(client, NULL, "pid", NULL, &gpu);
        struct xd_future *other = call_with(client, NULL, "pid", NULL, &plain);
        cr_assert(worker_of(one) == with);
        cr_assert(worker_of(other) == without);
    }
}

struct warning {
    struct xd_future *of;
    char text[128];
};

static void note_warning(void *context,
                         struct xd_future *future,
                         uint32_t part,
                         const char *kind,
                         struct xd_bytes *bytes)
{
    struct warning *warning = context;
    (void)part;
    if (strcmp(kind, "warning") == 0) {
        (void)snprintf(warning->text,
                       sizeof warning->text,
                       "%.*s",
                       (int)bytes->size,
                       (const char *)bytes->data);
        __atomic_store_n(&warning->of, future, __ATOMIC_RELEASE);
    }
}

Test(placing, needs_that_nobody_meets_are_warned_of_and_wait)
{
    static struct warning warning;
    const struct xd_call_options needs = {.needs = "gpu>=2"};
    add_worker("gpu=1");
    xd_client_on_event(client, note_warning, &warning);
    struct xd_future *future = call_with(client, NULL, "count", NULL, &needs);
    const char *reason = call_await_state(future, "queued");
    cr_assert(strstr(reason, "needs") != NULL, "%s", reason);
    for (int i = 0; i < 5000 && __atomic_load_n(&warning.of, __ATOMIC_ACQUIRE) == NULL;
         i++) {
        sys_sleep_ms(1);
    }
    cr_assert(warning.of == future);
    cr_assert(strstr(warning.text, "needs") != NULL, "%s", warning.text);
    add_worker("gpu=2");
    call_expect_end(future, XD_OUTCOME_DONE);
}

Test(placing, a_slot_has_its_share_of_the_host)
{
    const struct xd_call_options share = {.needs = "cores>=0.01 memory>=1M fast"};
    add_worker("fast");
    call_expect_end(call_with(client, NULL, "count", NULL, &share), XD_OUTCOME_DONE);
}

Test(placing, worker_that_is_asked_for_gets_it)
{
    add_worker("a");
    add_worker("b");
    const struct xd_call_options first = {.needs = "a"};
    struct xd_call_options there = {
        .worker = {worker_of(call_with(client, NULL, "pid", NULL, &first))}};
    struct xd_future *futures[20];
    for (int i = 0; i < 20; i++) {
        futures[i] = call_with(client, NULL, "sleep", "5", &there);
    }
    for (int i = 0; i < 20; i++) {
        cr_assert(worker_of(futures[i]) == there.worker.n);
    }
}

/* ---- after */

/* `child` comes after the two, whose results are wanted in that order. */
static struct xd_future *after_two(struct xd_future *one, struct xd_future *two)
{
    struct xd_future *const after[] = {one, two};
    const struct xd_call_options options = {.after = after, .after_count = 2};
    return call_with(client, NULL, "given", "own", &options);
}

Test(placing, results_of_tasks_that_are_open_are_handed_over)
{
    sys_workers(&sys, 2, NULL);
    struct xd_future *slow = call_with(client, NULL, "sleep", "200", NULL);
    struct xd_future *quick = call_with(client, NULL, "echo", "quick", NULL);
    struct xd_future *child = after_two(slow, quick);
    struct xd_future *grandchild = after_two(child, quick);
    (void)call_await_state(child, "waiting");
    call_expect(child, "own[slept][quick]");
    call_expect(grandchild, "own[own[slept][quick]][quick]");
    call_expect_end(slow, XD_OUTCOME_DONE);
    call_expect_end(quick, XD_OUTCOME_DONE);
}

Test(placing, results_that_the_broker_has_forgotten_come_with_the_task)
{
    sys_workers(&sys, 1, NULL);
    struct xd_future *one = call_with(client, NULL, "echo", "one", NULL);
    struct xd_future *two = call_with(client, NULL, "echo", "two", NULL);
    sys_expect(one, XD_OUTCOME_DONE);
    sys_expect(two, XD_OUTCOME_DONE);
    sys_await_counter(client, "unacked", 0);
    call_expect(after_two(two, one), "own[two][one]");
    struct xd_future *open = call_with(client, NULL, "sleep", "100", NULL);
    struct xd_future *mixed = after_two(open, one), *other = after_two(one, open);
    call_expect(mixed, "own[slept][one]");
    call_expect(other, "own[one][slept]");
    xd_future_free(open);
    xd_future_free(one);
    xd_future_free(two);
}

Test(placing, large_results_are_handed_over)
{
    sys_workers(&sys, 2, NULL);
    struct xd_future *big = call_with(client, NULL, "big", "5000000", NULL);
    struct xd_future *medium = call_with(client, NULL, "big", "700000", NULL);
    struct xd_future *medium_too = call_with(client, NULL, "big", "700001", NULL);
    struct xd_future *ahead = after_two(big, medium);
    struct xd_future *all[] = {big, medium, medium_too, ahead};
    const struct xd_call_options options = {.after = all, .after_count = 4};
    struct xd_future *child = call_with(client, NULL, "given", NULL, &options);
    for (size_t i = 0; i < 3; i++) {
        sys_expect(all[i], XD_OUTCOME_DONE);
    }
    call_expect(ahead, "own[5000000 bytes][700000 bytes]");
    call_expect(child,
                "[5000000 bytes][700000 bytes][700001 bytes]"
                "[own[5000000 bytes][700000 bytes]]");
    call_expect(after_two(medium_too, big), "own[700001 bytes][5000000 bytes]");
    for (size_t i = 0; i < 3; i++) {
        xd_future_free(all[i]);
    }
    sys_await_counter(client, "relaying", 0);
}

Test(placing, a_task_may_come_twice_after_the_same_one)
{
    sys_workers(&sys, 1, NULL);
    struct xd_future *open = call_with(client, NULL, "sleep", "200", NULL);
    struct xd_future *big = call_with(client, NULL, "big", "5000000", NULL);
    struct xd_future *child = after_two(open, open), *large = after_two(big, big);
    call_expect(child, "own[slept][slept]");
    call_expect(large, "own[5000000 bytes][5000000 bytes]");
    call_expect(after_two(big, big), "own[5000000 bytes][5000000 bytes]");
    call_expect(after_two(open, open), "own[slept][slept]");
    xd_future_free(open);
    xd_future_free(big);
    sys_await_counter(client, "relaying", 0);
}

Test(placing, what_comes_after_a_failure_fails)
{
    sys_workers(&sys, 1, NULL);
    struct xd_future *fine = call_with(client, NULL, "echo", "fine", NULL);
    struct xd_future *bad = call_with(client, NULL, "fail", "the reason", NULL);
    struct xd_future *child = after_two(fine, bad), *grandchild = after_two(child, fine);
    sys_expect(child, XD_OUTCOME_FAILED);
    cr_assert(strstr(xd_future_error(child), "the reason") != NULL,
              "%s",
              xd_future_error(child));
    sys_expect(grandchild, XD_OUTCOME_FAILED);
    struct xd_future *late = after_two(fine, bad);
    sys_expect(late, XD_OUTCOME_FAILED);
    cr_assert(strstr(xd_future_error(late), "the reason") != NULL,
              "%s",
              xd_future_error(late));
    struct xd_future *all[] = {fine, bad, child, grandchild, late};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        xd_future_free(all[i]);
    }
}

/* A chain through two workers, each link submitted while the one before is open, whose
 * future is given up at once. */
Test(placing, a_long_chain_holds)
{
    sys_workers(&sys, 2, NULL);
    struct xd_future *last = call_with(client, NULL, "echo", "0", NULL);
    for (int i = 0; i < 300; i++) {
        const struct xd_call_options options = {.after = &last, .after_count = 1};
        struct xd_future *next =
            call_with(client, NULL, i % 50 == 49 ? "echo" : "given", "x", &options);
        xd_future_free(last);
        last = next;
    }
    call_expect(last, "x");
    sys_await_counter(client, "unacked", 0);
    cr_assert(sys_counter(client, "bytes") == 0);
}

static const char *const SMALL[] = {"--set", "client_bytes=20000", NULL};

static void begin_small(void)
{
    sys_begin(&sys, SMALL);
    client = sys_client(&sys);
}

TestSuite(placing_small, .init = begin_small, .fini = end, .timeout = 300);

static struct xd_future *after_one(struct xd_future *one, const char *own)
{
    const struct xd_call_options options = {.after = &one, .after_count = 1};
    return call_with(client, NULL, "given", own, &options);
}

/* Each result nearly fills what a client may have here: what comes after it is taken as
 * soon as there is room, or told that there will never be. */
Test(placing_small, what_comes_after_a_large_result_does_not_wait_for_ever)
{
    char own[10001];
    memset(own, 'x', sizeof own - 1);
    own[sizeof own - 1] = '\0';
    sys_workers(&sys, 1, NULL);
    struct xd_future *big = call_with(client, NULL, "big", "15000", NULL);
    call_expect(after_one(big, "own"), "own[15000 bytes]");
    call_expect(after_one(big, "own"), "own[15000 bytes]"); /* forgotten by now */
    struct xd_future *too_large = after_one(big, own);
    sys_expect(too_large, XD_OUTCOME_REJECTED);
    cr_assert(strstr(xd_future_error(too_large), "a client may have") != NULL,
              "%s",
              xd_future_error(too_large));
    xd_future_free(too_large);
    xd_future_free(big);
}
