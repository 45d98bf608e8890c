/* SPDX-License-Identifier: MIT */
/* Compute profiles: made on first use or by a client, freed when nobody uses them. */
#include "core/profile.h"

#include "core/inside.h"

struct xdb_profile *xdb_profile_find(const struct xdb_core *core,
                                     const struct xd_bytes *name)
{
    struct xd_map_item *item = xd_map_get(&core->profiles, name->data, name->size);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_profile, by_name);
}

enum xd_err xdb_profile_intern(struct xdb_core *core,
                               struct xd_bytes *name,
                               struct xdb_profile **out)
{
    struct xdb_profile *profile = xdb_profile_find(core, name);
    if (profile != NULL) {
        *out = profile;
        return XD_OK;
    }
    enum xd_err err = xd_map_reserve(&core->profiles, 1);
    profile = err == XD_OK ? xd_zalloc(sizeof *profile) : NULL;
    if (profile == NULL) {
        return XD_ERR_NOMEM;
    }
    profile->name = xd_bytes_ref(name);
    profile->policy = &xdb_policy_fifo;
    profile->gate = UINT64_MAX;
    xd_map_init(&profile->shapes[0], core->config.seed);
    xd_map_init(&profile->shapes[1], core->config.seed);
    xd_list_init(&profile->in_maker);
    xd_list_init(&profile->all_shapes);
    xd_list_init(&profile->spare_shapes);
    xd_list_init(&profile->offers);
    xd_list_init(&profile->workers);
    xd_list_init(&profile->barriers);
    xd_list_init(&profile->touched);
    xd_map_add(&core->profiles, &profile->by_name, name->data, name->size);
    xdb_profile_touch(core, profile);
    *out = profile;
    return XD_OK;
}

void xdb_profile_touch(struct xdb_core *core, struct xdb_profile *profile)
{
    if (xd_list_is_empty(&profile->touched)) {
        xd_list_push_back(&core->touched, &profile->touched);
    }
}

static void drop_spare_shapes(struct xdb_profile *profile, size_t keep)
{
    while (profile->spare_count > keep) {
        struct xdb_shape *shape =
            XD_ITEM(profile->spare_shapes.next, struct xdb_shape, spare);
        xd_map_remove(&profile->shapes[shape->format == XD_FORMAT_CALL],
                      &shape->by_callee);
        xdb_shape_free(shape);
    }
}

static void drop_spare_offers(struct xdb_profile *profile)
{
    XD_LIST_EACH_SAFE (link, &profile->offers) {
        struct xdb_offer *offer = XD_ITEM(link, struct xdb_offer, in_profile);
        if (offer->workers == 0) {
            xdb_offer_free(offer);
        }
    }
}

void xdb_profile_free(struct xdb_core *core, struct xdb_profile *profile)
{
    drop_spare_shapes(profile, 0);
    drop_spare_offers(profile);
    xd_list_remove(&profile->touched);
    xd_list_remove(&profile->in_maker);
    xd_map_remove(&core->profiles, &profile->by_name);
    xd_map_fini(&profile->shapes[0]);
    xd_map_fini(&profile->shapes[1]);
    xd_bytes_unref(profile->name);
    xd_free(profile);
}

void xdb_profile_tidy(struct xdb_core *core, struct xdb_profile *profile)
{
    if (profile->worker_count == 0 && profile->records == 0 && profile->maker == NULL) {
        xdb_profile_free(core, profile);
        return;
    }
    drop_spare_shapes(profile, XDB_SPARE_SHAPES);
    drop_spare_offers(profile);
}

void xdb_profile_unmake(struct xdb_core *core, struct xdb_profile *profile)
{
    bool was_bound = profile->bound;
    profile->maker = NULL;
    profile->bound = false;
    xd_list_remove(&profile->in_maker);
    xdb_profile_touch(core, profile);
    while (was_bound && !xd_list_is_empty(&profile->workers)) {
        struct xdb_worker *worker =
            XD_ITEM(profile->workers.next, struct xdb_worker, in_profile);
        xdb_action_drop(core, &worker->session, XD_ERR_GONE, "profile ended");
        xdb_worker_end(core, worker);
    }
}

bool xdb_profile_admits(const struct xdb_profile *profile,
                        const struct xdb_client *client)
{
    return !profile->bound || profile->maker == client || xdb_fault(12);
}

enum xd_err xdb_plan_profile(struct xdb_core *core,
                             const struct xdb_event *event,
                             size_t *need)
{
    *need = 1;
    struct xdb_profile *profile;
    return xdb_profile_intern(core, event->profile.name, &profile);
}

static bool is_configured_so(const struct xdb_profile *profile,
                             const struct xdb_event *event)
{
    return profile->bound == event->profile.bound &&
           (profile->policy == &xdb_policy_round_robin) == event->profile.round_robin;
}

/* Can it become what the client asks for? Not under the tasks and workers of others. */
static bool may_configure(const struct xdb_profile *profile,
                          const struct xdb_client *client,
                          bool bound)
{
    if (profile->records > 0) {
        return false;
    }
    XD_LIST_EACH (link, &profile->workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_profile);
        if (bound && !xd_session_is(worker->owner, client->session.id)) {
            return false;
        }
    }
    return true;
}

static void configure(struct xdb_profile *profile,
                      struct xdb_client *client,
                      const struct xdb_event *event)
{
    if (profile->maker == NULL) {
        profile->maker = client;
        xd_list_push_back(&client->made, &profile->in_maker);
    }
    profile->bound = event->profile.bound;
    profile->policy =
        event->profile.round_robin ? &xdb_policy_round_robin : &xdb_policy_fifo;
}

/* What was only ever configured, or is used by others as well. */
static void give_up(struct xdb_core *core,
                    struct xdb_profile *profile,
                    const struct xdb_client *client)
{
    if (profile->bound) {
        xdb_action_error(core,
                         client->session.id,
                         XD_ERR_INVALID,
                         "a bound profile ends with its session");
    } else if (profile->maker == client) {
        xdb_profile_unmake(core, profile);
    }
}

void xdb_apply_profile(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_profile *profile = xdb_profile_find(core, event->profile.name);
    struct xdb_client *client = xdb_client_find(core, event->session);
    xdb_profile_touch(core, profile);
    if (client == NULL) {
        core->counters.stale++;
    } else if (event->profile.free) {
        give_up(core, profile, client);
    } else if (profile->bound && profile->maker != client) {
        xdb_action_error(core,
                         event->session,
                         XD_ERR_FORBIDDEN,
                         "the profile belongs to another session");
    } else if (is_configured_so(profile, event)) {
        if (profile->maker == NULL) {
            configure(profile, client, event);
        }
    } else if (profile->maker != NULL && profile->maker != client) {
        xdb_action_error(core,
                         event->session,
                         XD_ERR_EXISTS,
                         "the profile is configured by another session");
    } else if (!may_configure(profile, client, event->profile.bound)) {
        xdb_action_error(core, event->session, XD_ERR_EXISTS, "the profile is in use");
    } else {
        configure(profile, client, event);
    }
}
