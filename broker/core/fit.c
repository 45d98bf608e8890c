/* SPDX-License-Identifier: MIT */
/* Which shape of tasks fits which offer of workers. */
#include "core/inside.h"

static bool offers_handler(const struct xdb_offer *offer, const struct xd_bytes *callee)
{
    for (size_t i = 0; i < offer->handler_count; i++) {
        if (xd_bytes_is(offer->handlers[i], "*") ||
            xd_bytes_equal(offer->handlers[i], callee)) {
            return true;
        }
    }
    return false;
}

bool xdb_shape_fits(const struct xdb_shape *shape, const struct xdb_offer *offer)
{
    return (offer->formats & 1u << shape->format) != 0 &&
           (shape->format == XD_FORMAT_R || offers_handler(offer, shape->callee)) &&
           (xd_needs_are_met(shape->needs, offer->has) || xdb_fault(29));
}

void xdb_fit_free(struct xdb_fit *fit)
{
    const struct xdb_shape *shape = fit->shape;
    struct xdb_site *site = fit->site;
    xd_heap_remove(&site->work[shape->tier][shape->band], &fit->work);
    xd_list_remove(&fit->in_shape);
    xd_list_remove(&fit->in_site);
    xd_free(fit);
    site->fit_count[shape->tier]--;
    xdb_site_note(site, shape->tier, shape->band);
    if (xd_list_is_empty(&site->fits)) {
        xdb_site_free(site);
    }
}

static void drop_empty(struct xdb_site *site)
{
    if (site != NULL && xd_list_is_empty(&site->fits)) {
        xdb_site_free(site);
    }
}

enum xd_err xdb_fit_make(struct xdb_shape *shape, struct xdb_offer *offer)
{
    if (!xdb_shape_fits(shape, offer)) {
        return XD_OK;
    }
    struct xdb_site *site = NULL;
    enum xd_err err = xdb_site_intern(shape->profile, offer, &site);
    if (err == XD_OK) {
        err = xdb_site_reserve(site, shape->tier);
    }
    struct xdb_fit *fit = err == XD_OK ? xd_zalloc(sizeof *fit) : NULL;
    if (fit == NULL) {
        drop_empty(site);
        return XD_ERR_NOMEM;
    }
    fit->shape = shape;
    fit->site = site;
    site->fit_count[shape->tier]++;
    xd_list_push_back(&shape->fits, &fit->in_shape);
    xd_list_push_back(&site->fits, &fit->in_site);
    xd_heap_push(&site->work[shape->tier][shape->band], &fit->work, XD_NEVER);
    xdb_site_sort(fit, xdb_shape_key(shape));
    return XD_OK;
}
