/* SPDX-License-Identifier: MIT */
/* Grants of large payloads: only who was sent a reference may pull, and never more than
 * the window. */
#include <criterion/criterion.h>
#include <string.h>

#include "io/relay.h"
#include "io/server.h"
#include "wire/limits.h"

/* A server of which only what the relay needs is there: no connections, so what it sends
 * goes nowhere. */
static struct xdb_server server;

static const struct xd_session_id OWNER = {1}, READER = {2}, OTHER = {3};

static void begin(void)
{
    memset(&server, 0, sizeof server);
    xdb_conns_init(&server.conns, 1);
    xdb_relay_init(&server.relay, 1);
}

static void end(void)
{
    xdb_relay_fini(&server.relay);
    xdb_conns_fini(&server.conns);
}

TestSuite(relay, .init = begin, .fini = end);

static void grant(void)
{
    struct xd_frame frame = {.ref = {OWNER, 7}, .size = 5000000, .role = XD_FRAME_OBJECT};
    cr_assert(xdb_relay_grant(&server, &frame, 1, READER) == XD_OK);
}

static enum xd_err credit(struct xd_session_id reader, uint32_t chunks, bool done)
{
    struct xd_credit message = {.ref = {OWNER, 7}, .chunks = chunks, .done = done};
    return xdb_relay_credit(&server, reader, &message);
}

static enum xd_err chunk(struct xd_session_id owner)
{
    struct xd_chunk message = {.ref = {OWNER, 7}, .reader = READER, .code = XD_ERR_GONE};
    return xdb_relay_chunk(&server, owner, &message);
}

static const struct xdb_grant *the_grant(void)
{
    struct xd_map_item *item = xd_map_next(&server.relay.grants, NULL);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_grant, by_key);
}

Test(relay, credit_that_crosses_the_owners_end_is_no_fault)
{
    grant();
    xdb_relay_session_gone(&server, OWNER);
    cr_assert(credit(READER, 1, false) == XD_OK);
}

Test(relay, a_reader_has_at_most_the_window_on_the_way)
{
    grant();
    cr_assert(credit(READER, XD_CHUNK_WINDOW + 1, false) == XD_ERR_FORBIDDEN);
    cr_assert(credit(READER, XD_CHUNK_WINDOW - 1, false) == XD_OK);
    cr_assert(credit(READER, 3, false) == XD_OK);
    cr_assert(the_grant()->credit == XD_CHUNK_WINDOW);
    cr_assert(chunk(OWNER) == XD_OK);
    cr_assert(credit(READER, 1, false) == XD_OK);
    cr_assert(the_grant()->credit == XD_CHUNK_WINDOW);
}

Test(relay, an_owner_sends_only_its_own_and_only_what_was_asked_for)
{
    grant();
    cr_assert(chunk(OWNER) == XD_ERR_FORBIDDEN, "no credit yet");
    cr_assert(credit(READER, 1, false) == XD_OK);
    cr_assert(chunk(OTHER) == XD_ERR_FORBIDDEN);
    cr_assert(chunk(OWNER) == XD_OK);
    cr_assert(chunk(OWNER) == XD_ERR_FORBIDDEN, "the credit is used up");
}

Test(relay, credit_waits_for_an_owner_whose_bulk_lane_is_not_open)
{
    grant();
    cr_assert(credit(READER, 3, false) == XD_OK);
    cr_assert(the_grant()->waiting == 3);
}

Test(relay, a_reference_sent_twice_is_done_twice)
{
    grant();
    grant();
    cr_assert(credit(READER, 0, true) == XD_OK);
    cr_assert(server.relay.grants.count == 1);
    cr_assert(credit(READER, 0, true) == XD_OK);
    cr_assert(server.relay.grants.count == 0 && server.relay.ends.count == 0);
}

Test(relay, session_that_ends_leaves_no_grant)
{
    grant();
    xdb_relay_session_gone(&server, OWNER);
    cr_assert(server.relay.grants.count == 0 && server.relay.ends.count == 0);
    grant();
    xdb_relay_session_gone(&server, READER);
    cr_assert(server.relay.grants.count == 0 && server.relay.ends.count == 0);
}

Test(relay, a_task_that_did_not_leave_takes_its_grant_back)
{
    struct xd_frame frames[2] = {{.ref = {OWNER, 7}, .size = 5000000}, {.size = 3}};
    grant();
    grant();
    xdb_relay_revoke(&server, frames, 2, READER);
    cr_assert(the_grant()->uses == 1);
    xdb_relay_revoke(&server, frames, 2, READER);
    cr_assert(the_grant() == NULL && server.relay.ends.count == 0);
    xdb_relay_revoke(&server, frames, 2, READER);
}

/* ---- with bulk lanes: those of links, which the test reads */

