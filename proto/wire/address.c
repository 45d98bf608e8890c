/* SPDX-License-Identifier: MIT */
/* Where brokers are found. */
#include "wire/address.h"

#include <ctype.h>
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
#define TCP "tcp://"
#define ABSTRACT "abstract://" /* a socket beside the default one, by its name */
#define TLS "tls+"             /* another spelling of ours: tcp is always encrypted */
#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LONGEST_SUFFIX ".workers"

/* A unix socket's path has 107 bytes on Linux; the longest of our endpoints must fit. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define NAME_MAX_BYTES 64u
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

/* "ipc://" and a name in the directory of the default address. `out` has
 * XD_ADDRESS_MAX_BYTES. */
static enum xd_err beside_default(const char *name, char *out, struct xd_error *error)
{
    char directory[XD_ADDRESS_MAX_BYTES];
    int length = default_directory(directory, sizeof directory);
    if (length >= 0 && (size_t)length < sizeof directory) {
        length = snprintf(out, XD_ADDRESS_MAX_BYTES, IPC "%s/%s", directory, name);
    }
    if (length < 0 || (size_t)length >= XD_ADDRESS_MAX_BYTES) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the runtime directory's path is too long");
    }
    return check_path(out, error);
}

static enum xd_err plain_of_abstract(const char *address,
                                     char *out,
                                     struct xd_error *error)
{
    const char *name = address + sizeof ABSTRACT - 1;
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_BYTES || name[0] == '.' ||
        strspn(name, LETTERS DIGITS "._-") < size) {
        return fail(error,
                    XD_ERR_INVALID,
                    address,
                    "abstract wants a name of at most 64 letters, digits, dots, dashes "
                    "and underscores");
    }
    return beside_default(name, out, error);
}

/* Behind the scheme of a tcp address in either spelling; NULL: not tcp. */
static const char *after_tcp(const char *address)
{
    if (starts_with(address, TLS)) {
        address += sizeof TLS - 1;
    }
    return starts_with(address, TCP) ? address + sizeof TCP - 1 : NULL;
}

static bool is_bracketed(const char *host, size_t size)
{
    return size > 2 && host[0] == '[' && host[size - 1] == ']' &&
           strspn(host + 1, HEX_DIGITS ":.") == size - 2;
}

/* A name, a number, an IPv6 address in brackets, or the star of one who listens on every
 * interface. Nothing else: libzmq would read more into it (";" and a source address). */
static bool is_host(const char *host, size_t size)
{
    if (size == 1 && host[0] == '*') {
        return true;
    }
    return is_bracketed(host, size) || (size > 0 && isalnum((unsigned char)host[0]) &&
                                        strspn(host, LETTERS DIGITS "._-") >= size);
}

/* Up to 65535, all of the text. */
static bool read_port(const char *text, unsigned *out)
{
    size_t size = strspn(text, DIGITS);
    if (size == 0 || size > 5 || text[size] != '\0') {
        return false;
    }
    unsigned long port = strtoul(text, NULL, 10);
    if (port > 65535) {
        return false;
    }
    *out = (unsigned)port;
    return true;
}

static enum xd_err check_tcp(const char *address, struct xd_error *error)
{
    const char *host = after_tcp(address), *colon = strrchr(host, ':');
    unsigned port;
    if (strlen(host) + sizeof TCP > XD_ADDRESS_MAX_BYTES) {
        return fail(error, XD_ERR_TOO_LARGE, address, "longer than 255 bytes");
    }
    if (!colon || !is_host(host, (size_t)(colon - host))) {
        return fail(error,
                    XD_ERR_INVALID,
                    address,
                    "tcp wants HOST:PORT: a name, an IPv4 address, or an IPv6 one in "
                    "brackets");
    }
    if (!read_port(colon + 1, &port)) {
        return fail(error,
                    XD_ERR_INVALID,
                    address,
                    "tcp wants HOST:PORT with a port of at most 65535");
    }
    return XD_OK;
}

enum xd_err xd_address_check(const char *address, struct xd_error *error)
{
    if (starts_with(address, IPC)) {
        return check_path(address, error);
    }
    if (after_tcp(address)) {
        return check_tcp(address, error);
    }
    if (starts_with(address, ABSTRACT)) {
        char plain[XD_ADDRESS_MAX_BYTES];
        return plain_of_abstract(address, plain, error);
    }
    if (starts_with(address, "ws://") || starts_with(address, "wss://")) {
        return fail(error,
                    XD_ERR_UNSUPPORTED,
                    address,
                    "there are no WebSockets here, use tcp://HOST:PORT");
    }
    return fail(error,
                XD_ERR_INVALID,
                address,
                "want ipc:// and an absolute path, or tcp://HOST:PORT");
}

enum xd_err xd_address_plain(const char *address, char *out, struct xd_error *error)
{
    if (starts_with(address, ABSTRACT)) {
        char plain[XD_ADDRESS_MAX_BYTES];
        enum xd_err err = plain_of_abstract(address, plain, error);
        if (!err) {
            memcpy(out, plain, strlen(plain) + 1);
        }
        return err;
    }
    enum xd_err err = xd_address_check(address, error);
    if (!err) {
        const char *plain = address + (starts_with(address, TLS) ? sizeof TLS - 1 : 0);
        memmove(out, plain, strlen(plain) + 1);
    }
    return err;
}

bool xd_address_is_tcp(const char *address)
{
    return after_tcp(address) != NULL;
}

