/* SPDX-License-Identifier: MIT */
/* Memory for the length of one call, handed out in order and dropped at once, up to a
 * budget. */
#ifndef XD_WIRE_ARENA_H
#define XD_WIRE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Lives on the stack: most messages need no more than `first`. */
struct xd_arena {
    size_t left;   /* of the budget */
    char *at;      /* free room in the newest block */
    size_t room;   /* and its size */
    void **blocks; /* newest first, each begins with a pointer to the one before */
    bool is_over_budget, is_out_of_memory; /* why the last NULL was */
    char first[12 * 1024] __attribute__((aligned(16)));
};

void xd_arena_init(struct xd_arena *arena, size_t budget);
void xd_arena_fini(struct xd_arena *arena);

/* Undefined contents, aligned for every type; NULL when there is no memory or the budget
 * is used up. */
void *xd_arena_alloc(struct xd_arena *arena, size_t size);

#endif
