/* SPDX-License-Identifier: MIT */
/* The check sum of a body: R must not be given bytes that only look like a value. */
#include <string.h>

#include "pieces_header.h"

/* One step is a bijection of the sum for each word and of the word for each sum, so that
 * one changed word always shows. */
static uint64_t sum_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum << 29 | sum >> 35;
}

uint64_t rxd_sum_bytes(uint64_t sum, const uint8_t *data, size_t size)
{
    uint64_t word;
    for (; size >= sizeof word; data += sizeof word, size -= sizeof word) {
        memcpy(&word, data, sizeof word);
        sum = sum_word(sum, word);
    }
    word = 0;
    if (size > 0) {
        memcpy(&word, data, size);
    }
    return sum_word(sum, word);
}

uint64_t rxd_sum_header(const struct rxd_header *header)
{
    uint64_t counts = (uint64_t)header->segments << 32 | header->objects;
    return sum_word(sum_word(0, header->stream), counts);
}
