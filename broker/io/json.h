/* SPDX-License-Identifier: MIT */
/* JSON written to a growing memory stream; commas are the writer's business. */
#ifndef XDB_IO_JSON_H
#define XDB_IO_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"

struct xdb_json {
    FILE *out;
    char *text;
    size_t size;
    bool first; /* nothing was written at this place so far */
};

/* Begin with "{". Errors: XD_ERR_NOMEM. */
enum xd_err xdb_json_begin(struct xdb_json *json) XD_MUST_USE;

/* Close the last brace, and give the text out; the caller frees it with free(). Errors:
 * XD_ERR_NOMEM (then there is nothing to free). */
enum xd_err xdb_json_end(struct xdb_json *json, char **out) XD_MUST_USE;

/* Bytes of text so far. */
size_t xdb_json_size(struct xdb_json *json);

void xdb_json_number(struct xdb_json *json, const char *key, uint64_t value);
/* Not negative; to millionths. */
void xdb_json_real(struct xdb_json *json, const char *key, double value);
void xdb_json_truth(struct xdb_json *json, const char *key, bool value);
void xdb_json_text(struct xdb_json *json, const char *key, const char *value);
void xdb_json_bytes(struct xdb_json *json,
                    const char *key,
                    const struct xd_bytes *value); /* NULL: "" */
void xdb_json_list(struct xdb_json *json,
                   const char *key,
                   struct xd_bytes *const *items,
                   size_t count);

/* "key": [ or { ...; an object in a list; and the end of either. */
void xdb_json_open(struct xdb_json *json, const char *key, char bracket);
void xdb_json_item(struct xdb_json *json);
void xdb_json_close(struct xdb_json *json, char bracket);

#endif
