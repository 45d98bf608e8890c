/* SPDX-License-Identifier: MIT */
/* Allocation, its growth and its planned failures. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

Test(alloc, nothing_is_still_memory)
{
    void *memory[] = {xd_alloc(0),
                      xd_zalloc(0),
                      xd_calloc(0, 8),
                      xd_calloc(8, 0),
                      xd_realloc_array(NULL, 0, 8)};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        cr_assert_not_null(memory[i]);
        xd_free(memory[i]);
    }
}

Test(alloc, zeroed_memory_is_zero)
{
    char *one = xd_zalloc(64), *many = xd_calloc(8, 8);
    static const char zeros[64];
    cr_assert_eq(memcmp(one, zeros, 64), 0);
    cr_assert_eq(memcmp(many, zeros, 64), 0);
    xd_free(one);
    xd_free(many);
}

Test(alloc, an_overflowing_product_is_no_memory)
{
    /* Volatile: the compiler would otherwise see through it and warn. */
    volatile size_t half = SIZE_MAX / 2 + 1;
    cr_assert_null(xd_calloc(half, 2));
    cr_assert_null(xd_realloc_array(NULL, half, 2));
}

Test(alloc, the_nth_allocation_fails_once)
{
    xd_alloc_fail_at(2);
    void *first = xd_alloc(1), *second = xd_alloc(1), *third = xd_alloc(1);
    cr_assert_eq(xd_alloc_fail_at(0), 3);
    cr_assert_not_null(first);
    cr_assert_null(second);
    cr_assert_not_null(third);
    xd_free(first);
    xd_free(third);
}

Test(alloc, every_way_to_allocate_can_fail)
{
    xd_alloc_fail_at(1);
    cr_assert_null(xd_alloc(1));
    xd_alloc_fail_at(1);
    cr_assert_null(xd_zalloc(1));
    xd_alloc_fail_at(1);
    cr_assert_null(xd_calloc(1, 1));
    xd_alloc_fail_at(1);
    cr_assert_null(xd_realloc_array(NULL, 1, 1));
    xd_alloc_fail_at(0);
}

Test(alloc, the_balance_counts_what_is_held)
{
    long before = xd_alloc_balance();
    void *a = xd_alloc(1), *b = xd_calloc(2, 2), *c = xd_realloc_array(NULL, 1, 1);
    c = xd_realloc_array(c, 100, 1);
    cr_assert_eq(xd_alloc_balance() - before, 3);
    xd_free(a);
    xd_free(b);
    xd_free(c);
    xd_free(NULL);
    cr_assert_eq(xd_alloc_balance() - before, 0);
}

Test(alloc, reserve_grows_by_doubling_and_keeps_the_contents)
{
    void *items = NULL;
    size_t capacity = 0;
    cr_assert_eq(xd_reserve(&items, &capacity, 1, sizeof(int)), XD_OK);
    cr_assert_eq(capacity, 8);
    ((int *)items)[7] = 7;
    cr_assert_eq(xd_reserve(&items, &capacity, 9, sizeof(int)), XD_OK);
    cr_assert_eq(capacity, 16);
    cr_assert_eq(((int *)items)[7], 7);
    cr_assert_eq(xd_reserve(&items, &capacity, 100, sizeof(int)), XD_OK);
    cr_assert_eq(capacity, 100);
    xd_free(items);
}

Test(alloc, a_failed_reserve_changes_nothing)
{
    void *items = NULL;
    size_t capacity = 0;
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_reserve(&items, &capacity, 1, 1), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_null(items);
    cr_assert_eq(capacity, 0);
    cr_assert_eq(xd_reserve(&items, &capacity, SIZE_MAX, 16), XD_ERR_NOMEM);
    cr_assert_eq(capacity, 0);
}
