/* SPDX-License-Identifier: MIT */
/* What names on the wire may consist of. */
#include "wire/class.h"

#include <stdint.h>
#include <string.h>

#include "wire/limits.h"
#include "wire/utf8.h"

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t xd_utf8_next(const uint8_t *at, size_t left, uint32_t *code)
{
    /* By length: the bits of the first byte that count, and the smallest code point that
     * needs it. */
    static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80                     ? 1
                  : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                   : 0;
    if (size == 0 || size > left) {
        return 0;
    }
    uint32_t value = at[0] & mask[size];
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation(at[i])) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3f);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *code = value;
    return size;
}

bool xd_text_is_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t used, left = size; left > 0; left -= used, at += used) {
        uint32_t code;
        used = xd_utf8_next(at, left, &code);
        if (used == 0 || code == 0) {
            return false;
        }
    }
    return true;
}

/* Controls of both blocks, and the separators that break lines in terminals and logs. */
static bool is_printable(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && code != 0x2028 &&
           code != 0x2029;
}

static bool is_name_character(uint32_t code)
{
    return is_printable(code) && code != '"' && code != '\'' && code != '`' &&
           code != '\\';
}

static bool is_valid(const void *bytes, size_t size, bool slash)
{
    if (size == 0 || size > XD_NAME_MAX_BYTES) {
        return false;
    }
    const uint8_t *at = bytes;
    for (size_t used, left = size; left > 0; left -= used, at += used) {
        uint32_t code;
        used = xd_utf8_next(at, left, &code);
        if (used == 0 || !is_name_character(code) || (code == '/' && !slash)) {
            return false;
        }
    }
    return true;
}

bool xd_class_tag_is_valid(const void *bytes, size_t size)
{
    return is_valid(bytes, size, false);
}

bool xd_name_is_valid(const void *bytes, size_t size)
{
    return is_valid(bytes, size, true);
}

/* One piece of the escaped text at `from`: how many bytes were read (into *used) and
 * written to `piece`. */
static size_t escape_one(const uint8_t *from, size_t left, char piece[4], size_t *used)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t code;
    *used = xd_utf8_next(from, left, &code);
    if (*used > 0 && is_name_character(code)) {
        memcpy(piece, from, *used);
        return *used;
    }
    *used = 1;
    piece[0] = '\\';
    piece[1] = 'x';
    piece[2] = digits[from[0] >> 4];
    piece[3] = digits[from[0] & 15];
    return 4;
}

void xd_name_escape(const void *bytes, size_t size, char *out, size_t room)
{
    const uint8_t *at = bytes;
    size_t written = 0;
    if (room == 0) {
        return;
    }
    for (size_t used, left = size; left > 0; left -= used, at += used) {
        char piece[4];
        size_t length = escape_one(at, left, piece, &used);
        if (length > room - 1 - written) {
            break;
        }
        memcpy(out + written, piece, length);
        written += length;
    }
    out[written] = '\0';
}
