/* SPDX-License-Identifier: MIT */
/* Profiles through real processes: settings while they run, whose turn it is, what is
 * told of them. */
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

TestSuite(profiles, .init = begin, .fini = end, .timeout = 300);

static void set(const char *name, struct xd_profile_settings settings)
{
    struct xd_error why = {""};
    enum xd_err err = xd_profile_set(client, name, &settings, &why);
    cr_assert(err == XD_OK, "%s", why.text);
}

static void make(const char *name, struct xd_profile_settings settings)
{
    struct xd_error why = {""};
    enum xd_err err = xd_profile_make(client, name, 0, &settings, &why);
    cr_assert(err == XD_OK, "%s", why.text);
}

Test(profiles, paused_one_sends_nothing_until_it_is_resumed)
{
    sys_workers(&sys, 1, NULL);
    make("default", (struct xd_profile_settings){.set = XD_SET_PAUSED, .paused = true});
    struct xd_future *future = call_with(client, NULL, "count", NULL, NULL);
    const char *reason = call_await_state(future, "queued");
    cr_assert(strcmp(reason, "its profile is paused") == 0, "%s", reason);
    sys_sleep_ms(100);
    cr_assert(!xd_future_is_done(future));
    set("default", (struct xd_profile_settings){.set = XD_SET_PAUSED});
    call_expect(future, "1");
}

Test(profiles, limit_of_running_tasks_holds)
{
    sys_workers(&sys, 3, NULL);
    make("default",
         (struct xd_profile_settings){.set = XD_SET_MAX_RUNNING, .max_running = 1});
    struct xd_future *futures[4];
    xd_time since = sys_now();
    for (int i = 0; i < 4; i++) {
        futures[i] = call_with(client, NULL, "sleep", "100", NULL);
    }
    const char *reason = call_await_state(futures[3], "queued");
    cr_assert(strstr(reason, "as many as it may") != NULL, "%s", reason);
    for (int i = 0; i < 4; i++) {
        call_expect_end(futures[i], XD_OUTCOME_DONE);
    }
    cr_assert(sys_now() - since >= 400 * XD_MS);
}

Test(profiles, what_is_over_a_quota_waits_in_its_client)
{
    struct xd_future *futures[20];
    make("default",
         (struct xd_profile_settings){.set = XD_SET_MAX_TASKS, .max_tasks = 5});
    for (int i = 0; i < 20; i++) {
        futures[i] = call_with(client, NULL, "count", NULL, NULL);
    }
    (void)call_await_state(futures[0], "queued");
    sys_sleep_ms(100);
    uint64_t queued = sys_counter(client, "queued");
    cr_assert(queued <= 5, "%llu are queued", (unsigned long long)queued);
    sys_workers(&sys, 1, NULL);
    for (int i = 0; i < 20; i++) {
        call_expect_end(futures[i], XD_OUTCOME_DONE);
    }
    set("default",
        (struct xd_profile_settings){.set = XD_SET_MAX_BYTES | XD_SET_LEARNED_CUTS,
                                     .max_bytes = 1 << 20,
                                     .learned_cuts = true});
}

static uint64_t cancel(const char *which)
{
    struct xd_bytes *answer;
    struct xd_error why = {""};
    enum xd_err err = xd_admin(client, "cancel", &which, 1, 10000, &answer, &why);
    cr_assert(err == XD_OK, "%s", why.text);
    uint64_t count = strtoull((const char *)answer->data, NULL, 10);
    xd_bytes_unref(answer);
    return count;
}

