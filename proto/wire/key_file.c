/* SPDX-License-Identifier: MIT */
/* Small files that keys lie in. */
#include "wire/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of temporary files that a crash left behind: the next free number is taken. */
#define TEMPORARY_TRIES 1000
#define TEMPORARY_ROOM 48u

/* "do PATH: reason"; a link where none may be, and what we may not open, are no accidents
 * of the system. */
static enum xd_err fail_errno(struct xd_error *error,
                              const char *what,
                              const struct xd_key_dir *dir,
                              const char *name)
{
    int number = errno;
    char reason[64];
    enum xd_err err = number == ENOENT                      ? XD_ERR_NOT_FOUND
                      : number == ELOOP || number == EACCES ? XD_ERR_FORBIDDEN
                                                            : XD_ERR_SYSTEM;
    return xd_fail(error,
                   err,
                   "%s %s%s%s: %s",
                   what,
                   dir ? dir->path : "",
                   dir && name[0] ? "/" : "",
                   name,
                   number == ELOOP ? "a symbolic link is not followed"
                                   : strerror_r(number, reason, sizeof reason));
}

static enum xd_err fail_file(struct xd_error *error,
                             enum xd_err err,
                             const struct xd_key_dir *dir,
                             const char *name,
                             const char *why)
{
    return xd_fail(error,
                   err,
                   "%s%s%s %s",
                   dir ? dir->path : "",
                   dir && name[0] ? "/" : "",
                   name,
                   why);
}

static enum xd_err check_access(const struct stat *found,
                                enum xd_key_access access,
                                const struct xd_key_dir *dir,
                                const char *name,
                                struct xd_error *error)
{
    char why[128];
    bool is_public = access == XD_KEY_PUBLIC;
    if (found->st_uid != geteuid() && !(is_public && found->st_uid == 0)) {
        (void)snprintf(why,
                       sizeof why,
                       "belongs to user %lu",
                       (unsigned long)found->st_uid);
        return fail_file(error, XD_ERR_FORBIDDEN, dir, name, why);
    }
    if ((found->st_mode & (is_public ? 022 : 077)) != 0) {
        (void)snprintf(why,
                       sizeof why,
                       "is open to others (mode %04o): chmod go%s it",
                       (unsigned)(found->st_mode & 07777),
                       is_public ? "-w" : "-rwx");
        return fail_file(error, XD_ERR_FORBIDDEN, dir, name, why);
    }
    return XD_OK;
}

/* ---- directories */

/* Each missing part of an absolute path. */
static int make_all(const char *path)
{
    char part[XD_KEY_PATH_ROOM];
    size_t size = strlen(path);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            part[i] = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST) {
                return -1;
            }
            part[i] = path[i];
        }
    }
    return 0;
}

static int open_directory(const char *path, bool make)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && make && make_all(path) == 0) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd;
}

enum xd_err xd_key_dir_open(const char *path,
                            bool make,
                            enum xd_key_access access,
                            struct xd_key_dir *out,
                            struct xd_error *error)
{
    struct xd_key_dir dir;
    struct stat found;
    size_t size = strlen(path);
    if (path[0] != '/') {
        return xd_fail(error, XD_ERR_INVALID, "%s: want an absolute path", path);
    }
    if (size >= sizeof dir.path) {
        return xd_fail(error, XD_ERR_TOO_LARGE, "the path is too long: %s", path);
    }
    memcpy(dir.path, path, size + 1);
    dir.fd = open_directory(path, make);
    if (dir.fd < 0) {
        return fail_errno(error, make ? "make" : "open", &dir, "");
    }
    enum xd_err err = fstat(dir.fd, &found) != 0
                          ? fail_errno(error, "look at", &dir, "")
                          : check_access(&found, access, &dir, "", error);
    if (err) {
        xd_key_dir_close(&dir);
        return err;
    }
    *out = dir;
    return XD_OK;
}

void xd_key_dir_close(struct xd_key_dir *dir)
{
    if (dir && dir->fd >= 0) {
        close(dir->fd);
        dir->fd = -1;
    }
}

/* ---- reading */

/* Up to the end of the file, which may have grown since it was looked at. */
static enum xd_err read_all(int fd,
                            const struct xd_key_dir *dir,
                            const char *name,
                            char *out,
                            struct xd_error *error)
{
    size_t size = 0;
    for (;;) {
        ssize_t got = read(fd, out + size, XD_KEY_FILE_ROOM - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_errno(error, "read", dir, name);
        }
        size += (size_t)got;
        if (size == XD_KEY_FILE_ROOM) {
            return fail_file(error,
                             XD_ERR_INVALID,
                             dir,
                             name,
                             "is too long for a file with a key");
        }
        if (got == 0) {
            break;
        }
    }
    out[size] = '\0';
    if (strlen(out) != size) {
        return fail_file(error, XD_ERR_INVALID, dir, name, "has a NUL byte in it");
    }
    return XD_OK;
}

enum xd_err xd_key_file_read(const struct xd_key_dir *dir,
                             const char *name,
                             enum xd_key_access access,
                             char *out,
                             struct xd_error *error)
{
    struct stat found;
    int fd = openat(dir ? dir->fd : AT_FDCWD,
                    name,
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fail_errno(error, "open", dir, name);
    }
    enum xd_err err;
    if (fstat(fd, &found) != 0) {
        err = fail_errno(error, "look at", dir, name);
    } else if (!S_ISREG(found.st_mode)) {
        err = fail_file(error, XD_ERR_INVALID, dir, name, "is not a regular file");
    } else {
        err = check_access(&found, access, dir, name, error);
    }
    if (!err) {
        err = read_all(fd, dir, name, out, error);
    }
    close(fd);
    return err;
}

/* ---- writing */

/* Its name has a leading dot, which no file of ours has. */
static int open_temporary(const struct xd_key_dir *dir, mode_t mode, char *name)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        (void)snprintf(name, TEMPORARY_ROOM, ".new-%ld-%d", (long)getpid(), i);
        int fd = openat(dir->fd,
                        name,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        mode);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

static int write_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t put = write(fd, text, left);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        if (put > 0) {
            text += put;
            left -= (size_t)put;
        }
    }
    return fsync(fd);
}

/* rename() replaces what is there; link() does not. */
static int put_in_place(const struct xd_key_dir *dir,
                        const char *temporary,
                        const char *name,
                        bool replace)
{
    int rc = replace ? renameat(dir->fd, temporary, dir->fd, name)
                     : linkat(dir->fd, temporary, dir->fd, name, 0);
    if (rc == 0) {
        (void)fsync(dir->fd); /* not every file system can */
    }
    return rc;
}

enum xd_err xd_key_file_write(const struct xd_key_dir *dir,
                              const char *name,
                              enum xd_key_access access,
                              bool replace,
                              const char *text,
                              struct xd_error *error)
{
    char temporary[TEMPORARY_ROOM];
    int fd = open_temporary(dir, access == XD_KEY_PUBLIC ? 0644 : 0600, temporary);
    if (fd < 0) {
        return fail_errno(error, "write in", dir, "");
    }
    enum xd_err err = XD_OK;
    if (write_all(fd, text) != 0) {
        err = fail_errno(error, "write", dir, name);
    } else if (put_in_place(dir, temporary, name, replace) != 0) {
        err = errno == EEXIST
                  ? fail_file(error, XD_ERR_EXISTS, dir, name, "is there already")
                  : fail_errno(error, "write", dir, name);
    }
    close(fd);
    if (err || !replace) {
        (void)unlinkat(dir->fd,
                       temporary,
                       0); /* a renamed one's name may be taken again */
    }
    return err;
}
