/* SPDX-License-Identifier: MIT */
/* The external pointer that owns payloads, and an encoder's memory while it works. */
#include "parcel.h"

#include <stdlib.h>
#include <string.h>

#define KIND "crossdock_parcel"

static void clear(struct rxd_packing *packing)
{
    rxd_packing_end(packing);
    for (size_t i = 0; i < packing->parcel.count; i++) {
        xd_bytes_unref(packing->parcel.payloads[i].bytes);
    }
    free(packing->parcel.payloads);
    for (size_t i = 0; i < packing->tag_count; i++) {
        free(packing->tags[i]);
    }
    free(packing->tags);
    *packing = (struct rxd_packing){0};
}

static void finalize(SEXP parcel)
{
    struct rxd_packing *packing = R_ExternalPtrAddr(parcel);
    if (packing != NULL) {
        R_ClearExternalPtr(parcel);
        clear(packing);
        free(packing);
    }
}

/* One parcel serves task after task: a pointer with a finalizer for each would keep R's
 * collector busy, and their memory scattered until it runs. An R error, or an encoder
 * inside another, leaves it taken; then a new one takes its place. */
static SEXP kept;
static bool is_taken;

static SEXP parcel_make(void)
{
    SEXP parcel = PROTECT(rxd_pointer_new(KIND, R_NilValue, finalize));
    struct rxd_packing *packing = calloc(1, sizeof *packing);
    if (packing == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    R_SetExternalPtrAddr(parcel, packing);
    UNPROTECT(1);
    return parcel;
}

SEXP rxd_parcel_new(void)
{
    if (kept == NULL || is_taken) {
        SEXP parcel = PROTECT(parcel_make());
        R_PreserveObject(parcel);
        if (kept != NULL) {
            R_ReleaseObject(kept);
        }
        kept = parcel;
        UNPROTECT(1);
    }
    is_taken = true;
    return kept;
}

void rxd_parcel_free(SEXP parcel)
{
    rxd_parcel_clear(parcel);
    if (parcel == kept) {
        is_taken = false;
    }
}

struct rxd_packing *rxd_packing(SEXP parcel)
{
    struct rxd_packing *packing = rxd_pointer(parcel, KIND);
    if (packing == NULL) {
        Rf_error("not a parcel");
    }
    return packing;
}

struct rxd_parcel *rxd_parcel(SEXP parcel)
{
    return &rxd_packing(parcel)->parcel;
}

void rxd_parcel_clear(SEXP parcel)
{
    struct rxd_packing *packing = rxd_pointer(parcel, KIND);
    if (packing != NULL) {
        clear(packing);
    }
}

enum xd_err rxd_packing_add(struct rxd_packing *packing,
                            struct xd_bytes *bytes,
                            const char *tag,
                            enum xd_frame_role role,
                            uint32_t count)
{
    struct rxd_parcel *parcel = &packing->parcel;
    if (parcel->count == packing->room) {
        size_t room = packing->room == 0 ? 4 : packing->room * 2;
        struct xd_payload *grown =
            realloc(parcel->payloads, room * sizeof *parcel->payloads);
        if (grown == NULL) {
            xd_bytes_unref(bytes);
            return XD_ERR_NOMEM;
        }
        parcel->payloads = grown;
        packing->room = room;
    }
    parcel->payloads[parcel->count++] =
        (struct xd_payload){.bytes = bytes, .tag = tag, .role = role, .count = count};
    parcel->bytes += bytes->size;
    return XD_OK;
}

const char *rxd_packing_tag(struct rxd_packing *packing, const char *tag)
{
    char **grown =
        realloc(packing->tags, (packing->tag_count + 1) * sizeof *packing->tags);
    if (grown == NULL) {
        return NULL;
    }
    packing->tags = grown;
    char *copy = strdup(tag);
    if (copy != NULL) {
        packing->tags[packing->tag_count++] = copy;
    }
    return copy;
}

void rxd_packing_end(struct rxd_packing *packing)
{
    rxd_writer_fini(&packing->writer);
    free(packing->entries);
    free(packing->hashed);
    free(packing->places);
    free(packing->joint);
    packing->entries = NULL;
    packing->hashed = NULL;
    packing->places = NULL;
    packing->joint = NULL;
    packing->hash_size = packing->entry_room = 0;
}
