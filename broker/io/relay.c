/* SPDX-License-Identifier: MIT */
/* Large payloads on their way from owner to reader. */
#include "io/relay.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "io/bus.h"
#include "io/server.h"
#include "wire/limits.h"

/* With so many messages waiting for a peer's bulk lane, beside what libzmq holds, no
 * chunk joins them: that is more than the windows of all payloads an honest reader has
 * under way. */
#define PARKED_MAX 64u

void xdb_relay_init(struct xdb_relay *relay, uint64_t seed)
{
    xd_map_init(&relay->payloads, seed);
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
    xd_list_init(&end->payloads);
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
    if (end != NULL && xd_list_is_empty(&end->payloads) && xd_list_is_empty(&end->read)) {
        xd_map_remove(&relay->ends, &end->by_session);
        xd_free(end);
    }
}

static struct xdb_payload *find_payload(const struct xdb_relay *relay, struct xd_ref ref)
{
    struct {
        uint64_t owner, counter;
    } key = {ref.owner.n, ref.counter};
    struct xd_map_item *item = xd_map_get(&relay->payloads, &key, sizeof key);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_payload, by_key);
}

static enum xd_err get_payload(struct xdb_relay *relay,
                               struct xd_ref ref,
                               struct xdb_payload **out)
{
    *out = find_payload(relay, ref);
    if (*out != NULL) {
        return XD_OK;
    }
    struct xdb_relay_end *end;
    enum xd_err err = get_end(relay, ref.owner, &end);
    if (err == XD_OK) {
        err = xd_map_reserve(&relay->payloads, 1);
    }
    struct xdb_payload *payload = err == XD_OK ? xd_zalloc(sizeof *payload) : NULL;
    if (payload == NULL) {
        drop_end(relay, ref.owner);
        return XD_ERR_NOMEM;
    }
    payload->key.owner = ref.owner.n;
    payload->key.counter = ref.counter;
    xd_list_push_back(&end->payloads, &payload->of_owner);
    xd_map_add(&relay->payloads, &payload->by_key, &payload->key, sizeof payload->key);
    *out = payload;
    return XD_OK;
}

/* One without grants and holds is forgotten. */
static void drop_payload(struct xdb_relay *relay, struct xdb_payload *payload)
{
    if (payload->grants == 0 && payload->holds == 0) {
        struct xd_session_id owner = {payload->key.owner};
        xd_list_remove(&payload->of_owner);
        xd_map_remove(&relay->payloads, &payload->by_key);
        xd_free(payload);
        drop_end(relay, owner);
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

static void drop_grant(struct xdb_relay *relay, struct xdb_grant *grant)
{
    struct xd_session_id reader = {grant->key.reader};
    struct xdb_payload *payload = grant->payload;
    xd_list_remove(&grant->of_owner);
    xd_list_remove(&grant->of_reader);
    xd_map_remove(&relay->grants, &grant->by_key);
    xd_free(grant);
    payload->grants--;
    drop_payload(relay, payload);
    drop_end(relay, reader);
}

void xdb_relay_fini(struct xdb_relay *relay)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&relay->grants, NULL)) != NULL) {
        drop_grant(relay, XD_ITEM(item, struct xdb_grant, by_key));
    }
    while ((item = xd_map_next(&relay->payloads, NULL)) != NULL) {
        struct xdb_payload *payload = XD_ITEM(item, struct xdb_payload, by_key);
        payload->holds = 0;
        drop_payload(relay, payload);
    }
    xd_map_fini(&relay->payloads);
    xd_map_fini(&relay->grants);
    xd_map_fini(&relay->ends);
}

/* So many chunks of it are not on their way any more. */
static void note_read(struct xdb_server *server, struct xdb_grant *grant, uint32_t chunks)
{
    uint32_t read = chunks < grant->unread ? chunks : grant->unread;
    grant->unread -= read;
    server->stats.relaying -= read * XD_CHUNK_BYTES;
}

