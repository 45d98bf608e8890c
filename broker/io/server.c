/* SPDX-License-Identifier: MIT */
/* The broker's loop. */
#include "io/server.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/admin.h"
#include "io/bus.h"
#include "io/death.h"
#include "io/inbound.h"
#include "io/outbound.h"

static xd_time clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (xd_time)now.tv_sec * XD_S + now.tv_nsec;
}

void xdb_log(struct xdb_server *server, int level, const char *format, ...)
{
    char line[512];
    if (server->log == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    server->log(server->log_context, level, line);
}

enum xd_err xdb_server_step(struct xdb_server *server, struct xdb_event *event)
{
    xdb_core_note_outside(server->core, server->stats.relaying);
    enum xd_err err = xdb_core_step(server->core, event, &server->actions);
    if (err == XD_OK) {
        xdb_outbound(server, &server->actions);
    }
    return err;
}

/* ---- one turn */

/* Who says so: the connection's user, from the ZAP handler alone, on every message. */
static bool is_authorised(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const char *user_id)
{
    if (conn->right != NULL) {
        return strcmp(conn->user_id, user_id) == 0;
    }
    conn->right = xdb_zap_right(server->zap, user_id, &conn->listener);
    (void)snprintf(conn->user_id, sizeof conn->user_id, "%s", user_id);
    return conn->right != NULL && conn->listener < server->listeners.count;
}

static struct xdb_conn *conn_of(struct xdb_server *server,
                                enum xdb_socket which,
                                const struct xd_zmq_from *from)
{
    struct xdb_conn *conn = xdb_conn_find(&server->conns, which, from->route);
    if (conn == NULL &&
        xdb_conn_add(&server->conns, which, from->route, NULL, &conn) != XD_OK) {
        server->stats.no_memory++;
        return NULL;
    }
    xdb_conn_set_fd(&server->conns, conn, from->fd);
    return is_authorised(server, conn, from->user_id) ? conn : NULL;
}

static void handle(struct xdb_server *server,
                   enum xdb_socket which,
                   const struct xd_zmq_from *from,
                   enum xd_err err,
                   struct xd_bytes *const *frames,
                   size_t count)
{
    struct xdb_conn *conn = from->route.n == 0 ? NULL : conn_of(server, which, from);
    if (conn == NULL) {
        server->stats.bad++;
    } else if (err == XD_OK) {
        xdb_inbound(server, conn, frames, count);
    } else if (err == XD_ERR_TOO_LARGE) {
        xdb_inbound_bad(server, conn, 0, err, "a message has at most 1024 frames");
    } else {
        server->stats.no_memory++;
    }
}

/* Up to a turn's worth of messages. */
static void read_socket(struct xdb_server *server, enum xdb_socket which)
{
    struct xd_bytes *frames[XD_FRAMES_MAX];
    for (int i = 0; server->ready[which] && i < XDB_TURN_MESSAGES; i++) {
        struct xd_zmq_from from = {.fd = -1};
        size_t count = 0;
        enum xd_err err = xd_zmq_recv(server->sockets[which],
                                      &from,
                                      true,
                                      frames,
                                      XD_FRAMES_MAX,
                                      &count);
        if (err == XD_ERR_AGAIN || err == XD_ERR_GONE) {
            server->drained[which] = true;
            xdb_flood_drained(&server->flood, which);
            server->ready[which] = false;
            return;
        }
        xdb_flood_delivered(&server->flood, which, from.fd);
        handle(server, which, &from, err, frames, count);
        for (size_t k = 0; k < count; k++) {
            xd_bytes_unref(frames[k]);
        }
    }
}

/* The lane's connection of a link, made with its first message. */
static struct xdb_conn *conn_of_embed(struct xdb_server *server,
                                      struct xdb_embed *embed,
                                      enum xd_lane lane)
{
    if (embed->conns[lane] == NULL) {
        struct xd_route none = {0};
        if (xdb_conn_add(&server->conns,
                         XDB_SOCKET_CLIENTS,
                         none,
                         embed,
                         &embed->conns[lane]) != XD_OK) {
            server->stats.no_memory++;
            return NULL;
        }
        embed->conns[lane]->lane = lane;
        embed->conns[lane]->right = xdb_rights_own(server->rights);
    }
    return embed->conns[lane];
}

/* True when there may be more. */
static bool read_lane(struct xdb_server *server,
                      struct xdb_embed *embed,
                      enum xd_lane lane)
{
    for (int i = 0; i < XDB_TURN_MESSAGES; i++) {
        struct xdb_parked *message = xdb_embed_recv(embed, lane);
        if (message == NULL) {
            return false;
        }
        struct xdb_conn *conn = conn_of_embed(server, embed, lane);
        if (conn != NULL) {
            xdb_inbound(server, conn, message->frames, message->count);
        }
        xdb_parked_free(message);
    }
    return true;
}

static void embed_over(struct xdb_server *server, struct xdb_embed *embed)
{
    struct xdb_conn *control = embed->conns[XD_LANE_CONTROL];
    if (control != NULL && control->peer != NULL) {
        xdb_session_end(server, control->peer, XDB_EVENT_LOST);
    }
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        xdb_conn_free(&server->conns, embed->conns[lane]); /* one without a session */
    }
}

