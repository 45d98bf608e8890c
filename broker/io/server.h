/* SPDX-License-Identifier: MIT */
/* The broker's loop and what its parts share. All of it belongs to one thread, except
 * what embed.h and command.h say. */
#ifndef XDB_IO_SERVER_H
#define XDB_IO_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "core/core.h"
#include "crossdock_broker.h"
#include "io/agents.h"
#include "io/command.h"
#include "io/conn.h"
#include "io/embed.h"
#include "io/flood.h"
#include "io/listen.h"
#include "io/relay.h"
#include "io/setups.h"
#include "io/zap.h"
#include "wire/address.h"
#include "wire/host.h"

/* Messages taken from one socket before the others get their turn. */
#define XDB_TURN_MESSAGES 64
/* How soon a full peer is tried again. */
#define XDB_RETRY_INTERVAL (2 * XD_MS)
/* A socket must have sent HELLO, a worker READY, within this. */
#define XDB_HELLO_DEADLINE (5 * XD_S)

/* What the edge counts, beside the core's counters. X(field, "name", what) */
#define XDB_IO_STATS_LIST(X)                                                             \
    X(messages_in, "messages_in", "messages received")                                   \
    X(messages_out, "messages_out", "messages sent")                                     \
    X(bad, "bad_messages", "messages refused: malformed, out of turn or not allowed")    \
    X(cut, "cut", "connections cut: repeated bad messages, or chunks asked for in vain") \
    X(chunks, "chunks", "chunks relayed")                                                \
    X(relaying, "relaying", "bytes of chunks now on their way to readers, at most")      \
    X(no_memory, "no_memory", "messages dropped for lack of memory")

struct xdb_io_stats {
#define XDB_IO_STATS_FIELD(field, name, text) uint64_t field;
    XDB_IO_STATS_LIST(XDB_IO_STATS_FIELD)
#undef XDB_IO_STATS_FIELD
};

/* A task that could not be sent, until the core hears of it. */
struct xdb_failed {
    struct xd_session_id session;
    struct xd_task_id id;
    bool gone;
};

struct xdb_server {
    void *context;
    void *sockets[XDB_SOCKET_COUNT], *monitors[XDB_SOCKET_COUNT];
    int socket_fds[XDB_SOCKET_COUNT], monitor_fds[XDB_SOCKET_COUNT]; /* ZMQ_FD of each */
    bool ready[XDB_SOCKET_COUNT];   /* there may be something to read, or a send hid it */
    bool woken;                     /* links or commands have something */
    bool drained[XDB_SOCKET_COUNT]; /* read to the end since the last sign of a death */
    struct xdb_zap *zap;
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xdb_failed *failed;
    size_t failed_count, failed_room;
    struct xdb_conns conns;
    struct xdb_relay relay;
    struct xdb_setups setups;
    struct xdb_agents agents;
    struct xdb_embeds *embeds;
    struct xdb_flood flood;
    struct xdb_commands commands;
    struct xdb_io_stats stats;
    int died_fd; /* the ZAP handler's last word */
    int pidfds;  /* epoll of worker processes */
    struct xdb_rights *rights;
    struct xdb_listeners listeners;
    bool has_tcp;
    char host[XD_HOST_ID_MAX_BYTES];
    uint32_t heartbeat_ms, lost_ms;
    uint64_t client_tasks, client_bytes; /* told to clients in HELLO_OK */
    xd_time now, started, retry_at;      /* retry_at: when full peers are tried again */
    xd_time sweep_at;                    /* when overdue HELLOs are looked for */
    xd_time stop_at;                     /* the end of a drain that was asked for */
    bool stopping, zap_died;
    bool ends_drained; /* it stops when nothing is left */
    xd_broker_log *log;
    void *log_context;
};

/* Make everything, bind, ready to run. On failure `error` says what and where. */
enum xd_err xdb_server_new(const struct xd_broker_options *options,
                           struct xdb_server **out,
                           struct xd_error *error) XD_MUST_USE;
void xdb_server_free(struct xdb_server *server);

/* Run until told to stop. Errors: XD_ERR_SYSTEM when the ZAP handler died; XD_ERR_NOMEM
 * never ends it. */
enum xd_err xdb_server_run(struct xdb_server *server, struct xd_error *error) XD_MUST_USE;

/* Write one line to the log. Level 0 error to 3 debug. */
void xdb_log(struct xdb_server *server, int level, const char *format, ...)
    XD_PRINTF(3, 4);

/* Give one event to the core and carry its actions out. XD_ERR_NOMEM: nothing happened.
 */
enum xd_err xdb_server_step(struct xdb_server *server,
                            struct xdb_event *event) XD_MUST_USE;

#endif