static struct xdb_embed *add_lane(struct xd_session_id session)
{
    struct xdb_peer *peer;
    struct xdb_embed *embed;
    struct xdb_conn *conn;
    struct xd_route none = {0};
    while ((peer = xdb_peer_find(&server.conns, session)) == NULL) {
        cr_assert(xdb_peer_add(&server.conns, XD_ROLE_CLIENT, &peer) == XD_OK);
    }
    if (server.embeds == NULL) {
        cr_assert(xdb_embeds_new(&server.embeds) == XD_OK);
    }
    cr_assert(xdb_embed_new(server.embeds, &embed) == XD_OK);
    cr_assert(xdb_conn_add(&server.conns, XDB_SOCKET_BULK, none, embed, &conn) == XD_OK);
    embed->conns[XD_LANE_BULK] = conn;
    xdb_peer_attach(&server.conns, peer, XD_LANE_BULK, conn);
    return embed;
}

static void drop_lane(struct xdb_embed *embed)
{
    embed->link.close(&embed->link);
    xdb_conn_free(&server.conns, embed->conns[XD_LANE_BULK]);
    xdb_embed_drop(embed);
}

/* The next message there; its kind is 0 when there is none. */
static struct xd_msg hear(struct xdb_embed *embed)
{
    struct xd_msg msg = {0};
    struct xd_bytes *frames[XD_FRAMES_MAX];
    size_t count = 0;
    if (embed->link.recv(&embed->link, XD_LANE_BULK, frames, XD_FRAMES_MAX, &count) ==
        XD_OK) {
        cr_assert(xd_msg_unpack(frames, count, &msg, NULL) == XD_OK);
        for (size_t i = 0; i < count; i++) {
            xd_bytes_unref(frames[i]);
        }
    }
    return msg;
}

Test(relay, only_who_was_sent_the_reference_may_pull)
{
    struct xdb_embed *owner = add_lane(OWNER);
    grant();
    cr_assert(credit(OTHER, 1, false) == XD_ERR_FORBIDDEN);
    cr_assert(credit(READER, 1, false) == XD_OK);
    drop_lane(owner);
    xdb_embeds_free(server.embeds);
}

/* Two tasks of one worker come after the same one. */
Test(relay, a_payload_read_again_begins_anew)
{
    struct xdb_embed *owner = add_lane(OWNER), *reader = add_lane(READER);
    struct xd_chunk late = {.ref = {OWNER, 7},
                            .reader = READER,
                            .offset = 9,
                            .code = XD_ERR_GONE};
    struct xd_chunk first = late;
    first.offset = 0;
    grant();
    grant();
    cr_assert(credit(READER, 2, false) == XD_OK);
    cr_assert(hear(owner).credit.chunks == 2);
    cr_assert(credit(READER, 0, true) == XD_OK);
    struct xd_msg msg = hear(owner);
    cr_assert(msg.credit.done && xd_session_is(msg.credit.reader, READER));
    cr_assert(xdb_relay_chunk(&server, OWNER, &late) == XD_OK);
    cr_assert(hear(reader).kind == 0, "a chunk of the reading before is passed on");
    cr_assert(credit(READER, 1, false) == XD_OK);
    cr_assert(hear(owner).credit.chunks == 1);
    cr_assert(xdb_relay_chunk(&server, OWNER, &late) == XD_OK);
    cr_assert(hear(reader).kind == 0, "a chunk of the reading before is passed on");
    cr_assert(xdb_relay_chunk(&server, OWNER, &first) == XD_OK);
    cr_assert(hear(reader).kind == XD_KIND_CHUNK);
    cr_assert(xdb_relay_chunk(&server, OWNER, &first) == XD_ERR_FORBIDDEN);
    drop_lane(owner);
    drop_lane(reader);
    xdb_embeds_free(server.embeds);
}

static void settle(void)
{
    struct xdb_relay_refs refs;
    struct xd_frame frames[3] = {{.size = 3},
                                 {.ref = {OWNER, 7}, .size = 5000000},
                                 {.ref = {OTHER, 8}, .size = 5000000}};
    struct xd_result result = {.frames = frames, .frame_count = 3};
    xdb_relay_note(&refs, OWNER, &result, 1);
    cr_assert(refs.count == 1, "of its own payloads only");
    xdb_relay_settle(&server, &refs);
}

Test(relay, owner_of_a_result_nobody_is_sent_may_let_go)
{
    struct xdb_embed *owner = add_lane(OWNER);
    settle();
    struct xd_msg msg = hear(owner);
    cr_assert(msg.kind == XD_KIND_CREDIT && msg.credit.done);
    cr_assert(msg.credit.ref.counter == 7);
    grant();
    settle();
    cr_assert(hear(owner).kind == 0, "it has a reader");
    drop_lane(owner);
    xdb_embeds_free(server.embeds);
}

static void hold(bool is_held)
{
    struct xd_frame frames[2] = {{.size = 3}, {.ref = {OWNER, 7}, .size = 5000000}};
    if (is_held) {
        cr_assert(xdb_relay_hold(&server, frames, 2) == XD_OK);
    } else {
        xdb_relay_let_go(&server, frames, 2);
    }
}