static void read_embeds(struct xdb_server *server)
{
    struct xdb_embed *embed = NULL;
    server->woken = false;
    while ((embed = xdb_embeds_next(server->embeds, embed)) != NULL) {
        for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
            server->woken = read_lane(server, embed, (enum xd_lane)lane) || server->woken;
        }
    }
    while ((embed = xdb_embeds_over(server->embeds)) != NULL) {
        embed_over(server, embed);
        xdb_embed_drop(embed);
    }
}

/* Workers that never said READY; once a second is often enough. */
static void sweep(struct xdb_server *server)
{
    server->sweep_at = server->now + XD_S;
    struct xd_map_item *item = xd_map_next(&server->conns.sessions, NULL);
    while (item != NULL) {
        struct xdb_peer *peer = XD_ITEM(item, struct xdb_peer, by_session);
        item = xd_map_next(&server->conns.sessions, item);
        if (peer->hello_deadline <= server->now) {
            xdb_session_end(server, peer, XDB_EVENT_LOST);
        }
    }
    struct xd_error complaint;
    if (xdb_rights_complaint(server->rights, &complaint)) {
        xdb_log(server, 1, "allow-list: %s", complaint.text);
    }
}

static void timers(struct xdb_server *server)
{
    if (xdb_core_deadline(server->core) <= server->now) {
        struct xdb_event event = {.kind = XDB_EVENT_TICK, .now = server->now};
        if (xdb_server_step(server, &event) != XD_OK) {
            server->stats.no_memory++;
        }
    }
    if (server->retry_at <= server->now) {
        xdb_outbound_retry(server);
    }
    if (xdb_agents_deadline(server) <= server->now) {
        xdb_agents_expire(server);
    }
    if (server->sweep_at <= server->now) {
        sweep(server);
    }
    if (server->flood.look_at <= server->now) {
        xdb_flood_look(server);
    }
    server->stopping = server->stopping || server->stop_at <= server->now;
}

/* Results first, then what makes new work. */
static void turn(struct xdb_server *server)
{
    server->now = clock_now();
    read_socket(server, XDB_SOCKET_WORKERS);
    if (server->woken) {
        read_embeds(server);
        xdb_commands_serve(server);
    }
    read_socket(server, XDB_SOCKET_CLIENTS);
    read_socket(server, XDB_SOCKET_BULK);
    timers(server);
    xdb_outbound_flush(server);
    if (!xd_list_is_empty(&server->conns.checks)) {
        xdb_death_check(server);
        xdb_outbound_flush(server);
    }
}

static bool is_busy(const struct xdb_server *server)
{
    bool busy = server->woken || server->stopping;
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        busy = busy || server->ready[i];
    }
    return busy;
}

static xd_time next_deadline(const struct xdb_server *server)
{
    xd_time until = xd_time_min(xdb_core_deadline(server->core), server->retry_at);
    if (!xd_list_is_empty(&server->conns.checks)) {
        until = xd_time_min(until, server->now + XD_MS);
    }
    until = xd_time_min(until, xdb_agents_deadline(server));
    until = xd_time_min(until, server->stop_at);
    return xd_time_min(until, xd_time_min(server->sweep_at, server->flood.look_at));
}

/* Until something happens or is due. On the sockets' own descriptors instead of
 * zmq_poll(), which asks every socket twice, with system calls for each; a descriptor is
 * readable whenever libzmq has announced something that no call on the socket has taken
 * in yet. */
static void rest(struct xdb_server *server)
{
    enum { WAKE = 2 * XDB_SOCKET_COUNT, PIDFDS, DIED, ARRIVALS, COUNT };
    struct pollfd fds[COUNT];
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        fds[i] = (struct pollfd){server->socket_fds[i], POLLIN, 0};
        fds[XDB_SOCKET_COUNT + i] = (struct pollfd){server->monitor_fds[i], POLLIN, 0};
    }
    fds[WAKE] = (struct pollfd){server->embeds->broker_fd, POLLIN, 0};
    fds[PIDFDS] = (struct pollfd){server->pidfds, POLLIN, 0};
    fds[DIED] = (struct pollfd){server->died_fd, POLLIN, 0};
    fds[ARRIVALS] = (struct pollfd){server->flood.arrivals, POLLIN, 0};
    (void)poll(fds, COUNT, xd_time_poll_ms(clock_now(), next_deadline(server)));
    bool death = fds[PIDFDS].revents != 0;
    for (int i = 0; i < XDB_SOCKET_COUNT; i++) {
        server->ready[i] = server->ready[i] || fds[i].revents != 0;
        death = death || fds[XDB_SOCKET_COUNT + i].revents != 0;
    }
    if (fds[WAKE].revents != 0) {
        uint64_t ignored;
        (void)!read(server->embeds->broker_fd, &ignored, sizeof ignored);
        server->woken = true;
    }
    if (death) {
        xdb_death_read(server);
    }
    if (fds[ARRIVALS].revents != 0) {
        xdb_flood_arrived(&server->flood, clock_now());
    }
    server->zap_died = fds[DIED].revents != 0;
}

