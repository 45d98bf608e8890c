/* SPDX-License-Identifier: MIT */
/* A client's tasks come in: taken, refused over budget, rejected, or known already. */
#include "core/inside.h"

static bool frames_are_own(const struct xd_frame *frames,
                           size_t count,
                           struct xd_session_id session)
{
    for (size_t i = 0; i < count; i++) {
        if (xd_ref_is_set(frames[i].ref) &&
            !xd_session_is(frames[i].ref.owner, session)) {
            return false;
        }
    }
    return true;
}

static bool is_too_long(const struct xd_bytes *name)
{
    return name != NULL && name->size > XDB_NAME_MAX;
}

static bool has_run_options(const struct xd_task_options *options)
{
    return options->delay_ms > 0 || options->deadline_ms > 0 || options->limit_ms > 0 ||
           options->retries_failed > 0 || options->retries_lost > 0 ||
           options->replaces != NULL || xdb_extra_has_bond(options);
}

/* Which option of a task has a value that it may not have; NULL: none. */
static const char *wrong_option(const struct xd_task *task)
{
    if (task->options.priority > XD_PRIORITY_BATCH) {
        return "priority: interactive, normal or batch";
    }
    if (is_too_long(task->callee)) {
        return "callee: at most 255 bytes";
    }
    if (is_too_long(task->options.kind)) {
        return "class: at most 255 bytes";
    }
    if (is_too_long(task->options.needs) || !xd_needs_are_valid(task->options.needs)) {
        return "needs: words, name=text or name>=number, at most 255 bytes";
    }
    if (is_too_long(task->options.replaces)) {
        return "replace: a key of at most 255 bytes";
    }
    if (is_too_long(task->options.dedupe)) {
        return "dedupe: a key of at most 255 bytes";
    }
    if (task->options.after_count > XD_AFTER_MAX) {
        return "after: at most 32 tasks";
    }
    if (task->options.deadline_ms > 0 &&
        task->options.deadline_ms <= task->options.delay_ms) {
        return "deadline: it is not after the delay";
    }
    if (task->everywhere && has_run_options(&task->options)) {
        return "everywhere: no delay, deadline, limit, retries, key or after";
    }
    return NULL;
}

/* Task `id`, if it is the session's or one of the first `before` of the message. */
static bool is_known(const struct xdb_client *client,
                     const struct xdb_event *event,
                     size_t before,
                     const struct xd_task_id *id,
                     bool *everywhere)
{
    const struct xdb_task *task = xdb_task_find(client, id);
    if (task != NULL) {
        *everywhere = task->everywhere;
        return true;
    }
    for (size_t i = 0; i < before; i++) {
        if (xd_task_id_equal(&event->submit.tasks[i].id, id)) {
            *everywhere = event->submit.tasks[i].everywhere;
            return true;
        }
    }
    return false;
}

/* What is wrong with those that a task is to come after. They were submitted before it,
 * so that no circle can be made. */
static const char *wrong_after(const struct xdb_core *core,
                               const struct xdb_event *event,
                               size_t index)
{
    const struct xdb_client *client = xdb_client_find(core, event->session);
    const struct xd_task *task = &event->submit.tasks[index];
    if (task->options.after_count == 0 || xdb_task_find(client, &task->id) != NULL) {
        return NULL; /* one sent again was looked at then */
    }
    for (uint32_t i = 0; i < task->options.after_count; i++) {
        const struct xd_task_id *id = &task->options.after[i];
        bool everywhere = false;
        if (is_known(client, event, index, id, &everywhere)) {
            if (everywhere) {
                return "after: an everywhere-task has no result of its own";
            }
        } else if (is_known(client, event, event->submit.count, id, &everywhere)) {
            return "after: a task comes after itself or a later one";
        } else {
            return "after: no such task of this session, or its result was acknowledged";
        }
    }
    return NULL;
}

