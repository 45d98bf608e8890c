/* SPDX-License-Identifier: MIT */
/* A body and its segments, checked, and read as the one stream they were. */
#include <string.h>

#include "pieces_header.h"

/* Copy from the body as a whole, across its frames; false: it ends before. */
static bool copy_body(const struct rxd_reader *reader,
                      uint64_t from,
                      void *out,
                      size_t size)
{
    uint8_t *to = out;
    for (size_t i = 0; i < reader->body_count && size > 0; i++) {
        const struct xd_bytes *bytes = reader->frames[i].bytes;
        if (from >= bytes->size) {
            from -= bytes->size;
            continue;
        }
        size_t left = bytes->size - (size_t)from;
        size_t part = size < left ? size : left;
        memcpy(to, bytes->data + from, part);
        to += part;
        size -= part;
        from = 0;
    }
    return size == 0;
}

/* Entries of tables exist: rxd_reader_init() compared the sizes. */
static struct rxd_segment_entry segment_entry(const struct rxd_reader *reader,
                                              uint32_t index)
{
    struct rxd_segment_entry entry = {0, 0};
    uint64_t table = sizeof(struct rxd_header) + reader->stream;
    (void)copy_body(reader, table + index * sizeof entry, &entry, sizeof entry);
    return entry;
}

struct rxd_place rxd_reader_place(const struct rxd_reader *reader, uint32_t index)
{
    struct rxd_place place = {0, 0};
    uint64_t table = sizeof(struct rxd_header) + reader->stream +
                     reader->segments * sizeof(struct rxd_segment_entry);
    (void)copy_body(reader, table + index * sizeof place, &place, sizeof place);
    return place;
}

const struct xd_frame *rxd_reader_object(const struct rxd_reader *reader, uint32_t frame)
{
    return &reader->frames[reader->body_count + reader->segments + frame];
}

static size_t count_role(const struct xd_frame *frames,
                         size_t count,
                         enum xd_frame_role role)
{
    size_t n = 0;
    while (n < count && frames[n].role == role) {
        n++;
    }
    return n;
}

static enum xd_err sort_frames(struct rxd_reader *reader,
                               size_t count,
                               size_t *segments,
                               struct xd_error *error)
{
    const struct xd_frame *frames = reader->frames;
    size_t bodies = count_role(frames, count, XD_FRAME_BODY);
    *segments = count_role(frames + bodies, count - bodies, XD_FRAME_SEGMENT);
    size_t before = bodies + *segments;
    reader->body_count = bodies;
    reader->object_frames = count_role(frames + before, count - before, XD_FRAME_OBJECT);
    if (before + reader->object_frames != count) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "frame %zu of role %d is out of place",
                       before + reader->object_frames,
                       (int)frames[before + reader->object_frames].role);
    }
    for (size_t i = 0; i < count; i++) {
        if (frames[i].bytes == NULL) {
            return xd_fail(error, XD_ERR_PROTOCOL, "frame %zu is missing", i);
        }
    }
    return XD_OK;
}

static const uint8_t magic[4] = RXD_PIECES_MAGIC;

static enum xd_err read_header(const struct rxd_reader *reader,
                               struct rxd_header *header,
                               struct xd_error *error)
{
    if (reader->body_count == 0 || reader->frames[0].bytes->size < sizeof *header) {
        return xd_fail(error, XD_ERR_PROTOCOL, "it has no header");
    }
    memcpy(header, reader->frames[0].bytes->data, sizeof *header);
    if (memcmp(header->magic, magic, 3) != 0) {
        return xd_fail(error, XD_ERR_PROTOCOL, "it begins otherwise");
    }
    if (header->magic[3] != magic[3]) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "version %d of the format is not known here",
                       (int)header->magic[3]);
    }
    if (header->order != RXD_BYTE_ORDER_MARK) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "it comes from a machine of the other byte order");
    }
    return XD_OK;
}

/* Do the sizes that the header tells add up to the frames that are there? */
static enum xd_err check_sizes(const struct rxd_reader *reader,
                               const struct rxd_header *header,
                               size_t segments,
                               struct xd_error *error)
{
    uint64_t found = 0;
    for (size_t i = 0; i < reader->body_count; i++) {
        found += reader->frames[i].bytes->size;
    }
    uint64_t rest = sizeof *header +
                    header->segments * (uint64_t)sizeof(struct rxd_segment_entry) +
                    header->objects * (uint64_t)sizeof(struct rxd_place);
    if (found < rest || found - rest != header->stream || header->segments != segments) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "%llu bytes and %zu segments are not what its header tells",
                       (unsigned long long)found,
                       segments);
    }
    return XD_OK;
}

