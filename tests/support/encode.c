/* SPDX-License-Identifier: MIT */
/* Protobuf from a line of text, so that tables can hold envelopes that pack never writes.
 */
#include <stdlib.h>
#include <string.h>

#include "xdt.h"

struct text {
    const char *at;
    uint8_t *out;
    size_t size, room;
};

static void put(struct text *text, uint8_t byte)
{
    if (text->size == text->room) {
        text->room = text->room ? text->room * 2 : 256;
        text->out = realloc(text->out, text->room);
        if (!text->out) {
            abort();
        }
    }
    text->out[text->size++] = byte;
}

static void put_varint(struct text *text, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        put(text, (uint8_t)(value | 0x80));
    }
    put(text, (uint8_t)value);
}

static uint64_t number(struct text *text)
{
    char *end;
    uint64_t value = strtoull(text->at, &end, 10);
    if (end == text->at) {
        fprintf(stderr, "not an envelope: ...%s\n", text->at);
        abort();
    }
    text->at = end;
    return value;
}

static void put_message(struct text *text);

/* Writes a length-prefixed value: the bytes put since `start` become its content. */
static void close_value(struct text *text, size_t start)
{
    size_t size = text->size - start;
    struct text prefix = {0};
    put_varint(&prefix, size);
    for (size_t i = 0; i < prefix.size; i++) {
        put(text, 0);
    }
    memmove(text->out + start + prefix.size, text->out + start, size);
    memcpy(text->out + start, prefix.out, prefix.size);
    free(prefix.out);
}

static void put_filled(struct text *text)
{
    text->at++;
    for (uint64_t left = number(text); left > 0; left--) {
        put(text, 'i');
    }
}

static void put_quoted(struct text *text)
{
    for (text->at++; *text->at && *text->at != '|'; text->at++) {
        put(text, (uint8_t)*text->at);
    }
    text->at++;
}

static void put_fixed(struct text *text)
{
    text->at++;
    uint64_t value = number(text);
    for (unsigned i = 0; i < 8; i++) {
        put(text, (uint8_t)(value >> (8 * i)));
    }
}

static void put_value(struct text *text, uint64_t field)
{
    char what = *text->at;
    bool is_counted = what == '#' || what == '|' || what == '{';
    put_varint(text, field << 3 | (is_counted ? 2 : what == 'f' ? 1 : 0));
    size_t start = text->size;
    switch (what) {
    case '#':
        put_filled(text);
        break;
    case '|':
        put_quoted(text);
        break;
    case '{':
        text->at++;
        put_message(text);
        text->at++;
        break;
    case 'f':
        put_fixed(text);
        break;
    default:
        put_varint(text, number(text));
    }
    if (is_counted) {
        close_value(text, start);
    }
}

/* "!0bff": bytes as they are. */
static void put_raw(struct text *text)
{
    unsigned byte;
    for (text->at++; sscanf(text->at, "%2x", &byte) == 1 && *text->at != ' ';
         text->at += 2) {
        put(text, (uint8_t)byte);
    }
}

/* "8:..." or, many times, "257x8:...". */
static void put_field(struct text *text)
{
    uint64_t times = 1, field = number(text);
    if (*text->at == 'x') {
        text->at++;
        times = field;
        field = number(text);
    }
    const char *value = ++text->at;
    for (uint64_t i = 0; i < times; i++) {
        text->at = value;
        put_value(text, field);
    }
}

static void put_message(struct text *text)
{
    while (*text->at && *text->at != '}') {
        if (*text->at == ' ') {
            text->at++;
        } else if (*text->at == '!') {
            put_raw(text);
        } else {
            put_field(text);
        }
    }
}

struct xd_bytes *xdt_encode(const char *fields)
{
    struct text text = {.at = fields};
    put_message(&text);
    struct xd_bytes *bytes = xdt_bytes(text.out, text.size);
    free(text.out);
    return bytes;
}

void xdt_message(const char *fields, const char *payloads, struct xd_frames *out)
{
    out->count = 0;
    out->items[out->count++] = xdt_encode(fields);
    for (const char *at = payloads; *at;) {
        char *end;
        out->items[out->count++] = xdt_filled(strtoul(at, &end, 10), 'p');
        at = *end ? end + 1 : end;
    }
}
