/* SPDX-License-Identifier: MIT */
/* Budgets. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

static void few_client_tasks(struct xdb_core_config *config)
{
    config->client_tasks = 2;
}

static void few_profile_tasks(struct xdb_core_config *config)
{
    config->profile_tasks = 2;
}

static void few_broker_tasks(struct xdb_core_config *config)
{
    config->broker_tasks = 2;
}

static void few_bytes(struct xdb_core_config *config)
{
    config->broker_bytes = 2100;
}

static void third_is_busy(void (*change)(struct xdb_core_config *), uint32_t scope)
{
    struct xdt_desk *desk = xdt_desk_new(change);
    xdt_client(desk, 1);
    xdt_submit_many(desk, 1, 1, 3);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 1);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_BUSY, 3)->scope, scope);
    cr_assert_eq(xdt_stats(desk).refused, 1);
    cr_assert_eq(xdt_stats(desk).accepted, 2);
    xdt_desk_free(desk);
}

Test(admit, each_budget_of_tasks_says_busy_with_its_scope)
{
    third_is_busy(few_client_tasks, 1);
    third_is_busy(few_profile_tasks, 2);
    third_is_busy(few_broker_tasks, 3);
}

Test(admit, payload_bytes_count_and_references_do_not)
{
    struct xdt_desk *desk = xdt_desk_new(few_bytes);
    xdt_client(desk, 1);
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.size = 1500});
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.size = 1500});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 2) != NULL);
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.size = 1u << 30, .ref_owner = 1});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 3) == NULL);
    xdt_desk_free(desk);
}

Test(admit, results_count_until_they_are_acknowledged)
{
    struct xdt_desk *desk = xdt_desk_new(few_client_tasks);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 5000});
    xdt_submit(desk, 1, 2);
    xdt_result(desk, 2, 2);
    cr_assert_geq(xdt_stats(desk).bytes, 5000);
    xdt_submit(desk, 1, 3);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 1);
    xdt_ack(desk, 1, 1);
    cr_assert_lt(xdt_stats(desk).bytes, 5000);
    xdt_submit(desk, 1, 3);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 1);
    xdt_desk_free(desk);
}

Test(admit, an_outcome_leaves_the_account_of_the_profile_at_once)
{
    struct xdt_desk *desk = xdt_desk_new(few_profile_tasks);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    for (unsigned i = 1; i <= 5; i++) {
        xdt_submit(desk, 1, i);
        xdt_result(desk, 2, i);
    }
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 0);
    xdt_desk_free(desk);
}

Test(admit, another_client_has_a_budget_of_its_own)
{
    struct xdt_desk *desk = xdt_desk_new(few_client_tasks);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_submit_many(desk, 1, 1, 3);
    xdt_submit_many(desk, 3, 1, 2);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_BUSY, 3), 0);
    xdt_desk_free(desk);
}

Test(admit, what_the_edge_holds_counts_for_the_broker)
{
    struct xdt_desk *desk = xdt_desk_new(few_bytes);
    xdt_client(desk, 1);
    xdb_core_note_outside(desk->core, 2100);
    xdt_submit(desk, 1, 1);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_BUSY, 1)->scope, 3);
    xdb_core_note_outside(desk->core, 0);
    xdt_submit(desk, 1, 2);
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 2) == NULL);
    xdt_desk_free(desk);
}

static void set_quota(struct xdt_desk *desk, uint64_t tasks, uint64_t bytes)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    cr_assert_eq(xd_bytes_text("p", &event.profile.name), XD_OK);
    event.profile.set = XDB_SET_TASKS | XDB_SET_BYTES;
    event.profile.only_set = event.profile.admin = true;
    event.profile.max_tasks = tasks;
    event.profile.max_bytes = bytes;
    xdt_step(desk, &event);
    xd_bytes_unref(event.profile.name);
}

Test(admit, a_profile_has_quotas_of_its_own)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 1);
    set_quota(desk, 2, 0);
    xdt_submit_many(desk, 1, 2, 2);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_BUSY, 3)->scope, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 1);
    set_quota(desk, 0, 5000);
    xdt_submit_how(desk, 1, 4, (struct xdt_task_how){.size = 4500});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_BUSY, 4)->scope, 2);
    xdt_submit_how(desk, 1, 5, (struct xdt_task_how){.profile = "q", .size = 4000});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 5) == NULL, "another profile's quota");
    set_quota(desk, 0, 0);
    xdt_submit_how(desk, 1, 6, (struct xdt_task_how){.size = 4000});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 6) == NULL);
    xdt_desk_free(desk);
}

/* ---- when to try again */

/* `count` tasks end, `gap` from one to the next; the last of them is number `first` +
 * `count` - 1 of the client's. */
static void run_some(struct xdt_desk *desk, unsigned first, unsigned count, xd_time gap)
{
    for (unsigned i = first; i < first + count; i++) {
        xdt_submit(desk, 1, i);
        desk->now += gap;
        xdt_simple(desk, XDB_EVENT_HEARD, 2);
        xdt_result(desk, 2, i);
        xdt_ack(desk, 1, i);
    }
}

