/* SPDX-License-Identifier: MIT */
/* What an encoder holds while it works, and what it leaves: everything that was allocated
 * hangs here, so that an R error on the way leaks nothing. */
#ifndef RXD_PARCEL_H
#define RXD_PARCEL_H

#include "pieces.h"
#include "serial.h"

struct rxd_packing {
    struct rxd_parcel parcel; /* what others see of it */
    size_t room;              /* for payloads */
    char **tags;              /* what payloads[].tag point at */
    size_t tag_count;
    struct rxd_writer writer;
    int *entries;             /* of each object met: its entry in the configuration */
    uint32_t *hashed;         /* open addressing by address: object + 1, 0: free */
    size_t hash_size;         /* a power of 2, or 0 */
    struct rxd_place *places; /* of each object */
    size_t entry_room;
    uint8_t *joint; /* several objects that are being packed into one frame */
};

struct rxd_packing *rxd_packing(SEXP parcel);

/* Takes `bytes`, on failure too. The tag, NULL for none, must be one of the packing's.
 * Errors: XD_ERR_NOMEM. */
enum xd_err rxd_packing_add(struct rxd_packing *packing,
                            struct xd_bytes *bytes,
                            const char *tag,
                            enum xd_frame_role role,
                            uint32_t count) XD_MUST_USE;

/* A copy of the tag that lives as long as the payloads; NULL: no memory. */
const char *rxd_packing_tag(struct rxd_packing *packing, const char *tag);

/* Let go of all but the payloads. */
void rxd_packing_end(struct rxd_packing *packing);

#endif
