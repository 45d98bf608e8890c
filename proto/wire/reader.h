/* SPDX-License-Identifier: MIT */
/* Checking one field after the other of a message from outside, with a sentence that says
 * where a wrong one stands. */
#ifndef XD_WIRE_READER_H
#define XD_WIRE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define XD_NOWHERE SIZE_MAX
#define XD_RECENT_TEXTS 4u

/* Lives on the stack for one xd_msg_unpack(). Borrows everything. */
struct xd_reader {
    struct xd_error *error;
    struct xd_bytes *const *payloads; /* the frames behind the envelope */
    size_t payload_count, payloads_taken;
    size_t payload_bytes; /* of those taken */
    size_t descriptors;   /* of frames, inline or by reference */

    /* Where we are, for the sentence: "tasks[item].frames[frame]." */
    const char *list; /* "tasks", "hello"; NULL: the envelope itself */
    size_t item, frame;

    /* The last few names that were made, held by the message being built: equal ones
     * share one xd_bytes, since a broker may queue a million tasks. */
    struct xd_bytes *recent[XD_RECENT_TEXTS];
    unsigned next_recent;
};

void xd_reader_init(struct xd_reader *reader,
                    struct xd_bytes *const *payloads,
                    size_t count,
                    struct xd_error *error);

/* Where the next fields stand; XD_NOWHERE for "not in an array". */
void xd_reader_at(struct xd_reader *reader, const char *list, size_t item);

/* Writes "PLACE.FIELD SENTENCE" and gives back `err`. `field` NULL: the place itself. */
enum xd_err xd_reader_fail(struct xd_reader *reader,
                           enum xd_err err,
                           const char *field,
                           const char *format,
                           ...) XD_PRINTF(4, 5) __attribute__((cold));

/* Each checks one field, gives what it holds through *out and returns one reference where
 * that is a xd_bytes. "optional": empty gives NULL. */
enum xd_err xd_reader_number(struct xd_reader *reader,
                             const char *field,
                             uint64_t value,
                             uint64_t least,
                             uint64_t most) XD_MUST_USE;
enum xd_err xd_reader_code(struct xd_reader *reader,
                           const char *field,
                           uint32_t value,
                           enum xd_err *out) XD_MUST_USE;
enum xd_err xd_reader_id(struct xd_reader *reader,
                         const char *field,
                         const void *data,
                         size_t size,
                         uint8_t out[16]) XD_MUST_USE;
enum xd_err xd_reader_name(struct xd_reader *reader,
                           const char *field,
                           const void *data,
                           size_t size,
                           struct xd_bytes **out) XD_MUST_USE;
enum xd_err xd_reader_optional_name(struct xd_reader *reader,
                                    const char *field,
                                    const void *data,
                                    size_t size,
                                    struct xd_bytes **out) XD_MUST_USE;
enum xd_err xd_reader_optional_tag(struct xd_reader *reader,
                                   const char *field,
                                   const void *data,
                                   size_t size,
                                   struct xd_bytes **out) XD_MUST_USE;
enum xd_err xd_reader_optional_text(struct xd_reader *reader,
                                    const char *field,
                                    const void *data,
                                    size_t size,
                                    size_t limit,
                                    struct xd_bytes **out) XD_MUST_USE;

/* Empty gives NULL; else as base/needs.h has it. */
enum xd_err xd_reader_needs(struct xd_reader *reader,
                            const char *field,
                            const void *data,
                            size_t size,
                            struct xd_bytes **out) XD_MUST_USE;

/* The next payload frame; and, at the end, that none is left. */
enum xd_err xd_reader_payload(struct xd_reader *reader,
                              struct xd_bytes **out) XD_MUST_USE;
enum xd_err xd_reader_end(struct xd_reader *reader) XD_MUST_USE;

#endif
