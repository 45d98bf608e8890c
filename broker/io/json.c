/* SPDX-License-Identifier: MIT */
/* Writing JSON. */
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

enum xd_err xdb_json_begin(struct xdb_json *json)
{
    *json = (struct xdb_json){.first = true};
    json->out = open_memstream(&json->text, &json->size);
    if (json->out == NULL) {
        return XD_ERR_NOMEM;
    }
    (void)fputc('{', json->out);
    return XD_OK;
}

enum xd_err xdb_json_end(struct xdb_json *json, char **out)
{
    (void)fputs("}\n", json->out);
    bool ok = ferror(json->out) == 0;
    if (fclose(json->out) != 0 || !ok) {
        free(json->text);
        return XD_ERR_NOMEM;
    }
    *out = json->text;
    return XD_OK;
}

size_t xdb_json_size(struct xdb_json *json)
{
    (void)fflush(json->out);
    return json->size;
}

static void comma(struct xdb_json *json)
{
    if (!json->first) {
        (void)fputc(',', json->out);
    }
    json->first = false;
}

static void put_string(struct xdb_json *json, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    (void)fputc('"', json->out);
    for (size_t i = 0; i < size; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) {
            (void)fprintf(json->out, "\\u%04x", at[i]);
        } else {
            if (at[i] == '"' || at[i] == '\\') {
                (void)fputc('\\', json->out);
            }
            (void)fputc(at[i], json->out);
        }
    }
    (void)fputc('"', json->out);
}

static void put_key(struct xdb_json *json, const char *key)
{
    comma(json);
    (void)fprintf(json->out, "\"%s\":", key);
}

void xdb_json_number(struct xdb_json *json, const char *key, uint64_t value)
{
    put_key(json, key);
    (void)fprintf(json->out, "%llu", (unsigned long long)value);
}

/* In two integers: no locale has a say. */
void xdb_json_real(struct xdb_json *json, const char *key, double value)
{
    unsigned long long millionths = (unsigned long long)(value * 1e6 + 0.5);
    put_key(json, key);
    (void)fprintf(json->out, "%llu.%06llu", millionths / 1000000, millionths % 1000000);
}

void xdb_json_truth(struct xdb_json *json, const char *key, bool value)
{
    put_key(json, key);
    (void)fputs(value ? "true" : "false", json->out);
}

void xdb_json_text(struct xdb_json *json, const char *key, const char *value)
{
    put_key(json, key);
    put_string(json, value, strlen(value));
}

void xdb_json_bytes(struct xdb_json *json, const char *key, const struct xd_bytes *value)
{
    put_key(json, key);
    put_string(json, value == NULL ? NULL : value->data, value == NULL ? 0 : value->size);
}

void xdb_json_list(struct xdb_json *json,
                   const char *key,
                   struct xd_bytes *const *items,
                   size_t count)
{
    xdb_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++) {
        comma(json);
        put_string(json, items[i]->data, items[i]->size);
    }
    xdb_json_close(json, ']');
}

void xdb_json_open(struct xdb_json *json, const char *key, char bracket)
{
    put_key(json, key);
    (void)fputc(bracket, json->out);
    json->first = true;
}

void xdb_json_item(struct xdb_json *json)
{
    comma(json);
    (void)fputc('{', json->out);
    json->first = true;
}

void xdb_json_close(struct xdb_json *json, char bracket)
{
    (void)fputc(bracket, json->out);
    json->first = false;
}
