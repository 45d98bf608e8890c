/* SPDX-License-Identifier: MIT */
/* The daemon's side: this R process as a worker. It has one worker session; the loop over
 * its tasks is in R (daemon.R), what must be fast or is about threads and signals is
 * here. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "call.h"
#include "calls.h"
#include "codec.h"
#include "crossdock_worker.h"
#include "output.h"
#include "serial.h"

#define WORKER "crossdock_worker"

/* Configurations of other sessions that are kept decoded. */
#define SETUPS_KEPT 32
/* Short tasks that may lie ahead here; the broker decides how many do. */
#define HOLD 255
/* After the parent's end, until this process is killed. */
#define ORPHAN_GRACE_MS 2000

/* The signal handler and the library's thread have nothing but statics to reach. */
static struct {
    pthread_mutex_t lock; /* guards armed, id, raised */
    bool armed;           /* R evaluates the task `id`, and catches interrupts */
    bool raised;          /* ... and was sent one by us */
    struct xd_task_id id;
    pthread_t main_thread;
    struct xd_worker *worker;
    struct xd_job *job; /* the one under way */
    struct {
        uint64_t origin, number;
    } setups[SETUPS_KEPT]; /* whose configurations lie in the pointer's list */
    unsigned next_setup;
    volatile sig_atomic_t stopping, orphaned;
    atomic_bool finishes; /* the task under way, whoever has gone */
} self = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- interrupts ---- */

/* In the library's thread: the task was cancelled, or the broker is gone. */
static void on_interrupt(void *context, struct xd_task_id id)
{
    (void)context;
    pthread_mutex_lock(&self.lock);
    if (self.armed && xd_task_id_equal(&self.id, &id)) {
        self.raised = true;
        (void)pthread_kill(self.main_thread, SIGINT);
    }
    pthread_mutex_unlock(&self.lock);
}

/* In the library's thread: it did not stop. A crash, so that a supervisor replaces us. */
static void on_kill(void *context, struct xd_task_id id)
{
    (void)context;
    (void)id;
    (void)kill(getpid(), SIGKILL);
}

/* Told to end: the loop stops after the task; one whose parent is gone is interrupted.
 * Always on R's thread, since all others block signals. */
static void on_terminate(int number)
{
    (void)number;
    int kept = errno;
    self.stopping = 1;
    if (self.armed && self.orphaned) {
        R_interrupts_pending = 1;
    }
    if (self.worker != NULL) {
        xd_worker_wake(self.worker);
    }
    errno = kept;
}

/* Begin: from now on a cancel interrupts. FALSE: it was cancelled before it began. */
SEXP rxd_worker_arm(SEXP pointer)
{
    (void)pointer;
    pthread_mutex_lock(&self.lock);
    self.id = xd_job_task(self.job)->id;
    self.raised = false;
    self.armed = !xd_job_is_cancelled(self.job) && !self.stopping;
    bool armed = self.armed;
    pthread_mutex_unlock(&self.lock);
    return Rf_ScalarLogical(armed);
}

/* The end of evaluation: an interrupt of ours that comes too late is forgotten. */
SEXP rxd_worker_disarm(SEXP pointer)
{
    (void)pointer;
    pthread_mutex_lock(&self.lock);
    bool raised = self.raised;
    self.armed = self.raised = false;
    pthread_mutex_unlock(&self.lock);
    if (raised) {
        /* It was sent before the lock was ours: by the end of a system call it is here.
         */
        (void)getppid();
        R_interrupts_pending = 0;
    }
    return R_NilValue;
}

/* ---- guards of a process that somebody started ---- */

static void *watch_parent(void *fd)
{
    struct pollfd parent = {.fd = (int)(intptr_t)fd, .events = POLLIN};
    char byte;
    do {
        (void)poll(&parent, 1, -1);
    } while (parent.revents == 0 || read(parent.fd, &byte, 1) != 0);
    if (self.finishes) {
        (void)kill(getpid(), SIGTERM);
        return NULL;
    }
    self.orphaned = 1;
    (void)kill(getpid(), SIGTERM);
    (void)poll(NULL, 0, ORPHAN_GRACE_MS);
    (void)kill(getpid(), SIGKILL);
    return NULL;
}

/* Leaving R in the middle of a task, as quit() does, is a crash to whoever supervises. */
static void on_exit_of_process(void)
{
    rxd_output_end();
    if (self.worker != NULL && xd_worker_is_busy(self.worker)) {
        (void)kill(getpid(), SIGKILL);
    }
}

