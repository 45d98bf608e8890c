/* SPDX-License-Identifier: MIT */
/* The step: plan, apply, dispatch. */
#include "core/core.h"

#include "core/inside.h"

void xdb_config_default(struct xdb_core_config *config)
{
    *config = (struct xdb_core_config){
        .heartbeat = 1 * XD_S,
        .suspect = 1500 * XD_MS,
        .lost = 3 * XD_S,
        .kill_after = 3 * XD_S,
        .accept_delay = 2 * XD_MS,
        .hold_budget = 3 * XD_MS,
        .hold_below = 2 * XD_MS,
        .recall_after = 20 * XD_MS,
        .run_unknown = 500 * XD_MS,
        .tier_share = 0.05,
        .memo_count = 1024,
        .memo_bytes = (uint64_t)64 << 20,
        .retry_after_ms = 100,
    };
}

/* A row without functions does nothing but note that the session was heard. */
static const struct {
    xdb_plan *plan;
    xdb_apply *apply;
    bool from_peer; /* the session itself spoke */
} kinds[] = {
    [XDB_EVENT_CLIENT_JOIN] = {xdb_plan_client_join, xdb_apply_client_join, false},
    [XDB_EVENT_WORKER_JOIN] = {xdb_plan_worker_join, xdb_apply_worker_join, false},
    [XDB_EVENT_HEARD] = {NULL, NULL, true},
    [XDB_EVENT_LEAVE] = {xdb_plan_end, xdb_apply_end, false},
    [XDB_EVENT_LOST] = {xdb_plan_end, xdb_apply_end, false},
    [XDB_EVENT_PROFILE] = {xdb_plan_configure, xdb_apply_configure, true},
    [XDB_EVENT_KICK] = {xdb_plan_kick, xdb_apply_kick, true},
    [XDB_EVENT_SUBMIT] = {xdb_plan_submit, xdb_apply_submit, true},
    [XDB_EVENT_CANCEL] = {xdb_plan_cancel, xdb_apply_cancel, true},
    [XDB_EVENT_CANCEL_MANY] = {xdb_plan_cancel_many, xdb_apply_cancel_many, true},
    [XDB_EVENT_ACK] = {xdb_plan_ack, xdb_apply_ack, true},
    [XDB_EVENT_STARTED] = {NULL, xdb_apply_started, true},
    [XDB_EVENT_TASK_EVENT] = {xdb_plan_task_event, xdb_apply_task_event, true},
    [XDB_EVENT_RESULT] = {xdb_plan_result, xdb_apply_result, true},
    [XDB_EVENT_RECALLED] = {xdb_plan_recalled, xdb_apply_recalled, true},
    [XDB_EVENT_SEND_FAILED] = {xdb_plan_send_failed, xdb_apply_send_failed, false},
    [XDB_EVENT_UNBLOCKED] = {NULL, xdb_apply_unblocked, false},
    [XDB_EVENT_TICK] = {xdb_plan_tick, xdb_apply_tick, false},
    [XDB_EVENT_DRAIN] = {NULL, xdb_apply_drain, false},
};

static enum xd_err make_texts(struct xdb_texts *texts)
{
    enum xd_err err = XD_OK;
#define MAKE(field, text)                                                                \
    if (err == XD_OK) {                                                                  \
        err = xd_bytes_text(text, &texts->field);                                        \
    }
    XDB_TEXT_LIST(MAKE)
#undef MAKE
    return err;
}

static void free_texts(struct xdb_texts *texts)
{
#define FREE(field, text) xd_bytes_unref(texts->field);
    XDB_TEXT_LIST(FREE)
#undef FREE
}

static void init(struct xdb_core *core, const struct xdb_core_config *config)
{
    core->config = *config;
    xd_map_init(&core->sessions, config->seed);
    xd_map_init(&core->profiles, config->seed);
    xd_heap_init(&core->session_timers);
    xd_heap_init(&core->task_timers);
    xd_list_init(&core->clients);
    xd_list_init(&core->workers);
    xdb_slabs_init(&core->records, sizeof(struct xdb_task), XDB_SPARE_RECORDS);
    xd_list_init(&core->dead);
    xd_list_init(&core->awake);
    xd_list_init(&core->hungry);
    xd_list_init(&core->touched);
    xd_list_init(&core->fated);
    xd_list_init(&core->spent);
    xd_list_init(&core->memos);
    xdb_hits_init(&core->task_hits, &xdb_task_table);
    xdb_hits_init(&core->worker_hits, &xdb_worker_table);
}

enum xd_err xdb_core_new(const struct xdb_core_config *config, struct xdb_core **out)
{
    struct xdb_core *core = xd_zalloc(sizeof *core);
    if (core == NULL) {
        return XD_ERR_NOMEM;
    }
    init(core, config);
    if (make_texts(&core->texts) != XD_OK) {
        free_texts(&core->texts);
        xd_free(core);
        return XD_ERR_NOMEM;
    }
    *out = core;
    return XD_OK;
}

/* The records of the last step: its actions may still have pointed at them. */
static void bury(struct xdb_core *core)
{
    while (!xd_list_is_empty(&core->dead)) {
        struct xdb_task *task = XD_ITEM(core->dead.next, struct xdb_task, place);
        xdb_task_drop_frames(task);
        xd_list_remove(&task->place);
        xdb_slabs_give(&core->records, task);
    }
}

