/* SPDX-License-Identifier: MIT */
/* Setups, and the counts of a profile, through real processes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

TestSuite(setups, .init = begin, .fini = end, .timeout = 120);

static struct xd_setup *make_setup(struct xd_client *client, const char *text)
{
    struct xd_payload payload = {.name = "words"};
    struct xd_setup *setup;
    struct xd_error why = {""};
    cr_assert(xd_bytes_text(text, &payload.bytes) == XD_OK);
    cr_assert(xd_setup_new(client, &payload, 1, &setup, &why) == XD_OK, "%s", why.text);
    xd_bytes_unref(payload.bytes);
    return setup;
}

/* The handler answers with "SESSION NUMBER WORDS" of what its job has, after some
 * milliseconds. */
static struct xd_future *ask_setup(struct xd_client *client,
                                   struct xd_setup *setup,
                                   const char *profile,
                                   const char *ms)
{
    struct xd_payload payload = {.tag = "text"};
    struct xd_call call = {.callee = "setup",
                           .profile = profile,
                           .payloads = &payload,
                           .payload_count = 1,
                           .setup = setup};
    struct xd_future *future;
    struct xd_error why = {""};
    cr_assert(xd_bytes_text(ms, &payload.bytes) == XD_OK);
    cr_assert(xd_submit(client, &call, &future, &why) == XD_OK, "%s", why.text);
    xd_bytes_unref(payload.bytes);
    return future;
}

static void expect_answer(struct xd_future *future,
                          struct xd_client *client,
                          unsigned number,
                          const char *words)
{
    char text[128];
    (void)snprintf(text,
                   sizeof text,
                   number == 0 ? "none" : "%llu %u %s",
                   (unsigned long long)xd_client_session(client).n,
                   number,
                   words);
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_bytes *answer = xd_future_result(future, 0)->frames[0].bytes;
    cr_assert(xd_bytes_is(answer, text),
              "'%.*s' instead of '%s'",
              (int)answer->size,
              (const char *)answer->data,
              text);
    xd_future_free(future);
}

Test(setups, each_task_finds_its_own_at_any_worker)
{
    sys_workers(&sys, 2, NULL);
    sys_workers(&sys, 1, "other");
    struct xd_client *client = sys_client(&sys);
    struct xd_setup *a = make_setup(client, "first"), *b = make_setup(client, "second");
    struct xd_future *futures[30];
    for (size_t i = 0; i < 30; i++) {
        struct xd_setup *setup = i % 3 == 0 ? a : i % 3 == 1 ? b : NULL;
        futures[i] = ask_setup(client, setup, i < 24 ? NULL : "other", "1");
    }
    for (unsigned i = 0; i < 30; i++) {
        expect_answer(futures[i],
                      client,
                      i % 3 == 2 ? 0 : i % 3 + 1,
                      i % 3 == 0 ? "first" : "second");
    }
    cr_assert(sys_counter(client, "setups") == 2);
    xd_setup_free(a);
    sys_await_counter(client, "setups", 1);
    expect_answer(ask_setup(client, b, "other", "0"), client, 2, "second");
    xd_setup_free(b);
    sys_await_counter(client, "setups", 0);
    cr_assert(sys_counter(client, "setup_copies") == 0);
    cr_assert(sys_counter(client, "failed") == 0);
    xd_client_close(client);
}

Test(setups, a_setup_given_up_while_its_tasks_are_held_ahead_is_still_there)
{
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_future *futures[200];
    for (size_t i = 0; i < 50; i++) { /* short ones: from now on they are sent ahead */
        futures[i] = ask_setup(client, NULL, NULL, "0");
    }
    for (size_t i = 0; i < 50; i++) {
        expect_answer(futures[i], client, 0, "");
    }
    struct xd_setup *setup = make_setup(client, "held");
    for (size_t i = 0; i < 200; i++) {
        futures[i] = ask_setup(client, setup, NULL, "0");
    }
    xd_setup_free(setup);
    for (size_t i = 0; i < 200; i++) {
        expect_answer(futures[i], client, 1, "held");
    }
    sys_await_counter(client, "setups", 0);
    sys_await_counter(client, "setup_copies", 0);
    xd_client_close(client);
}

Test(setups, an_everywhere_task_brings_its_setup_to_every_worker)
{
    sys_workers(&sys, 3, NULL);
    struct xd_client *client = sys_client(&sys);
    struct xd_setup *setup = make_setup(client, "all");
    struct xd_call call = {.callee = "setup",
                           .setup = setup,
                           .everywhere = true,
                           .min_workers = 3};
    struct xd_future *future;
    cr_assert(xd_submit(client, &call, &future, NULL) == XD_OK);
    sys_expect(future, XD_OUTCOME_DONE);
    cr_assert(xd_future_parts(future) == 3);
    cr_assert(sys_counter(client, "setup_copies") == 3);
    xd_future_free(future);
    xd_setup_free(setup);
    xd_client_close(client);
}

