/* SPDX-License-Identifier: MIT */
/* Large payloads on their way from owner to reader. */
#include "io/relay.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "io/bus.h"
#include "io/server.h"
#include "wire/limits.h"

void xdb_relay_init(struct xdb_relay *relay, uint64_t seed)
{
    xd_map_init(&relay->grants, seed);
    xd_map_init(&relay->ends, seed);
}

static struct xdb_relay_end *find_end(const struct xdb_relay *relay,
                                      struct xd_session_id session)
{
    struct xd_map_item *item = xd_map_get(&relay->ends, &session, sizeof session);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_relay_end, by_session);
}

static enum xd_err get_end(struct xdb_relay *relay,
                           struct xd_session_id session,
                           struct xdb_relay_end **out)
{
    *out = find_end(relay, session);
    if (*out != NULL) {
        return XD_OK;
    }
    enum xd_err err = xd_map_reserve(&relay->ends, 1);
    struct xdb_relay_end *end = err == XD_OK ? xd_zalloc(sizeof *end) : NULL;
    if (end == NULL) {
        return XD_ERR_NOMEM;
    }
    end->session = session;
    xd_list_init(&end->owned);
    xd_list_init(&end->read);
    xd_map_add(&relay->ends, &end->by_session, &end->session, sizeof end->session);
    *out = end;
    return XD_OK;
}

/* An end without grants is forgotten. */
static void drop_end(struct xdb_relay *relay, struct xd_session_id session)
{
    struct xdb_relay_end *end = find_end(relay, session);
    if (end != NULL && xd_list_is_empty(&end->owned) && xd_list_is_empty(&end->read)) {
        xd_map_remove(&relay->ends, &end->by_session);
        xd_free(end);
    }
}

static struct xdb_grant *find_grant(const struct xdb_relay *relay,
                                    struct xd_ref ref,
                                    struct xd_session_id reader)
{
    struct {
        uint64_t owner, counter, reader;
    } key = {ref.owner.n, ref.counter, reader.n};
    struct xd_map_item *item = xd_map_get(&relay->grants, &key, sizeof key);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_grant, by_key);
}

static void free_grant(struct xdb_relay *relay, struct xdb_grant *grant)
{
    struct xd_session_id owner = {grant->key.owner}, reader = {grant->key.reader};
    xd_list_remove(&grant->of_owner);
    xd_list_remove(&grant->of_reader);
    xd_map_remove(&relay->grants, &grant->by_key);
    xd_free(grant);
    drop_end(relay, owner);
    drop_end(relay, reader);
}

void xdb_relay_fini(struct xdb_relay *relay)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&relay->grants, NULL)) != NULL) {
        free_grant(relay, XD_ITEM(item, struct xdb_grant, by_key));
    }
    xd_map_fini(&relay->grants);
    xd_map_fini(&relay->ends);
}

static enum xd_err grant_one(struct xdb_relay *relay,
                             struct xd_ref ref,
                             struct xd_session_id reader)
{
    struct xdb_grant *grant = find_grant(relay, ref, reader);
    if (grant != NULL) {
        grant->uses++;
        return XD_OK;
    }
    struct xdb_relay_end *owned, *read;
    enum xd_err err = get_end(relay, ref.owner, &owned);
    if (err == XD_OK) {
        err = get_end(relay, reader, &read);
    }
    if (err == XD_OK) {
        err = xd_map_reserve(&relay->grants, 1);
    }
    grant = err == XD_OK ? xd_zalloc(sizeof *grant) : NULL;
    if (grant == NULL) {
        drop_end(relay, ref.owner);
        drop_end(relay, reader);
        return XD_ERR_NOMEM;
    }
    grant->key.owner = ref.owner.n;
    grant->key.counter = ref.counter;
    grant->key.reader = reader.n;
    grant->uses = 1;
    xd_list_push_back(&owned->owned, &grant->of_owner);
    xd_list_push_back(&read->read, &grant->of_reader);
    xd_map_add(&relay->grants, &grant->by_key, &grant->key, sizeof grant->key);
    return XD_OK;
}

enum xd_err xdb_relay_grant(struct xdb_server *server,
                            const struct xd_frame *frames,
                            size_t count,
                            struct xd_session_id reader)
{
    for (size_t i = 0; i < count; i++) {
        if (!xd_ref_is_set(frames[i].ref)) {
            continue;
        }
        enum xd_err err = grant_one(&server->relay, frames[i].ref, reader);
        if (err != XD_OK) {
            return err;
        }
    }
    return XD_OK;
}

/* Send on a session's bulk lane; behind what is parked there. */
static enum xd_err send_bulk(struct xdb_server *server,
                             struct xd_session_id session,
                             const struct xd_msg *msg)
{
    struct xdb_peer *peer = xdb_peer_find(&server->conns, session);
    if (peer == NULL || peer->lanes[XD_LANE_BULK] == NULL) {
        return XD_ERR_GONE;
    }
    struct xd_frames frames;
    frames.count = 0;
    enum xd_err err = xd_msg_pack(msg, &frames);
    if (err == XD_OK) {
        err = peer->bulk_count > 0
                  ? XD_ERR_AGAIN
                  : xdb_conn_send(server, peer->lanes[XD_LANE_BULK], &frames);
    }
    struct xdb_parked *parked;
    if (err == XD_ERR_AGAIN &&
        (err = xdb_parked_new(frames.items, frames.count, &parked)) == XD_OK) {
        xd_list_push_back(&peer->bulk, &parked->link);
        peer->bulk_count++;
        server->retry_at =
            xd_time_min(server->retry_at, server->now + XDB_RETRY_INTERVAL);
    }
    xd_frames_clear(&frames);
    return err;
}

