/* SPDX-License-Identifier: MIT */
/* The objects that mirai() returns: submitting, looking, waiting, stopping. */
#include "task.h"

#include <Rversion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "calls.h"
#include "events.h"
#include "options.h"
#include "past.h"
#include "serial.h"
#include "watch.h"

#define TASK "crossdock_task"

/* A route is what a profile's tasks have in common, made once: list(profile, setup,
 * config). A task whose arguments hold what will not work on the other side has one of
 * its own, with a note of that. */
enum { ROUTE_PROFILE, ROUTE_SETUP, ROUTE_CONFIG, ROUTE_NOTE, ROUTE_SIZE };

/* ---- life ---- */

/* Let go of the future; the last who shares it frees it. */
static void drop_future(struct rxd_task *task)
{
    struct xd_future *future = task->future;
    if (future == NULL) {
        return;
    }
    rxd_watch_end(task);
    task->future = NULL;
    if (task->sharers != NULL && --*task->sharers > 0) {
        task->sharers = NULL;
        return;
    }
    free(task->sharers);
    task->sharers = NULL;
    xd_future_free(future);
}

void rxd_task_end(struct rxd_task *task, int code)
{
    xd_list_remove(&task->link);
    task->code = code;
    task->ended = rxd_wall_seconds();
    rxd_past_add(task);
    if (task->future != NULL) {
        enum xd_err err = xd_future_cancel(task->future);
        (void)err; /* gone is as good as cancelled */
        if (rxd_events_any(task->future)) {
            rxd_watch_end(task); /* what it has sent is still of interest */
        } else {
            drop_future(task);
        }
    }
}

void rxd_task_free(struct rxd_task *task)
{
    xd_list_remove(&task->link);
    rxd_past_add(task);
    drop_future(task);
    rxd_profile_unref(task->profile);
    free(task);
}

static void task_finalize(SEXP pointer)
{
    struct rxd_task *task = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    if (task == NULL) {
        return;
    }
    if (task->profile != NULL && task->profile->is_counted && !rxd_task_is_done(task)) {
        task->is_orphan = true; /* it goes on, and takes its place in the queue */
    } else {
        rxd_task_free(task);
    }
}

struct rxd_task *rxd_task_of_pointer(SEXP pointer)
{
    return rxd_pointer(pointer, TASK);
}

SEXP rxd_task_config(SEXP pointer)
{
    return VECTOR_ELT(R_ExternalPtrProtected(pointer), ROUTE_CONFIG);
}

/* ---- the R object ---- */

/* function() .Call(C_rxd_task_data, aio), with the task as its environment. */
static SEXP data_function(SEXP task)
{
    SEXP model = rxd_own("task_data");
#if R_VERSION >= R_Version(4, 5, 0)
    return R_mkClosure(R_ClosureFormals(model), R_ClosureBody(model), task);
#else
    SEXP function = PROTECT(Rf_allocSExp(CLOSXP));
    SET_FORMALS(function, FORMALS(model));
    SET_BODY(function, BODY(model));
    SET_CLOENV(function, task);
    UNPROTECT(1);
    return function;
#endif
}

static int last_number;

static SEXP task_object(SEXP pointer, SEXP class)
{
    const struct rxd_task *of = rxd_task_of_pointer(pointer);
    int number = of == NULL ? ++last_number : of->number;
    SEXP task = PROTECT(R_NewEnv(R_BaseEnv, FALSE, 0));
    Rf_defineVar(Rf_install("aio"), pointer, task);
    R_MakeActiveBinding(Rf_install("data"), PROTECT(data_function(task)), task);
    Rf_setAttrib(task, Rf_install("id"), PROTECT(Rf_ScalarInteger(number)));
    Rf_setAttrib(task, R_ClassSymbol, class);
    UNPROTECT(3);
    return task;
}

static SEXP pointer_of(SEXP task)
{
    return Rf_findVarInFrame(task, Rf_install("aio"));
}

static bool is_task(SEXP x)
{
    return TYPEOF(x) == ENVSXP && Rf_inherits(x, TASK);
}

SEXP rxd_task_pointer(SEXP task)
{
    return is_task(task) ? pointer_of(task) : R_UnboundValue;
}

/* NULL for one that was restored from a file, or belongs to another R process. */
static struct rxd_task *task_of(SEXP task)
{
    return rxd_pointer(pointer_of(task), TASK);
}

