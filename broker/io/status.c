/* SPDX-License-Identifier: MIT */
/* What the broker holds, as JSON. */
#include "io/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/agents.h"
#include "io/json.h"

/* One of a list, by what it is sorted. */
struct row {
    struct xdb_page_key key;
    union {
        struct xdb_profile_view profile;
        struct xdb_worker_view worker;
        struct xdb_client_view client;
        const struct xdb_peer *agent;
    };
};

struct writer {
    struct xdb_json json;
    const struct xdb_server *server;
    const struct xdb_page *page;
    struct row *rows; /* of the list that is written */
    size_t count, capacity;
    bool starved;
};

/* Sessions by their numbers, profiles by their names. */
static int compare_keys(const struct xdb_page_key *a, const struct xdb_page_key *b)
{
    if (a->session != b->session) {
        return a->session < b->session ? -1 : 1;
    }
    if (a->name == NULL || b->name == NULL) {
        return (a->name != NULL) - (b->name != NULL);
    }
    size_t common = a->name->size < b->name->size ? a->name->size : b->name->size;
    int order = memcmp(a->name->data, b->name->data, common);
    return order != 0 ? order
                      : (a->name->size > b->name->size) - (a->name->size < b->name->size);
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    return compare_keys(&a->key, &b->key);
}

static void add_row(struct writer *writer, const struct row *row)
{
    if (compare_keys(&row->key, &writer->page->after) <= 0) {
        return;
    }
    void *rows = writer->rows;
    if (xd_reserve(&rows, &writer->capacity, writer->count + 1, sizeof *row) != XD_OK) {
        writer->starved = true;
        return;
    }
    writer->rows = rows;
    writer->rows[writer->count++] = *row;
}

/* ---- profiles, workers, clients */

static void gather_profile(void *context, const struct xdb_profile_view *view)
{
    const struct row row = {.key = {0, view->name}, .profile = *view};
    add_row(context, &row);
}

static void gather_profiles(struct writer *writer)
{
    xdb_core_each_profile(writer->server->core, gather_profile, writer);
}

static void put_profile(struct writer *writer, const struct row *row)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_profile_view *view = &row->profile;
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
}

static void gather_worker(void *context, const struct xdb_worker_view *view)
{
    const struct row row = {.key = {view->session.n, NULL}, .worker = *view};
    add_row(context, &row);
}

static void gather_workers(struct writer *writer)
{
    xdb_core_each_worker(writer->server->core, gather_worker, writer);
}

static void put_worker(struct writer *writer, const struct row *row)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_worker_view *view = &row->worker;
    xdb_json_number(json, "session", view->session.n);
    xdb_json_number(json, "owner", view->owner.n);
    xdb_json_bytes(json, "profile", view->profile);
    xdb_json_text(json, "state", view->state);
    xdb_json_number(json, "leased", view->leased);
    xdb_json_number(json, "done", view->done);
}

/* Host agents are sessions of clients to the core. */
static void gather_client(void *context, const struct xdb_client_view *view)
{
    struct writer *writer = context;
    const struct xdb_peer *peer = xdb_peer_find(&writer->server->conns, view->session);
    if (peer == NULL || peer->role != XD_ROLE_AGENT) {
        const struct row row = {.key = {view->session.n, NULL}, .client = *view};
        add_row(writer, &row);
    }
}

static void gather_clients(struct writer *writer)
{
    xdb_core_each_client(writer->server->core, gather_client, writer);
}

static void put_client(struct writer *writer, const struct row *row)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_client_view *view = &row->client;
    xdb_json_number(json, "session", view->session.n);
    xdb_json_number(json, "open", view->open);
    xdb_json_number(json, "unacked", view->unacked);
    xdb_json_number(json, "bytes", view->bytes);
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

static void gather_agents(struct writer *writer)
{
    const struct xd_map *sessions = &writer->server->conns.sessions;
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(sessions, item)) != NULL) {
        const struct xdb_peer *peer = XD_ITEM(item, struct xdb_peer, by_session);
        if (peer->role == XD_ROLE_AGENT) {
            const struct row row = {.key = {peer->session.n, NULL}, .agent = peer};
            add_row(writer, &row);
        }
    }
}

