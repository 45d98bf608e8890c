/* SPDX-License-Identifier: MIT */
/* What the glue between R and libcrossdock shares.
 *
 * Rules of external pointers, here and in every file of this folder:
 * - An external pointer is made first, protected, and given its finalizer; only then is
 * the C object made and set. So an R error on the way leaks nothing.
 * - Its tag says what it is. Every entry point asks rxd_pointer(), which gives NULL for a
 *   pointer that was cleared, or restored from a file.
 * - Finalizers never raise an error, never wait, and may run inside any R allocation.
 * - Only the main thread calls R. Threads of ours own plain C data and block all signals.
 */
#ifndef RXD_H
#define RXD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define R_NO_REMAP
#define STRICT_R_HEADERS
#include <R.h>
#include <Rinternals.h>

#include "base/list.h"
#include "crossdock.h"
#include "crossdock_broker.h"

/* mirai's codes of outcomes that are not values, as resolved errorValues carry them. */
enum rxd_code {
    RXD_CODE_NO_START = -1, /* none of mirai's: an error, no code */
    RXD_CODE_TIMEOUT = 5,
    RXD_CODE_CLOSED = 7,
    RXD_CODE_LOST = 19,
    RXD_CODE_CANCELLED = 20
};

/* ---- condition.c: errors into R ---- */

/* Raise an R error of class crossdock_error with the sentence in `error`, in the name of
 * `what` ("cannot reach the broker"), NULL: nothing before it. */
void rxd_raise(enum xd_err err, const struct xd_error *error, const char *what)
    __attribute__((noreturn));

/* Call that where no jump may get past the frames of who calls it, such as later's. An
 * error ends it and is printed; what else ends it, an interrupt, is pending again
 * afterwards, for whoever looks next. False: it was ended. */
bool rxd_try(void (*run)(void *context), void *context);

/* Give the package's namespace to C: its conditions and constants live there. */
SEXP rxd_attach(SEXP namespace);

/* The package's own object of that name. */
SEXP rxd_own(const char *name);

/* An integer of class errorValue. */
SEXP rxd_error_value(int code);

/* The one unresolved value. */
SEXP rxd_unresolved(void);

/* The text of a character(1); NULL for R's NULL. */
const char *rxd_text_or_null(SEXP x);

/* The versions of R and of the package, until the end of the call from R. */
const char *const *rxd_versions(size_t *count);

/* ---- pointers ---- */

SEXP rxd_pointer_new(const char *kind, SEXP keeps, void (*finalize)(SEXP pointer));
void *rxd_pointer(SEXP pointer, const char *kind);

/* ---- wait.c ---- */

/* R's own: somebody pressed Ctrl-C, and it has not looked so far. */
extern int R_interrupts_pending;

/* Between two looks at R's interrupts, in milliseconds. */
#define RXD_SLICE_MS 200
/* Where nothing can be waited for and somebody has to look. */
#define RXD_GLANCE_MS 5
/* How soon it is seen that a task has begun, which nobody says. */
#define RXD_BEGUN_MS 20
/* A broker that is there answers a question within this. */
#define RXD_ANSWER_TIMEOUT_MS 5000

/* Sleep a slice of at most `ms`, then rxd_check(); may jump. */
void rxd_pause(int ms);

/* Seconds of a clock that nobody sets. */
double rxd_steady_seconds(void);

/* Seconds since 1970. */
double rxd_wall_seconds(void);

/* Let R look at interrupts, and at daemons that cannot start; may jump. */
void rxd_check(void);

/* ---- starts.c ---- */

/* A process of ours has ended; from any thread. */
void rxd_starts_changed(void);

/* Has any that R has not looked at? Then tasks that wait for daemons which cannot start
 * end here. May jump. */
void rxd_starts_look(void);

/* The same only when its time has come, for who does not wait: it costs nothing. May
 * jump. */
void rxd_starts_look_due(void);

/* A task is watched from now on, while nobody waits. */
void rxd_starts_watched(void);

/* ---- thread.c ---- */

/* Start a thread that gets no signals: they are R's. False: there can be none. */
bool rxd_thread_start(pthread_t *thread, void *(*run)(void *context), void *context);

/* ---- session.c ---- */

/* A connection to a broker: the one inside this process, or one dialled. */
struct rxd_session {
    struct xd_list link;      /* in the list of all that are open */
    struct xd_broker *broker; /* of its own; NULL: dialled */
    struct xd_client *client; /* NULL: closed */
    char *address;
    unsigned refs;   /* its pointer, and each profile */
    bool is_watched; /* ends of its tasks go to watch.c */
    bool is_heard;   /* events, too */
};

/* A compute profile as this session uses it. */
struct rxd_profile {
    struct rxd_session *session;
    struct xd_list open; /* tasks that are not resolved: rxd_task.link */
    char *name;
    char *fault;     /* why its daemons could not start; NULL: they could */
    unsigned number; /* of all that this process ever had */
    int closed;      /* 0, or the code that its open tasks got */
    bool is_direct;  /* dispatcher = FALSE */
    bool is_counted; /* rxd_profile_waiting() is asked, also for tasks that R dropped */
    unsigned refs;
};

/* The profile of a pointer; an R error when it is closed. */
struct rxd_profile *rxd_profile_open(SEXP pointer);
void rxd_profile_unref(struct rxd_profile *profile);

/* rxd_raise() for what is asked of a session: when it is gone, with what to do. */
void rxd_raise_session(enum xd_err err, struct xd_error *error, const char *what)
    __attribute__((noreturn));

/* An R error in a fork of the process that uses crossdock. */
void rxd_check_process(void);

/* End every session and broker of this process, and its local daemons. Twice is safe; in
 * a forked child it does nothing. */
SEXP rxd_shutdown(void);

/* ---- supervise.c ---- */

/* Kill the local daemons that are left and end the thread. */
void rxd_supervise_end(void);

#endif