/* ---- submitting ---- */

/* The pointer, its task, not submitted so far. */
static SEXP new_pointer(SEXP route)
{
    SEXP pointer = PROTECT(rxd_pointer_new(TASK, route, task_finalize));
    struct rxd_task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    xd_list_init(&task->link);
    task->kind = R_NilValue;
    task->number = ++last_number;
    R_SetExternalPtrAddr(pointer, task);
    UNPROTECT(1);
    return pointer;
}

static void join(struct rxd_task *task, struct rxd_profile *profile)
{
    task->profile = profile;
    task->submitted = rxd_wall_seconds();
    profile->refs++;
    xd_list_push_back(&profile->open, &task->link);
}

static uint32_t milliseconds(SEXP timeout)
{
    int ms = timeout == R_NilValue ? NA_INTEGER : Rf_asInteger(timeout);
    return ms == NA_INTEGER || ms < 0 ? 0 : (uint32_t)ms;
}

/* Over budget it waits for room, and Ctrl-C works. */
static struct xd_future *submit(struct rxd_profile *profile, struct xd_call *call)
{
    struct xd_future *future = NULL;
    struct xd_error error = {""};
    enum xd_err err;
    while ((err = xd_submit(profile->session->client, call, &future, &error)) ==
           XD_ERR_BUSY) {
        rxd_pause(20);
    }
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "cannot submit the task");
    }
    return future;
}

/* Several parts share the future of an everywhere-task. */
static SEXP share(SEXP route, struct rxd_profile *profile, SEXP first, uint32_t parts)
{
    struct rxd_task *task = R_ExternalPtrAddr(first);
    SEXP list = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)parts));
    SEXP class = PROTECT(rxd_own("task_class"));
    task->sharers = malloc(sizeof *task->sharers);
    if (task->sharers == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    *task->sharers = 1;
    SET_VECTOR_ELT(list, 0, task_object(first, class));
    for (uint32_t i = 1; i < parts; i++) {
        SEXP pointer = PROTECT(new_pointer(route));
        struct rxd_task *other = R_ExternalPtrAddr(pointer);
        other->future = task->future;
        other->sharers = task->sharers;
        other->part = i;
        other->kind = task->kind;
        ++*task->sharers;
        join(other, profile);
        SET_VECTOR_ELT(list, (R_xlen_t)i, task_object(pointer, class));
        UNPROTECT(1);
    }
    UNPROTECT(2);
    return list;
}

/* The options of a call, `out` being room for them, and the class that is shown of it:
 * what they say, else `kind`, a symbol or R_NilValue. NULL: it has none. */
static SEXP take_options(struct xd_call *call,
                         SEXP options,
                         const struct rxd_profile *profile,
                         SEXP kind,
                         struct xd_call_options *out)
{
    if (options != R_NilValue) {
        rxd_options_read(options, profile, out);
        call->options = out;
        return out->task_class == NULL ? kind : Rf_install(out->task_class);
    }
    if (kind != R_NilValue && call->callee == NULL) {
        *out = (struct xd_call_options){.task_class = CHAR(PRINTNAME(kind))};
        call->options = out;
    }
    return kind;
}

/* `kind`: the class of a call that names none. */
static SEXP send_call(SEXP route,
                      SEXP parcel_pointer,
                      struct xd_call *call,
                      uint32_t parts,
                      SEXP options,
                      SEXP kind)
{
    struct rxd_profile *profile = rxd_profile_open(VECTOR_ELT(route, ROUTE_PROFILE));
    struct xd_call_options room;
    const struct rxd_parcel *parcel = rxd_parcel(parcel_pointer);
    SEXP pointer = PROTECT(new_pointer(route));
    struct rxd_task *task = R_ExternalPtrAddr(pointer);
    call->profile = profile->name;
    call->payloads = parcel->payloads;
    call->payload_count = parcel->count;
    call->setup = rxd_setup_of(VECTOR_ELT(route, ROUTE_SETUP));
    call->everywhere = parts > 0;
    call->min_workers = parts;
    task->kind = take_options(call, options, profile, kind, &room);
    task->future = submit(profile, call);
    call->options = NULL;
    task->bytes = parcel->bytes;
    join(task, profile);
    rxd_parcel_free(parcel_pointer);
    SEXP out = parts > 0 ? share(route, profile, pointer, parts)
                         : task_object(pointer, rxd_own("task_class"));
    UNPROTECT(1);
    return out;
}

