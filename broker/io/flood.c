/* SPDX-License-Identifier: MIT */
/* Messages without end. A quiet connection costs nothing, one that is read a system call
 * or two each LOOK_EVERY. */
#include "io/flood.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/server.h"

/* CURVE decrypts half a GB/s: so often, a flood is some ten MB over the limit. */
#define LOOK_EVERY (25 * XD_MS)

struct xdb_flow {
    struct xd_list active;
    int fd;
    ino_t inode; /* of that descriptor, to know it again */
    enum xdb_socket which;
    bool has_delivered; /* since the last look */
    bool has_base;      /* `base` is how much had come, and nothing was delivered since */
    bool is_over;       /* the limit; the socket must be read once more */
    uint64_t base, seen;    /* bytes */
    uint64_t reads, drains; /* the socket's, when it went over */
};

enum xd_err xdb_flood_init(struct xdb_flood *flood)
{
    memset(flood, 0, sizeof *flood);
    xd_list_init(&flood->active);
    flood->look_at = XD_NEVER;
    flood->arrivals = epoll_create1(EPOLL_CLOEXEC);
    return flood->arrivals < 0 ? XD_ERR_SYSTEM : XD_OK;
}

static struct xdb_flow *find(const struct xdb_flood *flood, int fd)
{
    return fd >= 0 && (size_t)fd < flood->room ? flood->by_fd[fd] : NULL;
}

void xdb_flood_closed(struct xdb_flood *flood, int fd)
{
    struct xdb_flow *flow = find(flood, fd);
    if (flow != NULL) {
        xd_list_remove(&flow->active);
        flood->by_fd[fd] = NULL;
        xd_free(flow);
    }
}

void xdb_flood_fini(struct xdb_flood *flood)
{
    for (size_t fd = 0; fd < flood->room; fd++) {
        xdb_flood_closed(flood, (int)fd);
    }
    xd_free(flood->by_fd);
    if (flood->arrivals > 0) {
        close(flood->arrivals);
    }
    memset(flood, 0, sizeof *flood);
}

/* What libzmq took in so far: what came, less what the kernel still has. False: no tcp.
 */
static bool bytes_taken(int fd, uint64_t *out)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    int waiting = 0;
    memset(&info, 0, sizeof info);
    if (ioctl(fd, FIONREAD, &waiting) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return false;
    }
    uint64_t left = (uint64_t)waiting;
    *out = info.tcpi_bytes_received > left ? info.tcpi_bytes_received - left : 0;
    return true;
}

/* Hear of the next bytes, once. */
static bool arm(const struct xdb_flood *flood, const struct xdb_flow *flow, int how)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = flow->fd};
    return epoll_ctl(flood->arrivals, how, flow->fd, &event) == 0;
}

static bool make_room(struct xdb_flood *flood, int fd)
{
    void *items = flood->by_fd;
    size_t old = flood->room;
    if (xd_reserve(&items, &flood->room, (size_t)fd + 1, sizeof *flood->by_fd) != XD_OK) {
        return false;
    }
    flood->by_fd = items;
    if (flood->room > old) {
        memset(flood->by_fd + old, 0, (flood->room - old) * sizeof(struct xdb_flow *));
    }
    return true;
}

void xdb_flood_accepted(struct xdb_flood *flood, enum xdb_socket which, int fd)
{
    struct stat st;
    uint64_t bytes;
    xdb_flood_closed(flood, fd); /* an earlier one's */
    if (fd < 0 || fstat(fd, &st) != 0 || !bytes_taken(fd, &bytes) ||
        !make_room(flood, fd)) {
        return;
    }
    struct xdb_flow *flow = xd_zalloc(sizeof *flow);
    if (flow == NULL) {
        return;
    }
    flow->fd = fd;
    flow->inode = st.st_ino;
    flow->which = which;
    xd_list_init(&flow->active);
    flood->by_fd[fd] = flow;
    if (!arm(flood, flow, EPOLL_CTL_ADD)) {
        xdb_flood_closed(flood, fd);
    }
}

