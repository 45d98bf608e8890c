/* SPDX-License-Identifier: MIT */
/* What few tasks have, and the one timer of each. */
#include "core/extra.h"

#include "core/inside.h"

#define BACKOFF_MAX (3600 * XD_S)

bool xdb_extra_has_bond(const struct xd_task_options *options)
{
    return options->dedupe != NULL || options->after_count > 0;
}

bool xdb_extra_is_needed(const struct xd_task *task)
{
    const struct xd_task_options *options = &task->options;
    return task->timeout_ms > 0 || options->delay_ms > 0 || options->deadline_ms > 0 ||
           options->limit_ms > 0 || options->retries_failed > 0 ||
           options->retries_lost > 0 || options->replaces != NULL ||
           options->worker.n != 0 || xdb_extra_has_bond(options);
}

enum xd_err xdb_extra_reserve(struct xdb_core *core, size_t more)
{
    size_t room = core->extra_count + more - core->task_timers.count;
    if (xd_heap_reserve(&core->task_timers, room) != XD_OK) {
        return XD_ERR_NOMEM;
    }
    while (core->spare_extra_count < more) {
        struct xdb_extra *extra = xd_zalloc(sizeof *extra);
        if (extra == NULL) {
            return XD_ERR_NOMEM;
        }
        extra->next = core->spare_extras;
        core->spare_extras = extra;
        core->spare_extra_count++;
    }
    return XD_OK;
}

static struct xdb_extra *pop_spare(struct xdb_core *core)
{
    struct xdb_extra *extra = core->spare_extras;
    core->spare_extras = extra->next;
    core->spare_extra_count--;
    return extra;
}

void xdb_extra_free_spare(struct xdb_core *core)
{
    while (core->spare_extras != NULL) {
        xd_free(pop_spare(core));
    }
}

/* So many milliseconds from now; 0: never. */
static xd_time from_now(const struct xdb_core *core, uint64_t ms)
{
    bool is_far = ms > (uint64_t)(XD_NEVER / XD_MS);
    return ms == 0 || is_far ? XD_NEVER : xd_time_add(core->now, (xd_time)ms * XD_MS);
}

void xdb_extra_attach(struct xdb_core *core,
                      struct xdb_task *task,
                      const struct xd_task *from)
{
    const struct xd_task_options *options = &from->options;
    struct xdb_extra *extra = pop_spare(core);
    *extra = (struct xdb_extra){
        .task = task,
        .expires = from_now(core, from->timeout_ms),
        .start_by = from_now(core, options->deadline_ms),
        .ready = options->delay_ms > 0 ? from_now(core, options->delay_ms) : core->now,
        .run_until = XD_NEVER,
        .limit = options->limit_ms > 0 ? from_now(core, options->limit_ms) - core->now
                                       : XD_NEVER,
        .timeout_ms = from->timeout_ms,
        .backoff_ms = options->backoff_ms,
        .retries_failed = options->retries_failed,
        .retries_lost = options->retries_lost,
        .replaces = xd_bytes_ref(options->replaces),
        .wanted = options->worker,
    };
    xd_list_init(&extra->links);
    task->extra = extra;
    core->extra_count++;
    if (extra->replaces != NULL) {
        xd_map_add(&task->client->replaceable,
                   &extra->by_key,
                   extra->replaces->data,
                   extra->replaces->size);
    }
}

void xdb_extra_attach_plain(struct xdb_core *core, struct xdb_task *task)
{
    static const struct xd_task plain = {.options = {.priority = 0}};
    xdb_extra_attach(core, task, &plain);
}

void xdb_extra_end(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_extra *extra = task->extra;
    if (extra == NULL) {
        return;
    }
    xd_heap_remove(&core->task_timers, &extra->timer);
    if (extra->replaces != NULL) {
        xd_map_remove(&task->client->replaceable, &extra->by_key);
        xd_bytes_unref(extra->replaces);
        extra->replaces = NULL;
    }
}