static SEXP noted(SEXP route, SEXP note)
{
    if (note == R_NilValue) {
        return route;
    }
    SEXP own = PROTECT(Rf_allocVector(VECSXP, ROUTE_SIZE));
    for (R_xlen_t i = 0; i < ROUTE_NOTE; i++) {
        SET_VECTOR_ELT(own, i, VECTOR_ELT(route, i));
    }
    SET_VECTOR_ELT(own, ROUTE_NOTE, note);
    UNPROTECT(1);
    return own;
}

/* `body`: list(expression, arguments, globals). `timeout`: NULL or milliseconds. `parts`:
 * 0, or of an everywhere-task how many workers there must be; then a list of tasks.
 * `options`: NULL, or as options.h has them; without any, the class is the name of what
 * the expression calls. */
SEXP rxd_submit(SEXP route, SEXP body, SEXP timeout, SEXP parts, SEXP options)
{
    uint32_t part_count = (uint32_t)Rf_asInteger(parts);
    bool has_kind = options == R_NilValue && part_count == 0;
    rxd_starts_look_due();
    SEXP parcel = PROTECT(rxd_parcel_new());
    rxd_encode(parcel, body, VECTOR_ELT(route, ROUTE_CONFIG), "client");
    struct xd_call call = {.format = XD_FORMAT_R, .timeout_ms = milliseconds(timeout)};
    SEXP own = PROTECT(noted(route, R_ExternalPtrProtected(parcel)));
    SEXP kind = has_kind ? rxd_class_of(VECTOR_ELT(body, 0)) : R_NilValue;
    SEXP out = send_call(own, parcel, &call, part_count, options, kind);
    UNPROTECT(2);
    return out;
}

/* One that has ended before it began, with that code. */
SEXP rxd_task_ended(SEXP route, SEXP code)
{
    struct rxd_profile *profile = rxd_profile_open(VECTOR_ELT(route, ROUTE_PROFILE));
    SEXP pointer = PROTECT(new_pointer(route));
    struct rxd_task *task = R_ExternalPtrAddr(pointer);
    task->code = Rf_asInteger(code);
    task->ended = rxd_wall_seconds();
    join(task, profile);
    SEXP out = task_object(pointer, rxd_own("task_class"));
    UNPROTECT(1);
    return out;
}

/* One that has ended with that value, in a list. */
SEXP rxd_task_resolved(SEXP value)
{
    SEXP pointer =
        PROTECT(rxd_pointer_new(TASK "_value", VECTOR_ELT(value, 0), task_finalize));
    SEXP out = task_object(pointer, rxd_own("task_class"));
    UNPROTECT(1);
    return out;
}

SEXP rxd_submit_call(SEXP route, SEXP callee, SEXP args, SEXP timeout, SEXP options)
{
    SEXP parcel = PROTECT(rxd_parcel_new());
    rxd_call_encode(parcel, args, VECTOR_ELT(route, ROUTE_CONFIG), "client");
    struct xd_call call = {.format = XD_FORMAT_CALL,
                           .callee = Rf_translateCharUTF8(STRING_ELT(callee, 0)),
                           .timeout_ms = milliseconds(timeout)};
    SEXP out = send_call(route, parcel, &call, 0, options, Rf_install(call.callee));
    UNPROTECT(1);
    return out;
}

/* ---- looking ---- */

bool rxd_task_is_done(const struct rxd_task *task)
{
    return task == NULL || task->code != 0 || task->future == NULL ||
           xd_future_is_done(task->future);
}

static int code_of(enum xd_outcome outcome)
{
    switch (outcome) {
    case XD_OUTCOME_LOST:
        return RXD_CODE_LOST;
    case XD_OUTCOME_CANCELLED:
        return RXD_CODE_CANCELLED;
    case XD_OUTCOME_EXPIRED:
        return RXD_CODE_TIMEOUT;
    default:
        return RXD_CODE_CLOSED;
    }
}

/* What the package's function of that name makes of a text. */
static SEXP sentence(const char *function, const char *text, size_t size)
{
    SEXP message =
        PROTECT(Rf_ScalarString(PROTECT(Rf_mkCharLenCE(text, (int)size, CE_UTF8))));
    SEXP call = PROTECT(Rf_lang2(rxd_own(function), message));
    SEXP value = Rf_eval(call, R_BaseEnv);
    UNPROTECT(3);
    return value;
}

