/* SPDX-License-Identifier: MIT */
/* What scheduling costs with many tasks, profiles and workers, against the same core with
 * FIFO, and against a bare table and lists of such records: bench_sched [tasks [profiles
 * [workers [runs]]]].
 *
 * The bare one keeps what it must of a task (its id, its frame, when it came, whose it
 * is: a record as large as the core's), finds tasks by id and workers by session in the
 * same hash table, has a list of tasks for each profile, serves the profiles with work in
 * a ring, and says what is to be sent in the same words (struct xdb_action). It decides
 * nothing: no weights, bands, classes, estimates, budgets, states or times.
 *
 * Both find their memory as a broker does that has run for a while: more tasks came than
 * are counted, most went again in another order, and the rest stays among those that are.
 * Times are of this process's processor in batches of 64, of which a quarter took less:
 * others use the machine too, and what they disturb is not what it costs. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "core/core.h"

#define BATCH 64u
#define KINDS 8u
#define ROUNDS 8u
#define FILL (UINT64_C(1) << 40) /* numbers of the tasks that fill the workers */
#define AGED (UINT64_C(1) << 41) /* of those that come and go before */
#define STRIDE UINT64_C(611953)  /* prime: meets each once, in no order */
#define RECORD 232u              /* sizeof(struct xdb_task) */

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
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
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

/* What batches took, each in seconds. */
struct times {
    double *items;
    size_t count, capacity;
};

static void note(struct times *times, double took)
{
    void *items = times->items;
    must(xd_reserve(&items, &times->capacity, times->count + 1, sizeof *times->items));
    times->items = items;
    times->items[times->count++] = took;
}

static int compare_times(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nanoseconds for one of a batch; forgets them. */
static double usual_ns(struct times *times)
{
    qsort(times->items, times->count, sizeof *times->items, compare_times);
    double ns = times->items[times->count / 4] * 1e9 / BATCH;
    xd_free(times->items);
    *times = (struct times){NULL, 0, 0};
    return ns;
}

/* Of so many tasks that came, so many stay. */
static size_t rest_of(size_t tasks)
{
    return (tasks / 8 / BATCH + 1) * BATCH;
}

static size_t whole_batches(size_t tasks)
{
    return (tasks + BATCH - 1) / BATCH * BATCH;
}

/* ---- the core ---- */

struct bench {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xd_bytes **profiles, *kinds[KINDS]; /* the profile behind the last is paused */
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
        tasks[i].options.kind = xd_bytes_ref(bench->kinds[mix(n) % KINDS]);
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
                               .run_ns = 1000000u << worker % KINDS};
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

/* So many results of workers in no order; each worker at most once when there are as
 * many. */
static void finish_many(struct bench *bench, size_t count, struct times *times)
{
    for (size_t done = 0; done < count; done += BATCH) {
        double begin = seconds();
        for (size_t i = done; i < done + BATCH; i++) {
            finish(bench, i * STRIDE % bench->worker_count);
        }
        acknowledge(bench);
        note(times, seconds() - begin);
    }
}

static void pause_profile(struct bench *bench, size_t profile, bool paused)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    event.profile.name = bench->profiles[profile];
    event.profile.only_set = event.profile.admin = true;
    event.profile.set = XDB_SET_PAUSED;
    event.profile.paused = paused;
    step(bench, &event);
}

/* What waits goes to nobody, or to somebody again. */
static void pause_all(struct bench *bench, bool paused)
{
    for (size_t i = 0; i < bench->profile_count; i++) {
        pause_profile(bench, i, paused);
    }
}

