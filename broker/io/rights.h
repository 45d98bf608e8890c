/* SPDX-License-Identifier: MIT */
/* Who may connect, and what each may do: local users by uid and gid, keys by the
 * allow-list in the state directory. Looked up by the ZAP handler's thread, used by the
 * broker's. */
#ifndef XDB_IO_RIGHTS_H
#define XDB_IO_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "wire/keys.h"

#define XDB_PRINCIPAL_MAX (XD_ALLOW_NAME_ROOM + 8u)

/* What one principal may do. Never changed and never freed before the table: whoever is
 * given other rights gets a new entry, and connections of before keep theirs. */
struct xdb_right {
    uint32_t number;                   /* its place in the table */
    char principal[XDB_PRINCIPAL_MAX]; /* "uid=1000", "key=NAME" */
    unsigned roles;                    /* bits of enum xd_allow_role */
    char **profiles;                   /* NULL: any */
    size_t profile_count;
};

struct xdb_rights;

struct xdb_rights_options {
    const uint32_t *uids, *gids; /* local users besides our own and root */
    size_t uid_count, gid_count;
    const char *state; /* where the allow-list is; NULL: no keys are admitted */
    const struct xd_key_pair
        *user; /* admitted like our own uid; NULL with `state` NULL */
};

/* Copies what it needs. Errors: XD_ERR_NOMEM, XD_ERR_SYSTEM, and those of the allow-list
 * (`error` names the file). */
enum xd_err xdb_rights_new(const struct xdb_rights_options *options,
                           struct xdb_rights **out,
                           struct xd_error *error) XD_MUST_USE;
void xdb_rights_free(struct xdb_rights *rights); /* NULL allowed */

/* The right of a local user, of a key (32 bytes), or NULL: nobody we know. The allow-list
 * is read again when its directory has changed. Any thread. */
const struct xdb_right *xdb_rights_of_user(struct xdb_rights *rights,
                                           unsigned long uid,
                                           unsigned long gid);
const struct xdb_right *xdb_rights_of_key(struct xdb_rights *rights,
                                          const unsigned char key[XD_KEY_BYTES]);

/* The right with that number, or NULL. Any thread. */
const struct xdb_right *xdb_rights_at(struct xdb_rights *rights, uint32_t number);

/* What was wrong with the allow-list since the last question; false: nothing. */
bool xdb_rights_complaint(struct xdb_rights *rights, struct xd_error *out);

/* Our own: of links within the process. */
const struct xdb_right *xdb_rights_own(struct xdb_rights *rights);

/* May it use that profile? */
bool xdb_right_covers(const struct xdb_right *right, const struct xd_bytes *profile);

/* The sentence for one that may not: the same words whether there is such a profile or
 * not. */
#define XDB_DENIAL_ROOM (XDB_PRINCIPAL_MAX + 120u)
void xdb_right_deny(const struct xdb_right *right,
                    const struct xd_bytes *profile,
                    char text[XDB_DENIAL_ROOM]);

#endif
