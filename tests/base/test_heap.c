/* SPDX-License-Identifier: MIT */
/* The heap of deadlines, against sorting. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/heap.h"

#define COUNT 500

static struct xd_heap heap;
static struct xd_heap_item items[COUNT];

/* A repeatable sequence; rand() differs between C libraries. */
static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(unsigned seed)
{
    xd_heap_init(&heap);
    cr_assert_eq(xd_heap_reserve(&heap, COUNT), XD_OK);
    for (size_t i = 0; i < COUNT; i++) {
        xd_heap_push(&heap, &items[i], (xd_time)(next_random(&seed) % 300));
        cr_assert(xd_heap_check(&heap));
    }
}

static void expect_sorted_until_empty(void)
{
    xd_time last = -1;
    for (struct xd_heap_item *first; (first = xd_heap_first(&heap));) {
        cr_assert_geq(first->key, last);
        last = first->key;
        xd_heap_remove(&heap, first);
        cr_assert_eq(first->place, 0);
        cr_assert(xd_heap_check(&heap));
    }
    cr_assert_eq(heap.count, 0);
}

Test(heap, an_empty_heap_has_no_first)
{
    xd_heap_init(&heap);
    cr_assert_null(xd_heap_first(&heap));
    cr_assert(xd_heap_check(&heap));
    xd_heap_fini(&heap);
}

Test(heap, items_come_out_in_order)
{
    fill(1);
    expect_sorted_until_empty();
    xd_heap_fini(&heap);
}

Test(heap, moving_items_keeps_the_order)
{
    unsigned seed = 3;
    fill(2);
    for (size_t i = 0; i < 2000; i++) {
        struct xd_heap_item *item = &items[next_random(&seed) % COUNT];
        xd_heap_move(&heap, item, (xd_time)(next_random(&seed) % 300));
        cr_assert(xd_heap_check(&heap));
    }
    expect_sorted_until_empty();
    xd_heap_fini(&heap);
}

Test(heap, items_can_be_taken_out_of_the_middle)
{
    unsigned seed = 5;
    fill(4);
    for (size_t i = 0; i < 200; i++) {
        xd_heap_remove(&heap, &items[next_random(&seed) % COUNT]); /* twice is harmless */
        cr_assert(xd_heap_check(&heap));
    }
    expect_sorted_until_empty();
    xd_heap_fini(&heap);
}

Test(heap, the_end_forgets_the_items)
{
    fill(6);
    xd_heap_fini(&heap);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(items[i].place, 0);
    }
    xd_heap_fini(&heap);
}

Test(heap, never_is_the_last)
{
    xd_heap_init(&heap);
    cr_assert_eq(xd_heap_reserve(&heap, 2), XD_OK);
    xd_heap_push(&heap, &items[0], XD_NEVER);
    xd_heap_push(&heap, &items[1], 5);
    cr_assert_eq(xd_heap_first(&heap), &items[1]);
    xd_heap_fini(&heap);
}

Test(heap, a_failed_reserve_changes_nothing)
{
    xd_heap_init(&heap);
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_heap_reserve(&heap, 1), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(heap.capacity, 0);
    cr_assert_eq(xd_heap_reserve(&heap, 1), XD_OK);
    xd_heap_push(&heap, &items[0], 1);
    cr_assert_eq(xd_heap_reserve(&heap, SIZE_MAX), XD_ERR_NOMEM);
    cr_assert(xd_heap_check(&heap));
    xd_heap_fini(&heap);
}

Test(heap, the_check_sees_a_wrong_order_and_a_wrong_place)
{
    fill(7);
    xd_time key = items[0].key;
    items[0].key = -5;
    bool is_first = xd_heap_first(&heap) == &items[0];
    cr_assert(is_first || !xd_heap_check(&heap));
    items[0].key = key;
    items[0].place++;
    cr_assert_not(xd_heap_check(&heap));
    items[0].place--;
    cr_assert(xd_heap_check(&heap));
    xd_heap_fini(&heap);
}
