/* SPDX-License-Identifier: MIT */
/* Bytes of a child's output become lines of bounded length. */
#ifndef XDW_SUPERVISE_LINES_H
#define XDW_SUPERVISE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Told once for each line, or each piece of one longer than the limit (`more`: not the
 * last). */
typedef void xdw_lines_emit(void *context, const char *text, size_t size, bool more);

struct xdw_lines {
    char *buffer;
    size_t size, limit;
};

/* Errors: XD_ERR_NOMEM. */
enum xd_err xdw_lines_init(struct xdw_lines *lines, size_t limit) XD_MUST_USE;
void xdw_lines_fini(struct xdw_lines *lines);

/* More output. A line ends with LF; a CR before it goes, too. */
void xdw_lines_feed(struct xdw_lines *lines,
                    const char *data,
                    size_t size,
                    xdw_lines_emit *emit,
                    void *context);

/* The output has ended: a last line without LF is a line as well. */
void xdw_lines_end(struct xdw_lines *lines, xdw_lines_emit *emit, void *context);

#endif
