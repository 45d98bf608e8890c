/* SPDX-License-Identifier: MIT */
/* Is this still the process that made the session? After fork() the child holds a copy of
 * everything but the threads, and must not touch the sockets. */
#ifndef XD_CLIENT_ORIGIN_H
#define XD_CLIENT_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct xd_origin {
    volatile unsigned char *mark; /* a page that the kernel empties in a forked child */
    size_t size;
    pid_t pid; /* asked for where the kernel has no such pages */
};

/* Errors: XD_ERR_NOMEM. */
enum xd_err xd_origin_init(struct xd_origin *origin) XD_MUST_USE;
void xd_origin_fini(struct xd_origin *origin);

bool xd_origin_is_here(const struct xd_origin *origin);

#endif
