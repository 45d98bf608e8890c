/* SPDX-License-Identifier: MIT */
/* Lines in a ring. */
#include "log.h"

#include <stdlib.h>
#include <string.h>

void xdw_log_fini(struct xdw_log *log)
{
    free(log->bytes);
    *log = (struct xdw_log){0};
}

static size_t place(const struct xdw_log *log, size_t offset)
{
    return (log->start + offset) % XDW_LOG_BYTES;
}

static void drop_oldest(struct xdw_log *log)
{
    size_t size = 0;
    while (size < log->used && log->bytes[place(log, size)] != '\n') {
        size++;
    }
    size += size < log->used; /* its line end */
    log->start = place(log, size);
    log->used -= size;
}

static void append(struct xdw_log *log, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        log->bytes[place(log, log->used++)] = text[i];
    }
}

void xdw_log_add(struct xdw_log *log, const char *source, const char *text, size_t size)
{
    if (log->bytes == NULL) {
        log->bytes = malloc(XDW_LOG_BYTES);
    }
    if (log->bytes == NULL) {
        return;
    }
    size = size < XDW_LOG_LINE_BYTES ? size : XDW_LOG_LINE_BYTES;
    size_t need = strlen(source) + size + 2;
    while (log->used + need > XDW_LOG_BYTES) {
        drop_oldest(log);
    }
    append(log, source, strlen(source));
    append(log, " ", 1);
    append(log, text, size);
    append(log, "\n", 1);
}

/* Where the last `lines` lines begin. */
static size_t tail_at(const struct xdw_log *log, size_t lines)
{
    size_t at = log->used;
    while (at > 0 && lines > 0) {
        at--; /* a line end, of which the line before is found next */
        while (at > 0 && log->bytes[place(log, at - 1)] != '\n') {
            at--;
        }
        lines--;
    }
    return at;
}

void xdw_log_tail(const struct xdw_log *log, size_t lines, FILE *out)
{
    for (size_t at = tail_at(log, lines); at < log->used; at++) {
        putc(log->bytes[place(log, at)], out);
    }
}

size_t xdw_escape(const char *text, size_t size, char *out, size_t room)
{
    static const char DIGITS[] = "0123456789abcdef";
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte >= 0x20 || byte == '\t') && byte != 0x7f) {
            if (used + 1 > room) {
                break;
            }
            out[used++] = text[i];
        } else {
            if (used + 4 > room) {
                break;
            }
            const char code[] = {'\\', 'x', DIGITS[byte >> 4], DIGITS[byte & 15]};
            memcpy(out + used, code, 4);
            used += 4;
        }
    }
    return used;
}
