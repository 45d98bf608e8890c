/* SPDX-License-Identifier: MIT */
/* What scheduling costs with many tasks, profiles and workers, against plain FIFO and
 * against a bare table and list of such records: bench_sched [tasks [profiles
 * [workers]]]. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "core/core.h"

#define BATCH 64u
#define RUNS 5u
#define RECORD 232u /* sizeof(struct xdb_task) */

enum operation { SUBMIT, DISPATCH, FINISH, CANCEL, OPERATIONS };
static const char *const names[OPERATIONS] = {"submit", "dispatch", "finish", "cancel"};

struct costs {
    double ns[OPERATIONS];
    double bytes;   /* of a queued task, beside its own */
    double profile; /* ns to make one and give it up */
};

static void must(enum xd_err err)
{
    if (err != XD_OK) {
        (void)fprintf(stderr, "%s\n", xd_err_text(err));
        exit(1);
    }
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        exit(1);
    }
    return memory;
}

static double seconds(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct xd_task_id id_of(uint64_t n)
{
    struct xd_task_id id;
    uint64_t high = mix(n);
    memcpy(id.bytes, &high, sizeof high);
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

static size_t used(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- the core ---- */

struct bench {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes **profiles, *kinds[8];
    size_t profile_count, worker_count;
    struct xd_task_id *running; /* by worker */
    uint64_t next, results;
    xd_time now;
};

static void step(struct bench *bench, struct xdb_event *event)
{
    event->now = bench->now += 1000;
    must(xdb_core_step(bench->core, event, &bench->actions));
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct xdb_action *action = &bench->actions.items[i];
        if (action->kind == XDB_ACTION_SEND_TASK) {
            bench->running[action->session.n - 2] = action->task->id;
        }
        bench->results += action->kind == XDB_ACTION_SEND_RESULT ? 1 : 0;
    }
}

static struct xd_frame *make_frame(void)
{
    struct xd_frame *frame = xd_calloc(1, sizeof *frame);
    if (frame == NULL) {
        exit(1);
    }
    must(xd_bytes_copy("payload", 7, &frame->bytes));
    frame->size = 7;
    frame->role = XD_FRAME_BODY;
    return frame;
}

/* A batch for one profile; gives back the seconds in the core. */
static double submit(struct bench *bench, size_t profile, size_t count)
{
    struct xd_task tasks[BATCH];
    memset(tasks, 0, sizeof tasks);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = bench->next++;
        tasks[i].id = id_of(n);
        tasks[i].format = XD_FORMAT_R;
        tasks[i].options.kind = xd_bytes_ref(bench->kinds[mix(n) % 8]);
        tasks[i].frames = make_frame();
        tasks[i].frame_count = 1;
    }
    struct xdb_event event = {.kind = XDB_EVENT_SUBMIT, .session = {1}};
    event.submit.profile = bench->profiles[profile];
    event.submit.tasks = tasks;
    event.submit.count = count;
    double begin = seconds();
    step(bench, &event);
    return seconds() - begin;
}

static void finish(struct bench *bench, size_t worker)
{
    struct xd_result result = {.id = bench->running[worker],
                               .outcome = XD_OUTCOME_DONE,
                               .run_ns = 1000000u << worker % 8};
    struct xdb_event event = {.kind = XDB_EVENT_RESULT, .session = {2 + worker}};
    event.result.results = &result;
    event.result.count = 1;
    step(bench, &event);
}

static void acknowledge(struct bench *bench)
{
    struct xdb_event event = {.kind = XDB_EVENT_ACK, .session = {1}};
    event.ack.count = bench->results;
    step(bench, &event);
}

/* Seconds for so many results, which free their workers for what waits. */
static double finish_many(struct bench *bench, size_t first, size_t count)
{
    double begin = seconds();
    for (size_t i = first; i < first + count; i++) {
        finish(bench, mix(i) % bench->worker_count);
        if (i % BATCH == 0) {
            acknowledge(bench);
        }
    }
    acknowledge(bench);
    return seconds() - begin;
}

/* The same where nothing waits: each worker once. */
static double finish_each(struct bench *bench)
{
    double begin = seconds();
    for (size_t i = 0; i < bench->worker_count; i++) {
        finish(bench, i);
        if (i % BATCH == 0) {
            acknowledge(bench);
        }
    }
    acknowledge(bench);
    return seconds() - begin;
}

static double cancel_many(struct bench *bench,
                          uint64_t first,
                          uint64_t span,
                          size_t count)
{
    double sum = 0;
    for (size_t done = 0; done < count; done += BATCH) {
        struct xd_task_id ids[BATCH];
        for (size_t i = 0; i < BATCH; i++) { /* an odd stride meets each once */
            ids[i] = id_of(first + (done + i) * UINT64_C(611953) % span);
        }
        struct xdb_event event = {.kind = XDB_EVENT_CANCEL, .session = {1}};
        event.ids.ids = ids;
        event.ids.count = BATCH;
        double begin = seconds();
        step(bench, &event);
        acknowledge(bench);
        sum += seconds() - begin;
    }
    return sum;
}

static void make_profile(struct bench *bench,
                         struct xd_bytes *name,
                         enum xdb_policy_kind policy)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = name;
    event.profile.policy = policy;
    event.profile.set = XDB_SET_POOL;
    event.profile.pool = bench->profiles[0];
    step(bench, &event);
}

