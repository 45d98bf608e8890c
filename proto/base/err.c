/* SPDX-License-Identifier: MIT */
/* Names and texts of the error codes, and filling a caller's error. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *xd_err_name(enum xd_err err)
{
    switch (err) {
#define NAME(code, number, name, text)                                                   \
    case code:                                                                           \
        return name;
        XD_ERR_LIST(NAME)
#undef NAME
    }
    return "unknown";
}

const char *xd_err_text(enum xd_err err)
{
    switch (err) {
#define TEXT(code, number, name, text)                                                   \
    case code:                                                                           \
        return text;
        XD_ERR_LIST(TEXT)
#undef TEXT
    }
    return "unknown";
}

void xd_error_set(struct xd_error *error, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
}

void xd_error_prefix(struct xd_error *error, const char *context)
{
    if (!error) {
        return;
    }
    struct xd_error before = *error;
    int used = snprintf(error->text, sizeof error->text, "%s: ", context);
    if (used >= 0 && (size_t)used < sizeof error->text) {
        size_t room = sizeof error->text - (size_t)used;
        size_t length = strnlen(before.text, sizeof before.text - 1);
        if (length > room - 1) {
            length = room - 1;
        }
        memcpy(error->text + used, before.text, length);
        error->text[(size_t)used + length] = '\0';
    }
}
