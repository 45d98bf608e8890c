/* SPDX-License-Identifier: MIT */
/* Lists of R objects as the class-tagged frames of a call, and back. */
#include "call.h"

#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "parcel.h"

#define RAW_TAG "raw"
#define TEXT_TAG "text"

/* ---- to frames ---- */

static void check_memory(enum xd_err err)
{
    if (err != XD_OK) {
        rxd_raise(err, NULL, NULL);
    }
}

static void add(SEXP parcel, const void *data, size_t size, const char *tag)
{
    struct rxd_packing *packing = rxd_packing(parcel);
    const char *kept = rxd_packing_tag(packing, tag);
    struct xd_bytes *bytes = NULL;
    check_memory(kept == NULL ? XD_ERR_NOMEM : xd_bytes_copy(data, size, &bytes));
    check_memory(rxd_packing_add(packing, bytes, kept, XD_FRAME_OBJECT, 0));
}

static bool is_text(SEXP x)
{
    return TYPEOF(x) == STRSXP && Rf_xlength(x) == 1 && !OBJECT(x) &&
           STRING_ELT(x, 0) != NA_STRING;
}

static void refuse(SEXP x, R_xlen_t place)
{
    SEXP quoted = PROTECT(Rf_lang2(R_QuoteSymbol, x));
    SEXP call = PROTECT(Rf_lang2(Rf_install("class"), quoted));
    SEXP class = PROTECT(Rf_eval(call, R_BaseEnv));
    struct xd_error error;
    xd_error_set(&error,
                 "value %lld of a call is of class <%s>, length %lld: only raw vectors, "
                 "strings and classes of the serial configuration travel there",
                 (long long)place + 1,
                 CHAR(STRING_ELT(class, 0)),
                 (long long)Rf_xlength(x));
    rxd_raise(XD_ERR_NO_CODEC, &error, NULL);
}

/* Configured classes come first: a class may well be built on a raw vector. */
static void encode_one(SEXP parcel, SEXP x, R_xlen_t place, SEXP config, const char *side)
{
    int entry = rxd_config_find(config, x);
    if (entry >= 0) {
        SEXP raw = PROTECT(rxd_object_encode(config, entry, x, side));
        add(parcel, RAW(raw), (size_t)Rf_xlength(raw), rxd_config_tag(config, entry));
        UNPROTECT(1);
    } else if (TYPEOF(x) == RAWSXP && !OBJECT(x)) {
        add(parcel, RAW(x), (size_t)Rf_xlength(x), RAW_TAG);
    } else if (is_text(x)) {
        const char *text = Rf_translateCharUTF8(STRING_ELT(x, 0));
        add(parcel, text, strlen(text), TEXT_TAG);
    } else {
        refuse(x, place);
    }
}

void rxd_call_encode(SEXP parcel, SEXP args, SEXP config, const char *side)
{
    SEXP names = PROTECT(Rf_getAttrib(args, R_NamesSymbol));
    struct rxd_parcel *out = rxd_parcel(parcel);
    for (R_xlen_t i = 0; i < Rf_xlength(args); i++) {
        encode_one(parcel, VECTOR_ELT(args, i), i, config, side);
        if (names != R_NilValue && CHAR(STRING_ELT(names, i))[0] != '\0') {
            out->payloads[i].name = Rf_translateCharUTF8(STRING_ELT(names, i));
        }
    }
    UNPROTECT(1);
}

/* ---- from frames ---- */

static SEXP text_of(const struct xd_bytes *bytes)
{
    if (bytes->size > INT32_MAX || memchr(bytes->data, 0, bytes->size) != NULL) {
        return rxd_raw(bytes->data, bytes->size); /* no R string can hold it */
    }
    SEXP text =
        PROTECT(Rf_mkCharLenCE((const char *)bytes->data, (int)bytes->size, CE_UTF8));
    SEXP out = Rf_ScalarString(text);
    UNPROTECT(1);
    return out;
}

static SEXP decode_bytes(const char *tag,
                         struct xd_bytes *bytes,
                         SEXP config,
                         const char *side)
{
    if (strcmp(tag, RAW_TAG) == 0) {
        return rxd_raw(bytes->data, bytes->size);
    }
    if (strcmp(tag, TEXT_TAG) == 0) {
        return text_of(bytes);
    }
    return rxd_object_decode(config, tag, bytes, side);
}

static SEXP decode_one(const struct xd_frame *frame, SEXP config, const char *side)
{
    char tag[256] = RAW_TAG;
    if (frame->tag != NULL && frame->tag->size < sizeof tag) {
        memcpy(tag, frame->tag->data, frame->tag->size);
        tag[frame->tag->size] = '\0';
    }
    if (frame->codec != 0) {
        return rxd_codec_misfit(tag, frame->codec, side);
    }
    if (frame->count == 0) {
        return decode_bytes(tag, frame->bytes, config, side);
    }
    SEXP list = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)frame->count));
    for (uint32_t i = 0; i < frame->count; i++) {
        struct xd_error error = {""};
        struct xd_bytes *part = NULL;
        enum xd_err err = xd_frame_part(frame, i, &part, &error);
        if (err != XD_OK) {
            rxd_raise(err, &error, "a packed frame cannot be read");
        }
        SET_VECTOR_ELT(list, (R_xlen_t)i, decode_bytes(tag, part, config, side));
        xd_bytes_unref(part);
    }
    UNPROTECT(1);
    return list;
}

/* A call with an argument that is none is no call. */
static void check_argument(SEXP value, size_t index)
{
    SEXP message = Rf_getAttrib(value, Rf_install("message"));
    if (!Rf_inherits(value, "errorValue") || TYPEOF(message) != STRSXP) {
        return;
    }
    struct xd_error error;
    xd_error_set(&error,
                 "argument %zu of the call: %s",
                 index + 1,
                 CHAR(STRING_ELT(message, 0)));
    rxd_raise(XD_ERR_CODEC, &error, NULL);
}

/* All frames as a list, with the names that some have. */
static SEXP decode_all(const struct xd_frame *frames,
                       size_t count,
                       SEXP config,
                       const char *side)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    SEXP names = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)count));
    bool has_names = false;
    for (size_t i = 0; i < count; i++) {
        const struct xd_bytes *name = frames[i].name;
        SET_VECTOR_ELT(list, (R_xlen_t)i, decode_one(&frames[i], config, side));
        if (name != NULL) {
            has_names = true;
            SET_STRING_ELT(
                names,
                (R_xlen_t)i,
                Rf_mkCharLenCE((const char *)name->data, (int)name->size, CE_UTF8));
        }
    }
    if (has_names) {
        Rf_setAttrib(list, R_NamesSymbol, names);
    }
    UNPROTECT(2);
    return list;
}

SEXP rxd_call_decode(const char *callee,
                     const struct xd_frame *frames,
                     size_t count,
                     SEXP config)
{
    SEXP out = PROTECT(Rf_allocVector(VECSXP, 2));
    SET_VECTOR_ELT(out, 0, Rf_mkString(callee));
    SET_VECTOR_ELT(out, 1, decode_all(frames, count, config, "worker"));
    for (size_t i = 0; i < count; i++) {
        check_argument(VECTOR_ELT(VECTOR_ELT(out, 1), (R_xlen_t)i), i);
    }
    UNPROTECT(1);
    return out;
}

SEXP rxd_call_value(const struct xd_frame *frames, size_t count, SEXP config)
{
    if (count == 0) {
        return R_NilValue;
    }
    return count == 1 ? decode_one(&frames[0], config, "client")
                      : decode_all(frames, count, config, "client");
}
