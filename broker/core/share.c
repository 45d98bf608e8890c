/* SPDX-License-Identifier: MIT */
/* Virtual time (start-time fair queueing: Goyal, Vin, Cheng 1996), charged by prediction
 * and corrected by what was measured. */
#include "core/share.h"

#include "core/inside.h"

_Static_assert(sizeof((struct xdb_flow *)NULL)->time / sizeof(double) == XDB_BANDS,
               "a virtual time for each band");

/* What the bands of a profile get of its time when all have work, the shortest first:
 * halves up to seconds; from there about what such tasks bring of a heavy-tailed load, so
 * that under overload none of them waits for all (tests/core/sim). */
static const double band_weight[XDB_BANDS] = {128, 64, 32, 16, 8, 3, 5, 4};

/* How far a band that was quiet may be behind the others: microseconds of virtual time.
 * A profile banks nothing. */
#define BAND_CREDIT 1e6

/* What a tier must be owed, in microseconds, to go before a higher one: else the first
 * task of a higher one would already bring forward all those that wait below. */
#define OWED_LEAST 1e4

static bool has_turn(const struct xdb_offer *offer, size_t tier)
{
    const struct xd_heap_item *first = xd_heap_first(&offer->turns[tier]);
    return first != NULL && first->key != XD_NEVER;
}

/* The first with work, unless one below it is owed its minimum share. */
size_t xdb_share_tier(const struct xdb_offer *offer)
{
    size_t first = XDB_TIERS, owed = XDB_TIERS;
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        if (!has_turn(offer, tier)) {
            continue;
        }
        if (first == XDB_TIERS) {
            first = tier;
        } else if (offer->owed[tier] >= OWED_LEAST && !xdb_fault(16) &&
                   (owed == XDB_TIERS || offer->owed[tier] > offer->owed[owed])) {
            owed = tier;
        }
    }
    return owed < XDB_TIERS ? owed : first;
}

static double max(double a, double b)
{
    return a > b ? a : b;
}

/* Where one that wakes begins: where the one with work is that had the least. The clock
 * alone may be ahead of all of them, by what was predicted too long. */
static double time_of_turn(const struct xdb_offer *offer, size_t tier)
{
    double clock = offer->clock[tier];
    if (has_turn(offer, tier)) {
        struct xd_heap_item *item = xd_heap_first(&offer->turns[tier]);
        double least = XD_ITEM(item - tier, struct xdb_site, turn)->profile->time;
        clock = least < clock ? least : clock;
    }
    return clock;
}

/* Time in which it had no work is not given to it afterwards. */
static void wake_profile(struct xdb_core *core, struct xdb_shape *shape)
{
    struct xdb_profile *profile = shape->profile;
    double clock = 0;
    XD_LIST_EACH (link, &shape->fits) {
        const struct xdb_fit *fit = XD_ITEM(link, struct xdb_fit, in_shape);
        clock = max(clock, time_of_turn(fit->site->offer, shape->tier));
    }
    clock += xdb_fault(39) ? 2 * BAND_CREDIT : 0;
    if (clock > profile->time && !xdb_fault(17)) {
        profile->time = profile->floor = clock;
        xdb_share_turn(core, profile); /* other tiers may have work */
    }
}

static void wake_band(struct xdb_flow *flow, size_t band)
{
    if (flow->busy[band]++ == 0) {
        flow->time[band] = max(flow->time[band], flow->clock - BAND_CREDIT);
    }
}

void xdb_share_wake(struct xdb_core *core, struct xdb_shape *shape)
{
    struct xdb_flow *flow = &shape->profile->flows[shape->tier];
    if (flow->all_busy++ == 0) {
        shape->profile->at_work |= (uint8_t)(1u << shape->tier);
        wake_profile(core, shape);
    }
    wake_band(flow, shape->band);
}

void xdb_share_change_band(struct xdb_shape *shape, uint8_t band)
{
    struct xdb_flow *flow = &shape->profile->flows[shape->tier];
    flow->busy[shape->band]--;
    wake_band(flow, band);
}

void xdb_share_sleep(struct xdb_shape *shape)
{
    struct xdb_flow *flow = &shape->profile->flows[shape->tier];
    flow->busy[shape->band]--;
    if (--flow->all_busy == 0) {
        shape->profile->at_work &= (uint8_t) ~(1u << shape->tier);
    }
}

