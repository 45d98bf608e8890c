/* SPDX-License-Identifier: MIT */
/* A link over DEALER sockets of its own, for brokers in other processes. */
#ifndef XD_CLIENT_LINK_ZMQ_H
#define XD_CLIENT_LINK_ZMQ_H

#include "base/err.h"
#include "base/link.h"
#include "wire/keys.h"

/* Keys for a tcp address: whom to expect there, and who we are. */
struct xd_link_keys {
    char server[XD_KEY_Z85_ROOM];
    struct xd_key_pair own;
};

/* Begin to dial `address` (as xd_address_plain() gives it) with the control lane; whether
 * anybody answers shows later. `keys` is copied, NULL with ipc. Returns the link in *out.
 * Errors: XD_ERR_INVALID, XD_ERR_UNSUPPORTED, XD_ERR_FORBIDDEN (the socket's directory),
 * XD_ERR_NOMEM, XD_ERR_SYSTEM. */
enum xd_err xd_link_zmq_new(const char *address,
                            const struct xd_link_keys *keys,
                            struct xd_link **out,
                            struct xd_error *error) XD_MUST_USE;

#endif
