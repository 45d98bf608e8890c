/* SPDX-License-Identifier: MIT */
/* The core on a desk. */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static void must(enum xd_err err)
{
    xd_assert(err == XD_OK);
}

static struct xd_bytes *text(const char *from)
{
    struct xd_bytes *bytes = NULL;
    must(xd_bytes_text(from, &bytes));
    return bytes;
}

static struct xd_task_id make_id(unsigned n)
{
    struct xd_task_id id = {{0}};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

static unsigned number_of(const struct xd_task_id *id)
{
    unsigned n;
    memcpy(&n, id->bytes, sizeof n);
    return n;
}

struct xdt_desk *xdt_desk_new(void (*change)(struct xdb_core_config *config))
{
    struct xdt_desk *desk = calloc(1, sizeof *desk);
    xd_assert(desk != NULL);
    desk->now = XD_S;
    xdb_config_default(&desk->config);
    if (change != NULL) {
        change(&desk->config);
    }
    must(xdb_core_new(&desk->config, &desk->core));
    xdb_actions_init(&desk->actions);
    return desk;
}

void xdt_desk_free(struct xdt_desk *desk)
{
    xdb_actions_fini(&desk->actions);
    xdb_core_free(desk->core);
    free(desk);
}

void xdt_clear(struct xdt_desk *desk)
{
    desk->count = 0;
}

static void say(struct xdt_line *line, const char *from)
{
    (void)snprintf(line->text, sizeof line->text, "%s", from != NULL ? from : "");
}

static void write_result(struct xdt_line *line, const struct xd_result *result)
{
    line->id = number_of(&result->id);
    line->part = result->part;
    line->parts = result->parts;
    line->outcome = result->outcome;
    line->frame_count = result->frame_count;
    line->first_size = result->frame_count > 0 ? (size_t)result->frames[0].size : 0;
    line->attempt = result->attempt;
    line->worker = result->worker.n;
    if (result->error != NULL) {
        (void)snprintf(line->text,
                       sizeof line->text,
                       "%.*s",
                       (int)result->error->size,
                       (const char *)result->error->data);
    }
}

static void write_task(struct xdt_line *line, const struct xd_task *task)
{
    line->id = number_of(&task->id);
    line->part = task->part;
    line->hold = task->hold;
    line->everywhere = task->everywhere;
    line->setup = task->setup;
    line->attempt = task->attempt;
    line->given = task->given_count;
    for (size_t i = 0; i < task->given_count && i < 4; i++) {
        line->given_sizes[i] =
            task->given[i].frame_count > 0 ? task->given[i].frames[0].size : 0;
    }
    line->origin = task->origin.n;
    line->frame_count = task->frame_count;
    line->first_size = task->frame_count > 0 ? (size_t)task->frames[0].size : 0;
}

static void write_down(struct xdt_desk *desk, const struct xdb_action *action)
{
    xd_assert(desk->count < XDT_LINES_MAX);
    struct xdt_line *line = &desk->lines[desk->count++];
    *line = (struct xdt_line){.kind = action->kind, .session = action->session.n};
    switch (action->kind) {
    case XDB_ACTION_SEND_TASK:
        write_task(line, action->task);
        break;
    case XDB_ACTION_SEND_RESULT:
        write_result(line, action->result);
        break;
    case XDB_ACTION_ACCEPTED:
        line->count = action->accepted.count;
        break;
    case XDB_ACTION_BUSY:
        line->id = number_of(&action->busy.id);
        line->scope = action->busy.scope;
        line->retry_ms = action->busy.retry_after_ms;
        break;
    case XDB_ACTION_SEND_EVENT:
        line->id = number_of(&action->event.id);
        line->part = action->event.part;
        line->first_size = action->event.bytes->size;
        break;
    case XDB_ACTION_CANCEL:
        line->id = number_of(&action->cancel.id);
        line->level = action->cancel.level;
        break;
    case XDB_ACTION_RECALL:
        line->id = number_of(&action->recall.id);
        break;
    case XDB_ACTION_ERROR:
    case XDB_ACTION_DROP:
        line->code = action->error.code;
        say(line, action->error.text);
        break;
    case XDB_ACTION_NOTE:
        say(line, action->note.what);
        break;
    case XDB_ACTION_LET_GO:
        line->frame_count = action->let_go.count;
        break;
    case XDB_ACTION_HEARTBEAT:
    case XDB_ACTION_DRAINED:
        break;
    }
}

void xdt_step(struct xdt_desk *desk, struct xdb_event *event)
{
    event->now = desk->now;
    must(xdb_core_step(desk->core, event, &desk->actions));
    for (size_t i = 0; i < desk->actions.count; i++) {
        write_down(desk, &desk->actions.items[i]);
    }
    const char *wrong = xdb_core_check(desk->core);
    if (wrong != NULL) {
        (void)fprintf(stderr, "%s\n", wrong);
    }
    xd_assert(wrong == NULL);
}

void xdt_simple(struct xdt_desk *desk, enum xdb_event_kind kind, uint64_t session)
{
    struct xdb_event event = {.kind = kind, .session = {session}};
    xdt_step(desk, &event);
}

void xdt_client(struct xdt_desk *desk, uint64_t session)
{
    xdt_simple(desk, XDB_EVENT_CLIENT_JOIN, session);
}

void xdt_worker_how(struct xdt_desk *desk, uint64_t session, struct xdt_worker_how how)
{
    struct xd_bytes *profile = text(how.profile != NULL ? how.profile : "p");
    struct xd_bytes *handler = text(how.handler != NULL ? how.handler : "*");
    struct xdb_event event = {.kind = XDB_EVENT_WORKER_JOIN, .session = {session}};
    event.worker_join.profile = profile;
    event.worker_join.owner.n = how.owner;
    event.worker_join.formats = how.formats != 0 ? how.formats : 6;
    event.worker_join.handlers = &handler;
    event.worker_join.handler_count = 1;
    event.worker_join.hold = how.hold;
    event.worker_join.has = how.has != NULL ? text(how.has) : NULL;
    xdt_step(desk, &event);
    xd_bytes_unref(event.worker_join.has);
    xd_bytes_unref(profile);
    xd_bytes_unref(handler);
}

void xdt_worker(struct xdt_desk *desk, uint64_t session, const char *profile)
{
    xdt_worker_how(desk, session, (struct xdt_worker_how){.profile = profile});
}

void xdt_profile(struct xdt_desk *desk,
                 uint64_t session,
                 const char *name,
                 bool bound,
                 bool round_robin)
{
    struct xd_bytes *profile = text(name);
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {session}};
    event.profile.name = profile;
    event.profile.bound = bound;
    event.profile.policy = round_robin ? XDB_POLICY_ROUND_ROBIN : XDB_POLICY_BANDS;
    xdt_step(desk, &event);
    xd_bytes_unref(profile);
}

