/* SPDX-License-Identifier: MIT */
/* Payloads that this session owns and others read in chunks. */
#include "stream.h"

#include "base/alloc.h"
#include "wire/limits.h"

/* What a reader may grant at once; more than a window is not believed. */
#define CREDIT_MAX (2 * XD_CHUNK_WINDOW)

void xd_owned_init(struct xd_owned *owned, uint64_t seed)
{
    *owned = (struct xd_owned){0};
    xd_map_init(&owned->payloads, seed);
    xd_list_init(&owned->sending);
}

static void reader_free(struct xd_reader *reader)
{
    xd_list_remove(&reader->link);
    xd_list_remove(&reader->turn);
    xd_free(reader);
}

void xd_owned_drop(struct xd_owned *owned, struct xd_payload_out *payload)
{
    while (!xd_list_is_empty(&payload->readers)) {
        reader_free(XD_ITEM(payload->readers.next, struct xd_reader, link));
    }
    xd_map_remove(&owned->payloads, &payload->item);
    xd_list_remove(&payload->link);
    xd_bytes_unref(payload->bytes);
    xd_free(payload);
}

void xd_owned_fini(struct xd_owned *owned)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&owned->payloads, NULL)) != NULL) {
        xd_owned_drop(owned, XD_ITEM(item, struct xd_payload_out, item));
    }
    xd_map_fini(&owned->payloads);
}

enum xd_err xd_owned_add(struct xd_owned *owned,
                         struct xd_bytes *bytes,
                         bool ends_when_done,
                         struct xd_payload_out **out)
{
    if (xd_map_reserve(&owned->payloads, 1) != XD_OK) {
        return XD_ERR_NOMEM;
    }
    struct xd_payload_out *payload = xd_zalloc(sizeof *payload);
    if (payload == NULL) {
        return XD_ERR_NOMEM;
    }
    payload->counter = ++owned->last;
    payload->bytes = xd_bytes_ref(bytes);
    payload->ends_when_done = ends_when_done;
    xd_list_init(&payload->readers);
    xd_list_init(&payload->link);
    xd_map_add(&owned->payloads,
               &payload->item,
               &payload->counter,
               sizeof payload->counter);
    *out = payload;
    return XD_OK;
}

static struct xd_payload_out *find_payload(const struct xd_owned *owned, uint64_t counter)
{
    struct xd_map_item *item = xd_map_get(&owned->payloads, &counter, sizeof counter);
    return item == NULL ? NULL : XD_ITEM(item, struct xd_payload_out, item);
}

static struct xd_reader *find_reader(const struct xd_payload_out *payload,
                                     struct xd_session_id session)
{
    XD_LIST_EACH (link, &payload->readers) {
        struct xd_reader *reader = XD_ITEM(link, struct xd_reader, link);
        if (xd_session_is(reader->session, session)) {
            return reader;
        }
    }
    return NULL;
}

/* One reader is through with it; none: nobody reads it any more. */
static void reader_is_done(struct xd_owned *owned,
                           struct xd_payload_out *payload,
                           struct xd_session_id session)
{
    struct xd_reader *reader = find_reader(payload, session);
    if (reader != NULL) {
        reader_free(reader);
    }
    if (session.n != 0) {
        return;
    }
    while (!xd_list_is_empty(&payload->readers)) {
        reader_free(XD_ITEM(payload->readers.next, struct xd_reader, link));
    }
    if (payload->ends_when_done) {
        xd_owned_drop(owned, payload);
    }
}

static struct xd_reader *reader_new(struct xd_payload_out *payload,
                                    struct xd_session_id session)
{
    struct xd_reader *reader = xd_zalloc(sizeof *reader);
    if (reader != NULL) {
        reader->payload = payload;
        reader->session = session;
        xd_list_init(&reader->turn);
        xd_list_push_back(&payload->readers, &reader->link);
    }
    return reader;
}

enum xd_err xd_owned_credit(struct xd_owned *owned, const struct xd_credit *credit)
{
    struct xd_payload_out *payload = find_payload(owned, credit->ref.counter);
    if (payload == NULL) {
        return credit->done ? XD_OK : XD_ERR_NOT_FOUND;
    }
    if (credit->done) {
        reader_is_done(owned, payload, credit->reader);
        return XD_OK;
    }
    struct xd_reader *reader = find_reader(payload, credit->reader);
    if (reader == NULL && (reader = reader_new(payload, credit->reader)) == NULL) {
        return XD_ERR_NOMEM;
    }
    uint32_t more = credit->chunks > CREDIT_MAX ? CREDIT_MAX : credit->chunks;
    reader->credit =
        reader->credit + more > CREDIT_MAX ? CREDIT_MAX : reader->credit + more;
    bool has_more = reader->offset < payload->bytes->size;
    if (reader->credit > 0 && has_more && xd_list_is_empty(&reader->turn)) {
        xd_list_push_back(&owned->sending, &reader->turn);
    }
    return XD_OK;
}

enum xd_err xd_owned_next(struct xd_owned *owned,
                          struct xd_session_id self,
                          struct xd_chunk *out,
                          struct xd_reader **which)
{
    if (xd_list_is_empty(&owned->sending)) {
        return XD_ERR_AGAIN;
    }
    struct xd_reader *reader = XD_ITEM(owned->sending.next, struct xd_reader, turn);
    struct xd_bytes *whole = reader->payload->bytes;
    size_t left = whole->size - (size_t)reader->offset;
    size_t size = left > XD_CHUNK_BYTES ? XD_CHUNK_BYTES : left;
    struct xd_bytes *slice;
    enum xd_err err = xd_bytes_slice(whole, (size_t)reader->offset, size, &slice);
    if (err != XD_OK) {
        return err;
    }
    *out = (struct xd_chunk){.ref = {self, reader->payload->counter},
                             .reader = reader->session,
                             .offset = reader->offset,
                             .bytes = slice};
    *which = reader;
    return XD_OK;
}

void xd_owned_sent(struct xd_owned *owned, struct xd_reader *which)
{
    size_t left = which->payload->bytes->size - (size_t)which->offset;
    which->offset += left > XD_CHUNK_BYTES ? XD_CHUNK_BYTES : left;
    which->credit--;
    owned->sent++;
    xd_list_remove(&which->turn);
    if (which->credit > 0 && which->offset < which->payload->bytes->size) {
        xd_list_push_back(&owned->sending, &which->turn);
    }
}
