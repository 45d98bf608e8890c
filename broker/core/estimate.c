/* SPDX-License-Identifier: MIT */
/* Learned run times. */
#include "core/estimate.h"

#include <math.h>
#include <string.h>

#include "core/inside.h"

/* The last runs count more, the first ones all the same. */
#define RUNS_REMEMBERED 10u

#define KEY_MAX (1 + XDB_NAME_MAX)

static struct xdb_estimate *estimate_alloc(struct xdb_profile *profile,
                                           const uint8_t *key,
                                           size_t key_size)
{
    struct xdb_estimate *estimate = xd_zalloc(sizeof *estimate + key_size);
    if (estimate == NULL) {
        return NULL;
    }
    estimate->profile = profile;
    estimate->key_size = (uint32_t)key_size;
    memcpy(estimate->key, key, key_size);
    xd_list_init(&estimate->below);
    xd_list_init(&estimate->in_above);
    xd_list_init(&estimate->shapes);
    xd_list_init(&estimate->spare);
    return estimate;
}

enum xd_err xdb_estimate_init(struct xdb_profile *profile)
{
    static const uint8_t none[1] = {0};
    profile->estimate = estimate_alloc(profile, none, 0);
    return profile->estimate == NULL ? XD_ERR_NOMEM : XD_OK;
}

static void release(struct xdb_estimate *estimate)
{
    if (--estimate->users == 0 && estimate->above != NULL) {
        xd_list_push_back(&estimate->profile->spare_estimates, &estimate->spare);
        estimate->profile->spare_estimate_count++;
    }
}

static void hold(struct xdb_estimate *estimate)
{
    if (estimate->users++ == 0 && estimate->above != NULL) {
        xd_list_remove(&estimate->spare);
        estimate->profile->spare_estimate_count--;
    }
}

static void drop(struct xdb_estimate *estimate)
{
    struct xdb_profile *profile = estimate->profile;
    xd_list_remove(&estimate->spare);
    profile->spare_estimate_count--;
    xd_list_remove(&estimate->in_above);
    xd_map_remove(&profile->estimates, &estimate->by_key);
    release(estimate->above);
    xd_free(estimate);
}

void xdb_estimate_drop_spare(struct xdb_profile *profile, size_t keep)
{
    while (profile->spare_estimate_count > keep) {
        drop(XD_ITEM(profile->spare_estimates.next, struct xdb_estimate, spare));
    }
}

void xdb_estimate_fini(struct xdb_profile *profile)
{
    xdb_estimate_drop_spare(profile, 0);
    xd_map_fini(&profile->estimates);
    xd_free(profile->estimate);
}

/* Small sizes together: what a closure drags along says little of its run time. Then a
 * bucket for each factor of four. */
uint8_t xdb_estimate_bucket(uint64_t bytes)
{
    uint8_t bucket = 1;
    for (uint64_t rest = bytes >> 12; rest > 0; rest >>= 2) {
        bucket++;
    }
    return bucket;
}

static enum xd_err intern(struct xdb_profile *profile,
                          const uint8_t *key,
                          size_t key_size,
                          struct xdb_estimate *above,
                          struct xdb_estimate **out)
{
    struct xd_map_item *item = xd_map_get(&profile->estimates, key, key_size);
    if (item != NULL) {
        *out = XD_ITEM(item, struct xdb_estimate, by_key);
        return XD_OK;
    }
    enum xd_err err = xd_map_reserve(&profile->estimates, 1);
    struct xdb_estimate *made =
        err == XD_OK ? estimate_alloc(profile, key, key_size) : NULL;
    if (made == NULL) {
        return XD_ERR_NOMEM;
    }
    made->above = above;
    hold(above);
    xd_list_push_back(&above->below, &made->in_above);
    xd_map_add(&profile->estimates, &made->by_key, made->key, key_size);
    xd_list_push_back(&profile->spare_estimates, &made->spare);
    profile->spare_estimate_count++;
    *out = made;
    return XD_OK;
}

