/* SPDX-License-Identifier: MIT */
/* Interrupts R after a time, also inside system calls, which R's own time limits do not:
 * for tasks that are evaluated in the session itself. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"

#define ALARM "crossdock_alarm"

struct alarm {
    pthread_mutex_t lock; /* guards is_over, has_rung */
    pthread_cond_t over;
    bool is_over, has_rung;
    struct timespec end;
    pthread_t thread, main_thread;
};

static void *run(void *context)
{
    struct alarm *alarm = context;
    int err = 0;
    pthread_mutex_lock(&alarm->lock);
    while (!alarm->is_over && err == 0) {
        err = pthread_cond_timedwait(&alarm->over, &alarm->lock, &alarm->end);
    }
    if (!alarm->is_over) {
        alarm->has_rung = true;
        (void)pthread_kill(alarm->main_thread, SIGINT);
    }
    pthread_mutex_unlock(&alarm->lock);
    return NULL;
}

static bool end(struct alarm *alarm)
{
    pthread_mutex_lock(&alarm->lock);
    alarm->is_over = true;
    pthread_cond_signal(&alarm->over);
    pthread_mutex_unlock(&alarm->lock);
    pthread_join(alarm->thread, NULL);
    bool has_rung = alarm->has_rung;
    pthread_cond_destroy(&alarm->over);
    pthread_mutex_destroy(&alarm->lock);
    free(alarm);
    if (has_rung) {
        /* It was sent before the thread ended: by the end of a system call it is here. */
        (void)getppid();
        R_interrupts_pending = 0;
    }
    return has_rung;
}

static void alarm_finalize(SEXP pointer)
{
    struct alarm *alarm = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    if (alarm != NULL) {
        (void)end(alarm);
    }
}

static void start(struct alarm *alarm, int ms)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&alarm->lock, NULL);
    pthread_cond_init(&alarm->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    (void)clock_gettime(CLOCK_MONOTONIC, &alarm->end);
    alarm->end.tv_sec += ms / 1000;
    alarm->end.tv_nsec += (long)(ms % 1000) * 1000000;
    if (alarm->end.tv_nsec >= 1000000000) {
        alarm->end.tv_nsec -= 1000000000;
        alarm->end.tv_sec++;
    }
    alarm->main_thread = pthread_self();
}

/* From so many milliseconds on R is interrupted once; NA: never. */
SEXP rxd_alarm(SEXP timeout)
{
    SEXP pointer = PROTECT(rxd_pointer_new(ALARM, R_NilValue, alarm_finalize));
    if (Rf_asInteger(timeout) != NA_INTEGER) {
        struct alarm *alarm = calloc(1, sizeof *alarm);
        if (alarm == NULL) {
            rxd_raise(XD_ERR_NOMEM, NULL, NULL);
        }
        start(alarm, Rf_asInteger(timeout));
        if (!rxd_thread_start(&alarm->thread, run, alarm)) {
            free(alarm);
            rxd_raise(XD_ERR_SYSTEM, NULL, "no thread for a time limit");
        }
        R_SetExternalPtrAddr(pointer, alarm);
    }
    UNPROTECT(1);
    return pointer;
}

/* Its end: has it rung? The answer is kept, for who asks again. */
SEXP rxd_alarm_end(SEXP pointer)
{
    struct alarm *alarm = rxd_pointer(pointer, ALARM);
    if (alarm != NULL) {
        R_ClearExternalPtr(pointer);
        R_SetExternalPtrProtected(pointer, Rf_ScalarLogical(end(alarm)));
    }
    return Rf_ScalarLogical(R_ExternalPtrProtected(pointer) != R_NilValue &&
                            Rf_asLogical(R_ExternalPtrProtected(pointer)) == TRUE);
}
