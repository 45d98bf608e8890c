/* SPDX-License-Identifier: MIT */
/* The slots' state table, restart back-off and deadlines. */
#include "supervise/pool.h"

#include "base/alloc.h"
#include "base/assert.h"

const struct xdw_row xdw_rows[XDW_ROWS] = {
    {XDW_VACANT, XDW_EV_START, XDW_STARTING},
    {XDW_STARTING, XDW_EV_RAN, XDW_UP},
    {XDW_STARTING, XDW_EV_REFUSED, XDW_BACKOFF},
    {XDW_STARTING, XDW_EV_NOT_RUN, XDW_FAILED},
    {XDW_STARTING, XDW_EV_GAVE_UP, XDW_FAILED},
    {XDW_STARTING, XDW_EV_STOP, XDW_FINISHED},
    {XDW_UP, XDW_EV_DONE, XDW_FINISHED},
    {XDW_UP, XDW_EV_CRASHED, XDW_BACKOFF},
    {XDW_UP, XDW_EV_GAVE_UP, XDW_FAILED},
    {XDW_UP, XDW_EV_STOP, XDW_STOPPING},
    {XDW_UP, XDW_EV_KILL, XDW_KILLING},
    {XDW_BACKOFF, XDW_EV_DUE, XDW_STARTING},
    {XDW_BACKOFF, XDW_EV_STOP, XDW_FINISHED},
    {XDW_STOPPING, XDW_EV_DONE, XDW_FINISHED},
    {XDW_STOPPING, XDW_EV_CRASHED, XDW_FINISHED},
    {XDW_STOPPING, XDW_EV_KILL, XDW_KILLING},
    {XDW_KILLING, XDW_EV_DONE, XDW_FINISHED},
    {XDW_KILLING, XDW_EV_CRASHED, XDW_FINISHED},
    {XDW_FINISHED, XDW_EV_FORGET, XDW_VACANT},
    {XDW_FAILED, XDW_EV_FORGET, XDW_VACANT},
};

static const enum xdw_action entry_actions[XDW_STATE_COUNT] = {
    [XDW_STARTING] = XDW_DO_START,
    [XDW_STOPPING] = XDW_DO_TERM,
    [XDW_KILLING] = XDW_DO_KILL,
};

const char *xdw_state_name(enum xdw_state state)
{
    static const char *const names[XDW_STATE_COUNT] = {
#define XDW_STATE_TEXT(state, name) [XDW_##state] = (name),
        XDW_STATE_LIST(XDW_STATE_TEXT)
#undef XDW_STATE_TEXT
    };
    return (unsigned)state < XDW_STATE_COUNT ? names[state] : "unknown";
}

bool xdw_state_is_over(enum xdw_state state)
{
    return state == XDW_VACANT || state == XDW_FINISHED || state == XDW_FAILED;
}

void xdw_pool_init(struct xdw_pool *pool, const struct xdw_pool_config *config)
{
    xd_assert(config->backoff > 0 && config->backoff_cap > 0 && config->stable > 0);
    *pool = (struct xdw_pool){.config = *config, .random = config->seed};
}

void xdw_pool_fini(struct xdw_pool *pool)
{
    xd_free(pool->slots);
    *pool = (struct xdw_pool){.config = pool->config};
}

enum xd_err xdw_pool_add(struct xdw_pool *pool, uint32_t *slot)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->slots[i].state == XDW_VACANT) {
            *slot = (uint32_t)i;
            return XD_OK;
        }
    }
    void *slots = pool->slots;
    if (xd_reserve(&slots, &pool->capacity, pool->count + 1, sizeof *pool->slots)) {
        return XD_ERR_NOMEM;
    }
    pool->slots = slots;
    pool->slots[pool->count] = (struct xdw_slot){.state = XDW_VACANT, .due = XD_NEVER};
    *slot = (uint32_t)pool->count++;
    return XD_OK;
}

static struct xdw_slot *slot_at(struct xdw_pool *pool, uint32_t slot)
{
    xd_assert(slot < pool->count);
    return &pool->slots[slot];
}

