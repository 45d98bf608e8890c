/* SPDX-License-Identifier: MIT */
/* Where an offer's next task comes from: a tier, in it the profile whose turn it is, in
 * it a band, in it the first by the policy's key. */
#include "core/inside.h"

static struct xdb_site *site_find(const struct xdb_profile *profile,
                                  const struct xdb_offer *offer)
{
    XD_LIST_EACH (link, &profile->sites) {
        struct xdb_site *site = XD_ITEM(link, struct xdb_site, in_profile);
        if (site->offer == offer) {
            return site;
        }
    }
    return NULL;
}

enum xd_err xdb_site_intern(struct xdb_profile *profile,
                            struct xdb_offer *offer,
                            struct xdb_site **out)
{
    *out = site_find(profile, offer);
    if (*out != NULL) {
        return XD_OK;
    }
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        if (xd_heap_reserve(&offer->turns[tier], 1) != XD_OK) {
            return XD_ERR_NOMEM;
        }
    }
    struct xdb_site *site = xd_zalloc(sizeof *site);
    if (site == NULL) {
        return XD_ERR_NOMEM;
    }
    site->profile = profile;
    site->offer = offer;
    xd_list_init(&site->fits);
    xd_list_push_back(&profile->sites, &site->in_profile);
    xd_list_push_back(&offer->sites, &site->in_offer);
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        xd_heap_push(&offer->turns[tier], &site->turn[tier], XD_NEVER);
    }
    *out = site;
    return XD_OK;
}

void xdb_site_free(struct xdb_site *site)
{
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        xd_heap_remove(&site->offer->turns[tier], &site->turn[tier]);
        for (size_t band = 0; band < XDB_BANDS; band++) {
            xd_heap_fini(&site->work[tier][band]);
        }
    }
    xd_list_remove(&site->in_profile);
    xd_list_remove(&site->in_offer);
    xd_free(site);
}

enum xd_err xdb_site_reserve(struct xdb_site *site, size_t tier)
{
    for (size_t band = 0; band < XDB_BANDS; band++) {
        struct xd_heap *heap = &site->work[tier][band];
        size_t more = site->fit_count[tier] + 1 - heap->count;
        if (xd_heap_reserve(heap, more) != XD_OK) {
            return XD_ERR_NOMEM;
        }
    }
    return XD_OK;
}

void xdb_site_note(struct xdb_site *site, size_t tier, size_t band)
{
    const struct xd_heap_item *first = xd_heap_first(&site->work[tier][band]);
    uint8_t bit = (uint8_t)(1u << band);
    if (first != NULL && first->key != XD_NEVER) {
        site->has_work[tier] |= bit;
    } else {
        site->has_work[tier] &= (uint8_t)~bit;
    }
}

void xdb_site_sort(struct xdb_fit *fit, xd_time key)
{
    struct xdb_site *site = fit->site;
    size_t tier = fit->shape->tier, band = fit->shape->band;
    xd_heap_move(&site->work[tier][band], &fit->work, key);
    xdb_site_note(site, tier, band);
    xdb_site_turn(site, tier);
}

void xdb_site_change_band(struct xdb_fit *fit, uint8_t band)
{
    struct xdb_site *site = fit->site;
    size_t tier = fit->shape->tier, from = fit->shape->band;
    xd_heap_remove(&site->work[tier][from], &fit->work);
    xd_heap_push(&site->work[tier][band], &fit->work, fit->work.key);
    xdb_site_note(site, tier, from);
    xdb_site_note(site, tier, band);
}

void xdb_site_turn(struct xdb_site *site, size_t tier)
{
    xd_time key = site->has_work[tier] != 0 && xdb_profile_may_run(site->profile)
                      ? xdb_share_key(site->profile->time)
                      : XD_NEVER;
    if (site->turn[tier].key != key) {
        xd_heap_move(&site->offer->turns[tier], &site->turn[tier], key);
    }
}

/* Of the bands with work, the one that had the least for its weight. */
static struct xdb_task *first_of_site(const struct xdb_site *site, size_t tier)
{
    const struct xdb_flow *flow = &site->profile->flows[tier];
    size_t best = XDB_BANDS;
    for (size_t band = 0; band < XDB_BANDS; band++) {
        if ((site->has_work[tier] & 1u << band) != 0 &&
            (best == XDB_BANDS || flow->time[band] < flow->time[best])) {
            best = band;
        }
    }
    struct xd_heap_item *item = xd_heap_first(&site->work[tier][best]);
    const struct xdb_shape *shape = XD_ITEM(item, struct xdb_fit, work)->shape;
    return XD_ITEM(shape->queue.next, struct xdb_task, place);
}

struct xdb_task *xdb_offer_first(const struct xdb_offer *offer)
{
    size_t tier = xdb_share_tier(offer);
    if (tier == XDB_TIERS) {
        return NULL;
    }
    struct xd_heap_item *item = xd_heap_first(&offer->turns[tier]);
    return first_of_site(XD_ITEM(item - tier, struct xdb_site, turn), tier);
}
