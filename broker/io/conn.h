/* SPDX-License-Identifier: MIT */
/* Connections and the sessions on them. A connection is a route of one of the ROUTERs, or
 * a lane of an embedded link; a session (struct xdb_peer) has one for each lane it
 * opened. */
#ifndef XDB_IO_CONN_H
#define XDB_IO_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "io/outbox.h"
#include "io/rights.h"
#include "wire/msg.h"
#include "wire/zmq.h"

enum xdb_socket {
    XDB_SOCKET_CLIENTS,
    XDB_SOCKET_WORKERS,
    XDB_SOCKET_BULK,
    XDB_SOCKET_COUNT
};

struct xdb_embed; /* io/embed.h */
struct xdb_peer;

#define XDB_USER_ID_MAX sizeof(((struct xd_zmq_from *)NULL)->user_id)

struct xdb_conn {
    struct xd_map_item by_route; /* key: `key` */
    struct xd_list checks;       /* waiting for proof that it is gone */
    struct {
        uint32_t socket, route;
    } key;
    int fd;      /* of its last message; -1 unknown */
    ino_t inode; /* of that descriptor, to know it again */
    enum xd_lane lane;
    struct xdb_embed *embed;       /* instead of a route */
    struct xdb_peer *peer;         /* NULL before HELLO, and after its session */
    bool is_over;                  /* its session has ended; what still comes is late */
    char user_id[XDB_USER_ID_MAX]; /* as the ZAP handler made it; no NUL within */
    const struct xdb_right *right; /* whose it is: on that the handler's word is taken */
    uint32_t listener;             /* the address it came by */
    unsigned bad;                  /* malformed messages since `bad_since` */
    xd_time bad_since;
    bool is_dead;     /* its process is gone: after a moment that is proof enough */
    bool is_gone;     /* proven; what is left of it in the socket is still to be read */
    unsigned tries;   /* checks that found it reachable after all */
    xd_time next_try; /* a try marks its socket as worth reading, so that turns go on */
};

struct xdb_peer {
    struct xd_map_item by_session; /* key: `session` */
    struct xd_session_id session, owner;
    struct xd_token token;
    enum xd_role role;
    struct xdb_conn *lanes[XD_LANE_COUNT];
    bool is_blocked; /* a send said that it is full; tried again soon */
    bool in_core;    /* the core knows it (client after HELLO, worker after READY) */
    xd_time hello_deadline; /* worker: until READY must have come; XD_NEVER after */
    int pidfd;              /* -1: none */
    pid_t pid;              /* as it says, on this host; 0 unknown */
    uint64_t said_pid;      /* as it says, wherever that is */
    struct xd_bytes *software, *host; /* likewise; NULL: not said */
    struct xd_facts facts;
    const struct xdb_right *right;
    struct xdb_outbox outbox; /* control lane */
    struct xd_list dirty;     /* has something to flush */
    struct xd_list bulk;      /* parked messages of the bulk lane, in order */
    size_t bulk_count;
    struct xd_list setups; /* a client's own, or the copies that a worker has */
    size_t setup_count;    /* a client's */
};

/* All of them. */
struct xdb_conns {
    struct xd_map routes, sessions;
    struct xd_list dirty, checks;
    struct xdb_conn **by_fd; /* the newest connection with that descriptor */
    size_t fd_room;
    uint64_t next_session;
};

/* Whose it is, for logs; "unknown" where nobody has been found out. NULL allowed. */
const char *xdb_conn_principal(const struct xdb_conn *conn);

void xdb_conns_init(struct xdb_conns *conns, uint64_t seed);
void xdb_conns_fini(struct xdb_conns *conns); /* frees all connections and sessions */

struct xdb_conn *xdb_conn_find(const struct xdb_conns *conns,
                               enum xdb_socket socket,
                               struct xd_route route);

/* A new connection of that route or link; returns it in *out, owned by `conns`. */
enum xd_err xdb_conn_add(struct xdb_conns *conns,
                         enum xdb_socket socket,
                         struct xd_route route,
                         struct xdb_embed *embed,
                         struct xdb_conn **out) XD_MUST_USE;

/* Note the descriptor a message came by. An older connection with the same one is dead:
 * it goes on the list of checks. */
void xdb_conn_set_fd(struct xdb_conns *conns, struct xdb_conn *conn, int fd);

/* The descriptor is closed: its connection goes on the list of checks. */
void xdb_conns_fd_closed(struct xdb_conns *conns, int fd);

void xdb_conn_check(struct xdb_conns *conns,
                    struct xdb_conn *conn); /* put on the list of checks */

/* Close the descriptor's connection, if it still is the one we mean; what libzmq holds
 * for it goes. False: it is not, or a link's. NULL allowed. */
bool xdb_conn_shut(const struct xdb_conn *conn);

/* Forget a connection; its session loses that lane. */
void xdb_conn_free(struct xdb_conns *conns, struct xdb_conn *conn);

/* A new session with a fresh number and token. */
enum xd_err xdb_peer_add(struct xdb_conns *conns,
                         enum xd_role role,
                         struct xdb_peer **out) XD_MUST_USE;
struct xdb_peer *xdb_peer_find(const struct xdb_conns *conns,
                               struct xd_session_id session);

/* The user behind a session as the core's number: equal exactly for equal principals, as
 * far as a hash tells. */
uint64_t xdb_principal_number(const char *principal);

/* Make `conn` the session's connection of that lane; an earlier one is forgotten. */
void xdb_peer_attach(struct xdb_conns *conns,
                     struct xdb_peer *peer,
                     enum xd_lane lane,
                     struct xdb_conn *conn);

/* Forget the session and its connections. */
void xdb_peer_free(struct xdb_conns *conns, struct xdb_peer *peer);

#endif
