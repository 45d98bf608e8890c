/* SPDX-License-Identifier: MIT */
/* The stage. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"

struct player {
    struct xd_heap_item done;
    size_t task;
};

struct xdt_stage {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes *names[XDT_STAGE_PROFILES];
    struct player *players;
    size_t player_count;
    struct xd_heap busy;
    struct xdt_play *tasks;
    size_t task_count, capacity, begun;
    xd_time now;
    uint64_t results;
    xd_time service[XDT_STAGE_PROFILES]; /* of those that ended */
};

static void must(enum xd_err err)
{
    xd_assert(err == XD_OK);
}

static void begin(struct xdt_stage *stage, const struct xdb_action *action)
{
    struct player *player = &stage->players[action->session.n - 2];
    size_t n;
    memcpy(&n, action->task->id.bytes, sizeof n);
    xd_assert(player->done.place == 0);
    stage->tasks[n].begun = stage->now;
    stage->tasks[n].place = ++stage->begun;
    player->task = n;
    xd_heap_push(&stage->busy, &player->done, stage->now + stage->tasks[n].run);
}

static void step(struct xdt_stage *stage, struct xdb_event *event)
{
    event->now = stage->now;
    must(xdb_core_step(stage->core, event, &stage->actions));
    for (size_t i = 0; i < stage->actions.count; i++) {
        const struct xdb_action *action = &stage->actions.items[i];
        xd_assert(action->kind != XDB_ACTION_ERROR);
        if (action->kind == XDB_ACTION_SEND_TASK) {
            begin(stage, action);
        }
        stage->results += action->kind == XDB_ACTION_SEND_RESULT ? 1 : 0;
    }
}

static void join(struct xdt_stage *stage)
{
    struct xdb_event client = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {1}};
    step(stage, &client);
    for (size_t i = 0; i < stage->player_count; i++) {
        struct xdb_event worker = {.kind = XDB_EVENT_WORKER_JOIN, .session = {2 + i}};
        worker.worker_join.profile = stage->names[0];
        worker.worker_join.formats = 1u << XD_FORMAT_R;
        step(stage, &worker);
    }
}

struct xdt_stage *xdt_stage_new(size_t workers)
{
    struct xdt_stage *stage = calloc(1, sizeof *stage);
    xd_assert(stage != NULL);
    struct xdb_core_config config;
    xdb_config_default(&config);
    config.heartbeat = config.suspect = config.lost = config.accept_delay = XD_NEVER / 4;
    stage->now = XD_S;
    stage->player_count = workers;
    stage->players = calloc(workers, sizeof *stage->players);
    xd_assert(stage->players != NULL);
    must(xdb_core_new(&config, &stage->core));
    xdb_actions_init(&stage->actions);
    xd_heap_init(&stage->busy);
    must(xd_heap_reserve(&stage->busy, workers));
    for (size_t i = 0; i < XDT_STAGE_PROFILES; i++) {
        uint8_t name = (uint8_t)('p' + i);
        must(xd_bytes_copy(&name, 1, &stage->names[i]));
    }
    join(stage);
    return stage;
}

void xdt_stage_free(struct xdt_stage *stage)
{
    xdb_actions_fini(&stage->actions);
    xdb_core_free(stage->core);
    xd_heap_fini(&stage->busy);
    for (size_t i = 0; i < XDT_STAGE_PROFILES; i++) {
        xd_bytes_unref(stage->names[i]);
    }
    free(stage->players);
    xd_free(stage->tasks);
    free(stage);
}

void xdt_stage_profile(struct xdt_stage *stage,
                       unsigned profile,
                       enum xdb_policy_kind policy,
                       double weight)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = stage->names[profile];
    event.profile.policy = policy;
    event.profile.set = XDB_SET_WEIGHT | (profile > 0 ? XDB_SET_POOL : 0);
    event.profile.weight = weight;
    event.profile.pool = stage->names[0];
    step(stage, &event);
}

void xdt_stage_limit(struct xdt_stage *stage, unsigned profile, uint32_t running)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = stage->names[profile];
    event.profile.only_set = event.profile.admin = true;
    event.profile.set = XDB_SET_RUNNING;
    event.profile.max_running = running;
    step(stage, &event);
}

