/* SPDX-License-Identifier: MIT */
/* Where brokers are found. */
#include "wire/address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/class.h"

#define IPC "ipc://"
#define IPC_LENGTH (sizeof IPC - 1)
#define LONGEST_SUFFIX ".workers"

/* A unix socket's path has 107 bytes on Linux; the longest of our endpoints must fit. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define PATH_MAX_BYTES (SOCKET_PATH_MAX - (sizeof LONGEST_SUFFIX - 1))

static enum xd_err fail(struct xd_error *error,
                        enum xd_err err,
                        const char *address,
                        const char *why)
{
    char shown[160];
    xd_name_escape(address, strlen(address), shown, sizeof shown);
    return xd_fail(error, err, "address %s: %s", shown, why);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum xd_err check_path(const char *address, struct xd_error *error)
{
    const char *path = address + IPC_LENGTH;
    size_t size = strlen(path);
    if (path[0] == '@') {
        return fail(error,
                    XD_ERR_INVALID,
                    address,
                    "abstract names have no owner, so they are not used");
    }
    if (path[0] != '/' || path[size - 1] == '/') {
        return fail(error,
                    XD_ERR_INVALID,
                    address,
                    "ipc wants the absolute path of a file");
    }
    if (size > PATH_MAX_BYTES) {
        return fail(error,
                    XD_ERR_TOO_LARGE,
                    address,
                    "the path is too long for a socket");
    }
    return XD_OK;
}

enum xd_err xd_address_check(const char *address, struct xd_error *error)
{
    if (starts_with(address, IPC)) {
        return check_path(address, error);
    }
    if (starts_with(address, "tcp://")) {
        return fail(error, XD_ERR_UNSUPPORTED, address, "tcp is not supported yet");
    }
    return fail(error, XD_ERR_INVALID, address, "want ipc:// and an absolute path");
}

/* The directory part of the default address. Environment variables of a set-uid program
 * are not believed. */
static int default_directory(char *out, size_t room)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime && runtime[0] == '/') {
        return snprintf(out, room, "%s/crossdock", runtime);
    }
    if (geteuid() == 0) {
        return snprintf(out, room, "/run/crossdock");
    }
    const char *temporary = secure_getenv("TMPDIR");
    if (!temporary || temporary[0] != '/') {
        temporary = "/tmp";
    }
    return snprintf(out, room, "%s/crossdock-%lu", temporary, (unsigned long)geteuid());
}

enum xd_err xd_address_default(char *out, struct xd_error *error)
{
    char directory[XD_ADDRESS_MAX_BYTES], address[XD_ADDRESS_MAX_BYTES];
    int length = default_directory(directory, sizeof directory);
    if (length < 0 || (size_t)length >= sizeof directory) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the runtime directory's path is too long");
    }
    length = snprintf(address, sizeof address, IPC "%s/broker", directory);
    if (length < 0 || (size_t)length >= sizeof address) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the runtime directory's path is too long");
    }
    enum xd_err err = xd_address_check(address, error);
    if (!err) {
        memcpy(out, address, (size_t)length + 1);
    }
    return err;
}

enum xd_err xd_address_beside(const char *address,
                              const char *suffix,
                              char *out,
                              struct xd_error *error)
{
    if (!starts_with(address, IPC)) {
        return fail(error, XD_ERR_INVALID, address, "not an ipc address");
    }
    size_t size = strlen(address), more = strlen(suffix);
    if (size + more > IPC_LENGTH + SOCKET_PATH_MAX) {
        return fail(error,
                    XD_ERR_TOO_LARGE,
                    address,
                    "the path is too long for a socket");
    }
    (void)snprintf(out, XD_ADDRESS_MAX_BYTES, "%s%s", address, suffix);
    return XD_OK;
}

static enum xd_err fail_system(struct xd_error *error, const char *what, const char *path)
{
    int number = errno;
    char reason[64];
    return xd_fail(error,
                   XD_ERR_SYSTEM,
                   "%s %s: %s",
                   what,
                   path,
                   strerror_r(number, reason, sizeof reason));
}

/* A symbolic link is refused like a file: who made it may not be who owns what it points
 * to. */
static enum xd_err check_directory(const char *path,
                                   const struct stat *found,
                                   int create,
                                   struct xd_error *error)
{
    if (!S_ISDIR(found->st_mode)) {
        return xd_fail(error, XD_ERR_FORBIDDEN, "%s is not a directory", path);
    }
    bool is_ours = found->st_uid == geteuid();
    if (!is_ours && (create || found->st_uid != 0)) {
        return xd_fail(error,
                       XD_ERR_FORBIDDEN,
                       "%s belongs to user %lu",
                       path,
                       (unsigned long)found->st_uid);
    }
    if (create && (found->st_mode & 077) != 0) {
        return xd_fail(error,
                       XD_ERR_FORBIDDEN,
                       "%s is open to others (mode %04o, want 0700)",
                       path,
                       (unsigned)(found->st_mode & 07777));
    }
    return XD_OK;
}

enum xd_err xd_address_directory(const char *address, int create, struct xd_error *error)
{
    enum xd_err err = xd_address_check(address, error);
    if (err) {
        return err;
    }
    char path[XD_ADDRESS_MAX_BYTES];
    size_t size = (size_t)(strrchr(address, '/') - (address + IPC_LENGTH));
    if (size == 0) {
        size = 1; /* the root itself */
    }
    memcpy(path, address + IPC_LENGTH, size);
    path[size] = '\0';
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fail_system(error, "make", path);
    }
    struct stat found;
    if (lstat(path, &found) != 0) {
        if (errno == ENOENT) {
            return xd_fail(error,
                           XD_ERR_TIMEOUT,
                           "no broker answers: there is no %s",
                           path);
        }
        return fail_system(error, "look at", path);
    }
    return check_directory(path, &found, create, error);
}
