/* SPDX-License-Identifier: MIT */
/* Reading payloads that arrive as chunks. */
#include "stream.h"

#include <stdio.h>

#include "base/alloc.h"
#include "wire/limits.h"

/* A size that no machine has room for is not even asked of the allocator: it came from
 * outside. */
#define PAYLOAD_MAX_BYTES ((uint64_t)1 << 39)

void xd_reads_init(struct xd_reads *reads)
{
    *reads = (struct xd_reads){0};
    xd_list_init(&reads->pulls);
    xd_list_init(&reads->waiting);
    xd_list_init(&reads->active);
    xd_list_init(&reads->ended);
    xd_list_init(&reads->over);
}

static void pull_free(struct xd_pull *pull)
{
    xd_list_remove(&pull->link);
    xd_list_remove(&pull->over);
    for (size_t i = 0; i < pull->count; i++) {
        xd_list_remove(&pull->items[i].link);
        xd_bytes_unref(pull->items[i].bytes);
    }
    xd_free(pull->items);
    xd_free(pull);
}

void xd_reads_fini(struct xd_reads *reads)
{
    XD_LIST_EACH_SAFE (link, &reads->pulls) {
        pull_free(XD_ITEM(link, struct xd_pull, link));
    }
    reads->active_count = 0;
}

size_t xd_frames_missing(const struct xd_frame *frames, size_t count)
{
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        missing += frames[i].bytes == NULL;
    }
    return missing;
}

enum xd_err xd_pull_new(struct xd_reads *reads,
                        struct xd_frame *frames,
                        size_t count,
                        void *context,
                        struct xd_pull **out)
{
    size_t missing = xd_frames_missing(frames, count);
    struct xd_pull *pull = xd_zalloc(sizeof *pull);
    struct xd_read *items = xd_calloc(missing, sizeof *items);
    if (pull == NULL || items == NULL) {
        xd_free(pull);
        xd_free(items);
        return XD_ERR_NOMEM;
    }
    *pull = (struct xd_pull){.items = items,
                             .count = missing,
                             .missing = missing,
                             .unsaid = missing,
                             .context = context};
    xd_list_init(&pull->over);
    xd_list_push_back(&reads->pulls, &pull->link);
    for (size_t i = 0, at = 0; i < count; i++) {
        if (frames[i].bytes != NULL) {
            continue;
        }
        struct xd_read *read = &items[at++];
        *read = (struct xd_read){.pull = pull,
                                 .frame = &frames[i],
                                 .ref = frames[i].ref,
                                 .size = frames[i].size};
        xd_list_push_back(&reads->waiting, &read->link);
    }
    *out = pull;
    return XD_OK;
}

static bool is_same(struct xd_ref a, struct xd_ref b)
{
    return xd_session_is(a.owner, b.owner) && a.counter == b.counter;
}

/* A task that is recalled and comes again has its payloads read again, while what was
 * asked for the first time is still on its way. */
static void note_late(struct xd_reads *reads, const struct xd_read *read)
{
    if (read->granted + read->stale > 0) {
        reads->late[reads->late_next++ % XD_LATE_KEPT] =
            (struct xd_late){read->ref, read->granted + read->stale};
    }
}

static uint32_t take_late(struct xd_reads *reads, struct xd_ref ref)
{
    uint32_t chunks = 0;
    for (unsigned i = 0; i < XD_LATE_KEPT; i++) {
        if (is_same(reads->late[i].ref, ref)) {
            chunks += reads->late[i].chunks;
            reads->late[i].chunks = 0;
        }
    }
    return chunks;
}

/* This read needs no more chunks: `done` is all that is left to say. */
static void read_end(struct xd_reads *reads, struct xd_read *read)
{
    note_late(reads, read);
    xd_bytes_unref(read->bytes);
    read->bytes = NULL;
    read->frame = NULL;
    if (read->is_active) {
        read->is_active = false;
        reads->active_count--;
    }
    xd_list_remove(&read->link);
    xd_list_push_back(&reads->ended, &read->link);
}

static void pull_end(struct xd_reads *reads, struct xd_pull *pull)
{
    pull->is_over = true;
    for (size_t i = 0; i < pull->count; i++) {
        if (pull->items[i].frame != NULL) {
            read_end(reads, &pull->items[i]);
        }
    }
    if (pull->context != NULL) {
        xd_list_push_back(&reads->over, &pull->over);
    }
}

static void pull_fail(struct xd_reads *reads, struct xd_read *read, enum xd_err err)
{
    struct xd_pull *pull = read->pull;
    pull->err = err;
    snprintf(pull->text,
             sizeof pull->text,
             "a payload of %llu bytes broke off at byte %llu: %s",
             (unsigned long long)read->size,
             (unsigned long long)read->received,
             xd_err_text(err));
    pull_end(reads, pull);
}

void xd_pull_drop(struct xd_reads *reads, struct xd_pull *pull)
{
    if (pull == NULL) {
        return;
    }
    pull->context = NULL;
    xd_list_remove(&pull->over);
    if (!pull->is_over) {
        pull_end(reads, pull);
    }
    if (pull->unsaid == 0) {
        pull_free(pull);
    }
}

