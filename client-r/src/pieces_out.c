/* SPDX-License-Identifier: MIT */
/* What R's serializer writes, cut into a body and segments. */
#include <stdlib.h>
#include <string.h>

#include "pieces_header.h"

#define FIRST_PIECE_BYTES ((size_t)256 * 1024)
#define LAST_PIECE_BYTES ((size_t)256 * 1024 * 1024)

/* R writes the elements of a vector in chunks of so many. */
#define CHUNK ((size_t)8096)

/* The smallest type number of a vector (R internals, 1.1, LGLSXP). */
#define FIRST_VECTOR_TYPE 10u

/* The first piece of the last writer, kept for the next; only the main thread writes. */
static uint8_t *spare;

static uint8_t *take_spare(void)
{
    uint8_t *buffer = spare;
    spare = NULL;
    return buffer != NULL ? buffer : malloc(FIRST_PIECE_BYTES);
}

static void give_spare(uint8_t *buffer)
{
    if (spare == NULL) {
        spare = buffer;
    } else {
        free(buffer);
    }
}

static size_t used(const struct rxd_writer *writer)
{
    const struct rxd_piece *last = &writer->pieces[writer->piece_count - 1];
    return (size_t)(writer->at - last->data);
}

/* Room for one more in an array; doubling. */
static enum xd_err reserve(void **items, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return XD_OK;
    }
    size_t more = *room == 0 ? 8 : *room * 2;
    void *grown = realloc(*items, more * size);
    if (grown == NULL) {
        return XD_ERR_NOMEM;
    }
    *items = grown;
    *room = more;
    return XD_OK;
}

static enum xd_err add_piece(struct rxd_writer *writer, uint8_t *data, size_t size)
{
    void *pieces = writer->pieces;
    if (data == NULL || reserve(&pieces,
                                &writer->piece_room,
                                writer->piece_count,
                                sizeof *writer->pieces) != XD_OK) {
        free(data);
        return XD_ERR_NOMEM;
    }
    writer->pieces = pieces;
    writer->pieces[writer->piece_count++] = (struct rxd_piece){data, size};
    writer->at = data;
    writer->end = data + size;
    return XD_OK;
}

static enum xd_err grow(struct rxd_writer *writer)
{
    size_t last = writer->pieces[writer->piece_count - 1].size;
    size_t size = last < LAST_PIECE_BYTES ? last * 2 : last;
    enum xd_err err = add_piece(writer, malloc(size), size);
    if (err == XD_OK) {
        writer->before += last;
    }
    return err;
}

static enum xd_err put_body(struct rxd_writer *writer, const uint8_t *data, size_t size)
{
    size_t room = (size_t)(writer->end - writer->at);
    while (size > room) {
        memcpy(writer->at, data, room);
        writer->at += room;
        data += room;
        size -= room;
        enum xd_err err = grow(writer);
        if (err != XD_OK) {
            return err;
        }
        room = (size_t)(writer->end - writer->at);
    }
    if (size > 0) {
        memcpy(writer->at, data, size);
        writer->at += size;
    }
    return XD_OK;
}

static uint64_t body_bytes(const struct rxd_writer *writer)
{
    return writer->before + used(writer);
}

/* The size of the vector whose first chunk this is, from its length that R wrote right
 * before; 0: not such a chunk. A wrong guess would do no harm: the bytes are read back in
 * the order they were written, wherever they lie. */
static uint64_t vector_bytes(const struct rxd_writer *writer, size_t size)
{
    const uint32_t *recent = writer->recent;
    size_t element = size / CHUNK;
    if (writer->recent_count == 0 || size % CHUNK != 0 ||
        (element != 1 && element != 4 && element != 8 && element != 16)) {
        return 0;
    }
    uint64_t length = recent[0];
    if (writer->recent_count == 3 && recent[2] == UINT32_MAX &&
        recent[1] < FIRST_VECTOR_TYPE) {
        length |= (uint64_t)recent[1] << 32; /* a long vector: -1, high, low */
    } else if (length > INT32_MAX) {
        return 0;
    }
    /* A text of that many bytes is written whole. */
    return length > CHUNK && length != size ? length * element : 0;
}

static void note_number(struct rxd_writer *writer, const void *data)
{
    writer->recent[2] = writer->recent[1];
    writer->recent[1] = writer->recent[0];
    memcpy(&writer->recent[0], data, sizeof writer->recent[0]);
    writer->recent_count += writer->recent_count < 3;
}

static enum xd_err begin_segment(struct rxd_writer *writer, uint64_t size)
{
    void *segments = writer->segments;
    enum xd_err err = reserve(&segments,
                              &writer->segment_room,
                              writer->segment_count,
                              sizeof *writer->segments);
    if (err != XD_OK) {
        return err;
    }
    writer->segments = segments;
    struct rxd_segment *segment = &writer->segments[writer->segment_count];
    err = size > SIZE_MAX ? XD_ERR_NOMEM
                          : xd_bytes_room((size_t)size, &writer->fill, &segment->bytes);
    if (err == XD_OK) {
        segment->at = body_bytes(writer) - sizeof(struct rxd_header);
        writer->segment_count++;
        writer->missing = size;
    }
    return err;
}

