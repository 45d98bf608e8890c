/* SPDX-License-Identifier: MIT */
/* Interned shapes of tasks, and the queue of each. */
#include "core/shape.h"

#include "core/inside.h"

static struct xd_map *map_of(struct xdb_profile *profile, enum xd_format format)
{
    return &profile->shapes[format == XD_FORMAT_CALL];
}

/* Sorts a shape without tasks last; it stays in the heaps, so that their room does. */
xd_time xdb_shape_key(const struct xdb_shape *shape)
{
    struct xd_list *first = shape->queue.next;
    return first == &shape->queue ? XD_NEVER
                                  : (xd_time)XD_ITEM(first, struct xdb_task, place)->seq;
}

struct xdb_shape *xdb_shape_find(struct xdb_profile *profile,
                                 enum xd_format format,
                                 const struct xd_bytes *callee)
{
    const struct xd_map *map = map_of(profile, format);
    bool named = callee != NULL && callee->size > 0;
    struct xd_map_item *item = xd_map_get(map,
                                          named ? (const void *)callee->data : "",
                                          named ? callee->size : 0);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_shape, by_callee);
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
    xd_bytes_unref(shape->callee);
    xd_free(shape);
}

static enum xd_err shape_make(struct xdb_profile *profile,
                              enum xd_format format,
                              struct xd_bytes *callee,
                              struct xdb_shape **out)
{
    struct xdb_shape *shape = xd_zalloc(sizeof *shape);
    if (shape == NULL) {
        return XD_ERR_NOMEM;
    }
    shape->profile = profile;
    shape->format = format;
    shape->callee = format == XD_FORMAT_CALL ? xd_bytes_ref(callee) : NULL;
    xd_list_init(&shape->queue);
    xd_list_init(&shape->fits);
    xd_list_init(&shape->spare);
    xd_list_push_back(&profile->all_shapes, &shape->in_profile);
    enum xd_err err = xd_map_reserve(map_of(profile, format), 1);
    for (struct xd_list *link = profile->offers.next;
         err == XD_OK && link != &profile->offers;
         link = link->next) {
        err = xdb_fit_make(shape, XD_ITEM(link, struct xdb_offer, in_profile));
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
                             enum xd_format format,
                             struct xd_bytes *callee,
                             struct xdb_shape **out)
{
    struct xdb_shape *shape = xdb_shape_find(profile, format, callee);
    if (shape == NULL) {
        enum xd_err err = shape_make(profile, format, callee, &shape);
        if (err != XD_OK) {
            return err;
        }
        bool named = shape->callee != NULL && shape->callee->size > 0;
        xd_map_add(map_of(profile, format),
                   &shape->by_callee,
                   named ? (const void *)shape->callee->data : "",
                   named ? shape->callee->size : 0);
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

/* The queue's first task is another one: every offer that fits sorts it anew. */
static void head_changed(struct xdb_core *core, struct xdb_shape *shape)
{
    xd_time key = xdb_shape_key(shape);
    XD_LIST_EACH (link, &shape->fits) {
        struct xdb_fit *fit = XD_ITEM(link, struct xdb_fit, in_shape);
        xd_heap_move(&fit->offer->ready, &fit->ready, key);
        if (key != XD_NEVER) {
            xdb_offer_touch(core, fit->offer);
        }
    }
}

void xdb_shape_put(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_shape *shape = task->shape;
    struct xd_list *last = shape->queue.prev;
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
        head_changed(core, shape);
    }
}

void xdb_shape_take(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_shape *shape = task->shape;
    bool was_first = shape->queue.next == &task->place;
    xd_list_remove(&task->place);
    shape->queued--;
    if (was_first && !(xdb_fault(3) && shape->queued > 0)) {
        head_changed(core, shape);
    }
}
