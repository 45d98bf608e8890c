/* SPDX-License-Identifier: MIT */
/* The text of a key's file: zcert's, which is ZPL (ZeroMQ RFC 4) with two sections. The
 * reader takes what zcert writes and nothing cleverer: values in quotes, sections
 * "metadata" and "curve", comments on lines of their own. */
#ifndef XD_WIRE_CERT_H
#define XD_WIRE_CERT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "wire/key_file.h"
#include "wire/keys.h"

/* One setting; the texts are in the reader's. */
struct xd_cert_item {
    bool in_curve; /* else in "metadata" */
    const char *name, *value;
};

/* Reads `text` in place, cutting it up. */
struct xd_cert_reader {
    char *at;
    unsigned line;
    int section; /* inside the file */
};

void xd_cert_reader_init(struct xd_cert_reader *reader, char *text);

/* The next setting. Errors: XD_ERR_NOT_FOUND (no more), XD_ERR_INVALID (`error` names the
 * line, never its text: it may be a secret's). */
enum xd_err xd_cert_next(struct xd_cert_reader *reader,
                         struct xd_cert_item *out,
                         struct xd_error *error) XD_MUST_USE;

/* A setting of "curve" into `pair`, whose keys are "" until they are met. Errors:
 * XD_ERR_INVALID (not a key, or twice the same). */
enum xd_err xd_cert_take_key(const struct xd_cert_item *item,
                             struct xd_key_pair *pair,
                             struct xd_error *error) XD_MUST_USE;

/* Text in the making; cut when it does not fit. */
struct xd_cert_writer {
    char text[XD_KEY_FILE_ROOM];
    size_t used;
    bool is_cut;
};

void xd_cert_write_start(struct xd_cert_writer *writer, const char *title);
void xd_cert_write(struct xd_cert_writer *writer, const char *name, const char *value);
void xd_cert_write_keys(struct xd_cert_writer *writer, const struct xd_key_pair *pair);

#endif
