/* SPDX-License-Identifier: MIT */
/* Payload frames into a value: R's serializer reads from the pieces, objects are decoded
 * where it first meets them. */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "pieces.h"
#include "scan.h"

static const char not_a_value[] = "the task's bytes are not a serialization";

struct decoder {
    struct rxd_reader reader;
    SEXP config;
    const char *side;
    SEXP objects;    /* decoded, or R_UnboundValue */
    uint64_t **ends; /* of each packed object frame, once needed: where its parts end */
    size_t names;    /* that R asked for */
    bool is_misfit;  /* an environment became something else */
    const bool *must_be_environment; /* for each name; NULL: not known yet */
    size_t known;
};

/* ---- where the bytes of an object are ---- */

static uint64_t little_endian(const uint8_t *from)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < sizeof value; i++) {
        value |= (uint64_t)from[i] << 8 * i;
    }
    return value;
}

/* Where the parts of a packed frame end, after where the first one begins; checked. */
static uint64_t *ends_of(const struct xd_frame *frame)
{
    uint64_t size = frame->bytes->size, at = frame->count * (uint64_t)sizeof(uint64_t);
    if (at > size) {
        Rf_error("%s: a frame of %u objects is too short", not_a_value, frame->count);
    }
    uint64_t *ends = (void *)R_alloc((size_t)frame->count + 1, sizeof *ends);
    ends[0] = at;
    for (uint32_t i = 0; i < frame->count; i++) {
        uint64_t part =
            little_endian(frame->bytes->data + i * (uint64_t)sizeof(uint64_t));
        if (part > size - ends[i]) {
            Rf_error("%s: object %u of a frame is cut off", not_a_value, i);
        }
        ends[i + 1] = ends[i] + part;
    }
    return ends;
}

SEXP rxd_raw(const uint8_t *data, uint64_t size)
{
    SEXP raw = Rf_allocVector(RAWSXP, (R_xlen_t)size);
    if (size > 0) {
        memcpy(RAW(raw), data, (size_t)size);
    }
    return raw;
}

static SEXP raw_of_part(struct decoder *decoder, struct rxd_place place)
{
    const struct xd_frame *frame = rxd_reader_object(&decoder->reader, place.frame);
    if (place.element == 0 || place.element > frame->count) {
        Rf_error("%s: object %u is not in its frame", not_a_value, place.element);
    }
    if (decoder->ends[place.frame] == NULL) {
        decoder->ends[place.frame] = ends_of(frame);
    }
    const uint64_t *ends = &decoder->ends[place.frame][place.element - 1];
    return rxd_raw(frame->bytes->data + ends[0], ends[1] - ends[0]);
}

/* ---- objects ---- */

static const char *tag_of(const struct xd_frame *frame)
{
    if (frame->tag == NULL) {
        Rf_error("%s: an object has no class tag", not_a_value);
    }
    char *tag = R_alloc(frame->tag->size + 1, 1);
    if (frame->tag->size > 0) {
        memcpy(tag, frame->tag->data, frame->tag->size);
    }
    tag[frame->tag->size] = '\0';
    return tag;
}

static SEXP decode_one(struct decoder *decoder, struct rxd_place place)
{
    const struct xd_frame *frame = rxd_reader_object(&decoder->reader, place.frame);
    bool failed = false;
    SEXP raw = PROTECT(frame->count == 0 ? rxd_raw(frame->bytes->data, frame->bytes->size)
                                         : raw_of_part(decoder, place));
    SEXP value =
        rxd_codec_decode(decoder->config, tag_of(frame), raw, 0, decoder->side, &failed);
    UNPROTECT(1);
    return value;
}

/* How long the list is that the function of a vec class must give. */
static uint32_t length_of_list(const struct decoder *decoder, uint32_t frame)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < decoder->reader.objects; i++) {
        struct rxd_place place = rxd_reader_place(&decoder->reader, i);
        if (place.frame == frame && place.element > length) {
            length = place.element;
        }
    }
    return length;
}

/* All objects of a frame at once. */
static void decode_list(struct decoder *decoder, uint32_t number)
{
    const struct xd_frame *frame = rxd_reader_object(&decoder->reader, number);
    uint32_t length = length_of_list(decoder, number);
    bool failed = false;
    SEXP raw = PROTECT(rxd_raw(frame->bytes->data, frame->bytes->size));
    SEXP list = PROTECT(rxd_codec_decode(decoder->config,
                                         tag_of(frame),
                                         raw,
                                         length,
                                         decoder->side,
                                         &failed));
    for (uint32_t i = 0; i < decoder->reader.objects; i++) {
        struct rxd_place place = rxd_reader_place(&decoder->reader, i);
        if (place.frame == number && place.element > 0) {
            SET_VECTOR_ELT(decoder->objects,
                           i,
                           failed ? list : VECTOR_ELT(list, place.element - 1));
        }
    }
    UNPROTECT(2);
}