/* A task that failed has R's error in its body, or only a sentence (a C handler's). */
static SEXP failure(const struct xd_result *result, SEXP config)
{
    if (result->frame_count > 0 && result->frames[0].role == XD_FRAME_BODY) {
        return rxd_decode(result->frames, result->frame_count, config, "client");
    }
    const char *text = result->error == NULL ? "" : (const char *)result->error->data;
    return sentence("plain_error", text, result->error == NULL ? 0 : result->error->size);
}

static SEXP result_value(const struct xd_result *result, SEXP config)
{
    if (result->outcome == XD_OUTCOME_FAILED) {
        return failure(result, config);
    }
    if (result->outcome != XD_OUTCOME_DONE) {
        return rxd_error_value(code_of(result->outcome));
    }
    if (result->frame_count > 0 && result->frames[0].role == XD_FRAME_BODY) {
        return rxd_decode(result->frames, result->frame_count, config, "client");
    }
    return rxd_call_value(result->frames, result->frame_count, config);
}

static SEXP future_value(const struct rxd_task *task, SEXP config)
{
    if (task->part < xd_future_parts(task->future)) {
        return result_value(xd_future_result(task->future, task->part), config);
    }
    enum xd_outcome outcome = xd_future_outcome(task->future);
    /* an everywhere-task that found fewer workers than it was made for */
    return rxd_error_value(outcome == XD_OUTCOME_DONE ? RXD_CODE_LOST : code_of(outcome));
}

static SEXP decode_task(void *pointer)
{
    struct rxd_task *task = R_ExternalPtrAddr(pointer);
    SEXP route = R_ExternalPtrProtected(pointer);
    if (task->code == RXD_CODE_NO_START) {
        const char *fault = task->profile->fault;
        return sentence("start_error", fault, strlen(fault));
    }
    if (task->code != 0) {
        return rxd_error_value(task->code);
    }
    SEXP value = PROTECT(future_value(task, VECTOR_ELT(route, ROUTE_CONFIG)));
    if (Rf_xlength(route) == ROUTE_SIZE && Rf_inherits(value, "miraiError")) {
        Rf_setAttrib(value, Rf_install("unregistered"), VECTOR_ELT(route, ROUTE_NOTE));
    }
    UNPROTECT(1);
    return value;
}

static void decode_over(void *task)
{
    ((struct rxd_task *)task)->is_decoding = false;
}

/* Decode once; from then on the pointer keeps the value, and the frames are freed. */
static SEXP resolve(struct rxd_task *task, SEXP pointer)
{
    task->is_decoding = true;
    SEXP value = PROTECT(R_ExecWithCleanup(decode_task, pointer, decode_over, task));
    rxd_events_keep(task, pointer, rxd_task_config(pointer));
    R_SetExternalPtrProtected(pointer, value);
    R_SetExternalPtrTag(pointer, Rf_install(TASK "_value"));
    task_finalize(pointer);
    UNPROTECT(1);
    return value;
}

static bool has_value(SEXP pointer)
{
    return TYPEOF(pointer) == EXTPTRSXP &&
           R_ExternalPtrTag(pointer) == Rf_install(TASK "_value");
}

/* What it is, or was; of one that has neither a task nor a value: it was restored from a
 * file, or belongs to another process. */
static SEXP pointer_value(SEXP pointer)
{
    struct rxd_task *task = rxd_pointer(pointer, TASK);
    if (task == NULL) {
        return has_value(pointer) ? R_ExternalPtrProtected(pointer)
                                  : rxd_own("detached_value");
    }
    bool is_ready =
        rxd_task_is_done(task) && !task->is_decoding; /* a codec may look at its task */
    return is_ready ? resolve(task, pointer) : rxd_unresolved();
}

/* The same of a task object, which has it as `value` from then on, too. */
static SEXP task_value(SEXP task, SEXP pointer)
{
    SEXP name = Rf_install("value");
    SEXP value = PROTECT(pointer_value(pointer));
    if (value != rxd_unresolved() && Rf_findVarInFrame(task, name) == R_UnboundValue) {
        Rf_defineVar(name, value, task);
    }
    UNPROTECT(1);
    return value;
}

