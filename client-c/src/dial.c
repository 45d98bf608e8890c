/* SPDX-License-Identifier: MIT */
/* The choice of an address and of keys. */
#include "dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "crossdock.h"
#include "link_zmq.h"

static const char *said(const char *option, const char *variable)
{
    const char *value = option != NULL ? option : getenv(variable);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static enum xd_err find_address(const char *option, char *out, struct xd_error *error)
{
    const char *address = said(option, "CROSSDOCK_URL");
    return address == NULL ? xd_address_default(out, error)
                           : xd_address_plain(address, out, error);
}

static enum xd_err find_server_key(const char *option,
                                   const char *state,
                                   char *out,
                                   struct xd_error *error)
{
    const char *text = said(option, "CROSSDOCK_SERVER_KEY");
    if (text == NULL) {
        return xd_keys_server_public(state, out, error);
    }
    return xd_key_parse(text,
                        option != NULL ? "the broker's key" : "CROSSDOCK_SERVER_KEY",
                        out,
                        error);
}

enum xd_err xd_server_key(const char *given,
                          char out[XD_SERVER_KEY_ROOM],
                          struct xd_error *error)
{
    char state[XD_STATE_MAX_BYTES], key[XD_KEY_Z85_ROOM];
    enum xd_err err = xd_state_directory(state, error);
    err = err == XD_OK ? find_server_key(given, state, key, error) : err;
    if (err == XD_OK) {
        xd_key_hex(key, out);
    }
    return err;
}

static enum xd_err find_own_keys(const char *option,
                                 const char *state,
                                 struct xd_key_pair *out,
                                 struct xd_error *error)
{
    const char *path = said(option, "CROSSDOCK_KEY_FILE");
    return path == NULL ? xd_keys_user(state, false, out, error)
                        : xd_keys_read(path, out, error);
}

static enum xd_err find_keys(const struct xd_dial_options *options,
                             struct xd_link_keys *keys,
                             struct xd_dialled *dialled,
                             struct xd_error *error)
{
    char state[XD_STATE_MAX_BYTES];
    enum xd_err err = xd_state_directory(state, error);
    if (err == XD_OK) {
        err = find_server_key(options->server_key, state, keys->server, error);
    }
    if (err == XD_OK) {
        err = find_own_keys(options->key_file, state, &keys->own, error);
    }
    if (err == XD_OK) {
        xd_key_fingerprint(keys->server, dialled->server);
        xd_key_fingerprint(keys->own.public_key, dialled->own);
    }
    return err;
}

enum xd_err xd_dial(const struct xd_dial_options *options,
                    struct xd_dialled *dialled,
                    struct xd_link **out,
                    struct xd_error *error)
{
    struct xd_link_keys keys;
    memset(&keys, 0, sizeof keys);
    memset(dialled, 0, sizeof *dialled);
    enum xd_err err = find_address(options->address, dialled->address, error);
    bool is_tcp = err == XD_OK && xd_address_is_tcp(dialled->address);
    if (is_tcp && xd_address_port(dialled->address) == 0) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "address %s: port 0 can be listened on, not dialled",
                       dialled->address);
    }
    if (is_tcp) {
        err = find_keys(options, &keys, dialled, error);
    }
    if (err == XD_OK) {
        err = xd_link_zmq_new(dialled->address, is_tcp ? &keys : NULL, out, error);
    }
    xd_key_pair_wipe(&keys.own);
    return err;
}

void xd_dial_explain(const struct xd_dialled *dialled, struct xd_error *error)
{
    if (error == NULL) {
        return;
    }
    if (dialled->server[0] != '\0' && strcmp(error->text, XD_HANDSHAKE_CUT) == 0) {
        xd_error_set(error,
                     XD_HANDSHAKE_CUT
                     "; is %s the broker's key (crossdock keys server), and "
                     "does it admit ours, %s (crossdock keys list)?",
                     dialled->server,
                     dialled->own);
    }
    xd_error_prefix(error, dialled->address);
}
