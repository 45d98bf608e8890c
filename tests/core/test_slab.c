/* SPDX-License-Identifier: MIT */
/* Pieces of memory cut into records. */
#include "core/slab.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define SIZE 100u /* becomes whole words */
#define KEPT 50u
#define MANY 20000u

static struct xdb_slabs slabs;
static long before;

static void begin(void)
{
    before = xd_alloc_balance();
    xdb_slabs_init(&slabs, SIZE, KEPT);
}

TestSuite(slab, .init = begin);

static unsigned char *take(void)
{
    cr_assert(xdb_slabs_reserve(&slabs, 1) == XD_OK);
    return xdb_slabs_take(&slabs);
}

static bool is_full_of(const unsigned char *record, unsigned char value)
{
    for (size_t i = 0; i < SIZE; i++) {
        if (record[i] != value) {
            return false;
        }
    }
    return true;
}

/* Taken, given back and taken again in no order, none lies in another. */
Test(slab, records_do_not_overlap)
{
    static unsigned char *records[MANY];
    static unsigned char values[MANY];
    uint64_t random = 1;
    for (size_t i = 0; i < 10 * MANY; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t at = (size_t)(random >> 33) % MANY;
        if (records[at] != NULL) {
            cr_assert(is_full_of(records[at], values[at]), "another wrote into it");
            xdb_slabs_give(&slabs, records[at]);
            records[at] = NULL;
            continue;
        }
        records[at] = take();
        values[at] = (unsigned char)i;
        cr_assert_eq((uintptr_t)records[at] % sizeof(void *), 0);
        memset(records[at], values[at], SIZE);
    }
    for (size_t i = 0; i < MANY; i++) {
        cr_assert(records[i] == NULL || is_full_of(records[i], values[i]));
        if (records[i] != NULL) {
            xdb_slabs_give(&slabs, records[i]);
        }
    }
    cr_assert_leq(xd_alloc_balance() - before, 2, "empty pieces that stay");
    xdb_slabs_fini(&slabs);
    cr_assert_eq(xd_alloc_balance(), before);
}

Test(slab, those_that_come_together_lie_together)
{
    enum { COUNT = 200 };
    unsigned char *records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = take();
        cr_assert(i == 0 || records[i] == records[i - 1] + SIZE + 4 + sizeof(void *));
    }
    for (size_t i = 0; i < COUNT; i++) {
        xdb_slabs_give(&slabs, records[i]);
    }
    xdb_slabs_fini(&slabs);
}

/* One record more and one less, again and again, does not allocate each time. */
Test(slab, few_unused_ones_are_kept)
{
    xdb_slabs_give(&slabs, take());
    (void)xd_alloc_fail_at(0);
    for (size_t i = 0; i < 100; i++) {
        xdb_slabs_give(&slabs, take());
    }
    cr_assert_eq(xd_alloc_fail_at(0), 0);
    xdb_slabs_fini(&slabs);
}

Test(slab, without_memory_nothing_changes)
{
    (void)xd_alloc_fail_at(1);
    cr_assert(xdb_slabs_reserve(&slabs, 1) == XD_ERR_NOMEM);
    (void)xd_alloc_fail_at(0);
    unsigned char *record = take();
    xdb_slabs_give(&slabs, record);
    (void)xd_alloc_fail_at(2);
    cr_assert(xdb_slabs_reserve(&slabs, MANY) == XD_ERR_NOMEM);
    (void)xd_alloc_fail_at(0);
    cr_assert(xdb_slabs_reserve(&slabs, MANY) == XD_OK);
    xdb_slabs_fini(&slabs);
    cr_assert_eq(xd_alloc_balance(), before);
}
