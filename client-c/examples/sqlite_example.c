/* SPDX-License-Identifier: MIT */
/* Send an SQLite database to a worker, let it run SQL there, take another database back.
 *
 *   sqlite_example [--url ADDRESS | --embedded] [--worker PROGRAM --module FILE] [SQL]
 *
 * With --embedded the broker runs inside this program. With --worker this program starts
 * crossdock-worker with the module (sqlite_handlers.so); otherwise it says what to run.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crossdock.h"
#include "crossdock_broker.h"
#include "crossdock_supervise.h"
#include "sqlite_codec.h"

static const char cities[] =
    "CREATE TABLE cities(name TEXT, country TEXT, people INTEGER);"
    "INSERT INTO cities VALUES('Bergen','NO',291000),('Oslo','NO',709000),"
    "('Turku','FI',202000),('Tampere','FI',255000),('Malmo','SE',362000);";

static const char default_sql[] =
    "SELECT country, count(*) AS cities, sum(people) AS people "
    "FROM cities GROUP BY country ORDER BY people DESC";

/* Whatever has been made so far; NULL where nothing has. */
struct example {
    const char *url, *worker_program, *module, *sql;
    bool embedded;
    struct xd_broker *broker;
    struct xdw_supervisor *workers;
    struct xd_client *client;
    struct xd_registry *registry;
    sqlite3 *database;
    struct xd_future *future;
    bool worker_failed;
};

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- broker and session ---- */

static enum xd_err connect_client(struct example *example, struct xd_error *error)
{
    struct xd_client_options options = {.address = example->url};
    enum xd_err err = XD_OK;
    if (example->embedded) {
        err = xd_broker_start(NULL, &example->broker, error);
        if (!err && xd_broker_link(example->broker, &options.link)) {
            err = xd_fail(error, XD_ERR_SYSTEM, "no link to the embedded broker");
        }
        example->url = err ? NULL : xd_broker_address(example->broker);
    }
    return err ? err : xd_client_connect(&options, &example->client, error);
}

/* ---- workers ---- */

static void on_notice(void *context, const struct xdw_notice *notice)
{
    struct example *example = context;
    if (notice->state == XDW_FAILED || notice->state == XDW_FINISHED) {
        example->worker_failed = true;
        fprintf(stderr, "worker %s %s\n", xdw_state_name(notice->state), notice->text);
    }
}

static void on_line(void *context, const struct xdw_line *line)
{
    (void)context;
    fprintf(stderr, "worker: %.*s\n", (int)line->size, line->text);
}

static enum xd_err start_workers(struct example *example, struct xd_error *error)
{
    if (!example->worker_program) {
        fprintf(
            stderr,
            "needs a worker: crossdock-worker --url %s --module .../sqlite_handlers.so\n",
            example->url ? example->url : "ADDRESS");
        return XD_OK;
    }
    const struct xdw_supervisor_options options = {.notice = on_notice,
                                                   .line = on_line,
                                                   .context = example};
    const struct xdw_command command = {
        .argv = (const char *const[]){example->worker_program,
                                      "--module",
                                      example->module,
                                      "--slots=2",
                                      NULL},
        .url = example->url,
    };
    uint32_t slot;
    enum xd_err err = xdw_supervisor_new(&options, &example->workers, error);
    return err ? err : xdw_supervisor_start(example->workers, &command, &slot, error);
}

/* One turn of waiting for the session, the workers, or both. */
static void turn(struct example *example)
{
    struct pollfd fds[] = {{.fd = xd_client_fd(example->client), .events = POLLIN},
                           {.fd = -1, .events = POLLIN}};
    int wait_ms = -1;
    if (example->workers) {
        int64_t left_ns = xdw_supervisor_deadline(example->workers) - now();
        fds[1].fd = xdw_supervisor_fd(example->workers);
        wait_ms = left_ns <= 0           ? 0
                  : left_ns > 1000000000 ? 1000
                                         : 1 + (int)(left_ns / 1000000);
    }
    poll(fds, 2, wait_ms);
    if (example->workers) {
        xdw_supervisor_step(example->workers, now());
    }
}

static void stop_workers(struct example *example)
{
    if (!example->workers) {
        return;
    }
    xdw_supervisor_stop(example->workers, XDW_ALL_SLOTS, 5000000000, now());
    while (!xdw_supervisor_is_over(example->workers)) {
        struct pollfd fd = {.fd = xdw_supervisor_fd(example->workers), .events = POLLIN};
        poll(&fd, 1, 100);
        xdw_supervisor_step(example->workers, now());
    }
    xdw_supervisor_free(example->workers);
}

/* ---- the task ---- */

static enum xd_err make_database(struct example *example, struct xd_error *error)
{
    enum xd_err err = sqlite_open(&example->database, error);
    if (!err && sqlite3_exec(example->database, cities, NULL, NULL, NULL) != SQLITE_OK) {
        err = xd_fail(error, XD_ERR_INVALID, "%s", sqlite3_errmsg(example->database));
    }
    return err;
}

