/* SPDX-License-Identifier: MIT */
/* Checking single fields of a message from outside. */
#include "wire/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/needs.h"
#include "wire/class.h"
#include "wire/limits.h"
#include "wire/utf8.h"

void xd_reader_init(struct xd_reader *reader,
                    struct xd_bytes *const *payloads,
                    size_t count,
                    struct xd_error *error)
{
    *reader = (struct xd_reader){
        .error = error,
        .payloads = payloads,
        .payload_count = count,
        .item = XD_NOWHERE,
        .frame = XD_NOWHERE,
    };
}

void xd_reader_at(struct xd_reader *reader, const char *list, size_t item)
{
    reader->list = list;
    reader->item = item;
    reader->frame = XD_NOWHERE;
}

static void append(char *text, size_t room, const char *format, ...) XD_PRINTF(3, 4);
static void append(char *text, size_t room, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

static void write_place(const struct xd_reader *reader, const char *field, char place[96])
{
    const size_t room = 96;
    place[0] = '\0';
    if (reader->list) {
        append(place, room, "%s", reader->list);
    }
    if (reader->item != XD_NOWHERE) {
        append(place, room, "[%zu]", reader->item);
    }
    if (reader->frame != XD_NOWHERE) {
        append(place, room, ".frames[%zu]", reader->frame);
    }
    if (field) {
        append(place, room, "%s%s", place[0] ? "." : "", field);
    }
}

enum xd_err xd_reader_fail(struct xd_reader *reader,
                           enum xd_err err,
                           const char *field,
                           const char *format,
                           ...)
{
    char place[96], sentence[sizeof reader->error->text];
    if (!reader->error) {
        return err;
    }
    write_place(reader, field, place);
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return xd_fail(reader->error, err, "%s %s", place[0] ? place : "message", sentence);
}

enum xd_err xd_reader_number(struct xd_reader *reader,
                             const char *field,
                             uint64_t value,
                             uint64_t least,
                             uint64_t most)
{
    if (value >= least && value <= most) {
        return XD_OK;
    }
    return xd_reader_fail(reader,
                          XD_ERR_PROTOCOL,
                          field,
                          "is %" PRIu64 ", want %" PRIu64 " to %" PRIu64,
                          value,
                          least,
                          most);
}

enum xd_err xd_reader_code(struct xd_reader *reader,
                           const char *field,
                           uint32_t value,
                           enum xd_err *out)
{
    enum xd_err err = xd_reader_number(reader, field, value, 0, XD_ERR_UNSUPPORTED);
    if (!err) {
        *out = (enum xd_err)value;
    }
    return err;
}

enum xd_err xd_reader_id(struct xd_reader *reader,
                         const char *field,
                         const void *data,
                         size_t size,
                         uint8_t out[16])
{
    if (size != 16) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              field,
                              "has %zu bytes, want 16",
                              size);
    }
    memcpy(out, data, 16);
    return XD_OK;
}

static struct xd_bytes *find_recent(const struct xd_reader *reader,
                                    const void *data,
                                    size_t size)
{
    for (unsigned i = 0; i < XD_RECENT_TEXTS; i++) {
        struct xd_bytes *text = reader->recent[i];
        if (text && text->size == size && memcmp(text->data, data, size) == 0) {
            return text;
        }
    }
    return NULL;
}

/* Valid already, or equal to one that was. */
typedef bool name_rule(const void *bytes, size_t size);

static enum xd_err read_name(struct xd_reader *reader,
                             const char *field,
                             const void *data,
                             size_t size,
                             name_rule *is_valid,
                             struct xd_bytes **out)
{
    char shown[64];
    if (size > XD_NAME_MAX_BYTES) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              field,
                              "has %zu bytes, want at most %u",
                              size,
                              XD_NAME_MAX_BYTES);
    }
    if (!is_valid(data, size)) {
        xd_name_escape(data, size, shown, sizeof shown);
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              field,
                              size ? "is not a valid name: \"%s\"" : "is missing%s",
                              shown);
    }
    struct xd_bytes *known = find_recent(reader, data, size);
    if (known) {
        *out = xd_bytes_ref(known);
        return XD_OK;
    }
    enum xd_err err = xd_bytes_copy(data, size, out);
    if (err) {
        return xd_reader_fail(reader, err, field, "finds no memory");
    }
    reader->recent[reader->next_recent++ % XD_RECENT_TEXTS] = *out;
    return XD_OK;
}

enum xd_err xd_reader_name(struct xd_reader *reader,
                           const char *field,
                           const void *data,
                           size_t size,
                           struct xd_bytes **out)
{
    return read_name(reader, field, data, size, xd_name_is_valid, out);
}

enum xd_err xd_reader_optional_name(struct xd_reader *reader,
                                    const char *field,
                                    const void *data,
                                    size_t size,
                                    struct xd_bytes **out)
{
    return size ? read_name(reader, field, data, size, xd_name_is_valid, out) : XD_OK;
}

enum xd_err xd_reader_optional_tag(struct xd_reader *reader,
                                   const char *field,
                                   const void *data,
                                   size_t size,
                                   struct xd_bytes **out)
{
    return size ? read_name(reader, field, data, size, xd_class_tag_is_valid, out)
                : XD_OK;
}

enum xd_err xd_reader_optional_text(struct xd_reader *reader,
                                    const char *field,
                                    const void *data,
                                    size_t size,
                                    size_t limit,
                                    struct xd_bytes **out)
{
    char shown[64];
    if (size == 0) {
        return XD_OK;
    }
    if (size > limit) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              field,
                              "has %zu bytes, want at most %zu",
                              size,
                              limit);
    }
    if (!xd_text_is_valid(data, size)) {
        xd_name_escape(data, size, shown, sizeof shown);
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              field,
                              "is not UTF-8 text: \"%s\"",
                              shown);
    }
    enum xd_err err = xd_bytes_copy(data, size, out);
    return err ? xd_reader_fail(reader, err, field, "finds no memory") : XD_OK;
}

enum xd_err xd_reader_needs(struct xd_reader *reader,
                            const char *field,
                            const void *data,
                            size_t size,
                            struct xd_bytes **out)
{
    enum xd_err err = xd_reader_optional_name(reader, field, data, size, out);
    if (!err && !xd_needs_are_valid(*out)) {
        err = xd_reader_fail(reader,
                             XD_ERR_PROTOCOL,
                             field,
                             "is not made of words, name=text and name>=number");
    }
    return err;
}

enum xd_err xd_reader_payload(struct xd_reader *reader, struct xd_bytes **out)
{
    if (reader->payloads_taken == reader->payload_count) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              NULL,
                              "wants a payload frame, but the message has only %zu",
                              reader->payload_count);
    }
    struct xd_bytes *payload = reader->payloads[reader->payloads_taken];
    if (payload->size > XD_MESSAGE_MAX_BYTES - reader->payload_bytes) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              NULL,
                              "brings the payloads to %zu bytes, want at most %zu",
                              reader->payload_bytes + payload->size,
                              XD_MESSAGE_MAX_BYTES);
    }
    reader->payloads_taken++;
    reader->payload_bytes += payload->size;
    *out = xd_bytes_ref(payload);
    return XD_OK;
}

enum xd_err xd_reader_end(struct xd_reader *reader)
{
    xd_reader_at(reader, NULL, XD_NOWHERE);
    if (reader->payloads_taken == reader->payload_count) {
        return XD_OK;
    }
    return xd_reader_fail(reader,
                          XD_ERR_PROTOCOL,
                          NULL,
                          "has %zu payload frames, but its envelope announces %zu",
                          reader->payload_count,
                          reader->payloads_taken);
}
