/* SPDX-License-Identifier: MIT */
/* The list of actions: filled by a step, cleared by the next. */
#include "core/inside.h"

void xdb_actions_init(struct xdb_actions *actions)
{
    *actions = (struct xdb_actions){0};
}

void xdb_actions_fini(struct xdb_actions *actions)
{
    xdb_actions_clear(actions);
    xd_free(actions->items);
    *actions = (struct xdb_actions){0};
}

void xdb_actions_clear(struct xdb_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        struct xdb_action *action = &actions->items[i];
        if (action->kind == XDB_ACTION_SEND_RESULT) {
            xd_bytes_unref(action->room.result.error);
        } else if (action->kind == XDB_ACTION_SEND_EVENT) {
            xd_bytes_unref(action->event.kind);
            xd_bytes_unref(action->event.bytes);
        }
    }
    actions->count = 0;
}

/* The list lies where it stays: now the pointers into it can be set. */
void xdb_actions_finish(struct xdb_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        struct xdb_action *action = &actions->items[i];
        if (action->kind == XDB_ACTION_SEND_TASK) {
            action->task = &action->room.task;
        } else if (action->kind == XDB_ACTION_SEND_RESULT) {
            action->result = &action->room.result;
        }
    }
}

enum xd_err xdb_action_reserve(struct xdb_core *core, size_t more)
{
    struct xdb_actions *actions = core->actions;
    if (actions->capacity - actions->count >= more) {
        return XD_OK;
    }
    void *items = actions->items;
    enum xd_err err = xd_reserve(&items,
                                 &actions->capacity,
                                 actions->count + more,
                                 sizeof *actions->items);
    actions->items = items;
    return err;
}

struct xdb_action *xdb_action_push_id(struct xdb_core *core,
                                      enum xdb_action_kind kind,
                                      struct xd_session_id to)
{
    struct xdb_actions *actions = core->actions;
    if (core->silent) {
        return &core->unseen;
    }
    xd_assert(actions->count < actions->capacity); /* the plan was too small */
    struct xdb_action *action = &actions->items[actions->count++];
    action->kind = kind;
    action->session = to;
    return action;
}

struct xdb_action *xdb_action_push(struct xdb_core *core,
                                   enum xdb_action_kind kind,
                                   struct xdb_session *to)
{
    to->sent = core->now;
    return xdb_action_push_id(core, kind, to->id);
}

void xdb_action_error(struct xdb_core *core,
                      struct xd_session_id to,
                      enum xd_err code,
                      const char *text)
{
    struct xdb_action *action = xdb_action_push_id(core, XDB_ACTION_ERROR, to);
    action->error.code = code;
    action->error.text = text;
}

void xdb_action_drop(struct xdb_core *core,
                     struct xdb_session *session,
                     enum xd_err code,
                     const char *text)
{
    struct xdb_action *action = xdb_action_push(core, XDB_ACTION_DROP, session);
    action->error.code = code;
    action->error.text = text;
}

void xdb_action_note(struct xdb_core *core,
                     struct xd_session_id about,
                     enum xdb_note_level level,
                     const char *what)
{
    struct xdb_action *action = xdb_action_push_id(core, XDB_ACTION_NOTE, about);
    action->note.level = level;
    action->note.what = what;
    action->note.has_id = false;
}

/* The record lies among the dead until the next step. */
void xdb_action_let_go(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_action *action =
        xdb_action_push_id(core, XDB_ACTION_LET_GO, (struct xd_session_id){0});
    action->let_go.frames = xdb_task_frames(task);
    action->let_go.count = task->frame_count;
}

void xdb_action_result(struct xdb_core *core,
                       struct xdb_task *task,
                       const struct xdb_outcome *outcome)
{
    xdb_client_tell_accepted(core, task->client);
    struct xdb_action *action =
        xdb_action_push(core, XDB_ACTION_SEND_RESULT, &task->client->session);
    action->room.result = (struct xd_result){
        .id = task->id,
        .part = xdb_task_part(task),
        .parts = task->barrier != NULL ? task->parts : (task->everywhere ? 1 : 0),
        .outcome = outcome->outcome,
        .error = xd_bytes_ref(outcome->error),
        .run_ns = outcome->result != NULL ? outcome->result->run_ns : 0,
        .attempt = outcome->result != NULL ? outcome->result->attempt : 0,
        .worker = {outcome->result != NULL ? outcome->result->worker.n : 0},
        .frames = xdb_task_frames(task),
        .frame_count = task->frame_count,
    };
}
