/* SPDX-License-Identifier: MIT */
/* Connections and sessions: found by route and number, forgotten with each other,
 * suspected by descriptor. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn.h"

static struct xdb_conns conns;

static void begin(void)
{
    xdb_conns_init(&conns, 1);
}

static void end(void)
{
    xdb_conns_fini(&conns);
}

TestSuite(conn, .init = begin, .fini = end);

static struct xdb_conn *add(enum xdb_socket socket, uint32_t route)
{
    struct xdb_conn *conn;
    struct xd_route to = {route};
    cr_assert(xdb_conn_add(&conns, socket, to, NULL, &conn) == XD_OK);
    return conn;
}

Test(conn, one_route_number_on_two_sockets_is_two_connections)
{
    struct xdb_conn *a = add(XDB_SOCKET_CLIENTS, 5), *b = add(XDB_SOCKET_BULK, 5);
    struct xd_route route = {5};
    cr_assert(xdb_conn_find(&conns, XDB_SOCKET_CLIENTS, route) == a);
    cr_assert(xdb_conn_find(&conns, XDB_SOCKET_BULK, route) == b);
    cr_assert(xdb_conn_find(&conns, XDB_SOCKET_WORKERS, route) == NULL);
    cr_assert(a->lane == XD_LANE_CONTROL && b->lane == XD_LANE_BULK);
}

Test(conn, sessions_get_new_numbers_and_tokens)
{
    struct xdb_peer *a, *b;
    cr_assert(xdb_peer_add(&conns, XD_ROLE_CLIENT, &a) == XD_OK);
    cr_assert(xdb_peer_add(&conns, XD_ROLE_CLIENT, &b) == XD_OK);
    cr_assert(a->session.n != 0 && a->session.n != b->session.n);
    cr_assert_neq(memcmp(&a->token, &b->token, sizeof a->token), 0);
    struct xd_session_id gone = a->session;
    xdb_peer_free(&conns, a);
    cr_assert(xdb_peer_find(&conns, gone) == NULL);
    cr_assert(xdb_peer_find(&conns, b->session) == b);
}

Test(conn, a_second_connection_of_a_lane_replaces_the_first)
{
    struct xdb_peer *peer;
    struct xd_route first = {1};
    cr_assert(xdb_peer_add(&conns, XD_ROLE_WORKER, &peer) == XD_OK);
    xdb_peer_attach(&conns, peer, XD_LANE_CONTROL, add(XDB_SOCKET_CLIENTS, 1));
    struct xdb_conn *second = add(XDB_SOCKET_WORKERS, 2);
    xdb_peer_attach(&conns, peer, XD_LANE_CONTROL, second);
    cr_assert(peer->lanes[XD_LANE_CONTROL] == second && second->peer == peer);
    cr_assert(xdb_conn_find(&conns, XDB_SOCKET_CLIENTS, first) == NULL);
}

Test(conn, closed_descriptor_makes_its_connection_suspect)
{
    int fds[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    struct xdb_conn *conn = add(XDB_SOCKET_CLIENTS, 1);
    xdb_conn_set_fd(&conns, conn, fds[0]);
    cr_assert(conn->inode != 0);
    xdb_conns_fd_closed(&conns, fds[1]);
    cr_assert(xd_list_is_empty(&conns.checks), "another descriptor was closed");
    xdb_conns_fd_closed(&conns, fds[0]);
    cr_assert(conns.checks.next == &conn->checks);
    close(fds[0]);
    close(fds[1]);
}

Test(conn, descriptor_used_again_makes_the_older_connection_suspect)
{
    struct xdb_conn *older = add(XDB_SOCKET_CLIENTS, 1),
                    *newer = add(XDB_SOCKET_WORKERS, 2);
    xdb_conn_set_fd(&conns, older, STDIN_FILENO);
    xdb_conn_set_fd(&conns, newer, STDIN_FILENO);
    cr_assert(conns.checks.next == &older->checks && older->fd == -1);
    cr_assert(conns.by_fd[STDIN_FILENO] == newer);
    xdb_conn_free(&conns, newer);
    cr_assert(conns.by_fd[STDIN_FILENO] == NULL);
}

Test(conn, principals_are_equal_as_their_names_are)
{
    cr_assert(xdb_principal_number("uid=1") == xdb_principal_number("uid=1"));
    cr_assert(xdb_principal_number("uid=1") != xdb_principal_number("uid=2"));
}