Test(profiles, many_tasks_are_cancelled_at_once)
{
    enum { EACH = 3, MANY = 5000 };
    const struct xd_call_options key = {.dedupe = "k"};
    struct xd_future *futures[EACH], *far[EACH], **many = calloc(MANY, sizeof *many);
    char session[40];
    struct xd_bytes *answer;
    const char *wrong = "key=";
    cr_assert(many != NULL);
    for (int i = 0; i < EACH; i++) {
        futures[i] = call_with(client, NULL, "count", NULL, i == 0 ? &key : NULL);
        far[i] = call_with(client, "far", "count", NULL, NULL);
    }
    (void)call_await_state(far[EACH - 1], "queued");
    cr_assert(cancel("key=k") == 1);
    call_expect_end(futures[0], XD_OUTCOME_CANCELLED);
    cr_assert(cancel("profile=far") == EACH);
    for (int i = 0; i < EACH; i++) {
        call_expect_end(far[i], XD_OUTCOME_CANCELLED);
    }
    for (int i = 0; i < MANY; i++) {
        many[i] = call_with(client, NULL, "count", NULL, NULL);
    }
    (void)call_await_state(many[MANY - 1], "queued");
    (void)snprintf(session,
                   sizeof session,
                   "session=%llu",
                   (unsigned long long)xd_client_session(client).n);
    cr_assert(cancel(session) == MANY + EACH - 1);
    for (int i = 0; i < MANY; i++) {
        call_expect_end(many[i], XD_OUTCOME_CANCELLED);
    }
    for (int i = 1; i < EACH; i++) {
        call_expect_end(futures[i], XD_OUTCOME_CANCELLED);
    }
    cr_assert(cancel(session) == 0);
    cr_assert(xd_admin(client, "cancel", &wrong, 1, 10000, &answer, NULL) ==
              XD_ERR_INVALID);
    free(many);
}

/* Two profiles on the workers of a third, of weights 1 and 4: what they get of them. */
Test(profiles, weights_share_workers)
{
    struct xd_profile_settings of_pool = {.set = XD_SET_POOL | XD_SET_WEIGHT,
                                          .pool = "pool",
                                          .weight = 1};
    sys_workers(&sys, 1, "pool");
    make("light", of_pool);
    make("heavy", of_pool);
    set("heavy", (struct xd_profile_settings){.set = XD_SET_WEIGHT, .weight = 4});
    enum { TASKS = 100 };
    static struct xd_future *futures[2][TASKS];
    struct xd_future *block = call_block(client, "pool", 600);
    for (int i = 0; i < TASKS; i++) {
        futures[0][i] = call_with(client, "light", "sleep", "5", NULL);
        futures[1][i] = call_with(client, "heavy", "sleep", "5", NULL);
    }
    call_expect_end(block, XD_OUTCOME_DONE);
    for (int i = 0; i < TASKS; i++) {
        sys_expect(futures[1][i], XD_OUTCOME_DONE);
    }
    int light = 0;
    for (int i = 0; i < TASKS; i++) {
        light += xd_future_is_done(futures[0][i]) ? 1 : 0;
    }
    cr_assert(light >= 15 && light <= 45, "%d of the light one beside %d", light, TASKS);
    for (int i = 0; i < TASKS; i++) {
        call_expect_end(futures[0][i], XD_OUTCOME_DONE);
        xd_future_free(futures[1][i]);
    }
}

Test(profiles, settings_that_may_not_be_are_refused_by_name)
{
    static const struct {
        const char *field;
        struct xd_profile_settings settings;
    } wrong[] = {
        {"weight", {.set = XD_SET_WEIGHT, .weight = -1}},
        {"weight", {.set = XD_SET_WEIGHT, .weight = 0}},
        {"weight", {.set = XD_SET_WEIGHT, .weight = 1e7}},
        {"policy", {.set = XD_SET_POLICY}},
        {"policy", {.set = XD_SET_POLICY, .policy = "lottery"}},
        {"pool", {.set = XD_SET_POOL}},
        {"set", {.set = 1u << 20}},
    };
    struct xd_error why = {""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        enum xd_err err = xd_profile_make(client, "p", 0, &wrong[i].settings, &why);
        cr_assert(err == XD_ERR_INVALID, "%s gave %s", wrong[i].field, xd_err_name(err));
        cr_assert(strncmp(why.text, wrong[i].field, strlen(wrong[i].field)) == 0,
                  "not %s: %s",
                  wrong[i].field,
                  why.text);
    }
    struct xd_profile_settings fifo = {.set = XD_SET_POLICY, .policy = "fifo"};
    cr_assert(xd_profile_set(client, "nowhere", &fifo, &why) == XD_ERR_NOT_FOUND);
    struct xd_future *waiting = call_with(client, "full", "count", NULL, NULL);
    (void)call_await_state(waiting, "queued");
    cr_assert(xd_profile_set(client, "full", &fifo, &why) == XD_ERR_EXISTS);
    cr_assert(strstr(why.text, "policy") != NULL, "%s", why.text);
    cr_assert(xd_future_cancel(waiting) == XD_OK);
    call_expect_end(waiting, XD_OUTCOME_CANCELLED);
}