enum xd_err xdb_estimate_intern(struct xdb_profile *profile,
                                const struct xd_bytes *kind,
                                uint8_t bucket,
                                struct xdb_estimate **out)
{
    uint8_t key[KEY_MAX] = {0};
    size_t size = 1;
    bool is_full =
        profile->estimates.count - profile->spare_estimate_count >= XDB_ESTIMATES_MAX;
    if (kind != NULL && kind->size > 0 && !is_full) {
        memcpy(key + 1, kind->data, kind->size);
        size += kind->size;
    }
    struct xdb_estimate *class_of;
    enum xd_err err = intern(profile, key, size, profile->estimate, &class_of);
    key[0] = bucket;
    return err != XD_OK ? err : intern(profile, key, size, class_of, out);
}

void xdb_estimate_use(struct xdb_estimate *estimate, struct xdb_shape *shape)
{
    hold(estimate);
    shape->estimate = estimate;
    xd_list_push_back(&estimate->shapes, &shape->in_estimate);
}

void xdb_estimate_unuse(struct xdb_shape *shape)
{
    xd_list_remove(&shape->in_estimate);
    release(shape->estimate);
    shape->estimate = NULL;
}

static void average(double *mean, uint32_t *count, double seen)
{
    *count += *count < RUNS_REMEMBERED ? 1 : 0;
    *mean += (seen - *mean) / (double)*count;
}

static double hint_log(const struct xdb_shape *shape)
{
    return log((double)shape->hint_us * 1000.0);
}

static uint32_t to_us(double run_log)
{
    double us = exp(run_log) / 1000.0 + 1.0;
    return us > (double)UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)us;
}

/* Nothing is known of the class but that one of its tasks runs. */
static bool is_on_trial(const struct xdb_estimate *class_of)
{
    return class_of->runs == 0 && class_of->running > 0 && !xdb_fault(37);
}

bool xdb_estimate_is_known(const struct xdb_shape *shape)
{
    return shape->hint_us > 0 || shape->estimate->above->runs > 0;
}

/* A hint counts as wrong as those of its class were. */
uint32_t xdb_estimate_predict(const struct xdb_shape *shape)
{
    const struct xdb_estimate *from = shape->estimate;
    if (shape->hint_us > 0) {
        while (from->hints == 0 && from->above != NULL) {
            from = from->above;
        }
        return to_us(hint_log(shape) + (xdb_fault(21) ? 0 : from->hint_log));
    }
    if (is_on_trial(from->above)) {
        return 0;
    }
    while (from->runs == 0 && from->above != NULL) {
        from = from->above;
    }
    return from->runs == 0 ? 0 : to_us(from->run_log);
}

static void predict_shapes(struct xdb_core *core, struct xdb_estimate *estimate)
{
    XD_LIST_EACH (link, &estimate->shapes) {
        xdb_shape_predict(core, XD_ITEM(link, struct xdb_shape, in_estimate));
    }
}

static void predict_class(struct xdb_core *core, struct xdb_estimate *class_of)
{
    XD_LIST_EACH (link, &class_of->below) {
        predict_shapes(core, XD_ITEM(link, struct xdb_estimate, in_above));
    }
}

void xdb_estimate_begin(struct xdb_core *core, struct xdb_shape *shape)
{
    struct xdb_estimate *class_of = shape->estimate->above;
    if (class_of->running++ == 0 && class_of->runs == 0) {
        predict_class(core, class_of);
    }
}

void xdb_estimate_end(struct xdb_core *core, struct xdb_shape *shape)
{
    struct xdb_estimate *class_of = shape->estimate->above;
    if (--class_of->running == 0 && class_of->runs == 0) {
        predict_class(core, class_of);
    }
}

/* Sizes of the class that know nothing themselves follow it at once; classes that know
 * nothing follow the profile when their next task comes. */
void xdb_estimate_learn(struct xdb_core *core, struct xdb_shape *shape, uint64_t run_ns)
{
    struct xdb_estimate *first = shape->estimate;
    xd_assert(first != NULL && first->above != NULL);
    double run_log = log((double)run_ns);
    for (struct xdb_estimate *at = first; at != NULL; at = at->above) {
        average(&at->run_log, &at->runs, run_log);
        if (shape->hint_us > 0) {
            average(&at->hint_log, &at->hints, run_log - hint_log(shape));
        }
    }
    predict_shapes(core, first);
    XD_LIST_EACH (link, &first->above->below) {
        struct xdb_estimate *other = XD_ITEM(link, struct xdb_estimate, in_above);
        if (other != first && (other->runs == 0 || other->hints == 0)) {
            predict_shapes(core, other);
        }
    }
}
