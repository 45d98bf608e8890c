/* SPDX-License-Identifier: MIT */
/* The few names a session uses again and again (profiles, callees, class tags), as shared
 * bytes, so that a submission allocates none of them. */
#ifndef XD_CLIENT_NAMES_H
#define XD_CLIENT_NAMES_H

#include "base/bytes.h"
#include "base/err.h"

#define XD_NAMES_KEPT 64u /* a power of two; what collides is forgotten */

struct xd_names {
    struct xd_bytes *slots[XD_NAMES_KEPT];
};

/* A zeroed struct is a good start. */
void xd_names_fini(struct xd_names *names);

/* The bytes of `text` (without its NUL); one reference in *out. Errors: XD_ERR_NOMEM. */
enum xd_err xd_names_get(struct xd_names *names,
                         const char *text,
                         struct xd_bytes **out) XD_MUST_USE;

#endif
