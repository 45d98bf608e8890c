/* SPDX-License-Identifier: MIT */
/* Telling R of the ends of tasks while nobody waits: libcrossdock's thread hands them to
 * package later, whose loop calls back in R's own thread. Nothing polls. */
#include "watch.h"

#include <R_ext/Rdynload.h>
#include <pthread.h>
#include <stdlib.h>

#include "calls.h"

/* Somebody wants to know when this task has ended: in the list of its future. */
struct watch {
    struct watch *next;
    const struct rxd_task *task;
    int number;      /* R's own, see promise.R */
    bool is_lasting; /* wants to know of events, too */
    bool is_called;  /* ... and has not looked since it was called */
};

/* Guards all lists, so that an end is seen either by who registers or by the thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* later's entry point for all threads; found in R's thread before there is any watch. */
static void (*run_later)(void (*call)(void *), void *data, double seconds, int loop);

static void call_watcher(void *number)
{
    SEXP call = PROTECT(Rf_lang2(rxd_own("wake_watcher"),
                                 PROTECT(Rf_ScalarInteger((int)(intptr_t)number))));
    (void)Rf_eval(call, R_BaseEnv);
    UNPROTECT(2);
}

/* In R's thread, from the loop. */
static void wake(void *number)
{
    (void)rxd_try(call_watcher, number);
}

static void schedule(int number)
{
    run_later(wake, (void *)(intptr_t)number, 0, 0);
}

/* Take those of this task, or with NULL all, out of the list; in the order they came. */
static void fire(struct xd_future *future, const struct rxd_task *task)
{
    struct watch *first = xd_future_context(future), **link = &first;
    while (*link != NULL) {
        struct watch *watch = *link;
        if (task != NULL && watch->task != task) {
            link = &watch->next;
            continue;
        }
        *link = watch->next;
        if (!watch->is_called) {
            schedule(watch->number);
        }
        free(watch);
    }
    xd_future_set_context(future, first);
}

static void on_done(void *context, struct xd_future *future)
{
    (void)context;
    pthread_mutex_lock(&lock);
    fire(future, NULL);
    pthread_mutex_unlock(&lock);
}

static void on_event(void *context,
                     struct xd_future *future,
                     uint32_t part,
                     const char *kind,
                     struct xd_bytes *bytes)
{
    (void)context;
    (void)kind;
    (void)bytes; /* they are kept, see events.c */
    pthread_mutex_lock(&lock);
    for (struct watch *watch = xd_future_context(future); watch != NULL;
         watch = watch->next) {
        if (watch->is_lasting && !watch->is_called && watch->task->part == part) {
            watch->is_called = true;
            schedule(watch->number);
        }
    }
    pthread_mutex_unlock(&lock);
}

void rxd_watch_end(const struct rxd_task *task)
{
    if (run_later == NULL) {
        return; /* nobody has ever watched */
    }
    pthread_mutex_lock(&lock);
    fire(task->future, task);
    pthread_mutex_unlock(&lock);
}

void rxd_watch_call(void (*call)(void *data), void *data, double seconds)
{
    pthread_mutex_lock(&lock);
    if (run_later != NULL) {
        run_later(call, data, seconds, 0);
    }
    pthread_mutex_unlock(&lock);
}

static void begin(struct rxd_session *session, bool events)
{
    if (run_later == NULL) {
        DL_FUNC found = R_GetCCallable("later", "execLaterNative2");
        pthread_mutex_lock(&lock);
        run_later = (void (*)(void (*)(void *), void *, double, int))found;
        pthread_mutex_unlock(&lock);
    }
    if (session != NULL && !session->is_watched && session->client != NULL) {
        session->is_watched = true;
        xd_client_on_done(session->client, on_done, NULL);
    }
    if (events && session != NULL && !session->is_heard && session->client != NULL) {
        session->is_heard = true;
        xd_client_on_event(session->client, on_event, NULL);
    }
}

static void add(struct rxd_task *task, int number, bool events)
{
    struct watch *watch = malloc(sizeof *watch);
    if (watch == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    pthread_mutex_lock(&lock);
    *watch = (struct watch){.next = xd_future_context(task->future),
                            .task = task,
                            .number = number,
                            .is_lasting = events};
    if (xd_future_is_done(task->future)) {
        schedule(number);
        free(watch);
    } else {
        xd_future_set_context(task->future, watch);
    }
    pthread_mutex_unlock(&lock);
}

/* Call wake_watcher(number) from later's loop once the task has ended; with `events` also
 * whenever it has sent something since rxd_task_heard(). */
SEXP rxd_task_watch(SEXP pointer, SEXP number, SEXP events)
{
    rxd_check_process();
    struct rxd_task *task = rxd_task_of_pointer(pointer);
    bool lasting = Rf_asLogical(events) == TRUE;
    begin(task == NULL ? NULL : task->profile->session, lasting);
    if (task == NULL || rxd_task_is_done(task)) {
        schedule(Rf_asInteger(number));
    } else {
        add(task, Rf_asInteger(number), lasting);
        rxd_starts_watched();
    }
    return R_NilValue;
}

/* What the task has sent so far is about to be looked at. */
SEXP rxd_task_heard(SEXP pointer, SEXP number)
{
    struct rxd_task *task = rxd_task_of_pointer(pointer);
    if (rxd_task_is_done(task)) {
        return R_NilValue;
    }
    pthread_mutex_lock(&lock);
    for (struct watch *watch = xd_future_context(task->future); watch != NULL;
         watch = watch->next) {
        if (watch->number == Rf_asInteger(number)) {
            watch->is_called = false;
        }
    }
    pthread_mutex_unlock(&lock);
    return R_NilValue;
}
