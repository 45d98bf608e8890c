/* SPDX-License-Identifier: MIT */
/* How long the core takes for a task from submission to acknowledgement, and how many
 * bytes a queued one takes: bench_core [tasks, default 1000000]. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "core/core.h"

#define BATCH 64u
#define WORKERS 4u
#define PAYLOAD 1000u

struct bench {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes *profile, *callee;
    struct xd_task_id *ids; /* sent and not answered, by worker */
    size_t id_count[WORKERS];
    uint64_t next, results;
    xd_time now;
    double in_core; /* seconds */
};

static void must(enum xd_err err)
{
    if (err != XD_OK) {
        (void)fprintf(stderr, "%s\n", xd_err_text(err));
        exit(1);
    }
}

static double seconds(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static struct xd_frame *frame(size_t size)
{
    struct xd_frame *frames = xd_calloc(1, sizeof *frames);
    uint8_t *room;
    if (frames == NULL) {
        exit(1);
    }
    must(xd_bytes_room(size, &room, &frames->bytes));
    memset(room, 1, size);
    frames->size = size;
    frames->role = XD_FRAME_BODY;
    return frames;
}

static void step(struct bench *bench, struct xdb_event *event)
{
    event->now = bench->now += 100;
    double begin = seconds();
    must(xdb_core_step(bench->core, event, &bench->actions));
    bench->in_core += seconds() - begin;
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct xdb_action *action = &bench->actions.items[i];
        if (action->kind == XDB_ACTION_SEND_TASK) {
            uint64_t worker = action->session.n - 2;
            bench->ids[worker * 512 + bench->id_count[worker]++] = action->task->id;
        }
        bench->results += action->kind == XDB_ACTION_SEND_RESULT ? 1 : 0;
    }
}

static void submit(struct bench *bench, size_t count, size_t size)
{
    struct xd_task tasks[BATCH];
    memset(tasks, 0, sizeof tasks);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = bench->next++;
        uint64_t mixed = n * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(tasks[i].id.bytes, &mixed, sizeof mixed);
        memcpy(tasks[i].id.bytes + 8, &n, sizeof n);
        tasks[i].format = XD_FORMAT_CALL;
        tasks[i].callee = xd_bytes_ref(bench->callee);
        tasks[i].frames = frame(size);
        tasks[i].frame_count = 1;
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = bench->profile;
    event.submit.tasks = tasks;
    event.submit.count = count;
    step(bench, &event);
}

static void answer(struct bench *bench, size_t worker)
{
    struct xd_result results[BATCH];
    struct xd_task_id *ids = &bench->ids[worker * 512];
    size_t count = bench->id_count[worker] < BATCH ? bench->id_count[worker] : BATCH;
    memset(results, 0, sizeof results);
    for (size_t i = 0; i < count; i++) {
        results[i].id = ids[i];
        results[i].outcome = XD_OUTCOME_DONE;
        results[i].run_ns = 1000;
        results[i].frames = frame(8);
        results[i].frame_count = 1;
    }
    bench->id_count[worker] -= count;
    memmove(ids, ids + count, bench->id_count[worker] * sizeof *ids);
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {2 + worker}};
    event.result.results = results;
    event.result.count = count;
    step(bench, &event);
}

static void acknowledge(struct bench *bench)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {1}};
    event.ack.count = bench->results;
    step(bench, &event);
}

static void join(struct bench *bench)
{
    struct xdb_event client = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {1}};
    step(bench, &client);
    for (uint64_t i = 0; i < WORKERS; i++) {
        struct xdb_event worker = {.kind = XDB_EVENT_WORKER_JOIN, .session = {2 + i}};
        worker.worker_join.profile = bench->profile;
        worker.worker_join.formats = 1u << XD_FORMAT_CALL;
        worker.worker_join.handlers = &bench->callee;
        worker.worker_join.handler_count = 1;
        worker.worker_join.hold = 255;
        step(bench, &worker);
    }
}

static void leave_workers(struct bench *bench)
{
    for (uint64_t i = 0; i < WORKERS; i++) {
        struct xdb_event leave = {.kind = XDB_EVENT_LEAVE, .session = {2 + i}};
        step(bench, &leave);
    }
}

static void through(struct bench *bench, uint64_t tasks, uint64_t batch)
{
    uint64_t first = bench->results;
    bench->in_core = 0;
    for (uint64_t sent = 0; sent < tasks || bench->results < first + tasks;) {
        if (sent < tasks) {
            submit(bench, batch, 100);
            sent += batch;
        }
        for (size_t i = 0; i < WORKERS; i++) {
            if (bench->id_count[i] > 0) {
                answer(bench, i);
            }
        }
        acknowledge(bench);
    }
    double ns = bench->in_core * 1e9 / (double)(bench->results - first);
    printf("%4u a message: %6.0f ns per task, submit to acknowledgement\n",
           (unsigned)batch,
           ns);
}

static void queued(struct bench *bench, uint64_t tasks)
{
    leave_workers(bench);
    acknowledge(bench);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    bench->in_core = 0;
    for (uint64_t i = 0; i < tasks; i += BATCH) {
        submit(bench, BATCH, PAYLOAD);
    }
    double ns = bench->in_core * 1e9 / (double)tasks;
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    printf("%llu queued: %.0f bytes each with %u of payload, %.0f ns to queue one (page "
           "faults in it)\n",
           (unsigned long long)tasks,
           (double)(after - before) / (double)tasks,
           PAYLOAD,
           ns);
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct bench bench = {.now = XD_S};
    struct xdb_core_config config;
    xdb_config_default(&config);
    config.lost = config.suspect = XD_NEVER / 4;
    must(xdb_core_new(&config, &bench.core));
    must(xd_bytes_text("default", &bench.profile));
    must(xd_bytes_text("sum", &bench.callee));
    bench.ids = xd_calloc(WORKERS * 512, sizeof *bench.ids);
    if (bench.ids == NULL) {
        return 1;
    }
    join(&bench);
    through(&bench, tasks / BATCH * BATCH, BATCH);
    through(&bench, tasks, 1);
    queued(&bench, tasks);
    xdb_actions_fini(&bench.actions);
    xdb_core_free(bench.core);
    xd_bytes_unref(bench.profile);
    xd_bytes_unref(bench.callee);
    xd_free(bench.ids);
    return 0;
}