static void free_grant(struct xdb_server *server, struct xdb_grant *grant)
{
    note_read(server, grant, grant->unread);
    drop_grant(&server->relay, grant);
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
    struct xdb_payload *payload;
    enum xd_err err = get_payload(relay, ref, &payload);
    if (err != XD_OK) {
        return err;
    }
    struct xdb_relay_end *read;
    err = get_end(relay, reader, &read);
    if (err == XD_OK) {
        err = xd_map_reserve(&relay->grants, 1);
    }
    grant = err == XD_OK ? xd_zalloc(sizeof *grant) : NULL;
    if (grant == NULL) {
        drop_payload(relay, payload);
        drop_end(relay, reader);
        return XD_ERR_NOMEM;
    }
    grant->payload = payload;
    payload->grants++;
    grant->key.owner = ref.owner.n;
    grant->key.counter = ref.counter;
    grant->key.reader = reader.n;
    grant->uses = 1;
    xd_list_push_back(&find_end(relay, ref.owner)->owned, &grant->of_owner);
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

/* Send on a session's bulk lane; behind what is parked there. XD_ERR_BUSY: too much is.
 */
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
    bool is_piece = msg->kind == XD_KIND_CHUNK && msg->chunk.bytes != NULL;
    if (err == XD_ERR_AGAIN && is_piece && peer->bulk_count >= PARKED_MAX) {
        err = XD_ERR_BUSY;
    }
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
    if (err == XD_OK) {
        return;
    }
    grant->waiting += chunks;
    if (err != XD_ERR_GONE) {
        server->stats.no_memory += err == XD_ERR_NOMEM ? 1 : 0;
        server->relay.is_short = true;
        server->retry_at =
            xd_time_min(server->retry_at, server->now + XDB_RETRY_INTERVAL);
    }
}

/* Nobody will read it any more: its owner may let go of it. */
static void tell_unread(struct xdb_server *server, struct xd_ref ref)
{
    struct xdb_grant nobody = {.key = {ref.owner.n, ref.counter, 0}};
    send_credit(server, &nobody, 0, true);
}

/* A reader is through with it, perhaps the last one. */
static void end_grant(struct xdb_server *server, struct xdb_grant *grant)
{
    const struct xdb_payload *payload = grant->payload;
    if (payload->grants == 1 && payload->holds == 0) {
        tell_unread(server, (struct xd_ref){{payload->key.owner}, payload->key.counter});
    } else {
        send_credit(server, grant, 0, true);
    }
    free_grant(server, grant);
}

/* One of the readings it was granted for is over. */
static void use_over(struct xdb_server *server, struct xdb_grant *grant)
{
    if (--grant->uses == 0) {
        end_grant(server, grant);
    }
}

/* A reader that may read it once more begins anew: its owner forgets how far it came. */
static void reading_over(struct xdb_server *server, struct xdb_grant *grant)
{
    if (grant->uses > 1) {
        grant->stale = grant->credit - grant->waiting;
        grant->credit = grant->waiting = 0;
        grant->next = 0;
        note_read(server, grant, grant->unread);
        send_credit(server, grant, 0, true);
    }
    use_over(server, grant);
}

enum xd_err xdb_relay_hold(struct xdb_server *server,
                           const struct xd_frame *frames,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xdb_payload *payload;
        if (!xd_ref_is_set(frames[i].ref)) {
            continue;
        }
        if (get_payload(&server->relay, frames[i].ref, &payload) != XD_OK) {
            return XD_ERR_NOMEM;
        }
        payload->holds++;
    }
    return XD_OK;
}

void xdb_relay_let_go(struct xdb_server *server,
                      const struct xd_frame *frames,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xdb_payload *payload = find_payload(&server->relay, frames[i].ref);
        if (payload == NULL || payload->holds == 0) {
            continue; /* its owner is gone */
        }
        payload->holds--;
        if (payload->grants == 0 && payload->holds == 0) {
            tell_unread(server, frames[i].ref);
            drop_payload(&server->relay, payload);
        }
    }
}

void xdb_relay_revoke(struct xdb_server *server,
                      const struct xd_frame *frames,
                      size_t count,
                      struct xd_session_id reader)
{
    for (size_t i = 0; i < count; i++) {
        struct xdb_grant *grant = xd_ref_is_set(frames[i].ref)
                                      ? find_grant(&server->relay, frames[i].ref, reader)
                                      : NULL;
        if (grant != NULL) {
            use_over(server, grant);
        }
    }
}

void xdb_relay_note(struct xdb_relay_refs *refs,
                    struct xd_session_id owner,
                    const struct xd_result *results,
                    size_t count)
{
    refs->count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < results[i].frame_count; k++) {
            struct xd_ref ref = results[i].frames[k].ref;
            if (xd_ref_is_set(ref) && xd_session_is(ref.owner, owner)) {
                xd_assert(refs->count < XD_FRAMES_MAX);
                refs->items[refs->count++] = ref;
            }
        }
    }
}

