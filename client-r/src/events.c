/* SPDX-License-Identifier: MIT */
/* What tasks have sent while they ran: output, messages, progress, values ahead. It lies
 * with the future of the task; with the pointer, once that has its value. R decodes it,
 * see events.R. */
#include "events.h"

#include <time.h>

#include "calls.h"
#include "serial.h"

/* A session keeps so much of a task, and of all tasks that R still holds. */
#define EVENTS_MAX 10000u
#define BYTES_MAX ((size_t)32 * 1024 * 1024)
#define TOTAL_MAX ((size_t)256 * 1024 * 1024)

/* What an event is in R: list(number, when it came in seconds, kind, bytes). */
enum { EVENT_NUMBER, EVENT_TIME, EVENT_KIND, EVENT_BYTES, EVENT_SIZE };

/* What is known of a task: list(config, events, how many were dropped). */
enum { KNOWN_CONFIG, KNOWN_EVENTS, KNOWN_DROPPED, KNOWN_SIZE };

void rxd_events_begin(struct xd_client *client)
{
    const struct xd_event_limits limits = {EVENTS_MAX, BYTES_MAX, TOTAL_MAX};
    xd_client_keep_events(client, &limits);
}

bool rxd_events_any(struct xd_future *future)
{
    struct xd_kept_event event;
    bool any = xd_future_event(future, 0, &event) == XD_OK;
    if (any) {
        xd_kept_event_clear(&event);
    }
    return any;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One on its way to R. */
struct arrival {
    struct xd_kept_event event;
    double boot; /* when the monotonic clock was zero, in seconds since 1970 */
};

static SEXP event_object(void *data)
{
    const struct arrival *arrival = data;
    const struct xd_kept_event *event = &arrival->event;
    double time = arrival->boot + 1e-9 * (double)event->came_ns;
    SEXP out = PROTECT(Rf_allocVector(VECSXP, EVENT_SIZE));
    const char *kind = (const char *)event->kind->data;
    SEXP text = PROTECT(Rf_mkCharLenCE(kind, (int)event->kind->size, CE_UTF8));
    SET_VECTOR_ELT(out, EVENT_NUMBER, Rf_ScalarReal((double)event->number));
    SET_VECTOR_ELT(out, EVENT_TIME, Rf_ScalarReal(time));
    SET_VECTOR_ELT(out, EVENT_KIND, Rf_ScalarString(text));
    SET_VECTOR_ELT(out, EVENT_BYTES, rxd_raw(event->bytes->data, event->bytes->size));
    UNPROTECT(2);
    return out;
}

static void event_over(void *data)
{
    struct arrival *arrival = data;
    xd_kept_event_clear(&arrival->event);
}

/* Those of the task's part from that number on. */
static SEXP events_of(const struct rxd_task *task, uint64_t from, double *dropped)
{
    SEXP first = PROTECT(Rf_cons(R_NilValue, R_NilValue)), last = first;
    struct arrival next = {.boot =
                               seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_MONOTONIC)};
    while (xd_future_event(task->future, from, &next.event) == XD_OK) {
        from = next.event.number + 1;
        *dropped = (double)next.event.dropped;
        if (next.event.part != task->part) {
            xd_kept_event_clear(&next.event);
            continue;
        }
        SEXP one = PROTECT(R_ExecWithCleanup(event_object, &next, event_over, &next));
        SETCDR(last, Rf_cons(one, R_NilValue));
        last = CDR(last);
        UNPROTECT(1);
    }
    SEXP out = Rf_PairToVectorList(CDR(first));
    UNPROTECT(1);
    return out;
}

static SEXP known(SEXP config, SEXP events, double dropped)
{
    SEXP out = PROTECT(Rf_allocVector(VECSXP, KNOWN_SIZE));
    SET_VECTOR_ELT(out, KNOWN_CONFIG, config);
    SET_VECTOR_ELT(out, KNOWN_EVENTS, events);
    SET_VECTOR_ELT(out, KNOWN_DROPPED, Rf_ScalarReal(dropped));
    UNPROTECT(1);
    return out;
}

static SEXP known_of_task(const struct rxd_task *task, uint64_t from, SEXP config)
{
    double dropped = 0;
    SEXP events = PROTECT(task->future == NULL ? Rf_allocVector(VECSXP, 0)
                                               : events_of(task, from, &dropped));
    SEXP out = known(config, events, dropped);
    UNPROTECT(1);
    return out;
}

void rxd_events_keep(const struct rxd_task *task, SEXP pointer, SEXP config)
{
    if (task->future != NULL && rxd_events_any(task->future)) {
        SEXP all = PROTECT(known_of_task(task, 0, config));
        Rf_setAttrib(pointer, Rf_install("events"), all);
        UNPROTECT(1);
    }
}

/* What is known of the task of a pointer, with the events from number `from` on (those
 * that lie with the pointer: all of them); NULL: it has never sent any. */
SEXP rxd_task_events(SEXP pointer, SEXP from)
{
    rxd_check_process();
    struct rxd_task *task = rxd_task_of_pointer(pointer);
    if (task == NULL) {
        return TYPEOF(pointer) == EXTPTRSXP ? Rf_getAttrib(pointer, Rf_install("events"))
                                            : R_NilValue;
    }
    return known_of_task(task, (uint64_t)Rf_asReal(from), rxd_task_config(pointer));
}

/* Put what a task in this process has sent (daemons(sync = TRUE)) where the others keep
 * it: list(config, events, dropped). */
SEXP rxd_task_events_set(SEXP pointer, SEXP events)
{
    Rf_setAttrib(pointer, Rf_install("events"), events);
    return pointer;
}

/* Wait until the task has an event of number `from` or a later one, or has ended, so many
 * milliseconds at most. */
SEXP rxd_task_wait_event(SEXP pointer, SEXP from, SEXP timeout)
{
    struct rxd_task *task = rxd_task_of_pointer(pointer);
    if (!rxd_task_is_done(task)) {
        enum xd_err err = xd_future_wait_event(task->future,
                                               (uint64_t)Rf_asReal(from),
                                               Rf_asInteger(timeout));
        rxd_check_wait(err);
    }
    R_CheckUserInterrupt();
    return R_NilValue;
}