static double make_and_free_profiles(struct bench *bench)
{
    struct xd_bytes *name;
    must(xd_bytes_text("one more", &name));
    double begin = seconds();
    for (size_t i = 0; i < 1000; i++) {
        make_profile(bench, name, XDB_POLICY_BANDS);
        struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
        event.profile.name = name;
        event.profile.free = true;
        step(bench, &event);
    }
    double took = seconds() - begin;
    xd_bytes_unref(name);
    return took / 1000;
}

static void open_bench(struct bench *bench, enum xdb_policy_kind policy)
{
    struct xdb_core_config config;
    xdb_config_default(&config);
    config.heartbeat = config.suspect = config.lost = XD_NEVER / 4;
    bench->now = XD_S;
    must(xdb_core_new(&config, &bench->core));
    xdb_actions_init(&bench->actions);
    struct xdb_event client = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {1}};
    step(bench, &client);
    for (size_t i = 0; i < bench->profile_count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "profile %zu", i);
        must(xd_bytes_text(name, &bench->profiles[i]));
        make_profile(bench, bench->profiles[i], policy);
    }
    for (size_t i = 0; i < 8; i++) {
        uint8_t name = (uint8_t)('a' + i);
        must(xd_bytes_copy(&name, 1, &bench->kinds[i]));
    }
    for (size_t i = 0; i < bench->worker_count; i++) {
        struct xdb_event worker = {.kind = XDB_EVENT_WORKER_JOIN, .session = {2 + i}};
        worker.worker_join.profile = bench->profiles[0];
        worker.worker_join.formats = 1u << XD_FORMAT_R;
        step(bench, &worker);
    }
}