static void end_all(struct xdb_core *core)
{
    while (!xd_list_is_empty(&core->clients)) {
        xdb_client_end(core, XD_ITEM(core->clients.next, struct xdb_client, in_core));
    }
    while (!xd_list_is_empty(&core->workers)) {
        xdb_worker_end(core, XD_ITEM(core->workers.next, struct xdb_worker, in_core));
    }
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&core->profiles, item)) != NULL) {
        struct xdb_profile *profile = XD_ITEM(item, struct xdb_profile, by_name);
        profile->lasting = false;
        xdb_profile_touch(core, profile);
    }
    while (!xd_list_is_empty(&core->touched)) {
        struct xdb_profile *profile =
            XD_ITEM(core->touched.next, struct xdb_profile, touched);
        xd_list_remove(&profile->touched);
        xdb_profile_tidy(core, profile);
    }
}

void xdb_core_free(struct xdb_core *core)
{
    if (core == NULL) {
        return;
    }
    core->silent = true;
    end_all(core);
    bury(core);
    xdb_slabs_fini(&core->records);
    xdb_extra_free_spare(core);
    xd_free(core->planned);
    xd_free(core->spare_client);
    xd_free(core->spare_worker);
    xd_map_fini(&core->sessions);
    xd_map_fini(&core->profiles);
    xd_heap_fini(&core->session_timers);
    xd_heap_fini(&core->task_timers);
    free_texts(&core->texts);
    xd_free(core);
}

void xdb_apply_drain(struct xdb_core *core, struct xdb_event *event)
{
    core->draining = true;
}

static bool is_empty(const struct xdb_core *core)
{
    for (size_t i = 0; i < XDB_TASK_STATES; i++) {
        if (core->states[i] > 0) {
            return false;
        }
    }
    return true;
}

static void tell_drained(struct xdb_core *core)
{
    if (core->draining && !core->drained && is_empty(core)) {
        core->drained = true;
        xdb_action_push_id(core, XDB_ACTION_DRAINED, (struct xd_session_id){0});
    }
}

static enum xd_err plan(struct xdb_core *core, const struct xdb_event *event)
{
    size_t need = 0;
    xdb_plan *function = kinds[event->kind].plan;
    enum xd_err err = function == NULL ? XD_OK : function(core, event, &need);
    return err != XD_OK ? err : xdb_action_reserve(core, need + 1); /* one: DRAINED */
}

/* What a plan that failed had made is of no use: nothing shows of it. Profiles up to
 * `last` were there before. */
static void undo_plan(struct xdb_core *core, const struct xd_list *last)
{
    xdb_submit_drop_planned(core);
    bool is_new = last == &core->touched;
    XD_LIST_EACH_SAFE (link, &core->touched) {
        struct xdb_profile *profile = XD_ITEM(link, struct xdb_profile, touched);
        bool was_last = link == last;
        if (is_new) {
            xdb_profile_tidy(core, profile);
        } else {
            xdb_profile_trim(profile);
        }
        is_new = is_new || was_last;
    }
}

/* A gap longer than a peer's silence may last means that the broker slept, not they. */
static void set_time(struct xdb_core *core, xd_time now)
{
    if (now > core->now) {
        if (now - core->now > core->config.suspect) {
            core->stalled = now;
        }
        core->now = now;
    }
}

static void note_heard(struct xdb_core *core, struct xd_session_id id)
{
    struct xdb_session *session = xdb_session_find(core, id);
    if (session == NULL) {
        return;
    }
    session->heard = core->now;
    if (session->is_worker) {
        struct xdb_worker *worker = XD_ITEM(session, struct xdb_worker, session);
        if (worker->silent) {
            worker->silent = false;
            xdb_worker_settle(core, worker, XDB_WORKER_HEARD);
            xdb_session_wake(core, session, xd_time_add(core->now, core->config.suspect));
        }
    }
}

enum xd_err xdb_core_step(struct xdb_core *core,
                          struct xdb_event *event,
                          struct xdb_actions *actions)
{
    xd_assert(event->kind < sizeof kinds / sizeof kinds[0]);
    xdb_actions_clear(actions);
    bury(core);
    core->actions = actions;
    const struct xd_list *last = core->touched.prev;
    enum xd_err err = plan(core, event);
    if (err != XD_OK) {
        undo_plan(core, last);
        core->actions = NULL;
        return err;
    }
    set_time(core, event->now);
    if (kinds[event->kind].from_peer) {
        note_heard(core, event->session);
    }
    if (kinds[event->kind].apply != NULL) {
        kinds[event->kind].apply(core, event);
    }
    xdb_dispatch(core);
    tell_drained(core);
    xdb_actions_finish(actions);
    core->actions = NULL;
    return XD_OK;
}

static xd_time first_key(const struct xd_heap *heap)
{
    const struct xd_heap_item *first = xd_heap_first(heap);
    return first == NULL ? XD_NEVER : first->key;
}

xd_time xdb_core_deadline(const struct xdb_core *core)
{
    xd_time timers =
        xd_time_min(first_key(&core->session_timers), first_key(&core->task_timers));
    return core->starved ? xd_time_min(timers, xd_time_add(core->now, XD_MS)) : timers;
}
