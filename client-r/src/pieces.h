/* SPDX-License-Identifier: MIT */
/* The bytes of a value as pieces, out and in: what R's serializer writes becomes a body
 * and the segments of its large plain vectors, and is read back from those, without ever
 * being joined. Plain C, no R.
 *
 * Format `r`: frames of role BODY (one or more: one stream of bytes), then SEGMENT, then
 * OBJECT. The first body frame begins with a header of 32 bytes:
 *
 *      0  4  'x' 'd' 'r' and the version, 1
 *      4  4  0x01020304 in the byte order of the sender, as are all numbers that follow
 *            and those in R's own stream
 *      8  8  how many bytes of R's stream are in the body
 *     16  4  how many segments
 *     20  4  how many objects
 *     24  8  a check sum of the three fields before it and of the body after it
 *
 * Behind it R's stream, then for each segment {u64 at, u64 size}: its bytes come in
 * before byte `at` of the stream in the body, in order; then for each object, in the
 * order R met them, {u32 frame, u32 element}: `frame` counts OBJECT frames from 0,
 * `element` is 0 where the frame is that object alone, else its place from 1 in a frame
 * of several (frame count > 0: packed; 0: what the class's function gave for a list of
 * all). In R's stream a persistent name stands for an object: its number from 0, in
 * decimal. */
#ifndef RXD_PIECES_H
#define RXD_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/task.h"

/* Vectors from this size on are taken out of the body, at most so many of them. */
#define RXD_SEGMENT_BYTES ((uint64_t)256 * 1024)
#define RXD_SEGMENTS_MAX 512u

/* Where the bytes of an object are. */
struct rxd_place {
    uint32_t frame;   /* among the OBJECT frames, from 0 */
    uint32_t element; /* in a frame of several, from 1; 0: it is the frame */
};

/* ---- out ---- */

struct rxd_piece {
    uint8_t *data;
    size_t size; /* room; of all but the last all is used */
};

struct rxd_segment {
    struct xd_bytes *bytes;
    uint64_t at; /* the byte of the body before which it comes in */
};

struct rxd_writer {
    uint8_t *at, *end;        /* room that is left in the last piece */
    struct rxd_piece *pieces; /* the first one is a buffer that is used again */
    size_t piece_count, piece_room;
    uint64_t before; /* bytes in the pieces before the last */
    struct rxd_segment *segments;
    size_t segment_count, segment_room;
    uint8_t *fill; /* the segment that is being filled, and how much is missing */
    uint64_t missing;
    uint32_t recent[3]; /* the last numbers written, the latest first */
    unsigned recent_count;
};

/* Errors: XD_ERR_NOMEM. */
enum xd_err rxd_writer_init(struct rxd_writer *writer) XD_MUST_USE;
void rxd_writer_fini(struct rxd_writer *writer); /* zeroed allowed */

/* What R's serializer writes. Errors: XD_ERR_NOMEM. */
enum xd_err rxd_writer_put(struct rxd_writer *writer,
                           const void *data,
                           size_t size) XD_MUST_USE;

/* After the last byte of R's stream: append the tables and set the header. Errors:
 * XD_ERR_NOMEM. */
enum xd_err rxd_writer_end(struct rxd_writer *writer,
                           const struct rxd_place *places,
                           uint32_t count) XD_MUST_USE;

/* Then: how many frames it makes, and each of them once, in order. The caller gets a
 * reference. Errors: XD_ERR_NOMEM. */
size_t rxd_writer_frames(const struct rxd_writer *writer);
enum xd_err rxd_writer_take(struct rxd_writer *writer,
                            size_t index,
                            struct xd_bytes **out,
                            enum xd_frame_role *role) XD_MUST_USE;

/* ---- in ---- */

struct rxd_reader {
    const struct xd_frame *frames;
    size_t body_count;          /* frames of role BODY come first */
    uint32_t segments, objects; /* how many; object frames follow the segments */
    size_t object_frames;
    uint64_t stream;          /* bytes of R's stream in the body */
    const uint8_t *run, *end; /* what can be read on without a break */
    size_t frame, offset;     /* where the body goes on behind the run */
    uint64_t at;              /* the same in bytes of the stream */
    uint32_t next;            /* segment that was not begun */
};

/* The frames stay the caller's and must outlive the reader, which owns nothing.
 * Everything but the contents of segments and objects is checked. Errors:
 * XD_ERR_PROTOCOL, with a sentence. */
enum xd_err rxd_reader_init(struct rxd_reader *reader,
                            const struct xd_frame *frames,
                            size_t count,
                            struct xd_error *error) XD_MUST_USE;

/* The next `size` bytes of R's stream, or past them when `out` is NULL; false: there are
 * not so many. */
bool rxd_reader_get(struct rxd_reader *reader, void *out, size_t size);

/* Has all been read? */
bool rxd_reader_is_done(const struct rxd_reader *reader);

/* Where object `index` (< reader->objects) is, and that frame. */
struct rxd_place rxd_reader_place(const struct rxd_reader *reader, uint32_t index);
const struct xd_frame *rxd_reader_object(const struct rxd_reader *reader, uint32_t frame);

#endif
