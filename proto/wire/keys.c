/* SPDX-License-Identifier: MIT */
/* One's own CURVE keys. */
#include "wire/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "wire/cert.h"
#include "wire/key_file.h"

#define Z85_LENGTH (XD_KEY_Z85_ROOM - 1)
#define HEX_LENGTH (XD_KEY_HEX_ROOM - 1)
#define FINGERPRINT_BYTES ((XD_FINGERPRINT_ROOM - 1) / 2)

#define SERVER_SECRET "server.key"
#define SERVER_PUBLIC "server.pub"
#define USER_SECRET "user.key"

void xd_key_pair_wipe(struct xd_key_pair *pair)
{
    if (pair) {
        explicit_bzero(pair, sizeof *pair);
    }
}

/* ---- spellings */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool from_hex(const char *text, unsigned char out[XD_KEY_BYTES])
{
    for (size_t i = 0; i < XD_KEY_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Older libzmq looks up characters that Z85 does not have, and lets groups overflow. */
static bool from_z85(const char *text, unsigned char out[XD_KEY_BYTES])
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
                                   "NOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    char again[XD_KEY_Z85_ROOM];
    bool is_same = strspn(text, alphabet) == Z85_LENGTH && zmq_z85_decode(out, text) &&
                   zmq_z85_encode(again, out, XD_KEY_BYTES) && strcmp(again, text) == 0;
    explicit_bzero(again, sizeof again);
    return is_same;
}

enum xd_err xd_key_parse(const char *text,
                         const char *what,
                         char out[XD_KEY_Z85_ROOM],
                         struct xd_error *error)
{
    unsigned char bytes[XD_KEY_BYTES];
    size_t length = strlen(text);
    bool is_key = (length == Z85_LENGTH && from_z85(text, bytes)) ||
                  (length == HEX_LENGTH && from_hex(text, bytes));
    if (is_key) {
        (void)zmq_z85_encode(out, bytes, XD_KEY_BYTES);
    }
    explicit_bzero(bytes, sizeof bytes);
    return is_key ? XD_OK
                  : xd_fail(error,
                            XD_ERR_INVALID,
                            "%s is no key: want 64 hexadecimal digits or 40 characters "
                            "of Z85 (it has %zu)",
                            what,
                            length);
}

void xd_key_bytes(const char *z85, unsigned char out[XD_KEY_BYTES])
{
    (void)zmq_z85_decode(out, z85);
}

static void to_hex(const char *z85, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char key[XD_KEY_BYTES];
    xd_key_bytes(z85, key);
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = digits[key[i] >> 4];
        out[2 * i + 1] = digits[key[i] & 15];
    }
    out[2 * bytes] = '\0';
}

void xd_key_hex(const char *z85, char out[XD_KEY_HEX_ROOM])
{
    to_hex(z85, XD_KEY_BYTES, out);
}

void xd_key_fingerprint(const char *z85, char out[XD_FINGERPRINT_ROOM])
{
    to_hex(z85, FINGERPRINT_BYTES, out);
}

/* ---- where they lie */

/* Environment variables of a set-uid program are not believed; of the two that others
 * use, relative ones neither (XDG Base Directory Specification). */
static const char *absolute_variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

enum xd_err xd_state_directory(char *out, struct xd_error *error)
{
    const char *state = secure_getenv("CROSSDOCK_STATE"), *behind = "";
    if (state && state[0] != '\0' && state[0] != '/') {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "CROSSDOCK_STATE is not an absolute path: %s",
                       state);
    }
    if (!state || state[0] == '\0') {
        state = absolute_variable("XDG_STATE_HOME");
        behind = "/crossdock";
    }
    if (!state) {
        state = absolute_variable("HOME");
        behind = "/.local/state/crossdock";
    }
    if (!state) {
        return xd_fail(error,
                       XD_ERR_SYSTEM,
                       "no state directory: neither CROSSDOCK_STATE, XDG_STATE_HOME nor "
                       "HOME is set");
    }
    char made[XD_STATE_MAX_BYTES];
    int length = snprintf(made, sizeof made, "%s%s", state, behind);
    if (length < 0 || (size_t)length >= sizeof made) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the state directory's path is too long: %s",
                       state);
    }
    memcpy(out, made, (size_t)length + 1);
    return XD_OK;
}

/* ---- files */

static enum xd_err parse(char *text, struct xd_key_pair *pair, struct xd_error *error)
{
    struct xd_cert_reader reader;
    struct xd_cert_item item;
    enum xd_err err;
    xd_cert_reader_init(&reader, text);
    while ((err = xd_cert_next(&reader, &item, error)) == XD_OK) {
        if (item.in_curve && (err = xd_cert_take_key(&item, pair, error)) != XD_OK) {
            return err;
        }
    }
    return err == XD_ERR_NOT_FOUND ? XD_OK : err;
}

/* Keys that do not belong together would fail at the first handshake only, and without a
 * word. */
static enum xd_err check_pair(const struct xd_key_pair *pair,
                              bool secret,
                              struct xd_error *error)
{
    char derived[XD_KEY_Z85_ROOM];
    if (pair->public_key[0] == '\0' || (secret && pair->secret_key[0] == '\0')) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "no %s in it",
                       pair->public_key[0] == '\0' ? "public-key" : "secret-key");
    }
    if (!secret && pair->secret_key[0] != '\0') {
        return xd_fail(error, XD_ERR_INVALID, "has a secret-key, for all to read");
    }
    if (secret && zmq_curve_public(derived, pair->secret_key) != 0) {
        return xd_fail(error, XD_ERR_UNSUPPORTED, "this libzmq has no CURVE");
    }
    if (secret && strcmp(derived, pair->public_key) != 0) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "public-key does not belong to the secret-key");
    }
    return XD_OK;
}