static void move(struct xdw_pool *pool, struct xdw_slot *slot, enum xdw_event event)
{
    size_t row = 0;
    while (row < XDW_ROWS &&
           (xdw_rows[row].from != slot->state || xdw_rows[row].event != event)) {
        row++;
    }
    xd_assert(row < XDW_ROWS);
    pool->hits[row]++;
    slot->state = xdw_rows[row].to;
    slot->told = false;
    slot->due = XD_NEVER;
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed will do, also 0. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The crashes-th delay: doubling up to the cap, drawn from its upper half. */
static xd_time draw_delay(struct xdw_pool *pool, uint32_t crashes)
{
    xd_time full = xd_time_min(pool->config.backoff, pool->config.backoff_cap);
    for (uint32_t i = 1; i < crashes && full < pool->config.backoff_cap; i++) {
        full = xd_time_min(xd_time_add(full, full), pool->config.backoff_cap);
    }
    uint64_t half = (uint64_t)full / 2;
    return full - (xd_time)(next_random(&pool->random) % (half + 1));
}

static void back_off(struct xdw_pool *pool,
                     struct xdw_slot *slot,
                     enum xdw_event event,
                     xd_time now)
{
    slot->crashes++;
    if (pool->config.give_up_after && slot->crashes >= pool->config.give_up_after) {
        move(pool, slot, XDW_EV_GAVE_UP);
        return;
    }
    move(pool, slot, event);
    slot->delay = draw_delay(pool, slot->crashes);
    slot->due = xd_time_add(now, slot->delay);
}

void xdw_pool_event(struct xdw_pool *pool,
                    uint32_t slot,
                    enum xdw_event event,
                    xd_time now)
{
    struct xdw_slot *it = slot_at(pool, slot);
    move(pool, it, event);
    if (event == XDW_EV_START) {
        it->crashes = 0;
    }
    if (event == XDW_EV_RAN) {
        it->since = now;
    }
}

void xdw_pool_refused(struct xdw_pool *pool, uint32_t slot, xd_time now)
{
    back_off(pool, slot_at(pool, slot), XDW_EV_REFUSED, now);
}

static bool is_final(struct xdw_end end)
{
    return end.how == XDW_END_EXIT && end.code >= 0 && end.code <= XDW_FINAL_EXIT_MAX;
}

void xdw_pool_ended(struct xdw_pool *pool, uint32_t slot, struct xdw_end end, xd_time now)
{
    struct xdw_slot *it = slot_at(pool, slot);
    if (it->state != XDW_UP) {
        move(pool, it, is_final(end) ? XDW_EV_DONE : XDW_EV_CRASHED);
        return;
    }
    if (is_final(end)) {
        move(pool, it, XDW_EV_DONE);
        return;
    }
    if (now - it->since >= pool->config.stable) {
        it->crashes = 0;
    }
    back_off(pool, it, XDW_EV_CRASHED, now);
}

bool xdw_pool_stop(struct xdw_pool *pool, uint32_t slot, xd_time grace, xd_time now)
{
    struct xdw_slot *it = slot_at(pool, slot);
    if (xdw_state_is_over(it->state) || it->state == XDW_KILLING) {
        return false;
    }
    if (it->state == XDW_STOPPING) {
        it->due = xd_time_min(it->due, xd_time_add(now, grace));
        return false;
    }
    bool at_once = grace <= 0 && it->state == XDW_UP;
    move(pool, it, at_once ? XDW_EV_KILL : XDW_EV_STOP);
    if (it->state == XDW_STOPPING) {
        it->due = xd_time_add(now, grace);
    }
    return true;
}

static void pass_deadline(struct xdw_pool *pool, struct xdw_slot *slot, xd_time now)
{
    if (slot->due <= now) {
        move(pool, slot, slot->state == XDW_BACKOFF ? XDW_EV_DUE : XDW_EV_KILL);
    }
}

enum xdw_action xdw_pool_next(struct xdw_pool *pool, xd_time now, uint32_t *slot)
{
    for (size_t i = 0; i < pool->count; i++) {
        struct xdw_slot *it = &pool->slots[i];
        pass_deadline(pool, it, now);
        if (!it->told && entry_actions[it->state] != XDW_DO_NOTHING) {
            it->told = true;
            *slot = (uint32_t)i;
            return entry_actions[it->state];
        }
    }
    return XDW_DO_NOTHING;
}

xd_time xdw_pool_deadline(const struct xdw_pool *pool)
{
    xd_time first = XD_NEVER;
    for (size_t i = 0; i < pool->count; i++) {
        const struct xdw_slot *it = &pool->slots[i];
        bool pending = !it->told && entry_actions[it->state] != XDW_DO_NOTHING;
        first = xd_time_min(first, pending ? 0 : it->due);
    }
    return first;
}

bool xdw_pool_check(const struct xdw_pool *pool)
{
    if (pool->count > pool->capacity) {
        return false;
    }
    for (size_t i = 0; i < pool->count; i++) {
        const struct xdw_slot *it = &pool->slots[i];
        bool waits = it->state == XDW_BACKOFF || it->state == XDW_STOPPING;
        if ((unsigned)it->state >= XDW_STATE_COUNT || (!waits && it->due != XD_NEVER)) {
            return false;
        }
        if (it->state == XDW_BACKOFF && (it->crashes == 0 || it->due == XD_NEVER)) {
            return false;
        }
    }
    return true;
}
