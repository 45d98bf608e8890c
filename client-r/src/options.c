/* SPDX-License-Identifier: MIT */
/* Options of tasks and settings of profiles, from R; and which class a task is of when
 * nobody says it. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

#define CLASS_MAX 255

/* ---- options ---- */

/* list(class, whole, times, replace, dedupe, needs, worker, after), as options.R makes
 * it. */
enum {
    OPTION_CLASS,
    OPTION_WHOLE, /* integers: priority, rank, retries: error, lost; backoff */
    OPTION_TIMES, /* milliseconds: estimate, delay, deadline, limit */
    OPTION_REPLACE,
    OPTION_DEDUPE,
    OPTION_NEEDS,
    OPTION_WORKER, /* decimal text */
    OPTION_AFTER   /* tasks */
};

static uint64_t whole_ms(double ms)
{
    return ms > 0 ? (uint64_t)(ms < 1 ? 1 : ms) : 0;
}

static struct xd_session_id session_of_text(SEXP text)
{
    const char *digits = rxd_text_or_null(text);
    struct xd_session_id id = {digits == NULL ? 0 : strtoull(digits, NULL, 10)};
    return id;
}

static struct xd_future *const *futures(SEXP tasks, const struct rxd_profile *profile)
{
    R_xlen_t count = Rf_xlength(tasks);
    struct xd_future **out = (void *)R_alloc((size_t)count + 1, sizeof *out);
    for (R_xlen_t i = 0; i < count; i++) {
        const struct rxd_task *task =
            rxd_task_of_pointer(rxd_task_pointer(VECTOR_ELT(tasks, i)));
        if (task == NULL || task->future == NULL) {
            Rf_error("task %lld of `.after` has no result to hand over",
                     (long long)i + 1);
        }
        if (task->profile->session != profile->session) {
            Rf_error("task %lld of `.after` is with another broker: only tasks of the "
                     "same one can come after it; use its value",
                     (long long)i + 1);
        }
        out[i] = task->future;
    }
    return out;
}

void rxd_options_read(SEXP options,
                      const struct rxd_profile *profile,
                      struct xd_call_options *out)
{
    const int *whole = INTEGER(VECTOR_ELT(options, OPTION_WHOLE));
    const double *times = REAL(VECTOR_ELT(options, OPTION_TIMES));
    SEXP after = VECTOR_ELT(options, OPTION_AFTER);
    *out = (struct xd_call_options){
        .priority = (enum xd_priority)whole[0],
        .rank = whole[1],
        .retries_failed = (unsigned)whole[2],
        .retries_lost = (unsigned)whole[3],
        .backoff_ms = (uint32_t)whole[4],
        .estimate_us = whole_ms(1000 * times[0]),
        .delay_ms = whole_ms(times[1]),
        .deadline_ms = whole_ms(times[2]),
        .limit_ms = whole_ms(times[3]),
        .task_class = rxd_text_or_null(VECTOR_ELT(options, OPTION_CLASS)),
        .replaces = rxd_text_or_null(VECTOR_ELT(options, OPTION_REPLACE)),
        .dedupe = rxd_text_or_null(VECTOR_ELT(options, OPTION_DEDUPE)),
        .needs = rxd_text_or_null(VECTOR_ELT(options, OPTION_NEEDS)),
        .worker = session_of_text(VECTOR_ELT(options, OPTION_WORKER)),
        .after = futures(after, profile),
        .after_count = (size_t)Rf_xlength(after),
    };
}

/* ---- the class of an expression ---- */

/* What a call of one of these gives is what its last argument does. */
static const char *const wrappers[] = {"{", "(", "<-", "=", "<<-", NULL};
static const char *const controls[] = {"if", "for", "while", "repeat", "function", NULL};

static bool is_one_of(SEXP function, const char *const *names)
{
    if (TYPEOF(function) != SYMSXP) {
        return false;
    }
    while (*names != NULL && strcmp(CHAR(PRINTNAME(function)), *names) != 0) {
        names++;
    }
    return *names != NULL;
}

static SEXP last_argument(SEXP call)
{
    SEXP at = CDR(call);
    while (at != R_NilValue && CDR(at) != R_NilValue) {
        at = CDR(at);
    }
    return at == R_NilValue ? R_NilValue : CAR(at);
}

