/* SPDX-License-Identifier: MIT */
/* Options of tasks through real processes: in which order, when, how often, how long. */
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
    sys_workers(&sys, 1, NULL);
    client = sys_client(&sys);
}

static void end(void)
{
    xd_client_close(client);
    sys_end(&sys);
}

TestSuite(options, .init = begin, .fini = end, .timeout = 300);

static void set_policy(const char *name)
{
    struct xd_profile_settings settings = {.set = XD_SET_POLICY, .policy = name};
    struct xd_error why = {""};
    enum xd_err err = xd_profile_make(client, "default", 0, &settings, &why);
    cr_assert(err == XD_OK, "%s", why.text);
}

static int elapsed_ms(xd_time since)
{
    return (int)((sys_now() - since) / XD_MS);
}

/* ---- order */

Test(options, priority_goes_before_arrival)
{
    const struct xd_call_options batch = {.priority = XD_PRIORITY_BATCH},
                                 urgent = {.priority = XD_PRIORITY_INTERACTIVE};
    struct xd_future *order[4];
    order[0] = call_block(client, NULL, 600);
    order[3] = call_with(client, NULL, "count", NULL, &batch);
    order[2] = call_with(client, NULL, "count", NULL, NULL);
    order[1] = call_with(client, NULL, "count", NULL, &urgent);
    call_expect_order(client, order, 4);
}

Test(options, rank_decides_under_the_policy_priority)
{
    set_policy("priority");
    const struct xd_call_options low = {.rank = -5}, middle = {.rank = 0},
                                 high = {.rank = 5};
    struct xd_future *order[4];
    order[0] = call_block(client, NULL, 600);
    order[2] = call_with(client, NULL, "count", NULL, &middle);
    order[3] = call_with(client, NULL, "count", NULL, &low);
    order[1] = call_with(client, NULL, "count", NULL, &high);
    call_expect_order(client, order, 4);
}

Test(options, hint_of_a_short_run_goes_first)
{
    set_policy("sjf");
    const struct xd_call_options slow = {.task_class = "slow", .estimate_us = 1000000},
                                 quick = {.task_class = "quick", .estimate_us = 1000};
    struct xd_future *order[3];
    order[0] = call_block(client, NULL, 600);
    order[2] = call_with(client, NULL, "sleep", "1", &slow);
    order[1] = call_with(client, NULL, "sleep", "1", &quick);
    call_expect_order(client, order, 3);
}

Test(options, run_times_are_learned_by_class)
{
    set_policy("sjf");
    const struct xd_call_options slow = {.task_class = "slow"},
                                 quick = {.task_class = "quick"};
    for (int i = 0; i < 5; i++) {
        call_expect(call_with(client, NULL, "sleep", "60", &slow), "slept");
        call_expect(call_with(client, NULL, "sleep", "1", &quick), "slept");
    }
    struct xd_future *passed;
    while (xd_client_next(client, &passed) == XD_OK) {
    }
    struct xd_future *order[3];
    order[0] = call_block(client, NULL, 600);
    order[2] = call_with(client, NULL, "sleep", "1", &slow);
    order[1] = call_with(client, NULL, "sleep", "60", &quick);
    struct xd_task_why why;
    struct xd_error error;
    cr_assert(xd_task_explain(order[2], 5000, &why, &error) == XD_OK);
    cr_assert(why.predicted_us > 20000, "%llu us", (unsigned long long)why.predicted_us);
    call_expect_order(client, order, 3);
}

/* ---- time */

Test(options, delay_is_waited_for_and_does_not_hold_up_others)
{
    const struct xd_call_options later = {.delay_ms = 300};
    struct xd_future *order[2];
    xd_time since = sys_now();
    order[1] = call_with(client, NULL, "count", NULL, &later);
    (void)call_await_state(order[1], "delayed");
    order[0] = call_with(client, NULL, "count", NULL, NULL);
    call_expect_order(client, order, 2);
    cr_assert(elapsed_ms(since) >= 300, "after %d ms", elapsed_ms(since));
}