/* Everybody hears that it is over, and why. */
static void say_bye(struct xdb_server *server)
{
    struct xd_msg msg = {.kind = XD_KIND_BYE};
    msg.error.code = XD_ERR_GONE;
    if (xd_bytes_text("the broker ends", &msg.error.text) != XD_OK) {
        server->stats.no_memory++;
    }
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&server->conns.sessions, item)) != NULL) {
        xdb_peer_send(server, XD_ITEM(item, struct xdb_peer, by_session), &msg);
    }
    xd_msg_clear(&msg);
}

enum xd_err xdb_server_run(struct xdb_server *server, struct xd_error *error)
{
    while (!server->stopping) {
        turn(server);
        if (!is_busy(server)) {
            rest(server);
        }
        if (server->zap_died) {
            return xd_fail(error, XD_ERR_SYSTEM, "the ZAP handler has died");
        }
    }
    say_bye(server);
    return XD_OK;
}

/* ---- making and ending it */

static void core_config(const struct xd_broker_options *options,
                        uint64_t seed,
                        struct xdb_core_config *config)
{
    xdb_config_default(config);
    config->seed = seed;
    config->client_tasks = options->client_tasks;
    config->client_bytes = options->client_bytes;
    config->profile_tasks = options->profile_tasks;
    config->profile_bytes = options->profile_bytes;
    config->broker_tasks = options->budget_tasks;
    config->broker_bytes = options->budget_bytes;
    const struct {
        uint32_t ms;
        xd_time *to;
    } times[] = {{options->heartbeat_ms, &config->heartbeat},
                 {options->suspect_ms, &config->suspect},
                 {options->lost_ms, &config->lost},
                 {options->kill_after_ms, &config->kill_after}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (times[i].ms != 0) {
            *times[i].to = (xd_time)times[i].ms * XD_MS;
        }
    }
}

static void server_clear(struct xdb_server *server,
                         const struct xd_broker_options *options)
{
    memset(server, 0, sizeof *server);
    server->died_fd = server->pidfds = -1;
    server->now = server->started = clock_now();
    server->retry_at = server->stop_at = XD_NEVER;
    server->sweep_at = server->now + XD_S;
    server->ready[XDB_SOCKET_CLIENTS] = server->ready[XDB_SOCKET_WORKERS] =
        server->ready[XDB_SOCKET_BULK] = true;
    server->client_tasks = options->client_tasks;
    server->client_bytes = options->client_bytes;
    server->log = options->log;
    server->log_context = options->log_context;
    xd_host_id(server->host);
    xdb_actions_init(&server->actions);
}

enum xd_err xdb_server_new(const struct xd_broker_options *options,
                           struct xdb_server **out,
                           struct xd_error *error)
{
    uint64_t seed = 0;
    struct xdb_core_config config;
    struct xdb_server *server = xd_alloc(sizeof *server);
    if (server == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for a broker");
    }
    server_clear(server, options);
    (void)!getrandom(&seed, sizeof seed, 0);
    core_config(options, seed, &config);
    server->heartbeat_ms = (uint32_t)(config.heartbeat / XD_MS);
    server->lost_ms = (uint32_t)(config.lost / XD_MS);
    xdb_conns_init(&server->conns, seed);
    xdb_relay_init(&server->relay, seed);
    xdb_setups_init(&server->setups, seed);
    xdb_agents_init(&server->agents);
    enum xd_err err = xdb_commands_init(&server->commands);
    if (err != XD_OK) {
        xd_free(server);
        return xd_fail(error, err, "no mutex for a broker");
    }
    server->died_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server->pidfds = epoll_create1(EPOLL_CLOEXEC);
    err = xdb_embeds_new(&server->embeds);
    err = err ? err : xdb_flood_init(&server->flood);
    if (err == XD_OK && (server->died_fd < 0 || server->pidfds < 0)) {
        err = XD_ERR_SYSTEM;
    }
    if (err == XD_OK) {
        err = xdb_core_new(&config, &server->core);
    }
    if (err != XD_OK) {
        (void)xd_fail(error, err, "cannot make a broker: %s", strerror(errno));
    } else {
        err = xdb_admin_found(server, options->profiles, error);
    }
    err = err ? err : xdb_bus_open(server, options, error);
    if (err != XD_OK) {
        xdb_server_free(server);
        return err;
    }
    *out = server;
    return XD_OK;
}

void xdb_server_free(struct xdb_server *server)
{
    if (server == NULL) {
        return;
    }
    xdb_relay_fini(&server->relay);
    xdb_setups_fini(&server->setups);
    xdb_agents_fini(&server->agents);
    xdb_conns_fini(&server->conns);
    xdb_embeds_free(server->embeds);
    xdb_flood_fini(&server->flood);
    xdb_core_free(server->core);
    xdb_actions_fini(&server->actions);
    xdb_bus_close(server);
    xdb_commands_fini(&server->commands);
    if (server->died_fd >= 0) {
        close(server->died_fd);
    }
    if (server->pidfds >= 0) {
        close(server->pidfds);
    }
    xd_free(server->failed);
    xd_free(server);
}
