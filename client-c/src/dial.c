/* SPDX-License-Identifier: MIT */
/* The choice of an address. */
#include "dial.h"

#include <stdlib.h>
#include <string.h>

#include "link_zmq.h"
#include "wire/address.h"

enum xd_err xd_dial(const char *address,
                    char *chosen,
                    struct xd_link **out,
                    struct xd_error *error)
{
    if (address == NULL) {
        address = getenv("CROSSDOCK_URL");
    }
    if (address == NULL || address[0] == '\0') {
        enum xd_err err = xd_address_default(chosen, error);
        if (err != XD_OK) {
            return err;
        }
    } else if (strlen(address) >= XD_ADDRESS_MAX_BYTES) {
        return xd_fail(error, XD_ERR_INVALID, "the address is too long");
    } else {
        memcpy(chosen, address, strlen(address) + 1);
    }
    return xd_link_zmq_new(chosen, out, error);
}