static struct xd_frame *make_frames(size_t count, size_t size, uint64_t ref_owner)
{
    struct xd_frame *frames = xd_calloc(count, sizeof *frames);
    xd_assert(frames != NULL);
    for (size_t i = 0; i < count; i++) {
        frames[i].size = size;
        frames[i].role = XD_FRAME_BODY;
        if (ref_owner != 0) {
            frames[i].ref.owner.n = ref_owner;
            frames[i].ref.counter = 1;
            continue;
        }
        uint8_t *room = NULL;
        must(xd_bytes_room(size, &room, &frames[i].bytes));
        memset(room, 7, size);
    }
    return frames;
}

static struct xd_task make_task(unsigned id, const struct xdt_task_how *how)
{
    size_t count = how->frames != 0 ? how->frames : 1;
    struct xd_task_options options = how->options;
    options.kind = how->kind != NULL ? text(how->kind) : NULL;
    options.replaces = how->replaces != NULL ? text(how->replaces) : NULL;
    options.needs = how->needs != NULL ? text(how->needs) : NULL;
    options.dedupe = how->dedupe != NULL ? text(how->dedupe) : NULL;
    for (const unsigned *at = how->after; at != NULL && *at != 0; at++) {
        options.after_count++;
    }
    options.after = xd_calloc(options.after_count, sizeof *options.after);
    for (uint32_t i = 0; i < options.after_count; i++) {
        options.after[i] = make_id(how->after[i]);
    }
    return (struct xd_task){
        .options = options,
        .id = make_id(id),
        .format = how->callee != NULL ? XD_FORMAT_CALL : XD_FORMAT_R,
        .everywhere = how->everywhere,
        .min_workers = how->min_workers,
        .timeout_ms = how->timeout_ms,
        .setup = how->setup,
        .callee = how->callee != NULL ? text(how->callee) : NULL,
        .frames = make_frames(count, how->size, how->ref_owner),
        .frame_count = count,
    };
}

