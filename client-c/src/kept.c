/* SPDX-License-Identifier: MIT */
/* Events that a future keeps. */
#include "kept.h"

#include <string.h>

#include "base/alloc.h"

/* The first room, doubled whenever it is used up. */
#define ROOM_LEAST 8u
/* Bytes that are copied out of the piece of memory they came in, which may be larger. */
#define COPIED_BELOW 8192u

static size_t size_of(const struct xd_kept_entry *entry)
{
    return entry->bytes == NULL ? 0 : entry->bytes->size;
}

static void clear(struct xd_kept_entry *entry)
{
    xd_bytes_unref(entry->kind);
    xd_bytes_unref(entry->bytes);
    entry->kind = entry->bytes = NULL;
}

static void drop_oldest(struct xd_client_core *core, struct xd_kept *kept)
{
    struct xd_kept_entry *oldest = &kept->at[kept->first];
    kept->bytes -= size_of(oldest);
    core->kept_bytes -= size_of(oldest);
    clear(oldest);
    kept->first++;
    kept->count--;
    kept->dropped++;
}

static bool is_over(const struct xd_client_core *core,
                    const struct xd_kept *kept,
                    size_t size)
{
    const struct xd_event_limits *keep = &core->keep;
    return kept->count >= keep->events || size > keep->bytes ||
           kept->bytes > keep->bytes - size || size > keep->total_bytes ||
           core->kept_bytes > keep->total_bytes - size;
}

/* Room for one more behind the last. */
static bool make_room(struct xd_kept *kept)
{
    if (kept->first + kept->count < kept->room) {
        return true;
    }
    if (kept->first > kept->room / 2) {
        memmove(kept->at, kept->at + kept->first, kept->count * sizeof *kept->at);
        kept->first = 0;
        return true;
    }
    size_t room = kept->room == 0 ? ROOM_LEAST : 2 * kept->room;
    struct xd_kept_entry *at = xd_realloc_array(kept->at, room, sizeof *at);
    if (at == NULL) {
        return false;
    }
    kept->at = at;
    kept->room = room;
    return true;
}

/* A reference that keeps no more memory than the bytes need. */
static struct xd_bytes *own(struct xd_bytes *bytes)
{
    struct xd_bytes *copy = NULL;
    if (bytes == NULL || bytes->size >= COPIED_BELOW) {
        return xd_bytes_ref(bytes);
    }
    return xd_bytes_copy(bytes->data, bytes->size, &copy) == XD_OK ? copy : NULL;
}

static void append(struct xd_client_core *core,
                   struct xd_kept *kept,
                   const struct xd_event *event,
                   xd_time now)
{
    struct xd_kept_entry entry = {.number = kept->next++,
                                  .part = event->part,
                                  .came = now,
                                  .kind = own(event->kind),
                                  .bytes = own(event->bytes)};
    size_t size = event->bytes == NULL ? 0 : event->bytes->size;
    while (kept->count > 0 && is_over(core, kept, size)) {
        drop_oldest(core, kept);
    }
    bool has_memory = entry.kind != NULL && entry.bytes != NULL;
    if (!has_memory || is_over(core, kept, size) || !make_room(kept)) {
        clear(&entry);
        kept->dropped++;
        return;
    }
    kept->at[kept->first + kept->count++] = entry;
    kept->bytes += size;
    core->kept_bytes += size;
}

void xd_kept_add(struct xd_client_core *core,
                 struct xd_future *future,
                 const struct xd_event *event,
                 xd_time now)
{
    if (future->kept == NULL) {
        future->kept = xd_zalloc(sizeof *future->kept);
    }
    if (future->kept != NULL) {
        append(core, future->kept, event, now);
    }
}

const struct xd_kept_entry *xd_kept_find(const struct xd_future *future, uint64_t number)
{
    const struct xd_kept *kept = future->kept;
    if (kept == NULL || kept->count == 0) {
        return NULL;
    }
    size_t low = 0, high = kept->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kept->at[kept->first + middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == kept->count ? NULL : &kept->at[kept->first + low];
}

void xd_kept_drop(struct xd_client_core *core, struct xd_future *future)
{
    if (future->kept != NULL) {
        core->kept_bytes -= future->kept->bytes;
        xd_kept_fini(future);
    }
}

void xd_kept_fini(struct xd_future *future)
{
    struct xd_kept *kept = future->kept;
    for (size_t i = 0; kept != NULL && i < kept->count; i++) {
        clear(&kept->at[kept->first + i]);
    }
    if (kept != NULL) {
        xd_free(kept->at);
        xd_free(kept);
    }
    future->kept = NULL;
}
