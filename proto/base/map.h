/* SPDX-License-Identifier: MIT */
/* An intrusive hash map keyed by bytes: items hold the link, the map holds only the
 * buckets. */
#ifndef XD_BASE_MAP_H
#define XD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The key lies in the item (or lives as long as it) and does not change while the item is
 * in the map. */
struct xd_map_item {
    struct xd_map_item *next;
    const void *key;
    uint32_t key_size, hash;
};

struct xd_map {
    struct xd_map_item **buckets;
    size_t count, bucket_count; /* a power of two, or 0 */
    uint64_t seed; /* against chosen collisions: random at the edge, fixed in tests */
};

void xd_map_init(struct xd_map *map, uint64_t seed);
void xd_map_fini(struct xd_map *map); /* the items stay the caller's */

/* Room for `more` adds that cannot fail. */
enum xd_err xd_map_reserve(struct xd_map *map, size_t more) XD_MUST_USE;

/* Room must have been reserved, and the key must not be there yet (both asserted). */
void xd_map_add(struct xd_map *map,
                struct xd_map_item *item,
                const void *key,
                size_t key_size);
struct xd_map_item *xd_map_get(const struct xd_map *map,
                               const void *key,
                               size_t key_size);
/* The key will be looked for soon: have the memory that takes brought near. Of use where
 * many keys are looked for in one go, in a map much larger than the caches. */
void xd_map_prefetch(const struct xd_map *map, const void *key, size_t key_size);

/* The item will be taken out, and not at once: first where the map points at it from,
 * then, when that is near, what lies before it there. */
void xd_map_prefetch_place(const struct xd_map *map, const struct xd_map_item *item);
void xd_map_prefetch_chain(const struct xd_map *map, const struct xd_map_item *item);

void xd_map_remove(struct xd_map *map, struct xd_map_item *item);

/* Walk in no particular order: first with NULL, then with what came back; NULL at the
 * end. The item given back may be removed before the next call only through `next`
 * fetched ahead. */
struct xd_map_item *xd_map_next(const struct xd_map *map, const struct xd_map_item *item);

#endif
