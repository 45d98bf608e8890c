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
           (shape->format == XD_FORMAT_R || offers_handler(offer, shape->callee));
}

void xdb_fit_free(struct xdb_fit *fit)
{
    xd_heap_remove(&fit->offer->ready, &fit->ready);
    xd_list_remove(&fit->in_shape);
    xd_list_remove(&fit->in_offer);
    xd_free(fit);
}

enum xd_err xdb_fit_make(struct xdb_shape *shape, struct xdb_offer *offer)
{
    if (!xdb_shape_fits(shape, offer)) {
        return XD_OK;
    }
    enum xd_err err = xd_heap_reserve(&offer->ready, 1);
    struct xdb_fit *fit = err == XD_OK ? xd_zalloc(sizeof *fit) : NULL;
    if (fit == NULL) {
        return XD_ERR_NOMEM;
    }
    fit->shape = shape;
    fit->offer = offer;
    xd_list_push_back(&shape->fits, &fit->in_shape);
    xd_list_push_back(&offer->fits, &fit->in_offer);
    xd_heap_push(&offer->ready, &fit->ready, xdb_shape_key(shape));
    return XD_OK;
}