static uint32_t retry_of(struct xdt_desk *desk, unsigned id)
{
    xdt_clear(desk);
    xdt_submit_many(desk, 1, id, 3);
    return xdt_line(desk, XDB_ACTION_BUSY, id + 2)->retry_ms;
}

static uint32_t retry_after(void (*change)(struct xdb_core_config *), xd_time gap)
{
    struct xdt_desk *desk = xdt_desk_new(change);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_some(desk, 1, 50, gap);
    uint32_t ms = retry_of(desk, 101);
    xdt_desk_free(desk);
    return ms;
}

Test(admit, the_time_to_the_next_try_is_that_of_one_end)
{
    void (*const budgets[])(struct xdb_core_config *) = {few_client_tasks,
                                                         few_profile_tasks,
                                                         few_broker_tasks};
    for (unsigned i = 0; i < 3; i++) {
        uint32_t ms = retry_after(budgets[i], 20 * XD_MS);
        cr_assert(ms >= 19 && ms <= 24, "%u ms", ms);
    }
    cr_assert_eq(retry_after(few_client_tasks, 50 * XD_US), 1);
    cr_assert_eq(retry_after(few_client_tasks, 2000 * XD_MS), 1000);
}

Test(admit, before_any_end_the_next_try_is_as_configured)
{
    struct xdt_desk *desk = xdt_desk_new(few_client_tasks);
    xdt_client(desk, 1);
    cr_assert_eq(retry_of(desk, 1), desk->config.retry_after_ms);
    xdt_desk_free(desk);
}

/* Nothing was there for a minute: that says nothing of how fast tasks end. */
Test(admit, an_idle_while_does_not_make_the_next_try_late)
{
    struct xdt_desk *desk = xdt_desk_new(few_client_tasks);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_some(desk, 1, 50, 20 * XD_MS);
    xdt_pass(desk, 60 * XD_S, (const uint64_t[]){1, 2, 0});
    cr_assert_eq(retry_of(desk, 101), desk->config.retry_after_ms);
    xdt_desk_free(desk);
}

/* But while what is there does not end, tries become rare. */
Test(admit, while_nothing_ends_the_next_try_is_late)
{
    struct xdt_desk *desk = xdt_desk_new(few_client_tasks);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_some(desk, 1, 50, 20 * XD_MS);
    xdt_submit_many(desk, 1, 101, 2);
    xdt_pass(desk, 60 * XD_S, (const uint64_t[]){1, 2, 0});
    cr_assert_eq(retry_of(desk, 111), 1000);
    xdt_desk_free(desk);
}

static void ten_thousand_client_bytes(struct xdb_core_config *config)
{
    config->client_bytes = 10000;
}

/* A large task waits for as many small ones as make room. */
Test(admit, a_large_task_waits_for_many_ends)
{
    struct xdt_desk *desk = xdt_desk_new(ten_thousand_client_bytes);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_some(desk, 1, 50, 10 * XD_MS);
    for (unsigned i = 101; i <= 110; i++) {
        xdt_submit_how(desk, 1, i, (struct xdt_task_how){.size = 700});
    }
    xdt_submit_how(desk, 1, 111, (struct xdt_task_how){.size = 8000});
    uint32_t ms = xdt_line(desk, XDB_ACTION_BUSY, 111)->retry_ms;
    cr_assert(ms >= 70 && ms <= 110, "%u ms", ms);
    xdt_desk_free(desk);
}

/* ---- what no waiting helps */

static void thousand_of_client(struct xdb_core_config *config)
{
    config->client_bytes = 1000;
}

static void thousand_of_profile(struct xdb_core_config *config)
{
    config->profile_bytes = 1000;
}

static void thousand_of_broker(struct xdb_core_config *config)
{
    config->broker_bytes = 1000;
}

static void hundred_of_client(struct xdb_core_config *config)
{
    config->client_bytes = 100;
}

static void is_never_taken(void (*change)(struct xdb_core_config *), const char *whose)
{
    struct xdt_desk *desk = xdt_desk_new(change);
    xdt_client(desk, 1);
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.size = 1000});
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_REJECTED);
    const char *text = xdt_line(desk, XDB_ACTION_SEND_RESULT, 1)->text;
    cr_assert(strstr(text, whose) != NULL, "%s", text);
    xdt_desk_free(desk);
}

Test(admit, a_task_larger_than_a_budget_is_rejected_and_told_whose)
{
    is_never_taken(thousand_of_client, "a client may have");
    is_never_taken(thousand_of_profile, "its profile may have");
    is_never_taken(thousand_of_broker, "the broker may have");
    is_never_taken(hundred_of_client, "a client may have");
}

/* The result is kept for who comes after it; what the client brings along instead, once
 * it is forgotten, is its own and may be too large. */
Test(admit, a_task_after_a_large_result_is_taken_or_rejected_in_the_end)
{
    struct xdt_desk *desk = xdt_desk_new(ten_thousand_client_bytes);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 8000});
    xdt_submit_how(desk,
                   1,
                   2,
                   (struct xdt_task_how){.size = 5000, .after = (unsigned[]){1, 0}});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 2) != NULL);
    xdt_ack(desk, 1, 1);
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.size = 5000 + 8000});
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_REJECTED);
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.size = 5000});
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    xdt_desk_free(desk);
}
