/* SPDX-License-Identifier: MIT */
/* Which broker to reach when the application does not say, with which keys, and the link
 * to it. */
#ifndef XD_CLIENT_DIAL_H
#define XD_CLIENT_DIAL_H

#include "base/err.h"
#include "base/link.h"
#include "wire/address.h"
#include "wire/keys.h"

/* What the application says, and NULL where it does not (crossdock.h). */
struct xd_dial_options {
    const char *address, *server_key, *key_file;
};

/* What became of it. */
struct xd_dialled {
    char address[XD_ADDRESS_MAX_BYTES];
    char server[XD_FINGERPRINT_ROOM], own[XD_FINGERPRINT_ROOM]; /* of the keys; "" for
                                                                   ipc */
};

/* The address of the options, else $CROSSDOCK_URL, else the default one. For tcp the
 * broker's key of the options, else $CROSSDOCK_SERVER_KEY, else server.pub in the state
 * directory; one's own pair in the options' file, else $CROSSDOCK_KEY_FILE, else user.key
 * there. Returns the link in *out. Errors: as xd_link_zmq_new(), and XD_ERR_NOT_FOUND,
 * XD_ERR_FORBIDDEN or XD_ERR_INVALID for keys. */
enum xd_err xd_dial(const struct xd_dial_options *options,
                    struct xd_dialled *dialled,
                    struct xd_link **out,
                    struct xd_error *error) XD_MUST_USE;

/* The start of a session over that link failed: complete the sentence with the address
 * and, where the handshake was broken off, with the keys to look at. */
void xd_dial_explain(const struct xd_dialled *dialled, struct xd_error *error);

#endif
