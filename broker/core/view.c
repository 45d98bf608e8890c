/* SPDX-License-Identifier: MIT */
/* What others may see of the state: for status, and for who may read a payload. */
#include "core/inside.h"

static uint64_t homeless(const struct xdb_profile *profile)
{
    uint64_t tasks = 0;
    XD_LIST_EACH (link, &profile->all_shapes) {
        const struct xdb_shape *shape = XD_ITEM(link, struct xdb_shape, in_profile);
        tasks += xd_list_is_empty(&shape->fits) ? shape->queued : 0;
    }
    XD_LIST_EACH (link, &profile->barriers) {
        const struct xdb_task *barrier = XD_ITEM(link, struct xdb_task, place);
        tasks +=
            barrier->state == XDB_TASK_BARRIER && xd_list_is_empty(&barrier->shape->fits)
                ? 1
                : 0;
    }
    return tasks;
}

/* What a waiting barrier will be at least: its record is one, already counted. */
static uint64_t parts_to_come(const struct xdb_profile *profile)
{
    uint64_t parts = 0;
    XD_LIST_EACH (link, &profile->barriers) {
        const struct xdb_task *barrier = XD_ITEM(link, struct xdb_task, place);
        if (barrier->state == XDB_TASK_BARRIER && barrier->parts > 1) {
            parts += barrier->parts - 1;
        }
    }
    return parts;
}

static uint64_t workers_for(const struct xdb_profile *profile, enum xd_format format)
{
    uint64_t count = 0;
    XD_LIST_EACH (link, &profile->pool->offers) {
        const struct xdb_offer *offer = XD_ITEM(link, struct xdb_offer, in_pool);
        if ((offer->formats & 1u << format) != 0) {
            count += offer->workers;
        }
    }
    return count;
}

enum xd_err xdb_core_profile_counts(const struct xdb_core *core,
                                    const struct xd_bytes *name,
                                    struct xd_session_id asker,
                                    struct xdb_profile_counts *out)
{
    const struct xdb_profile *profile = xdb_profile_find(core, name);
    if (profile == NULL) {
        *out = (struct xdb_profile_counts){0};
        return XD_OK;
    }
    if (!xdb_profile_admits(profile, xdb_client_find(core, asker))) {
        return XD_ERR_FORBIDDEN;
    }
    *out = (struct xdb_profile_counts){
        .workers = profile->pool->worker_count,
        .r_workers = workers_for(profile, XD_FORMAT_R),
        .joined = profile->pool->joined,
        .queued = profile->queued + parts_to_come(profile),
        .leased = profile->leased,
        .ended = profile->ended,
    };
    return XD_OK;
}

void xdb_core_each_profile(const struct xdb_core *core,
                           void (*visit)(void *context,
                                         const struct xdb_profile_view *view),
                           void *context)
{
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&core->profiles, item)) != NULL) {
        const struct xdb_profile *profile = XD_ITEM(item, struct xdb_profile, by_name);
        struct xdb_profile_view view = {
            .name = profile->name,
            .bound = profile->bound,
            .round_robin = profile->policy == &xdb_policies[XDB_POLICY_ROUND_ROBIN],
            .paused = profile->paused,
            .policy = profile->policy->name,
            .weight = profile->weight,
            .queued = profile->queued,
            .leased = profile->leased,
            .workers = profile->pool->worker_count,
            .done = profile->done,
            .bytes = profile->bytes,
            .homeless = homeless(profile),
            .tasks = profile->tasks,
            .refused = profile->refused,
            .max_tasks =
                profile->max_tasks > 0 ? profile->max_tasks : core->config.profile_tasks,
            .max_bytes =
                profile->max_bytes > 0 ? profile->max_bytes : core->config.profile_bytes,
            .max_running = profile->max_running,
            .learned_cuts = profile->cuts.are_learned,
        };
        visit(context, &view);
    }
}

void xdb_core_each_worker(const struct xdb_core *core,
                          void (*visit)(void *context,
                                        const struct xdb_worker_view *view),
                          void *context)
{
    XD_LIST_EACH (link, &core->workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_core);
        struct xdb_worker_view view = {
            .session = worker->session.id,
            .owner = worker->owner,
            .profile = worker->pool->owner->name,
            .state = xdb_worker_state_name(worker),
            .leased = worker->leased,
            .done = worker->done,
        };
        visit(context, &view);
    }
}

void xdb_core_each_client(const struct xdb_core *core,
                          void (*visit)(void *context,
                                        const struct xdb_client_view *view),
                          void *context)
{
    XD_LIST_EACH (link, &core->clients) {
        const struct xdb_client *client = XD_ITEM(link, struct xdb_client, in_core);
        struct xdb_client_view view = {
            .session = client->session.id,
            .open = client->open_count,
            .unacked = client->results - client->acknowledged,
            .bytes = client->bytes,
            .refused = client->refused,
        };
        visit(context, &view);
    }
}

static void each_row(
    const struct xdb_hits *hits,
    void (*visit)(void *context, const char *table, const char *row, uint64_t hits),
    void *context)
{
    for (size_t i = 0; i < hits->table->count; i++) {
        visit(context, hits->table->name, hits->table->rows[i].text, hits->hits[i]);
    }
}

void xdb_core_each_row(
    const struct xdb_core *core,
    void (*visit)(void *context, const char *table, const char *row, uint64_t hits),
    void *context)
{
    each_row(&core->task_hits, visit, context);
    each_row(&core->worker_hits, visit, context);
}
