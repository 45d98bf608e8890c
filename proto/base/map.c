/* SPDX-License-Identifier: MIT */
/* An intrusive chained hash map. */
#include "base/map.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define FIRST_BUCKETS 16u

void xd_map_init(struct xd_map *map, uint64_t seed)
{
    *map = (struct xd_map){.seed = seed};
}

void xd_map_fini(struct xd_map *map)
{
    xd_free(map->buckets);
    xd_map_init(map, map->seed);
}

/* The halves of the 128-bit product, folded: every bit of both factors reaches the
 * result (the mixing step of multiply-fold hashes). */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants without structure: the fractions of pi and of the golden ratio. */
#define SALT_A UINT64_C(0x9e3779b97f4a7c15)
#define SALT_B UINT64_C(0x243f6a8885a308d3)

static uint64_t load(const uint8_t *from, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, from, size);
    return word;
}

/* Sixteen bytes a step, so a task id is one step and the end. The seed enters both
 * factors: no key makes a factor zero for every seed. */
static uint32_t hash_bytes(uint64_t seed, const void *key, size_t size)
{
    const uint8_t *at = key;
    uint64_t state = seed ^ SALT_A;
    size_t left = size;
    for (; left >= 16; left -= 16, at += 16) {
        state = fold(load(at, 8) ^ state, load(at + 8, 8) ^ seed ^ SALT_B);
    }
    if (left > 0) {
        size_t low = left < 8 ? left : 8;
        state = fold(load(at, low) ^ state, load(at + low, left - low) ^ seed ^ SALT_B);
    }
    state = fold(state ^ SALT_B, (uint64_t)size ^ seed ^ SALT_A);
    return (uint32_t)(state ^ state >> 32);
}

static struct xd_map_item **bucket_of(const struct xd_map *map, uint32_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static void rehash(struct xd_map *map, struct xd_map_item **buckets, size_t count)
{
    struct xd_map old = *map;
    map->buckets = buckets;
    map->bucket_count = count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct xd_map_item *item = old.buckets[i], *next; item; item = next) {
            struct xd_map_item **bucket = bucket_of(map, item->hash);
            next = item->next;
            item->next = *bucket;
            *bucket = item;
        }
    }
    xd_free(old.buckets);
}

enum xd_err xd_map_reserve(struct xd_map *map, size_t more)
{
    /* Past 2^32 buckets the hash has no more bits; no memory reaches that. */
    if (more > UINT32_MAX || map->count > UINT32_MAX - more) {
        return XD_ERR_NOMEM;
    }
    size_t need = map->count + more;
    if (need <= map->bucket_count) {
        return XD_OK;
    }
    size_t count = map->bucket_count ? map->bucket_count : FIRST_BUCKETS;
    while (count < need) {
        count *= 2;
    }
    struct xd_map_item **buckets = xd_calloc(count, sizeof(*buckets));
    if (!buckets) {
        return XD_ERR_NOMEM;
    }
    rehash(map, buckets, count);
    return XD_OK;
}

static struct xd_map_item *find(const struct xd_map *map,
                                const void *key,
                                size_t key_size,
                                uint32_t hash)
{
    if (!map->bucket_count) {
        return NULL;
    }
    for (struct xd_map_item *item = *bucket_of(map, hash); item; item = item->next) {
        if (item->hash == hash && item->key_size == key_size &&
            (key_size == 0 || memcmp(item->key, key, key_size) == 0)) {
            return item;
        }
    }
    return NULL;
}

void xd_map_add(struct xd_map *map,
                struct xd_map_item *item,
                const void *key,
                size_t key_size)
{
    uint32_t hash = hash_bytes(map->seed, key, key_size);
    xd_assert(map->count < map->bucket_count);
    xd_assert(key_size <= UINT32_MAX);
    xd_assert(!find(map, key, key_size, hash));
    struct xd_map_item **bucket = bucket_of(map, hash);
    *item = (struct xd_map_item){*bucket, key, (uint32_t)key_size, hash};
    *bucket = item;
    map->count++;
}

struct xd_map_item *xd_map_get(const struct xd_map *map, const void *key, size_t key_size)
{
    return find(map, key, key_size, hash_bytes(map->seed, key, key_size));
}

void xd_map_prefetch(const struct xd_map *map, const void *key, size_t key_size)
{
    if (map->bucket_count > 0) {
        __builtin_prefetch(bucket_of(map, hash_bytes(map->seed, key, key_size)));
    }
}

void xd_map_prefetch_place(const struct xd_map *map, const struct xd_map_item *item)
{
    __builtin_prefetch(bucket_of(map, item->hash));
}

void xd_map_prefetch_chain(const struct xd_map *map, const struct xd_map_item *item)
{
    __builtin_prefetch(*bucket_of(map, item->hash));
}

void xd_map_remove(struct xd_map *map, struct xd_map_item *item)
{
    struct xd_map_item **link = bucket_of(map, item->hash);
    while (*link && *link != item) {
        link = &(*link)->next;
    }
    xd_assert(*link == item);
    *link = item->next;
    item->next = NULL;
    map->count--;
}

struct xd_map_item *xd_map_next(const struct xd_map *map, const struct xd_map_item *item)
{
    size_t i = 0;
    if (item) {
        if (item->next) {
            return item->next;
        }
        i = (item->hash & (map->bucket_count - 1)) + 1;
    }
    for (; i < map->bucket_count; i++) {
        if (map->buckets[i]) {
            return map->buckets[i];
        }
    }
    return NULL;
}
