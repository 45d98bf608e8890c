/* SPDX-License-Identifier: MIT */
/* Interned offers of workers, and the order of the work they could do. */
#include "core/inside.h"

static bool has_handler(const struct xdb_offer *offer, const struct xd_bytes *name)
{
    for (size_t i = 0; i < offer->handler_count; i++) {
        if (xd_bytes_equal(offer->handlers[i], name)) {
            return true;
        }
    }
    return false;
}

/* Names given twice or in another order make another offer, which does no harm. */
static bool offer_is(const struct xdb_offer *offer, const struct xdb_event *join)
{
    struct xd_bytes *const *handlers = join->worker_join.handlers;
    if (offer->formats != join->worker_join.formats ||
        offer->handler_count != join->worker_join.handler_count ||
        !xd_bytes_equal(offer->has, join->worker_join.has)) {
        return false;
    }
    for (size_t i = 0; i < offer->handler_count; i++) {
        if (!xd_bytes_equal(offer->handlers[i], handlers[i]) &&
            !has_handler(offer, handlers[i])) {
            return false;
        }
    }
    return true;
}

void xdb_offer_free(struct xdb_offer *offer)
{
    while (!xd_list_is_empty(&offer->sites)) { /* each goes with its last fit */
        struct xdb_site *site = XD_ITEM(offer->sites.next, struct xdb_site, in_offer);
        xdb_fit_free(XD_ITEM(site->fits.next, struct xdb_fit, in_site));
    }
    for (size_t i = 0; i < offer->handler_count; i++) {
        xd_bytes_unref(offer->handlers[i]);
    }
    xd_list_remove(&offer->hungry);
    xd_list_remove(&offer->in_pool);
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        xd_heap_fini(&offer->turns[tier]);
    }
    xd_bytes_unref(offer->has);
    xd_free(offer->handlers);
    xd_free(offer);
}

static struct xdb_offer *offer_alloc(const struct xdb_event *join)
{
    size_t handler_count = join->worker_join.handler_count;
    struct xdb_offer *offer = xd_zalloc(sizeof *offer);
    if (offer == NULL) {
        return NULL;
    }
    offer->handlers = xd_calloc(handler_count, sizeof(struct xd_bytes *));
    if (offer->handlers == NULL) {
        xd_free(offer);
        return NULL;
    }
    offer->formats = join->worker_join.formats;
    offer->has = xd_bytes_ref(join->worker_join.has);
    offer->handler_count = handler_count;
    for (size_t i = 0; i < handler_count; i++) {
        offer->handlers[i] = xd_bytes_ref(join->worker_join.handlers[i]);
    }
    xd_list_init(&offer->in_pool);
    xd_list_init(&offer->hungry);
    xd_list_init(&offer->sites);
    xd_list_init(&offer->idle);
    xd_list_init(&offer->ahead);
    return offer;
}

static enum xd_err fit_shapes(struct xdb_offer *offer, struct xdb_profile *profile)
{
    enum xd_err err = XD_OK;
    for (struct xd_list *link = profile->all_shapes.next;
         err == XD_OK && link != &profile->all_shapes;
         link = link->next) {
        err = xdb_fit_make(XD_ITEM(link, struct xdb_shape, in_profile), offer);
    }
    return err;
}

static enum xd_err offer_make(struct xdb_pool *pool,
                              const struct xdb_event *join,
                              struct xdb_offer **out)
{
    struct xdb_offer *offer = offer_alloc(join);
    if (offer == NULL) {
        return XD_ERR_NOMEM;
    }
    offer->pool = pool;
    XD_LIST_EACH (link, &pool->profiles) {
        if (fit_shapes(offer, XD_ITEM(link, struct xdb_profile, in_pool)) != XD_OK) {
            xdb_offer_free(offer);
            return XD_ERR_NOMEM;
        }
    }
    xd_list_push_back(&pool->offers, &offer->in_pool);
    *out = offer;
    return XD_OK;
}

enum xd_err xdb_offer_intern(struct xdb_core *core,
                             struct xdb_pool *pool,
                             const struct xdb_event *join,
                             struct xdb_offer **out)
{
    XD_LIST_EACH (link, &pool->offers) {
        struct xdb_offer *offer = XD_ITEM(link, struct xdb_offer, in_pool);
        if (offer_is(offer, join)) {
            *out = offer;
            return XD_OK;
        }
    }
    xdb_profile_touch(core, pool->owner);
    return offer_make(pool, join, out);
}

void xdb_offer_touch(struct xdb_core *core, struct xdb_offer *offer)
{
    if (xd_list_is_empty(&offer->hungry)) {
        xd_list_push_back(&core->hungry, &offer->hungry);
    }
}