void xdb_extra_detach(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_extra *extra = task->extra;
    if (extra == NULL) {
        return;
    }
    xdb_extra_end(core, task);
    xdb_bond_release(core, task);
    xdb_bond_part(core, task);
    task->extra = NULL;
    core->extra_count--;
    if (core->spare_extra_count >= XDB_SPARE_RECORDS) {
        xd_free(extra);
        return;
    }
    extra->next = core->spare_extras;
    core->spare_extras = extra;
    core->spare_extra_count++;
}

static xd_time next_due(const struct xdb_task *task)
{
    const struct xdb_extra *extra = task->extra;
    switch ((enum xdb_task_state)task->state) {
    case XDB_TASK_DELAYED:
        return xd_time_min(extra->ready, xd_time_min(extra->expires, extra->start_by));
    case XDB_TASK_QUEUED:
    case XDB_TASK_BURIED:
    case XDB_TASK_WAITING:
        return xd_time_min(extra->expires, extra->start_by);
    case XDB_TASK_RUNNING:
        return xd_time_min(extra->expires, extra->run_until);
    case XDB_TASK_HELD:
    case XDB_TASK_BARRIER:
    case XDB_TASK_OPEN:
        return extra->expires;
    default:
        return XD_NEVER;
    }
}

void xdb_extra_arm(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_extra *extra = task->extra;
    xd_time due = next_due(task);
    if (due == XD_NEVER) {
        xd_heap_remove(&core->task_timers, &extra->timer);
    } else if (extra->timer.place == 0) {
        xd_heap_push(&core->task_timers, &extra->timer, due);
    } else if (extra->timer.key != due) {
        xd_heap_move(&core->task_timers, &extra->timer, due);
    }
}

void xdb_extra_touch(struct xdb_core *core, struct xdb_task *task)
{
    if (task->extra != NULL) {
        task->extra->run_until = xd_time_add(core->now, task->extra->limit);
        xdb_extra_arm(core, task);
    }
}

/* Over: the whole time, the time to begin, or the time of this run. */
static void expire(struct xdb_core *core, struct xdb_task *task)
{
    xd_heap_remove(&core->task_timers, &task->extra->timer);
    task->extra->expires = XD_NEVER; /* the parts of an open barrier go on */
    xdb_cancel_task(core,
                    task,
                    XDB_MOVE_EXPIRE,
                    (struct xdb_outcome){.outcome = XD_OUTCOME_EXPIRED,
                                         .error = core->texts.expired});
}

void xdb_extra_fire(struct xdb_core *core, struct xdb_task *task)
{
    const struct xdb_extra *extra = task->extra;
    bool is_ready = task->state == XDB_TASK_DELAYED && extra->ready <= core->now;
    bool is_over = extra->expires <= core->now ||
                   (task->state == XDB_TASK_RUNNING && extra->run_until <= core->now) ||
                   (task->state != XDB_TASK_RUNNING && extra->start_by <= core->now);
    if (is_over) {
        expire(core, task);
    } else if (is_ready) {
        xdb_aside_release(core, task, XDB_MOVE_READY);
    } else {
        xdb_extra_arm(core, task);
    }
}

struct xdb_task *xdb_extra_find(const struct xdb_client *client,
                                const struct xd_bytes *key)
{
    struct xd_map_item *item = xd_map_get(&client->replaceable, key->data, key->size);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_extra, by_key)->task;
}

uint32_t xdb_extra_attempt(const struct xdb_task *task)
{
    bool is_plain = task->barrier != NULL || task->extra == NULL;
    return is_plain ? 1 : 1u + task->extra->tries;
}

/* The pause before a further try: doubled each time. */
xd_time xdb_extra_backoff(const struct xdb_extra *extra)
{
    xd_time pause = (xd_time)extra->backoff_ms * XD_MS;
    for (unsigned i = 1; i < extra->tries && pause < BACKOFF_MAX; i++) {
        pause *= 2;
    }
    return xd_time_min(pause, BACKOFF_MAX);
}
