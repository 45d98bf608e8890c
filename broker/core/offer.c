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
static bool offer_is(const struct xdb_offer *offer,
                     uint32_t formats,
                     struct xd_bytes *const *handlers,
                     size_t handler_count)
{
    if (offer->formats != formats || offer->handler_count != handler_count) {
        return false;
    }
    for (size_t i = 0; i < handler_count; i++) {
        if (!xd_bytes_equal(offer->handlers[i], handlers[i]) &&
            !has_handler(offer, handlers[i])) {
            return false;
        }
    }
    return true;
}

void xdb_offer_free(struct xdb_offer *offer)
{
    XD_LIST_EACH_SAFE (link, &offer->fits) {
        xdb_fit_free(XD_ITEM(link, struct xdb_fit, in_offer));
    }
    for (size_t i = 0; i < offer->handler_count; i++) {
        xd_bytes_unref(offer->handlers[i]);
    }
    xd_list_remove(&offer->hungry);
    xd_list_remove(&offer->in_profile);
    xd_heap_fini(&offer->ready);
    xd_free(offer->handlers);
    xd_free(offer);
}

static struct xdb_offer *offer_alloc(uint32_t formats,
                                     struct xd_bytes *const *handlers,
                                     size_t handler_count)
{
    struct xdb_offer *offer = xd_zalloc(sizeof *offer);
    if (offer == NULL) {
        return NULL;
    }
    offer->handlers = xd_calloc(handler_count, sizeof(struct xd_bytes *));
    if (offer->handlers == NULL) {
        xd_free(offer);
        return NULL;
    }
    offer->formats = formats;
    offer->handler_count = handler_count;
    for (size_t i = 0; i < handler_count; i++) {
        offer->handlers[i] = xd_bytes_ref(handlers[i]);
    }
    xd_heap_init(&offer->ready);
    xd_list_init(&offer->in_profile);
    xd_list_init(&offer->hungry);
    xd_list_init(&offer->fits);
    xd_list_init(&offer->idle);
    xd_list_init(&offer->ahead);
    return offer;
}

static enum xd_err offer_make(struct xdb_profile *profile,
                              uint32_t formats,
                              struct xd_bytes *const *handlers,
                              size_t handler_count,
                              struct xdb_offer **out)
{
    struct xdb_offer *offer = offer_alloc(formats, handlers, handler_count);
    if (offer == NULL) {
        return XD_ERR_NOMEM;
    }
    offer->profile = profile;
    XD_LIST_EACH (link, &profile->all_shapes) {
        if (xdb_fit_make(XD_ITEM(link, struct xdb_shape, in_profile), offer) != XD_OK) {
            xdb_offer_free(offer);
            return XD_ERR_NOMEM;
        }
    }
    xd_list_push_back(&profile->offers, &offer->in_profile);
    *out = offer;
    return XD_OK;
}

enum xd_err xdb_offer_intern(struct xdb_core *core,
                             struct xdb_profile *profile,
                             uint32_t formats,
                             struct xd_bytes *const *handlers,
                             size_t handler_count,
                             struct xdb_offer **out)
{
    XD_LIST_EACH (link, &profile->offers) {
        struct xdb_offer *offer = XD_ITEM(link, struct xdb_offer, in_profile);
        if (offer_is(offer, formats, handlers, handler_count)) {
            *out = offer;
            return XD_OK;
        }
    }
    xdb_profile_touch(core, profile);
    return offer_make(profile, formats, handlers, handler_count, out);
}

struct xdb_task *xdb_offer_first(const struct xdb_offer *offer)
{
    struct xd_heap_item *item = xd_heap_first(&offer->ready);
    if (item == NULL || item->key == XD_NEVER ||
        (uint64_t)item->key >= offer->profile->gate) {
        return NULL;
    }
    const struct xdb_shape *shape = XD_ITEM(item, struct xdb_fit, ready)->shape;
    return XD_ITEM(shape->queue.next, struct xdb_task, place);
}

void xdb_offer_touch(struct xdb_core *core, struct xdb_offer *offer)
{
    if (xd_list_is_empty(&offer->hungry)) {
        xd_list_push_back(&core->hungry, &offer->hungry);
    }
}
