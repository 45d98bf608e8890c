/* SPDX-License-Identifier: MIT */
/* What the broker holds, as JSON. */
#include "io/status.h"

#include <unistd.h>

#include "io/agents.h"
#include "io/json.h"

static void visit_profile(void *context, const struct xdb_profile_view *view)
{
    struct xdb_json *json = context;
    xdb_json_item(json);
    xdb_json_bytes(json, "name", view->name);
    xdb_json_truth(json, "bound", view->bound);
    xdb_json_text(json, "policy", view->policy);
    xdb_json_real(json, "weight", view->weight);
    xdb_json_truth(json, "paused", view->paused);
    xdb_json_number(json, "queued", view->queued);
    xdb_json_number(json, "leased", view->leased);
    xdb_json_number(json, "workers", view->workers);
    xdb_json_number(json, "done", view->done);
    xdb_json_number(json, "bytes", view->bytes);
    xdb_json_number(json, "homeless", view->homeless);
    xdb_json_close(json, '}');
}

static void put_worker(struct xdb_json *json, const struct xdb_worker_view *view)
{
    xdb_json_number(json, "session", view->session.n);
    xdb_json_number(json, "owner", view->owner.n);
    xdb_json_bytes(json, "profile", view->profile);
    xdb_json_text(json, "state", view->state);
    xdb_json_number(json, "leased", view->leased);
    xdb_json_number(json, "done", view->done);
}

static void visit_worker(void *context, const struct xdb_worker_view *view)
{
    struct xdb_json *json = context;
    xdb_json_item(json);
    put_worker(json, view);
    xdb_json_close(json, '}');
}

/* Host agents are sessions of clients to the core. */
static bool is_agent(const struct xdb_server *server, struct xd_session_id session)
{
    const struct xdb_peer *peer = xdb_peer_find(&server->conns, session);
    return peer != NULL && peer->role == XD_ROLE_AGENT;
}

struct writer {
    struct xdb_json json; /* first: visitors get either */
    const struct xdb_server *server;
};

static void visit_client(void *context, const struct xdb_client_view *view)
{
    struct writer *writer = context;
    struct xdb_json *json = &writer->json;
    if (is_agent(writer->server, view->session)) {
        return;
    }
    xdb_json_item(json);
    xdb_json_number(json, "session", view->session.n);
    xdb_json_number(json, "open", view->open);
    xdb_json_number(json, "unacked", view->unacked);
    xdb_json_number(json, "bytes", view->bytes);
    xdb_json_close(json, '}');
}

static void put_counters(struct xdb_json *json, const struct xdb_server *server)
{
    struct xdb_stats stats;
    xdb_core_stats(server->core, &stats);
    uint64_t agents = xdb_agents_count(server);
    stats.clients -= agents;
#define PUT_CORE(field, name, what) xdb_json_number(json, name, stats.field);
    XDB_STATS_LIST(PUT_CORE)
#undef PUT_CORE
#define PUT_IO(field, name, what) xdb_json_number(json, name, server->stats.field);
    XDB_IO_STATS_LIST(PUT_IO)
#undef PUT_IO
    xdb_json_number(json, "agents", agents);
    xdb_json_number(json, "setups", server->setups.setups.count);
    xdb_json_number(json, "setup_copies", server->setups.copies.count);
}

static void put_status(struct writer *writer)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_server *server = writer->server;
    xdb_json_text(json, "software", "crossdock-broker " XD_VERSION);
    xdb_json_text(json, "address", server->listeners.items[0].endpoint[0]);
    xdb_json_number(json, "pid", (uint64_t)getpid());
    xdb_json_number(json,
                    "uptime_ms",
                    (uint64_t)((server->now - server->started) / XD_MS));
    xdb_json_open(json, "counters", '{');
    put_counters(json, server);
    xdb_json_close(json, '}');
    xdb_json_open(json, "profiles", '[');
    xdb_core_each_profile(server->core, visit_profile, json);
    xdb_json_close(json, ']');
    xdb_json_open(json, "workers", '[');
    xdb_core_each_worker(server->core, visit_worker, json);
    xdb_json_close(json, ']');
    xdb_json_open(json, "clients", '[');
    xdb_core_each_client(server->core, visit_client, writer);
    xdb_json_close(json, ']');
}

static enum xd_err write_all(const struct xdb_server *server,
                             void (*put)(struct writer *writer),
                             char **out)
{
    struct writer writer = {.server = server};
    enum xd_err err = xdb_json_begin(&writer.json);
    if (err == XD_OK) {
        put(&writer);
        err = xdb_json_end(&writer.json, out);
    }
    return err;
}

enum xd_err xdb_status(const struct xdb_server *server, char **out)
{
    return write_all(server, put_status, out);
}

/* ---- hosts and their workers */

/* What a session said of itself in HELLO. */
static void put_facts(struct xdb_json *json, const struct xdb_peer *peer)
{
    xdb_json_bytes(json, "name", peer->facts.name);
    xdb_json_bytes(json, "host", peer->host);
    xdb_json_number(json, "pid", peer->said_pid);
    xdb_json_text(json, "principal", peer->right->principal);
    xdb_json_list(json, "labels", peer->facts.labels, peer->facts.label_count);
    xdb_json_bytes(json, "software", peer->software);
    xdb_json_list(json, "versions", peer->facts.versions, peer->facts.version_count);
}

static void put_agent(struct xdb_json *json, const struct xdb_peer *peer)
{
    xdb_json_item(json);
    xdb_json_number(json, "session", peer->session.n);
    xdb_json_number(json, "slots", peer->facts.slot);
    xdb_json_number(json, "cores", peer->facts.cores);
    xdb_json_number(json, "memory_bytes", peer->facts.memory_bytes);
    put_facts(json, peer);
    xdb_json_close(json, '}');
}

static void visit_host_worker(void *context, const struct xdb_worker_view *view)
{
    struct writer *writer = context;
    struct xdb_json *json = &writer->json;
    const struct xdb_peer *peer = xdb_peer_find(&writer->server->conns, view->session);
    xdb_json_item(json);
    put_worker(json, view);
    if (peer != NULL) {
        xdb_json_number(json, "agent", xdb_agents_of(writer->server, peer).n);
        xdb_json_number(json, "slot", peer->facts.slot);
        put_facts(json, peer);
    }
    xdb_json_close(json, '}');
}

static void put_workers(struct writer *writer)
{
    struct xdb_json *json = &writer->json;
    const struct xd_map *sessions = &writer->server->conns.sessions;
    struct xd_map_item *item = NULL;
    xdb_json_open(json, "agents", '[');
    while ((item = xd_map_next(sessions, item)) != NULL) {
        const struct xdb_peer *peer = XD_ITEM(item, struct xdb_peer, by_session);
        if (peer->role == XD_ROLE_AGENT) {
            put_agent(json, peer);
        }
    }
    xdb_json_close(json, ']');
    xdb_json_open(json, "workers", '[');
    xdb_core_each_worker(writer->server->core, visit_host_worker, writer);
    xdb_json_close(json, ']');
}

enum xd_err xdb_status_workers(const struct xdb_server *server, char **out)
{
    return write_all(server, put_workers, out);
}
