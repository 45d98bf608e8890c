/* SPDX-License-Identifier: MIT */
/* Payloads that travel as chunks, both directions: what a reader still needs and grants,
 * what an owner may send. Pure: messages go in and come out. */
#ifndef XD_CLIENT_STREAM_H
#define XD_CLIENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "wire/msg.h"

/* ---- reading: the payloads of one task or result that are not here yet ---- */

#define XD_READS_AT_ONCE 4u /* payloads being received; the others wait their turn */

struct xd_read {
    struct xd_list link; /* reads.waiting, .active or .ended */
    struct xd_pull
        *pull; /* NULL once the pull is over: only `done` is still to be said */
    struct xd_frame *frame; /* where the bytes go */
    struct xd_ref ref;
    struct xd_bytes *bytes;
    uint8_t *room;
    uint64_t size, received;
    uint32_t granted; /* chunks the owner may still send */
    uint32_t stale;   /* of readings before this one, that may still come */
    bool is_active;
};

/* What may still come of a reading that is over, for the next one of the same payload. */
struct xd_late {
    struct xd_ref ref;
    uint32_t chunks; /* 0: nothing */
};
#define XD_LATE_KEPT 32u

/* All reads of one frame array. It ends once: whole, or with the first failure. */
struct xd_pull {
    struct xd_list link; /* of reads.pulls */
    struct xd_list over; /* of reads.over */
    struct xd_read *items;
    size_t count, missing;
    size_t unsaid; /* reads whose `done` is still to be sent */
    enum xd_err err;
    char text[128]; /* what went wrong */
    void *context;  /* the caller's; NULL: it has lost interest */
    bool is_over;
};

struct xd_reads {
    struct xd_list pulls, waiting, active, ended, over;
    size_t active_count;
    struct xd_late late[XD_LATE_KEPT]; /* a ring: the last ones */
    unsigned late_next;
};

void xd_reads_init(struct xd_reads *reads);
void xd_reads_fini(struct xd_reads *reads); /* frees the pulls, too */

/* How many frames have their bytes elsewhere. */
size_t xd_frames_missing(const struct xd_frame *frames, size_t count);

/* Begin to read what is missing; the array must stay where it is until the pull is over.
 * Errors: XD_ERR_NOMEM. */
enum xd_err xd_pull_new(struct xd_reads *reads,
                        struct xd_frame *frames,
                        size_t count,
                        void *context,
                        struct xd_pull **out) XD_MUST_USE;

/* The caller does not want it any more, or has seen its end; freed when its readers have
 * said `done`. */
void xd_pull_drop(struct xd_reads *reads, struct xd_pull *pull);

/* Nobody here reads what these frames lack: its owner may let go of it, and the broker of
 * the permission. Without memory it is not said. */
void xd_reads_disown(struct xd_reads *reads, struct xd_frame *frames, size_t count);

/* The next pull that is over (whole or failed), or NULL. */
struct xd_pull *xd_reads_over(struct xd_reads *reads);

/* A chunk came; of a payload that nobody reads any more it is dropped. */
void xd_reads_chunk(struct xd_reads *reads, const struct xd_chunk *chunk);

/* The next credit to be sent, filled into `out`; false: none. `sent` afterwards says that
 * it left. */
bool xd_reads_credit(struct xd_reads *reads,
                     struct xd_credit *out,
                     struct xd_read **which);
void xd_reads_credit_sent(struct xd_reads *reads,
                          struct xd_read *which,
                          const struct xd_credit *credit);

/* ---- owning: payloads that others read ---- */

struct xd_payload_out {
    struct xd_map_item item; /* key: counter */
    struct xd_list link;     /* of whoever made it, to let go of it */
    uint64_t counter;
    struct xd_bytes *bytes;
    struct xd_list readers;
    bool ends_when_done; /* let go when nobody reads it any more */
};

struct xd_owned {
    struct xd_map payloads;
    struct xd_list sending; /* readers with credit left, in turn */
    uint64_t last;
    uint64_t sent; /* chunks, in all */
};

/* A reader of one payload. */
struct xd_reader {
    struct xd_list link, turn;
    struct xd_payload_out *payload;
    struct xd_session_id session;
    uint64_t offset;
    uint32_t credit;
};

void xd_owned_init(struct xd_owned *owned, uint64_t seed);
void xd_owned_fini(struct xd_owned *owned);

/* Offer `bytes` (shared) under the next counter. Errors: XD_ERR_NOMEM. */
enum xd_err xd_owned_add(struct xd_owned *owned,
                         struct xd_bytes *bytes,
                         bool ends_when_done,
                         struct xd_payload_out **out) XD_MUST_USE;
void xd_owned_drop(struct xd_owned *owned, struct xd_payload_out *payload);

/* Credit came. Errors: XD_ERR_NOT_FOUND (no such payload), XD_ERR_NOMEM: answer with a
 * chunk of that code. */
enum xd_err xd_owned_credit(struct xd_owned *owned,
                            const struct xd_credit *credit) XD_MUST_USE;

/* The next chunk to be sent; its bytes are one reference for the caller. XD_ERR_AGAIN:
 * none; XD_ERR_NOMEM. */
enum xd_err xd_owned_next(struct xd_owned *owned,
                          struct xd_session_id self,
                          struct xd_chunk *out,
                          struct xd_reader **which) XD_MUST_USE;
void xd_owned_sent(struct xd_owned *owned, struct xd_reader *which);

#endif
