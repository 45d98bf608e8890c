/* SPDX-License-Identifier: MIT */
/* What both roles take from the application: names and payloads. */
#ifndef XD_CLIENT_PAYLOAD_H
#define XD_CLIENT_PAYLOAD_H

#include <stdbool.h>

#include "base/task.h"
#include "crossdock.h"
#include "names.h"

#define XD_PAYLOADS_MAX 1000u /* of one task or result */

/* Is `text` a name by this rule (wire/class.h)? `what` is for the sentence. Errors:
 * XD_ERR_TOO_LARGE, XD_ERR_INVALID. */
enum xd_err xd_name_check(const char *what,
                          const char *text,
                          bool (*is_valid)(const void *, size_t),
                          struct xd_error *error) XD_MUST_USE;

/* Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE. */
enum xd_err xd_payload_check(const struct xd_payload *payload,
                             struct xd_error *error) XD_MUST_USE;

/* The frame of a payload that was checked; shares its bytes. Errors: XD_ERR_NOMEM. */
enum xd_err xd_payload_frame(struct xd_names *names,
                             const struct xd_payload *payload,
                             struct xd_frame *out) XD_MUST_USE;

/* Resources, labels or needs. Errors: XD_ERR_INVALID, XD_ERR_NOMEM. */
enum xd_err xd_needs_check(const char *what,
                           const char *text,
                           struct xd_error *error) XD_MUST_USE;

#endif
