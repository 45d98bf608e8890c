/* SPDX-License-Identifier: MIT */
/* Interned shapes of tasks, and the queue of each. */
#include "core/shape.h"

#include <string.h>

#include "core/inside.h"

#define KEY_MAX (8 + 3 * XDB_NAME_MAX)

/* What tells one shape from another, as bytes. */
struct key {
    size_t size;
    uint8_t bytes[KEY_MAX];
};

static uint8_t tier_of(const struct xd_task *task)
{
    static const uint8_t tiers[] = {
        [XD_PRIORITY_DEFAULT] = XDB_TIER_NORMAL,
        [XD_PRIORITY_INTERACTIVE] = XDB_TIER_INTERACTIVE,
        [XD_PRIORITY_NORMAL] = XDB_TIER_NORMAL,
        [XD_PRIORITY_BATCH] = XDB_TIER_BATCH,
    };
    return tiers[task->options.priority];
}

/* Hints that differ by less than a quarter are one: the number's highest bit, and the
 * two below it. */
static uint8_t hint_of(uint64_t us)
{
    uint8_t exponent = 0;
    while (us >= 8) {
        us >>= 1;
        exponent++;
    }
    return (uint8_t)((unsigned)exponent << 3 | (unsigned)us);
}

static uint64_t hint_us(uint8_t hint)
{
    return (uint64_t)(hint & 7u) << (hint >> 3);
}

static const struct xd_bytes *kind_of(const struct xd_task *task)
{
    return task->options.kind != NULL ? task->options.kind : task->callee;
}

static void put_name(struct key *key, const struct xd_bytes *name)
{
    size_t size = name == NULL ? 0 : name->size;
    xd_assert(size <= XDB_NAME_MAX);
    key->bytes[key->size++] = (uint8_t)size;
    if (size > 0) {
        memcpy(key->bytes + key->size, name->data, size);
        key->size += size;
    }
}

static uint8_t bucket_of(const struct xd_task *task)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < task->frame_count; i++) {
        bytes += task->frames[i].size;
    }
    return xdb_estimate_bucket(bytes);
}

static void make_key(const struct xd_task *task, struct key *key)
{
    uint16_t rank = (uint16_t)task->options.rank;
    key->size = 0;
    key->bytes[key->size++] = (uint8_t)((unsigned)task->format << 2 | tier_of(task));
    key->bytes[key->size++] = (uint8_t)(rank >> 8);
    key->bytes[key->size++] = (uint8_t)rank;
    key->bytes[key->size++] = bucket_of(task);
    key->bytes[key->size++] = hint_of(task->options.estimate_us);
    put_name(key, task->format == XD_FORMAT_CALL ? task->callee : NULL);
    put_name(key, task->options.kind);
    put_name(key, task->options.needs);
}

uint64_t xdb_shape_first_seq(const struct xdb_shape *shape)
{
    struct xd_list *first = shape->queue.next;
    return first == &shape->queue ? UINT64_MAX
                                  : XD_ITEM(first, struct xdb_task, place)->seq;
}

/* One without tasks sorts last; it stays in the heaps, so that their room does. */
xd_time xdb_shape_key(const struct xdb_shape *shape)
{
    if (xdb_shape_first_seq(shape) >= shape->profile->gate) {
        return XD_NEVER;
    }
    return shape->profile->policy->key(
        shape,
        XD_ITEM(shape->queue.next, struct xdb_task, place));
}

static struct xdb_shape *find(const struct xdb_profile *profile,
                              const struct key *key,
                              struct xdb_shape *last)
{
    if (last != NULL && last->key_size == key->size &&
        memcmp(last->key, key->bytes, key->size) == 0) {
        return last;
    }
    struct xd_map_item *item = xd_map_get(&profile->shapes, key->bytes, key->size);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_shape, by_key);
}

void xdb_shape_free(struct xdb_shape *shape)
{
    XD_LIST_EACH_SAFE (link, &shape->fits) {
        xdb_fit_free(XD_ITEM(link, struct xdb_fit, in_shape));
    }
    xd_list_remove(&shape->in_profile);
    if (!xd_list_is_empty(&shape->spare)) {
        shape->profile->spare_count--;
        xd_list_remove(&shape->spare);
    }
    xdb_estimate_unuse(shape);
    xd_bytes_unref(shape->callee);
    xd_bytes_unref(shape->needs);
    xd_free(shape);
}

static struct xdb_shape *shape_alloc(struct xdb_profile *profile,
                                     const struct xd_task *task,
                                     const struct key *key)
{
    struct xdb_estimate *estimate;
    struct xdb_shape *shape = xd_zalloc(sizeof *shape + key->size);
    if (shape == NULL ||
        xdb_estimate_intern(profile, kind_of(task), bucket_of(task), &estimate) !=
            XD_OK) {
        xd_free(shape);
        return NULL;
    }
    shape->profile = profile;
    shape->format = task->format;
    shape->callee = task->format == XD_FORMAT_CALL ? xd_bytes_ref(task->callee) : NULL;
    shape->needs = xd_bytes_ref(task->options.needs);
    shape->tier = tier_of(task);
    shape->rank = task->options.rank;
    shape->hint_us = hint_us(hint_of(task->options.estimate_us));
    shape->key_size = (uint32_t)key->size;
    memcpy(shape->key, key->bytes, key->size);
    xd_list_init(&shape->queue);
    xd_list_init(&shape->fits);
    xd_list_init(&shape->spare);
    xdb_estimate_use(estimate, shape);
    xd_list_push_back(&profile->all_shapes, &shape->in_profile);
    return shape;
}

