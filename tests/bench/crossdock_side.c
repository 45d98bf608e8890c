/* SPDX-License-Identifier: MIT */
/* crossdock's side: a C client, worker processes and crossdock-broker, over ipc, or over
 * tcp with CURVE where TRANSPORT is "tcp"; with the broker inside the client's process
 * where it is "embedded" (as in R), and the workers over ipc.
 *   crossdock_side WORKLOAD WORKERS N SIZE [SCHEDULE]
 * WINDOW: tasks outstanding in A (1000). HOLD: tasks a worker holds ahead (255 in A and
 * D, else 0). CROSSDOCK_BROKER: the program (default: the one of this build). Everything
 * lies in a directory of its own, which is removed at the end. */
#include "side.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

#include "crossdock.h"
#include "crossdock_broker.h"
#include "crossdock_worker.h"

#define TINY_UP 100
#define TINY_DOWN 50
#define BATCH 256
#define CLIENTS_PER_PROCESS 50
#define HANDLER "bench"

#define GOOD(call, error)                                                                \
    do {                                                                                 \
        enum xd_err err_ = (call);                                                       \
        if (err_ != XD_OK) {                                                             \
            DIE("%s: %s: %s", #call, xd_err_name(err_), (error)->text);                  \
        }                                                                                \
    } while (0)

static char folder[64] = "/tmp/crossdock-bench-XXXXXX";
static char state[80]; /* keys, where TRANSPORT is "tcp" */
static char address[128];
static pid_t main_pid;

static void empty_folder(const char *which)
{
    char path[512];
    DIR *dir = opendir(which);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", which, entry->d_name);
        unlink(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(which);
}

static void remove_folder(void)
{
    if (getpid() != main_pid) {
        return;
    }
    side_kill_all();
    empty_folder(state);
    empty_folder(folder);
}

/* ---- the other processes */

/* The broker's first line names the address, with the port that it took. */
static void await_ready(int from)
{
    char line[256];
    FILE *in = fdopen(from, "r");
    CHECK(in != NULL && fgets(line, sizeof line, in) != NULL);
    CHECK(sscanf(line, "ready address=%127s", address) == 1);
}

static pid_t start_broker(void)
{
    char program[PATH_MAX];
    const char *named = getenv("CROSSDOCK_BROKER");
    if (named != NULL) {
        snprintf(program, sizeof program, "%s", named);
    } else {
        ssize_t length = readlink("/proc/self/exe", program, sizeof program - 64);
        CHECK(length > 0);
        program[length] = '\0';
        strcpy(strrchr(program, '/'), "/../../broker/crossdock-broker");
    }
    CHECK(access(program, X_OK) == 0);
    int out[2];
    CHECK(pipe(out) == 0);
    pid_t pid = side_fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(program, program, "--quiet", "--listen", address, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    await_ready(out[0]);
    return pid;
}

static struct xd_broker *embedded; /* NULL: a process of its own */

static void embed_broker(void)
{
    const char *const listen[] = {address, NULL};
    struct xd_broker_options options = {.listen = listen};
    struct xd_error error = {.text = ""};
    GOOD(xd_broker_start(&options, &embedded, &error), &error);
}

static void serve(struct xd_job *job)
{
    const struct xd_frame *frame = xd_job_arg(job, 0);
    struct task_hdr header;
    struct xd_bytes *answer = NULL;
    struct xd_error error = {.text = ""};

    CHECK(frame != NULL && frame->bytes->size >= sizeof header);
    memcpy(&header, frame->bytes->data, sizeof header);
    if (header.sleep_us > 0) {
        sleep_ns((int64_t)header.sleep_us * 1000);
    }
    if (header.reply_len == frame->bytes->size) {
        answer = xd_bytes_ref(frame->bytes);
    } else {
        uint8_t *room;
        GOOD(xd_bytes_room(header.reply_len, &room, &answer), &error);
        memset(room, 0, header.reply_len);
        memcpy(room, &header, sizeof header);
    }
    struct xd_payload payload = {.bytes = answer};
    GOOD(xd_job_finish(job, &payload, 1), &error);
    xd_bytes_unref(answer);
}

static void work(const char *profile,
                 uint32_t hold) /* ends when the parent kills this process */
{
    static const char *const handlers[] = {HANDLER};
    struct xd_worker_options options = {.address = address,
                                        .profile = profile,
                                        .handlers = handlers,
                                        .handler_count = 1,
                                        .hold = hold};
    struct xd_worker *worker;
    struct xd_job *job;
    struct xd_error error = {.text = ""};

    GOOD(xd_worker_connect(&options, &worker, &error), &error);
    for (;;) {
        GOOD(xd_worker_next(worker, -1, &job, &error), &error);
        serve(job);
    }
}

/* ---- the client */
static struct xd_client *dial(void)
{
    struct xd_client_options options = {.address = address, .timeout_ms = 20000};
    struct xd_client *client;
    struct xd_error error = {.text = ""};
    if (embedded != NULL) {
        GOOD(xd_broker_link(embedded, &options.link), &error);
    }
    GOOD(xd_client_connect(&options, &client, &error), &error);
    return client;
}

/* A payload that was really written, beginning with the header. One reference. */
static struct xd_bytes *task_bytes(uint64_t seq,
                                   uint32_t sleep_us,
                                   size_t up,
                                   size_t down)
{
    struct task_hdr header = {seq, sleep_us, (uint32_t)down};
    struct xd_bytes *bytes;
    struct xd_error error = {.text = ""};
    uint8_t *room;
    GOOD(xd_bytes_room(up, &room, &bytes), &error);
    memset(room, 1, up);
    memcpy(room, &header, sizeof header);
    return bytes;
}

struct shape {
    uint32_t sleep_us;
    size_t up, down;
    const char *profile, *task_class;
};

static void submit(struct xd_client *client,
                   uint64_t first,
                   size_t count,
                   struct shape shape,
                   struct xd_future **out)
{
    struct xd_payload payloads[BATCH];
    struct xd_call calls[BATCH];
    const struct xd_call_options options = {.task_class = shape.task_class};
    struct xd_error error = {.text = ""};
    enum xd_err err;

    for (size_t i = 0; i < count; i++) {
        payloads[i] = (struct xd_payload){
            .bytes = task_bytes(first + i, shape.sleep_us, shape.up, shape.down)};
        calls[i] = (struct xd_call){.profile = shape.profile,
                                    .callee = HANDLER,
                                    .payloads = &payloads[i],
                                    .payload_count = 1,
                                    .options = shape.task_class ? &options : NULL};
    }
    while ((err = xd_submit_many(client, calls, count, out, &error)) == XD_ERR_BUSY) {
        sleep_ns(1000000);
    }
    GOOD(err, &error);
    for (size_t i = 0; i < count; i++) {
        xd_bytes_unref(payloads[i].bytes);
    }
}

/* The number in the reply of a future that has ended well; frees it. */
static uint64_t take(struct xd_future *future, size_t down)
{
    if (xd_future_outcome(future) != XD_OUTCOME_DONE) {
        DIE("a task ended as %s: %s",
            xd_outcome_name(xd_future_outcome(future)),
            xd_future_error(future));
    }
    const struct xd_result *result = xd_future_result(future, 0);
    uint64_t seq;
    CHECK(result->frame_count == 1 && result->frames[0].bytes->size == down);
    memcpy(&seq, result->frames[0].bytes->data, sizeof seq);
    xd_future_free(future);
    return seq;
}

static uint64_t round_trip(struct xd_client *client, uint64_t seq, struct shape shape)
{
    struct xd_future *future;
    struct xd_error error = {.text = ""};
    submit(client, seq, 1, shape, &future);
    GOOD(xd_future_wait(future, -1), &error);
    return take(future, shape.down);
}

static void pipelined(struct xd_client *client, size_t n, size_t window)
{
    struct xd_future *future, *batch[BATCH];
    struct xd_error error = {.text = ""};
    const struct shape tiny = {.up = TINY_UP, .down = TINY_DOWN};
    size_t sent = 0, got = 0;
    uint64_t sum = 0; /* of the replies' numbers: each task must be answered once */

    while (got < n) {
        while (sent < n && sent - got < window) {
            size_t room = window - (sent - got);
            size_t count = room < n - sent ? room : n - sent;
            count = count < BATCH ? count : BATCH;
            submit(client, sent, count, tiny, batch);
            sent += count;
        }
        GOOD(xd_client_wait(client, -1), &error);
        while (xd_client_next(client, &future) == XD_OK) {
            sum += take(future, TINY_DOWN);
            got++;
        }
    }
    if (sum != (uint64_t)n * (n - 1) / 2) {
        DIE("replies do not match the tasks");
    }
}

static void measure_one_at_a_time(struct xd_client *client,
                                  struct meter *m,
                                  char workload,
                                  size_t n,
                                  size_t size)
{
    double *us = malloc(n * sizeof *us);
    const struct shape shape = {.up = workload == 'B' ? TINY_UP : size,
                                .down = workload == 'B' ? TINY_DOWN : size};
    CHECK(us != NULL);
    meter_start(m, m->b, m->w, m->nw);
    for (size_t i = 0; i < n; i++) {
        int64_t t = now_ns();
        CHECK(round_trip(client, i, shape) == i);
        us[i] = (double)(now_ns() - t) / 1e3;
    }
    double wall = meter_stop(m);
    if (workload == 'B') {
        printf("RESULT p50_us=%.1f p99_us=%.1f\n", pct(us, n, .5), pct(us, n, .99));
    } else {
        printf("RESULT gb_per_s=%.6g\n", 2.0 * (double)n * (double)size / wall / 1e9);
    }
    free(us);
}

static void arm(int timer, int64_t at_ns)
{
    struct itimerspec when = {{0, 0}, {at_ns / 1000000000, at_ns % 1000000000}};
    CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void open_loop(struct xd_client *client, const struct arrival *a, size_t n)
{
    double *sojourn = calloc(n, sizeof *sojourn);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct pollfd fds[2] = {{xd_client_fd(client), POLLIN, 0}, {timer, POLLIN, 0}};
    int64_t t0 = now_ns() + 1000000, last = 0;
    size_t sent = 0, got = 0;
    struct xd_future *future;

    CHECK(sojourn != NULL && fds[0].fd >= 0 && timer >= 0);
    while (got < n) {
        while (sent < n && now_ns() >= t0 + (int64_t)(a[sent].at_us * 1000)) {
            struct shape shape = {(uint32_t)a[sent].dur_us, TINY_UP, TINY_DOWN};
            char task_class[32];
            snprintf(task_class, sizeof task_class, "sleep-%u", shape.sleep_us);
            shape.task_class = task_class;
            submit(client, sent, 1, shape, &future);
            sent++;
        }
        arm(timer,
            sent < n ? t0 + (int64_t)(a[sent].at_us * 1000) : now_ns() + 1000000000);
        CHECK(poll(fds, 2, -1) >= 0);
        while (got < n && xd_client_next(client, &future) == XD_OK) {
            uint64_t seq = take(future, TINY_DOWN);
            last = now_ns();
            sojourn[seq] = (double)(last - t0) / 1e3 - a[seq].at_us;
            got++;
        }
    }
    report_slowdown(a, sojourn, n, (double)(last - t0) / 1e9);
    free(sojourn);
}

/* ---- E: SIZE client connections, each with one task outstanding, spread over processes:
 * an xd_client has threads of its own, and nobody opens a thousand in one process. */
struct crowd {
    atomic_size_t ready, ended; /* processes */
    atomic_size_t next;         /* number of the next task */
    atomic_uint_fast64_t sum;   /* of the replies' numbers */
    atomic_size_t got;
    size_t n;
};

static struct crowd *crowd;

static void on_done(void *context, struct xd_future *future)
{
    struct xd_client *client = context;
    struct shape tiny = {.up = TINY_UP, .down = TINY_DOWN};
    atomic_fetch_add(&crowd->sum, take(future, TINY_DOWN));
    size_t seq = atomic_fetch_add(&crowd->next, 1);
    if (seq < crowd->n) {
        submit(client, seq, 1, tiny, &future);
    }
    atomic_fetch_add(&crowd->got, 1);
}

/* One process with some of the clients; waits for the end of file on `go`. */
static void crowd_member(size_t clients, int go)
{
    struct xd_client *client[CLIENTS_PER_PROCESS];
    struct xd_future *future;
    struct shape tiny = {.up = TINY_UP, .down = TINY_DOWN};
    char byte;

    for (size_t i = 0; i < clients; i++) {
        client[i] = dial();
        CHECK(round_trip(client[i], 0, tiny) == 0);
        CHECK(xd_client_next(client[i], &future) == XD_ERR_AGAIN);
        xd_client_on_done(client[i], on_done, client[i]);
    }
    atomic_fetch_add(&crowd->ready, 1);
    CHECK(read(go, &byte, 1) == 0);
    for (size_t i = 0; i < clients; i++) {
        size_t seq = atomic_fetch_add(&crowd->next, 1);
        if (seq < crowd->n) {
            submit(client[i], seq, 1, tiny, &future);
        }
    }
    while (atomic_load(&crowd->got) < crowd->n) {
        sleep_ns(1000000);
    }
    atomic_fetch_add(&crowd->ended, 1);
    pause(); /* until the parent has read our CPU time */
}

static double cpu_of(const pid_t *pids, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += cpu_s(pids[i]);
    }
    return sum;
}

static void measure_crowd(struct meter *m, size_t n, size_t clients)
{
    pid_t member[MAXKIDS];
    size_t members = 0;
    int go[2];

    CHECK(pipe(go) == 0);
    crowd = mmap(NULL,
                 sizeof *crowd,
                 PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS,
                 -1,
                 0);
    CHECK(crowd != MAP_FAILED);
    crowd->n = n;
    for (size_t left = clients; left > 0; members++) {
        size_t here = left < CLIENTS_PER_PROCESS ? left : CLIENTS_PER_PROCESS;
        left -= here;
        CHECK((size_t)nkids < MAXKIDS);
        if ((member[members] = side_fork()) == 0) {
            close(go[1]);
            crowd_member(here, go[0]);
        }
    }
    while (atomic_load(&crowd->ready) < members) {
        sleep_ns(10000000);
    }
    meter_start(m, m->b, m->w, m->nw);
    double cpu = cpu_of(member, members);
    close(go[1]);
    while (atomic_load(&crowd->ended) < members) {
        sleep_ns(1000000);
    }
    cpu = cpu_of(member, members) - cpu;
    double wall = meter_stop(m);
    if (crowd->sum != (uint64_t)n * (n - 1) / 2) {
        DIE("replies do not match the tasks");
    }
    printf("RESULT tasks_per_s=%.0f rss_broker_mb=%.1f cores_client=%.3f\n",
           (double)n / wall,
           rss_mb(m->b),
           cpu / wall);
}

/* ---- F: N queued tasks and no worker */
static void measure_queue(struct xd_client *client,
                          struct meter *m,
                          size_t n,
                          size_t size)
{
    struct xd_future *batch[BATCH];
    struct shape shape = {.up = size, .down = TINY_DOWN};
    double before = rss_settled_mb(m->b);
    meter_start(m, m->b, m->w, 0);
    for (size_t sent = 0; sent < n;) {
        size_t count = n - sent < BATCH ? n - sent : BATCH;
        submit(client, sent, count, shape, batch);
        sent += count;
    }
    double after = rss_settled_mb(m->b);
    meter_stop(m);
    printf("RESULT rss_mb=%.1f bytes_per_task=%.0f\n",
           after,
           (after - before) * 1048576 / (double)n);
}

/* ---- P: a small task at a time while a payload of SIZE bytes goes to another worker. A
 * process of its own sends it: says on `out` when it begins, and again when it has
 * arrived. */
static void send_large(size_t size, int go, int out)
{
    char byte;
    struct xd_client *client = dial();
    struct xd_future *future;
    struct xd_error error = {.text = ""};
    struct shape warm = {.up = 8000000, .down = TINY_DOWN, .profile = "large"};
    struct shape shape = {.up = size, .down = TINY_DOWN, .profile = "large"};
    CHECK(round_trip(client, 0, warm) == 0);
    CHECK(read(go, &byte, 1) == 1);
    submit(client, 1, 1, shape, &future);
    int64_t begun = now_ns();
    CHECK(write(out, &begun, sizeof begun) == sizeof begun);
    GOOD(xd_future_wait(future, -1), &error);
    int64_t ended = now_ns();
    CHECK(write(out, &ended, sizeof ended) == sizeof ended);
    pause();
}

static bool has_word(int from)
{
    struct pollfd fd = {from, POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
}

static void measure_beside(struct xd_client *client,
                           struct meter *m,
                           size_t n,
                           size_t size,
                           int go,
                           int from)
{
    const struct shape tiny = {.up = TINY_UP, .down = TINY_DOWN};
    double *us = malloc(n * sizeof *us);
    int64_t begun, ended;
    size_t count = 0;
    CHECK(us != NULL && write(go, "x", 1) == 1);
    CHECK(read(from, &begun, sizeof begun) == sizeof begun);
    meter_start(m, m->b, m->w, m->nw);
    while (count < n && !has_word(from)) {
        int64_t t = now_ns();
        CHECK(round_trip(client, count, tiny) == count);
        us[count++] = (double)(now_ns() - t) / 1e3;
    }
    meter_stop(m);
    CHECK(read(from, &ended, sizeof ended) == sizeof ended && count > 0);
    double most = pct(us, count, 1);
    printf("RESULT p50_us=%.1f p99_us=%.1f most_us=%.1f gb_per_s=%.6g tasks=%zu\n",
           pct(us, count, .5),
           pct(us, count, .99),
           most,
           (double)size / (double)(ended - begun),
           count);
    free(us);
}

static void measure(struct xd_client *client, struct meter *m, char **argv)
{
    char workload = argv[1][0];
    size_t n = strtoull(argv[3], NULL, 10), size = strtoull(argv[4], NULL, 10);
    size_t window =
        getenv("WINDOW") != NULL ? strtoull(getenv("WINDOW"), NULL, 10) : 1000;

    if (workload == 'A') {
        meter_start(m, m->b, m->w, m->nw);
        pipelined(client, n, window);
        printf("RESULT tasks_per_s=%.0f\n", (double)n / meter_stop(m));
    } else if (workload == 'B' || workload == 'C') {
        measure_one_at_a_time(client, m, workload, n, size);
    } else if (workload == 'D') {
        size_t rows;
        struct arrival *a = load_schedule(argv[5], &rows);
        meter_start(m, m->b, m->w, m->nw);
        open_loop(client, a, rows < n ? rows : n);
        meter_stop(m);
        free(a);
    } else if (workload == 'F') {
        measure_queue(client, m, n, size);
    }
}

int main(int argc, char **argv)
{
    struct meter m = {0};
    xd_keep_memory(XD_KEPT_OF_PAYLOADS); /* as crossdock-worker does */
    if (argc < 5 || strchr("ABCDEFP", argv[1][0]) == NULL ||
        (argv[1][0] == 'D' && argc < 6)) {
        fprintf(stderr, "usage: crossdock_side WORKLOAD WORKERS N SIZE [SCHEDULE]\n");
        return 2;
    }
    char workload = argv[1][0];
    uint32_t hold = workload == 'A' || workload == 'D' ? 255 : 0;
    if (getenv("HOLD") != NULL) {
        hold = (uint32_t)atoi(getenv("HOLD"));
    }
    main_pid = getpid();
    CHECK(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    snprintf(state, sizeof state, "%s/state", folder);
    CHECK(setenv("CROSSDOCK_STATE", state, 1) == 0);
    const char *transport = getenv("TRANSPORT") != NULL ? getenv("TRANSPORT") : "";
    bool is_embedded = strcmp(transport, "embedded") == 0;
    if (strcmp(transport, "tcp") == 0) {
        snprintf(address, sizeof address, "tcp://127.0.0.1:0");
    } else {
        snprintf(address, sizeof address, "ipc://%s/broker", folder);
    }

    m.b = is_embedded ? 0 : start_broker();     /* 0: its time is the client's */
    m.nw = workload == 'F' ? 0 : atoi(argv[2]); /* F: nothing takes the tasks */
    for (int i = 0; i < m.nw; i++) {
        if ((m.w[i] = side_fork()) == 0) {
            work("default", hold);
        }
    }
    size_t n = strtoull(argv[3], NULL, 10), size = strtoull(argv[4], NULL, 10);
    int go[2], word[2];
    CHECK(pipe(go) == 0 && pipe(word) == 0);
    if (workload == 'P') {
        if (side_fork() == 0) {
            work("large", 0);
        }
        if (side_fork() == 0) {
            send_large(size, go[0], word[1]);
        }
    }
    if (workload ==
        'E') { /* the clients are children: fork before this process has threads */
        sleep_ns(300000000);
        measure_crowd(&m, n, size);
        return 0;
    }
    if (is_embedded) { /* no forks from here on */
        embed_broker();
    }
    struct xd_client *client = dial();
    if (workload != 'F') {
        pipelined(client, 500, 500); /* warm-up */
    }
    if (workload == 'P') {
        measure_beside(client, &m, n, size, go[1], word[0]);
    } else {
        measure(client, &m, argv);
    }
    fflush(stdout);
    _exit((remove_folder(), 0)); /* the figures are taken: no orderly end */
}