/* What is wrong with the whole message; NULL: nothing. */
static const char *refusal(const struct xdb_core *core,
                           const struct xdb_event *event,
                           enum xd_err *code)
{
    *code = XD_ERR_PROTOCOL;
    for (size_t i = 0; i < event->submit.count; i++) {
        const struct xd_task *task = &event->submit.tasks[i];
        if (task->format != XD_FORMAT_R && task->format != XD_FORMAT_CALL) {
            *code = XD_ERR_UNSUPPORTED;
            return "unknown body format";
        }
        if (task->format == XD_FORMAT_CALL && task->callee == NULL) {
            return "a call without a callee";
        }
        const char *wrong = wrong_option(task);
        wrong = wrong != NULL ? wrong : wrong_after(core, event, i);
        if (wrong != NULL) {
            *code = XD_ERR_INVALID;
            return wrong;
        }
        if (!frames_are_own(task->frames, task->frame_count, event->session)) {
            *code = XD_ERR_FORBIDDEN;
            return "a payload of another session";
        }
    }
    const struct xdb_profile *profile = xdb_profile_find(core, event->submit.profile);
    if (profile != NULL &&
        !xdb_profile_admits(profile, xdb_client_find(core, event->session))) {
        *code = XD_ERR_FORBIDDEN;
        return "the profile belongs to another session";
    }
    return NULL;
}

/* Apply takes them from there: a shape is looked up once. */
static enum xd_err intern_shapes(struct xdb_core *core, const struct xdb_event *event)
{
    struct xdb_profile *profile;
    struct xdb_shape *shape = NULL;
    void *planned = core->planned;
    enum xd_err err = xd_reserve(&planned,
                                 &core->planned_room,
                                 event->submit.count,
                                 sizeof(struct xdb_planned));
    core->planned = planned;
    if (err == XD_OK) {
        err = xdb_profile_intern(core, event->submit.profile, &profile);
    }
    for (size_t i = 0; err == XD_OK && i < event->submit.count; i++) {
        err = xdb_shape_intern(core, profile, &event->submit.tasks[i], shape, &shape);
        core->planned[i] = (struct xdb_planned){.shape = shape};
        core->planned_count = i + 1;
    }
    return err;
}

void xdb_submit_drop_planned(struct xdb_core *core)
{
    for (size_t i = 0; i < core->planned_count; i++) {
        xdb_bond_free(core->planned[i].bond);
    }
    core->planned_count = 0;
}

/* Room for the ids, and the places where they will be looked for. */
static enum xd_err reserve_ids(struct xdb_client *client, const struct xdb_event *event)
{
    struct xd_map *map = &client->tasks_by_id;
    enum xd_err err = xd_map_reserve(map, event->submit.count);
    for (size_t i = 0; err == XD_OK && i < event->submit.count; i++) {
        const struct xd_task_id *id = &event->submit.tasks[i].id;
        xd_map_prefetch(map, id, sizeof *id);
    }
    return err;
}

/* Those that a task comes after have extras from then on. */
static size_t extras_for(const struct xdb_client *client, const struct xd_task *task)
{
    size_t extras = xdb_extra_is_needed(task) ? 1 : 0;
    for (uint32_t i = 0; i < task->options.after_count; i++) {
        const struct xdb_task *parent = xdb_task_find(client, &task->options.after[i]);
        extras += parent == NULL || parent->extra == NULL ? 1 : 0;
    }
    return extras;
}

/* What it waits for, and its key. */
static enum xd_err reserve_bonds(struct xdb_core *core, const struct xdb_event *event)
{
    size_t keys = 0;
    for (size_t i = 0; i < event->submit.count; i++) {
        const struct xd_task *task = &event->submit.tasks[i];
        if (!xdb_extra_has_bond(&task->options)) {
            continue;
        }
        if (xdb_bond_new(task, &core->planned[i].bond) != XD_OK) {
            return XD_ERR_NOMEM;
        }
        keys += task->options.dedupe != NULL ? 1 : 0;
    }
    return keys == 0 ? XD_OK : xdb_memo_reserve(core->planned[0].shape->profile, keys);
}

/* Extras, keys that replace, and what those that they replace may need. */
static enum xd_err reserve_extras(struct xdb_core *core,
                                  const struct xdb_event *event,
                                  size_t *need)
{
    struct xdb_client *client = xdb_client_find(core, event->session);
    size_t extras = 0, keys = 0;
    for (size_t i = 0; i < event->submit.count; i++) {
        const struct xd_task *task = &event->submit.tasks[i];
        extras += extras_for(client, task);
        keys += task->options.replaces != NULL ? 1 : 0;
    }
    *need += 3 * keys;
    enum xd_err err = xdb_extra_reserve(core, extras);
    return err != XD_OK ? err : xd_map_reserve(&client->replaceable, keys);
}