/* One after the other at one worker, whose C library is the only one that remembers. */
Test(setups, sessions_that_come_and_go_leave_nothing)
{
    enum { WARM = 50, SESSIONS = 300 };
    sys_workers(&sys, 1, NULL);
    struct xd_client *watch = sys_client(&sys);
    static char words[192 * 1024];
    memset(words, 'w', sizeof words);
    words[sizeof words - 1] = '\0';
    struct xd_future *future = sys_call(watch, "pid", NULL);
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_bytes *pid_text = xd_future_result(future, 0)->frames[0].bytes;
    char pid_room[24] = "";
    memcpy(pid_room, pid_text->data, pid_text->size);
    pid_t worker = (pid_t)strtol(pid_room, NULL, 10);
    xd_future_free(future);
    size_t before = 0;
    for (int i = 0; i < SESSIONS; i++) {
        struct xd_client *client = sys_client(&sys);
        struct xd_setup *setup = make_setup(client, words);
        struct xd_future *one = ask_setup(client, setup, NULL, "0");
        sys_expect(one, XD_OUTCOME_DONE);
        if (i % 2 == 0) { /* else the session ends with it */
            xd_setup_free(setup);
            setup = NULL;
        }
        xd_future_free(one);
        xd_client_close(client);
        xd_setup_free(setup);
        if (i == WARM) {
            before = sys_rss(worker);
        }
    }
    sys_await_counter(watch, "clients", 1);
    cr_assert(sys_counter(watch, "setups") == 0);
    cr_assert(sys_counter(watch, "setup_copies") == 0);
    size_t grown = sys_rss(worker) > before ? sys_rss(worker) - before : 0;
    cr_assert(grown < (SESSIONS - WARM) * sizeof words / 3, "%zu bytes more", grown);
    xd_client_close(watch);
}

static struct xd_profile_counts counts_of(struct xd_client *client, const char *profile)
{
    struct xd_profile_counts counts;
    struct xd_error why = {""};
    cr_assert(xd_profile_counts(client, profile, 10000, &counts, &why) == XD_OK,
              "%s",
              why.text);
    return counts;
}

Test(setups, counts_have_what_was_just_submitted)
{
    struct xd_client *client = sys_client(&sys);
    struct xd_future *futures[70];
    for (size_t i = 0; i < 70; i++) {
        futures[i] = ask_setup(client, NULL, "p", "0");
        struct xd_profile_counts counts = counts_of(client, "p");
        cr_assert(counts.queued == i + 1,
                  "%llu of %zu",
                  (unsigned long long)counts.queued,
                  i + 1);
        cr_assert(counts.workers + counts.joined + counts.leased + counts.ended == 0);
    }
    sys_workers(&sys, 2, "p");
    for (size_t i = 0; i < 70; i++) {
        expect_answer(futures[i], client, 0, "");
    }
    struct xd_profile_counts counts = counts_of(client, "p");
    cr_assert(counts.workers == 2 && counts.joined == 2 && counts.queued == 0 &&
              counts.leased == 0 && counts.ended == 70);
    counts = counts_of(client, "default");
    cr_assert(counts.workers == 0 && counts.ended == 0);
    xd_client_close(client);
}

Test(setups, counts_of_a_bound_profile_are_its_makers)
{
    struct xd_client *client = sys_client(&sys), *other = sys_client(&sys);
    struct xd_profile_counts counts;
    struct xd_error why = {""};
    cr_assert(xd_profile_open(client, "mine", XD_PROFILE_BOUND, &why) == XD_OK);
    cr_assert(xd_profile_counts(other, "mine", 10000, &counts, &why) == XD_ERR_FORBIDDEN);
    cr_assert(strstr(why.text, "another session") != NULL, "%s", why.text);
    cr_assert(xd_profile_counts(other, "a\nb", 10000, &counts, &why) == XD_ERR_INVALID);
    (void)counts_of(client, "mine");
    xd_client_close(other);
    xd_client_close(client);
}

Test(setups, counts_add_what_the_broker_has_no_room_for)
{
    const char *small[] = {"--set", "profile_tasks=5", NULL};
    sys_end(&sys);
    memset(&sys, 0, sizeof sys);
    sys_begin(&sys, small);
    struct xd_client *client = sys_client(&sys);
    struct xd_future *futures[12];
    for (size_t i = 0; i < 12; i++) {
        futures[i] = ask_setup(client, NULL, "p", "0");
        struct xd_profile_counts counts = counts_of(client, "p");
        cr_assert(counts.queued == i + 1,
                  "%llu of %zu",
                  (unsigned long long)counts.queued,
                  i + 1);
    }
    sys_workers(&sys, 1, "p");
    for (size_t i = 0; i < 12; i++) {
        expect_answer(futures[i], client, 0, "");
    }
    xd_client_close(client);
}
