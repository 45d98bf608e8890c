/* SPDX-License-Identifier: MIT */
/* The one codec of the wire: a message to its frames and back. Implemented by pack.c and
 * unpack.c. */
#ifndef XD_WIRE_CODEC_H
#define XD_WIRE_CODEC_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/limits.h"
#include "wire/msg.h"

/* The frames of one message: [0] is the envelope. Holds one reference of each. May live
 * on the stack. */
struct xd_frames {
    struct xd_bytes *items[XD_FRAMES_MAX];
    size_t count;
};

void xd_frames_clear(struct xd_frames *frames);

/* Fills `out` (count 0 before) with the envelope and references to the payloads. The
 * message stays the caller's. Errors: XD_ERR_NOMEM; XD_ERR_TOO_LARGE where a limit of
 * limits.h would be broken; XD_ERR_INVALID where something the kind needs is missing
 * (SUBMIT without a profile, EVENT or ADMIN answer without bytes, a frame with neither
 * bytes nor reference, an unknown kind). Then `out` stays empty. Other contents are not
 * checked: the reader does. */
enum xd_err xd_msg_pack(const struct xd_msg *msg, struct xd_frames *out) XD_MUST_USE;

/* Checks every byte from outside and fills `out`, which takes its own references of the
 * payload frames; the caller's stay the caller's. On failure `out` is untouched and
 * `error` says what was wrong: the field, its place and the value found. Equal names near
 * each other (callees, tags) become one xd_bytes with several references. Errors:
 * XD_ERR_NOMEM, XD_ERR_PROTOCOL, XD_ERR_VERSION (unknown version), XD_ERR_UNSUPPORTED
 * (unknown kind), XD_ERR_TOO_LARGE (a limit of limits.h; also: the envelope wants more
 * than XD_UNPACK_BUDGET_BYTES). */
enum xd_err xd_msg_unpack(struct xd_bytes *const *frames,
                          size_t count,
                          struct xd_msg *out,
                          struct xd_error *error) XD_MUST_USE;

/* An upper bound of what this task, result or list of frames adds to an envelope, for
 * filling messages up to their limits. */
size_t xd_task_envelope_bytes(const struct xd_task *task);
size_t xd_result_envelope_bytes(const struct xd_result *result);
size_t xd_frames_envelope_bytes(const struct xd_frame *frames, size_t count);

#endif
