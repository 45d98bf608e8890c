/* SPDX-License-Identifier: MIT */
/* Records of one size, hundreds to a piece of memory. Those made together lie together,
 * also in a heap that is full of holes; what walks over them, in the order in which they
 * came, stays in few pages. */
#ifndef XDB_CORE_SLAB_H
#define XDB_CORE_SLAB_H

#include <stddef.h>

#include "base/err.h"
#include "base/list.h"

struct xdb_slabs {
    struct xd_list open; /* pieces with unused records; taken from is the first */
    size_t size;         /* of a record, with what lies before it */
    size_t cells;        /* records in a piece */
    size_t unused;       /* records in them */
    size_t kept;         /* so many unused ones stay */
};

/* Of records of `size` bytes, aligned like a pointer; `kept` unused ones are kept for
 * reuse. */
void xdb_slabs_init(struct xdb_slabs *slabs, size_t size, size_t kept);

/* All records must have been given back. */
void xdb_slabs_fini(struct xdb_slabs *slabs);

/* Room for `more` records. */
enum xd_err xdb_slabs_reserve(struct xdb_slabs *slabs, size_t more) XD_MUST_USE;

/* A record, its contents undefined; one must have been reserved (asserted). */
void *xdb_slabs_take(struct xdb_slabs *slabs);

void xdb_slabs_give(struct xdb_slabs *slabs, void *record);

#endif