bool xdb_relay_flush(struct xdb_server *server, struct xdb_peer *peer)
{
    while (peer->bulk_count > 0 && peer->lanes[XD_LANE_BULK] != NULL) {
        struct xdb_parked *parked = XD_ITEM(peer->bulk.next, struct xdb_parked, link);
        if (xdb_conn_send_frames(server,
                                 peer->lanes[XD_LANE_BULK],
                                 parked->frames,
                                 parked->count) == XD_ERR_AGAIN) {
            return true;
        }
        xd_list_remove(&parked->link);
        xdb_parked_free(parked);
        peer->bulk_count--;
    }
    return false;
}

static void send_credit(struct xdb_server *server,
                        struct xdb_grant *grant,
                        uint32_t chunks,
                        bool done)
{
    struct xd_session_id owner = {grant->key.owner}, reader = {grant->key.reader};
    struct xd_msg msg = {.kind = XD_KIND_CREDIT};
    msg.credit = (struct xd_credit){.ref = {owner, grant->key.counter},
                                    .reader = reader,
                                    .chunks = chunks,
                                    .done = done};
    enum xd_err err = send_bulk(server, owner, &msg);
    if (err == XD_ERR_GONE && !done) {
        grant->waiting += chunks;
    } else if (err == XD_ERR_NOMEM) {
        server->stats.no_memory++;
        grant->waiting += chunks;
    }
}

/* Tell a reader that the rest will not come. */
static void send_failure(struct xdb_server *server, const struct xdb_grant *grant)
{
    struct xd_session_id owner = {grant->key.owner}, reader = {grant->key.reader};
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk = (struct xd_chunk){.ref = {owner, grant->key.counter},
                                  .reader = reader,
                                  .code = XD_ERR_GONE};
    if (send_bulk(server, reader, &msg) == XD_ERR_NOMEM) {
        server->stats.no_memory++;
    }
}

enum xd_err xdb_relay_credit(struct xdb_server *server,
                             struct xd_session_id reader,
                             const struct xd_credit *credit)
{
    struct xdb_grant *grant = find_grant(&server->relay, credit->ref, reader);
    if (grant == NULL) {
        /* The owner is gone, or it was never the reader's: the same answer. */
        struct xdb_grant nobody = {
            .key = {credit->ref.owner.n, credit->ref.counter, reader.n}};
        if (!credit->done) {
            send_failure(server, &nobody);
        }
        return credit->done ? XD_OK : XD_ERR_FORBIDDEN;
    }
    if (credit->done) {
        if (--grant->uses == 0) {
            send_credit(server, grant, 0, true);
            free_grant(&server->relay, grant);
        }
        return XD_OK;
    }
    if (credit->chunks > XD_CHUNK_WINDOW ||
        grant->credit + credit->chunks > XD_CHUNK_WINDOW) {
        return XD_ERR_FORBIDDEN;
    }
    grant->credit += credit->chunks;
    send_credit(server, grant, credit->chunks, false);
    return XD_OK;
}

enum xd_err xdb_relay_chunk(struct xdb_server *server,
                            struct xd_session_id owner,
                            const struct xd_chunk *chunk)
{
    struct xdb_grant *grant = find_grant(&server->relay, chunk->ref, chunk->reader);
    if (!xd_session_is(chunk->ref.owner, owner)) {
        return XD_ERR_FORBIDDEN;
    }
    if (grant == NULL) {
        return XD_OK; /* the reader gave up while this was on its way */
    }
    if (grant->credit == 0) {
        return XD_ERR_FORBIDDEN;
    }
    grant->credit--;
    server->stats.chunks++;
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk = *chunk;
    enum xd_err err = send_bulk(server, chunk->reader, &msg);
    return err == XD_ERR_GONE ? XD_OK : err;
}

void xdb_relay_bulk_open(struct xdb_server *server, struct xd_session_id session)
{
    struct xdb_relay_end *end = find_end(&server->relay, session);
    if (end == NULL) {
        return;
    }
    XD_LIST_EACH (link, &end->owned) {
        struct xdb_grant *grant = XD_ITEM(link, struct xdb_grant, of_owner);
        uint32_t chunks = grant->waiting;
        grant->waiting = 0;
        if (chunks > 0) {
            send_credit(server, grant, chunks, false);
        }
    }
}

void xdb_relay_bulk_gone(struct xdb_server *server, struct xd_session_id session)
{
    struct xdb_peer *peer = xdb_peer_find(&server->conns, session);
    if (peer != NULL) {
        xdb_parked_free_all(&peer->bulk);
        peer->bulk_count = 0;
    }
    xdb_relay_session_gone(server, session);
}

void xdb_relay_session_gone(struct xdb_server *server, struct xd_session_id session)
{
    struct xdb_relay_end *end;
    while ((end = find_end(&server->relay, session)) != NULL) {
        if (!xd_list_is_empty(&end->owned)) {
            struct xdb_grant *grant =
                XD_ITEM(end->owned.next, struct xdb_grant, of_owner);
            send_failure(server, grant);
            free_grant(&server->relay, grant);
        } else {
            struct xdb_grant *grant =
                XD_ITEM(end->read.next, struct xdb_grant, of_reader);
            send_credit(server, grant, 0, true);
            free_grant(&server->relay, grant);
        }
    }
}
