/* SPDX-License-Identifier: MIT */
/* CurveZMQ's commands, client's side. */
#include "curve.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

enum { KEY = 32, MAC = 16, COOKIE = 96, GREETING = 64, SHORT_NONCE = 8, HEAD = 9 };
enum { HELLO = 200, WELCOME = 168 };
enum { COMMAND = 4, LARGE = 2 }; /* flags of a frame */

static unsigned char *put(unsigned char *at, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(at, data, size);
    }
    return at + size;
}

static unsigned char *put_number(unsigned char *at, uint64_t number, int bytes)
{
    while (bytes-- > 0) {
        *at++ = (unsigned char)(number >> (8 * bytes));
    }
    return at;
}

/* "CurveZMQ..." and the peer's counter, which goes in front of the box. */
static unsigned char *next_nonce(struct curve *curve,
                                 const char *prefix,
                                 unsigned char *at,
                                 unsigned char out[crypto_box_NONCEBYTES])
{
    unsigned char *end = put_number(at, ++curve->nonce, SHORT_NONCE);
    put(put(out, prefix, 16), at, SHORT_NONCE);
    return end;
}

/* ---- bytes on the connection */

int curve_connect(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {10 * sys_slowness(), 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    cr_assert(connect(fd, (struct sockaddr *)(void *)&to, sizeof to) == 0,
              "nobody listens on port %u",
              port);
    return fd;
}

static bool write_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool read_all(int fd, unsigned char *data, size_t size)
{
    return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static unsigned char *put_head(unsigned char *at, unsigned char flags, size_t size)
{
    *at++ = (unsigned char)(flags | (size > 255 ? LARGE : 0));
    return put_number(at, size, size > 255 ? 8 : 1);
}

static bool write_command(int fd, const unsigned char *body, size_t size)
{
    unsigned char head[HEAD];
    size_t used = (size_t)(put_head(head, COMMAND, size) - head);
    return write_all(fd, head, used) && write_all(fd, body, size);
}

static bool read_frame(int fd,
                       unsigned char *flags,
                       unsigned char *body,
                       size_t room,
                       size_t *size)
{
    unsigned char length[8];
    if (!read_all(fd, flags, 1)) {
        return false;
    }
    size_t bytes = (*flags & LARGE) != 0 ? 8 : 1;
    if (!read_all(fd, length, bytes)) {
        return false;
    }
    *size = 0;
    for (size_t i = 0; i < bytes; i++) {
        *size = *size << 8 | length[i];
    }
    return *size <= room && read_all(fd, body, *size);
}

/* ---- the handshake */

struct handshake {
    unsigned char server[KEY], own[KEY], own_secret[KEY]; /* for ever */
    unsigned char short_key[KEY], short_secret[KEY];      /* for this connection */
    unsigned char server_short[KEY], cookie[COOKIE];
};

static bool greet(int fd)
{
    unsigned char out[GREETING] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0},
                  in[GREETING];
    memcpy(out + 12, "CURVE", 5);
    return write_all(fd, out, sizeof out) && read_all(fd, in, sizeof in) &&
           memcmp(in + 12, "CURVE", 6) == 0;
}

static bool say_hello(struct curve *curve, const struct handshake *shake, bool spoil)
{
    unsigned char body[HELLO] = {0}, nonce[crypto_box_NONCEBYTES];
    static const unsigned char zeros[64];
    put(body, "\x05HELLO\x01", 8);
    unsigned char *at = put(body + 80, shake->short_key, KEY);
    at = next_nonce(curve, "CurveZMQHELLO---", at, nonce);
    cr_assert(crypto_box_easy(at,
                              zeros,
                              sizeof zeros,
                              nonce,
                              shake->server,
                              shake->short_secret) == 0);
    if (spoil) {
        at[5] ^= 1;
    }
    return write_command(curve->fd, body, sizeof body);
}

static bool hear_welcome(struct curve *curve, struct handshake *shake)
{
    unsigned char flags, body[512], nonce[crypto_box_NONCEBYTES], plain[KEY + COOKIE];
    size_t size;
    if (!read_frame(curve->fd, &flags, body, sizeof body, &size) || size != WELCOME ||
        memcmp(body, "\x07WELCOME", 8) != 0) {
        return false;
    }
    put(put(nonce, "WELCOME-", 8), body + 8, 16);
    if (crypto_box_open_easy(plain,
                             body + 24,
                             sizeof plain + MAC,
                             nonce,
                             shake->server,
                             shake->short_secret) != 0) {
        return false;
    }
    memcpy(shake->server_short, plain, KEY);
    memcpy(shake->cookie, plain + KEY, COOKIE);
    return true;
}

static unsigned char *put_property(unsigned char *at, const char *name, const char *value)
{
    at = put_number(at, strlen(name), 1);
    at = put(at, name, strlen(name));
    at = put_number(at, strlen(value), 4);
    return put(at, value, strlen(value));
}

/* Proof that both keys are ours. */
static unsigned char *put_vouch(unsigned char *at,
                                const struct handshake *shake,
                                bool spoil)
{
    unsigned char nonce[crypto_box_NONCEBYTES], text[2 * KEY];
    randombytes_buf(at, 16);
    put(put(nonce, "VOUCH---", 8), at, 16);
    put(put(text, shake->short_key, KEY), shake->server, KEY);
    cr_assert(crypto_box_easy(at + 16,
                              text,
                              sizeof text,
                              nonce,
                              shake->server_short,
                              spoil ? shake->short_secret : shake->own_secret) == 0);
    return at + 16 + sizeof text + MAC;
}

static bool initiate(struct curve *curve,
                     const struct handshake *shake,
                     const char *name,
                     const char *value,
                     enum curve_spoil spoil)
{
    unsigned char body[4096], plain[2048], nonce[crypto_box_NONCEBYTES];
    unsigned char *at = put(plain, shake->own, KEY);
    at = put_vouch(at, shake, spoil == CURVE_BAD_VOUCH);
    at = put_property(at, "Socket-Type", "DEALER");
    if (name != NULL) {
        at = put_property(at, name, value);
    }
    size_t size = (size_t)(at - plain);
    at = put(put(body, "\x08INITIATE", 9), shake->cookie, COOKIE);
    if (spoil == CURVE_BAD_COOKIE) {
        body[9 + COOKIE / 2] ^= 1;
    }
    at = next_nonce(curve, "CurveZMQINITIATE", at, nonce);
    cr_assert(crypto_box_easy_afternm(at, plain, size, nonce, curve->shared) == 0);
    return write_command(curve->fd, body, (size_t)(at - body) + size + MAC);
}

static bool hear_ready(struct curve *curve)
{
    unsigned char flags, body[1024];
    size_t size;
    return read_frame(curve->fd, &flags, body, sizeof body, &size) && size > 6 &&
           memcmp(body, "\x05READY", 6) == 0;
}

/* Another connection takes over what the server gave to this one. */
static bool change_connection(struct curve *curve, unsigned port)
{
    close(curve->fd);
    curve->fd = curve_connect(port);
    return greet(curve->fd);
}

bool curve_open(struct curve *curve,
                unsigned port,
                const char *server_key,
                const struct xd_key_pair *own,
                const char *name,
                const char *value,
                enum curve_spoil spoil)
{
    struct handshake shake;
    *curve = (struct curve){.fd = curve_connect(port)};
    curve->buffer = malloc(CURVE_BUFFER);
    cr_assert(sodium_init() >= 0 && curve->buffer != NULL);
    xd_key_bytes(server_key, shake.server);
    xd_key_bytes(own->public_key, shake.own);
    xd_key_bytes(own->secret_key, shake.own_secret);
    crypto_box_keypair(shake.short_key, shake.short_secret);
    if (!greet(curve->fd) || !say_hello(curve, &shake, spoil == CURVE_BAD_HELLO) ||
        !hear_welcome(curve, &shake) ||
        crypto_box_beforenm(curve->shared, shake.server_short, shake.short_secret) != 0) {
        return false;
    }
    if (spoil == CURVE_OLD_INITIATE && !change_connection(curve, port)) {
        return false;
    }
    return initiate(curve, &shake, name, value, spoil) && hear_ready(curve);
}

/* ---- messages */

bool curve_flush(struct curve *curve)
{
    size_t size = curve->used;
    curve->used = 0;
    return write_all(curve->fd, curve->buffer, size);
}

bool curve_send(struct curve *curve, const void *data, size_t size, bool more)
{
    size_t box = 1 + size + MAC, body = 8 + SHORT_NONCE + box;
    cr_assert(body + HEAD <= CURVE_BUFFER);
    if (curve->used + body + HEAD > CURVE_BUFFER && !curve_flush(curve)) {
        return false;
    }
    unsigned char nonce[crypto_box_NONCEBYTES];
    unsigned char *at = put_head(curve->buffer + curve->used, 0, body);
    at = put(at, "\x07MESSAGE", 8);
    at = next_nonce(curve, "CurveZMQMESSAGEC", at, nonce);
    at[MAC] = more ? 1 : 0;
    put(at + MAC + 1, data, size);
    cr_assert(crypto_box_easy_afternm(at, at + MAC, 1 + size, nonce, curve->shared) == 0);
    curve->used = (size_t)(at + box - curve->buffer);
    return true;
}

/* A frame that came, into `data`; false: it is none of ours. */
static bool open_message(const struct curve *curve,
                         const unsigned char *body,
                         size_t size,
                         unsigned char *data,
                         size_t room,
                         size_t *out)
{
    unsigned char nonce[crypto_box_NONCEBYTES], plain[4096];
    if (size < 16 + MAC + 1 || size - 16 - MAC > sizeof plain ||
        memcmp(body, "\x07MESSAGE", 8) != 0) {
        return false;
    }
    put(put(nonce, "CurveZMQMESSAGES", 16), body + 8, SHORT_NONCE);
    *out = size - 16 - MAC - 1;
    if (*out > room ||
        crypto_box_open_easy_afternm(plain, body + 16, size - 16, nonce, curve->shared) !=
            0) {
        return false;
    }
    put(data, plain + 1, *out);
    return true;
}

bool curve_receive(struct curve *curve,
                   unsigned char *data,
                   size_t room,
                   size_t *size,
                   int timeout_ms)
{
    unsigned char flags, body[4096];
    size_t length;
    struct pollfd item = {curve->fd, POLLIN, 0};
    while (poll(&item, 1, timeout_ms) > 0) {
        if (!read_frame(curve->fd, &flags, body, sizeof body, &length)) {
            return false;
        }
        if (open_message(curve, body, length, data, room, size)) {
            return true;
        }
    }
    return false;
}

void curve_close(struct curve *curve)
{
    close(curve->fd);
    free(curve->buffer);
    curve->buffer = NULL;
}