/* What `m$data` gives: never waits. */
SEXP rxd_task_data(SEXP pointer, SEXP task)
{
    return is_task(task) ? task_value(task, pointer) : pointer_value(pointer);
}

/* Does nothing here know of it? */
SEXP rxd_task_is_detached(SEXP x)
{
    return Rf_ScalarLogical(is_task(x) && task_of(x) == NULL &&
                            !has_value(pointer_of(x)));
}

/* Is its result, now or later, with libcrossdock, so that it can be handed to another
 * task? Else its value is here. */
SEXP rxd_task_is_kept(SEXP x)
{
    const struct rxd_task *task = is_task(x) ? task_of(x) : NULL;
    return Rf_ScalarLogical(task != NULL && task->future != NULL);
}

static bool is_unresolved(SEXP x)
{
    if (is_task(x)) {
        return !rxd_task_is_done(task_of(x));
    }
    if (TYPEOF(x) == VECSXP) {
        for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
            if (is_unresolved(VECTOR_ELT(x, i))) {
                return true;
            }
        }
        return false;
    }
    return x == rxd_unresolved();
}

SEXP rxd_task_unresolved(SEXP x)
{
    rxd_starts_look(); /* who asks again and again waits, too */
    return Rf_ScalarLogical(is_unresolved(x));
}

/* Bytes of those of our tasks that wait in the profile, of which `queued` do: as the
 * queue is first in first out, the ones that were submitted last. */
SEXP rxd_profile_waiting(SEXP pointer, SEXP queued)
{
    struct rxd_profile *profile = rxd_profile_open(pointer);
    double left = Rf_asReal(queued), bytes = 0;
    profile->is_counted = true;
    struct xd_list *before;
    for (struct xd_list *link = profile->open.prev; link != &profile->open;
         link = before) {
        struct rxd_task *task = XD_ITEM(link, struct rxd_task, link);
        before = link->prev;
        if (!rxd_task_is_done(task)) {
            bytes += left > 0 ? (double)task->bytes : 0;
            left--;
        } else if (task->is_orphan) {
            rxd_task_free(task);
        }
    }
    return Rf_ScalarReal(bytes);
}

/* ---- waiting ---- */

void rxd_check_wait(enum xd_err err)
{
    if (err != XD_OK && err != XD_ERR_TIMEOUT) {
        struct xd_error error = {"this process is a fork of the task's R session"};
        rxd_raise(err, &error, "cannot wait for the task");
    }
}

static void wait_for(const struct rxd_task *task)
{
    while (!rxd_task_is_done(task)) {
        enum xd_err err = xd_future_wait(task->future, RXD_SLICE_MS);
        rxd_check_wait(err);
        if (err == XD_ERR_TIMEOUT) {
            rxd_check();
        }
    }
}

static void wait_all(SEXP x)
{
    if (is_task(x)) {
        wait_for(task_of(x));
    } else if (TYPEOF(x) == VECSXP) {
        for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
            wait_all(VECTOR_ELT(x, i));
        }
    }
}

SEXP rxd_task_wait(SEXP x)
{
    wait_all(x);
    return x;
}

static void refuse(void)
{
    Rf_error("object is not an Aio or list of Aios");
}

/* The values, waiting: of a task, or of each in a list, names kept. */
SEXP rxd_task_collect(SEXP x)
{
    if (is_task(x)) {
        wait_for(task_of(x));
        return task_value(x, pointer_of(x));
    }
    if (TYPEOF(x) != VECSXP) {
        refuse();
    }
    R_xlen_t count = Rf_xlength(x);
    SEXP out = PROTECT(Rf_allocVector(VECSXP, count));
    for (R_xlen_t i = 0; i < count; i++) {
        SEXP item = VECTOR_ELT(x, i);
        if (!is_task(item)) {
            refuse();
        }
        wait_for(task_of(item));
        SET_VECTOR_ELT(out, i, task_value(item, pointer_of(item)));
    }
    Rf_setAttrib(out, R_NamesSymbol, Rf_getAttrib(x, R_NamesSymbol));
    UNPROTECT(1);
    return out;
}

static int first_done(SEXP tasks)
{
    for (R_xlen_t i = 0; i < Rf_xlength(tasks); i++) {
        SEXP item = VECTOR_ELT(tasks, i);
        if (!is_task(item) || rxd_task_is_done(task_of(item))) {
            return (int)i + 1;
        }
    }
    return 0;
}

