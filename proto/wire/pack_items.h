/* SPDX-License-Identifier: MIT */
/* Putting tasks, results, ids and their frames into an envelope to be packed. */
#ifndef XD_WIRE_PACK_ITEMS_H
#define XD_WIRE_PACK_ITEMS_H

#include "gen/crossdock.pb-c.h"
#include "wire/arena.h"
#include "wire/codec.h"

/* What one xd_msg_pack() needs: memory for the protobuf structs, and where the payloads
 * go. Lives on the stack. */
struct xd_packer {
    struct xd_arena arena;
    struct xd_frames *out; /* [0] is left for the envelope */
    size_t descriptors;    /* of frames, inline or by reference */
    size_t payload_bytes;
};

/* The same bytes as protobuf-c names them; borrowed. */
ProtobufCBinaryData xd_pack_view(const void *data, size_t size);

/* NULL leaves *out as it is. Errors: XD_ERR_TOO_LARGE. */
enum xd_err xd_pack_text(const struct xd_bytes *text,
                         size_t limit,
                         ProtobufCBinaryData *out) XD_MUST_USE;
enum xd_err xd_pack_name(const struct xd_bytes *name,
                         ProtobufCBinaryData *out) XD_MUST_USE;

/* One more payload frame; shared. */
enum xd_err xd_pack_payload(struct xd_packer *packer, struct xd_bytes *bytes) XD_MUST_USE;

/* The parts of the kinds that have them. */
enum xd_err xd_pack_tasks(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out) XD_MUST_USE;
enum xd_err xd_pack_results(struct xd_packer *packer,
                            const struct xd_msg *msg,
                            Xd__Pb__Envelope *out) XD_MUST_USE;
enum xd_err xd_pack_setup(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out) XD_MUST_USE;
enum xd_err xd_pack_given(struct xd_packer *packer,
                          const struct xd_msg *msg,
                          Xd__Pb__Envelope *out) XD_MUST_USE;
enum xd_err xd_pack_ids(struct xd_packer *packer,
                        const struct xd_msg *msg,
                        Xd__Pb__Envelope *out) XD_MUST_USE;

#endif