unsigned xd_address_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    unsigned port;
    return xd_address_is_tcp(address) && colon && read_port(colon + 1, &port) ? port : 0;
}

enum xd_err xd_address_with_port(const char *address,
                                 unsigned port,
                                 char *out,
                                 struct xd_error *error)
{
    if (!xd_address_is_tcp(address)) {
        return fail(error, XD_ERR_INVALID, address, "not a tcp address");
    }
    char made[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = xd_address_plain(address, made, error);
    if (err) {
        return err;
    }
    char *behind = strrchr(made, ':') + 1;
    size_t room = sizeof made - (size_t)(behind - made);
    if (port > 65535 || snprintf(behind, room, "%u", port) >= (int)room) {
        return fail(error, XD_ERR_INVALID, address, "no room for that port");
    }
    memcpy(out, made, strlen(made) + 1);
    return XD_OK;
}

enum xd_err xd_address_default(char *out, struct xd_error *error)
{
    char address[XD_ADDRESS_MAX_BYTES];
    enum xd_err err = beside_default("broker", address, error);
    if (!err) {
        memcpy(out, address, strlen(address) + 1);
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

/* The path of the directory that an ipc address lies in. `out` has XD_ADDRESS_MAX_BYTES.
 */
static void directory_of(const char *address, char *out)
{
    size_t size = (size_t)(strrchr(address, '/') - (address + IPC_LENGTH));
    if (size == 0) {
        size = 1; /* the root itself */
    }
    memcpy(out, address + IPC_LENGTH, size);
    out[size] = '\0';
}

enum xd_err xd_address_directory(const char *address, int create, struct xd_error *error)
{
    enum xd_err err = xd_address_check(address, error);
    if (err || xd_address_is_tcp(address)) {
        return err;
    }
    char path[XD_ADDRESS_MAX_BYTES];
    directory_of(address, path);
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

/* ---- addresses in directories that others use, too ---- */

/* What stands at a path; the mode of what is not there is 0. */
static enum xd_err look_at(const char *path, struct stat *found, struct xd_error *error)
{
    if (lstat(path, found) == 0) {
        return XD_OK;
    }
    memset(found, 0, sizeof *found);
    return errno == ENOENT ? XD_OK : fail_system(error, "look at", path);
}

static bool is_open_for_writing(const struct stat *directory)
{
    return (directory->st_mode & 022) != 0;
}

/* May this user's sockets lie right in there? A directory that is missing will be made
 * so. */
static bool is_private(const struct stat *directory)
{
    return directory->st_mode == 0 ||
           (S_ISDIR(directory->st_mode) && directory->st_uid == geteuid() &&
            (directory->st_mode & 077) == 0);
}

/* Can nobody else but root take away or replace what this user makes in there? */
static bool keeps_entries(const struct stat *directory)
{
    return S_ISDIR(directory->st_mode) &&
           (directory->st_uid == geteuid() || directory->st_uid == 0) &&
           (!is_open_for_writing(directory) || (directory->st_mode & S_ISVTX) != 0);
}

/* The one who listens: is a directory of its own wanted? */
static enum xd_err wants_directory(const char *parent,
                                   const struct stat *found,
                                   bool *out,
                                   struct xd_error *error)
{
    if (!is_private(found) && !keeps_entries(found)) {
        return xd_fail(error,
                       XD_ERR_FORBIDDEN,
                       "%s is no directory for a socket: it must be this user's or "
                       "root's, and nobody else may replace what lies in it",
                       parent);
    }
    *out = !is_private(found);
    return XD_OK;
}

/* The one who dials: where others may put sockets, only a directory shows whose it is. */
static enum xd_err check_entry(const char *path,
                               const struct stat *entry,
                               const char *parent,
                               const struct stat *found,
                               struct xd_error *error)
{
    if (!S_ISDIR(found->st_mode) || !is_open_for_writing(found)) {
        return XD_OK; /* xd_address_directory() has more to say */
    }
    if (entry->st_mode == 0) {
        return xd_fail(error, XD_ERR_TIMEOUT, "no broker answers: there is no %s", path);
    }
    return xd_fail(error,
                   XD_ERR_FORBIDDEN,
                   "%s is not a broker's directory, and others may write to %s",
                   path,
                   parent);
}

enum xd_err xd_address_place(const char *address,
                             bool create,
                             char *out,
                             struct xd_error *error)
{
    char plain[XD_ADDRESS_MAX_BYTES], parent[XD_ADDRESS_MAX_BYTES];
    struct stat entry, found;
    enum xd_err err = xd_address_plain(address, plain, error);
    if (err || xd_address_is_tcp(plain)) {
        return err ? err : xd_address_plain(plain, out, error);
    }
    const char *path = plain + IPC_LENGTH;
    directory_of(plain, parent);
    err = look_at(parent, &found, error);
    err = err ? err : look_at(path, &entry, error);
    bool inside = !err && S_ISDIR(entry.st_mode);
    if (!err && !inside) {
        err = create ? wants_directory(parent, &found, &inside, error)
                     : check_entry(path, &entry, parent, &found, error);
    }
    if (!err && inside) {
        char within[XD_ADDRESS_MAX_BYTES];
        err = xd_address_beside(plain, "/broker", within, error);
        return err ? err : xd_address_plain(within, out, error);
    }
    return err ? err : xd_address_plain(plain, out, error);
}
