/* SPDX-License-Identifier: MIT */
/* A module for crossdock-worker: "sqlite.query" runs SQL on a database that came with the
 * task. Arguments: the database (class sqlite3), SQL (class text). Value: a database with
 * the rows in its table "result" (class sqlite3), the rows as text (class text). */
#include "crossdock_worker.h"
#include "sqlite_codec.h"
#include "sqlite_query.h"

/* How many of SQLite's instructions pass between two looks at "cancelled". */
#define STEPS_BETWEEN_LOOKS 10000

/* What one task holds; NULL where it has nothing yet. */
struct query {
    sqlite3 *from, *to;
    char *sql, *text;
    struct xd_bytes *database, *rendered;
};

static enum xd_err decode_arg(struct xd_registry *registry,
                              const struct xd_job *job,
                              size_t index,
                              const char *tag,
                              void **out,
                              struct xd_error *error)
{
    const struct xd_frame *frame = xd_job_arg(job, index);
    if (!frame) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "sqlite.query: argument %zu, of class %s, is missing",
                       index + 1,
                       tag);
    }
    if (!xd_bytes_is(frame->tag, tag)) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "sqlite.query: argument %zu must be of class %s, not %.*s",
                       index + 1,
                       tag,
                       frame->tag ? (int)frame->tag->size : 4,
                       frame->tag ? (const char *)frame->tag->data : "none");
    }
    return xd_decode(registry, frame, out, error);
}

static enum xd_err take_args(struct query *query,
                             struct xd_registry *registry,
                             const struct xd_job *job,
                             struct xd_error *error)
{
    void *from = NULL, *sql = NULL;
    enum xd_err err = decode_arg(registry, job, 0, SQLITE_TAG, &from, error);
    err = err ? err : decode_arg(registry, job, 1, "text", &sql, error);
    query->from = from;
    query->sql = sql;
    return err;
}

static int is_cancelled(void *job)
{
    return xd_job_is_cancelled(job);
}

static enum xd_err run_query(struct query *query,
                             struct xd_registry *registry,
                             struct xd_job *job,
                             struct xd_error *error)
{
    enum xd_err err = take_args(query, registry, job, error);
    err = err ? err : sqlite_open(&query->to, error);
    if (err) {
        return err;
    }
    sqlite3_progress_handler(query->from, STEPS_BETWEEN_LOOKS, is_cancelled, job);
    err = sqlite_query(query->from, query->sql, query->to, &query->text, error);
    err = err ? err : xd_encode(registry, SQLITE_TAG, query->to, &query->database, error);
    return err ? err : xd_encode(registry, "text", query->text, &query->rendered, error);
}

static void run(struct xd_job *job, void *state)
{
    struct xd_registry *registry = state;
    struct query query = {0};
    struct xd_error error = {""};
    if (run_query(&query, registry, job, &error)) {
        (void)xd_job_fail(job, error.text, NULL, 0);
    } else {
        const struct xd_payload value[] = {
            {.bytes = query.database, .tag = SQLITE_TAG},
            {.bytes = query.rendered, .tag = "text"},
        };
        (void)xd_job_finish(job, value, 2);
    }
    xd_release(registry, SQLITE_TAG, query.from);
    xd_release(registry, SQLITE_TAG, query.to);
    xd_release(registry, "text", query.sql);
    sqlite3_free(query.text);
    xd_bytes_unref(query.database);
    xd_bytes_unref(query.rendered);
}

/* Each slot has a registry of its own, with our codec in it. */
static enum xd_err init(void **state, struct xd_error *error)
{
    struct xd_registry *registry;
    if (xd_registry_new(&registry)) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for a codec registry");
    }
    enum xd_err err = sqlite_codec_add(registry, error);
    if (err) {
        xd_registry_free(registry);
        return err;
    }
    *state = registry;
    return XD_OK;
}

static void fini(void *state)
{
    xd_registry_free(state);
}

const struct xd_module *crossdock_module(void)
{
    static const struct xd_handler handlers[] = {{"sqlite.query", run}};
    static const struct xd_module module = {
        .abi = XD_MODULE_ABI,
        .handlers = handlers,
        .handler_count = 1,
        .init = init,
        .fini = fini,
    };
    return &module;
}