static void submit_tasks(struct xdt_desk *desk,
                         uint64_t session,
                         const struct xdt_task_how *how,
                         struct xd_task *tasks,
                         size_t count)
{
    struct xd_bytes *name = text(how->profile != NULL ? how->profile : "p");
    struct xd_bytes *denied = how->denied != NULL ? text(how->denied) : NULL;
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {session}};
    event.submit.profile = name;
    event.submit.tasks = tasks;
    event.submit.count = count;
    event.submit.denied = denied;
    xdt_step(desk, &event);
    for (size_t i = 0; i < count; i++) {
        xd_assert(tasks[i].frames == NULL && tasks[i].callee == NULL);
    }
    xd_bytes_unref(name);
    xd_bytes_unref(denied);
}

void xdt_submit_how(struct xdt_desk *desk,
                    uint64_t session,
                    unsigned id,
                    struct xdt_task_how how)
{
    struct xd_task task = make_task(id, &how);
    submit_tasks(desk, session, &how, &task, 1);
}

void xdt_submit(struct xdt_desk *desk, uint64_t session, unsigned id)
{
    xdt_submit_how(desk, session, id, (struct xdt_task_how){0});
}

void xdt_submit_many(struct xdt_desk *desk,
                     uint64_t session,
                     unsigned first,
                     unsigned count)
{
    struct xd_task *tasks = calloc(count, sizeof *tasks);
    xd_assert(tasks != NULL);
    struct xdt_task_how how = {0};
    for (unsigned i = 0; i < count; i++) {
        tasks[i] = make_task(first + i, &how);
    }
    submit_tasks(desk, session, &how, tasks, count);
    free(tasks);
}

void xdt_result_how(struct xdt_desk *desk,
                    uint64_t session,
                    unsigned id,
                    struct xdt_result_how how)
{
    struct xd_result result = {
        .id = make_id(id),
        .part = how.part,
        .outcome = how.outcome != 0 ? how.outcome : XD_OUTCOME_DONE,
        .run_ns = how.run_ns,
        .frames = make_frames(1, how.size, how.ref_owner),
        .frame_count = 1,
        .error = how.error != NULL ? text(how.error) : NULL,
    };
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {session}};
    event.result.results = &result;
    event.result.count = 1;
    event.result.has_started = how.started != 0;
    event.result.started = make_id(how.started);
    xdt_step(desk, &event);
    xd_assert(result.frames == NULL);
}

void xdt_result(struct xdt_desk *desk, uint64_t session, unsigned id)
{
    xdt_result_how(desk, session, id, (struct xdt_result_how){0});
}

void xdt_id_event(struct xdt_desk *desk,
                  enum xdb_event_kind kind,
                  uint64_t session,
                  unsigned id)
{
    struct xd_task_id one = make_id(id);
    struct xdb_event event = {.kind = kind, .session = {session}};
    event.ids.ids = &one;
    event.ids.count = id != 0 ? 1 : 0;
    xdt_step(desk, &event);
}

