/* SPDX-License-Identifier: MIT */
/* The tasks of a profile as tasks() shows them: open ones as the broker sees them, and
 * those that ended, of which the last ones of all profiles are remembered in a ring. */
#include "past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

/* Of all profiles together. */
#define PAST_ROOM 10000u
#define ID_ROOM 33u

/* One row. */
struct row {
    struct xd_task_id id;
    unsigned profile;                      /* its number */
    int number;                            /* the task's own, in order of submission */
    SEXP kind;                             /* a symbol, or R_NilValue */
    const char *state;                     /* static, or of a live task's answer */
    double submitted, started, ended, run; /* seconds; 0: not known */
    double bytes_in, bytes_out;
    uint64_t worker;
    unsigned attempt;
};

static struct {
    struct row *rows; /* PAST_ROOM of them, made with the first */
    uint64_t count;   /* all there ever were */
} past;

/* ---- what has ended ---- */

static const char *name_of_code(int code)
{
    switch (code) {
    case RXD_CODE_LOST:
        return "lost";
    case RXD_CODE_CANCELLED:
        return "cancelled";
    case RXD_CODE_TIMEOUT:
        return "expired";
    default:
        return "broker_gone";
    }
}

static struct row row_begin(const struct rxd_task *task)
{
    return (struct row){.id = task->future == NULL ? (struct xd_task_id){{0}}
                                                   : xd_future_id(task->future),
                        .profile = task->profile->number,
                        .number = task->number,
                        .kind = task->kind,
                        .submitted = task->submitted,
                        .bytes_in = (double)task->bytes};
}

static void add_result(struct row *row, const struct xd_result *result)
{
    row->state = xd_outcome_name(result->outcome);
    row->run = 1e-9 * (double)result->run_ns;
    row->worker = result->worker.n;
    row->attempt = result->attempt;
    for (size_t i = 0; i < result->frame_count; i++) {
        row->bytes_out += (double)result->frames[i].size;
    }
}

static struct row row_of_ended(const struct rxd_task *task)
{
    struct row row = row_begin(task);
    if (task->code != 0) {
        row.state = name_of_code(task->code);
        row.ended = task->ended;
        return row;
    }
    if (task->part < xd_future_parts(task->future)) {
        add_result(&row, xd_future_result(task->future, task->part));
    } else {
        row.state = xd_outcome_name(xd_future_outcome(task->future));
    }
    row.ended = rxd_wall_seconds() - 1e-9 * (double)xd_future_ended_ago(task->future);
    row.started = row.run > 0 ? row.ended - row.run : 0;
    return row;
}

void rxd_past_add(struct rxd_task *task)
{
    bool has_ended = task->code != 0 || (task->future != NULL && rxd_task_is_done(task));
    if (task->is_past || task->profile == NULL || !has_ended) {
        return;
    }
    if (past.rows == NULL) {
        past.rows = calloc(PAST_ROOM, sizeof *past.rows);
    }
    if (past.rows != NULL) {
        past.rows[past.count++ % PAST_ROOM] = row_of_ended(task);
    }
    task->is_past = true;
}

/* A list of tasks that nobody made: they are in no table. */
SEXP rxd_tasks_hide(SEXP tasks)
{
    for (R_xlen_t i = 0; i < Rf_xlength(tasks); i++) {
        struct rxd_task *task =
            rxd_task_of_pointer(rxd_task_pointer(VECTOR_ELT(tasks, i)));
        if (task != NULL) {
            task->is_hidden = task->is_past = true;
        }
    }
    return tasks;
}

/* ---- what is open ---- */

/* What the broker says of those that are not simply queued. */
struct live {
    struct xd_task_state *states;
    size_t count, room;
    bool is_short; /* of memory */
};

static void live_add(void *context, const struct xd_task_state *state)
{
    struct live *live = context;
    if (live->count == live->room) {
        size_t room = live->room == 0 ? 64 : 2 * live->room;
        struct xd_task_state *states = realloc(live->states, room * sizeof *states);
        if (states == NULL) {
            live->is_short = true;
            return;
        }
        live->states = states;
        live->room = room;
    }
    live->states[live->count++] = *state;
}

static int compare_states(const void *a, const void *b)
{
    return memcmp(((const struct xd_task_state *)a)->id.bytes,
                  ((const struct xd_task_state *)b)->id.bytes,
                  sizeof((const struct xd_task_state *)a)->id.bytes);
}

static void live_finalize(SEXP pointer)
{
    struct live *live = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    if (live != NULL) {
        free(live->states);
        free(live);
    }
}

/* Behind an external pointer, so that an interrupt leaks nothing. */
static SEXP live_new(void)
{
    SEXP pointer = PROTECT(rxd_pointer_new("crossdock_live", R_NilValue, live_finalize));
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    R_SetExternalPtrAddr(pointer, live);
    UNPROTECT(1);
    return pointer;
}