/* Of either access: with a secret, and without. */
static enum xd_err read_pair(const struct xd_key_dir *dir,
                             const char *name,
                             enum xd_key_access access,
                             struct xd_key_pair *out,
                             struct xd_error *error)
{
    char text[XD_KEY_FILE_ROOM];
    struct xd_key_pair pair = {"", ""};
    enum xd_err err = xd_key_file_read(dir, name, access, text, error);
    if (!err) {
        err = parse(text, &pair, error);
        if (!err) {
            err = check_pair(&pair, access == XD_KEY_PRIVATE, error);
        }
        if (err) {
            xd_error_prefix(error, name);
        }
    }
    if (!err) {
        *out = pair;
    }
    explicit_bzero(text, sizeof text);
    xd_key_pair_wipe(&pair);
    return err;
}

static enum xd_err write_pair(const struct xd_key_dir *dir,
                              const char *name,
                              const struct xd_key_pair *pair,
                              struct xd_error *error)
{
    bool has_secret = pair->secret_key[0] != '\0';
    struct xd_cert_writer writer;
    xd_cert_write_start(&writer,
                        has_secret ? "secret key, for nobody else" : "public key");
    xd_cert_write(&writer, "name", name);
    xd_cert_write_keys(&writer, pair);
    enum xd_err err = xd_key_file_write(dir,
                                        name,
                                        has_secret ? XD_KEY_PRIVATE : XD_KEY_PUBLIC,
                                        !has_secret,
                                        writer.text,
                                        error);
    explicit_bzero(&writer, sizeof writer);
    return err;
}

/* A new pair in a file; when another process was first, its pair. */
static enum xd_err make_pair(const struct xd_key_dir *dir,
                             const char *name,
                             struct xd_key_pair *out,
                             struct xd_error *error)
{
    struct xd_key_pair pair;
    if (zmq_curve_keypair(pair.public_key, pair.secret_key) != 0) {
        return xd_fail(error, XD_ERR_UNSUPPORTED, "this libzmq has no CURVE");
    }
    enum xd_err err = write_pair(dir, name, &pair, error);
    xd_key_pair_wipe(&pair);
    return err == XD_OK || err == XD_ERR_EXISTS
               ? read_pair(dir, name, XD_KEY_PRIVATE, out, error)
               : err;
}

static enum xd_err read_or_make(const struct xd_key_dir *dir,
                                const char *name,
                                bool make,
                                struct xd_key_pair *out,
                                struct xd_error *error)
{
    enum xd_err err = read_pair(dir, name, XD_KEY_PRIVATE, out, error);
    return err == XD_ERR_NOT_FOUND && make ? make_pair(dir, name, out, error) : err;
}

/* server.pub says what server.key says: also after a crash between the two, and after
 * somebody replaced one of them. */
static enum xd_err publish(const struct xd_key_dir *dir,
                           const struct xd_key_pair *pair,
                           struct xd_error *error)
{
    struct xd_key_pair there, half = {"", ""};
    if (read_pair(dir, SERVER_PUBLIC, XD_KEY_PUBLIC, &there, NULL) == XD_OK &&
        strcmp(there.public_key, pair->public_key) == 0) {
        return XD_OK;
    }
    memcpy(half.public_key, pair->public_key, sizeof half.public_key);
    return write_pair(dir, SERVER_PUBLIC, &half, error);
}

enum xd_err xd_keys_server(const char *state,
                           struct xd_key_pair *out,
                           struct xd_error *error)
{
    struct xd_key_dir dir;
    struct xd_key_pair pair;
    enum xd_err err = xd_key_dir_open(state, true, XD_KEY_PRIVATE, &dir, error);
    if (err) {
        return err;
    }
    err = read_or_make(&dir, SERVER_SECRET, true, &pair, error);
    if (!err) {
        err = publish(&dir, &pair, error);
        if (!err) {
            *out = pair;
        }
        xd_key_pair_wipe(&pair);
    }
    xd_key_dir_close(&dir);
    return err;
}

enum xd_err xd_keys_user(const char *state,
                         bool make,
                         struct xd_key_pair *out,
                         struct xd_error *error)
{
    struct xd_key_dir dir;
    enum xd_err err = xd_key_dir_open(state, make, XD_KEY_PRIVATE, &dir, error);
    if (!err) {
        err = read_or_make(&dir, USER_SECRET, make, out, error);
        xd_key_dir_close(&dir);
    }
    if (err == XD_ERR_NOT_FOUND) {
        xd_error_set(error,
                     "no key of yours: there is no %s/" USER_SECRET
                     "; `crossdock keys new` makes it",
                     state);
    }
    return err;
}

enum xd_err xd_keys_server_public(const char *state,
                                  char out[XD_KEY_Z85_ROOM],
                                  struct xd_error *error)
{
    struct xd_key_dir dir;
    struct xd_key_pair pair;
    enum xd_err err = xd_key_dir_open(state, false, XD_KEY_PUBLIC, &dir, error);
    if (!err) {
        err = read_pair(&dir, SERVER_PUBLIC, XD_KEY_PUBLIC, &pair, error);
        xd_key_dir_close(&dir);
    }
    if (!err) {
        memcpy(out, pair.public_key, sizeof pair.public_key);
    }
    if (err == XD_ERR_NOT_FOUND) {
        xd_error_set(error,
                     "the broker's public key is not known: neither given, nor in "
                     "CROSSDOCK_SERVER_KEY, nor in %s/" SERVER_PUBLIC
                     " (there, `crossdock keys server` prints it)",
                     state);
    }
    return err;
}

enum xd_err xd_keys_read(const char *path,
                         struct xd_key_pair *out,
                         struct xd_error *error)
{
    return read_pair(NULL, path, XD_KEY_PRIVATE, out, error);
}
