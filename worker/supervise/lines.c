/* SPDX-License-Identifier: MIT */
/* Output split into lines. */
#include "supervise/lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum xd_err xdw_lines_init(struct xdw_lines *lines, size_t limit)
{
    xd_assert(limit > 0);
    char *buffer = xd_alloc(limit);
    if (!buffer) {
        return XD_ERR_NOMEM;
    }
    *lines = (struct xdw_lines){.buffer = buffer, .limit = limit};
    return XD_OK;
}

void xdw_lines_fini(struct xdw_lines *lines)
{
    xd_free(lines->buffer);
    *lines = (struct xdw_lines){0};
}

static void emit_buffer(struct xdw_lines *lines,
                        bool more,
                        xdw_lines_emit *emit,
                        void *context)
{
    size_t size = lines->size;
    lines->size = 0;
    if (!more && size > 0 && lines->buffer[size - 1] == '\r') {
        size--;
    }
    emit(context, lines->buffer, size, more);
}

/* A full buffer goes out only when another byte of the line shows up, so that a line of
 * exactly the limit is one piece. */
static void append(struct xdw_lines *lines,
                   const char *data,
                   size_t size,
                   xdw_lines_emit *emit,
                   void *context)
{
    while (size > 0) {
        if (lines->size == lines->limit) {
            emit_buffer(lines, true, emit, context);
        }
        size_t room = lines->limit - lines->size;
        size_t part = size < room ? size : room;
        memcpy(lines->buffer + lines->size, data, part);
        lines->size += part;
        data += part;
        size -= part;
    }
}

void xdw_lines_feed(struct xdw_lines *lines,
                    const char *data,
                    size_t size,
                    xdw_lines_emit *emit,
                    void *context)
{
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) : size;
        append(lines, data, part, emit, context);
        if (!end) {
            return;
        }
        emit_buffer(lines, false, emit, context);
        data += part + 1;
        size -= part + 1;
    }
}

void xdw_lines_end(struct xdw_lines *lines, xdw_lines_emit *emit, void *context)
{
    if (lines->size > 0) {
        emit_buffer(lines, false, emit, context);
    }
}
