/* SPDX-License-Identifier: MIT */
/* Large blocks of memory, in pages as large as the kernel has, some of them kept for the
 * next payload: to touch fresh memory for the first time costs up to ten times as much as
 * to copy it (on a virtual machine 50 us a page of 4 KiB). Any thread. */
#ifndef XD_BASE_BLOCK_H
#define XD_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/* The size of every block is a multiple of this. */
#define XD_BLOCK_UNIT ((size_t)2 * 1024 * 1024)

/* `size` bytes of whatever content, at a multiple of XD_BLOCK_UNIT; NULL without memory.
 * `*got`: the block's own size, at least `size`. */
uint8_t *xd_block_take(size_t size, size_t *got);

/* Back what was taken, with its own size. */
void xd_block_give(uint8_t *start, size_t size);

/* From now on up to `most` bytes that were given back stay mapped for the next taker, 0
 * at the beginning; what is kept beyond that goes. */
void xd_blocks_keep(size_t most);

/* Bytes that are kept now. */
size_t xd_blocks_kept(void);

#endif
