/* SPDX-License-Identifier: MIT */
/* Client sessions: join, acknowledge, end. */
#include "core/client.h"

#include "core/inside.h"

/* Records brought near at a time. */
#define PREFETCHED 64u

struct xdb_client *xdb_client_find(const struct xdb_core *core, struct xd_session_id id)
{
    struct xdb_session *session = xdb_session_find(core, id);
    return session == NULL || session->is_worker
               ? NULL
               : XD_ITEM(session, struct xdb_client, session);
}

enum xd_err xdb_plan_client_join(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need)
{
    if (core->spare_client == NULL) {
        core->spare_client = xd_alloc(sizeof *core->spare_client);
    }
    return core->spare_client == NULL ? XD_ERR_NOMEM : xdb_session_reserve(core);
}

void xdb_apply_client_join(struct xdb_core *core, struct xdb_event *event)
{
    if (event->session.n == 0 || xdb_session_find(core, event->session) != NULL) {
        core->counters.stale++;
        return;
    }
    struct xdb_client *client = core->spare_client;
    core->spare_client = NULL;
    *client = (struct xdb_client){.principal = event->client_join.principal,
                                  .accept_due = XD_NEVER};
    xdb_session_init(core, &client->session, event->session, false);
    xd_list_init(&client->open);
    xd_list_init(&client->unacked);
    xd_list_init(&client->kept);
    xd_list_init(&client->made);
    xd_map_init(&client->tasks_by_id, core->config.seed);
    xd_map_init(&client->replaceable, core->config.seed);
    xd_list_push_back(&core->clients, &client->in_core);
    core->counters.clients++;
}

void xdb_client_tell_accepted(struct xdb_core *core, struct xdb_client *client)
{
    client->accept_due = XD_NEVER;
    if (client->told != client->accepted) {
        client->told = client->accepted;
        xdb_action_push(core, XDB_ACTION_ACCEPTED, &client->session)->accepted.count =
            client->accepted;
    }
}

/* The client has its outcome: the record goes, or stays for the worker alone. */
static void forget_result(struct xdb_core *core, struct xdb_task *task)
{
    if (task->state == XDB_TASK_ENDED) {
        xdb_task_forget(core, task);
        return;
    }
    if (task->barrier != NULL) {
        xdb_barrier_part_forgotten(core, task);
    }
    xdb_admit_release(core, task);
    if (task->barrier == NULL) {
        xd_map_remove(&task->client->tasks_by_id, &task->by_id);
    }
    xdb_extra_detach(core, task);
    xdb_task_move(core, task, XDB_MOVE_ACK, XDB_TASK_GHOST);
    xd_list_remove(&task->in_client);
    task->client = NULL;
    task->barrier = NULL;
}

/* Where its map points at those whose results were acknowledged. */
static void prefetch_ends(struct xdb_client *client, uint64_t count)
{
    struct xd_list *link = client->unacked.next;
    for (uint64_t i = 0; i < count && i < PREFETCHED && link != &client->unacked; i++) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, in_client);
        if (task->barrier == NULL) {
            xd_map_prefetch_chain(&client->tasks_by_id, &task->by_id);
        }
        link = link->next;
    }
}

enum xd_err xdb_plan_ack(struct xdb_core *core,
                         const struct xdb_event *event,
                         size_t *need)
{
    *need = 1;
    return XD_OK;
}

void xdb_apply_ack(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_client *client = xdb_client_find(core, event->session);
    if (client == NULL) {
        core->counters.stale++;
        return;
    }
    if (event->ack.count > client->results) {
        xdb_action_error(core,
                         event->session,
                         XD_ERR_PROTOCOL,
                         "more results acknowledged than were sent");
        return;
    }
    prefetch_ends(client, event->ack.count - client->acknowledged);
    while (client->acknowledged < event->ack.count) {
        client->acknowledged += xdb_fault(8) ? 2 : 1;
        forget_result(core, XD_ITEM(client->unacked.next, struct xdb_task, in_client));
    }
}

size_t xdb_client_end_actions(const struct xdb_core *core,
                              const struct xdb_client *client)
{
    size_t need =
        2 + core->states[XDB_TASK_HELD] + core->states[XDB_TASK_RUNNING] + client->by_ref;
    XD_LIST_EACH (link, &client->made) {
        need += XD_ITEM(link, struct xdb_profile, in_maker)->own_pool.worker_count * 2;
    }
    return need;
}

static void orphan_open(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_task *barrier = task->barrier;
    task->shape->profile->ended++;
    if (barrier != NULL) {
        barrier->orphan = true;
        xdb_barrier_part_ended(core, task, XD_OUTCOME_LOST);
        xdb_barrier_part_forgotten(core, task);
    } else {
        core->counters.orphaned++;
    }
    xdb_admit_release(core, task);
    if (task->state == XDB_TASK_QUEUED) {
        xdb_task_unqueue(core, task);
        xdb_task_retire(core, task, XDB_MOVE_ORPHAN);
        return;
    }
    if (xdb_task_is_aside(task)) {
        xdb_aside_take(core, task);
        xdb_task_retire(core, task, XDB_MOVE_ORPHAN);
        return;
    }
    if (task->state == XDB_TASK_BARRIER) {
        xdb_barrier_remove(core, task);
        xdb_task_retire(core, task, XDB_MOVE_ORPHAN);
        return;
    }
    if (barrier == NULL) {
        xd_map_remove(&task->client->tasks_by_id, &task->by_id);
    }
    xdb_cancel_at_worker(core, task);
    xdb_extra_detach(core, task);
    xdb_task_move(core, task, XDB_MOVE_ORPHAN, XDB_TASK_GHOST);
    xd_list_remove(&task->in_client);
    task->client = NULL;
    task->barrier = NULL;
}

static void orphan_unacked(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_task *barrier = task->barrier;
    if (barrier != NULL) {
        xdb_barrier_part_forgotten(core, task);
    }
    xdb_admit_release(core, task);
    if (task->state == XDB_TASK_ENDED || task->state == XDB_TASK_KEPT) {
        xdb_task_retire(core, task, XDB_MOVE_ORPHAN);
        return;
    }
    if (barrier == NULL) {
        xd_map_remove(&task->client->tasks_by_id, &task->by_id);
    }
    xdb_extra_detach(core, task);
    xdb_task_move(core, task, XDB_MOVE_ORPHAN, XDB_TASK_GHOST);
    xd_list_remove(&task->in_client);
    task->client = NULL;
    task->barrier = NULL;
}

void xdb_client_end(struct xdb_core *core, struct xdb_client *client)
{
    XD_LIST_EACH_SAFE (link, &client->unacked) {
        orphan_unacked(core, XD_ITEM(link, struct xdb_task, in_client));
    }
    XD_LIST_EACH_SAFE (link, &client->kept) {
        orphan_unacked(core, XD_ITEM(link, struct xdb_task, in_client));
    }
    /* An open barrier stands before its parts and goes with the last of them. */
    while (!xd_list_is_empty(&client->open)) {
        struct xdb_task *task = XD_ITEM(client->open.prev, struct xdb_task, in_client);
        orphan_open(core, task);
    }
    while (!xd_list_is_empty(&client->made)) {
        xdb_profile_unmake(core,
                           XD_ITEM(client->made.next, struct xdb_profile, in_maker));
    }
    xd_assert(client->tasks == 0 && client->bytes == 0);
    xdb_session_fini(core, &client->session);
    xd_list_remove(&client->in_core);
    core->counters.clients--;
    xd_map_fini(&client->tasks_by_id);
    xd_map_fini(&client->replaceable);
    xd_free(client);
}
