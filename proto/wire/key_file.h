/* SPDX-License-Identifier: MIT */
/* Small files that keys lie in: opened with suspicion, written whole. */
#ifndef XD_WIRE_KEY_FILE_H
#define XD_WIRE_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define XD_KEY_FILE_MAX_BYTES 4096u
#define XD_KEY_FILE_ROOM (XD_KEY_FILE_MAX_BYTES + 1)
#define XD_KEY_PATH_ROOM 544u /* the state directory's, and "/allow" */

enum xd_key_access {
    XD_KEY_PRIVATE, /* ours, with no rights for anybody else: secrets and the allow-list
                     */
    XD_KEY_PUBLIC,  /* ours or root's, and nobody else writes it: server.pub */
};

/* An open directory; `fd` -1: none. */
struct xd_key_dir {
    int fd;
    char path[XD_KEY_PATH_ROOM]; /* for errors */
};

/* Open a directory; `make`: make it and its missing parents, 0700. It may be a symbolic
 * link (systemd makes state directories so): what it leads to is looked at. Close it.
 * Errors: XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN, XD_ERR_INVALID (not an absolute path),
 * XD_ERR_TOO_LARGE, XD_ERR_SYSTEM. */
enum xd_err xd_key_dir_open(const char *path,
                            bool make,
                            enum xd_key_access access,
                            struct xd_key_dir *out,
                            struct xd_error *error) XD_MUST_USE;
void xd_key_dir_close(struct xd_key_dir *dir);

/* A file's text into `out`, of XD_KEY_FILE_ROOM bytes, which the caller wipes, also after
 * a failure. `dir` NULL: `name` is a path. Never waits, whatever lies there. Errors:
 * XD_ERR_NOT_FOUND; XD_ERR_FORBIDDEN (somebody else's, open to others, a symbolic link);
 * XD_ERR_INVALID (no regular file, too long, NUL in it); XD_ERR_SYSTEM. */
enum xd_err xd_key_file_read(const struct xd_key_dir *dir,
                             const char *name,
                             enum xd_key_access access,
                             char *out,
                             struct xd_error *error) XD_MUST_USE;

/* Write a file, 0600 (XD_KEY_PUBLIC: 0644), that is there whole or not at all, also after
 * a power cut. `replace` false: XD_ERR_EXISTS when there is one. Other errors:
 * XD_ERR_SYSTEM. */
enum xd_err xd_key_file_write(const struct xd_key_dir *dir,
                              const char *name,
                              enum xd_key_access access,
                              bool replace,
                              const char *text,
                              struct xd_error *error) XD_MUST_USE;

#endif
