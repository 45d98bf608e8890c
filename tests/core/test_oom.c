/* SPDX-License-Identifier: MIT */
/* Each allocation of a rich history fails once, for every n: the step says so, nothing
 * has changed, and the same event goes through afterwards. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "core/core.h"

struct scene {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes *profile, *bound, *callees[4];
    xd_time now;
    size_t fail_at; /* in this step; 0: none */
    size_t failed, postponed, sent;
    bool has_memory; /* this step has */
};

static struct xd_bytes *text(const char *from)
{
    struct xd_bytes *bytes = NULL;
    cr_assert_eq(xd_bytes_text(from, &bytes), XD_OK);
    return bytes;
}

static void checked(const struct scene *scene)
{
    const char *wrong = xdb_core_check(scene->core);
    cr_assert(wrong == NULL, "%s", wrong);
}

/* With the first, the second, ... allocation failing until one gets by. A dispatch
 * without room for its action is put off instead: the next step goes on with it. */
static void step(struct scene *scene, struct xdb_event *event)
{
    event->now = scene->now;
    enum xd_err err = XD_ERR_NOMEM;
    for (size_t n = 1; err == XD_ERR_NOMEM; n++) {
        struct xdb_stats before, after;
        xdb_core_stats(scene->core, &before);
        xd_time deadline = xdb_core_deadline(scene->core);
        xdb_actions_fini(&scene->actions); /* so that it has to grow */
        xd_alloc_fail_at(scene->has_memory ? 0 : n);
        err = xdb_core_step(scene->core, event, &scene->actions);
        xd_alloc_fail_at(0);
        checked(scene);
        if (err == XD_OK) {
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        xdb_core_stats(scene->core, &after);
        cr_assert(memcmp(&before, &after, sizeof before) == 0);
        cr_assert_eq(deadline, xdb_core_deadline(scene->core));
        cr_assert_eq(scene->actions.count, 0);
        scene->failed++;
    }
    for (size_t i = 0; i < scene->actions.count; i++) {
        scene->sent += scene->actions.items[i].kind == XDB_ACTION_SEND_TASK ? 1 : 0;
    }
}

static void tick(struct scene *scene, xd_time by)
{
    scene->now += by;
    struct xdb_event event = {.kind = XDB_EVENT_TICK};
    step(scene, &event);
}

/* What was put off goes on within a millisecond; now and then there is memory for it. */
static void go_on(struct scene *scene)
{
    while (xdb_core_deadline(scene->core) <= scene->now + XD_MS) {
        scene->has_memory = ++scene->postponed % 4 == 0;
        tick(scene, XD_MS);
        scene->has_memory = false;
    }
}

static void simple(struct scene *scene, enum xdb_event_kind kind, uint64_t session)
{
    struct xdb_event event = {.kind = kind, .session = {session}};
    step(scene, &event);
    go_on(scene);
}

static void worker(struct scene *scene, uint64_t session, struct xd_bytes *profile)
{
    struct xdb_event event = {.kind = XDB_EVENT_WORKER_JOIN, .session = {session}};
    event.worker_join.profile = profile;
    event.worker_join.owner.n = 1;
    event.worker_join.formats = 6;
    event.worker_join.handlers = scene->callees;
    event.worker_join.handler_count = session % 2 == 0 ? 4 : 2;
    event.worker_join.hold = 5;
    step(scene, &event);
    go_on(scene);
}

static struct xd_task_id id_of(unsigned n)
{
    struct xd_task_id id = {{0}};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

static struct xd_frame *frames(size_t count)
{
    struct xd_frame *made = xd_calloc(count, sizeof *made);
    cr_assert(made != NULL);
    for (size_t i = 0; i < count; i++) {
        made[i].bytes = text("payload");
        made[i].size = made[i].bytes->size;
    }
    return made;
}

static void submit(struct scene *scene, unsigned first, unsigned count, bool everywhere)
{
    struct xd_task tasks[64];
    memset(tasks, 0, sizeof tasks);
    for (unsigned i = 0; i < count; i++) {
        tasks[i].id = id_of(first + i);
        tasks[i].format = i % 5 == 4 ? XD_FORMAT_R : XD_FORMAT_CALL;
        tasks[i].callee = i % 5 == 4 ? NULL : xd_bytes_ref(scene->callees[i % 4]);
        tasks[i].timeout_ms = i % 3 == 0 ? 60000 : 0;
        tasks[i].everywhere = everywhere;
        tasks[i].frame_count = 1 + i % 2;
        tasks[i].frames = frames(tasks[i].frame_count);
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = scene->profile;
    event.submit.tasks = tasks;
    event.submit.count = count;
    step(scene, &event);
    for (unsigned i = 0; i < count; i++) {
        cr_assert(tasks[i].frames == NULL);
    }
    go_on(scene);
}

/* One that comes after others, or is done once for its key. */
static void submit_bound(struct scene *scene, unsigned id, unsigned after, bool has_key)
{
    struct xd_task task = {.id = id_of(id), .format = XD_FORMAT_R, .frame_count = 2};
    task.frames = frames(2);
    task.options.dedupe = has_key ? text("key") : NULL;
    task.options.after_count = after;
    task.options.after = xd_calloc(after, sizeof *task.options.after);
    for (unsigned i = 0; i < after; i++) {
        task.options.after[i] = id_of(i + 1);
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = scene->profile;
    event.submit.tasks = &task;
    event.submit.count = 1;
    step(scene, &event);
    go_on(scene);
}

static void result(struct scene *scene, uint64_t session, unsigned id, uint32_t part)
{
    struct xd_result made = {.id = id_of(id),
                             .part = part,
                             .outcome = XD_OUTCOME_DONE,
                             .run_ns = 1000,
                             .frames = frames(2),
                             .frame_count = 2};
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {session}};
    event.result.results = &made;
    event.result.count = 1;
    step(scene, &event);
    cr_assert(made.frames == NULL);
    go_on(scene);
}

static void make(struct scene *scene)
{
    struct xdb_core_config config;
    xdb_config_default(&config);
    *scene = (struct scene){.now = XD_S};
    for (size_t n = 1;; n++) {
        xd_alloc_fail_at(n);
        enum xd_err err = xdb_core_new(&config, &scene->core);
        xd_alloc_fail_at(0);
        if (err == XD_OK) {
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
    }
    xdb_actions_init(&scene->actions);
    scene->profile = text("default");
    scene->bound = text("bound");
    static const char *const names[] = {"a", "b", "c", "d"};
    for (unsigned i = 0; i < 4; i++) {
        scene->callees[i] = text(names[i]);
    }
}

static void destroy(struct scene *scene)
{
    xdb_actions_fini(&scene->actions);
    xdb_core_free(scene->core);
    xd_bytes_unref(scene->profile);
    xd_bytes_unref(scene->bound);
    for (unsigned i = 0; i < 4; i++) {
        xd_bytes_unref(scene->callees[i]);
    }
}

static void bind(struct scene *scene)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = scene->bound;
    event.profile.bound = true;
    step(scene, &event);
    worker(scene, 9, scene->bound);
}

Test(oom, a_long_history_survives_the_failure_of_every_allocation)
{
    struct scene scene;
    make(&scene);
    simple(&scene, XDB_EVENT_CLIENT_JOIN, 1);
    bind(&scene);
    submit(&scene, 1, 40, false);
    worker(&scene, 2, scene.profile);
    worker(&scene, 3, scene.profile);
    for (unsigned id = 1; id <= 12; id++) {
        result(&scene, 2, id, 0);
        result(&scene, 3, id, 0);
    }
    struct xd_task_id id = id_of(40);
    struct xdb_event cancel = {.kind = XDB_EVENT_CANCEL, .session = {1}};
    cancel.ids.ids = &id;
    cancel.ids.count = 1;
    step(&scene, &cancel);
    simple(&scene, XDB_EVENT_LOST, 3);
    tick(&scene, 1400 * XD_MS);
    simple(&scene, XDB_EVENT_HEARD, 1);
    simple(&scene, XDB_EVENT_LEAVE, 1);
    simple(&scene, XDB_EVENT_LEAVE, 2);
    simple(&scene, XDB_EVENT_DRAIN, 0);
    cr_assert_gt(scene.failed, 30);
    cr_assert_gt(scene.sent, 12);
    struct xdb_stats stats;
    xdb_core_stats(scene.core, &stats);
    cr_assert(stats.queued == 0 && stats.leased == 0 && stats.bytes == 0);
    cr_assert(stats.profiles == 0 && stats.accepted == 40);
    destroy(&scene);
}

Test(oom, parts_and_sends_without_room_are_put_off_not_lost)
{
    struct scene scene;
    make(&scene);
    simple(&scene, XDB_EVENT_CLIENT_JOIN, 1);
    for (uint64_t session = 2; session < 7; session++) {
        worker(&scene, session, scene.profile);
    }
    submit(&scene, 1, 1, true);
    cr_assert_eq(scene.sent, 5);
    for (uint64_t session = 2; session < 7; session++) {
        result(&scene, session, 1, (uint32_t)session - 2);
    }
    struct xdb_stats stats;
    xdb_core_stats(scene.core, &stats);
    cr_assert(stats.unacked == 5 && stats.done == 1);
    destroy(&scene);
}

Test(oom, what_waits_for_others_is_put_off_not_lost)
{
    struct scene scene;
    make(&scene);
    simple(&scene, XDB_EVENT_CLIENT_JOIN, 1);
    for (unsigned id = 1; id <= 6; id++) {
        submit_bound(&scene, id, 0, id > 3);
    }
    submit_bound(&scene, 7, 2, false);
    submit_bound(&scene, 8, 3, true);
    worker(&scene, 2, scene.profile);
    for (unsigned id = 1; id <= 4; id++) {
        result(&scene, 2, id, 0);
    }
    submit_bound(&scene, 9, 1, true);
    result(&scene, 2, 9, 0); /* it runs: nothing was kept without memory for it */
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {2}};
    struct xd_result failed = {.id = id_of(7), .outcome = XD_OUTCOME_FAILED};
    submit_bound(&scene, 10, 7, false);
    event.result.results = &failed;
    event.result.count = 1;
    step(&scene, &event);
    go_on(&scene);
    struct xdb_stats stats;
    xdb_core_stats(scene.core, &stats);
    cr_assert(stats.done == 8 && stats.failed == 2 && stats.queued == 0);
    cr_assert_gt(scene.postponed, 1);
    struct xdb_event ack = {.kind = XDB_EVENT_ACK, .session = {1}};
    ack.ack.count = 10;
    step(&scene, &ack);
    go_on(&scene);
    simple(&scene, XDB_EVENT_LEAVE, 2);
    simple(&scene, XDB_EVENT_LEAVE, 1);
    xdb_core_stats(scene.core, &stats);
    cr_assert(stats.bytes == 0 && stats.profiles == 0);
    destroy(&scene);
}