void xdt_send_failed(struct xdt_desk *desk, uint64_t session, unsigned id, bool gone)
{
    struct xd_task_id one = make_id(id);
    struct xdb_event event = {.kind = XDB_EVENT_SEND_FAILED, .session = {session}};
    event.send_failed.ids = &one;
    event.send_failed.count = id != 0 ? 1 : 0;
    event.send_failed.gone = gone;
    xdt_step(desk, &event);
}

void xdt_ack(struct xdt_desk *desk, uint64_t session, uint64_t count)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {session}};
    event.ack.count = count;
    xdt_step(desk, &event);
}

void xdt_pass(struct xdt_desk *desk, xd_time by, const uint64_t *alive)
{
    xd_time end = desk->now + by, beat = desk->now;
    while (desk->now < end) {
        xd_time next = xd_time_min(end, xdb_core_deadline(desk->core));
        next = alive != NULL ? xd_time_min(next, beat + XD_S / 2) : next;
        desk->now = next > desk->now ? next : desk->now;
        for (size_t i = 0; alive != NULL && alive[i] != 0 && desk->now >= beat + XD_S / 2;
             i++) {
            xdt_simple(desk, XDB_EVENT_HEARD, alive[i]);
        }
        beat = desk->now >= beat + XD_S / 2 ? desk->now : beat;
        if (xdb_core_deadline(desk->core) <= desk->now) {
            xdt_simple(desk, XDB_EVENT_TICK, 0);
        }
    }
}

size_t xdt_count_to(const struct xdt_desk *desk,
                    enum xdb_action_kind kind,
                    uint64_t session)
{
    size_t found = 0;
    for (size_t i = 0; i < desk->count; i++) {
        bool fits = session == 0 || desk->lines[i].session == session;
        found += desk->lines[i].kind == kind && fits ? 1 : 0;
    }
    return found;
}

size_t xdt_count(const struct xdt_desk *desk, enum xdb_action_kind kind)
{
    return xdt_count_to(desk, kind, 0);
}

const struct xdt_line *xdt_line(const struct xdt_desk *desk,
                                enum xdb_action_kind kind,
                                unsigned id)
{
    for (size_t i = 0; i < desk->count; i++) {
        if (desk->lines[i].kind == kind && desk->lines[i].id == id) {
            return &desk->lines[i];
        }
    }
    return NULL;
}

uint64_t xdt_sent_to(const struct xdt_desk *desk, unsigned id)
{
    for (size_t i = desk->count; i-- > 0;) {
        if (desk->lines[i].kind == XDB_ACTION_SEND_TASK && desk->lines[i].id == id) {
            return desk->lines[i].session;
        }
    }
    return 0;
}

enum xd_outcome xdt_outcome(const struct xdt_desk *desk, unsigned id)
{
    const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_RESULT, id);
    return line == NULL ? 0 : line->outcome;
}

struct xdb_profile_counts xdt_counts(const struct xdt_desk *desk, const char *profile)
{
    struct xd_bytes *name = text(profile);
    struct xdb_profile_counts counts;
    enum xd_err err =
        xdb_core_profile_counts(desk->core, name, (struct xd_session_id){1}, &counts);
    xd_assert(err == XD_OK);
    xd_bytes_unref(name);
    return counts;
}

struct xdb_stats xdt_stats(const struct xdt_desk *desk)
{
    struct xdb_stats stats;
    xdb_core_stats(desk->core, &stats);
    return stats;
}

struct search {
    uint64_t session;
    const char *state;
};

static void look(void *context, const struct xdb_worker_view *view)
{
    struct search *search = context;
    if (view->session.n == search->session) {
        search->state = view->state;
    }
}

const char *xdt_worker_state(const struct xdt_desk *desk, uint64_t session)
{
    struct search search = {session, ""};
    xdb_core_each_worker(desk->core, look, &search);
    return search.state;
}
