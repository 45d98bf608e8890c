/* SPDX-License-Identifier: MIT */
/* The hash map, against what was put in. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/id.h"
#include "base/map.h"
#include "xdt.h"

#define COUNT 2000u

struct item {
    struct xd_map_item link;
    struct xd_task_id id;
    bool seen;
};

static struct xd_map map;
static struct item items[COUNT];

static void add(struct item *item)
{
    xd_map_add(&map, &item->link, item->id.bytes, sizeof item->id.bytes);
}

static struct xd_map_item *get(struct xd_task_id id)
{
    return xd_map_get(&map, id.bytes, sizeof id.bytes);
}

static void fill(uint64_t seed)
{
    xd_map_init(&map, seed);
    for (unsigned i = 0; i < COUNT; i++) {
        items[i] = (struct item){.id = xdt_id(i)};
        cr_assert_eq(xd_map_reserve(&map, 1), XD_OK);
        add(&items[i]);
    }
}

Test(map, an_empty_map_has_nothing)
{
    xd_map_init(&map, 1);
    cr_assert_null(get(xdt_id(1)));
    cr_assert_null(xd_map_next(&map, NULL));
    xd_map_fini(&map);
}

Test(map, what_was_added_is_found_and_nothing_else)
{
    fill(42);
    cr_assert_eq(map.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(get(xdt_id(i)), &items[i].link);
    }
    cr_assert_null(get(xdt_id(COUNT)));
    xd_map_fini(&map);
}

Test(map, what_was_removed_is_gone_and_may_come_back)
{
    fill(43);
    for (unsigned i = 0; i < COUNT; i += 2) {
        xd_map_remove(&map, &items[i].link);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(get(xdt_id(i)), i % 2 ? &items[i].link : NULL);
    }
    add(&items[0]);
    cr_assert_eq(get(xdt_id(0)), &items[0].link);
    cr_assert_eq(map.count, COUNT / 2 + 1);
    xd_map_fini(&map);
}

Test(map, the_walk_meets_each_item_once)
{
    fill(44);
    size_t met = 0;
    for (struct xd_map_item *at = NULL; (at = xd_map_next(&map, at)); met++) {
        struct item *item = (struct item *)(void *)at; /* the link comes first */
        cr_assert_not(item->seen);
        item->seen = true;
    }
    cr_assert_eq(met, COUNT);
    xd_map_fini(&map);
}

Test(map, the_walk_allows_removing_with_the_next_fetched_ahead)
{
    fill(45);
    for (struct xd_map_item *at = xd_map_next(&map, NULL), *next; at; at = next) {
        next = xd_map_next(&map, at);
        xd_map_remove(&map, at);
    }
    cr_assert_eq(map.count, 0);
    xd_map_fini(&map);
}

Test(map, keys_of_every_length_are_told_apart)
{
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static struct xd_map_item links[50];
    xd_map_init(&map, 7);
    cr_assert_eq(xd_map_reserve(&map, 50), XD_OK);
    for (size_t i = 0; i < 50; i++) {
        xd_map_add(&map, &links[i], text, i);
    }
    for (size_t i = 0; i < 50; i++) {
        cr_assert_eq(xd_map_get(&map, text, i), &links[i]);
    }
    xd_map_fini(&map);
}

static size_t longest_chain(void)
{
    size_t longest = 0;
    for (size_t i = 0; i < map.bucket_count; i++) {
        size_t length = 0;
        for (struct xd_map_item *at = map.buckets[i]; at; at = at->next) {
            length++;
        }
        longest = length > longest ? length : longest;
    }
    return longest;
}

Test(map, keys_that_count_up_spread)
{
    static struct {
        struct xd_map_item link;
        uint64_t key;
    } numbers[COUNT];
    xd_map_init(&map, 0);
    cr_assert_eq(xd_map_reserve(&map, COUNT), XD_OK);
    for (size_t i = 0; i < COUNT; i++) {
        numbers[i].key = i;
        xd_map_add(&map, &numbers[i].link, &numbers[i].key, sizeof numbers[i].key);
    }
    cr_assert_lt(longest_chain(), 10);
    xd_map_fini(&map);
}

Test(map, another_seed_gives_other_hashes)
{
    struct xd_map_item a, b;
    struct xd_map other;
    uint64_t key = 1;
    xd_map_init(&map, 1);
    xd_map_init(&other, 2);
    cr_assert_eq(xd_map_reserve(&map, 1), XD_OK);
    cr_assert_eq(xd_map_reserve(&other, 1), XD_OK);
    xd_map_add(&map, &a, &key, sizeof key);
    xd_map_add(&other, &b, &key, sizeof key);
    cr_assert_neq(a.hash, b.hash);
    xd_map_fini(&map);
    xd_map_fini(&other);
}

Test(map, a_failed_reserve_changes_nothing)
{
    xd_map_init(&map, 1);
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_map_reserve(&map, 1), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(map.bucket_count, 0);
    fill(46);
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_map_reserve(&map, 100000), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(xd_map_reserve(&map, SIZE_MAX), XD_ERR_NOMEM);
    cr_assert_eq(get(xdt_id(5)), &items[5].link);
    xd_map_fini(&map);
}
