/* SPDX-License-Identifier: MIT */
/* The ZAP handler (ZeroMQ RFC 27): a REP socket on inproc, answered by a thread of its
 * own. */
#include "io/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"

#define ENDPOINT "inproc://zeromq.zap.01"
#define SECRET_BYTES 16
#define FIELDS                                                                           \
    7 /* version, id, domain, address, identity, mechanism, first credential             \
       */
#define FIELD_ROOM 256

struct xdb_zap {
    pthread_t thread;
    void *reply, *stop_here, *stop_there; /* REP; PAIR ends for the end */
    unsigned *ids;                        /* uids, then gids */
    size_t uid_count, gid_count;
    int died_fd;
    char secret[2 * SECRET_BYTES + 1];
};

/* One request, each field ended by NUL; what is longer than a field's room makes it
 * invalid. */
struct request {
    char field[FIELDS][FIELD_ROOM];
    size_t count;
    bool valid;
};

static bool receive(void *socket, struct request *request)
{
    memset(request, 0, sizeof *request);
    request->valid = true;
    int more = 1;
    while (more) {
        char buffer[FIELD_ROOM];
        int got = zmq_recv(socket, buffer, sizeof buffer - 1, 0);
        if (got < 0) {
            return false;
        }
        if (got > (int)sizeof buffer - 1) {
            request->valid = false;
        } else if (request->count < FIELDS) {
            memcpy(request->field[request->count], buffer, (size_t)got);
        }
        request->count++;
        size_t size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0) {
            return false;
        }
    }
    return true;
}

static bool listed(const unsigned *ids, size_t count, unsigned long id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* "localhost:uid:gid:pid" is what libzmq gives for a unix socket, from SO_PEERCRED. */
static bool parse_local(const char *address, unsigned long *uid, unsigned long *gid)
{
    unsigned long pid = 0;
    int end = 0;
    return sscanf(address, "localhost:%lu:%lu:%lu%n", uid, gid, &pid, &end) == 3 &&
           address[end] == '\0';
}

static bool allowed(const struct xdb_zap *zap,
                    const struct request *request,
                    unsigned long *uid)
{
    unsigned long gid = 0;
    if (!request->valid || request->count < 6 || strcmp(request->field[0], "1.0") != 0 ||
        strcmp(request->field[2], XDB_ZAP_DOMAIN) != 0 ||
        strcmp(request->field[5], "NULL") != 0 ||
        !parse_local(request->field[3], uid, &gid)) {
        return false;
    }
    return *uid == geteuid() || *uid == 0 || listed(zap->ids, zap->uid_count, *uid) ||
           listed(zap->ids + zap->uid_count, zap->gid_count, gid);
}

static bool answer(const struct xdb_zap *zap, const struct request *request)
{
    unsigned long uid = 0;
    bool ok = allowed(zap, request, &uid);
    char user[128] = "";
    if (ok) {
        (void)snprintf(user, sizeof user, "%s:uid=%lu", zap->secret, uid);
    }
    const char *fields[] = {"1.0",
                            request->field[1],
                            ok ? "200" : "400",
                            ok ? "OK" : "not allowed to connect",
                            user,
                            ""};
    const int count = sizeof fields / sizeof fields[0];
    for (int i = 0; i < count; i++) {
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        if (zmq_send(zap->reply, fields[i], strlen(fields[i]), flags) < 0) {
            return false;
        }
    }
    return true;
}

static void *serve(void *argument)
{
    struct xdb_zap *zap = argument;
    zmq_pollitem_t items[] = {{zap->reply, 0, ZMQ_POLLIN, 0},
                              {zap->stop_there, 0, ZMQ_POLLIN, 0}};
    struct request request;
    for (;;) {
        if (zmq_poll(items, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (items[1].revents != 0) {
            return NULL;
        }
        if (items[0].revents != 0 &&
            (!receive(zap->reply, &request) || !answer(zap, &request))) {
            break;
        }
    }
    uint64_t one = 1;
    (void)!write(zap->died_fd, &one, sizeof one);
    return NULL;
}

static void *make_socket(void *context, int type, const char *endpoint, bool bind)
{
    void *socket = zmq_socket(context, type);
    int zero = 0;
    if (socket == NULL) {
        return NULL;
    }
    if (zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        (bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) != 0) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

static void close_socket(void *socket)
{
    if (socket != NULL) {
        zmq_close(socket);
    }
}

static void zap_free(struct xdb_zap *zap)
{
    close_socket(zap->reply);
    close_socket(zap->stop_here);
    close_socket(zap->stop_there);
    xd_free(zap->ids);
    xd_free(zap);
}

static bool make_secret(char *secret)
{
    unsigned char bytes[SECRET_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    }
    return true;
}

enum xd_err xdb_zap_start(void *context,
                          const unsigned *uids,
                          size_t uid_count,
                          const unsigned *gids,
                          size_t gid_count,
                          int died_fd,
                          struct xdb_zap **out)
{
    struct xdb_zap *zap = xd_zalloc(sizeof *zap);
    if (zap == NULL) {
        return XD_ERR_NOMEM;
    }
    zap->died_fd = died_fd;
    zap->uid_count = uid_count;
    zap->gid_count = gid_count;
    zap->ids = xd_calloc(uid_count + gid_count + 1, sizeof *zap->ids);
    if (zap->ids == NULL) {
        xd_free(zap);
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < uid_count + gid_count; i++) {
        zap->ids[i] = i < uid_count ? uids[i] : gids[i - uid_count];
    }
    zap->reply = make_socket(context, ZMQ_REP, ENDPOINT, true);
    zap->stop_here = make_socket(context, ZMQ_PAIR, "inproc://crossdock.zap.stop", true);
    zap->stop_there =
        make_socket(context, ZMQ_PAIR, "inproc://crossdock.zap.stop", false);
    if (zap->reply == NULL || zap->stop_here == NULL || zap->stop_there == NULL ||
        !make_secret(zap->secret) ||
        pthread_create(&zap->thread, NULL, serve, zap) != 0) {
        zap_free(zap);
        return XD_ERR_SYSTEM;
    }
    *out = zap;
    return XD_OK;
}

const char *xdb_zap_principal(const struct xdb_zap *zap, const char *user_id)
{
    size_t size = sizeof zap->secret - 1;
    if (strncmp(user_id, zap->secret, size) != 0 || user_id[size] != ':') {
        return NULL;
    }
    return user_id + size + 1;
}

void xdb_zap_stop(struct xdb_zap *zap)
{
    if (zap == NULL) {
        return;
    }
    (void)zmq_send(zap->stop_here, "", 0, 0);
    pthread_join(zap->thread, NULL);
    zap_free(zap);
}
