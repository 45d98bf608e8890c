/* SPDX-License-Identifier: MIT */
/* State tables. */
#include <criterion/criterion.h>
#include <signal.h>

#include "core/rows.h"

static const struct xdb_row rows[] = {{1, 0, 2, "one"},
                                      {1, 0, 1, "stays"},
                                      {1, 3, 2, "other"},
                                      {2, 0, 1, "back"}};
static const struct xdb_table table = {"test", rows, 4};

Test(rows, counts_the_row_that_was_taken)
{
    struct xdb_hits hits;
    xdb_hits_init(&hits, &table);
    xdb_hits_take(&hits, 1, 0, 1);
    xdb_hits_take(&hits, 2, 0, 1);
    xdb_hits_take(&hits, 2, 0, 1);
    cr_assert(hits.hits[0] == 0 && hits.hits[1] == 1 && hits.hits[2] == 0);
    cr_assert_eq(hits.hits[3], 2);
}

static void take(uint8_t from, uint8_t event, uint8_t to)
{
    struct xdb_hits hits;
    xdb_hits_init(&hits, &table);
    xdb_hits_take(&hits, from, event, to);
}

Test(rows, an_event_that_the_state_does_not_have_ends_the_program, .signal = SIGABRT)
{
    take(2, 3, 1);
}

Test(rows, another_target_ends_the_program, .signal = SIGABRT)
{
    take(1, 3, 1);
}

Test(rows, a_state_without_rows_ends_the_program, .signal = SIGABRT)
{
    take(7, 0, 1);
}
