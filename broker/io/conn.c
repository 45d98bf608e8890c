/* SPDX-License-Identifier: MIT */
/* Connections and the sessions on them. */
#include "io/conn.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "io/embed.h"

void xdb_conns_init(struct xdb_conns *conns, uint64_t seed)
{
    memset(conns, 0, sizeof *conns);
    xd_map_init(&conns->routes, seed);
    xd_map_init(&conns->sessions, seed);
    xd_list_init(&conns->dirty);
    xd_list_init(&conns->checks);
}

void xdb_conns_fini(struct xdb_conns *conns)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&conns->sessions, NULL)) != NULL) {
        xdb_peer_free(conns, XD_ITEM(item, struct xdb_peer, by_session));
    }
    while ((item = xd_map_next(&conns->routes, NULL)) != NULL) {
        xdb_conn_free(conns, XD_ITEM(item, struct xdb_conn, by_route));
    }
    xd_map_fini(&conns->routes);
    xd_map_fini(&conns->sessions);
    xd_free(conns->by_fd);
    memset(conns, 0, sizeof *conns);
}

struct xdb_conn *xdb_conn_find(const struct xdb_conns *conns,
                               enum xdb_socket socket,
                               struct xd_route route)
{
    struct {
        uint32_t socket, route;
    } key = {socket, route.n};
    struct xd_map_item *item = xd_map_get(&conns->routes, &key, sizeof key);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_conn, by_route);
}

enum xd_err xdb_conn_add(struct xdb_conns *conns,
                         enum xdb_socket socket,
                         struct xd_route route,
                         struct xdb_embed *embed,
                         struct xdb_conn **out)
{
    enum xd_err err = xd_map_reserve(&conns->routes, 1);
    struct xdb_conn *conn = err == XD_OK ? xd_zalloc(sizeof *conn) : NULL;
    if (conn == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_list_init(&conn->checks);
    conn->key.socket = socket;
    conn->key.route = route.n;
    conn->fd = -1;
    conn->lane = socket == XDB_SOCKET_BULK ? XD_LANE_BULK : XD_LANE_CONTROL;
    conn->embed = embed;
    if (embed == NULL) {
        xd_map_add(&conns->routes, &conn->by_route, &conn->key, sizeof conn->key);
    }
    *out = conn;
    return XD_OK;
}

static bool reserve_fd(struct xdb_conns *conns, int fd)
{
    size_t need = (size_t)fd + 1, old = conns->fd_room;
    void *items = conns->by_fd;
    if (xd_reserve(&items, &conns->fd_room, need, sizeof(struct xdb_conn *)) != XD_OK) {
        return false;
    }
    conns->by_fd = items;
    if (conns->fd_room > old) {
        memset(conns->by_fd + old, 0, (conns->fd_room - old) * sizeof(struct xdb_conn *));
    }
    return true;
}

void xdb_conn_set_fd(struct xdb_conns *conns, struct xdb_conn *conn, int fd)
{
    if (fd == conn->fd || fd < 0 || !reserve_fd(conns, fd)) {
        return;
    }
    struct xdb_conn *older = conns->by_fd[fd];
    if (older != NULL) {
        xdb_conn_check(conns, older);
        older->fd = -1;
    }
    struct stat st;
    conn->fd = fd;
    conn->inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
    conns->by_fd[fd] = conn;
}

void xdb_conns_fd_closed(struct xdb_conns *conns, int fd)
{
    if (fd < 0 || (size_t)fd >= conns->fd_room || conns->by_fd[fd] == NULL) {
        return;
    }
    xdb_conn_check(conns, conns->by_fd[fd]);
}

void xdb_conn_check(struct xdb_conns *conns, struct xdb_conn *conn)
{
    if (xd_list_is_empty(&conn->checks)) {
        xd_list_push_back(&conns->checks, &conn->checks);
    }
}

bool xdb_conn_shut(const struct xdb_conn *conn)
{
    struct stat st;
    return conn != NULL && conn->fd >= 0 && fstat(conn->fd, &st) == 0 &&
           st.st_ino == conn->inode && shutdown(conn->fd, SHUT_RDWR) == 0;
}

void xdb_conn_free(struct xdb_conns *conns, struct xdb_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    if (conn->fd >= 0 && conns->by_fd[conn->fd] == conn) {
        conns->by_fd[conn->fd] = NULL;
    }
    if (conn->peer != NULL && conn->peer->lanes[conn->lane] == conn) {
        conn->peer->lanes[conn->lane] = NULL;
    }
    xd_list_remove(&conn->checks);
    if (conn->embed == NULL) {
        xd_map_remove(&conns->routes, &conn->by_route);
    } else {
        conn->embed->conns[conn->lane] = NULL;
    }
    xd_free(conn);
}

/* Unguessable bytes; the kernel gives up to 256 at once without failing. */
static void fill_random(void *out, size_t size)
{
    ssize_t got = getrandom(out, size, 0);
    xd_assert(got == (ssize_t)size);
}

enum xd_err xdb_peer_add(struct xdb_conns *conns,
                         enum xd_role role,
                         struct xdb_peer **out)
{
    enum xd_err err = xd_map_reserve(&conns->sessions, 1);
    struct xdb_peer *peer = err == XD_OK ? xd_zalloc(sizeof *peer) : NULL;
    if (peer == NULL) {
        return XD_ERR_NOMEM;
    }
    peer->session.n = ++conns->next_session;
    peer->role = role;
    peer->pidfd = -1;
    peer->hello_deadline = XD_NEVER;
    fill_random(&peer->token, sizeof peer->token);
    xdb_outbox_init(&peer->outbox);
    xd_list_init(&peer->dirty);
    xd_list_init(&peer->bulk);
    xd_list_init(&peer->setups);
    xd_map_add(&conns->sessions, &peer->by_session, &peer->session, sizeof peer->session);
    *out = peer;
    return XD_OK;
}

struct xdb_peer *xdb_peer_find(const struct xdb_conns *conns,
                               struct xd_session_id session)
{
    struct xd_map_item *item = xd_map_get(&conns->sessions, &session, sizeof session);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_peer, by_session);
}

const char *xdb_conn_principal(const struct xdb_conn *conn)
{
    return conn != NULL && conn->right != NULL ? conn->right->principal : "unknown";
}

uint64_t xdb_principal_number(const char *principal)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *at = principal; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    }
    return hash;
}

void xdb_peer_attach(struct xdb_conns *conns,
                     struct xdb_peer *peer,
                     enum xd_lane lane,
                     struct xdb_conn *conn)
{
    struct xdb_conn *older = peer->lanes[lane];
    if (older != NULL && older != conn) {
        older->peer = NULL;
        xdb_conn_free(conns, older);
    }
    conn->lane = lane;
    conn->peer = peer;
    conn->is_over = false;
    peer->lanes[lane] = conn;
}

void xdb_peer_free(struct xdb_conns *conns, struct xdb_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        xdb_conn_free(conns, peer->lanes[lane]);
    }
    if (peer->pidfd >= 0) {
        close(peer->pidfd);
    }
    xd_bytes_unref(peer->software);
    xd_bytes_unref(peer->host);
    xd_facts_clear(&peer->facts);
    xdb_outbox_fini(&peer->outbox);
    xdb_parked_free_all(&peer->bulk);
    xd_list_remove(&peer->dirty);
    xd_map_remove(&conns->sessions, &peer->by_session);
    xd_free(peer);
}