static enum xd_err fill_segment(struct rxd_writer *writer,
                                const uint8_t *data,
                                size_t size)
{
    size_t part = size < writer->missing ? size : (size_t)writer->missing;
    memcpy(writer->fill, data, part);
    writer->fill += part;
    writer->missing -= part;
    return put_body(writer, data + part, size - part);
}

enum xd_err rxd_writer_init(struct rxd_writer *writer)
{
    static const struct rxd_header zero;
    *writer = (struct rxd_writer){0};
    enum xd_err err = add_piece(writer, take_spare(), FIRST_PIECE_BYTES);
    return err == XD_OK ? put_body(writer, (const uint8_t *)&zero, sizeof zero) : err;
}

void rxd_writer_fini(struct rxd_writer *writer)
{
    for (size_t i = 0; i < writer->piece_count; i++) {
        if (i == 0) {
            give_spare(writer->pieces[i].data);
        } else {
            free(writer->pieces[i].data);
        }
    }
    for (size_t i = 0; i < writer->segment_count; i++) {
        xd_bytes_unref(writer->segments[i].bytes);
    }
    free(writer->pieces);
    free(writer->segments);
    *writer = (struct rxd_writer){0};
}

enum xd_err rxd_writer_put(struct rxd_writer *writer, const void *data, size_t size)
{
    if (writer->missing > 0) {
        return fill_segment(writer, data, size);
    }
    if (size >= CHUNK && writer->segment_count < RXD_SEGMENTS_MAX) {
        uint64_t whole = vector_bytes(writer, size);
        if (whole >= RXD_SEGMENT_BYTES) {
            writer->recent_count = 0;
            enum xd_err err = begin_segment(writer, whole);
            return err == XD_OK ? fill_segment(writer, data, size) : err;
        }
    }
    if (size == sizeof(uint32_t)) {
        note_number(writer, data);
    } else {
        writer->recent_count = 0;
    }
    return put_body(writer, data, size);
}

static enum xd_err put_tables(struct rxd_writer *writer,
                              const struct rxd_place *places,
                              uint32_t count)
{
    enum xd_err err = XD_OK;
    for (size_t i = 0; err == XD_OK && i < writer->segment_count; i++) {
        const struct rxd_segment *segment = &writer->segments[i];
        struct rxd_segment_entry entry = {segment->at, segment->bytes->size};
        err = put_body(writer, (const uint8_t *)&entry, sizeof entry);
    }
    if (err == XD_OK) {
        err = put_body(writer, (const uint8_t *)places, count * sizeof *places);
    }
    return err;
}

/* Of each piece by itself, as the reader gets them. */
static uint64_t sum_body(const struct rxd_writer *writer, uint64_t sum)
{
    for (size_t i = 0; i < writer->piece_count; i++) {
        const struct rxd_piece *piece = &writer->pieces[i];
        size_t from = i == 0 ? sizeof(struct rxd_header) : 0;
        size_t size = i + 1 < writer->piece_count ? piece->size : used(writer);
        sum = rxd_sum_bytes(sum, piece->data + from, size - from);
    }
    return sum;
}

enum xd_err rxd_writer_end(struct rxd_writer *writer,
                           const struct rxd_place *places,
                           uint32_t count)
{
    if (writer->missing > 0) { /* a wrong guess of its size */
        struct xd_bytes *last = writer->segments[writer->segment_count - 1].bytes;
        last->size -= (size_t)writer->missing;
        writer->missing = 0;
    }
    struct rxd_header header = {.magic = RXD_PIECES_MAGIC,
                                .order = RXD_BYTE_ORDER_MARK,
                                .stream = body_bytes(writer) - sizeof header,
                                .segments = (uint32_t)writer->segment_count,
                                .objects = count};
    enum xd_err err = put_tables(writer, places, count);
    if (err == XD_OK) {
        header.sum = sum_body(writer, rxd_sum_header(&header));
        memcpy(writer->pieces[0].data, &header, sizeof header);
    }
    return err;
}

size_t rxd_writer_frames(const struct rxd_writer *writer)
{
    return writer->piece_count + writer->segment_count;
}

/* The first piece goes back to the next writer; the others are handed out, without the
 * room that was not needed. */
static enum xd_err take_piece(struct rxd_writer *writer,
                              size_t index,
                              struct xd_bytes **out)
{
    struct rxd_piece *piece = &writer->pieces[index];
    size_t size = index + 1 < writer->piece_count ? piece->size : used(writer);
    if (index == 0) {
        return xd_bytes_copy(piece->data, size, out);
    }
    uint8_t *data = realloc(piece->data, size > 0 ? size : 1);
    if (data != NULL) {
        piece->data = data;
        if (index + 1 == writer->piece_count) {
            writer->at = data + size;
        }
    }
    enum xd_err err = xd_bytes_wrap(piece->data, size, free, piece->data, out);
    if (err == XD_OK) {
        piece->data = NULL;
    }
    return err;
}

enum xd_err rxd_writer_take(struct rxd_writer *writer,
                            size_t index,
                            struct xd_bytes **out,
                            enum xd_frame_role *role)
{
    if (index < writer->piece_count) {
        *role = XD_FRAME_BODY;
        return take_piece(writer, index, out);
    }
    struct rxd_segment *segment = &writer->segments[index - writer->piece_count];
    *role = XD_FRAME_SEGMENT;
    *out = segment->bytes;
    segment->bytes = NULL;
    return XD_OK;
}
