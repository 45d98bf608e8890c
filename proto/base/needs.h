/* SPDX-License-Identifier: MIT */
/* What a task needs of its worker, and what a worker has: words, numbers, labels. */
#ifndef XD_BASE_NEEDS_H
#define XD_BASE_NEEDS_H

#include <stdbool.h>

struct xd_bytes;

/* Words between spaces. Needed: `fast` (the word is there), `zone=a` (with that text),
 * `gpu>=2` (a number of at least that). Had: `fast`, `zone=a`, `gpu=2`. Numbers are
 * decimal, maybe with a fraction, and then k, M, G or T (powers of 1000) or an exponent
 * (`4e9`). */

/* Is it well formed? NULL is. */
bool xd_needs_are_valid(const struct xd_bytes *needs);

/* NULL needs are always met, NULL has nothing. Both are valid. */
bool xd_needs_are_met(const struct xd_bytes *needs, const struct xd_bytes *has);

#endif
