/* SPDX-License-Identifier: MIT */
/* Many tasks cancelled by one event: all of a session, of a profile, or with a key. */
#include "core/inside.h"

/* In one step; what is left takes another one. */
#define SWEEP_MAX 4096u

/* Of which sessions. */
static bool covers(const struct xdb_event *event, const struct xdb_client *client)
{
    if (!event->cancel_many.any_session) {
        return xd_session_is(client->session.id, event->session);
    }
    bool is_target = event->cancel_many.by != XDB_CANCEL_SESSION ||
                     xd_session_is(client->session.id, event->cancel_many.target);
    return is_target && client->principal == event->cancel_many.principal;
}

static bool has_key(const struct xdb_task *task, const struct xd_bytes *key)
{
    const struct xdb_extra *extra = task->barrier == NULL ? task->extra : NULL;
    return extra != NULL && (xd_bytes_equal(extra->replaces, key) ||
                             (extra->bond != NULL && extra->bond->memo != NULL &&
                              xdb_memo_has_key(extra->bond->memo, key)));
}

/* A part is cancelled with the whole. */
static bool is_meant(const struct xdb_event *event, const struct xdb_task *task)
{
    const struct xd_bytes *profile = event->cancel_many.profile;
    bool is_there = profile == NULL || event->cancel_many.by == XDB_CANCEL_SESSION ||
                    xd_bytes_equal(task->shape->profile->name, profile);
    return task->barrier == NULL && is_there &&
           (event->cancel_many.by != XDB_CANCEL_KEY ||
            has_key(task, event->cancel_many.key));
}

struct sweep {
    const struct xdb_event *event;
    size_t found, actions;
};

/* The first that are meant, at most SWEEP_MAX: counted, or cancelled. */
static void sweep(struct xdb_core *core, struct sweep *state, bool cancels)
{
    XD_LIST_EACH (link, &core->clients) {
        struct xdb_client *client = XD_ITEM(link, struct xdb_client, in_core);
        if (!covers(state->event, client)) {
            continue;
        }
        struct xd_list *at = client->open.next, *next;
        for (; at != &client->open && state->found < SWEEP_MAX; at = next) {
            struct xdb_task *task = XD_ITEM(at, struct xdb_task, in_client);
            bool everywhere = task->everywhere;
            next = at->next;
            if (!is_meant(state->event, task)) {
                continue;
            }
            state->found++;
            state->actions += xdb_cancel_actions(task);
            if (cancels) {
                xdb_cancel_task(core,
                                task,
                                XDB_MOVE_CANCEL,
                                (struct xdb_outcome){.outcome = XD_OUTCOME_CANCELLED,
                                                     .error = core->texts.cancelled});
                /* Parts that stood in the list went with the whole. */
                next = everywhere ? client->open.next : next;
            }
        }
    }
}

static const char *wrong_selection(const struct xdb_event *event)
{
    switch (event->cancel_many.by) {
    case XDB_CANCEL_SESSION:
        return NULL;
    case XDB_CANCEL_PROFILE:
        return event->cancel_many.profile == NULL ? "profile: which one?" : NULL;
    case XDB_CANCEL_KEY:
        return event->cancel_many.key == NULL ? "key: which one?" : NULL;
    }
    return "cancel: by session, profile or key";
}

enum xd_err xdb_plan_cancel_many(struct xdb_core *core,
                                 const struct xdb_event *event,
                                 size_t *need)
{
    struct sweep state = {.event = event};
    *need = 1;
    if (wrong_selection(event) == NULL) {
        sweep(core, &state, false);
        *need += state.actions;
    }
    return XD_OK;
}

void xdb_apply_cancel_many(struct xdb_core *core, struct xdb_event *event)
{
    struct sweep state = {.event = event};
    event->cancel_many.cancelled = 0;
    event->cancel_many.goes_on = false;
    const char *wrong = wrong_selection(event);
    if (wrong != NULL) {
        xdb_action_error(core, event->session, XD_ERR_INVALID, wrong);
        return;
    }
    sweep(core, &state, true);
    event->cancel_many.cancelled = state.found;
    event->cancel_many.goes_on = state.found == SWEEP_MAX;
}