/* ---- what is told */

struct told {
    size_t running, delayed, others;
    struct xd_task_state last;
};

static void note(void *context, const struct xd_task_state *state)
{
    struct told *told = context;
    if (strcmp(state->state, "running") == 0) {
        told->running++;
        told->last = *state;
    } else if (strcmp(state->state, "delayed") == 0) {
        told->delayed++;
    } else {
        told->others++;
    }
}

static struct told ask_tasks(const char *profile)
{
    struct told told = {0};
    struct xd_error why = {""};
    enum xd_err err = xd_client_tasks(client, profile, 5000, note, &told, &why);
    cr_assert(err == XD_OK, "%s", why.text);
    return told;
}

Test(profiles, open_tasks_are_told_in_one_question)
{
    const struct xd_call_options later = {.delay_ms = 60000};
    sys_workers(&sys, 1, NULL);
    struct xd_future *running = call_block(client, NULL, 2000);
    struct xd_future *waiting = call_with(client, NULL, "count", NULL, NULL);
    struct xd_future *delayed = call_with(client, "other", "count", NULL, &later);
    sys_sleep_ms(50);
    struct told told = ask_tasks(NULL);
    cr_assert(told.running == 1 && told.delayed == 1 && told.others == 0);
    struct xd_task_id id = xd_future_id(running);
    cr_assert(memcmp(&told.last.id, &id, sizeof id) == 0);
    cr_assert(told.last.worker.n != 0 && told.last.attempt == 1);
    cr_assert(told.last.run_ms >= 20 && told.last.run_ms < 60000);
    told = ask_tasks("default");
    cr_assert(told.running == 1 && told.delayed == 0);
    told = ask_tasks("nowhere");
    cr_assert(told.running == 0 && told.delayed == 0);
    cr_assert(xd_future_cancel(delayed) == XD_OK);
    call_expect_end(delayed, XD_OUTCOME_CANCELLED);
    call_expect_end(waiting, XD_OUTCOME_DONE);
    call_expect_end(running, XD_OUTCOME_DONE);
}

Test(profiles, what_has_ended_is_explained_as_such)
{
    sys_workers(&sys, 1, NULL);
    struct xd_future *future = call_with(client, NULL, "count", NULL, NULL);
    sys_expect(future, XD_OUTCOME_DONE);
    (void)call_await_state(future, "ended");
    xd_future_free(future);
}

/* ---- another session's load */

/* 20,000 tasks lie in one profile; a query in another one begins at the next free
 * worker. */
Test(profiles, short_query_does_not_wait_for_a_long_queue)
{
    enum { TASKS = 20000, BATCH = 200 };
    struct xd_profile_settings of_pool = {.set = XD_SET_POOL, .pool = "pool"};
    sys_workers(&sys, 4, "pool");
    make("load", of_pool);
    make("query", of_pool);
    struct xd_client *loader = sys_client(&sys);
    struct xd_payload payload = {.tag = "text"};
    cr_assert(xd_bytes_text("20", &payload.bytes) == XD_OK);
    static struct xd_call calls[BATCH];
    static struct xd_future *futures[TASKS];
    struct xd_error why = {""};
    for (int i = 0; i < BATCH; i++) {
        calls[i] = (struct xd_call){.profile = "load",
                                    .callee = "sleep",
                                    .payloads = &payload,
                                    .payload_count = 1};
    }
    for (int at = 0; at < TASKS; at += BATCH) {
        cr_assert(xd_submit_many(loader, calls, BATCH, futures + at, &why) == XD_OK,
                  "%s",
                  why.text);
    }
    sys_await_counter(client, "accepted", TASKS);
    for (int i = 0; i < 5; i++) {
        uint64_t before = sys_counter(client, "dispatched");
        call_expect(call_with(client, "query", "echo", "42", NULL), "42");
        uint64_t past = sys_counter(client, "dispatched") - before;
        cr_assert(past < TASKS / 50, "%d tasks of the queue went before", (int)past);
        cr_assert(sys_counter(client, "queued") > TASKS / 2);
        sys_sleep_ms(37);
    }
    xd_client_close(loader);
    for (int i = 0; i < TASKS; i++) {
        xd_future_free(futures[i]);
    }
    xd_bytes_unref(payload.bytes);
}