static enum xd_err shape_make(struct xdb_core *core,
                              struct xdb_profile *profile,
                              const struct xd_task *task,
                              const struct key *key,
                              struct xdb_shape **out)
{
    struct xdb_shape *shape = shape_alloc(profile, task, key);
    if (shape == NULL) {
        return XD_ERR_NOMEM;
    }
    xdb_shape_predict(core, shape);
    enum xd_err err = xd_map_reserve(&profile->shapes, 1);
    for (struct xd_list *link = profile->pool->offers.next;
         err == XD_OK && link != &profile->pool->offers;
         link = link->next) {
        err = xdb_fit_make(shape, XD_ITEM(link, struct xdb_offer, in_pool));
    }
    if (err != XD_OK) {
        xdb_shape_free(shape);
        return err;
    }
    *out = shape;
    return XD_OK;
}

enum xd_err xdb_shape_intern(struct xdb_core *core,
                             struct xdb_profile *profile,
                             const struct xd_task *task,
                             struct xdb_shape *last,
                             struct xdb_shape **out)
{
    struct key key;
    make_key(task, &key);
    struct xdb_shape *shape = find(profile, &key, last);
    if (shape == NULL) {
        enum xd_err err = shape_make(core, profile, task, &key, &shape);
        if (err != XD_OK) {
            return err;
        }
        xd_map_add(&profile->shapes, &shape->by_key, shape->key, shape->key_size);
        xd_list_push_back(&profile->spare_shapes, &shape->spare);
        profile->spare_count++;
        xdb_profile_touch(core, profile);
    }
    *out = shape;
    return XD_OK;
}

void xdb_shape_use(struct xdb_shape *shape, struct xdb_task *task)
{
    if (shape->tasks++ == 0) {
        xd_list_remove(&shape->spare);
        shape->profile->spare_count--;
    }
    shape->profile->records++;
    task->shape = shape;
}

void xdb_shape_unuse(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_shape *shape = task->shape;
    if (shape == NULL) {
        return;
    }
    task->shape = NULL;
    shape->profile->records--;
    if (--shape->tasks == 0) {
        xd_list_push_back(&shape->profile->spare_shapes, &shape->spare);
        shape->profile->spare_count++;
        xdb_profile_touch(core, shape->profile);
    }
}

void xdb_shape_head_changed(struct xdb_core *core, struct xdb_shape *shape)
{
    xd_time key = xdb_shape_key(shape);
    XD_LIST_EACH (link, &shape->fits) {
        struct xdb_fit *fit = XD_ITEM(link, struct xdb_fit, in_shape);
        xdb_site_sort(fit, key);
        if (key != XD_NEVER) {
            xdb_offer_touch(core, fit->site->offer);
        }
    }
}

static void change_band(struct xdb_shape *shape, uint8_t band)
{
    if (shape->queued > 0) {
        xdb_share_change_band(shape, band);
    }
    XD_LIST_EACH (link, &shape->fits) {
        xdb_site_change_band(XD_ITEM(link, struct xdb_fit, in_shape), band);
    }
    shape->band = band;
}

/* Some of it may go ahead of need that could not before, or the reverse. */
static bool may_be_held(const struct xdb_core *core, uint32_t predicted_us)
{
    return predicted_us > 0 && predicted_us < core->config.hold_below / XD_US;
}

static void touch_offers(struct xdb_core *core, const struct xdb_shape *shape)
{
    XD_LIST_EACH (link, &shape->fits) {
        xdb_offer_touch(core, XD_ITEM(link, struct xdb_fit, in_shape)->site->offer);
    }
}

void xdb_shape_predict(struct xdb_core *core, struct xdb_shape *shape)
{
    uint32_t before = shape->predicted_us;
    shape->predicted_us = xdb_estimate_predict(shape);
    uint8_t band = shape->profile->policy->band(core, shape);
    if (band != shape->band && !(xdb_fault(26) && shape->queued > 0)) {
        change_band(shape, band);
    }
    if (shape->queued == 0 || shape->predicted_us == before) {
        return;
    }
    if (shape->profile->policy->by_time) {
        xdb_shape_head_changed(core, shape);
    } else if (may_be_held(core, before) != may_be_held(core, shape->predicted_us)) {
        touch_offers(core, shape);
    }
}

void xdb_shape_put(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_shape *shape = task->shape;
    struct xd_list *last = shape->queue.prev;
    if (shape->queued == 0) {
        if (shape->estimate->runs == 0) { /* it may follow what is above */
            xdb_shape_predict(core, shape);
        }
        xdb_share_wake(core, shape);
    }
    shape->queued++;
    if (last == &shape->queue || XD_ITEM(last, struct xdb_task, place)->seq < task->seq ||
        xdb_fault(9)) {
        xd_list_push_back(&shape->queue, &task->place);
    } else {
        struct xd_list *at = shape->queue.next;
        while (XD_ITEM(at, struct xdb_task, place)->seq < task->seq) {
            at = at->next;
        }
        xd_list_push_back(at, &task->place);
    }
    if (shape->queue.next == &task->place) {
        xdb_shape_head_changed(core, shape);
    }
}

void xdb_shape_take(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_shape *shape = task->shape;
    bool was_first = shape->queue.next == &task->place;
    xd_list_remove(&task->place);
    shape->queued--;
    if (shape->queued == 0) {
        xdb_share_sleep(shape);
    }
    if (was_first && !(xdb_fault(3) && shape->queued > 0)) {
        xdb_shape_head_changed(core, shape);
    }
}
