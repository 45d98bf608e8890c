/* SPDX-License-Identifier: MIT */
/* State tables: rows of {from, event, to}, found and counted when a state changes. */
#ifndef XDB_CORE_ROWS_H
#define XDB_CORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define XDB_ROWS_MAX 80u
#define XDB_STATES_MAX 16u

struct xdb_row {
    uint8_t from, event, to;
    const char *text;
};

/* The rows of one state stand together. */
struct xdb_table {
    const char *name;
    const struct xdb_row *rows;
    uint8_t count;
};

struct xdb_hits {
    const struct xdb_table *table;
    uint8_t first[XDB_STATES_MAX]; /* each state's first row; count: it has none */
    uint64_t hits[XDB_ROWS_MAX];
};

void xdb_hits_init(struct xdb_hits *hits, const struct xdb_table *table);

/* The table must have this row (asserted); counts it. */
void xdb_hits_take(struct xdb_hits *hits, uint8_t from, uint8_t event, uint8_t to);

#endif