void xdb_flood_delivered(struct xdb_flood *flood, enum xdb_socket which, int fd)
{
    struct xdb_flow *flow = find(flood, fd);
    flood->reads[which]++;
    if (flow != NULL) {
        flow->has_delivered = true;
    }
}

void xdb_flood_drained(struct xdb_flood *flood, enum xdb_socket which)
{
    flood->drains[which]++;
}

void xdb_flood_arrived(struct xdb_flood *flood, xd_time now)
{
    struct epoll_event events[64];
    int count = epoll_wait(flood->arrivals, events, 64, 0);
    for (int i = 0; i < count; i++) {
        struct xdb_flow *flow = find(flood, events[i].data.fd);
        if (flow != NULL && xd_list_is_empty(&flow->active)) {
            xd_list_push_back(&flood->active, &flow->active);
            flood->look_at = xd_time_min(flood->look_at, now + LOOK_EVERY);
        }
    }
}

/* Nothing to see: until more comes. */
static void rest(struct xdb_flood *flood, struct xdb_flow *flow)
{
    xd_list_remove(&flow->active);
    if (!arm(flood, flow, EPOLL_CTL_MOD)) {
        xdb_flood_closed(flood, flow->fd);
    }
}

static void cut(struct xdb_server *server, struct xdb_flow *flow)
{
    const struct xdb_conns *conns = &server->conns;
    const struct xdb_conn *conn =
        (size_t)flow->fd < conns->fd_room ? conns->by_fd[flow->fd] : NULL;
    server->stats.cut++;
    xdb_log(server,
            1,
            "connection cut after %llu bytes of a message without end principal=%s",
            (unsigned long long)(flow->seen - flow->base),
            xdb_conn_principal(conn));
    /* Without the wait for what is under way: a reset, and both sides forget it. */
    struct linger at_once = {1, 0};
    (void)setsockopt(flow->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)shutdown(flow->fd, SHUT_RDWR);
    xdb_flood_closed(&server->flood, flow->fd);
}

/* Over the limit, and the loop has had its chance to read what was whole: it found the
 * socket empty, or libzmq, which asks its connections in turn, has asked all. */
static bool is_endless(const struct xdb_server *server, const struct xdb_flow *flow)
{
    const struct xdb_flood *flood = &server->flood;
    return flood->drains[flow->which] != flow->drains ||
           flood->reads[flow->which] - flow->reads >
               server->conns.routes.count + XDB_TURN_MESSAGES;
}

static bool is_same(const struct xdb_flow *flow)
{
    struct stat st;
    return fstat(flow->fd, &st) == 0 && st.st_ino == flow->inode;
}

static void look_at(struct xdb_server *server, struct xdb_flow *flow)
{
    struct xdb_flood *flood = &server->flood;
    uint64_t bytes;
    if (flow->has_delivered) {
        flow->has_delivered = flow->has_base = flow->is_over = false;
        rest(flood, flow);
    } else if (!is_same(flow) || !bytes_taken(flow->fd, &bytes)) {
        xdb_flood_closed(flood, flow->fd);
    } else if (!flow->has_base) {
        flow->has_base = true;
        flow->base = flow->seen = bytes;
    } else if (bytes <= flow->seen && !flow->is_over) {
        rest(flood, flow);
    } else if (!flow->is_over) {
        flow->seen = bytes;
        flow->is_over = bytes - flow->base > XDB_FLOOD_MAX_BYTES;
        server->ready[flow->which] = server->ready[flow->which] || flow->is_over;
        flow->reads = flood->reads[flow->which];
        flow->drains = flood->drains[flow->which];
    } else if (is_endless(server, flow)) {
        cut(server, flow);
    }
}

void xdb_flood_look(struct xdb_server *server)
{
    struct xdb_flood *flood = &server->flood;
    struct xd_list *link = flood->active.next;
    while (link != &flood->active) {
        struct xdb_flow *flow = XD_ITEM(link, struct xdb_flow, active);
        link = link->next;
        look_at(server, flow);
    }
    flood->look_at =
        xd_list_is_empty(&flood->active) ? XD_NEVER : server->now + LOOK_EVERY;
}