/* pkg::fun, and method of object$method. */
static SEXP class_of_access(SEXP call)
{
    SEXP sign = CAR(call), last = last_argument(call);
    if (Rf_length(call) != 3 || TYPEOF(last) != SYMSXP) {
        return R_NilValue;
    }
    if (sign == R_DollarSymbol || sign == Rf_install("@")) {
        return last;
    }
    SEXP package = CADR(call);
    if (TYPEOF(package) != SYMSXP ||
        (sign != R_DoubleColonSymbol && sign != R_TripleColonSymbol)) {
        return R_NilValue;
    }
    char name[CLASS_MAX + 1];
    int size = snprintf(name,
                        sizeof name,
                        "%s::%s",
                        CHAR(PRINTNAME(package)),
                        CHAR(PRINTNAME(last)));
    return size < (int)sizeof name ? Rf_install(name) : R_NilValue;
}

SEXP rxd_class_of(SEXP expr)
{
    while (TYPEOF(expr) == LANGSXP && is_one_of(CAR(expr), wrappers)) {
        expr = last_argument(expr);
    }
    if (TYPEOF(expr) != LANGSXP) {
        return R_NilValue;
    }
    SEXP name = CAR(expr);
    if (TYPEOF(name) == LANGSXP) {
        name = class_of_access(name);
    }
    bool says_something = TYPEOF(name) == SYMSXP && !is_one_of(name, controls) &&
                          LENGTH(PRINTNAME(name)) <= CLASS_MAX;
    return says_something ? name : R_NilValue;
}

/* The same as a text, or NULL. */
SEXP rxd_task_class(SEXP expr)
{
    SEXP name = rxd_class_of(expr);
    return name == R_NilValue ? name : Rf_ScalarString(PRINTNAME(name));
}

/* ---- settings of profiles ---- */

/* list(policy, weight, limit, paused, pool, tasks, bytes); NULL: as it is. */
enum {
    SETTING_POLICY,
    SETTING_WEIGHT,
    SETTING_LIMIT,
    SETTING_PAUSED,
    SETTING_POOL,
    SETTING_TASKS,
    SETTING_BYTES,
    SETTINGS
};

static double number(SEXP settings, int place)
{
    SEXP x = VECTOR_ELT(settings, place);
    return x == R_NilValue ? 0 : Rf_asReal(x);
}

SEXP rxd_profile_set(SEXP pointer, SEXP settings)
{
    static const unsigned bits[SETTINGS] = {XD_SET_POLICY,
                                            XD_SET_WEIGHT,
                                            XD_SET_MAX_RUNNING,
                                            XD_SET_PAUSED,
                                            XD_SET_POOL,
                                            XD_SET_MAX_TASKS,
                                            XD_SET_MAX_BYTES};
    struct rxd_profile *profile = rxd_profile_open(pointer);
    struct xd_profile_settings out = {
        .policy = rxd_text_or_null(VECTOR_ELT(settings, SETTING_POLICY)),
        .weight = number(settings, SETTING_WEIGHT),
        .max_running = (uint32_t)number(settings, SETTING_LIMIT),
        .paused = number(settings, SETTING_PAUSED) != 0,
        .pool = rxd_text_or_null(VECTOR_ELT(settings, SETTING_POOL)),
        .max_tasks = (uint64_t)number(settings, SETTING_TASKS),
        .max_bytes = (uint64_t)number(settings, SETTING_BYTES),
    };
    for (int i = 0; i < SETTINGS; i++) {
        out.set |= VECTOR_ELT(settings, i) == R_NilValue ? 0 : bits[i];
    }
    struct xd_client *client = profile->session->client;
    struct xd_error error = {""};
    enum xd_err err = (out.set & XD_SET_POOL) != 0
                          ? xd_profile_make(client, profile->name, 0, &out, &error)
                          : xd_profile_set(client, profile->name, &out, &error);
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "the broker does not set the compute profile");
    }
    return R_NilValue;
}

SEXP rxd_profile_kick(SEXP pointer)
{
    struct rxd_profile *profile = rxd_profile_open(pointer);
    struct xd_error error = {""};
    enum xd_err err = xd_profile_kick(profile->session->client, profile->name, &error);
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "the broker does not kick the compute profile");
    }
    return R_NilValue;
}
