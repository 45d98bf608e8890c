/* SPDX-License-Identifier: MIT */
/* Setups of client sessions and who has them. */
#include "io/setups.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/bus.h"
#include "io/inbound.h"
#include "io/outbound.h"
#include "io/server.h"
#include "wire/limits.h"

void xdb_setups_init(struct xdb_setups *setups, uint64_t seed)
{
    xd_map_init(&setups->setups, seed);
    xd_map_init(&setups->copies, seed);
}

static struct xdb_setup *find_setup(const struct xdb_setups *setups,
                                    struct xd_session_id origin,
                                    uint64_t number)
{
    struct {
        uint64_t origin, number;
    } key = {origin.n, number};
    struct xd_map_item *item = xd_map_get(&setups->setups, &key, sizeof key);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_setup, by_key);
}

static bool has_copy(const struct xdb_setups *setups,
                     const struct xdb_setup *setup,
                     struct xd_session_id worker)
{
    struct {
        uint64_t origin, number, worker;
    } key = {setup->key.origin, setup->key.number, worker.n};
    return xd_map_get(&setups->copies, &key, sizeof key) != NULL;
}

static void free_copy(struct xdb_setups *setups, struct xdb_setup_copy *copy)
{
    xd_list_remove(&copy->of_setup);
    xd_list_remove(&copy->of_worker);
    xd_map_remove(&setups->copies, &copy->by_key);
    xd_free(copy);
}

static void free_setup(struct xdb_setups *setups, struct xdb_setup *setup)
{
    XD_LIST_EACH_SAFE (link, &setup->copies) {
        free_copy(setups, XD_ITEM(link, struct xdb_setup_copy, of_setup));
    }
    xd_list_remove(&setup->of_client);
    xd_map_remove(&setups->setups, &setup->by_key);
    xd_frames_free(setup->frames, setup->frame_count);
    xd_free(setup);
}

void xdb_setups_fini(struct xdb_setups *setups)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&setups->setups, NULL)) != NULL) {
        free_setup(setups, XD_ITEM(item, struct xdb_setup, by_key));
    }
    xd_map_fini(&setups->setups);
    xd_map_fini(&setups->copies);
}

/* ---- from clients */

static enum xd_err add_setup(struct xdb_server *server,
                             struct xdb_peer *peer,
                             struct xd_msg *msg)
{
    struct xdb_setups *setups = &server->setups;
    enum xd_err err = xd_map_reserve(&setups->setups, 1);
    struct xdb_setup *setup = err == XD_OK ? xd_zalloc(sizeof *setup) : NULL;
    if (setup == NULL) {
        return XD_ERR_NOMEM;
    }
    setup->key.origin = peer->session.n;
    setup->key.number = msg->setup.number;
    setup->frames = msg->setup.frames;
    setup->frame_count = msg->setup.frame_count;
    msg->setup.frames = NULL;
    msg->setup.frame_count = 0;
    xd_list_init(&setup->copies);
    xd_list_push_back(&peer->setups, &setup->of_client);
    xd_map_add(&setups->setups, &setup->by_key, &setup->key, sizeof setup->key);
    peer->setup_count++;
    return XD_OK;
}

/* Tell those who have it, then forget it. At once and not with their next task, so that
 * sessions that come and go leave nothing at a worker that has no further task. */
static void drop_setup(struct xdb_server *server, struct xdb_setup *setup)
{
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.origin.n = setup->key.origin;
    msg.setup.number = setup->key.number;
    msg.setup.drop = true;
    while (!xd_list_is_empty(&setup->copies)) {
        struct xdb_setup_copy *copy =
            XD_ITEM(setup->copies.next, struct xdb_setup_copy, of_setup);
        struct xd_session_id worker = {copy->key.worker};
        xdb_peer_send(server, xdb_peer_find(&server->conns, worker), &msg);
        free_copy(&server->setups, copy);
    }
    free_setup(&server->setups, setup);
}

