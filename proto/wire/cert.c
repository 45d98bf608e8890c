/* SPDX-License-Identifier: MIT */
/* The text of a key's file. */
#include "wire/cert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SECTION_NONE, SECTION_METADATA, SECTION_CURVE };

#define INDENT "    "
#define BLANKS " \t\r"
#define NAME_CHARACTERS                                                                  \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

void xd_cert_reader_init(struct xd_cert_reader *reader, char *text)
{
    *reader = (struct xd_cert_reader){.at = text};
}

static enum xd_err fail_line(const struct xd_cert_reader *reader,
                             struct xd_error *error,
                             const char *why)
{
    return xd_fail(error, XD_ERR_INVALID, "line %u: %s", reader->line, why);
}

/* The next line that says something; NULL: no more. Blanks at its end are gone. */
static char *next_line(struct xd_cert_reader *reader)
{
    while (*reader->at != '\0') {
        char *line = reader->at, *end = line + strcspn(line, "\n");
        reader->at = *end == '\0' ? end : end + 1;
        reader->line++;
        while (end > line && strchr(BLANKS, end[-1]) != NULL) {
            end--;
        }
        *end = '\0';
        size_t blank = strspn(line, BLANKS);
        if (line[blank] != '\0' && line[blank] != '#') {
            return line;
        }
    }
    return NULL;
}

static enum xd_err enter(struct xd_cert_reader *reader,
                         const char *line,
                         struct xd_error *error)
{
    if (strcmp(line, "metadata") == 0) {
        reader->section = SECTION_METADATA;
    } else if (strcmp(line, "curve") == 0) {
        reader->section = SECTION_CURVE;
    } else {
        return fail_line(reader, error, "want a section, \"metadata\" or \"curve\"");
    }
    return XD_OK;
}

/* `name = "value"`, the rest of the line. */
static bool split(char *line, struct xd_cert_item *out)
{
    size_t length = strspn(line, NAME_CHARACTERS);
    char *value = line + length + strspn(line + length, BLANKS);
    if (length == 0 || *value != '=') {
        return false;
    }
    value++;
    value += strspn(value, BLANKS);
    char quote[] = {*value, '\0'};
    if (quote[0] != '"' && quote[0] != '\'') {
        return false;
    }
    value++;
    size_t size = strcspn(value, quote);
    if (value[size] == '\0' || value[size + 1] != '\0') {
        return false;
    }
    line[length] = value[size] = '\0';
    out->name = line;
    out->value = value;
    return true;
}

enum xd_err xd_cert_next(struct xd_cert_reader *reader,
                         struct xd_cert_item *out,
                         struct xd_error *error)
{
    for (char *line; (line = next_line(reader)) != NULL;) {
        size_t indent = strspn(line, " ");
        if (indent == 0) {
            enum xd_err err = enter(reader, line, error);
            if (err) {
                return err;
            }
            continue;
        }
        struct xd_cert_item item = {.in_curve = reader->section == SECTION_CURVE};
        if (indent != sizeof INDENT - 1 || reader->section == SECTION_NONE) {
            return fail_line(reader, error, "want four blanks, inside a section");
        }
        if (!split(line + indent, &item)) {
            return fail_line(reader, error, "want NAME = \"VALUE\"");
        }
        *out = item;
        return XD_OK;
    }
    return XD_ERR_NOT_FOUND;
}

enum xd_err xd_cert_take_key(const struct xd_cert_item *item,
                             struct xd_key_pair *pair,
                             struct xd_error *error)
{
    char *key = strcmp(item->name, "public-key") == 0   ? pair->public_key
                : strcmp(item->name, "secret-key") == 0 ? pair->secret_key
                                                        : NULL;
    if (!key) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "\"curve\" has public-key and secret-key, not %.40s",
                       item->name);
    }
    if (key[0] != '\0') {
        return xd_fail(error, XD_ERR_INVALID, "%s is there twice", item->name);
    }
    return xd_key_parse(item->value, item->name, key, error);
}

static void append(struct xd_cert_writer *writer, const char *format, ...)
    XD_PRINTF(2, 3);

static void append(struct xd_cert_writer *writer, const char *format, ...)
{
    size_t room = sizeof writer->text - writer->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(writer->text + writer->used, room, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room) {
        writer->is_cut = true;
    } else {
        writer->used += (size_t)length;
    }
}

void xd_cert_write_start(struct xd_cert_writer *writer, const char *title)
{
    writer->used = 0;
    writer->is_cut = false;
    append(writer, "#   crossdock: %s\n\nmetadata\n", title);
}

void xd_cert_write(struct xd_cert_writer *writer, const char *name, const char *value)
{
    append(writer, INDENT "%s = \"%s\"\n", name, value);
}

void xd_cert_write_keys(struct xd_cert_writer *writer, const struct xd_key_pair *pair)
{
    append(writer, "curve\n");
    xd_cert_write(writer, "public-key", pair->public_key);
    if (pair->secret_key[0] != '\0') {
        xd_cert_write(writer, "secret-key", pair->secret_key);
    }
}