void xdt_stage_pause(struct xdt_stage *stage, unsigned profile, bool paused)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = stage->names[profile];
    event.profile.only_set = event.profile.admin = true;
    event.profile.set = XDB_SET_PAUSED;
    event.profile.paused = paused;
    step(stage, &event);
}

static void submit_one(struct xdt_stage *stage,
                       unsigned profile,
                       const struct xdt_cue *cue,
                       struct xd_bytes *kind)
{
    size_t n = stage->task_count++;
    void *tasks = stage->tasks;
    must(xd_reserve(&tasks, &stage->capacity, n + 1, sizeof *stage->tasks));
    stage->tasks = tasks;
    stage->tasks[n] =
        (struct xdt_play){profile, cue->run, stage->now, XD_NEVER, XD_NEVER, 0};
    struct xd_task task = {.format = XD_FORMAT_R};
    memcpy(task.id.bytes, &n, sizeof n);
    task.options.kind = xd_bytes_ref(kind);
    task.options.priority = cue->priority;
    task.options.rank = cue->rank;
    task.options.estimate_us = cue->hint_us;
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = stage->names[profile];
    event.submit.tasks = &task;
    event.submit.count = 1;
    step(stage, &event);
}

size_t xdt_stage_submit(struct xdt_stage *stage,
                        unsigned profile,
                        size_t count,
                        struct xdt_cue cue)
{
    struct xd_bytes *kind = NULL;
    size_t first = stage->task_count;
    if (cue.kind != NULL) {
        must(xd_bytes_text(cue.kind, &kind));
    }
    for (size_t i = 0; i < count; i++) {
        submit_one(stage, profile, &cue, kind);
    }
    xd_bytes_unref(kind);
    return first;
}

const struct xdt_play *xdt_stage_task(const struct xdt_stage *stage, size_t number)
{
    return &stage->tasks[number];
}

static void finish(struct xdt_stage *stage, struct player *player)
{
    struct xdt_play *task = &stage->tasks[player->task];
    struct xd_result result = {.outcome = XD_OUTCOME_DONE, .run_ns = (uint64_t)task->run};
    memcpy(result.id.bytes, &player->task, sizeof player->task);
    task->ended = stage->now;
    stage->service[task->profile] += task->run;
    xd_heap_remove(&stage->busy, &player->done);
    struct xdb_event event = {.kind = XDB_EVENT_RESULT,
                              .session = {2 + (uint64_t)(player - stage->players)}};
    event.result.results = &result;
    event.result.count = 1;
    step(stage, &event);
    struct xdb_event ack = {.kind = XDB_EVENT_ACK, .session = {1}};
    ack.ack.count = stage->results;
    step(stage, &ack);
}

void xdt_stage_pass(struct xdt_stage *stage, xd_time by)
{
    xd_time end = stage->now + by;
    struct xd_heap_item *first;
    while ((first = xd_heap_first(&stage->busy)) != NULL && first->key <= end) {
        stage->now = first->key;
        finish(stage, XD_ITEM(first, struct player, done));
    }
    stage->now = end;
}

xd_time xdt_stage_now(const struct xdt_stage *stage)
{
    return stage->now;
}

xd_time xdt_stage_service(const struct xdt_stage *stage, unsigned profile)
{
    xd_time sum = stage->service[profile];
    for (size_t i = 0; i < stage->busy.count; i++) {
        const struct player *player =
            XD_ITEM(stage->busy.entries[i].item, struct player, done);
        const struct xdt_play *task = &stage->tasks[player->task];
        sum += task->profile == profile ? stage->now - task->begun : 0;
    }
    return sum;
}

size_t xdt_stage_begun(const struct xdt_stage *stage, size_t first, size_t count)
{
    size_t begun = 0;
    for (size_t i = first; i < first + count; i++) {
        begun += stage->tasks[i].place != 0 ? 1 : 0;
    }
    return begun;
}

struct xdb_core *xdt_stage_core(struct xdt_stage *stage)
{
    return stage->core;
}