/* `life_fd`: a descriptor whose end of file says that the parent is gone, or NA. */
SEXP rxd_worker_guard(SEXP life_fd)
{
    static bool guarded;
    int fd = Rf_asInteger(life_fd);
    if (guarded) {
        return R_NilValue;
    }
    guarded = true;
    xd_keep_memory(XD_KEPT_OF_PAYLOADS);
    (void)atexit(on_exit_of_process);
    struct sigaction action = {.sa_handler = on_terminate}; /* ends system calls */
    (void)sigaction(SIGTERM, &action, NULL);
    if (fd != NA_INTEGER) {
        pthread_t thread;
        if (rxd_thread_start(&thread, watch_parent, (void *)(intptr_t)fd)) {
            pthread_detach(thread);
        }
    }
    return R_NilValue;
}

/* ---- the session ---- */

static void worker_finalize(SEXP pointer)
{
    R_ClearExternalPtr(pointer); /* the session is closed by rxd_worker_close alone */
}

static void check_worker(void)
{
    if (self.worker == NULL) {
        struct xd_error error = {"the daemon has left its broker"};
        rxd_raise(XD_ERR_GONE, &error, NULL);
    }
}

/* `address`, `profile`: texts, or NA for what the environment says; `server_key`, `has`:
 * a text, or NULL for that. `finishes`: the end of the broker or the parent does not
 * interrupt a task. */
SEXP rxd_worker_open(SEXP address, SEXP profile, SEXP server_key, SEXP has, SEXP finishes)
{
    if (self.worker != NULL) {
        struct xd_error error = {"this R process is a daemon already"};
        rxd_raise(XD_ERR_BUSY, &error, NULL);
    }
    static const char *const any[] = {"*"};
    SEXP url = STRING_ELT(address, 0), name = STRING_ELT(profile, 0);
    struct xd_worker_options options = {
        .address = url == NA_STRING ? NULL : Rf_translateCharUTF8(url),
        .profile = name == NA_STRING ? NULL : Rf_translateCharUTF8(name),
        .server_key = rxd_text_or_null(server_key),
        .formats = 1u << XD_FORMAT_R | 1u << XD_FORMAT_CALL,
        .handlers = any,
        .handler_count = 1,
        .hold = HOLD,
        .has = rxd_text_or_null(has),
        .interrupt = on_interrupt,
        .kill = on_kill,
        .finishes = Rf_asLogical(finishes) == TRUE,
    };
    atomic_store(&self.finishes, options.finishes);
    options.versions = rxd_versions(&options.version_count);
    self.main_thread = pthread_self();
    SEXP kept = PROTECT(Rf_allocVector(VECSXP, SETUPS_KEPT));
    SEXP pointer = PROTECT(rxd_pointer_new(WORKER, kept, worker_finalize));
    struct xd_error error = {""};
    enum xd_err err = xd_worker_connect(&options, &self.worker, &error);
    if (err != XD_OK) {
        rxd_raise(err, &error, "the daemon cannot reach its broker");
    }
    R_SetExternalPtrAddr(pointer, &self);
    UNPROTECT(2);
    return pointer;
}

SEXP rxd_worker_close(SEXP pointer)
{
    (void)pointer;
    struct xd_worker *worker = self.worker;
    self.worker = NULL;
    self.job = NULL;
    for (unsigned i = 0; i < SETUPS_KEPT; i++) {
        self.setups[i].origin = self.setups[i].number = 0;
    }
    xd_worker_leave(worker);
    return R_NilValue;
}

/* What the process prints becomes events of the task that runs; `quiet`: and nothing
 * else. FALSE: it cannot be read here. NULL: no longer. */
SEXP rxd_worker_output(SEXP quiet)
{
    if (quiet == R_NilValue) {
        rxd_output_end();
        return R_NilValue;
    }
    return Rf_ScalarLogical(rxd_output_begin(Rf_asLogical(quiet) == TRUE));
}

/* ---- the serial configuration of a task ---- */

/* Decode the configuration in its setup by R, and keep it in place of the oldest. */
static SEXP learn(SEXP kept, const struct xd_setup_view *setup)
{
    const struct xd_bytes *sent = setup->frames[0].bytes;
    SEXP bytes = PROTECT(rxd_raw(sent->data, sent->size));
    SEXP call = PROTECT(Rf_lang2(rxd_own("setup_config"), bytes));
    SEXP config = PROTECT(Rf_eval(call, R_BaseEnv));
    unsigned place = self.next_setup++ % SETUPS_KEPT;
    SET_VECTOR_ELT(kept, place, config);
    self.setups[place].origin = setup->origin.n;
    self.setups[place].number = setup->number;
    UNPROTECT(3);
    return config;
}