void xdb_relay_settle(struct xdb_server *server, const struct xdb_relay_refs *refs)
{
    for (size_t i = 0; i < refs->count; i++) {
        struct xd_ref ref = refs->items[i];
        if (find_payload(&server->relay, ref) == NULL) {
            tell_unread(server, ref);
        }
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

/* It asks for chunks and reads none: its streams end, and what waits for it goes. */
static void give_up(struct xdb_server *server, struct xd_session_id reader)
{
    struct xdb_peer *peer = xdb_peer_find(&server->conns, reader);
    xdb_log(server,
            1,
            "chunks are not read session=%llu parked=%zu",
            (unsigned long long)reader.n,
            peer->bulk_count);
    server->stats.cut += xdb_conn_shut(peer->lanes[XD_LANE_BULK]) ? 1 : 0;
    xdb_relay_bulk_gone(server, reader);
}

enum xd_err xdb_relay_credit(struct xdb_server *server,
                             struct xd_session_id reader,
                             const struct xd_credit *credit)
{
    struct xdb_grant *grant = find_grant(&server->relay, credit->ref, reader);
    if (grant == NULL) {
        struct xdb_grant nobody = {
            .key = {credit->ref.owner.n, credit->ref.counter, reader.n}};
        if (credit->done) {
            return XD_OK;
        }
        send_failure(server, &nobody);
        /* An owner that is gone, or its bulk lane, took its grants along while this was
         * on its way. */
        struct xdb_peer *owner = xdb_peer_find(&server->conns, credit->ref.owner);
        bool is_there = owner != NULL && owner->lanes[XD_LANE_BULK] != NULL;
        return is_there ? XD_ERR_FORBIDDEN : XD_OK;
    }
    if (credit->done) {
        reading_over(server, grant);
        return XD_OK;
    }
    if (credit->chunks > XD_CHUNK_WINDOW) {
        return XD_ERR_FORBIDDEN;
    }
    uint32_t room = XD_CHUNK_WINDOW - grant->credit;
    uint32_t chunks = credit->chunks < room ? credit->chunks : room;
    if (chunks > 0) {
        note_read(server, grant, chunks);
        grant->credit += chunks;
        send_credit(server, grant, chunks, false);
    }
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
    if (grant->stale > 0 && (grant->credit == 0 || chunk->offset != 0)) {
        grant->stale--;
        return XD_OK;
    }
    grant->stale = 0;
    if (chunk->bytes != NULL && chunk->offset != grant->next) {
        return XD_OK;
    }
    if (grant->credit == 0) {
        return XD_ERR_FORBIDDEN;
    }
    grant->credit--;
    grant->next += chunk->bytes == NULL ? 0 : chunk->bytes->size;
    server->stats.chunks++;
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk = *chunk;
    enum xd_err err = send_bulk(server, chunk->reader, &msg);
    if (err == XD_OK) {
        grant->unread++;
        server->stats.relaying += XD_CHUNK_BYTES;
    } else if (err == XD_ERR_BUSY) {
        give_up(server, chunk->reader);
    }
    return err == XD_ERR_NOMEM ? err : XD_OK;
}

/* Tell an owner the credit that it was not told. */
static void send_waiting(struct xdb_server *server, struct xdb_grant *grant)
{
    uint32_t chunks = grant->waiting;
    grant->waiting = 0;
    if (chunks > 0) {
        send_credit(server, grant, chunks, false);
    }
}

void xdb_relay_retry(struct xdb_server *server)
{
    if (!server->relay.is_short) {
        return;
    }
    server->relay.is_short = false;
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&server->relay.grants, item)) != NULL) {
        send_waiting(server, XD_ITEM(item, struct xdb_grant, by_key));
    }
}

void xdb_relay_bulk_open(struct xdb_server *server, struct xd_session_id session)
{
    struct xdb_relay_end *end = find_end(&server->relay, session);
    if (end == NULL) {
        return;
    }
    XD_LIST_EACH (link, &end->owned) {
        send_waiting(server, XD_ITEM(link, struct xdb_grant, of_owner));
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
            free_grant(server, grant);
        } else if (!xd_list_is_empty(&end->payloads)) {
            struct xdb_payload *payload =
                XD_ITEM(end->payloads.next, struct xdb_payload, of_owner);
            payload->holds = 0;
            drop_payload(&server->relay, payload);
        } else {
            end_grant(server, XD_ITEM(end->read.next, struct xdb_grant, of_reader));
        }
    }
}
