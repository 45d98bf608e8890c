/* SPDX-License-Identifier: MIT */
/* The account of tasks and bytes per client, profile and broker. A task is in the
 * profile's until its outcome, in the others' until the outcome is acknowledged. */
#include "core/inside.h"

static bool is_over(uint64_t used, uint64_t more, uint64_t budget)
{
    return budget != 0 && (used > budget || more > budget - used);
}

enum xdb_scope xdb_admit_test(const struct xdb_core *core,
                              const struct xdb_client *client,
                              const struct xdb_profile *profile,
                              uint64_t bytes)
{
    const struct xdb_core_config *config = &core->config;
    uint64_t cost = bytes + XDB_RECORD_BYTES;
    if ((is_over(client->tasks, 1, config->client_tasks) && !xdb_fault(13)) ||
        is_over(client->bytes, cost, config->client_bytes)) {
        return XDB_SCOPE_CLIENT;
    }
    uint64_t tasks = profile->max_tasks > 0 ? profile->max_tasks : config->profile_tasks;
    uint64_t max_bytes =
        profile->max_bytes > 0 ? profile->max_bytes : config->profile_bytes;
    if (is_over(profile->tasks, 1, tasks) || is_over(profile->bytes, cost, max_bytes)) {
        return XDB_SCOPE_PROFILE;
    }
    if (is_over(core->account_tasks, 1, config->broker_tasks) ||
        is_over(core->account_bytes + core->outside_bytes, cost, config->broker_bytes)) {
        return XDB_SCOPE_BROKER;
    }
    return XDB_SCOPE_NONE;
}

void xdb_core_note_outside(struct xdb_core *core, uint64_t bytes)
{
    core->outside_bytes = bytes;
}

/* A part is not a task of its own. */
static uint64_t tasks_of(const struct xdb_task *task)
{
    return task->barrier == NULL ? 1 : 0;
}

void xdb_admit_charge(struct xdb_core *core, struct xdb_task *task, uint64_t bytes)
{
    task->cost = bytes + XDB_RECORD_BYTES;
    task->client->tasks += tasks_of(task);
    task->client->bytes += task->cost;
    core->account_tasks += tasks_of(task);
    core->account_bytes += task->cost;
    if (task->shape != NULL) {
        task->in_profile_account = true;
        task->shape->profile->tasks += tasks_of(task);
        task->shape->profile->bytes += task->cost;
    }
}

static void release_profile(struct xdb_task *task)
{
    if (task->in_profile_account) {
        task->in_profile_account = false;
        task->shape->profile->tasks -= tasks_of(task);
        task->shape->profile->bytes -= task->cost;
    }
}

void xdb_admit_to_result(struct xdb_core *core, struct xdb_task *task, uint64_t bytes)
{
    release_profile(task);
    uint64_t cost = bytes + XDB_RECORD_BYTES;
    task->client->bytes += cost - task->cost;
    core->account_bytes += cost - task->cost;
    task->cost = cost;
}

void xdb_admit_release(struct xdb_core *core, struct xdb_task *task)
{
    release_profile(task);
    task->client->tasks -= tasks_of(task);
    task->client->bytes -= task->cost;
    core->account_tasks -= tasks_of(task);
    core->account_bytes -= task->cost;
    task->cost = 0;
}