/* Wait until this client has heard of some end that was not looked at before. */
static void wait_some(struct xd_client *client, int ms)
{
    struct xd_future *future;
    rxd_check_wait(xd_client_wait(client, ms));
    while (xd_client_next(client, &future) == XD_OK) {
        continue; /* each task is asked itself */
    }
}

/* Until a task of the profile has ended since the last call, or a moment is over: one
 * that has begun makes room, too. */
SEXP rxd_profile_wait(SEXP pointer)
{
    struct rxd_profile *profile = rxd_profile_open(pointer);
    if (profile->session->is_watched) { /* the ends go to later's loop */
        rxd_pause(RXD_GLANCE_MS);
    } else {
        wait_some(profile->session->client, RXD_BEGUN_MS);
        rxd_check();
    }
    return R_NilValue;
}

/* Does one session hear of the ends of them all, and by no other way? */
static bool is_single_client(SEXP tasks)
{
    const struct rxd_session *session = NULL;
    for (R_xlen_t i = 0; i < Rf_xlength(tasks); i++) {
        const struct rxd_task *task = task_of(VECTOR_ELT(tasks, i));
        if (task->profile->session->is_watched ||
            (session != NULL && task->profile->session != session)) {
            return false;
        }
        session = task->profile->session;
    }
    return true;
}

double rxd_wall_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The index of the first that has ended; 0: none has within so many seconds (infinite: as
 * long as it takes), or there is none at all. */
SEXP rxd_task_race(SEXP tasks, SEXP timeout)
{
    int index = first_done(tasks);
    if (index > 0 || Rf_xlength(tasks) == 0) {
        return Rf_ScalarInteger(index);
    }
    struct xd_client *client = task_of(VECTOR_ELT(tasks, 0))->profile->session->client;
    bool is_single = is_single_client(tasks);
    double end = rxd_steady_seconds() + Rf_asReal(timeout);
    while ((index = first_done(tasks)) == 0) {
        double left = 1000 * (end - rxd_steady_seconds());
        int slice = is_single ? RXD_SLICE_MS : RXD_GLANCE_MS;
        if (left <= 0) {
            break;
        }
        slice = left < slice ? 1 + (int)left : slice;
        if (is_single) {
            wait_some(client, slice);
            rxd_check();
        } else {
            rxd_pause(slice);
        }
    }
    return Rf_ScalarInteger(index);
}

/* ---- stopping ---- */

/* TRUE: it was waiting or running. Without dispatcher always FALSE, as in mirai. */
static bool stop(SEXP x)
{
    struct rxd_task *task = is_task(x) ? task_of(x) : NULL;
    if (rxd_task_is_done(task)) {
        return false;
    }
    bool is_direct = task->profile->is_direct;
    rxd_task_end(task, RXD_CODE_CANCELLED);
    return !is_direct;
}

SEXP rxd_task_stop(SEXP x)
{
    rxd_check_process();
    if (TYPEOF(x) != VECSXP) {
        return Rf_ScalarLogical(stop(x));
    }
    R_xlen_t count = Rf_xlength(x);
    SEXP out = PROTECT(Rf_allocVector(LGLSXP, count));
    for (R_xlen_t i = count - 1; i >= 0; i--) { /* the last ones have begun least */
        LOGICAL(out)[i] = stop(VECTOR_ELT(x, i));
    }
    UNPROTECT(1);
    return out;
}

/* ---- what is sent ---- */

/* The expression without the source references of its blocks, which would drag whole
 * files along. */
SEXP rxd_strip_srcref(SEXP expr)
{
    if (TYPEOF(expr) != LANGSXP ||
        Rf_getAttrib(expr, Rf_install("srcref")) == R_NilValue) {
        return expr;
    }
    SEXP out = PROTECT(Rf_shallow_duplicate(expr));
    Rf_setAttrib(out, Rf_install("srcref"), R_NilValue);
    Rf_setAttrib(out, Rf_install("srcfile"), R_NilValue);
    Rf_setAttrib(out, Rf_install("wholeSrcref"), R_NilValue);
    for (SEXP node = CDR(out); node != R_NilValue; node = CDR(node)) {
        SETCAR(node, rxd_strip_srcref(CAR(node)));
    }
    UNPROTECT(1);
    return out;
}