static enum xd_err check_sum(const struct rxd_reader *reader,
                             const struct rxd_header *header,
                             struct xd_error *error)
{
    uint64_t sum = rxd_sum_header(header);
    for (size_t i = 0; i < reader->body_count; i++) {
        const struct xd_bytes *bytes = reader->frames[i].bytes;
        size_t from = i == 0 ? sizeof *header : 0;
        sum = rxd_sum_bytes(sum, bytes->data + from, bytes->size - from);
    }
    return sum == header->sum
               ? XD_OK
               : xd_fail(error, XD_ERR_PROTOCOL, "its check sum does not fit");
}

static enum xd_err check_tables(const struct rxd_reader *reader, struct xd_error *error)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < reader->segments; i++) {
        struct rxd_segment_entry entry = segment_entry(reader, i);
        const struct xd_frame *frame = &reader->frames[reader->body_count + i];
        if (entry.at < at || entry.at > reader->stream || entry.size == 0 ||
            entry.size != frame->bytes->size) {
            return xd_fail(error, XD_ERR_PROTOCOL, "segment %u does not fit", i);
        }
        at = entry.at;
    }
    for (uint32_t i = 0; i < reader->objects; i++) {
        if (rxd_reader_place(reader, i).frame >= reader->object_frames) {
            return xd_fail(error, XD_ERR_PROTOCOL, "object %u is in no frame", i);
        }
    }
    return XD_OK;
}

enum xd_err rxd_reader_init(struct rxd_reader *reader,
                            const struct xd_frame *frames,
                            size_t count,
                            struct xd_error *error)
{
    *reader = (struct rxd_reader){.frames = frames};
    struct rxd_header header;
    size_t segments = 0;
    enum xd_err err = sort_frames(reader, count, &segments, error);
    if (err == XD_OK) {
        err = read_header(reader, &header, error);
    }
    if (err == XD_OK) {
        err = check_sizes(reader, &header, segments, error);
    }
    if (err == XD_OK) {
        err = check_sum(reader, &header, error);
    }
    if (err == XD_OK) {
        reader->segments = header.segments;
        reader->objects = header.objects;
        reader->stream = header.stream;
        reader->offset = sizeof header;
        err = check_tables(reader, error);
    }
    return err;
}

/* Go on to the next bytes that lie together; false: there are none. */
static bool next_run(struct rxd_reader *reader)
{
    uint64_t stop = reader->stream;
    if (reader->next < reader->segments) {
        stop = segment_entry(reader, reader->next).at;
        if (stop == reader->at) {
            const struct xd_frame *frame =
                &reader->frames[reader->body_count + reader->next++];
            reader->run = frame->bytes->data;
            reader->end = reader->run + frame->bytes->size;
            return true;
        }
    }
    if (reader->at == stop) {
        return false;
    }
    while (reader->offset == reader->frames[reader->frame].bytes->size) {
        reader->frame++;
        reader->offset = 0;
    }
    const struct xd_bytes *bytes = reader->frames[reader->frame].bytes;
    uint64_t left = stop - reader->at;
    size_t size = bytes->size - reader->offset;
    size = left < size ? (size_t)left : size;
    reader->run = bytes->data + reader->offset;
    reader->end = reader->run + size;
    reader->offset += size;
    reader->at += size;
    return true;
}

/* Copy, or skip when there is no place to copy to. */
static void take(struct rxd_reader *reader, uint8_t **to, size_t size)
{
    if (*to != NULL) {
        memcpy(*to, reader->run, size);
        *to += size;
    }
    reader->run += size;
}

bool rxd_reader_get(struct rxd_reader *reader, void *out, size_t size)
{
    uint8_t *to = out;
    size_t left = (size_t)(reader->end - reader->run);
    while (size > left) {
        if (left > 0) {
            take(reader, &to, left);
            size -= left;
        }
        if (!next_run(reader)) {
            return false;
        }
        left = (size_t)(reader->end - reader->run);
    }
    if (size > 0) {
        take(reader, &to, size);
    }
    return true;
}

bool rxd_reader_is_done(const struct rxd_reader *reader)
{
    return reader->run == reader->end && reader->at == reader->stream &&
           reader->next == reader->segments;
}
