/* SPDX-License-Identifier: MIT */
/* A value into payloads: R's serializer runs once over it, then the objects it met are
 * encoded by their classes' functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "parcel.h"

/* More objects of a class than this share a frame, and so do all when there would be more
 * frames than that in all: a task has 1,000 payloads at most, and they are described in
 * 64 KiB. */
#define ALONE_MAX 64u
#define FRAMES_MAX 256u

struct encoder {
    struct rxd_packing *packing;
    SEXP parcel, value, config;
    const char *side;
    SEXP objects; /* a list, those met so far; protected at `place`, and maybe longer */
    PROTECT_INDEX place;
    SEXP name; /* the persistent name that R writes down before it asks for the next */
    uint32_t count;
    bool is_done, has_codecs;
    bool has_pointer; /* one that none of the classes covers */
};

static void raise_if(enum xd_err err)
{
    if (err != XD_OK) {
        rxd_raise(err, NULL, "cannot serialize");
    }
}

static bool is_client(const struct encoder *encoder)
{
    return encoder->side[0] == 'c';
}

/* ---- the objects met ---- */

static size_t slot_of(const struct encoder *encoder, SEXP object)
{
    const struct rxd_packing *packing = encoder->packing;
    size_t mask = packing->hash_size - 1;
    size_t slot = (size_t)(((uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
    for (slot &= mask; packing->hashed[slot] != 0; slot = (slot + 1) & mask) {
        if (VECTOR_ELT(encoder->objects, packing->hashed[slot] - 1) == object) {
            break;
        }
    }
    return slot;
}

static void rehash(struct encoder *encoder, size_t size)
{
    struct rxd_packing *packing = encoder->packing;
    uint32_t *hashed = calloc(size, sizeof *hashed);
    raise_if(hashed == NULL ? XD_ERR_NOMEM : XD_OK);
    free(packing->hashed);
    packing->hashed = hashed;
    packing->hash_size = size;
    for (uint32_t i = 0; i < encoder->count; i++) {
        packing->hashed[slot_of(encoder, VECTOR_ELT(encoder->objects, i))] = i + 1;
    }
}

static void grow_list(struct encoder *encoder)
{
    R_xlen_t length = Rf_xlength(encoder->objects);
    if (encoder->count < length) {
        return;
    }
    SEXP longer = Rf_allocVector(VECSXP, length == 0 ? 8 : length * 2);
    for (R_xlen_t i = 0; i < length; i++) {
        SET_VECTOR_ELT(longer, i, VECTOR_ELT(encoder->objects, i));
    }
    REPROTECT(encoder->objects = longer, encoder->place);
}

static void grow_entries(struct rxd_packing *packing, uint32_t count)
{
    if (count < packing->entry_room) {
        return;
    }
    size_t room = packing->entry_room == 0 ? 8 : packing->entry_room * 2;
    int *grown = realloc(packing->entries, room * sizeof *grown);
    raise_if(grown == NULL ? XD_ERR_NOMEM : XD_OK);
    packing->entries = grown;
    packing->entry_room = room;
}

/* The number of an object that has a codec; -1: it has none. */
static int64_t number_of(struct encoder *encoder, SEXP object)
{
    struct rxd_packing *packing = encoder->packing;
    if (packing->hash_size < 2 * ((size_t)encoder->count + 1)) {
        rehash(encoder, packing->hash_size == 0 ? 16 : packing->hash_size * 2);
    }
    size_t slot = slot_of(encoder, object);
    if (packing->hashed[slot] != 0) {
        return packing->hashed[slot] - 1;
    }
    int entry = rxd_config_find(encoder->config, object);
    if (entry < 0) {
        return -1;
    }
    raise_if(encoder->count == UINT32_MAX ? XD_ERR_TOO_LARGE : XD_OK);
    grow_entries(packing, encoder->count);
    grow_list(encoder);
    SET_VECTOR_ELT(encoder->objects, encoder->count, object);
    packing->entries[encoder->count] = entry;
    packing->hashed[slot] = ++encoder->count;
    return encoder->count - 1;
}

/* A reference class object is met as the environment that it is made of, which has no
 * class: it is the variable `.self` in there. NULL: this is another environment. */
static SEXP self_of(SEXP environment)
{
    SEXP self = Rf_findVarInFrame(environment, Rf_install(".self"));
    bool is_self = self != R_UnboundValue && TYPEOF(self) == S4SXP &&
                   Rf_getAttrib(self, Rf_install(".xData")) == environment;
    return is_self ? self : NULL;
}

/* What the classes are asked about, and how the place is marked: an environment, the one
 * of a reference class object, anything else. NULL: it has no class. */
static SEXP object_of(SEXP met, char *mark)
{
    *mark = TYPEOF(met) == ENVSXP ? 'e' : 'p';
    if (OBJECT(met)) {
        return met;
    }
    *mark = 's';
    return TYPEOF(met) == ENVSXP ? self_of(met) : NULL;
}

/* R asks for each external pointer, weak reference and environment. */
static SEXP name_object(SEXP met, SEXP data)
{
    struct encoder *encoder = R_ExternalPtrAddr(data);
    char mark;
    SEXP object = encoder->has_codecs ? object_of(met, &mark) : NULL;
    int64_t number = object == NULL ? -1 : number_of(encoder, object);
    if (number < 0) {
        encoder->has_pointer |= TYPEOF(met) == EXTPTRSXP;
        return R_NilValue;
    }
    char name[16];
    (void)snprintf(name, sizeof name, "%c%u", mark, (unsigned)number);
    SET_STRING_ELT(encoder->name, 0, Rf_mkChar(name));
    return encoder->name;
}

/* ---- the stream ---- */

static void put_bytes(R_outpstream_t stream, void *data, int size)
{
    struct encoder *encoder = stream->data;
    raise_if(rxd_writer_put(&encoder->packing->writer, data, (size_t)size));
}

static void put_char(R_outpstream_t stream, int byte)
{
    char c = (char)byte;
    put_bytes(stream, &c, 1);
}

static void serialize(struct encoder *encoder)
{
    struct R_outpstream_st stream;
    encoder->has_codecs = rxd_config_size(encoder->config) > 0;
    bool asks = encoder->has_codecs || is_client(encoder);
    SEXP data = R_NilValue;
    if (asks) {
        encoder->name = PROTECT(Rf_allocVector(STRSXP, 1));
        data = PROTECT(R_MakeExternalPtr(encoder, R_NilValue, R_NilValue));
    }
    raise_if(rxd_writer_init(&encoder->packing->writer));
    R_InitOutPStream(&stream,
                     (R_pstream_data_t)encoder,
                     R_pstream_binary_format,
                     3,
                     put_char,
                     put_bytes,
                     asks ? name_object : NULL,
                     data);
    R_Serialize(encoder->value, &stream);
    UNPROTECT(asks ? 2 : 0);
}

/* ---- the frames of the objects ---- */

/* How the objects of each entry of the configuration travel. */
struct group {
    uint32_t count, frame; /* of objects; their first frame */
    bool is_vec, is_packed;
};

static struct group *group_objects(const struct encoder *encoder, int size)
{
    struct group *groups = (void *)R_alloc((size_t)size, sizeof *groups);
    memset(groups, 0, (size_t)size * sizeof *groups);
    for (uint32_t i = 0; i < encoder->count; i++) {
        groups[encoder->packing->entries[i]].count++;
    }
    size_t frames = 0;
    for (int i = 0; i < size; i++) {
        groups[i].is_vec = rxd_config_is_vec(encoder->config, i);
        frames += groups[i].is_vec || groups[i].count > ALONE_MAX ? 1 : groups[i].count;
    }
    uint32_t next = 0;
    for (int i = 0; i < size; i++) {
        struct group *group = &groups[i];
        uint32_t alone = frames > FRAMES_MAX ? 1 : ALONE_MAX;
        group->is_packed = !group->is_vec && group->count > alone;
        group->frame = next;
        next += group->is_vec || group->is_packed ? group->count > 0 : group->count;
    }
    return groups;
}

static void place_objects(const struct encoder *encoder, const struct group *groups)
{
    struct rxd_packing *packing = encoder->packing;
    packing->places = calloc(encoder->count, sizeof *packing->places);
    raise_if(packing->places == NULL ? XD_ERR_NOMEM : XD_OK);
    uint32_t *met = (void *)R_alloc(encoder->count, sizeof *met);
    memset(met, 0, encoder->count * sizeof *met);
    for (uint32_t i = 0; i < encoder->count; i++) {
        const struct group *group = &groups[packing->entries[i]];
        uint32_t nth = met[group->frame]++;
        packing->places[i] = group->is_vec || group->is_packed
                                 ? (struct rxd_place){group->frame, nth + 1}
                                 : (struct rxd_place){group->frame + nth, 0};
    }
}

static void take_body(const struct encoder *encoder)
{
    struct rxd_packing *packing = encoder->packing;
    raise_if(rxd_writer_end(&packing->writer, packing->places, encoder->count));
    size_t count = rxd_writer_frames(&packing->writer);
    for (size_t i = 0; i < count; i++) {
        struct xd_bytes *bytes;
        enum xd_frame_role role;
        raise_if(rxd_writer_take(&packing->writer, i, &bytes, &role));
        raise_if(rxd_packing_add(packing, bytes, NULL, role, 0));
    }
    rxd_writer_fini(&packing->writer);
}

static void add_raw(const struct encoder *encoder, SEXP raw, const char *tag)
{
    struct xd_bytes *bytes;
    raise_if(xd_bytes_copy(RAW(raw), (size_t)XLENGTH(raw), &bytes));
    raise_if(rxd_packing_add(encoder->packing, bytes, tag, XD_FRAME_OBJECT, 0));
}

/* The next object of this entry from *index on. */
static SEXP next_of(const struct encoder *encoder, int entry, uint32_t *index)
{
    while (encoder->packing->entries[*index] != entry) {
        ++*index;
    }
    return VECTOR_ELT(encoder->objects, (*index)++);
}

static void add_list(const struct encoder *encoder,
                     int entry,
                     uint32_t count,
                     const char *tag)
{
    SEXP list = PROTECT(Rf_allocVector(VECSXP, count));
    for (uint32_t i = 0, index = 0; i < count; i++) {
        SET_VECTOR_ELT(list, i, next_of(encoder, entry, &index));
    }
    SEXP raw = PROTECT(rxd_codec_encode(encoder->config, entry, list, encoder->side));
    add_raw(encoder, raw, tag);
    UNPROTECT(2);
}

static void add_alone(const struct encoder *encoder,
                      int entry,
                      uint32_t count,
                      const char *tag)
{
    for (uint32_t i = 0, index = 0; i < count; i++) {
        SEXP object = next_of(encoder, entry, &index);
        SEXP raw =
            PROTECT(rxd_codec_encode(encoder->config, entry, object, encoder->side));
        add_raw(encoder, raw, tag);
        UNPROTECT(1);
    }
}

/* Bytes that grow, in packing->joint so that a jump frees them. */
struct joint {
    struct rxd_packing *packing;
    size_t used, room;
};

static void join(struct joint *joint, const void *data, size_t size)
{
    uint8_t *whole = joint->packing->joint;
    if (size > joint->room - joint->used) {
        size_t room = joint->room + (size > joint->room ? size : joint->room);
        raise_if(room < joint->room ? XD_ERR_NOMEM : XD_OK);
        whole = realloc(whole, room);
        raise_if(whole == NULL ? XD_ERR_NOMEM : XD_OK);
        joint->packing->joint = whole;
        joint->room = room;
    }
    if (size > 0) {
        memcpy(whole + joint->used, data, size);
        joint->used += size;
    }
}

static void set_size(uint8_t *table, uint32_t index, uint64_t size)
{
    for (unsigned i = 0; i < sizeof size; i++) {
        table[(size_t)index * sizeof size + i] = (uint8_t)(size >> 8 * i);
    }
}

/* As xd_frame_part() wants them: the sizes, then the bytes. */
static void add_packed(const struct encoder *encoder,
                       int entry,
                       uint32_t count,
                       const char *tag)
{
    struct joint joint = {.packing = encoder->packing, .room = 64};
    size_t table = count * sizeof(uint64_t);
    joint.room += table;
    joint.packing->joint = malloc(joint.room);
    raise_if(joint.packing->joint == NULL ? XD_ERR_NOMEM : XD_OK);
    joint.used = table;
    for (uint32_t i = 0, index = 0; i < count; i++) {
        SEXP object = next_of(encoder, entry, &index);
        SEXP raw =
            PROTECT(rxd_codec_encode(encoder->config, entry, object, encoder->side));
        join(&joint, RAW(raw), (size_t)XLENGTH(raw));
        set_size(joint.packing->joint, i, (uint64_t)XLENGTH(raw));
        UNPROTECT(1);
    }
    struct xd_bytes *bytes;
    uint8_t *whole = joint.packing->joint;
    raise_if(xd_bytes_wrap(whole, joint.used, free, whole, &bytes));
    joint.packing->joint = NULL;
    raise_if(rxd_packing_add(joint.packing, bytes, tag, XD_FRAME_OBJECT, count));
}

static void add_group(const struct encoder *encoder, int entry, const struct group *group)
{
    const char *tag =
        rxd_packing_tag(encoder->packing, rxd_config_tag(encoder->config, entry));
    raise_if(tag == NULL ? XD_ERR_NOMEM : XD_OK);
    if (group->is_vec) {
        add_list(encoder, entry, group->count, tag);
    } else if (group->is_packed) {
        add_packed(encoder, entry, group->count, tag);
    } else {
        add_alone(encoder, entry, group->count, tag);
    }
}

/* ---- all of it ---- */

/* There is a pointer that will be of no use on the other side; where? Kept with the
 * parcel, for the error that it leads to. */
static void note_pointers(const struct encoder *encoder)
{
    SEXP note = R_NilValue;
    if (encoder->has_pointer && is_client(encoder)) {
        SEXP call =
            PROTECT(Rf_lang3(rxd_own("note_pointers"), encoder->value, encoder->config));
        note = Rf_eval(call, R_BaseEnv);
        UNPROTECT(1);
    }
    R_SetExternalPtrProtected(encoder->parcel, note);
}

static SEXP encode(void *data)
{
    struct encoder *encoder = data;
    const void *top = vmaxget();
    struct group *groups = NULL;
    int size = 0;
    PROTECT_WITH_INDEX(encoder->objects = R_NilValue, &encoder->place);
    serialize(encoder);
    note_pointers(encoder);
    if (encoder->count > 0) {
        size = rxd_config_size(encoder->config);
        groups = group_objects(encoder, size);
        place_objects(encoder, groups);
    }
    take_body(encoder);
    for (int i = 0; i < size; i++) {
        if (groups[i].count > 0) {
            add_group(encoder, i, &groups[i]);
        }
    }
    rxd_packing_end(encoder->packing);
    encoder->is_done = true;
    vmaxset(top);
    UNPROTECT(1);
    return R_NilValue;
}

static void clean_up(void *data)
{
    const struct encoder *encoder = data;
    if (!encoder->is_done) {
        rxd_parcel_clear(encoder->parcel);
    }
}

void rxd_encode(SEXP parcel, SEXP value, SEXP config, const char *side)
{
    struct encoder encoder = {.packing = rxd_packing(parcel),
                              .parcel = parcel,
                              .value = value,
                              .config = config,
                              .side = side};
    rxd_parcel_clear(parcel);
    R_ExecWithCleanup(encode, &encoder, clean_up, &encoder);
}