/* What the running task's objects are encoded with: its session's, else the daemon's own.
 */
static SEXP config_of(SEXP pointer)
{
    struct xd_setup_view setup;
    if (!xd_job_setup(self.job, &setup) || setup.frame_count == 0) {
        if (xd_job_task(self.job)->format == XD_FORMAT_R) {
            return R_NilValue;
        }
        SEXP call = PROTECT(Rf_lang1(rxd_own("registered_serial")));
        SEXP config = Rf_eval(call, R_BaseEnv);
        UNPROTECT(1);
        return config;
    }
    SEXP kept = R_ExternalPtrProtected(pointer);
    for (unsigned i = 0; i < SETUPS_KEPT; i++) {
        if (self.setups[i].origin == setup.origin.n &&
            self.setups[i].number == setup.number) {
            return VECTOR_ELT(kept, i);
        }
    }
    return learn(kept, &setup);
}

/* ---- tasks ---- */

/* The next job within `timeout` milliseconds; NULL: none. */
static struct xd_job *next_job(int timeout_ms, bool *gone)
{
    struct xd_error error = {""};
    struct xd_job *job = NULL;
    enum xd_err err = xd_worker_next(self.worker, timeout_ms, &job, &error);
    *gone = err != XD_OK && err != XD_ERR_TIMEOUT;
    return job;
}

/* Does its client want to hear of it while it runs? The sixth of what it sent may say no.
 */
static bool is_heard(SEXP what)
{
    return Rf_xlength(what) < 6 || Rf_asLogical(VECTOR_ELT(what, 5)) != FALSE;
}

/* The results of the tasks that it came after, a list; R_NilValue: there are none. */
static SEXP given_values(SEXP config)
{
    size_t count = xd_job_given_count(self.job);
    if (count == 0) {
        return R_NilValue;
    }
    SEXP out = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    for (size_t i = 0; i < count; i++) {
        size_t frame_count;
        const struct xd_frame *frames = xd_job_given(self.job, i, &frame_count);
        bool is_value = frame_count > 0 && frames[0].role == XD_FRAME_BODY;
        SET_VECTOR_ELT(out,
                       (R_xlen_t)i,
                       is_value ? rxd_decode(frames, frame_count, config, "worker")
                                : rxd_call_value(frames, frame_count, config));
    }
    UNPROTECT(1);
    return out;
}

/* list(is_call, is_everywhere, config, what, part, is_heard, given): what is
 * list(expression, arguments, globals) of a task in R's format, list(callee, arguments)
 * of a call. NULL: nothing came. TRUE: we were told to end. FALSE: the broker is gone. A
 * task whose bytes cannot be read raises an error with the job open. */
SEXP rxd_worker_next(SEXP pointer, SEXP timeout)
{
    check_worker();
    bool gone = false;
    if (!self.stopping) {
        self.job = next_job(Rf_asInteger(timeout), &gone);
    }
    if (self.job == NULL) {
        R_CheckUserInterrupt();
        return self.stopping || gone ? Rf_ScalarLogical(self.stopping != 0) : R_NilValue;
    }
    const struct xd_task *task = xd_job_task(self.job);
    SEXP out = PROTECT(Rf_allocVector(VECSXP, 7));
    bool is_call = task->format == XD_FORMAT_CALL;
    SET_VECTOR_ELT(out, 0, Rf_ScalarLogical(is_call));
    SET_VECTOR_ELT(out, 1, Rf_ScalarLogical(task->everywhere));
    SET_VECTOR_ELT(out, 4, Rf_ScalarInteger((int)task->part));
    SET_VECTOR_ELT(out, 2, config_of(pointer));
    SEXP config = VECTOR_ELT(out, 2);
    SET_VECTOR_ELT(out,
                   3,
                   is_call
                       ? rxd_call_decode(xd_job_callee(self.job),
                                         task->frames,
                                         task->frame_count,
                                         config)
                       : rxd_decode(task->frames, task->frame_count, config, "worker"));
    bool heard = is_call || is_heard(VECTOR_ELT(out, 3));
    SET_VECTOR_ELT(out, 5, Rf_ScalarLogical(heard));
    SET_VECTOR_ELT(out, 6, given_values(config));
    rxd_output_of(heard ? self.job : NULL);
    UNPROTECT(1);
    return out;
}

