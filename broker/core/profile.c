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

static void init_pool(struct xdb_profile *profile)
{
    profile->own_pool.owner = profile;
    profile->pool = &profile->own_pool;
    xd_list_init(&profile->pool->offers);
    xd_list_init(&profile->pool->workers);
    xd_list_init(&profile->pool->profiles);
    xd_list_push_back(&profile->pool->profiles, &profile->in_pool);
}

static struct xdb_profile *profile_alloc(struct xdb_core *core, struct xd_bytes *name)
{
    struct xdb_profile *profile = xd_zalloc(sizeof *profile);
    if (profile == NULL || xdb_estimate_init(profile) != XD_OK) {
        xd_free(profile);
        return NULL;
    }
    profile->name = xd_bytes_ref(name);
    profile->policy = &xdb_policies[XDB_POLICY_BANDS];
    profile->gate = UINT64_MAX;
    xdb_cuts_init(&profile->cuts);
    profile->weight = 1;
    xd_map_init(&profile->shapes, core->config.seed);
    xd_map_init(&profile->estimates, core->config.seed);
    xd_map_init(&profile->memos, core->config.seed);
    xd_list_init(&profile->in_maker);
    xd_list_init(&profile->all_shapes);
    xd_list_init(&profile->spare_shapes);
    xd_list_init(&profile->spare_estimates);
    xd_list_init(&profile->sites);
    xd_list_init(&profile->aside);
    xd_list_init(&profile->barriers);
    xd_list_init(&profile->touched);
    init_pool(profile);
    return profile;
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
    profile = err == XD_OK ? profile_alloc(core, name) : NULL;
    if (profile == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_map_add(&core->profiles, &profile->by_name, name->data, name->size);
    xdb_profile_touch(core, profile);
    *out = profile;
    return XD_OK;
}

void xdb_profile_predict(struct xdb_core *core, struct xdb_profile *profile)
{
    XD_LIST_EACH (link, &profile->all_shapes) {
        xdb_shape_predict(core, XD_ITEM(link, struct xdb_shape, in_profile));
    }
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
        xd_map_remove(&profile->shapes, &shape->by_key);
        xdb_shape_free(shape);
    }
}

static void drop_spare_offers(struct xdb_profile *profile)
{
    XD_LIST_EACH_SAFE (link, &profile->own_pool.offers) {
        struct xdb_offer *offer = XD_ITEM(link, struct xdb_offer, in_pool);
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
    xd_list_remove(&profile->in_pool);
    if (profile->pool != &profile->own_pool) {
        xdb_profile_touch(core, profile->pool->owner);
    }
    xd_map_remove(&core->profiles, &profile->by_name);
    xdb_memo_drop_all(core, profile);
    xd_map_fini(&profile->memos);
    xd_map_fini(&profile->shapes);
    xdb_estimate_fini(profile);
    xd_bytes_unref(profile->name);
    xd_free(profile);
}

/* By its tasks, its maker, its workers, or profiles that use them. */
static bool is_used(const struct xdb_profile *profile)
{
    const struct xd_list *first = profile->own_pool.profiles.next;
    bool by_others =
        first != &profile->own_pool.profiles &&
        (first != &profile->in_pool || first->next != &profile->own_pool.profiles);
    return profile->records > 0 || profile->maker != NULL || profile->lasting ||
           profile->own_pool.worker_count > 0 || by_others;
}

void xdb_profile_trim(struct xdb_profile *profile)
{
    drop_spare_shapes(profile, XDB_SPARE_SHAPES);
    xdb_estimate_drop_spare(profile, XDB_SPARE_ESTIMATES);
    drop_spare_offers(profile);
}

void xdb_profile_tidy(struct xdb_core *core, struct xdb_profile *profile)
{
    if (!is_used(profile)) {
        xdb_profile_free(core, profile);
        return;
    }
    xdb_profile_trim(profile);
}

void xdb_profile_unmake(struct xdb_core *core, struct xdb_profile *profile)
{
    bool was_bound = profile->bound;
    profile->maker = NULL;
    profile->bound = false;
    xd_list_remove(&profile->in_maker);
    xdb_profile_touch(core, profile);
    struct xd_list *workers = &profile->own_pool.workers;
    while (was_bound && !xd_list_is_empty(workers)) {
        struct xdb_worker *worker = XD_ITEM(workers->next, struct xdb_worker, in_pool);
        xdb_action_drop(core, &worker->session, XD_ERR_GONE, "profile ended");
        xdb_worker_end(core, worker);
    }
}

bool xdb_profile_admits(const struct xdb_profile *profile,
                        const struct xdb_client *client)
{
    return !profile->bound || profile->maker == client || xdb_fault(12);
}

void xdb_profile_make(struct xdb_profile *profile, struct xdb_client *client)
{
    profile->maker = client;
    xd_list_push_back(&client->made, &profile->in_maker);
}

void xdb_profile_join_pool(struct xdb_core *core,
                           struct xdb_profile *profile,
                           struct xdb_pool *pool)
{
    struct xdb_pool *old = profile->pool;
    drop_spare_shapes(profile, 0); /* what they fit is another now */
    xd_list_remove(&profile->in_pool);
    profile->pool = pool;
    xd_list_push_back(&pool->profiles, &profile->in_pool);
    xdb_profile_touch(core, old->owner);
}
