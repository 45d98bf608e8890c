/* SPDX-License-Identifier: MIT */
/* How much the core does for one event, counted in blocks of its code (the compiler calls
 * us at each), among few and among many others: nothing walks over them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/core.h"

static uint64_t blocks;

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void __sanitizer_cov_trace_pc(void);
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

#define WORKERS 16u
#define KINDS 8u
#define TRIES 40u

struct place {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes **profiles, *kinds[KINDS];
    size_t profile_count;
    struct xd_task_id running[WORKERS];
    uint64_t next, results;
    xd_time now;
};

static void must(enum xd_err err)
{
    cr_assert_eq(err, XD_OK);
}

/* Gives back how many blocks ran. */
static uint64_t step(struct place *place, struct xdb_event *event)
{
    event->now = place->now += 1000;
    blocks = 0;
    must(xdb_core_step(place->core, event, &place->actions));
    uint64_t took = blocks;
    for (size_t i = 0; i < place->actions.count; i++) {
        const struct xdb_action *action = &place->actions.items[i];
        cr_assert(action->kind != XDB_ACTION_ERROR, "%s", action->error.text);
        if (action->kind == XDB_ACTION_SEND_TASK) {
            place->running[action->session.n - 2] = action->task->id;
        }
        place->results += action->kind == XDB_ACTION_SEND_RESULT ? 1 : 0;
    }
    return took;
}

static uint64_t make(struct place *place, struct xd_bytes *name)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = name;
    event.profile.set = XDB_SET_POOL;
    event.profile.pool = place->profiles[0];
    return step(place, &event);
}

static uint64_t give_up(struct place *place, struct xd_bytes *name)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = name;
    event.profile.free = true;
    return step(place, &event);
}

static struct xd_task_id id_of(uint64_t n)
{
    struct xd_task_id id = {{0}};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

static uint64_t submit(struct place *place, size_t profile)
{
    struct xd_task task = {.id = id_of(place->next), .format = XD_FORMAT_R};
    task.options.kind = xd_bytes_ref(place->kinds[place->next % KINDS]);
    place->next++;
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = place->profiles[profile];
    event.submit.tasks = &task;
    event.submit.count = 1;
    return step(place, &event);
}

/* The worker's next task goes to it in the same step. */
static uint64_t finish(struct place *place, size_t worker)
{
    struct xd_result result = {.id = place->running[worker],
                               .outcome = XD_OUTCOME_DONE,
                               .run_ns = 1000000u << worker % KINDS};
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {2 + worker}};
    event.result.results = &result;
    event.result.count = 1;
    return step(place, &event);
}

static uint64_t cancel(struct place *place, uint64_t n)
{
    struct xd_task_id id = id_of(n);
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL, .session = {1}};
    event.ids.ids = &id;
    event.ids.count = 1;
    return step(place, &event);
}

static uint64_t acknowledge(struct place *place)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {1}};
    event.ack.count = place->results;
    return step(place, &event);
}

static void begin(struct place *place, size_t profiles, size_t tasks)
{
    struct xdb_core_config config;
    xdb_config_default(&config);
    config.heartbeat = config.suspect = config.lost = config.accept_delay = XD_NEVER / 4;
    *place = (struct place){.profile_count = profiles, .now = XD_S};
    must(xdb_core_new(&config, &place->core));
    xdb_actions_init(&place->actions);
    place->profiles = calloc(profiles, sizeof(struct xd_bytes *));
    cr_assert(place->profiles != NULL);
    for (uint8_t i = 0; i < KINDS; i++) {
        must(xd_bytes_copy(&i, 1, &place->kinds[i]));
    }
    struct xdb_event client = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {1}};
    (void)step(place, &client);
    for (size_t i = 0; i < profiles; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "profile %zu", i);
        must(xd_bytes_text(name, &place->profiles[i]));
        (void)make(place, place->profiles[i]);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        struct xdb_event worker = {.kind = XDB_EVENT_WORKER_JOIN, .session = {2 + i}};
        worker.worker_join.profile = place->profiles[0];
        worker.worker_join.formats = 1u << XD_FORMAT_R;
        (void)step(place, &worker);
    }
    for (size_t i = 0; i < tasks; i++) {
        (void)submit(place, i % profiles);
    }
}

static void end(struct place *place)
{
    xdb_actions_fini(&place->actions);
    xdb_core_free(place->core);
    for (size_t i = 0; i < place->profile_count; i++) {
        xd_bytes_unref(place->profiles[i]);
    }
    for (size_t i = 0; i < KINDS; i++) {
        xd_bytes_unref(place->kinds[i]);
    }
    free(place->profiles);
}

/* ---- what it took at most: no try may be one that walks */

struct most {
    uint64_t make, give_up, submit, finish, cancel, acknowledge;
};

static void keep(uint64_t *most, uint64_t took)
{
    *most = took > *most ? took : *most;
}

static struct most measure(size_t profiles, size_t tasks)
{
    struct place place;
    struct most most = {0};
    begin(&place, profiles, tasks);
    for (size_t i = 0; i < TRIES; i++) {
        char name[32];
        struct xd_bytes *one_more;
        (void)snprintf(name, sizeof name, "one more %zu", i);
        must(xd_bytes_text(name, &one_more));
        keep(&most.make, make(&place, one_more));
        keep(&most.give_up, give_up(&place, one_more));
        xd_bytes_unref(one_more);
        keep(&most.finish, finish(&place, i % WORKERS));
        keep(&most.acknowledge, acknowledge(&place));
        keep(&most.cancel, cancel(&place, tasks - 1 - i * 7));
        keep(&most.acknowledge, acknowledge(&place));
    }
    /* Room for the ids doubles now and then, which looks at all: not among these. */
    for (size_t i = 0; i < TRIES; i++) {
        keep(&most.submit, submit(&place, i % profiles));
    }
    end(&place);
    return most;
}

static void is_near(const char *what, uint64_t few, uint64_t many, double times)
{
    cr_assert(few > 10, "%s: %llu blocks, not counted", what, (unsigned long long)few);
    cr_assert((double)many <= times * (double)few,
              "%s: %llu blocks among few, %llu among many",
              what,
              (unsigned long long)few,
              (unsigned long long)many);
}

/* Chains in hash tables differ a little, heaps by their depth. */
Test(steps, no_event_of_a_profile_or_a_task_walks_over_others)
{
    struct most few = measure(20, 400), many = measure(5000, 60000);
    is_near("make a profile", few.make, many.make, 1.5);
    is_near("give up a profile", few.give_up, many.give_up, 1.5);
    is_near("submit", few.submit, many.submit, 1.5);
    is_near("finish and dispatch", few.finish, many.finish, 2);
    is_near("cancel", few.cancel, many.cancel, 2);
    is_near("acknowledge", few.acknowledge, many.acknowledge, 2);
}