static void close_bench(struct bench *bench)
{
    xdb_actions_fini(&bench->actions);
    xdb_core_free(bench->core);
    for (size_t i = 0; i < bench->profile_count; i++) {
        xd_bytes_unref(bench->profiles[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        xd_bytes_unref(bench->kinds[i]);
    }
    free(bench->profiles);
    free(bench->running);
}

/* What a task brings along: its payload, with the allocator's eight bytes. */
static double own_bytes(void)
{
    struct xd_bytes *payload;
    must(xd_bytes_copy("payload", 7, &payload));
    double bytes = (double)malloc_usable_size(payload) + 8;
    xd_bytes_unref(payload);
    return bytes;
}

static struct costs measure(enum xdb_policy_kind policy,
                            size_t tasks,
                            size_t profiles,
                            size_t workers)
{
    struct bench bench = {.profile_count = profiles, .worker_count = workers};
    struct costs costs = {{0}, 0, 0};
    bench.profiles = room(profiles, sizeof(struct xd_bytes *));
    bench.running = room(workers, sizeof *bench.running);
    open_bench(&bench, policy);
    for (size_t i = 0; i < workers; i++) { /* all busy, every class known */
        (void)submit(&bench, i % profiles, 1);
    }
    size_t before = used(), sample = tasks / 4 < 20000 ? tasks / 4 : 20000;
    uint64_t first = bench.next;
    for (size_t i = 0; i < tasks; i += BATCH) {
        costs.ns[SUBMIT] += submit(&bench, mix(i) % profiles, BATCH) * 1e9;
    }
    uint64_t span = bench.next - first;
    costs.ns[SUBMIT] /= (double)span;
    costs.bytes = (double)(used() - before) / (double)span - own_bytes();
    double both = finish_many(&bench, 0, sample) * 1e9 / (double)sample;
    costs.profile = make_and_free_profiles(&bench) * 1e9;
    costs.ns[CANCEL] = cancel_many(&bench, first, span, sample) * 1e9 / (double)sample;
    (void)cancel_many(&bench, first, span, span);
    (void)finish_each(&bench); /* what was not cancelled runs */
    for (size_t i = 0; i < workers; i++) {
        (void)submit(&bench, i % profiles, 1);
    }
    costs.ns[FINISH] = finish_each(&bench) * 1e9 / (double)workers;
    costs.ns[DISPATCH] = both - costs.ns[FINISH];
    close_bench(&bench);
    return costs;
}

/* ---- bare tables and lists: of tasks by id, of workers by session ---- */

struct bare {
    struct xd_map_item by_id;
    struct xd_task_id id;
    struct xd_list place;
    uint8_t rest[RECORD - sizeof(struct xd_map_item) - sizeof(struct xd_task_id) -
                 sizeof(struct xd_list)];
};

struct bare_worker {
    struct xd_map_item by_session;
    uint64_t session;
    struct xd_list idle;
    struct xd_task_id running;
};

struct bares {
    struct xd_map tasks, sessions;
    struct xd_list queue, running, idle;
    struct bare_worker *workers;
    size_t worker_count;
};

static void bare_open(struct bares *bares, size_t workers)
{
    *bares = (struct bares){.worker_count = workers};
    xd_map_init(&bares->tasks, 1);
    xd_map_init(&bares->sessions, 1);
    xd_list_init(&bares->queue);
    xd_list_init(&bares->running);
    xd_list_init(&bares->idle);
    bares->workers = room(workers, sizeof *bares->workers);
    must(xd_map_reserve(&bares->sessions, workers));
    for (size_t i = 0; i < workers; i++) {
        struct bare_worker *worker = &bares->workers[i];
        worker->session = 2 + i;
        xd_map_add(&bares->sessions, &worker->by_session, &worker->session, 8);
        xd_list_init(&worker->idle);
    }
}

static void bare_end(struct bares *bares, const struct xd_task_id *id)
{
    struct xd_map_item *item = xd_map_get(&bares->tasks, id, sizeof *id);
    if (item != NULL) {
        struct bare *bare = XD_ITEM(item, struct bare, by_id);
        xd_list_remove(&bare->place);
        xd_map_remove(&bares->tasks, item);
        xd_free(bare);
    }
}

static void bare_submit(struct bares *bares, uint64_t n)
{
    struct bare *bare = xd_zalloc(sizeof *bare);
    if (bare == NULL) {
        exit(1);
    }
    must(xd_map_reserve(&bares->tasks, 1));
    bare->id = id_of(n);
    xd_map_add(&bares->tasks, &bare->by_id, &bare->id, sizeof bare->id);
    xd_list_push_back(&bares->queue, &bare->place);
}

/* The first task goes to the worker that was idle last. */
static void bare_dispatch(struct bares *bares)
{
    struct bare_worker *worker = XD_ITEM(bares->idle.prev, struct bare_worker, idle);
    struct bare *bare = XD_ITEM(bares->queue.next, struct bare, place);
    xd_list_remove(&worker->idle);
    xd_list_remove(&bare->place);
    xd_list_push_back(&bares->running, &bare->place);
    worker->running = bare->id;
}

static void bare_finish(struct bares *bares, uint64_t session)
{
    struct xd_map_item *item = xd_map_get(&bares->sessions, &session, sizeof session);
    struct bare_worker *worker = XD_ITEM(item, struct bare_worker, by_session);
    bare_end(bares, &worker->running);
    xd_list_push_back(&bares->idle, &worker->idle);
}

static struct costs measure_bare(size_t tasks, size_t workers)
{
    struct costs costs = {{0}, 0, 0};
    struct bares bares;
    size_t sample = tasks / 4 < 20000 ? tasks / 4 : 20000;
    sample = sample < workers ? sample : workers;
    bare_open(&bares, workers);
    size_t before = used();
    double begin = seconds();
    for (size_t i = 0; i < tasks; i++) {
        bare_submit(&bares, i);
    }
    costs.ns[SUBMIT] = (seconds() - begin) * 1e9 / (double)tasks;
    costs.bytes = (double)(used() - before) / (double)tasks;
    for (size_t i = 0; i < workers; i++) {
        xd_list_push_back(&bares.idle, &bares.workers[i * 7919 % workers].idle);
    }
    begin = seconds();
    for (size_t i = 0; i < sample; i++) {
        bare_dispatch(&bares);
    }
    costs.ns[DISPATCH] = (seconds() - begin) * 1e9 / (double)sample;
    begin = seconds();
    for (size_t i = 0; i < sample; i++) {
        bare_finish(&bares, 2 + i * 7919 % workers);
    }
    costs.ns[FINISH] = (seconds() - begin) * 1e9 / (double)sample;
    begin = seconds();
    for (size_t i = 0; i < sample; i++) {
        struct xd_task_id id = id_of(sample + i * UINT64_C(611953) % (tasks - sample));
        bare_end(&bares, &id);
    }
    costs.ns[CANCEL] = (seconds() - begin) * 1e9 / (double)sample;
    for (size_t i = 0; i < tasks; i++) {
        struct xd_task_id id = id_of(i);
        bare_end(&bares, &id);
    }
    xd_map_fini(&bares.tasks);
    xd_map_fini(&bares.sessions);
    free(bares.workers);
    return costs;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Others use the machine too: the least of some runs is nearest to what it costs. */
static void keep_least(struct costs *costs, const struct costs *other)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        costs->ns[i] = least(costs->ns[i], other->ns[i]);
    }
    costs->profile = least(costs->profile, other->profile);
}

static void print(const char *what, size_t tasks, struct costs costs)
{
    printf("%-6s %8zu", what, tasks);
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %9.0f", costs.ns[i]);
    }
    printf(" %9.0f %9.0f\n", costs.bytes, costs.profile);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t profiles = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    size_t workers = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000;
    if (tasks < 1000 || profiles == 0 || workers == 0) {
        return 2;
    }
    printf("ns each   queued");
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %9s", names[i]);
    }
    printf(" %9s %9s\n", "bytes", "profile");
    const size_t sizes[] = {1000, tasks};
    for (size_t i = 0; i < 2; i++) {
        struct costs bare = measure_bare(sizes[i], workers);
        struct costs fifo = measure(XDB_POLICY_FIFO, sizes[i], profiles, workers);
        struct costs bands = measure(XDB_POLICY_BANDS, sizes[i], profiles, workers);
        for (unsigned run = 1; run < RUNS; run++) {
            struct costs next = measure_bare(sizes[i], workers);
            keep_least(&bare, &next);
            next = measure(XDB_POLICY_FIFO, sizes[i], profiles, workers);
            keep_least(&fifo, &next);
            next = measure(XDB_POLICY_BANDS, sizes[i], profiles, workers);
            keep_least(&bands, &next);
        }
        print("bare", sizes[i], bare);
        print("fifo", sizes[i], fifo);
        print("bands", sizes[i], bands);
    }
    return 0;
}
