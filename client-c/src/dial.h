/* SPDX-License-Identifier: MIT */
/* Which broker to reach when the application does not say, and the link to it. */
#ifndef XD_CLIENT_DIAL_H
#define XD_CLIENT_DIAL_H

#include "base/err.h"
#include "base/link.h"

/* `address`, else $CROSSDOCK_URL, else the default one; it is copied to `chosen`
 * (XD_ADDRESS_MAX_BYTES). Returns the link in *out. Errors: as xd_link_zmq_new(). */
enum xd_err xd_dial(const char *address,
                    char *chosen,
                    struct xd_link **out,
                    struct xd_error *error) XD_MUST_USE;

#endif
