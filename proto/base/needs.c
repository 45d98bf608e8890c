/* SPDX-License-Identifier: MIT */
/* Needs and what meets them. */
#include "base/needs.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"

/* A stretch of a text. */
struct span {
    const char *at;
    size_t size;
};

struct term {
    struct span name, value; /* value.at NULL: a word alone */
    bool at_least;
};

/* The next word of `rest`; false at the end. */
static bool next_word(struct span *rest, struct span *word)
{
    while (rest->size > 0 && *rest->at == ' ') {
        rest->at++;
        rest->size--;
    }
    size_t size = 0;
    while (size < rest->size && rest->at[size] != ' ') {
        size++;
    }
    *word = (struct span){rest->at, size};
    rest->at += size;
    rest->size -= size;
    return size > 0;
}

static struct term split(struct span word)
{
    struct term term = {.name = word};
    const char *sign = memchr(word.at, '=', word.size);
    if (sign == NULL) {
        return term;
    }
    size_t before = (size_t)(sign - word.at);
    term.value = (struct span){sign + 1, word.size - before - 1};
    term.at_least = before > 0 && sign[-1] == '>';
    term.name.size = before - (term.at_least ? 1 : 0);
    return term;
}

static double unit(char letter)
{
    switch (letter) {
    case 'k':
        return 1e3;
    case 'M':
        return 1e6;
    case 'G':
        return 1e9;
    case 'T':
        return 1e12;
    default:
        return 0;
    }
}

/* What may follow a number's digits: a unit, or an exponent of at most three digits. */
static bool parse_end(struct span text, double *times)
{
    if (text.at[0] != 'e') {
        *times = unit(text.at[0]);
        return *times > 0 && text.size == 1;
    }
    bool is_signed = text.size > 1 && (text.at[1] == '-' || text.at[1] == '+');
    size_t first = is_signed ? 2 : 1;
    unsigned power = 0;
    if (text.size <= first || text.size > first + 3) {
        return false;
    }
    for (size_t i = first; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') {
            return false;
        }
        power = power * 10 + (unsigned)(text.at[i] - '0');
    }
    for (unsigned i = 0; i < power; i++) {
        *times = text.at[1] == '-' ? *times / 10 : *times * 10;
    }
    return true;
}

/* The locale has no say in it. */
static bool parse_number(struct span text, double *out)
{
    double value = 0, scale = 0;
    size_t i = 0, digits = 0;
    for (; i < text.size; i++) {
        char c = text.at[i];
        if (c == '.' && scale == 0) {
            scale = 1;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (c - '0');
            scale *= 10;
            digits++;
        } else {
            break;
        }
    }
    double times = 1;
    bool is_whole =
        i == text.size || parse_end((struct span){text.at + i, text.size - i}, &times);
    *out = value / (scale > 0 ? scale : 1) * times;
    return digits > 0 && is_whole;
}

static struct span all_of(const struct xd_bytes *bytes)
{
    return bytes == NULL ? (struct span){"", 0}
                         : (struct span){(const char *)bytes->data, bytes->size};
}

bool xd_needs_are_valid(const struct xd_bytes *needs)
{
    struct span rest = all_of(needs), word;
    while (next_word(&rest, &word)) {
        struct term term = split(word);
        double number;
        if (term.name.size == 0 || (term.value.at != NULL && term.value.size == 0) ||
            (term.at_least && !parse_number(term.value, &number))) {
            return false;
        }
    }
    return true;
}

static bool is_same(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static bool meets(const struct term *needed, const struct term *had)
{
    double at_least, number;
    if (!is_same(needed->name, had->name)) {
        return false;
    }
    if (needed->value.at == NULL) {
        return true;
    }
    if (!needed->at_least) {
        return is_same(needed->value, had->value);
    }
    return parse_number(needed->value, &at_least) && parse_number(had->value, &number) &&
           number >= at_least;
}

static bool is_had(const struct term *needed, const struct xd_bytes *has)
{
    struct span rest = all_of(has), word;
    while (next_word(&rest, &word)) {
        struct term had = split(word);
        if (meets(needed, &had)) {
            return true;
        }
    }
    return false;
}

bool xd_needs_are_met(const struct xd_bytes *needs, const struct xd_bytes *has)
{
    struct span rest = all_of(needs), word;
    while (next_word(&rest, &word)) {
        struct term needed = split(word);
        if (!is_had(&needed, has)) {
            return false;
        }
    }
    return true;
}
