/* SPDX-License-Identifier: MIT */
/* Finding and counting the rows of a state table. */
#include "core/rows.h"

#include "base/assert.h"

void xdb_hits_init(struct xdb_hits *hits, const struct xdb_table *table)
{
    xd_assert(table->count <= XDB_ROWS_MAX);
    *hits = (struct xdb_hits){.table = table};
    for (size_t i = 0; i < XDB_STATES_MAX; i++) {
        hits->first[i] = table->count;
    }
    for (uint8_t i = table->count; i-- > 0;) {
        uint8_t from = table->rows[i].from;
        xd_assert(from < XDB_STATES_MAX);
        hits->first[from] = i;
    }
}

void xdb_hits_take(struct xdb_hits *hits, uint8_t from, uint8_t event, uint8_t to)
{
    const struct xdb_table *table = hits->table;
    uint8_t i = hits->first[from];
    while (i < table->count && table->rows[i].from == from &&
           (table->rows[i].event != event || table->rows[i].to != to)) {
        i++;
    }
    xd_assert(i < table->count && table->rows[i].from == from); /* no such row */
    hits->hits[i]++;
}
