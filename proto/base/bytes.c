/* SPDX-License-Identifier: MIT */
/* Immutable counted bytes. */
#include "base/bytes.h"

#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/alloc.h"
#include "base/assert.h"
#include "base/block.h"

static struct xd_bytes *init(struct xd_bytes *bytes,
                             const void *data,
                             size_t size,
                             void (*release)(void *))
{
    bytes->data = data;
    bytes->size = size;
    atomic_init(&bytes->refs, 1);
    bytes->release = release;
    bytes->hint = NULL;
    return bytes;
}

/* From here on the bytes lie in a block of their own. */
#define BLOCK_FROM XD_BLOCK_UNIT

struct in_block {
    struct xd_bytes bytes; /* first: both are freed with it */
    uint8_t *base;
    size_t size;
};

static void give_block(void *hint)
{
    struct in_block *whole = hint;
    xd_block_give(whole->base, whole->size);
}

static enum xd_err room_in_block(size_t size, uint8_t **room, struct xd_bytes **out)
{
    struct in_block *whole = xd_alloc(sizeof *whole);
    if (whole == NULL) {
        return XD_ERR_NOMEM;
    }
    *room = whole->base = xd_block_take(size, &whole->size);
    if (whole->base == NULL) {
        xd_free(whole);
        return XD_ERR_NOMEM;
    }
    *out = init(&whole->bytes, whole->base, size, give_block);
    whole->bytes.hint = whole;
    return XD_OK;
}

enum xd_err xd_bytes_room(size_t size, uint8_t **room, struct xd_bytes **out)
{
    if (size >= BLOCK_FROM) {
        return room_in_block(size, room, out);
    }
    struct xd_bytes *bytes = xd_alloc(sizeof *bytes + size);
    if (bytes == NULL) {
        return XD_ERR_NOMEM;
    }
    *room = (uint8_t *)(bytes + 1);
    *out = init(bytes, *room, size, NULL);
    return XD_OK;
}

enum xd_err xd_bytes_copy(const void *data, size_t size, struct xd_bytes **out)
{
    uint8_t *room;
    enum xd_err err = xd_bytes_room(size, &room, out);
    if (!err && size) {
        memcpy(room, data, size);
    }
    return err;
}

enum xd_err xd_bytes_text(const char *text, struct xd_bytes **out)
{
    return xd_bytes_copy(text, strlen(text), out);
}

/* Stands for "wrapped, and nothing to do at the end": NULL is taken by bytes that lie
 * behind their header. */
static void release_nothing(void *hint)
{
    (void)hint;
}

enum xd_err xd_bytes_wrap(const void *data,
                          size_t size,
                          void (*release)(void *hint),
                          void *hint,
                          struct xd_bytes **out)
{
    struct xd_bytes *bytes = xd_alloc(sizeof *bytes);
    if (!bytes) {
        return XD_ERR_NOMEM;
    }
    *out = init(bytes, data, size, release ? release : release_nothing);
    bytes->hint = hint;
    return XD_OK;
}

static void release_whole(void *hint)
{
    xd_bytes_unref(hint);
}

enum xd_err xd_bytes_slice(struct xd_bytes *whole,
                           size_t offset,
                           size_t size,
                           struct xd_bytes **out)
{
    xd_assert(offset <= whole->size && size <= whole->size - offset);
    const uint8_t *data = whole->data ? whole->data + offset : NULL;
    enum xd_err err = xd_bytes_wrap(data, size, release_whole, whole, out);
    if (!err) {
        xd_bytes_ref(whole);
    }
    return err;
}

struct xd_bytes *xd_bytes_ref(struct xd_bytes *bytes)
{
    if (bytes) {
        /* Relaxed: who takes a reference holds one, so nothing is learnt from the count.
         */
        atomic_fetch_add_explicit(&bytes->refs, 1, memory_order_relaxed);
    }
    return bytes;
}

static void destroy(struct xd_bytes *bytes)
{
    if (bytes->release) {
        bytes->release(bytes->hint);
    }
    xd_free(bytes);
}

void xd_bytes_unref(struct xd_bytes *bytes)
{
    if (!bytes) {
        return;
    }
    /* The only holder cannot be raced, so the usual end needs no read-modify-write; the
     * acquire pairs with the release of whoever dropped the others. */
    if (atomic_load_explicit(&bytes->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&bytes->refs, 1, memory_order_acq_rel) == 1) {
        destroy(bytes);
    }
}

bool xd_bytes_equal(const struct xd_bytes *a, const struct xd_bytes *b)
{
    if (a == b || !a || !b) {
        return a == b;
    }
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool xd_bytes_is(const struct xd_bytes *bytes, const char *text)
{
    size_t size = strlen(text);
    return bytes && bytes->size == size &&
           (size == 0 || memcmp(bytes->data, text, size) == 0);
}

/* The most that glibc takes. */
#define FROM_HEAP_MOST ((size_t)32 << 20)

void xd_keep_memory(size_t kept)
{
#ifdef __GLIBC__
    size_t from_heap = kept / 2 < FROM_HEAP_MOST ? kept / 2 : FROM_HEAP_MOST;
    (void)mallopt(M_MMAP_THRESHOLD, (int)from_heap);
    (void)mallopt(M_TRIM_THRESHOLD, (int)kept);
#endif
    xd_keep_payloads(kept);
}

void xd_keep_payloads(size_t kept)
{
    xd_blocks_keep(kept);
}