static double charge_of(const struct xdb_core *core, const struct xdb_task *task)
{
    return task->predicted_us > 0 ? (double)task->predicted_us
                                  : (double)core->config.run_unknown / 1000;
}

/* Each other tier with work is owed its share of what is given out; who had its turn out
 * of turn pays for it. */
static void charge_tiers(struct xdb_core *core,
                         struct xdb_task *task,
                         struct xdb_offer *offer,
                         double cost)
{
    size_t tier = task->shape->tier;
    bool is_first = true;
    for (size_t i = 0; i < XDB_TIERS; i++) {
        if (!has_turn(offer, i)) {
            offer->owed[i] = offer->owed[i] > 0 ? 0 : offer->owed[i];
            continue;
        }
        is_first = is_first && i >= tier;
        offer->owed[i] += i == tier ? 0 : core->config.tier_share * cost;
    }
    task->out_of_turn = !is_first;
    if (!is_first) {
        offer->owed[tier] -= cost;
    }
}

/* It was shorter, or longer, than was predicted: so is what the others are owed for it.
 */
static void correct_tiers(struct xdb_core *core, struct xdb_task *task, double more)
{
    struct xdb_offer *offer = task->worker->offer;
    for (size_t i = 0; i < XDB_TIERS; i++) {
        if (i != task->shape->tier && offer->owed[i] > 0) {
            offer->owed[i] = max(offer->owed[i] + core->config.tier_share * more, 0);
        }
    }
}

static void add(struct xdb_task *task, double us)
{
    const struct xdb_shape *shape = task->shape;
    struct xdb_profile *profile = shape->profile;
    double weight = xdb_fault(22) ? 1 : profile->weight;
    double of_band = xdb_fault(23) ? 1 : band_weight[task->band];
    profile->time = max(profile->time + us / weight, xdb_fault(27) ? 0 : profile->floor);
    profile->flows[shape->tier].time[task->band] += us / of_band;
}

void xdb_share_charge(struct xdb_core *core,
                      struct xdb_task *task,
                      struct xdb_offer *offer)
{
    struct xdb_shape *shape = task->shape;
    struct xdb_profile *profile = shape->profile;
    struct xdb_flow *flow = &profile->flows[shape->tier];
    double *clock = &offer->clock[shape->tier];
    task->predicted_us = shape->predicted_us;
    task->band = shape->band;
    task->charged = true;
    double cost = charge_of(core, task);
    *clock = max(*clock, profile->time);
    flow->clock = max(flow->clock, flow->time[task->band]);
    charge_tiers(core, task, offer, cost);
    add(task, cost);
}

/* What was charged to a band that proved wrong goes to the right one: else the first long
 * task of an unknown class would be paid for by short ones. Hints do not gain by it. */
static void move_charge(const struct xdb_core *core, struct xdb_task *task)
{
    const struct xdb_shape *shape = task->shape;
    if (shape->hint_us > 0 || task->band == shape->band || xdb_fault(38)) {
        return;
    }
    double *time = shape->profile->flows[shape->tier].time;
    double cost = charge_of(core, task);
    time[task->band] -= cost / band_weight[task->band];
    time[shape->band] += cost / band_weight[shape->band];
    task->band = shape->band;
}

void xdb_share_settle(struct xdb_core *core, struct xdb_task *task, double used_us)
{
    if (!task->charged) {
        return;
    }
    task->charged = false;
    xdb_estimate_end(core, task->shape);
    double more = used_us - charge_of(core, task);
    if (xdb_fault(18)) {
        return;
    }
    move_charge(core, task);
    add(task, more);
    correct_tiers(core, task, more);
    if (task->out_of_turn && !xdb_fault(28)) {
        task->worker->offer->owed[task->shape->tier] -= more;
    }
    xdb_share_turn(core, task->shape->profile);
}

void xdb_share_turn(struct xdb_core *core, struct xdb_profile *profile)
{
    XD_LIST_EACH (link, &profile->sites) {
        struct xdb_site *site = XD_ITEM(link, struct xdb_site, in_profile);
        for (size_t tier = 0; tier < XDB_TIERS; tier++) {
            if ((profile->at_work & 1u << tier) != 0) {
                bool had = site->turn[tier].key != XD_NEVER;
                xdb_site_turn(site, tier);
                if (!had && site->turn[tier].key != XD_NEVER) {
                    xdb_offer_touch(core, site->offer);
                }
            }
        }
    }
}