Test(options, deadline_ends_what_has_not_begun)
{
    const struct xd_call_options soon = {.deadline_ms = 100},
                                 late = {.deadline_ms = 60000};
    struct xd_future *block = call_block(client, NULL, 1500);
    struct xd_future *missed = call_with(client, NULL, "count", NULL, &soon);
    struct xd_future *met = call_with(client, NULL, "count", NULL, &late);
    call_expect_end(missed, XD_OUTCOME_EXPIRED);
    cr_assert(!xd_future_is_done(block));
    call_expect_end(met, XD_OUTCOME_DONE);
    call_expect_end(block, XD_OUTCOME_DONE);
}

Test(options, limit_of_a_run_counts_from_its_start)
{
    const struct xd_call_options limit = {.limit_ms = 300 * (uint64_t)sys_slowness()};
    struct xd_future *block = call_block(client, NULL, 600);
    struct xd_future *quick = call_with(client, NULL, "count", NULL, &limit);
    struct xd_future *endless = call_with(client, NULL, "spin", NULL, &limit);
    call_expect_end(block, XD_OUTCOME_DONE);
    call_expect_end(quick, XD_OUTCOME_DONE);
    call_expect_end(endless, XD_OUTCOME_EXPIRED);
    call_expect_end(call_with(client, NULL, "count", NULL, NULL), XD_OUTCOME_DONE);
}

static void count_events(void *context,
                         struct xd_future *future,
                         uint32_t part,
                         const char *kind,
                         struct xd_bytes *bytes)
{
    (void)future, (void)part, (void)kind, (void)bytes;
    ++*(int *)context;
}

Test(options, limit_of_a_run_begins_anew_with_each_touch)
{
    static int events;
    const struct xd_call_options limit = {.limit_ms = 500 * (uint64_t)sys_slowness()};
    char ms[16];
    (void)snprintf(ms, sizeof ms, "%d", 1500 * sys_slowness());
    xd_client_on_event(client, count_events, &events);
    call_expect(call_with(client, NULL, "touch", ms, &limit), "touched");
    cr_assert(events == 0, "%d signs of life were passed on", events);
    call_expect_end(call_with(client, NULL, "sleep", ms, &limit), XD_OUTCOME_EXPIRED);
}

/* ---- once more */

static uint32_t attempt_of(const struct xd_future *future)
{
    return xd_future_result(future, 0)->attempt;
}

Test(options, error_is_tried_again_as_often_as_allowed)
{
    const struct xd_call_options twice = {.retries_failed = 2},
                                 once = {.retries_failed = 1}, lost = {.retries_lost = 5};
    call_expect(call_with(client, NULL, "attempt", "1", NULL), "1");
    call_expect(call_with(client, NULL, "attempt", "3", &twice), "3");
    call_expect_end(call_with(client, NULL, "attempt", "3", &lost), XD_OUTCOME_FAILED);
    struct xd_future *future = call_with(client, NULL, "attempt", "3", &once);
    sys_expect(future, XD_OUTCOME_FAILED);
    cr_assert(attempt_of(future) == 2, "%u", attempt_of(future));
    cr_assert(xd_future_result(future, 0)->worker.n != 0);
    xd_future_free(future);
}

Test(options, backoff_doubles)
{
    const struct xd_call_options slowly = {.retries_failed = 2, .backoff_ms = 150};
    xd_time since = sys_now();
    call_expect(call_with(client, NULL, "attempt", "3", &slowly), "3");
    cr_assert(elapsed_ms(since) >= 450, "after %d ms", elapsed_ms(since));
}

Test(options, lost_worker_is_tried_again)
{
    const struct xd_call_options again = {.retries_lost = 1},
                                 error = {.retries_failed = 5};
    call_expect(call_with(client, NULL, "die", "2", &again), "2");
    call_expect_end(call_with(client, NULL, "die", "2", &error), XD_OUTCOME_LOST);
}

Test(options, poison_is_put_aside_until_it_is_kicked)
{
    const struct xd_call_options stubborn = {.retries_lost = 20};
    struct xd_error why = {""};
    struct xd_future *poison = call_with(client, NULL, "die", "4", &stubborn);
    const char *reason = call_await_state(poison, "quarantine");
    cr_assert(strstr(reason, "kick") != NULL, "%s", reason);
    call_expect_end(call_with(client, NULL, "count", NULL, NULL), XD_OUTCOME_DONE);
    cr_assert(xd_profile_kick(client, "default", &why) == XD_OK, "%s", why.text);
    call_expect(poison, "4");
    cr_assert(xd_profile_kick(client, "nowhere", &why) == XD_ERR_NOT_FOUND);
}

