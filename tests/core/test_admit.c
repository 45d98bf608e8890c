/* SPDX-License-Identifier: MIT */
/* Budgets. */
#include <criterion/criterion.h>

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
    set_quota(desk, 0, 3000);
    xdt_submit_how(desk, 1, 4, (struct xdt_task_how){.size = 4000});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_BUSY, 4)->scope, 2);
    xdt_submit_how(desk, 1, 5, (struct xdt_task_how){.profile = "q", .size = 4000});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 5) == NULL, "another profile's quota");
    set_quota(desk, 0, 0);
    xdt_submit_how(desk, 1, 6, (struct xdt_task_how){.size = 4000});
    cr_assert(xdt_line(desk, XDB_ACTION_BUSY, 6) == NULL);
    xdt_desk_free(desk);
}
