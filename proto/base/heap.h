/* SPDX-License-Identifier: MIT */
/* An intrusive 4-ary min-heap of deadlines; an item knows its place, so it can be moved
 * or taken out. */
#ifndef XD_BASE_HEAP_H
#define XD_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/time.h"

struct xd_heap_item {
    xd_time key;
    size_t place; /* position + 1; 0 while in no heap */
};

/* The key beside the pointer: sorting touches no item that does not move. */
struct xd_heap_entry {
    xd_time key;
    struct xd_heap_item *item;
};

struct xd_heap {
    struct xd_heap_entry *entries;
    size_t count, capacity;
};

void xd_heap_init(struct xd_heap *heap);
void xd_heap_fini(struct xd_heap *heap); /* the items stay the caller's */

/* Room for `more` pushes that cannot fail. */
enum xd_err xd_heap_reserve(struct xd_heap *heap, size_t more) XD_MUST_USE;

/* Room must have been reserved (asserted). The item must be in no heap. */
void xd_heap_push(struct xd_heap *heap, struct xd_heap_item *item, xd_time key);
void xd_heap_move(struct xd_heap *heap, struct xd_heap_item *item, xd_time key);
void xd_heap_remove(struct xd_heap *heap,
                    struct xd_heap_item *item); /* harmless when in none */

/* The item with the smallest key, or NULL. */
struct xd_heap_item *xd_heap_first(const struct xd_heap *heap);

/* Does every item know its place, and is no child before its parent? */
bool xd_heap_check(const struct xd_heap *heap);

#endif
