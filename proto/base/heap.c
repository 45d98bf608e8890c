/* SPDX-License-Identifier: MIT */
/* An intrusive 4-ary min-heap: half the depth of a binary one, and the four children lie
 * side by side in the cache. */
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
        heap->entries[i].item->place = 0;
    }
    xd_free(heap->entries);
    xd_heap_init(heap);
}

enum xd_err xd_heap_reserve(struct xd_heap *heap, size_t more)
{
    if (more > SIZE_MAX - heap->count) {
        return XD_ERR_NOMEM;
    }
    void *entries = heap->entries;
    enum xd_err err =
        xd_reserve(&entries, &heap->capacity, heap->count + more, sizeof(*heap->entries));
    heap->entries = entries;
    return err;
}

static void put(struct xd_heap *heap, size_t at, struct xd_heap_entry entry)
{
    heap->entries[at] = entry;
    entry.item->place = at + 1;
}

static void rise(struct xd_heap *heap, size_t at, struct xd_heap_entry entry)
{
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (heap->entries[parent].key <= entry.key) {
            break;
        }
        put(heap, at, heap->entries[parent]);
        at = parent;
    }
    put(heap, at, entry);
}

static size_t smallest_child(const struct xd_heap *heap, size_t at)
{
    size_t first = at * ARITY + 1, best = first;
    for (size_t i = first + 1; i < heap->count && i < first + ARITY; i++) {
        if (heap->entries[i].key < heap->entries[best].key) {
            best = i;
        }
    }
    return best;
}

static void sink(struct xd_heap *heap, size_t at, struct xd_heap_entry entry)
{
    for (;;) {
        size_t child = smallest_child(heap, at);
        if (child >= heap->count || heap->entries[child].key >= entry.key) {
            break;
        }
        put(heap, at, heap->entries[child]);
        at = child;
    }
    put(heap, at, entry);
}

/* It belongs at `at` or above or below. */
static void settle(struct xd_heap *heap, size_t at, struct xd_heap_entry entry)
{
    if (at > 0 && entry.key < heap->entries[(at - 1) / ARITY].key) {
        rise(heap, at, entry);
    } else {
        sink(heap, at, entry);
    }
}

void xd_heap_push(struct xd_heap *heap, struct xd_heap_item *item, xd_time key)
{
    xd_assert(item->place == 0);
    xd_assert(heap->count < heap->capacity);
    item->key = key;
    rise(heap, heap->count++, (struct xd_heap_entry){key, item});
}

void xd_heap_move(struct xd_heap *heap, struct xd_heap_item *item, xd_time key)
{
    xd_assert(item->place > 0 && item->place <= heap->count);
    xd_assert(heap->entries[item->place - 1].item == item);
    item->key = key;
    settle(heap, item->place - 1, (struct xd_heap_entry){key, item});
}

void xd_heap_remove(struct xd_heap *heap, struct xd_heap_item *item)
{
    if (item->place == 0) {
        return;
    }
    xd_assert(item->place <= heap->count && heap->entries[item->place - 1].item == item);
    size_t at = item->place - 1;
    struct xd_heap_entry last = heap->entries[--heap->count];
    item->place = 0;
    if (last.item != item) {
        settle(heap, at, last);
    }
}

struct xd_heap_item *xd_heap_first(const struct xd_heap *heap)
{
    return heap->count ? heap->entries[0].item : NULL;
}

bool xd_heap_check(const struct xd_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        const struct xd_heap_entry *entry = &heap->entries[i];
        if (entry->item->place != i + 1 || entry->item->key != entry->key) {
            return false;
        }
        if (i > 0 && heap->entries[(i - 1) / ARITY].key > entry->key) {
            return false;
        }
    }
    return heap->count <= heap->capacity;
}
