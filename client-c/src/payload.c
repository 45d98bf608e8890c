/* SPDX-License-Identifier: MIT */
/* Payloads as the application gives them, checked and turned into frames. */
#include "payload.h"

#include <string.h>

#include "wire/class.h"
#include "wire/limits.h"

enum xd_err xd_name_check(const char *what,
                          const char *text,
                          bool (*is_valid)(const void *, size_t),
                          struct xd_error *error)
{
    size_t size = strlen(text);
    if (size > XD_NAME_MAX_BYTES) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%s has %zu bytes, %u are allowed",
                       what,
                       size,
                       XD_NAME_MAX_BYTES);
    }
    if (!is_valid(text, size)) {
        char shown[64];
        xd_name_escape(text, size, shown, sizeof shown);
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "%s \"%s\" is not a valid name",
                       what,
                       shown);
    }
    return XD_OK;
}

/* Objects packed into one payload: the table of their sizes must at least be there. */
static enum xd_err check_count(const struct xd_payload *payload, struct xd_error *error)
{
    bool is_object =
        payload->role == XD_FRAME_OBJECT || (payload->role == 0 && payload->tag != NULL);
    if (payload->count > 0 && !is_object) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "a payload of %u objects needs the role object",
                       payload->count);
    }
    if (payload->bytes->size / sizeof(uint64_t) < payload->count) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "a payload of %u objects has only %zu bytes",
                       payload->count,
                       payload->bytes->size);
    }
    return XD_OK;
}

enum xd_err xd_payload_check(const struct xd_payload *payload, struct xd_error *error)
{
    if (payload->bytes == NULL) {
        return xd_fail(error, XD_ERR_INVALID, "a payload has no bytes");
    }
    if (payload->role > XD_FRAME_SEGMENT) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "payload role %d is not one of a task or result",
                       (int)payload->role);
    }
    if (payload->role == XD_FRAME_OBJECT && payload->tag == NULL) {
        return xd_fail(error, XD_ERR_INVALID, "an object payload needs a class tag");
    }
    enum xd_err err = check_count(payload, error);
    if (err == XD_OK && payload->tag != NULL) {
        err = xd_name_check("class tag", payload->tag, xd_class_tag_is_valid, error);
    }
    if (err == XD_OK && payload->name != NULL) {
        err = xd_name_check("argument name", payload->name, xd_name_is_valid, error);
    }
    return err;
}

enum xd_err xd_payload_frame(struct xd_names *names,
                             const struct xd_payload *payload,
                             struct xd_frame *out)
{
    struct xd_bytes *tag = NULL, *name = NULL;
    if ((payload->tag != NULL && xd_names_get(names, payload->tag, &tag) != XD_OK) ||
        (payload->name != NULL && xd_names_get(names, payload->name, &name) != XD_OK)) {
        xd_bytes_unref(tag);
        return XD_ERR_NOMEM;
    }
    enum xd_frame_role role = payload->role;
    if (role == 0) {
        role = payload->tag != NULL ? XD_FRAME_OBJECT : XD_FRAME_BODY;
    }
    *out = (struct xd_frame){.bytes = xd_bytes_ref(payload->bytes),
                             .tag = tag,
                             .name = name,
                             .size = payload->bytes->size,
                             .role = (uint8_t)role,
                             .codec = payload->codec,
                             .count = payload->count};
    return XD_OK;
}