/* ---- keys */

Test(options, later_task_replaces_the_earlier_one_of_its_key)
{
    const struct xd_call_options slider = {.replaces = "slider"},
                                 other = {.replaces = "other"};
    struct xd_future *old = call_with(client, NULL, "spin", NULL, &slider);
    (void)call_await_state(old, "running");
    struct xd_future *middle = call_with(client, NULL, "count", NULL, &slider);
    struct xd_future *beside = call_with(client, NULL, "count", NULL, &other);
    struct xd_future *new = call_with(client, NULL, "count", NULL, &slider);
    call_expect_end(old, XD_OUTCOME_CANCELLED);
    call_expect_end(beside, XD_OUTCOME_DONE);
    call_expect_end(new, XD_OUTCOME_DONE);
    sys_expect(middle, XD_OUTCOME_CANCELLED);
    cr_assert(strstr(xd_future_error(middle), "later task") != NULL,
              "%s",
              xd_future_error(middle));
    xd_future_free(middle);
}

Test(options, twins_of_a_key_run_once)
{
    const struct xd_call_options key = {.dedupe = "2024-01"},
                                 other = {.dedupe = "2024-02"};
    struct xd_future *block = call_block(client, NULL, 600);
    struct xd_future *first = call_with(client, NULL, "count", NULL, &key);
    struct xd_future *twin = call_with(client, NULL, "count", NULL, &key);
    call_expect_end(block, XD_OUTCOME_DONE);
    call_expect(first, "1");
    call_expect(twin, "1");
    call_expect(call_with(client, NULL, "count", NULL, &key), "1");
    call_expect(call_with(client, NULL, "count", NULL, &other), "2");
    call_expect(call_with(client, NULL, "count", NULL, NULL), "3");
}

/* ---- what is wrong */

Test(options, wrong_values_are_refused_by_name)
{
    static char long_name[300];
    static struct xd_future *const nobody[] = {NULL};
    memset(long_name, 'x', sizeof long_name - 1);
    static const struct {
        const char *field;
        struct xd_call_options options;
    } wrong[] = {
        {"priority", {.priority = (enum xd_priority)4}},
        {"rank", {.rank = 32768}},
        {"rank", {.rank = -32769}},
        {"task_class", {.task_class = "a\nb"}},
        {"task_class", {.task_class = ""}},
        {"deadline_ms", {.delay_ms = 10, .deadline_ms = 10}},
        {"deadline_ms", {.delay_ms = 10, .deadline_ms = 9}},
        {"retries_failed", {.retries_failed = 1001}},
        {"retries_lost", {.retries_lost = 4000000000u}},
        {"replaces", {.replaces = long_name}},
        {"dedupe", {.dedupe = "\""}},
        {"needs", {.needs = "gpu>="}},
        {"needs", {.needs = "=1"}},
        {"after_count", {.after_count = 33}},
        {"after[0]", {.after_count = 1, .after = nobody}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        call_refused(client, wrong[i].field, &wrong[i].options);
    }
    struct xd_client *stranger = sys_client(&sys);
    struct xd_future *theirs = call_with(stranger, NULL, "count", NULL, NULL);
    struct xd_future *const after[] = {theirs};
    const struct xd_call_options foreign = {.after = after, .after_count = 1};
    call_refused(client, "after[0]", &foreign);
    call_expect_end(theirs, XD_OUTCOME_DONE);
    xd_client_close(stranger);
    call_expect_end(call_with(client, NULL, "count", NULL, NULL), XD_OUTCOME_DONE);
}

Test(options, everywhere_goes_with_few_of_them)
{
    const struct xd_call_options later = {.delay_ms = 10}, classed = {.task_class = "c"};
    struct xd_call call = {.callee = "pid", .everywhere = true, .options = &later};
    struct xd_future *future;
    struct xd_error why = {""};
    cr_assert(xd_submit(client, &call, &future, &why) == XD_ERR_INVALID);
    cr_assert(strncmp(why.text, "delay_ms", 8) == 0, "%s", why.text);
    call.options = &classed;
    cr_assert(xd_submit(client, &call, &future, &why) == XD_OK, "%s", why.text);
    call_expect_end(future, XD_OUTCOME_DONE);
}
