/* SPDX-License-Identifier: MIT */
/* The encoder and decoder as tests in R call them. */
#include "serial.h"

#include <string.h>

#include "codec.h"
#include "parcel.h"

static const char *side_of(SEXP side)
{
    return CHAR(Rf_asChar(side));
}

static SEXP raw_of_payload(const struct xd_payload *payload)
{
    SEXP raw = PROTECT(rxd_raw(payload->bytes->data, payload->bytes->size));
    Rf_setAttrib(raw, Rf_install("role"), PROTECT(Rf_ScalarInteger((int)payload->role)));
    Rf_setAttrib(raw,
                 Rf_install("count"),
                 PROTECT(Rf_ScalarInteger((int)payload->count)));
    if (payload->tag != NULL) {
        SEXP tag = PROTECT(Rf_mkCharCE(payload->tag, CE_UTF8));
        Rf_setAttrib(raw, Rf_install("tag"), PROTECT(Rf_ScalarString(tag)));
        UNPROTECT(2);
    }
    UNPROTECT(3);
    return raw;
}

SEXP rxd_frames_of(SEXP value, SEXP config, SEXP side)
{
    SEXP parcel = PROTECT(rxd_parcel_new());
    rxd_encode(parcel, value, config, side_of(side));
    const struct rxd_parcel *filled = rxd_parcel(parcel);
    SEXP list = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)filled->count));
    for (size_t i = 0; i < filled->count; i++) {
        SET_VECTOR_ELT(list, (R_xlen_t)i, raw_of_payload(&filled->payloads[i]));
    }
    rxd_parcel_free(parcel);
    UNPROTECT(2);
    return list;
}

/* Bytes on loan from an R vector, for the length of a call: nobody may count them. */
static struct xd_bytes *borrow(const void *data, size_t size)
{
    struct xd_bytes *bytes = (void *)R_alloc(1, sizeof *bytes);
    memset(bytes, 0, sizeof *bytes);
    bytes->data = data;
    bytes->size = size;
    return bytes;
}

static struct xd_bytes *borrow_text(SEXP text)
{
    const char *tag = CHAR(Rf_asChar(text));
    return borrow(tag, strlen(tag));
}

SEXP rxd_value_of(SEXP frames, SEXP config, SEXP side)
{
    size_t count = (size_t)Rf_xlength(frames);
    struct xd_frame *made = (void *)R_alloc(count, sizeof *made);
    for (size_t i = 0; i < count; i++) {
        SEXP raw = VECTOR_ELT(frames, (R_xlen_t)i);
        SEXP tag = Rf_getAttrib(raw, Rf_install("tag"));
        SEXP codec = Rf_getAttrib(raw, Rf_install("codec"));
        made[i] = (struct xd_frame){
            .bytes = borrow(RAW(raw), (size_t)XLENGTH(raw)),
            .tag = tag == R_NilValue ? NULL : borrow_text(tag),
            .size = (uint64_t)XLENGTH(raw),
            .role = (uint8_t)Rf_asInteger(Rf_getAttrib(raw, Rf_install("role"))),
            .codec = codec == R_NilValue ? 0 : (uint32_t)Rf_asInteger(codec),
            .count = (uint32_t)Rf_asInteger(Rf_getAttrib(raw, Rf_install("count")))};
    }
    return rxd_decode(made, count, config, side_of(side));
}

SEXP rxd_object_bytes(SEXP object, SEXP config, SEXP side)
{
    int entry = rxd_config_find(config, object);
    return entry < 0 ? R_NilValue
                     : rxd_object_encode(config, entry, object, side_of(side));
}

SEXP rxd_object_of(SEXP bytes, SEXP tag, SEXP config, SEXP side)
{
    return rxd_object_decode(config,
                             CHAR(Rf_asChar(tag)),
                             borrow(RAW(bytes), (size_t)XLENGTH(bytes)),
                             side_of(side));
}
