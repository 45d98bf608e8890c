/* SPDX-License-Identifier: MIT */
/* All memory of crossdock's own comes from here, so that a test can fail the n-th
 * allocation. */
#ifndef XD_BASE_ALLOC_H
#define XD_BASE_ALLOC_H

#include <stddef.h>

#include "base/err.h"

/* NULL when there is no memory, or when count * size overflows. Contents: alloc
 * undefined, zalloc zero. */
void *xd_alloc(size_t size) XD_MUST_USE;
void *xd_zalloc(size_t size) XD_MUST_USE;
void *xd_calloc(size_t count, size_t size) XD_MUST_USE;
void *xd_realloc_array(void *old, size_t count, size_t size) XD_MUST_USE;
void xd_free(void *memory); /* NULL allowed */

/* Grow `*items` (of `size` bytes each, room for `*capacity`) to hold at least `need`;
 * doubling. On failure nothing changes. */
enum xd_err xd_reserve(void **items, size_t *capacity, size_t need, size_t size)
    XD_MUST_USE;

/* Test hook: the n-th allocation of this thread from now on (1 = the next) fails, once; 0
 * switches it off. Returns how many allocations were counted since the last call. */
size_t xd_alloc_fail_at(size_t n);

/* Test hook: allocations minus frees of this thread since it began. Two readings that
 * differ show a leak, where one thread does both. */
long xd_alloc_balance(void);

#endif
