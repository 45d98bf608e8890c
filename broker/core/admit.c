/* SPDX-License-Identifier: MIT */
/* The account of tasks and bytes per client, profile and broker. A task is in the
 * profile's until its outcome, in the others' until the outcome is acknowledged. */
#include "core/inside.h"

/* Between a refusal and the next try, in milliseconds. */
#define RETRY_LEAST 1
#define RETRY_MOST 1000

/* What is used and what may be; 0: no limit. */
struct account {
    uint64_t tasks, bytes, max_tasks, max_bytes;
    const struct xdb_pace *pace;
};

static struct account of_client(const struct xdb_core *core,
                                const struct xdb_client *client)
{
    uint64_t tasks = xdb_fault(13) ? 0 : core->config.client_tasks;
    return (struct account){client->tasks,
                            client->bytes,
                            tasks,
                            core->config.client_bytes,
                            &client->pace};
}

static struct account of_profile(const struct xdb_core *core,
                                 const struct xdb_profile *profile)
{
    uint64_t tasks = profile->max_tasks, bytes = profile->max_bytes;
    return (struct account){profile->tasks,
                            profile->bytes,
                            tasks > 0 ? tasks : core->config.profile_tasks,
                            bytes > 0 ? bytes : core->config.profile_bytes,
                            &profile->pace};
}

static struct account of_broker(const struct xdb_core *core)
{
    return (struct account){core->account_tasks,
                            core->account_bytes + core->outside_bytes,
                            core->config.broker_tasks,
                            core->config.broker_bytes,
                            &core->pace};
}

static bool is_over(uint64_t used, uint64_t more, uint64_t most)
{
    return most != 0 && (used > most || more > most - used);
}

static bool has_room(struct account account, uint64_t cost)
{
    return !is_over(account.tasks, 1, account.max_tasks) &&
           !is_over(account.bytes, cost, account.max_bytes);
}

enum xdb_scope xdb_admit_test(const struct xdb_core *core,
                              const struct xdb_client *client,
                              const struct xdb_profile *profile,
                              uint64_t bytes)
{
    uint64_t cost = bytes + XDB_RECORD_BYTES;
    if (!has_room(of_client(core, client), cost)) {
        return XDB_SCOPE_CLIENT;
    }
    if (!has_room(of_profile(core, profile), cost)) {
        return XDB_SCOPE_PROFILE;
    }
    return has_room(of_broker(core), cost) ? XDB_SCOPE_NONE : XDB_SCOPE_BROKER;
}

static bool never_fits(struct account account, uint64_t bytes)
{
    return is_over(0, bytes + XDB_RECORD_BYTES, account.max_bytes);
}

struct xd_bytes *xdb_admit_never(const struct xdb_core *core,
                                 const struct xdb_client *client,
                                 const struct xdb_profile *profile,
                                 uint64_t bytes)
{
    if (never_fits(of_client(core, client), bytes)) {
        return core->texts.over_client;
    }
    if (never_fits(of_profile(core, profile), bytes)) {
        return core->texts.over_profile;
    }
    return never_fits(of_broker(core), bytes) ? core->texts.over_broker : NULL;
}

/* How many of the tasks there must end before such a one has room, if they are alike. */
static uint64_t ends_for(struct account account, uint64_t cost)
{
    uint64_t ends = 1;
    if (is_over(account.tasks, 1, account.max_tasks)) {
        ends = account.tasks - account.max_tasks + 1;
    }
    if (is_over(account.bytes, cost, account.max_bytes) && account.tasks > 0) {
        double lack = (double)account.bytes + (double)cost - (double)account.max_bytes;
        uint64_t more = (uint64_t)(lack / (double)account.bytes * (double)account.tasks);
        ends = more > ends ? more : ends;
    }
    return ends;
}

/* When `count` were refused together, half of what is there has to end, if so many are
 * needed: then there is something to do for the workers, and not all is sent for one
 * place. */
uint32_t xdb_admit_retry_ms(const struct xdb_core *core,
                            const struct xdb_client *client,
                            const struct xdb_profile *profile,
                            enum xdb_scope scope,
                            uint64_t bytes,
                            size_t count)
{
    struct account account = scope == XDB_SCOPE_CLIENT    ? of_client(core, client)
                             : scope == XDB_SCOPE_PROFILE ? of_profile(core, profile)
                                                          : of_broker(core);
    xd_time gap = xdb_pace_gap(account.pace, core->now);
    if (gap == XD_NEVER) {
        return core->config.retry_after_ms;
    }
    uint64_t ends = ends_for(account, bytes + XDB_RECORD_BYTES);
    uint64_t most = account.tasks / 2 < count ? account.tasks / 2 : count;
    ends = most > ends ? most : ends;
    double ms = (double)gap * (double)ends / (double)XD_MS;
    return ms < RETRY_LEAST ? RETRY_LEAST : ms > RETRY_MOST ? RETRY_MOST : (uint32_t)ms;
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

/* While there was nothing, nothing could end. */
static void begin_paces(struct xdb_core *core, struct xdb_task *task)
{
    if (task->client->tasks == 0) {
        xdb_pace_begin(&task->client->pace, core->now);
    }
    if (core->account_tasks == 0) {
        xdb_pace_begin(&core->pace, core->now);
    }
    if (task->shape != NULL && task->shape->profile->tasks == 0) {
        xdb_pace_begin(&task->shape->profile->pace, core->now);
    }
}

void xdb_admit_charge(struct xdb_core *core, struct xdb_task *task, uint64_t bytes)
{
    task->cost = bytes + XDB_RECORD_BYTES;
    begin_paces(core, task);
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

static void release_profile(struct xdb_core *core, struct xdb_task *task)
{
    if (task->in_profile_account) {
        xdb_pace_note(&task->shape->profile->pace, core->now);
        task->in_profile_account = false;
        task->shape->profile->tasks -= tasks_of(task);
        task->shape->profile->bytes -= task->cost;
    }
}

void xdb_admit_to_result(struct xdb_core *core, struct xdb_task *task, uint64_t bytes)
{
    release_profile(core, task);
    uint64_t cost = bytes + XDB_RECORD_BYTES;
    task->client->bytes += cost - task->cost;
    core->account_bytes += cost - task->cost;
    task->cost = cost;
}

void xdb_admit_release(struct xdb_core *core, struct xdb_task *task)
{
    release_profile(core, task);
    task->client->tasks -= tasks_of(task);
    task->client->bytes -= task->cost;
    core->account_tasks -= tasks_of(task);
    core->account_bytes -= task->cost;
    task->cost = 0;
    xdb_pace_note(&task->client->pace, core->now);
    xdb_pace_note(&core->pace, core->now);
}