enum xd_err xdb_plan_submit(struct xdb_core *core,
                            const struct xdb_event *event,
                            size_t *need)
{
    enum xd_err code;
    *need = 2 * event->submit.count + 1;
    if (xdb_client_find(core, event->session) == NULL ||
        refusal(core, event, &code) != NULL) {
        return XD_OK;
    }
    enum xd_err err = reserve_ids(xdb_client_find(core, event->session), event);
    if (err == XD_OK) {
        err = intern_shapes(core, event);
    }
    if (err == XD_OK) {
        err = reserve_extras(core, event, need);
    }
    if (err == XD_OK) {
        err = reserve_bonds(core, event);
    }
    return err != XD_OK ? err : xdb_task_reserve(core, event->submit.count);
}

static void busy(struct xdb_core *core,
                 struct xdb_client *client,
                 const struct xd_task *task,
                 enum xdb_scope scope,
                 uint32_t retry_ms)
{
    core->counters.refused++;
    client->refused++;
    struct xdb_action *action = xdb_action_push(core, XDB_ACTION_BUSY, &client->session);
    action->busy.id = task->id;
    action->busy.scope = (uint32_t)scope;
    action->busy.retry_after_ms = retry_ms;
}

/* A record of the client's; the ACCEPTED that this implies may wait for company. */
static struct xdb_task *accept(struct xdb_core *core,
                               struct xdb_client *client,
                               const struct xd_task *from)
{
    struct xdb_task *task = xdb_task_new(core);
    task->id = from->id;
    task->client = client;
    task->everywhere = from->everywhere;
    task->setup = from->setup;
    task->seq = ++core->seq;
    if (from->everywhere) {
        task->part = 0;
        task->parts = from->min_workers;
    } else {
        task->arrived = core->now;
    }
    xd_map_add(&client->tasks_by_id, &task->by_id, &task->id, sizeof task->id);
    core->counters.accepted++;
    client->accepted++;
    if (client->accept_due == XD_NEVER) {
        client->accept_due = xd_time_add(core->now, core->config.accept_delay);
        xdb_session_wake(core, &client->session, client->accept_due);
    }
    return task;
}

static void reject(struct xdb_core *core,
                   struct xdb_task *task,
                   struct xdb_profile *profile,
                   struct xd_bytes *why)
{
    xdb_admit_charge(core, task, 0);
    profile->ended++;
    xdb_task_finish(core,
                    task,
                    XDB_MOVE_REJECT,
                    XDB_TASK_ENDED,
                    (struct xdb_outcome){.outcome = XD_OUTCOME_REJECTED, .error = why});
}

/* A later task takes the place of an earlier one, which is cancelled wherever it is. */
static void replace_older(struct xdb_core *core,
                          const struct xdb_client *client,
                          const struct xd_task *from)
{
    struct xdb_task *older = from->options.replaces == NULL
                                 ? NULL
                                 : xdb_extra_find(client, from->options.replaces);
    if (older != NULL) {
        xdb_cancel_task(core,
                        older,
                        XDB_MOVE_CANCEL,
                        (struct xdb_outcome){.outcome = XD_OUTCOME_CANCELLED,
                                             .error = core->texts.replaced});
    }
}

/* It is not refused: a worker may come. */
static void warn_if_homeless(struct xdb_core *core, struct xdb_task *task)
{
    if (task->shape->needs == NULL || !xd_list_is_empty(&task->shape->fits)) {
        return;
    }
    struct xdb_action *action =
        xdb_action_push(core, XDB_ACTION_SEND_EVENT, &task->client->session);
    action->event.id = task->id;
    action->event.part = 0;
    action->event.kind = xd_bytes_ref(core->texts.warning);
    action->event.bytes = xd_bytes_ref(core->texts.homeless);
}

static void place(struct xdb_core *core, struct xdb_task *task)
{
    if (task->everywhere) {
        xdb_task_move(core, task, XDB_MOVE_SUBMIT, XDB_TASK_BARRIER);
        xdb_barrier_put(core, task);
    } else if (xdb_bond_waits(task)) {
        xdb_aside_put(core, task, XDB_MOVE_SUBMIT, XDB_TASK_WAITING);
    } else if (task->extra != NULL && task->extra->ready > core->now) {
        xdb_aside_put(core, task, XDB_MOVE_SUBMIT, XDB_TASK_DELAYED);
    } else {
        xdb_bond_enter(core, task);
    }
}