/* An R error where there is an object in it that its class's functions cannot reach. */
static void check_objects(SEXP value, SEXP config)
{
    bool is_plain = Rf_isVectorAtomic(value) && ATTRIB(value) == R_NilValue;
    if (is_plain || rxd_config_size(config) == 0) {
        return;
    }
    SEXP in_list = PROTECT(Rf_allocVector(VECSXP, 1)); /* it may be a call */
    SET_VECTOR_ELT(in_list, 0, value);
    SEXP call = PROTECT(Rf_lang3(rxd_own("check_s4_value"), in_list, config));
    (void)Rf_eval(call, R_BaseEnv);
    UNPROTECT(2);
}

/* Shut interrupts out and end the job. `kind`: "value" (of a task in R's format), "call"
 * (a call's value), or "error" (an object that stands for it, with its text). An R error,
 * with the job still open, when the value cannot be encoded. */
SEXP rxd_worker_finish(SEXP pointer, SEXP value, SEXP kind, SEXP config)
{
    rxd_worker_disarm(pointer);
    check_worker();
    if (self.job == NULL) {
        return R_NilValue;
    }
    char what = CHAR(STRING_ELT(kind, 0))[0];
    SEXP parcel = PROTECT(rxd_parcel_new());
    if (what == 'c') {
        rxd_call_encode(parcel, value, config, "worker");
    } else {
        check_objects(value, config);
        rxd_encode(parcel, value, config, "worker");
    }
    rxd_output_of(NULL);
    const struct rxd_parcel *payloads = rxd_parcel(parcel);
    struct xd_job *job = self.job;
    self.job = NULL;
    if (what == 'e') {
        const char *text =
            TYPEOF(value) == STRSXP ? Rf_translateCharUTF8(STRING_ELT(value, 0)) : "";
        (void)xd_job_fail(job, text, payloads->payloads, payloads->count);
    } else {
        (void)xd_job_finish(job, payloads->payloads, payloads->count);
    }
    rxd_parcel_free(parcel);
    UNPROTECT(1);
    return R_NilValue;
}

/* The running task says that it lives. FALSE: there is none. */
SEXP rxd_worker_touch(SEXP pointer)
{
    (void)pointer;
    bool is_running = self.job != NULL && self.worker != NULL;
    if (is_running && xd_job_touch(self.job) != XD_OK) {
        is_running = false; /* the broker is gone: an interrupt is on its way */
    }
    return Rf_ScalarLogical(is_running);
}

/* The last way out: only a sentence. */
SEXP rxd_worker_fail(SEXP pointer, SEXP text)
{
    (void)pointer;
    rxd_output_of(NULL);
    struct xd_job *job = self.job;
    self.job = NULL;
    if (job != NULL && self.worker != NULL) {
        (void)xd_job_fail(job, Rf_translateCharUTF8(STRING_ELT(text, 0)), NULL, 0);
    }
    return R_NilValue;
}

/* ---- while it runs ---- */

/* Bytes that are to be sent, until they are. */
struct emission {
    const char *kind;
    struct xd_bytes *bytes;
    enum xd_err err;
};

/* Where there is no room they wait; Ctrl-C and a cancel work meanwhile. */
static SEXP emit_patiently(void *data)
{
    struct emission *emission = data;
    while ((emission->err = xd_job_emit(self.job, emission->kind, emission->bytes)) ==
           XD_ERR_BUSY) {
        rxd_pause(RXD_GLANCE_MS);
    }
    return R_NilValue;
}

static void emit_over(void *data)
{
    struct emission *emission = data;
    xd_bytes_unref(emission->bytes);
}

static enum xd_err bytes_of(SEXP x, struct xd_bytes **out)
{
    if (TYPEOF(x) == RAWSXP) {
        return xd_bytes_copy(RAW(x), (size_t)XLENGTH(x), out);
    }
    return xd_bytes_text(Rf_translateCharUTF8(STRING_ELT(x, 0)), out);
}

/* Send bytes, a raw vector or a text, to the task's client, after what was printed so
 * far. FALSE: there is nobody to send them to. */
SEXP rxd_worker_emit(SEXP kind, SEXP bytes)
{
    if (self.job == NULL || self.worker == NULL) {
        return Rf_ScalarLogical(FALSE);
    }
    struct emission emission = {.kind = CHAR(STRING_ELT(kind, 0))};
    emission.err = bytes_of(bytes, &emission.bytes);
    if (emission.err == XD_OK) {
        rxd_output_of(self.job);
        (void)R_ExecWithCleanup(emit_patiently, &emission, emit_over, &emission);
    }
    if (emission.err != XD_OK && emission.err != XD_ERR_GONE) {
        rxd_raise(emission.err, NULL, "it cannot be sent ahead");
    }
    return Rf_ScalarLogical(emission.err == XD_OK);
}
