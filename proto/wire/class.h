/* SPDX-License-Identifier: MIT */
/* Names on the wire: which bytes a class tag, a profile, a callee or an event kind may
 * have. */
#ifndef XD_WIRE_CLASS_H
#define XD_WIRE_CLASS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* A class tag is an R class name or a C type's: 1 to 255 bytes of printable UTF-8, no
 * control characters, NUL, DEL, quotes, backslash or slash. */
bool xd_class_tag_is_valid(const void *bytes, size_t size);

/* A profile, callee, argument or event kind: the same rule, but slash and colon are
 * allowed inside a callee
 * ("pkg::fun"). */
bool xd_name_is_valid(const void *bytes, size_t size);

/* For logs and errors: a copy of at most `room` - 1 bytes where everything else is
 * written \xNN; ended by NUL. */
void xd_name_escape(const void *bytes, size_t size, char *out, size_t room);

#endif
