/* SPDX-License-Identifier: MIT */
/* The last lines of one slot, in a bounded ring. */
#ifndef XDW_LOG_H
#define XDW_LOG_H

#include <stddef.h>
#include <stdio.h>

/* Kept of each slot, in bytes. */
#define XDW_LOG_BYTES ((size_t)64 * 1024)
/* Of one line, with control characters written out. */
#define XDW_LOG_LINE_BYTES ((size_t)16 * 1024)

/* A zeroed struct is an empty one. */
struct xdw_log {
    char *bytes; /* a ring of XDW_LOG_BYTES, made for the first line */
    size_t start, used;
};

void xdw_log_fini(struct xdw_log *log);

/* Append "SOURCE TEXT"; older lines make room. `text` is cut where it is too long, and
 * dropped where there is no memory. Control characters must have been written out. */
void xdw_log_add(struct xdw_log *log, const char *source, const char *text, size_t size);

/* Write the last `lines` lines, each with its line end. */
void xdw_log_tail(const struct xdw_log *log, size_t lines, FILE *out);

/* `text` with control characters as \xNN (they could forge lines, or drive a terminal),
 * cut to `room`; not ended by NUL. Returns the size. */
size_t xdw_escape(const char *text, size_t size, char *out, size_t room);

#endif