void xdb_setups_take(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    struct xdb_peer *peer = conn->peer;
    struct xdb_setup *known =
        find_setup(&server->setups, peer->session, msg->setup.number);
    if (msg->setup.origin.n != 0) {
        xdb_inbound_bad(server,
                        conn,
                        msg->kind,
                        XD_ERR_PROTOCOL,
                        "setup.origin is the broker's to set");
    } else if (msg->setup.drop) {
        if (known != NULL) {
            drop_setup(server, known);
            peer->setup_count--;
        }
    } else if (known != NULL) {
        xdb_inbound_bad(server,
                        conn,
                        msg->kind,
                        XD_ERR_EXISTS,
                        "setup.number is in use in this session");
    } else if (peer->setup_count >= XD_SETUPS_MAX) {
        xdb_inbound_bad(server,
                        conn,
                        msg->kind,
                        XD_ERR_BUSY,
                        "this session has as many setups as it may");
    } else if (add_setup(server, peer, msg) != XD_OK) {
        server->stats.no_memory++;
        xdb_conn_error(server,
                       conn,
                       msg->kind,
                       XD_ERR_NOMEM,
                       "the broker is out of memory");
    }
}

const struct xd_task *xdb_setups_missing(const struct xdb_server *server,
                                         struct xd_session_id client,
                                         const struct xd_task *tasks,
                                         size_t count)
{
    uint64_t known = 0; /* of a batch, most name the same */
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].setup == known || tasks[i].setup == 0) {
            continue;
        }
        known = tasks[i].setup;
        if (find_setup(&server->setups, client, known) == NULL) {
            return &tasks[i];
        }
    }
    return NULL;
}

/* ---- to workers */

static enum xd_err give_one(struct xdb_server *server,
                            struct xdb_peer *worker,
                            struct xdb_setup *setup)
{
    struct xdb_setups *setups = &server->setups;
    if (has_copy(setups, setup, worker->session)) {
        return XD_OK;
    }
    enum xd_err err = xd_map_reserve(&setups->copies, 1);
    struct xdb_setup_copy *copy = err == XD_OK ? xd_zalloc(sizeof *copy) : NULL;
    if (copy == NULL) {
        return XD_ERR_NOMEM;
    }
    copy->key.origin = setup->key.origin;
    copy->key.number = setup->key.number;
    copy->key.worker = worker->session.n;
    xd_list_push_back(&setup->copies, &copy->of_setup);
    xd_list_push_back(&worker->setups, &copy->of_worker);
    xd_map_add(&setups->copies, &copy->by_key, &copy->key, sizeof copy->key);
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.origin.n = setup->key.origin;
    msg.setup.number = setup->key.number;
    msg.setup.frames = setup->frames;
    msg.setup.frame_count = setup->frame_count;
    xdb_peer_send_ahead(server, worker, &msg);
    return XD_OK;
}

enum xd_err xdb_setups_give(struct xdb_server *server,
                            struct xdb_peer *worker,
                            const struct xd_task *tasks,
                            size_t count)
{
    const struct xd_task *last = NULL;
    enum xd_err err = XD_OK;
    for (size_t i = 0; err == XD_OK && i < count; i++) {
        const struct xd_task *task = &tasks[i];
        if (task->setup == 0 || (last != NULL && last->setup == task->setup &&
                                 xd_session_is(last->origin, task->origin))) {
            continue;
        }
        last = task;
        struct xdb_setup *setup = find_setup(&server->setups, task->origin, task->setup);
        if (setup != NULL) {
            err = give_one(server, worker, setup);
        }
    }
    return err;
}

void xdb_setups_session_gone(struct xdb_server *server, struct xdb_peer *peer)
{
    while (!xd_list_is_empty(&peer->setups)) {
        struct xd_list *first = peer->setups.next;
        if (peer->role == XD_ROLE_WORKER) {
            free_copy(&server->setups, XD_ITEM(first, struct xdb_setup_copy, of_worker));
        } else {
            drop_setup(server, XD_ITEM(first, struct xdb_setup, of_client));
        }
    }
    peer->setup_count = 0;
}
