/* SPDX-License-Identifier: MIT */
/* An intrusive 4-ary min-heap: half the depth of a binary one, and the four children lie
 * in one cache line. */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/assert.h"

#define ARITY 4u

void xd_heap_init(struct xd_heap *heap)
{
    *heap = (struct xd_heap){0};
}

void xd_heap_fini(struct xd_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        heap->items[i]->place = 0;
    }
    xd_free(heap->items);
    xd_heap_init(heap);
}

enum xd_err xd_heap_reserve(struct xd_heap *heap, size_t more)
{
    if (more > SIZE_MAX - heap->count) {
        return XD_ERR_NOMEM;
    }
    void *items = heap->items;
    enum xd_err err =
        xd_reserve(&items, &heap->capacity, heap->count + more, sizeof(*heap->items));
    heap->items = items;
    return err;
}

static void put(struct xd_heap *heap, size_t at, struct xd_heap_item *item)
{
    heap->items[at] = item;
    item->place = at + 1;
}

static void rise(struct xd_heap *heap, size_t at, struct xd_heap_item *item)
{
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (heap->items[parent]->key <= item->key) {
            break;
        }
        put(heap, at, heap->items[parent]);
        at = parent;
    }
    put(heap, at, item);
}

static size_t smallest_child(const struct xd_heap *heap, size_t at)
{
    size_t first = at * ARITY + 1, best = first;
    for (size_t i = first + 1; i < heap->count && i < first + ARITY; i++) {
        if (heap->items[i]->key < heap->items[best]->key) {
            best = i;
        }
    }
    return best;
}

static void sink(struct xd_heap *heap, size_t at, struct xd_heap_item *item)
{
    for (;;) {
        size_t child = smallest_child(heap, at);
        if (child >= heap->count || heap->items[child]->key >= item->key) {
            break;
        }
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, item);
}

/* `item` belongs at `at` or above or below it. */
static void settle(struct xd_heap *heap, size_t at, struct xd_heap_item *item)
{
    if (at > 0 && item->key < heap->items[(at - 1) / ARITY]->key) {
        rise(heap, at, item);
    } else {
        sink(heap, at, item);
    }
}

void xd_heap_push(struct xd_heap *heap, struct xd_heap_item *item, xd_time key)
{
    xd_assert(item->place == 0);
    xd_assert(heap->count < heap->capacity);
    item->key = key;
    rise(heap, heap->count++, item);
}

void xd_heap_move(struct xd_heap *heap, struct xd_heap_item *item, xd_time key)
{
    xd_assert(item->place > 0 && item->place <= heap->count);
    xd_assert(heap->items[item->place - 1] == item);
    item->key = key;
    settle(heap, item->place - 1, item);
}

void xd_heap_remove(struct xd_heap *heap, struct xd_heap_item *item)
{
    if (item->place == 0) {
        return;
    }
    xd_assert(item->place <= heap->count && heap->items[item->place - 1] == item);
    size_t at = item->place - 1;
    struct xd_heap_item *last = heap->items[--heap->count];
    item->place = 0;
    if (last != item) {
        settle(heap, at, last);
    }
}

struct xd_heap_item *xd_heap_first(const struct xd_heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}

bool xd_heap_check(const struct xd_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        const struct xd_heap_item *item = heap->items[i];
        if (item->place != i + 1) {
            return false;
        }
        if (i > 0 && heap->items[(i - 1) / ARITY]->key > item->key) {
            return false;
        }
    }
    return heap->count <= heap->capacity;
}
