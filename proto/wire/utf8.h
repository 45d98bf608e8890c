/* SPDX-License-Identifier: MIT */
/* One character of UTF-8 after the other, strictly. */
#ifndef XD_WIRE_UTF8_H
#define XD_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes (1 to 4) the well-formed character at `at` has, of `left` > 0 bytes
 * there; its code point in *code. 0: ill-formed (RFC 3629: overlong, surrogate, past
 * U+10FFFF, cut off). */
size_t xd_utf8_next(const uint8_t *at, size_t left, uint32_t *code);

/* Is it all well-formed UTF-8 without NUL? Line breaks are allowed: for sentences. */
bool xd_text_is_valid(const void *bytes, size_t size);

#endif
