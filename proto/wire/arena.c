/* SPDX-License-Identifier: MIT */
/* A bump arena with a budget. */
#include "wire/arena.h"

#include <stdint.h>

#include "base/alloc.h"

#define ALIGN 8u
#define BLOCK_BYTES ((size_t)32 * 1024)
#define HEADER_BYTES                                                                     \
    16u /* the link to the block before, padded to keep the alignment                    \
         */

void xd_arena_init(struct xd_arena *arena, size_t budget)
{
    arena->left = budget;
    arena->at = arena->first;
    arena->room = sizeof arena->first;
    arena->blocks = NULL;
    arena->is_over_budget = arena->is_out_of_memory = false;
}

void xd_arena_fini(struct xd_arena *arena)
{
    for (void **block = arena->blocks, **before; block; block = before) {
        before = *block;
        xd_free(block);
    }
    arena->blocks = NULL;
}

static bool add_block(struct xd_arena *arena, size_t size)
{
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    void **block = xd_alloc(HEADER_BYTES + room);
    if (!block) {
        return false;
    }
    *block = arena->blocks;
    arena->blocks = block;
    arena->at = (char *)block + HEADER_BYTES;
    arena->room = room;
    return true;
}

void *xd_arena_alloc(struct xd_arena *arena, size_t size)
{
    if (size > arena->left) {
        arena->is_over_budget = true;
        return NULL;
    }
    if (size > PTRDIFF_MAX / 2) { /* no memory is that large, and rounding would wrap */
        arena->is_out_of_memory = true;
        return NULL;
    }
    size_t padded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (padded > arena->room && !add_block(arena, padded)) {
        arena->is_out_of_memory = true;
        return NULL;
    }
    void *memory = arena->at;
    arena->at += padded;
    arena->room -= padded;
    arena->left -= padded < arena->left ? padded : arena->left;
    return memory;
}
