/* SPDX-License-Identifier: MIT */
/* The header and tables of a body, as both directions see them; pieces.h describes them.
 */
#ifndef RXD_PIECES_HEADER_H
#define RXD_PIECES_HEADER_H

#include "pieces.h"

#define RXD_BYTE_ORDER_MARK 0x01020304u
#define RXD_PIECES_MAGIC                                                                 \
    {                                                                                    \
        'x', 'd', 'r', 1                                                                 \
    }

struct rxd_header {
    uint8_t magic[4];
    uint32_t order;
    uint64_t stream;
    uint32_t segments, objects;
    uint64_t sum;
};

struct rxd_segment_entry {
    uint64_t at, size;
};

_Static_assert(sizeof(struct rxd_header) == 32, "the header is written as it lies");
_Static_assert(sizeof(struct rxd_segment_entry) == 16, "so are the tables");
_Static_assert(sizeof(struct rxd_place) == 8, "so are the tables");

/* The sum over the header's counts, to begin with, then over each frame of the body. */
uint64_t rxd_sum_header(const struct rxd_header *header);
uint64_t rxd_sum_bytes(uint64_t sum, const uint8_t *data, size_t size);

#endif