static void live_ask(struct live *live, const struct rxd_profile *profile)
{
    struct xd_error error = {""};
    enum xd_err err = XD_ERR_TIMEOUT;
    for (int ms = 0; err == XD_ERR_TIMEOUT && ms < RXD_ANSWER_TIMEOUT_MS;
         ms += RXD_SLICE_MS) {
        R_CheckUserInterrupt();
        live->count = 0;
        err = xd_client_tasks(profile->session->client,
                              profile->name,
                              RXD_SLICE_MS,
                              live_add,
                              live,
                              &error);
    }
    if (err == XD_OK && live->is_short) {
        err = XD_ERR_NOMEM;
    }
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "the broker does not tell the tasks");
    }
    if (live->count > 0) {
        qsort(live->states, live->count, sizeof *live->states, compare_states);
    }
}

static struct row row_of_open(const struct rxd_task *task,
                              const struct live *live,
                              double now)
{
    struct row row = row_begin(task);
    struct xd_task_state key = {.id = row.id};
    const struct xd_task_state *state =
        live->count == 0
            ? NULL
            : bsearch(&key, live->states, live->count, sizeof key, compare_states);
    row.state = state == NULL ? "queued" : state->state;
    if (state != NULL) {
        row.worker = state->worker.n;
        row.attempt = state->attempt;
        row.started = state->run_ms > 0 ? now - 1e-3 * (double)state->run_ms : 0;
    }
    return row;
}

/* ---- both, as columns ---- */

enum {
    COLUMN_ID,
    COLUMN_STATE,
    COLUMN_CLASS,
    COLUMN_WORKER,
    COLUMN_SUBMITTED,
    COLUMN_STARTED,
    COLUMN_ENDED,
    COLUMN_RUN,
    COLUMN_IN,
    COLUMN_OUT,
    COLUMN_ATTEMPT,
    COLUMN_NUMBER,
    COLUMNS
};

static const SEXPTYPE types[COLUMNS] = {STRSXP,
                                        STRSXP,
                                        STRSXP,
                                        STRSXP,
                                        REALSXP,
                                        REALSXP,
                                        REALSXP,
                                        REALSXP,
                                        REALSXP,
                                        REALSXP,
                                        INTSXP,
                                        INTSXP};

static double or_na(double x)
{
    return x > 0 ? x : NA_REAL;
}

static void put_text(SEXP columns, int column, R_xlen_t at, const char *text)
{
    SET_STRING_ELT(VECTOR_ELT(columns, column),
                   at,
                   text == NULL ? NA_STRING : Rf_mkCharCE(text, CE_UTF8));
}

static void put_number(SEXP columns, int column, R_xlen_t at, double x)
{
    REAL(VECTOR_ELT(columns, column))[at] = x;
}

static const char *hex_id(const struct xd_task_id *id, char out[ID_ROOM])
{
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
    return out;
}

static void put_row(SEXP columns, R_xlen_t at, const struct row *row)
{
    static const struct xd_task_id none;
    char id[ID_ROOM], worker[24];
    bool has_id = !xd_task_id_equal(&row->id, &none);
    bool has_end = row->ended > 0;
    (void)snprintf(worker, sizeof worker, "%llu", (unsigned long long)row->worker);
    put_text(columns, COLUMN_ID, at, has_id ? hex_id(&row->id, id) : NULL);
    put_text(columns, COLUMN_STATE, at, row->state);
    put_text(columns,
             COLUMN_CLASS,
             at,
             row->kind == R_NilValue ? NULL : CHAR(PRINTNAME(row->kind)));
    put_text(columns, COLUMN_WORKER, at, row->worker == 0 ? NULL : worker);
    put_number(columns, COLUMN_SUBMITTED, at, row->submitted);
    put_number(columns, COLUMN_STARTED, at, or_na(row->started));
    put_number(columns, COLUMN_ENDED, at, or_na(row->ended));
    put_number(columns, COLUMN_RUN, at, or_na(row->run));
    put_number(columns, COLUMN_IN, at, row->bytes_in);
    put_number(columns, COLUMN_OUT, at, has_end ? row->bytes_out : NA_REAL);
    INTEGER(VECTOR_ELT(columns, COLUMN_ATTEMPT))
    [at] = row->attempt == 0 ? NA_INTEGER : (int)row->attempt;
    INTEGER(VECTOR_ELT(columns, COLUMN_NUMBER))[at] = row->number;
}

static SEXP new_columns(R_xlen_t rows)
{
    SEXP columns = PROTECT(Rf_allocVector(VECSXP, COLUMNS));
    for (int i = 0; i < COLUMNS; i++) {
        SET_VECTOR_ELT(columns, i, Rf_allocVector(types[i], rows));
    }
    UNPROTECT(1);
    return columns;
}

static uint64_t past_first(void)
{
    return past.count > PAST_ROOM ? past.count - PAST_ROOM : 0;
}