static void put_agent(struct writer *writer, const struct row *row)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_peer *peer = row->agent;
    xdb_json_number(json, "session", peer->session.n);
    xdb_json_number(json, "slots", peer->facts.slot);
    xdb_json_number(json, "cores", peer->facts.cores);
    xdb_json_number(json, "memory_bytes", peer->facts.memory_bytes);
    put_facts(json, peer);
}

static void put_host_worker(struct writer *writer, const struct row *row)
{
    struct xdb_json *json = &writer->json;
    const struct xdb_peer *peer =
        xdb_peer_find(&writer->server->conns, row->worker.session);
    put_worker(writer, row);
    if (peer != NULL) {
        xdb_json_number(json, "agent", xdb_agents_of(writer->server, peer).n);
        xdb_json_number(json, "slot", peer->facts.slot);
        put_facts(json, peer);
    }
}

/* ---- the whole */

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

static void put_head(struct writer *writer)
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
}

struct list {
    const char *name, *next; /* next: the key of what it ends with, where it is cut */
    void (*gather)(struct writer *writer);
    void (*put)(struct writer *writer, const struct row *row);
};

static void put_list(struct writer *writer, const struct list *list, size_t room)
{
    struct xdb_json *json = &writer->json;
    struct xdb_page_key last = writer->page->after;
    size_t i = 0;
    writer->count = 0;
    list->gather(writer);
    if (writer->count > 0) {
        qsort(writer->rows, writer->count, sizeof *writer->rows, compare_rows);
    }
    xdb_json_open(json, list->name, '[');
    for (; i < writer->count && xdb_json_size(json) < room; i++) {
        xdb_json_item(json);
        list->put(writer, &writer->rows[i]);
        xdb_json_close(json, '}');
        last = writer->rows[i].key;
    }
    xdb_json_close(json, ']');
    if (i < writer->count && last.name != NULL) {
        xdb_json_bytes(json, list->next, last.name);
    } else if (i < writer->count) {
        xdb_json_number(json, list->next, last.session);
    }
}

/* Each of four lists may fill a quarter of the room, with what those before it left. */
static enum xd_err write_lists(struct writer *writer,
                               void (*head)(struct writer *writer),
                               const struct list *lists,
                               char **out)
{
    const struct xdb_page *page = writer->page;
    enum xd_err err = xdb_json_begin(&writer->json);
    if (err != XD_OK) {
        return err;
    }
    if (page->list == NULL && head != NULL) {
        head(writer);
    }
    for (size_t i = 0; lists[i].name != NULL; i++) {
        if (page->list == NULL || strcmp(page->list, lists[i].name) == 0) {
            put_list(writer, &lists[i], page->most / 4 * (i + 1));
        }
    }
    char *text;
    err = xdb_json_end(&writer->json, &text);
    if (err == XD_OK && writer->starved) {
        free(text);
        err = XD_ERR_NOMEM;
    }
    if (err == XD_OK) {
        *out = text;
    }
    return err;
}

static enum xd_err write_page(const struct xdb_server *server,
                              const struct xdb_page *page,
                              void (*head)(struct writer *writer),
                              const struct list *lists,
                              char **out)
{
    static const struct xdb_page whole = {.most = SIZE_MAX};
    struct writer writer = {.server = server, .page = page == NULL ? &whole : page};
    enum xd_err err = write_lists(&writer, head, lists, out);
    xd_free(writer.rows);
    return err;
}

enum xd_err xdb_status(const struct xdb_server *server,
                       const struct xdb_page *page,
                       char **out)
{
    static const struct list lists[] = {
        {"profiles", "profiles_next", gather_profiles, put_profile},
        {"workers", "workers_next", gather_workers, put_worker},
        {"clients", "clients_next", gather_clients, put_client},
        {NULL, NULL, NULL, NULL},
    };
    return write_page(server, page, put_head, lists, out);
}

enum xd_err xdb_status_workers(const struct xdb_server *server,
                               const struct xdb_page *page,
                               char **out)
{
    static const struct list lists[] = {
        {"agents", "agents_next", gather_agents, put_agent},
        {"workers", "workers_next", gather_workers, put_host_worker},
        {NULL, NULL, NULL, NULL},
    };
    return write_page(server, page, NULL, lists, out);
}
