/* SPDX-License-Identifier: MIT */
/* CURVE keys in files: the broker's, the user's own, and the list of whom a broker
 * admits.
 *
 * All lie in the state directory (0700): `server.key` and `server.pub`, `user.key`, and
 * `allow/NAME` for each further key. The files have zcert's text format (ZPL); those with
 * a secret, and the allow-list, are 0600. Keys are 32 bytes; as text they are Z85 (40
 * characters), or hexadecimal (64) where a shell will read them. */
#ifndef XD_WIRE_KEYS_H
#define XD_WIRE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define XD_KEY_BYTES 32u
#define XD_KEY_Z85_ROOM 41u /* with NUL */
#define XD_KEY_HEX_ROOM 65u
#define XD_FINGERPRINT_ROOM 9u
#define XD_STATE_MAX_BYTES 512u

/* Z85, ended by NUL. A secret is wiped with xd_key_pair_wipe(). */
struct xd_key_pair {
    char public_key[XD_KEY_Z85_ROOM], secret_key[XD_KEY_Z85_ROOM];
};

void xd_key_pair_wipe(struct xd_key_pair *pair);

/* Either spelling of a key into Z85. `what` names it in errors ("tlscert"), which do not
 * show the text: it may be a secret, here or put here by mistake. Errors: XD_ERR_INVALID.
 */
enum xd_err xd_key_parse(const char *text,
                         const char *what,
                         char out[XD_KEY_Z85_ROOM],
                         struct xd_error *error) XD_MUST_USE;

/* A valid Z85 key in hexadecimal, its fingerprint (the first 4 bytes in hexadecimal: for
 * people and logs), its 32 bytes. */
void xd_key_hex(const char *z85, char out[XD_KEY_HEX_ROOM]);
void xd_key_fingerprint(const char *z85, char out[XD_FINGERPRINT_ROOM]);
void xd_key_bytes(const char *z85, unsigned char out[XD_KEY_BYTES]);

/* $CROSSDOCK_STATE, else $XDG_STATE_HOME/crossdock, else ~/.local/state/crossdock, not
 * made. `out` has XD_STATE_MAX_BYTES. Errors: XD_ERR_SYSTEM (no home), XD_ERR_INVALID
 * (CROSSDOCK_STATE is not absolute), XD_ERR_TOO_LARGE. */
enum xd_err xd_state_directory(char *out, struct xd_error *error) XD_MUST_USE;

/* ---- one's own keys. `state` is an absolute path. A directory or file that belongs to
 * somebody else or is open to others is XD_ERR_FORBIDDEN, as is a file that is a symbolic
 * link (`error` names it and says what to do); a file that is something else
 * XD_ERR_INVALID.
 */

/* The server's pair in that state directory; both files are made when there is none, so
 * that of two brokers starting at once one wins and both use it. Errors:
 * XD_ERR_FORBIDDEN, XD_ERR_INVALID, XD_ERR_SYSTEM, XD_ERR_UNSUPPORTED (a libzmq without
 * CURVE). */
enum xd_err xd_keys_server(const char *state,
                           struct xd_key_pair *out,
                           struct xd_error *error) XD_MUST_USE;

/* The same for the user's own pair, `user.key`; `make`: when there is none, make it, else
 * XD_ERR_NOT_FOUND with the command that does. */
enum xd_err xd_keys_user(const char *state,
                         bool make,
                         struct xd_key_pair *out,
                         struct xd_error *error) XD_MUST_USE;

/* The public key in `server.pub` (Z85), whose file and directory may also be root's, and
 * be read by others. Errors: XD_ERR_NOT_FOUND, and as above. */
enum xd_err xd_keys_server_public(const char *state,
                                  char out[XD_KEY_Z85_ROOM],
                                  struct xd_error *error) XD_MUST_USE;

/* Any file with a secret ($CROSSDOCK_KEY_FILE). Errors: XD_ERR_NOT_FOUND, and as above.
 */
enum xd_err xd_keys_read(const char *path,
                         struct xd_key_pair *out,
                         struct xd_error *error) XD_MUST_USE;

/* ---- whom a broker admits */

enum xd_allow_role { XD_ALLOW_CLIENT = 1, XD_ALLOW_WORKER = 2, XD_ALLOW_ADMIN = 4 };
#define XD_ALLOW_NAME_ROOM 64u
#define XD_ALLOW_PROFILES_MAX 64u

/* One entry: the file's name, the key, and what it may. */
struct xd_allow {
    char name[XD_ALLOW_NAME_ROOM]; /* letters, digits, ".", "_", "-"; no leading dot */
    char public_key[XD_KEY_Z85_ROOM];
    unsigned roles;  /* bits of enum xd_allow_role */
    char **profiles; /* names; NULL and 0: any */
    size_t profile_count;
};

/* "client,worker" into bits, and back. Errors: XD_ERR_INVALID (`error` names the word).
 */
enum xd_err xd_allow_roles(const char *text,
                           unsigned *out,
                           struct xd_error *error) XD_MUST_USE;
void xd_allow_roles_text(unsigned roles, char *out, size_t room);

/* All entries by name; a missing directory is an empty list. Of two with one key the
 * first counts. A file that is not as it should be
 * is left out and `error` says which and why (XD_OK all the same, "" when there was
 * none), so that one bad file does not shut out everybody else. Free with
 * xd_allow_free(). Errors: XD_ERR_FORBIDDEN (the directory), XD_ERR_SYSTEM, XD_ERR_NOMEM.
 */
enum xd_err xd_allow_read(const char *state,
                          struct xd_allow **out,
                          size_t *count,
                          struct xd_error *error) XD_MUST_USE;
void xd_allow_free(struct xd_allow *entries, size_t count);

/* Write one entry, whole or not at all. Errors: XD_ERR_EXISTS (the name, or the key under
 * another name), XD_ERR_INVALID (name, key, roles or a profile's name), XD_ERR_TOO_LARGE
 * (more profiles than a file takes), XD_ERR_FORBIDDEN, XD_ERR_SYSTEM, XD_ERR_NOMEM. */
enum xd_err xd_allow_add(const char *state,
                         const struct xd_allow *entry,
                         struct xd_error *error) XD_MUST_USE;

#endif