static const struct row *past_row(uint64_t i)
{
    return &past.rows[i % PAST_ROOM];
}

/* Garbage collection adds to the past: what there is is copied first. */
static size_t copy_rows(const struct rxd_profile *profile,
                        const struct live *live,
                        struct row *rows,
                        size_t room)
{
    size_t count = 0;
    double now = rxd_wall_seconds();
    for (uint64_t i = past_first(); i < past.count && count < room; i++) {
        if (past_row(i)->profile == profile->number) {
            rows[count++] = *past_row(i);
        }
    }
    XD_LIST_EACH (link, &profile->open) {
        const struct rxd_task *task = XD_ITEM(link, struct rxd_task, link);
        if (count < room && !task->is_hidden) {
            rows[count++] = rxd_task_is_done(task) ? row_of_ended(task)
                                                   : row_of_open(task, live, now);
        }
    }
    return count;
}

static size_t count_rows(const struct rxd_profile *profile)
{
    size_t count = 0;
    for (uint64_t i = past_first(); i < past.count; i++) {
        count += past_row(i)->profile == profile->number ? 1 : 0;
    }
    XD_LIST_EACH (link, &profile->open) {
        count++;
    }
    return count;
}

/* The columns of tasks(), without names, and the tasks' numbers. */
SEXP rxd_profile_tasks(SEXP pointer)
{
    const struct rxd_profile *profile = rxd_profile_open(pointer);
    SEXP asked = PROTECT(live_new());
    struct live *live = R_ExternalPtrAddr(asked);
    live_ask(live, profile);
    size_t room = count_rows(profile) + 1;
    struct row *rows = (struct row *)(void *)R_alloc(room, sizeof *rows);
    size_t count = copy_rows(profile, live, rows, room);
    SEXP columns = PROTECT(new_columns((R_xlen_t)count));
    for (size_t i = 0; i < count; i++) {
        put_row(columns, (R_xlen_t)i, &rows[i]);
    }
    UNPROTECT(2);
    return columns;
}

/* ---- why one waits ---- */

/* list(id, state, reason, worker, ahead, workers, predicted, attempts, deaths, starts):
 * times in seconds, NA where nothing is known. Of one that has ended: list(id, state), of
 * one that is forgotten NULL. */
SEXP rxd_task_explain(SEXP x)
{
    struct rxd_task *task = rxd_task_of_pointer(rxd_task_pointer(x));
    if (task == NULL || task->profile == NULL) {
        return R_NilValue;
    }
    char text[ID_ROOM];
    if (rxd_task_is_done(task)) {
        struct row row = row_of_ended(task);
        SEXP out = PROTECT(Rf_allocVector(VECSXP, 2));
        SET_VECTOR_ELT(out, 0, Rf_mkString(hex_id(&row.id, text)));
        SET_VECTOR_ELT(out, 1, Rf_mkString(row.state));
        UNPROTECT(1);
        return out;
    }
    struct xd_task_why why;
    struct xd_error error = {""};
    enum xd_err err = XD_ERR_TIMEOUT;
    for (int ms = 0; err == XD_ERR_TIMEOUT && ms < RXD_ANSWER_TIMEOUT_MS;
         ms += RXD_SLICE_MS) {
        R_CheckUserInterrupt();
        err = xd_task_explain(task->future, RXD_SLICE_MS, &why, &error);
    }
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "the broker does not explain the task");
    }
    struct xd_task_id id = xd_future_id(task->future);
    char worker[24];
    (void)snprintf(worker, sizeof worker, "%llu", (unsigned long long)why.worker.n);
    SEXP out = PROTECT(Rf_allocVector(VECSXP, 10));
    SET_VECTOR_ELT(out, 0, Rf_mkString(hex_id(&id, text)));
    SET_VECTOR_ELT(out, 1, Rf_mkString(why.state));
    SET_VECTOR_ELT(out, 2, Rf_mkString(why.reason));
    SET_VECTOR_ELT(out,
                   3,
                   Rf_ScalarString(why.worker.n == 0 ? NA_STRING : Rf_mkChar(worker)));
    SET_VECTOR_ELT(out, 4, Rf_ScalarReal((double)why.ahead));
    SET_VECTOR_ELT(out, 5, Rf_ScalarReal((double)why.workers));
    SET_VECTOR_ELT(out, 6, Rf_ScalarReal(or_na(1e-6 * (double)why.predicted_us)));
    SET_VECTOR_ELT(out, 7, Rf_ScalarReal(why.attempts));
    SET_VECTOR_ELT(out, 8, Rf_ScalarReal(why.deaths));
    SET_VECTOR_ELT(
        out,
        9,
        Rf_ScalarReal(why.starts_in_ms < 0 ? NA_REAL : 1e-3 * (double)why.starts_in_ms));
    UNPROTECT(1);
    return out;
}
