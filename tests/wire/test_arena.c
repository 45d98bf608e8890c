/* SPDX-License-Identifier: MIT */
/* Memory for one call: budget, blocks, failure. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/arena.h"

static struct xd_arena arena;

Test(arena, small_needs_allocate_nothing)
{
    long before = xd_alloc_balance();
    xd_arena_init(&arena, 4096);
    char *a = xd_arena_alloc(&arena, 3), *b = xd_arena_alloc(&arena, 100);
    memset(a, 1, 3);
    memset(b, 2, 100);
    cr_assert_geq(b - a, 3);
    cr_assert_eq((uintptr_t)b % 8, 0);
    cr_assert_eq(a[2], 1);
    cr_assert_eq(xd_alloc_balance(), before);
    xd_arena_fini(&arena);
}

Test(arena, blocks_are_added_and_dropped_at_once)
{
    long before = xd_alloc_balance();
    xd_arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < 100; i++) {
        char *memory = xd_arena_alloc(&arena, i == 50 ? 100000 : 1000);
        cr_assert_not_null(memory);
        cr_assert_eq((uintptr_t)memory % 8, 0);
        memset(memory, (int)i, 1000);
    }
    cr_assert_gt(xd_alloc_balance(), before + 2);
    xd_arena_fini(&arena);
    cr_assert_eq(xd_alloc_balance(), before);
    xd_arena_fini(&arena);
}

Test(arena, the_budget_is_not_exceeded)
{
    xd_arena_init(&arena, 1000);
    cr_assert_not_null(xd_arena_alloc(&arena, 600));
    cr_assert_null(xd_arena_alloc(&arena, 600));
    cr_assert(arena.is_over_budget);
    cr_assert_not(arena.is_out_of_memory);
    cr_assert_null(xd_arena_alloc(&arena, SIZE_MAX));
    xd_arena_fini(&arena);
}

Test(arena, no_memory_is_told_apart_from_the_budget)
{
    xd_arena_init(&arena, SIZE_MAX);
    xd_alloc_fail_at(1);
    cr_assert_null(xd_arena_alloc(&arena, 100000));
    xd_alloc_fail_at(0);
    cr_assert(arena.is_out_of_memory);
    cr_assert_not(arena.is_over_budget);
    cr_assert_not_null(xd_arena_alloc(&arena, 100000));
    xd_arena_fini(&arena);
}

Test(arena, a_size_near_the_end_of_numbers_is_no_memory)
{
    volatile size_t huge = SIZE_MAX - 3;
    xd_arena_init(&arena, SIZE_MAX);
    cr_assert_null(xd_arena_alloc(&arena, huge));
    cr_assert(arena.is_out_of_memory);
    xd_arena_fini(&arena);
}
