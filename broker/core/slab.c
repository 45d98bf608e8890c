/* SPDX-License-Identifier: MIT */
/* Pieces of memory cut into records. */
#include "core/slab.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Of a piece, about: below what the C library maps by itself. */
#define SLAB_BYTES ((size_t)64 * 1024)

/* What lies before a record, and in an unused one also behind that. */
struct cell {
    struct slab *slab;
    struct cell *next; /* unused: another unused one */
};

#define RECORD_AT offsetof(struct cell, next)

struct slab {
    struct xd_list open;
    struct cell *unused; /* given back */
    size_t used;
    size_t fresh; /* cells from this one on were never taken */
    uint64_t cells[];
};

void xdb_slabs_init(struct xdb_slabs *slabs, size_t size, size_t kept)
{
    size_t words = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    *slabs =
        (struct xdb_slabs){.size = RECORD_AT + words * sizeof(uint64_t), .kept = kept};
    slabs->cells = (SLAB_BYTES - sizeof(struct slab)) / slabs->size;
    xd_assert(words > 0 && slabs->cells > 1);
    xd_list_init(&slabs->open);
}

void xdb_slabs_fini(struct xdb_slabs *slabs)
{
    while (!xd_list_is_empty(&slabs->open)) {
        struct slab *slab = XD_ITEM(slabs->open.next, struct slab, open);
        xd_assert(slab->used == 0);
        slabs->unused -= slabs->cells;
        xd_list_remove(&slab->open);
        xd_free(slab);
    }
    xd_assert(slabs->unused == 0);
}

enum xd_err xdb_slabs_reserve(struct xdb_slabs *slabs, size_t more)
{
    while (slabs->unused < more) {
        struct slab *slab = xd_alloc(sizeof *slab + slabs->cells * slabs->size);
        if (slab == NULL) {
            return XD_ERR_NOMEM;
        }
        slab->unused = NULL;
        slab->used = slab->fresh = 0;
        xd_list_push_back(&slabs->open, &slab->open);
        slabs->unused += slabs->cells;
    }
    return XD_OK;
}

void *xdb_slabs_take(struct xdb_slabs *slabs)
{
    xd_assert(slabs->unused > 0); /* the plan was too small */
    struct slab *slab = XD_ITEM(slabs->open.next, struct slab, open);
    struct cell *cell = slab->unused;
    if (cell != NULL) {
        slab->unused = cell->next;
    } else {
        cell = (void *)((char *)slab->cells + slab->fresh++ * slabs->size);
        cell->slab = slab;
    }
    slabs->unused--;
    if (++slab->used == slabs->cells) {
        xd_list_remove(&slab->open);
    }
    return (char *)cell + RECORD_AT;
}

void xdb_slabs_give(struct xdb_slabs *slabs, void *record)
{
    struct cell *cell = (void *)((char *)record - RECORD_AT);
    struct slab *slab = cell->slab;
    if (slab->used-- == slabs->cells) { /* behind the others: they fill up first */
        xd_list_push_back(&slabs->open, &slab->open);
    }
    cell->next = slab->unused;
    slab->unused = cell;
    slabs->unused++;
    if (slab->used == 0 && slabs->unused >= slabs->kept + slabs->cells) {
        slabs->unused -= slabs->cells;
        xd_list_remove(&slab->open);
        xd_free(slab);
    }
}
