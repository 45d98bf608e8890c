/* SPDX-License-Identifier: MIT */
/* A direct-mapped cache of names as counted bytes. */
#include "names.h"

#include <string.h>

void xd_names_fini(struct xd_names *names)
{
    for (size_t i = 0; i < XD_NAMES_KEPT; i++) {
        xd_bytes_unref(names->slots[i]);
    }
    memset(names, 0, sizeof *names);
}

/* FNV-1a: names are short, and they are the session's own. */
static struct xd_bytes **slot_of(struct xd_names *names, const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    }
    return &names->slots[(hash ^ hash >> 16) & (XD_NAMES_KEPT - 1)];
}

enum xd_err xd_names_get(struct xd_names *names, const char *text, struct xd_bytes **out)
{
    size_t size = strlen(text);
    struct xd_bytes **slot = slot_of(names, text, size);
    struct xd_bytes *kept = *slot;
    if (kept == NULL || kept->size != size || memcmp(kept->data, text, size) != 0) {
        struct xd_bytes *fresh;
        enum xd_err err = xd_bytes_copy(text, size, &fresh);
        if (err != XD_OK) {
            return err;
        }
        xd_bytes_unref(kept);
        *slot = fresh;
    }
    *out = xd_bytes_ref(*slot);
    return XD_OK;
}