static SEXP object_at(struct decoder *decoder, uint32_t index)
{
    if (VECTOR_ELT(decoder->objects, index) == R_UnboundValue) {
        struct rxd_place place = rxd_reader_place(&decoder->reader, index);
        const struct xd_frame *frame = rxd_reader_object(&decoder->reader, place.frame);
        if (frame->codec != 0) {
            SET_VECTOR_ELT(decoder->objects,
                           index,
                           rxd_codec_misfit(tag_of(frame), frame->codec, decoder->side));
        } else if (frame->count == 0 && place.element > 0) {
            decode_list(decoder, place.frame);
        } else {
            SET_VECTOR_ELT(decoder->objects, index, decode_one(decoder, place));
        }
    }
    return VECTOR_ELT(decoder->objects, index);
}

/* R found a persistent name where an object was. */
static SEXP restore_object(SEXP name, SEXP data)
{
    struct decoder *decoder = R_ExternalPtrAddr(data);
    const char *text = CHAR(STRING_ELT(name, 0));
    char *end = NULL;
    unsigned long number = text[0] == '\0' ? 0 : strtoul(text + 1, &end, 10);
    if (end == NULL || end == text + 1 || *end != '\0' ||
        number >= decoder->reader.objects) {
        Rf_error("%s: there is no object %s", not_a_value, text);
    }
    size_t nth = decoder->names++;
    SEXP object = object_at(decoder, (uint32_t)number);
    if (text[0] == 's' && TYPEOF(object) == S4SXP) {
        object = Rf_getAttrib(object, Rf_install(".xData")); /* what it is made of */
    }
    if (text[0] == 'p' || TYPEOF(object) == ENVSXP) {
        return object;
    }
    decoder->is_misfit = true;
    /* What is looked up there is not found: an error, not a crash. */
    return nth < decoder->known && decoder->must_be_environment[nth] ? R_BaseEnv : object;
}

/* ---- the stream ---- */

static void get_bytes(R_inpstream_t stream, void *out, int size)
{
    struct decoder *decoder = stream->data;
    if (size < 0 || !rxd_reader_get(&decoder->reader, out, (size_t)size)) {
        Rf_error("%s: they end too early", not_a_value);
    }
}

static int get_char(R_inpstream_t stream)
{
    unsigned char byte;
    get_bytes(stream, &byte, 1);
    return byte;
}

static void prepare_objects(struct decoder *decoder)
{
    uint32_t count = decoder->reader.objects;
    size_t frames = decoder->reader.object_frames;
    decoder->objects = PROTECT(Rf_allocVector(VECSXP, count));
    for (uint32_t i = 0; i < count; i++) {
        SET_VECTOR_ELT(decoder->objects, i, R_UnboundValue);
    }
    decoder->ends = (void *)R_alloc(frames, sizeof *decoder->ends);
    memset(decoder->ends, 0, frames * sizeof *decoder->ends);
    UNPROTECT(1);
}

static SEXP read_value(struct decoder *decoder, SEXP data)
{
    struct R_inpstream_st stream;
    R_InitInPStream(&stream,
                    (R_pstream_data_t)decoder,
                    R_pstream_binary_format,
                    get_char,
                    get_bytes,
                    data == R_NilValue ? NULL : restore_object,
                    data);
    SEXP value = R_Unserialize(&stream);
    if (!rxd_reader_is_done(&decoder->reader)) {
        Rf_error("%s: bytes are left over", not_a_value);
    }
    return value;
}

/* Once more, with no misfit where R needs an environment. */
static SEXP read_again(struct decoder *decoder, const struct rxd_reader *start, SEXP data)
{
    decoder->reader = *start;
    decoder->must_be_environment =
        rxd_scan_environments(&decoder->reader, &decoder->known);
    decoder->reader = *start;
    decoder->names = 0;
    return read_value(decoder, data);
}

SEXP rxd_decode(const struct xd_frame *frames,
                size_t count,
                SEXP config,
                const char *side)
{
    struct decoder decoder = {.config = config, .side = side, .objects = R_NilValue};
    struct xd_error error;
    if (rxd_reader_init(&decoder.reader, frames, count, &error) != XD_OK) {
        Rf_error("%s: %s", not_a_value, error.text);
    }
    if (decoder.reader.objects == 0) {
        return read_value(&decoder, R_NilValue);
    }
    const void *top = vmaxget();
    struct rxd_reader start = decoder.reader;
    prepare_objects(&decoder);
    PROTECT(decoder.objects);
    SEXP data = PROTECT(R_MakeExternalPtr(&decoder, R_NilValue, R_NilValue));
    SEXP value = read_value(&decoder, data);
    if (decoder.is_misfit) {
        value = read_again(&decoder, &start, data);
    }
    vmaxset(top);
    UNPROTECT(2);
    return value;
}