/* A reader's own number: it alone is through. None: nobody reads any more. */
Test(relay, a_held_payload_outlives_its_reader)
{
    struct xdb_embed *owner = add_lane(OWNER);
    hold(true);
    hold(true);
    grant();
    cr_assert(credit(READER, 0, true) == XD_OK);
    struct xd_msg msg = hear(owner);
    cr_assert(msg.credit.done && xd_session_is(msg.credit.reader, READER));
    hold(false);
    cr_assert(hear(owner).kind == 0, "another result with it is held");
    grant();
    hold(false);
    cr_assert(hear(owner).kind == 0, "somebody reads it");
    cr_assert(credit(READER, 0, true) == XD_OK);
    msg = hear(owner);
    cr_assert(msg.credit.done && msg.credit.reader.n == 0);
    cr_assert(server.relay.payloads.count == 0 && server.relay.ends.count == 0);
    drop_lane(owner);
    xdb_embeds_free(server.embeds);
}

Test(relay, a_held_payload_goes_with_its_owner)
{
    hold(true);
    grant();
    xdb_relay_session_gone(&server, OWNER);
    cr_assert(server.relay.payloads.count == 0 && server.relay.ends.count == 0);
    hold(false); /* says the core later */
    cr_assert(server.relay.payloads.count == 0);
}

/* Of one byte. */
static enum xd_err try_piece(uint64_t offset)
{
    static const uint8_t byte[1];
    struct xd_chunk message = {.ref = {OWNER, 7}, .reader = READER, .offset = offset};
    cr_assert(xd_bytes_copy(byte, 1, &message.bytes) == XD_OK);
    enum xd_err err = xdb_relay_chunk(&server, OWNER, &message);
    xd_bytes_unref(message.bytes);
    return err;
}

static void send_piece(uint64_t offset)
{
    cr_assert(try_piece(offset) == XD_OK);
}

static bool hears_piece(struct xdb_embed *reader, uint64_t offset)
{
    struct xd_msg msg = hear(reader);
    bool is_it = msg.kind == XD_KIND_CHUNK && msg.chunk.offset == offset;
    xd_msg_clear(&msg);
    return is_it;
}

/* A task that is recalled and comes again: its worker was through with the payload, and
 * the owner has not heard of that so far. */
Test(relay, what_an_earlier_grant_had_asked_for_is_not_passed_on)
{
    struct xdb_embed *owner = add_lane(OWNER), *reader = add_lane(READER);
    grant();
    cr_assert(credit(READER, 3, false) == XD_OK);
    send_piece(0);
    cr_assert(hears_piece(reader, 0));
    cr_assert(credit(READER, 0, true) == XD_OK);
    cr_assert(the_grant() == NULL);
    grant();
    send_piece(1); /* no fault of the owner's */
    cr_assert(credit(READER, 2, false) == XD_OK);
    send_piece(2);
    cr_assert(hear(reader).kind == 0, "a chunk of the reading before is passed on");
    send_piece(0);
    cr_assert(hears_piece(reader, 0));
    send_piece(1);
    cr_assert(hears_piece(reader, 1));
    cr_assert(try_piece(2) == XD_ERR_FORBIDDEN);
    drop_lane(owner);
    drop_lane(reader);
    xdb_embeds_free(server.embeds);
}

Test(relay, chunks_count_until_more_credit_says_that_they_were_read)
{
    struct xdb_embed *owner = add_lane(OWNER), *reader = add_lane(READER);
    grant();
    cr_assert(credit(READER, XD_CHUNK_WINDOW, false) == XD_OK);
    for (uint64_t i = 0; i < 3; i++) {
        send_piece(i);
    }
    cr_assert(server.stats.relaying == 3 * XD_CHUNK_BYTES);
    cr_assert(credit(READER, 2, false) == XD_OK);
    cr_assert(server.stats.relaying == XD_CHUNK_BYTES);
    cr_assert(credit(READER, 0, true) == XD_OK);
    cr_assert(server.stats.relaying == 0);
    for (int i = 0; i < 3; i++) {
        struct xd_msg msg = hear(reader);
        cr_assert(msg.kind == XD_KIND_CHUNK && msg.chunk.bytes->size == 1);
        xd_msg_clear(&msg);
    }
    drop_lane(owner);
    drop_lane(reader);
    xdb_embeds_free(server.embeds);
}

Test(relay, reader_that_lets_too_much_wait_loses_its_streams)
{
    struct xdb_embed *owner = add_lane(OWNER), *reader = add_lane(READER);
    struct xdb_peer *peer = xdb_peer_find(&server.conns, READER);
    grant();
    cr_assert(credit(READER, XD_CHUNK_WINDOW, false) == XD_OK);
    cr_assert(hear(owner).credit.chunks == XD_CHUNK_WINDOW);
    send_piece(0);
    peer->bulk_count = 1; /* its lane is full: what comes waits */
    send_piece(1);
    cr_assert(peer->bulk_count == 2);
    peer->bulk_count = 64;
    send_piece(2);
    cr_assert(peer->bulk_count == 0 && xd_list_is_empty(&peer->bulk));
    cr_assert(the_grant() == NULL && server.stats.relaying == 0);
    struct xd_msg last = hear(owner);
    cr_assert(last.credit.done && last.credit.reader.n == 0, "it may let go");
    drop_lane(owner);
    drop_lane(reader);
    xdb_embeds_free(server.embeds);
}
