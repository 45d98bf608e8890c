/* SPDX-License-Identifier: MIT */
/* Tasks that stand aside of the queue: for later, between two tries, in quarantine. */
#include "core/inside.h"

void xdb_aside_put(struct xdb_core *core,
                   struct xdb_task *task,
                   enum xdb_task_move move,
                   enum xdb_task_state to)
{
    xd_list_push_back(&task->shape->profile->aside, &task->place);
    xdb_task_move(core, task, move, to);
}

/* One that comes for the first time comes now; one that was there goes where it was. */
void xdb_aside_release(struct xdb_core *core,
                       struct xdb_task *task,
                       enum xdb_task_move move)
{
    if (task->extra->tries == 0) {
        xdb_bond_enter(core, task);
        return;
    }
    xd_list_remove(&task->place);
    xdb_task_move(core, task, move, XDB_TASK_QUEUED);
    xdb_policy_put(core, task);
}

void xdb_aside_take(struct xdb_core *core, struct xdb_task *task)
{
    xd_list_remove(&task->place);
    xdb_profile_touch(core, task->shape->profile);
}

/* Once more, if it may: after its error, or its worker's loss. The lease is over. */
bool xdb_aside_retry(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move)
{
    struct xdb_extra *extra = task->barrier == NULL ? task->extra : NULL;
    bool is_lost = move == XDB_MOVE_LOSE;
    uint16_t *left = extra == NULL ? NULL
                     : is_lost     ? &extra->retries_lost
                                   : &extra->retries_failed;
    if (left == NULL || *left == 0 || core->silent) {
        return false;
    }
    --*left;
    extra->tries++;
    extra->deaths = (uint16_t)(extra->deaths + (is_lost ? 1 : 0));
    extra->ready = xd_time_add(core->now, xdb_extra_backoff(extra));
    if (extra->deaths >= XDB_QUARANTINE_AFTER && is_lost) {
        xdb_aside_put(core, task, move, XDB_TASK_BURIED);
        xdb_action_note(core,
                        task->client->session.id,
                        XDB_NOTE_WARNING,
                        "task in quarantine");
        return true;
    }
    xdb_aside_put(core, task, move, XDB_TASK_DELAYED);
    if (extra->backoff_ms == 0) {
        xdb_aside_release(core, task, XDB_MOVE_READY);
    }
    return true;
}

/* Out of quarantine, with all its tries again. */
static void kick(struct xdb_core *core, struct xdb_task *task)
{
    task->extra->deaths = 0;
    task->extra->retries_lost = XDB_QUARANTINE_AFTER;
    xdb_aside_release(core, task, XDB_MOVE_KICK);
}

enum xd_err xdb_plan_kick(struct xdb_core *core,
                          const struct xdb_event *event,
                          size_t *need)
{
    *need = 1;
    return XD_OK;
}

void xdb_apply_kick(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_profile *profile = xdb_profile_find(core, event->profile.name);
    if (profile == NULL) {
        xdb_action_error(core, event->session, XD_ERR_NOT_FOUND, "no such profile");
        return;
    }
    const struct xdb_client *client = xdb_client_find(core, event->session);
    if (!event->profile.admin && profile->bound && profile->maker != client) {
        xdb_action_error(core,
                         event->session,
                         XD_ERR_FORBIDDEN,
                         "the profile belongs to another session");
        return;
    }
    XD_LIST_EACH_SAFE (link, &profile->aside) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        if (task->state == XDB_TASK_BURIED) {
            kick(core, task);
        }
    }
}
