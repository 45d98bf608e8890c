/* SPDX-License-Identifier: MIT */
/* A client made by hand that reads its result as it likes, or does not. */
#ifndef XDT_SYSTEM_READER_H
#define XDT_SYSTEM_READER_H

#include <stddef.h>
#include <stdint.h>

#include "raw.h"

struct reader {
    void *context, *bulk;
    struct raw raw;
    struct xd_ref ref; /* of the payload */
    uint64_t offset;   /* of the next chunk */
};

/* A session with its bulk lane. */
void reader_open(struct reader *reader, const struct sys *sys);

/* Submit a task "big", number `number` of this session, for a result of so many bytes. */
void reader_ask(struct reader *reader, uint8_t number, size_t size);

/* Wait for that result, a payload to be read in chunks. */
void reader_await(struct reader *reader, size_t size);

/* Allow so many chunks more; 0: no more are wanted. */
void reader_grant(struct reader *reader, uint32_t chunks);

/* Read the next one; the test fails where it is another one, or none comes. */
void reader_expect_chunk(struct reader *reader);

/* Say that it lives. */
void reader_beat(struct reader *reader);

void reader_close(struct reader *reader);

#endif
