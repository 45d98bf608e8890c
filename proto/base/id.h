/* SPDX-License-Identifier: MIT */
/* Ids as distinct types, so that one kind cannot be passed for another. */
#ifndef XD_BASE_ID_H
#define XD_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A task: 16 bytes made by the client (random, or UUIDv7), so that sending one again is
 * harmless. */
struct xd_task_id {
    uint8_t bytes[16];
};

/* A session of a client or worker with the broker; given by the broker in HELLO_OK, never
 * 0, never reused while the broker runs. 0 stands for "none". */
struct xd_session_id {
    uint64_t n;
};

/* What proves on a further socket that a session is one's own; 16 random bytes from
 * HELLO_OK. */
struct xd_token {
    uint8_t bytes[16];
};

/* Names a payload that is not in the message: whose it is, its counter within the owner
 * (from 1). */
struct xd_ref {
    struct xd_session_id owner;
    uint64_t counter; /* 0: not a reference */
};

static inline bool xd_task_id_equal(const struct xd_task_id *a,
                                    const struct xd_task_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool xd_session_is(struct xd_session_id a, struct xd_session_id b)
{
    return a.n == b.n;
}

static inline bool xd_ref_is_set(struct xd_ref ref)
{
    return ref.counter != 0;
}

#endif