static void queue(struct xdb_core *core,
                  struct xdb_task *task,
                  struct xdb_planned *planned,
                  struct xd_task *from,
                  uint64_t bytes)
{
    xdb_shape_use(planned->shape, task);
    xdb_admit_charge(core, task, bytes);
    xdb_task_take_frames(task, from->frames, from->frame_count);
    from->frames = NULL;
    from->frame_count = 0;
    task->client->open_count++;
    xd_list_push_back(&task->client->open, &task->in_client);
    replace_older(core, task->client, from);
    if (xdb_extra_is_needed(from)) {
        xdb_extra_attach(core, task, from);
    }
    if (planned->bond != NULL) {
        xdb_bond_attach(core, task, planned->bond, &from->options);
        planned->bond = NULL;
    }
    warn_if_homeless(core, task);
    place(core, task);
}

/* One that it comes after was in this message, and over budget. */
static bool lacks_parent(const struct xdb_client *client, const struct xd_task *from)
{
    for (uint32_t i = 0; i < from->options.after_count; i++) {
        if (xdb_task_find(client, &from->options.after[i]) == NULL) {
            return true;
        }
    }
    return false;
}

static enum xdb_scope over_which(struct xdb_core *core,
                                 const struct xdb_client *client,
                                 struct xdb_profile *profile,
                                 const struct xd_task *from,
                                 uint64_t bytes)
{
    enum xdb_scope scope = xdb_admit_test(core, client, profile, bytes);
    if (scope == XDB_SCOPE_PROFILE) {
        profile->refused++;
    }
    return scope == XDB_SCOPE_NONE && lacks_parent(client, from) ? XDB_SCOPE_CLIENT
                                                                 : scope;
}

/* Why it will not be taken, now or later; NULL: it may be. */
static struct xd_bytes *rejection(const struct xdb_core *core,
                                  const struct xdb_client *client,
                                  const struct xdb_profile *profile,
                                  uint64_t bytes,
                                  struct xd_bytes *denied)
{
    if (denied != NULL || core->draining) {
        return denied != NULL ? denied : core->texts.draining;
    }
    return xdb_admit_never(core, client, profile, bytes);
}

/* Its record counts until that is acknowledged. A budget that has no room for one ever
 * (it is less than a record) does not keep who has no other from hearing it. */
static enum xdb_scope over_to_hear(const struct xdb_core *core,
                                   const struct xdb_client *client,
                                   const struct xdb_profile *profile)
{
    bool is_vain = xdb_admit_never(core, client, profile, 0) != NULL;
    return is_vain && client->tasks == 0 ? XDB_SCOPE_NONE
                                         : xdb_admit_test(core, client, profile, 0);
}

static void take_task(struct xdb_core *core,
                      struct xdb_client *client,
                      struct xdb_event *event,
                      size_t index)
{
    struct xdb_planned *planned = &core->planned[index];
    struct xd_task *from = &event->submit.tasks[index];
    struct xdb_profile *profile = planned->shape->profile;
    uint64_t bytes = xd_frames_bytes(from->frames, from->frame_count);
    if (xdb_task_find(client, &from->id) != NULL) {
        core->counters.stale++;
        core->counters.accepted += xdb_fault(6) ? 1 : 0;
        return;
    }
    core->counters.submitted++;
    struct xd_bytes *no = rejection(core, client, profile, bytes, event->submit.denied);
    enum xdb_scope scope = no == NULL ? over_which(core, client, profile, from, bytes)
                                      : over_to_hear(core, client, profile);
    if (scope != XDB_SCOPE_NONE) {
        size_t count = event->submit.count;
        busy(core,
             client,
             from,
             scope,
             xdb_admit_retry_ms(core, client, profile, scope, bytes, count));
        return;
    }
    xdb_memo_make_room(core, (no == NULL ? bytes : 0) + XDB_RECORD_BYTES);
    struct xdb_task *task = accept(core, client, from);
    if (no != NULL) {
        reject(core, task, profile, no);
    } else {
        queue(core, task, planned, from, bytes);
    }
}

void xdb_apply_submit(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_client *client = xdb_client_find(core, event->session);
    enum xd_err code;
    const char *wrong = client == NULL ? NULL : refusal(core, event, &code);
    if (client == NULL) {
        core->counters.stale++;
    } else if (wrong != NULL) {
        xdb_action_error(core, event->session, code, wrong);
    } else {
        for (size_t i = 0; i < event->submit.count; i++) {
            take_task(core, client, event, i);
        }
    }
    xdb_submit_drop_planned(core);
    for (size_t i = 0; i < event->submit.count; i++) {
        xd_task_clear(&event->submit.tasks[i]);
    }
}