/* Of `span` tasks numbered from `first`, `count` in no order. */
static void cancel_many(struct bench *bench,
                        uint64_t first,
                        uint64_t span,
                        size_t count,
                        struct times *times)
{
    for (size_t done = 0; done < count; done += BATCH) {
        struct xd_task_id ids[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            ids[i] = id_of(first + (done + i) * STRIDE % span);
        }
        struct xdb_event event = {.kind = XDB_EVENT_CANCEL, .session = {1}};
        event.ids.ids = ids;
        event.ids.count = BATCH;
        double begin = seconds();
        step(bench, &event);
        acknowledge(bench);
        note(times, seconds() - begin);
    }
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
    for (size_t i = 0; i <= bench->profile_count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "profile %zu", i);
        must(xd_bytes_text(name, &bench->profiles[i]));
        make_profile(bench, bench->profiles[i], policy);
    }
    pause_profile(bench, bench->profile_count, true);
    for (size_t i = 0; i < KINDS; i++) {
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
    for (size_t i = 0; i <= bench->profile_count; i++) {
        xd_bytes_unref(bench->profiles[i]);
    }
    for (size_t i = 0; i < KINDS; i++) {
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

/* Many come, most go; gives back the bytes that each took beside its own. */
static double age(struct bench *bench, size_t tasks)
{
    size_t before = used(), span = whole_batches(tasks) + rest_of(tasks);
    struct times unused = {NULL, 0, 0};
    uint64_t first = bench->next;
    double bytes = 0;
    for (size_t i = 0; i < span; i += BATCH) {
        (void)submit(bench, bench->profile_count, BATCH);
        if (i + BATCH == whole_batches(tasks)) {
            bytes = (double)(used() - before) / (double)(i + BATCH) - own_bytes();
        }
    }
    cancel_many(bench, first, span, span - rest_of(tasks), &unused);
    (void)usual_ns(&unused);
    return bytes;
}

/* Each worker gets one: all are busy, and every class is known. */
static void fill_workers(struct bench *bench)
{
    for (size_t i = 0; i < bench->worker_count; i++) {
        (void)submit(bench, i % bench->profile_count, 1);
    }
}

/* Of each round: finish, and finish with dispatch. */
static size_t sample_of(size_t tasks, size_t workers)
{
    size_t sample = tasks / (4 * ROUNDS) < workers ? tasks / (4 * ROUNDS) : workers;
    return sample < BATCH ? BATCH : sample / BATCH * BATCH;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* So that there are tasks to the end: each takes three samples of them. */
static unsigned rounds_of(size_t tasks, size_t sample)
{
    return tasks / (4 * sample) < ROUNDS ? (unsigned)(tasks / (4 * sample)) : ROUNDS;
}

/* A dispatch is what a finish costs more while something waits. Those who resume get
 * their tasks from a few profiles: a pass that does not count mixes them. */
static void measure_rounds(struct bench *bench,
                           unsigned rounds,
                           size_t sample,
                           struct costs *costs)
{
    struct times both = {NULL, 0, 0}, finish = {NULL, 0, 0}, unused = {NULL, 0, 0};
    for (unsigned round = 0; round < rounds; round++) {
        finish_many(bench, sample, &unused);
        finish_many(bench, sample, &both);
        pause_all(bench, true);
        finish_many(bench, sample, &finish);
        pause_all(bench, false);
    }
    (void)usual_ns(&unused);
    costs->ns[FINISH] = usual_ns(&finish);
    costs->ns[DISPATCH] = usual_ns(&both) - costs->ns[FINISH];
}

static struct costs measure(enum xdb_policy_kind policy,
                            size_t tasks,
                            size_t profiles,
                            size_t workers)
{
    struct bench bench = {.profile_count = profiles, .worker_count = workers};
    struct costs costs = {{0}, 0, 0};
    struct times times = {NULL, 0, 0};
    bench.profiles = room(profiles + 1, sizeof(struct xd_bytes *));
    bench.running = room(workers, sizeof *bench.running);
    open_bench(&bench, policy);
    fill_workers(&bench);
    costs.bytes = age(&bench, tasks);
    size_t sample = sample_of(tasks, workers), span = whole_batches(tasks);
    for (size_t i = 0; i < span; i += BATCH) {
        note(&times, submit(&bench, mix(i) % profiles, BATCH));
    }
    costs.ns[SUBMIT] = usual_ns(&times);
    costs.profile = make_and_free_profiles(&bench) * 1e9;
    measure_rounds(&bench, rounds_of(tasks, sample), sample, &costs);
    pause_all(&bench, true);
    cancel_many(&bench, bench.next - span / 8, span / 8, sample, &times);
    costs.ns[CANCEL] = usual_ns(&times);
    close_bench(&bench);
    return costs;
}

/* ---- bare tables and lists: of tasks by id, of workers by session ---- */

struct bare_profile {
    struct xd_list queue;
    struct xd_list ring; /* of those with work */
};

struct bare {
    struct xd_map_item by_id;
    struct xd_task_id id;
    struct xd_list place;
    struct bare_profile *profile;
    uint64_t seq;
    xd_time arrived;
    struct xd_frame frame;
    uint8_t rest[RECORD - sizeof(struct xd_map_item) - sizeof(struct xd_task_id) -
                 sizeof(struct xd_list) - sizeof(void *) - sizeof(uint64_t) -
                 sizeof(xd_time) - sizeof(struct xd_frame)];
};

_Static_assert(sizeof(struct bare) == RECORD, "as large as the core's");

struct bare_worker {
    struct xd_map_item by_session;
    uint64_t session;
    struct xd_list idle;
    struct bare *running;
};

struct bares {
    struct xd_map tasks, sessions;
    struct xd_list running, idle, ring;
    struct bare_profile *profiles;
    struct bare_worker *workers;
    size_t worker_count, profile_count;
    uint64_t seq;
    struct xdb_action *sent;
    size_t sent_count;
};

static void bare_open(struct bares *bares, size_t profiles, size_t workers)
{
    *bares = (struct bares){.worker_count = workers, .profile_count = profiles};
    xd_map_init(&bares->tasks, 1);
    xd_map_init(&bares->sessions, 1);
    xd_list_init(&bares->running);
    xd_list_init(&bares->idle);
    xd_list_init(&bares->ring);
    bares->sent = room(1, sizeof *bares->sent);
    bares->profiles = room(profiles + 1, sizeof *bares->profiles);
    for (size_t i = 0; i <= profiles; i++) {
        xd_list_init(&bares->profiles[i].queue);
        xd_list_init(&bares->profiles[i].ring);
    }
    bares->workers = room(workers, sizeof *bares->workers);
    must(xd_map_reserve(&bares->sessions, workers));
    for (size_t i = 0; i < workers; i++) {
        struct bare_worker *worker = &bares->workers[i];
        worker->session = 2 + i;
        xd_map_add(&bares->sessions, &worker->by_session, &worker->session, 8);
        xd_list_init(&worker->idle);
    }
}

static void bare_free(struct bares *bares, struct bare *bare)
{
    xd_list_remove(&bare->place);
    if (xd_list_is_empty(&bare->profile->queue)) {
        xd_list_remove(&bare->profile->ring);
    }
    xd_map_remove(&bares->tasks, &bare->by_id);
    xd_frame_clear(&bare->frame);
    xd_free(bare);
}

static void bare_close(struct bares *bares)
{
    struct xd_map_item *item = xd_map_next(&bares->tasks, NULL), *next;
    for (; item != NULL; item = next) {
        next = xd_map_next(&bares->tasks, item);
        bare_free(bares, XD_ITEM(item, struct bare, by_id));
    }
    xd_map_fini(&bares->tasks);
    xd_map_fini(&bares->sessions);
    free(bares->profiles);
    free(bares->workers);
    free(bares->sent);
}

/* The caller's frame becomes the record's, as in the core. */
static void bare_submit(struct bares *bares,
                        struct bare_profile *profile,
                        const struct xd_task *task)
{
    struct bare *bare = xd_zalloc(sizeof *bare);
    if (bare == NULL) {
        exit(1);
    }
    must(xd_map_reserve(&bares->tasks, 1));
    bare->id = task->id;
    bare->seq = ++bares->seq;
    bare->arrived = (xd_time)bares->seq;
    bare->profile = profile;
    bare->frame = task->frames[0];
    xd_free(task->frames);
    xd_map_add(&bares->tasks, &bare->by_id, &bare->id, sizeof bare->id);
    xd_list_push_back(&profile->queue, &bare->place);
    if (xd_list_is_empty(&profile->ring)) {
        xd_list_push_back(&bares->ring, &profile->ring);
    }
}

/* Room for what is said next, in the words of the core. */
static struct xdb_action *bare_say(struct bares *bares,
                                   enum xdb_action_kind kind,
                                   uint64_t session)
{
    struct xdb_action *action = bares->sent;
    action->kind = kind;
    action->session.n = session;
    bares->sent_count++;
    return action;
}

/* The first task of the profile whose turn it is goes to the worker that was idle last.
 */
static void bare_dispatch(struct bares *bares)
{
    struct bare_worker *worker = XD_ITEM(bares->idle.prev, struct bare_worker, idle);
    struct bare_profile *profile = XD_ITEM(bares->ring.next, struct bare_profile, ring);
    struct bare *bare = XD_ITEM(profile->queue.next, struct bare, place);
    xd_list_remove(&worker->idle);
    xd_list_remove(&bare->place);
    xd_list_remove(&profile->ring);
    if (!xd_list_is_empty(&profile->queue)) {
        xd_list_push_back(&bares->ring, &profile->ring);
    }
    xd_list_push_back(&bares->running, &bare->place);
    worker->running = bare;
    bare_say(bares, XDB_ACTION_SEND_TASK, worker->session)->room.task =
        (struct xd_task){.id = bare->id,
                         .format = XD_FORMAT_R,
                         .origin = {1},
                         .frames = &bare->frame,
                         .frame_count = 1};
}

static void bare_finish(struct bares *bares, uint64_t session)
{
    struct xd_map_item *item = xd_map_get(&bares->sessions, &session, sizeof session);
    struct bare_worker *worker = XD_ITEM(item, struct bare_worker, by_session);
    bare_say(bares, XDB_ACTION_SEND_RESULT, 1)->room.result =
        (struct xd_result){.id = worker->running->id,
                           .outcome = XD_OUTCOME_DONE,
                           .worker = {session}};
    bare_free(bares, worker->running);
    xd_list_push_back(&bares->idle, &worker->idle);
}

static void bare_cancel(struct bares *bares, const struct xd_task_id *id)
{
    struct xd_map_item *item = xd_map_get(&bares->tasks, id, sizeof *id);
    if (item != NULL) {
        bare_free(bares, XD_ITEM(item, struct bare, by_id));
    }
}

static double bare_submit_some(struct bares *bares,
                               size_t profile,
                               uint64_t first,
                               size_t count)
{
    struct xd_task tasks[BATCH];
    memset(tasks, 0, sizeof tasks);
    for (size_t i = 0; i < count; i++) {
        tasks[i].id = id_of(first + i);
        tasks[i].frames = make_frame();
    }
    double begin = seconds();
    for (size_t i = 0; i < count; i++) {
        bare_submit(bares, &bares->profiles[profile], &tasks[i]);
    }
    return seconds() - begin;
}

static void bare_cancel_many(struct bares *bares,
                             uint64_t first,
                             uint64_t span,
                             size_t count,
                             struct times *times)
{
    for (size_t done = 0; done < count; done += BATCH) {
        double begin = seconds();
        for (size_t i = done; i < done + BATCH; i++) {
            struct xd_task_id id = id_of(first + i * STRIDE % span);
            bare_cancel(bares, &id);
        }
        note(times, seconds() - begin);
    }
}

static double bare_age(struct bares *bares, size_t tasks)
{
    size_t before = used(), span = whole_batches(tasks) + rest_of(tasks);
    struct times unused = {NULL, 0, 0};
    double bytes = 0;
    for (size_t i = 0; i < span; i += BATCH) {
        (void)bare_submit_some(bares, bares->profile_count, AGED + i, BATCH);
        if (i + BATCH == whole_batches(tasks)) {
            bytes = (double)(used() - before) / (double)(i + BATCH) - own_bytes();
        }
    }
    bare_cancel_many(bares, AGED, span, span - rest_of(tasks), &unused);
    (void)usual_ns(&unused);
    xd_list_remove(&bares->profiles[bares->profile_count].ring);
    return bytes;
}

static void bare_finish_many(struct bares *bares,
                             size_t count,
                             bool with_dispatch,
                             struct times *times)
{
    for (size_t done = 0; done < count; done += BATCH) {
        double begin = seconds();
        for (size_t i = done; i < done + BATCH; i++) {
            bare_finish(bares, 2 + i * STRIDE % bares->worker_count);
            if (with_dispatch) {
                bare_dispatch(bares);
            }
        }
        note(times, seconds() - begin);
    }
}

static void bare_rounds(struct bares *bares,
                        unsigned rounds,
                        size_t sample,
                        struct costs *costs)
{
    struct times both = {NULL, 0, 0}, finish = {NULL, 0, 0}, unused = {NULL, 0, 0};
    for (unsigned round = 0; round < rounds; round++) {
        bare_finish_many(bares, sample, true, &unused);
        bare_finish_many(bares, sample, true, &both);
        bare_finish_many(bares, sample, false, &finish);
        for (size_t i = 0; i < sample; i++) {
            bare_dispatch(bares);
        }
    }
    (void)usual_ns(&unused);
    costs->ns[FINISH] = usual_ns(&finish);
    costs->ns[DISPATCH] = usual_ns(&both) - costs->ns[FINISH];
}

static struct costs measure_bare(size_t tasks, size_t profiles, size_t workers)
{
    struct costs costs = {{0}, 0, 0};
    struct bares bares;
    struct times times = {NULL, 0, 0};
    size_t sample = sample_of(tasks, workers), span = whole_batches(tasks);
    bare_open(&bares, profiles, workers);
    for (size_t i = 0; i < workers; i++) {
        (void)bare_submit_some(&bares, i % profiles, FILL + i, 1);
        xd_list_push_back(&bares.idle, &bares.workers[i].idle);
        bare_dispatch(&bares);
    }
    costs.bytes = bare_age(&bares, tasks);
    for (size_t i = 0; i < span; i += BATCH) {
        note(&times, bare_submit_some(&bares, mix(i) % profiles, i, BATCH));
    }
    costs.ns[SUBMIT] = usual_ns(&times);
    bare_rounds(&bares, rounds_of(tasks, sample), sample, &costs);
    bare_cancel_many(&bares, span - span / 8, span / 8, sample, &times);
    costs.ns[CANCEL] = usual_ns(&times);
    bare_close(&bares);
    return costs;
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
    printf("%-12s %8zu", what, tasks);
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %9.0f", costs.ns[i]);
    }
    printf(" %9.0f %9.0f\n", costs.bytes, costs.profile);
    (void)fflush(stdout);
}

static void print_ratio(const char *what,
                        size_t tasks,
                        const struct costs *of,
                        const struct costs *to)
{
    printf("%-12s %8zu", what, tasks);
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %9.2f", of->ns[i] / to->ns[i]);
    }
    printf("\n");
}

enum { BARE, FIFO, BANDS, SIDES };

static struct costs measure_side(int side, size_t tasks, size_t profiles, size_t workers)
{
    return side == BARE ? measure_bare(tasks, profiles, workers)
                        : measure(side == FIFO ? XDB_POLICY_FIFO : XDB_POLICY_BANDS,
                                  tasks,
                                  profiles,
                                  workers);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t profiles = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    size_t workers = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000;
    size_t runs = argc > 4 ? strtoul(argv[4], NULL, 10) : 5;
    if (tasks < 1000 || profiles == 0 || workers < BATCH || runs == 0) {
        return 2;
    }
    xd_keep_memory(XD_KEPT_OF_MESSAGES); /* as the broker's program does */
    printf("ns each         queued");
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %9s", names[i]);
    }
    printf(" %9s %9s\n", "bytes", "profile");
    static const char *const sides[SIDES] = {"bare", "fifo", "bands"};
    const size_t sizes[] = {1000, tasks};
    struct costs costs[2][SIDES];
    for (size_t i = 0; i < 2; i++) {
        for (size_t run = 0; run < runs; run++) {
            for (int side = 0; side < SIDES; side++) {
                struct costs next = measure_side(side, sizes[i], profiles, workers);
                if (run == 0) {
                    costs[i][side] = next;
                }
                keep_least(&costs[i][side], &next);
            }
        }
        for (int side = 0; side < SIDES; side++) {
            print(sides[side], sizes[i], costs[i][side]);
        }
    }
    print_ratio("bands/fifo", tasks, &costs[1][BANDS], &costs[1][FIFO]);
    print_ratio("bands/bare", tasks, &costs[1][BANDS], &costs[1][BARE]);
    print_ratio("growth", tasks, &costs[1][BANDS], &costs[0][BANDS]);
    return 0;
}