void xd_reads_disown(struct xd_reads *reads, struct xd_frame *frames, size_t count)
{
    struct xd_pull *pull;
    if (xd_frames_missing(frames, count) > 0 &&
        xd_pull_new(reads, frames, count, NULL, &pull) == XD_OK) {
        xd_pull_drop(reads, pull);
    }
}

struct xd_pull *xd_reads_over(struct xd_reads *reads)
{
    return xd_list_is_empty(&reads->over)
               ? NULL
               : XD_ITEM(reads->over.next, struct xd_pull, over);
}

static struct xd_read *find_active(const struct xd_reads *reads, struct xd_ref ref)
{
    XD_LIST_EACH (link, &reads->active) {
        struct xd_read *read = XD_ITEM(link, struct xd_read, link);
        if (is_same(read->ref, ref)) {
            return read;
        }
    }
    return NULL;
}

static void read_whole(struct xd_reads *reads, struct xd_read *read)
{
    struct xd_pull *pull = read->pull;
    read->frame->bytes = read->bytes;
    read->frame->ref = (struct xd_ref){{0}, 0};
    read->bytes = NULL;
    read_end(reads, read);
    if (--pull->missing == 0) {
        pull_end(reads, pull);
    }
}

void xd_reads_chunk(struct xd_reads *reads, const struct xd_chunk *chunk)
{
    struct xd_read *read = find_active(reads, chunk->ref);
    if (read == NULL) {
        return;
    }
    if (chunk->code != XD_OK) {
        pull_fail(reads, read, chunk->code);
        return;
    }
    if (chunk->offset < read->received) {
        read->granted -= read->granted > 0; /* of a reading before this one */
        return;
    }
    if (chunk->offset > read->received && read->stale > 0) {
        read->stale--;
        return;
    }
    if (chunk->offset != read->received || chunk->bytes->size == 0 ||
        chunk->bytes->size > read->size - read->received) {
        pull_fail(reads, read, XD_ERR_PROTOCOL);
        return;
    }
    memcpy(read->room + read->received, chunk->bytes->data, chunk->bytes->size);
    read->received += chunk->bytes->size;
    read->granted -= read->granted > 0;
    if (read->received == read->size) {
        read_whole(reads, read);
    }
}

static bool read_begin(struct xd_reads *reads, struct xd_read *read)
{
    if (read->size > PAYLOAD_MAX_BYTES ||
        xd_bytes_room((size_t)read->size, &read->room, &read->bytes) != XD_OK) {
        pull_fail(reads, read, XD_ERR_NOMEM);
        return false;
    }
    read->stale = take_late(reads, read->ref);
    read->is_active = true;
    reads->active_count++;
    xd_list_remove(&read->link);
    xd_list_push_back(&reads->active, &read->link);
    if (read->size == 0) {
        read_whole(reads, read);
    }
    return true;
}

/* Let the next ones begin; two reads of one payload go one after the other. */
static void begin_waiting(struct xd_reads *reads)
{
    struct xd_list *link = reads->waiting.next;
    while (link != &reads->waiting && reads->active_count < XD_READS_AT_ONCE) {
        struct xd_read *read = XD_ITEM(link, struct xd_read, link);
        link = link->next;
        if (find_active(reads, read->ref) == NULL) {
            read_begin(reads, read);
            link = reads->waiting.next; /* a failure takes its whole pull away */
        }
    }
}

static uint32_t chunks_left(const struct xd_read *read)
{
    uint64_t bytes = read->size - read->received;
    uint64_t chunks = bytes / XD_CHUNK_BYTES + (bytes % XD_CHUNK_BYTES != 0);
    return chunks > XD_CHUNK_WINDOW ? XD_CHUNK_WINDOW : (uint32_t)chunks;
}

bool xd_reads_credit(struct xd_reads *reads,
                     struct xd_credit *out,
                     struct xd_read **which)
{
    if (!xd_list_is_empty(&reads->ended)) {
        *which = XD_ITEM(reads->ended.next, struct xd_read, link);
        *out = (struct xd_credit){.ref = (*which)->ref, .done = true};
        return true;
    }
    begin_waiting(reads);
    XD_LIST_EACH (link, &reads->active) {
        struct xd_read *read = XD_ITEM(link, struct xd_read, link);
        uint32_t left = chunks_left(read);
        if (left > read->granted && read->granted <= XD_CHUNK_WINDOW / 2) {
            *which = read;
            *out = (struct xd_credit){.ref = read->ref, .chunks = left - read->granted};
            return true;
        }
    }
    if (!xd_list_is_empty(&reads->ended)) { /* one could not even begin */
        return xd_reads_credit(reads, out, which);
    }
    return false;
}

void xd_reads_credit_sent(struct xd_reads *reads,
                          struct xd_read *which,
                          const struct xd_credit *credit)
{
    (void)reads;
    if (!credit->done) {
        which->granted += credit->chunks;
        return;
    }
    struct xd_pull *pull = which->pull;
    xd_list_remove(&which->link);
    pull->unsaid--;
    if (pull->unsaid == 0 && pull->is_over && pull->context == NULL) {
        pull_free(pull);
    }
}
