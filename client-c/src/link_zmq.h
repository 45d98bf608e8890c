/* SPDX-License-Identifier: MIT */
/* A link over DEALER sockets of its own, for brokers in other processes. */
#ifndef XD_CLIENT_LINK_ZMQ_H
#define XD_CLIENT_LINK_ZMQ_H

#include "base/err.h"
#include "base/link.h"

/* Begin to dial `address` with the control lane; whether anybody answers shows later.
 * Returns the link in *out. Errors: XD_ERR_INVALID, XD_ERR_UNSUPPORTED, XD_ERR_FORBIDDEN
 * (the socket's directory), XD_ERR_NOMEM, XD_ERR_SYSTEM. */
enum xd_err xd_link_zmq_new(const char *address,
                            struct xd_link **out,
                            struct xd_error *error) XD_MUST_USE;

#endif
