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

Test(relay, only_who_was_sent_the_reference_may_pull)
{
    grant();
    cr_assert(credit(OTHER, 1, false) == XD_ERR_FORBIDDEN);
    cr_assert(credit(READER, 1, false) == XD_OK);
}

Test(relay, a_reader_has_at_most_the_window_on_the_way)
{
    grant();
    cr_assert(credit(READER, XD_CHUNK_WINDOW, false) == XD_OK);
    cr_assert(credit(READER, 1, false) == XD_ERR_FORBIDDEN);
    cr_assert(chunk(OWNER) == XD_OK);
    cr_assert(credit(READER, 1, false) == XD_OK);
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
    struct xd_map_item *item = xd_map_next(&server.relay.grants, NULL);
    cr_assert(XD_ITEM(item, struct xdb_grant, by_key)->waiting == 3);
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
