/* SPDX-License-Identifier: MIT */
/* The load, the workers, and what came of it. */
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"

/* Medians of the classes from 20 ms to 600 s; the longer, the rarer. */
#define CLASSES 40u
#define SHORTEST 0.02
#define LONGEST 600.0
#define RARER 0.8

#define ACK_EVERY 64u

struct worker {
    struct xd_heap_item done; /* when its task ends */
    size_t task;
};

struct sim {
    const struct xdt_sim_how *how;
    struct xdt_sim_task *tasks;
    uint8_t *classes;
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes *profile, *names[CLASSES];
    struct worker *workers;
    struct xd_heap busy;
    uint64_t random, results;
    xd_time now;
};

static void must(enum xd_err err)
{
    xd_assert(err == XD_OK);
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    xd_assert(memory != NULL);
    return memory;
}

/* splitmix64 (Steele, Lea, Flood 2014), as a number above 0 and up to 1 */
static double uniform(struct sim *sim)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return ((double)(z >> 11) + 1) / 9007199254740992.0;
}

static double normal(struct sim *sim)
{
    double radius = sqrt(-2 * log(uniform(sim)));
    return radius * cos(2 * 3.14159265358979323846 * uniform(sim));
}

static double median_of(size_t class_of)
{
    return SHORTEST * pow(LONGEST / SHORTEST, (double)class_of / (CLASSES - 1));
}

static void draw_classes(struct sim *sim)
{
    double sum[CLASSES], total = 0;
    for (size_t i = 0; i < CLASSES; i++) {
        total += pow(median_of(i), -RARER);
        sum[i] = total;
    }
    for (size_t n = 0; n < sim->how->tasks; n++) {
        double pick = uniform(sim) * total;
        while (sim->classes[n] < CLASSES - 1 && sum[sim->classes[n]] < pick) {
            sim->classes[n]++;
        }
    }
}

/* The gaps between arrivals are stretched so that the load is what was asked for, not
 * what a few of the longest tasks make of it. */
static void draw_load(struct sim *sim)
{
    double work = 0, at = 0;
    draw_classes(sim);
    for (size_t n = 0; n < sim->how->tasks; n++) {
        struct xdt_sim_task *task = &sim->tasks[n];
        task->run = median_of(sim->classes[n]) * exp(sim->how->spread * normal(sim));
        at += -log(uniform(sim));
        task->arrived = at;
        work += task->run;
    }
    double stretch = work / ((double)sim->how->workers * sim->how->load) / at;
    for (size_t n = 0; n < sim->how->tasks; n++) {
        sim->tasks[n].arrived *= stretch;
    }
}

static xd_time to_time(double seconds)
{
    return XD_S + (xd_time)(seconds * (double)XD_S);
}

static size_t index_of(const struct xd_task_id *id)
{
    size_t n;
    memcpy(&n, id->bytes, sizeof n);
    return n;
}

static void begin(struct sim *sim, const struct xdb_action *action)
{
    struct worker *worker = &sim->workers[action->session.n - 2];
    size_t n = index_of(&action->task->id);
    struct xdt_sim_task *task = &sim->tasks[n];
    xd_assert(worker->done.place == 0);
    task->wait = (double)(sim->now - to_time(task->arrived)) / (double)XD_S;
    worker->task = n;
    xd_heap_push(&sim->busy, &worker->done, sim->now + (to_time(task->run) - XD_S));
}

static void step(struct sim *sim, struct xdb_event *event)
{
    event->now = sim->now;
    must(xdb_core_step(sim->core, event, &sim->actions));
    for (size_t i = 0; i < sim->actions.count; i++) {
        const struct xdb_action *action = &sim->actions.items[i];
        if (action->kind == XDB_ACTION_SEND_TASK) {
            begin(sim, action);
        }
        sim->results += action->kind == XDB_ACTION_SEND_RESULT ? 1 : 0;
    }
}

static void submit(struct sim *sim, size_t n)
{
    struct xd_task task = {.format = XD_FORMAT_R};
    memcpy(task.id.bytes, &n, sizeof n);
    if (sim->how->known == XDT_KNOWN_CLASS) {
        task.options.kind = xd_bytes_ref(sim->names[sim->classes[n]]);
    } else if (sim->how->known == XDT_KNOWN_SIZE) {
        task.options.estimate_us = (uint64_t)(sim->tasks[n].run * 1e6) + 1;
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = sim->profile;
    event.submit.tasks = &task;
    event.submit.count = 1;
    step(sim, &event);
}

static void acknowledge(struct sim *sim)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {1}};
    event.ack.count = sim->results;
    step(sim, &event);
}

static void finish(struct sim *sim, struct worker *worker)
{
    struct xd_result result = {.outcome = XD_OUTCOME_DONE};
    memcpy(result.id.bytes, &worker->task, sizeof worker->task);
    result.run_ns = (uint64_t)(sim->tasks[worker->task].run * 1e9) + 1;
    xd_heap_remove(&sim->busy, &worker->done);
    struct xdb_event event = {.kind = XDB_EVENT_RESULT,
                              .session = {2 + (uint64_t)(worker - sim->workers)}};
    event.result.results = &result;
    event.result.count = 1;
    step(sim, &event);
    if (sim->results % ACK_EVERY == 0) {
        acknowledge(sim);
    }
}