static enum xd_err submit(struct example *example, struct xd_error *error)
{
    struct xd_bytes *database = NULL, *sql = NULL;
    struct xd_registry *registry = example->registry;
    enum xd_err err =
        xd_encode(registry, SQLITE_TAG, example->database, &database, error);
    err = err ? err : xd_encode(registry, "text", example->sql, &sql, error);
    if (!err) {
        const struct xd_payload arguments[] = {{.bytes = database, .tag = SQLITE_TAG},
                                               {.bytes = sql, .tag = "text"}};
        const struct xd_call call = {.callee = "sqlite.query",
                                     .payloads = arguments,
                                     .payload_count = 2};
        err = xd_submit(example->client, &call, &example->future, error);
    }
    xd_bytes_unref(database);
    xd_bytes_unref(sql);
    return err;
}

static enum xd_err wait_for_result(struct example *example, struct xd_error *error)
{
    while (!xd_future_is_done(example->future)) {
        turn(example);
        if (example->worker_failed) {
            return xd_fail(error, XD_ERR_GONE, "the worker has ended");
        }
    }
    enum xd_outcome outcome = xd_future_outcome(example->future);
    if (outcome != XD_OUTCOME_DONE) {
        return xd_fail(error,
                       XD_ERR_GONE,
                       "%s: %s",
                       xd_outcome_name(outcome),
                       xd_future_error(example->future));
    }
    return XD_OK;
}

/* ---- what came back ---- */

static int print_row(void *context, int count, char **cells, char **names)
{
    (void)context, (void)names;
    for (int i = 0; i < count; i++) {
        printf("%s%s", i ? " | " : "  ", cells[i] ? cells[i] : "NULL");
    }
    puts("");
    return 0;
}

static enum xd_err print_database(sqlite3 *database, struct xd_error *error)
{
    puts("the returned database, table result:");
    int code = sqlite3_exec(database, "SELECT * FROM result", print_row, NULL, NULL);
    return code == SQLITE_OK
               ? XD_OK
               : xd_fail(error, XD_ERR_NOT_FOUND, "%s", sqlite3_errmsg(database));
}

static enum xd_err print_result(struct example *example, struct xd_error *error)
{
    const struct xd_result *result = xd_future_result(example->future, 0);
    if (result->frame_count != 2) {
        return xd_fail(error,
                       XD_ERR_PROTOCOL,
                       "two frames were expected, %zu came",
                       result->frame_count);
    }
    void *database = NULL, *text = NULL;
    enum xd_err err = xd_decode(example->registry, &result->frames[0], &database, error);
    err = err ? err : xd_decode(example->registry, &result->frames[1], &text, error);
    if (!err) {
        printf("the text:\n%s", (char *)text);
        err = print_database(database, error);
    }
    xd_release(example->registry, SQLITE_TAG, database);
    xd_release(example->registry, "text", text);
    return err;
}

/* ---- all of it ---- */

static enum xd_err run(struct example *example, struct xd_error *error)
{
    enum xd_err err = xd_registry_new(&example->registry);
    if (err) {
        return xd_fail(error, err, "no memory for a codec registry");
    }
    err = sqlite_codec_add(example->registry, error);
    err = err ? err : make_database(example, error);
    err = err ? err : connect_client(example, error);
    err = err ? err : start_workers(example, error);
    err = err ? err : submit(example, error);
    err = err ? err : wait_for_result(example, error);
    return err ? err : print_result(example, error);
}

static void clean_up(struct example *example)
{
    xd_future_free(example->future);
    stop_workers(example);
    xd_client_close(example->client);
    xd_broker_stop(example->broker);
    sqlite3_close(example->database);
    xd_registry_free(example->registry);
}

static bool parse(struct example *example, int argc, char **argv)
{
    static const struct option options[] = {{"url", required_argument, NULL, 'u'},
                                            {"embedded", no_argument, NULL, 'e'},
                                            {"worker", required_argument, NULL, 'w'},
                                            {"module", required_argument, NULL, 'm'},
                                            {NULL, 0, NULL, 0}};
    int key;
    while ((key = getopt_long(argc, argv, "u:ew:m:", options, NULL)) != -1) {
        switch (key) {
        case 'u':
            example->url = optarg;
            break;
        case 'e':
            example->embedded = true;
            break;
        case 'w':
            example->worker_program = optarg;
            break;
        case 'm':
            example->module = optarg;
            break;
        default:
            return false;
        }
    }
    if (optind < argc) {
        example->sql = argv[optind++];
    }
    return optind == argc && !example->worker_program == !example->module &&
           !(example->embedded && example->url);
}

int main(int argc, char **argv)
{
    struct example example = {.sql = default_sql};
    if (!parse(&example, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--url ADDRESS | --embedded] "
                "[--worker PROGRAM --module FILE] [SQL]\n",
                argv[0]);
        return 64;
    }
    struct xd_error error = {""};
    enum xd_err err = run(&example, &error);
    if (err) {
        fprintf(stderr, "sqlite_example: %s\n", error.text);
    }
    clean_up(&example);
    return err ? 1 : 0;
}
