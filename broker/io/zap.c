/* SPDX-License-Identifier: MIT */
/* The ZAP handler (ZeroMQ RFC 27): a REP socket on inproc, answered by a thread of its
 * own. */
#include "io/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "base/alloc.h"
#include "base/thread.h"

#define ENDPOINT "inproc://zeromq.zap.01"
#define SECRET_BYTES 16
/* The frames of a request (RFC 27). */
enum { VERSION, ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIAL, FIELDS };
#define FIELD_ROOM 256

struct xdb_zap {
    pthread_t thread;
    void *reply, *stop_here, *stop_there; /* REP; PAIR ends for the end */
    struct xdb_rights *rights;
    atomic_uchar takes[XDB_ZAP_LISTENERS_MAX]; /* enum xdb_mechanism of each domain */
    int died_fd;
    char secret[2 * SECRET_BYTES + 1];
};

/* One request, each field ended by NUL; what is longer than a field's room makes it
 * invalid. */
struct request {
    char field[FIELDS][FIELD_ROOM];
    size_t size[FIELDS];
    size_t count;
    bool valid;
};

static void domain_name(uint32_t listener, char out[XDB_ZAP_DOMAIN_ROOM])
{
    (void)snprintf(out, XDB_ZAP_DOMAIN_ROOM, "crossdock-%u", (unsigned)listener);
}

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
            request->size[request->count] = (size_t)got;
        }
        request->count++;
        size_t size = sizeof more;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0) {
            return false;
        }
    }
    return true;
}

/* "localhost:uid:gid:pid" is what libzmq gives for a unix socket, from SO_PEERCRED. */
static bool parse_local(const char *address, unsigned long *uid, unsigned long *gid)
{
    unsigned long pid = 0;
    int end = 0;
    return sscanf(address, "localhost:%lu:%lu:%lu%n", uid, gid, &pid, &end) == 3 &&
           address[end] == '\0';
}

/* Of a domain; XDB_ZAP_LISTENERS_MAX for one of nobody's. */
static uint32_t listener_of(const char *domain)
{
    for (uint32_t i = 0; i < XDB_ZAP_LISTENERS_MAX; i++) {
        char name[XDB_ZAP_DOMAIN_ROOM];
        domain_name(i, name);
        if (strcmp(domain, name) == 0) {
            return i;
        }
    }
    return XDB_ZAP_LISTENERS_MAX;
}

/* A listener takes one mechanism: NULL on tcp, and CURVE on ipc, are refused here even if
 * a socket were set up wrongly. */
static const struct xdb_right *find_right(const struct xdb_zap *zap,
                                          const struct request *request,
                                          uint32_t listener)
{
    const char *mechanism = request->field[MECHANISM];
    if (!request->valid || request->count <= MECHANISM ||
        strcmp(request->field[VERSION], "1.0") != 0 ||
        listener == XDB_ZAP_LISTENERS_MAX) {
        return NULL;
    }
    unsigned char takes = atomic_load(&zap->takes[listener]);
    unsigned long uid = 0, gid = 0;
    if (takes == XDB_MECHANISM_NULL && strcmp(mechanism, "NULL") == 0 &&
        parse_local(request->field[ADDRESS], &uid, &gid)) {
        return xdb_rights_of_user(zap->rights, uid, gid);
    }
    if (takes == XDB_MECHANISM_CURVE && strcmp(mechanism, "CURVE") == 0 &&
        request->count == FIELDS && request->size[CREDENTIAL] == XD_KEY_BYTES) {
        unsigned char key[XD_KEY_BYTES];
        memcpy(key, request->field[CREDENTIAL], sizeof key);
        return xdb_rights_of_key(zap->rights, key);
    }
    return NULL;
}

static bool answer(const struct xdb_zap *zap, const struct request *request)
{
    uint32_t listener = listener_of(request->field[DOMAIN]);
    const struct xdb_right *right = find_right(zap, request, listener);
    bool ok = right != NULL;
    char user[128] = "";
    if (ok) {
        (void)snprintf(user,
                       sizeof user,
                       "%s:%u:%u",
                       zap->secret,
                       (unsigned)listener,
                       (unsigned)right->number);
    }
    const char *fields[] = {"1.0",
                            request->field[ID],
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
                          struct xdb_rights *rights,
                          int died_fd,
                          struct xdb_zap **out)
{
    struct xdb_zap *zap = xd_zalloc(sizeof *zap);
    if (zap == NULL) {
        return XD_ERR_NOMEM;
    }
    zap->died_fd = died_fd;
    zap->rights = rights;
    zap->reply = make_socket(context, ZMQ_REP, ENDPOINT, true);
    zap->stop_here = make_socket(context, ZMQ_PAIR, "inproc://crossdock.zap.stop", true);
    zap->stop_there =
        make_socket(context, ZMQ_PAIR, "inproc://crossdock.zap.stop", false);
    if (zap->reply == NULL || zap->stop_here == NULL || zap->stop_there == NULL ||
        !make_secret(zap->secret) || xd_thread_start(&zap->thread, serve, zap) != XD_OK) {
        zap_free(zap);
        return XD_ERR_SYSTEM;
    }
    *out = zap;
    return XD_OK;
}

void xdb_zap_announce(struct xdb_zap *zap,
                      uint32_t number,
                      enum xdb_mechanism mechanism,
                      char domain[XDB_ZAP_DOMAIN_ROOM])
{
    domain_name(number, domain);
    atomic_store(&zap->takes[number], (unsigned char)mechanism);
}

const struct xdb_right *xdb_zap_right(const struct xdb_zap *zap,
                                      const char *user_id,
                                      uint32_t *listener)
{
    size_t size = sizeof zap->secret - 1;
    if (strncmp(user_id, zap->secret, size) != 0 || user_id[size] != ':') {
        return NULL;
    }
    char *end;
    unsigned long number = strtoul(user_id + size + 1, &end, 10);
    if (*end != ':' || number >= XDB_ZAP_LISTENERS_MAX) {
        return NULL;
    }
    *listener = (uint32_t)number;
    number = strtoul(end + 1, &end, 10);
    return *end == '\0' && number <= UINT32_MAX
               ? xdb_rights_at(zap->rights, (uint32_t)number)
               : NULL;
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