static void join(struct sim *sim)
{
    struct xdb_event client = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {1}};
    step(sim, &client);
    struct xdb_event make = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    make.profile.name = sim->profile;
    make.profile.policy = sim->how->policy;
    step(sim, &make);
    for (size_t i = 0; i < sim->how->workers; i++) {
        struct xdb_event worker = {.kind = XDB_EVENT_WORKER_JOIN, .session = {2 + i}};
        worker.worker_join.profile = sim->profile;
        worker.worker_join.formats = 1u << XD_FORMAT_R;
        step(sim, &worker);
    }
}

static void run(struct sim *sim)
{
    size_t next = 0;
    struct xd_heap_item *first = NULL;
    while (next < sim->how->tasks || (first = xd_heap_first(&sim->busy)) != NULL) {
        xd_time arrival =
            next < sim->how->tasks ? to_time(sim->tasks[next].arrived) : XD_NEVER;
        first = xd_heap_first(&sim->busy);
        if (first != NULL && first->key <= arrival) {
            sim->now = first->key;
            finish(sim, XD_ITEM(first, struct worker, done));
        } else {
            sim->now = arrival;
            submit(sim, next++);
        }
    }
    const char *wrong = xdb_core_check(sim->core);
    if (wrong != NULL) {
        (void)fprintf(stderr, "%s\n", wrong);
    }
    xd_assert(wrong == NULL && sim->results == sim->how->tasks);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double xdt_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Of the waits of tasks that ran at least `from` and less than `to`. */
static double percentile(const struct sim *sim,
                         double from,
                         double to,
                         double share,
                         double *waits)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->how->tasks; i++) {
        if (sim->tasks[i].run >= from && sim->tasks[i].run < to) {
            waits[count++] = sim->tasks[i].wait;
        }
    }
    qsort(waits, count, sizeof *waits, compare);
    return count == 0 ? 0 : waits[(size_t)((double)(count - 1) * share)];
}

static void sum_up(const struct sim *sim, struct xdt_sim_result *out)
{
    double *waits = room(sim->how->tasks, sizeof *waits);
    *out = (struct xdt_sim_result){0};
    for (size_t i = 0; i < sim->how->tasks; i++) {
        const struct xdt_sim_task *task = &sim->tasks[i];
        double response = task->wait + task->run;
        out->response += response;
        out->slowdown += response / (task->run < 0.1 ? 0.1 : task->run);
        out->end = fmax(out->end, task->arrived + response);
    }
    out->response /= (double)sim->how->tasks;
    out->slowdown /= (double)sim->how->tasks;
    out->short_p99 = percentile(sim, 0, 1, 0.99, waits);
    out->medium_p99 = percentile(sim, 1, 60, 0.99, waits);
    out->long_p99 = percentile(sim, 60, HUGE_VAL, 0.99, waits);
    out->long_max = percentile(sim, 60, HUGE_VAL, 1, waits);
    free(waits);
}

static void make(struct sim *sim, const struct xdt_sim_how *how)
{
    struct xdb_core_config config;
    xdb_config_default(&config);
    config.heartbeat = config.suspect = config.lost = config.accept_delay = XD_NEVER / 4;
    *sim = (struct sim){.how = how, .random = how->seed, .now = XD_S};
    must(xdb_core_new(&config, &sim->core));
    xdb_actions_init(&sim->actions);
    xd_heap_init(&sim->busy);
    must(xd_heap_reserve(&sim->busy, how->workers));
    must(xd_bytes_text("default", &sim->profile));
    for (size_t i = 0; i < CLASSES; i++) {
        uint8_t name = (uint8_t)('A' + i);
        must(xd_bytes_copy(&name, 1, &sim->names[i]));
    }
    sim->tasks = room(how->tasks, sizeof *sim->tasks);
    sim->classes = room(how->tasks, sizeof *sim->classes);
    sim->workers = room(how->workers, sizeof *sim->workers);
}

void xdt_sim_run(const struct xdt_sim_how *how,
                 struct xdt_sim_task *tasks,
                 struct xdt_sim_result *out)
{
    struct sim sim;
    make(&sim, how);
    draw_load(&sim);
    join(&sim);
    run(&sim);
    sum_up(&sim, out);
    if (tasks != NULL) {
        memcpy(tasks, sim.tasks, how->tasks * sizeof *tasks);
    }
    xdb_actions_fini(&sim.actions);
    xdb_core_free(sim.core);
    xd_heap_fini(&sim.busy);
    xd_bytes_unref(sim.profile);
    for (size_t i = 0; i < CLASSES; i++) {
        xd_bytes_unref(sim.names[i]);
    }
    free(sim.workers);
    free(sim.classes);
    free(sim.tasks);
}
