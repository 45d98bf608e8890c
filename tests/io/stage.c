/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"

struct xdb_server stage;
static struct xdb_embed *links[8];
static size_t link_count;

void stage_begin(void)
{
    memset(&stage, 0, sizeof stage);
    xdb_conns_init(&stage.conns, 1);
    cr_assert(xdb_embeds_new(&stage.embeds) == XD_OK);
}

void stage_end(void)
{
    xdb_conns_fini(&stage.conns);
    for (size_t i = 0; i < link_count; i++) {
        links[i]->link.close(&links[i]->link);
        xdb_embed_drop(links[i]);
    }
    xdb_embeds_free(stage.embeds);
    xd_free(stage.failed);
}

struct xdb_peer *stage_join(enum xd_role role)
{
    struct xdb_peer *peer;
    struct xdb_conn *conn;
    struct xdb_embed *embed;
    struct xd_route none = {0};
    cr_assert(link_count < sizeof links / sizeof *links);
    cr_assert(xdb_embed_new(stage.embeds, &embed) == XD_OK);
    links[link_count++] = embed;
    cr_assert(xdb_peer_add(&stage.conns, role, &peer) == XD_OK);
    cr_assert(xdb_conn_add(&stage.conns, XDB_SOCKET_CLIENTS, none, embed, &conn) ==
              XD_OK);
    embed->conns[XD_LANE_CONTROL] = conn;
    xdb_peer_attach(&stage.conns, peer, XD_LANE_CONTROL, conn);
    return peer;
}

bool stage_hear(const struct xdb_peer *peer, struct xd_msg *msg)
{
    struct xd_link *link = &peer->lanes[XD_LANE_CONTROL]->embed->link;
    struct xd_bytes *frames[16];
    size_t count;
    if (link->recv(link, XD_LANE_CONTROL, frames, 16, &count) != XD_OK) {
        return false;
    }
    memset(msg, 0, sizeof *msg);
    cr_assert(xd_msg_unpack(frames, count, msg, NULL) == XD_OK);
    for (size_t i = 0; i < count; i++) {
        xd_bytes_unref(frames[i]);
    }
    return true;
}
