/* SPDX-License-Identifier: MIT */
/* libcrossdock, the worker's side: offer handlers in a profile, take tasks one by one,
 * give results back.
 *
 * A slot is a process: one worker session, one job at a time. While the caller computes,
 * a thread of the library keeps the session alive, hears cancels and sends events. Same
 * rules as crossdock.h for threads and fork, except that xd_worker_next() and the xd_job
 * functions belong to one thread. */
#ifndef CROSSDOCK_WORKER_H
#define CROSSDOCK_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/task.h"
#include "crossdock.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xd_worker;
struct xd_job;

struct xd_worker_options {
    const char *address, *server_key, *key_file; /* as in xd_client_options */
    int timeout_ms;              /* for the first answer; 0: 5000, -1: no limit */
    const char *profile;         /* NULL: $CROSSDOCK_PROFILE, else "default" */
    uint32_t formats;            /* bits 1 << enum xd_format; 0: CALL */
    const char *const *handlers; /* the callees offered, at most 256; one "*" for any */
    size_t handler_count;
    uint32_t hold;   /* short tasks it will hold ahead, at most 255; 0: none */
    const char *has; /* what tasks may need: words, name=text, name=number, like "gpu=2
                        memory=4e9 fast", at most 255 bytes; NULL: $CROSSDOCK_HAS, else
                        nothing */
    struct xd_session_id
        owner; /* the session that started it; 0: $CROSSDOCK_OWNER, else none */
    /* For people, in `crossdock workers`. Its host agent and slot are known from
     * $CROSSDOCK_AGENT and $CROSSDOCK_SLOT. */
    const char *name;          /* NULL: $CROSSDOCK_NAME, else the host's name */
    const char *const *labels; /* words or "key=value", at most 32 names; NULL:
                                  $CROSSDOCK_LABELS, with commas between */
    size_t label_count;
    const char *const *versions; /* as in xd_client_options */
    size_t version_count;
    /* Called in the library's thread, without locks; the job named may just have ended.
     * `interrupt`: the running job is to stop (xd_job_is_cancelled() says so too),
     * because it was cancelled or the broker is gone. `kill`: the job did not stop in
     * time, which is the broker's kill_after, or 3 s from when the broker is gone; the
     * process should end itself with _exit(). NULL: nothing. */
    void (*interrupt)(void *context, struct xd_task_id id);
    void (*kill)(void *context, struct xd_task_id id);
    void *context;
    bool finishes; /* the running job goes on when the broker is gone, although nobody
                      will hear of its result: neither of the two is called then */
};

/* Errors as xd_client_connect(), and XD_ERR_INVALID for profile and handlers. */
enum xd_err xd_worker_connect(const struct xd_worker_options *options,
                              struct xd_worker **out,
                              struct xd_error *error) XD_MUST_USE;

/* The next task, waiting `timeout_ms` at most (-1: no limit); its payloads are complete.
 * A task whose payload cannot be had any more never shows up. Returns the job in *out;
 * end it with xd_job_finish() or xd_job_fail() before the next call (asserted). Errors:
 * XD_ERR_TIMEOUT; XD_ERR_GONE (the broker is gone or said BYE, `error` says which:
 * leave). */
enum xd_err xd_worker_next(struct xd_worker *worker,
                           int timeout_ms,
                           struct xd_job **out,
                           struct xd_error *error) XD_MUST_USE;

/* Has the job that xd_worker_next() gave last not been ended yet? For programs that run
 * other people's handlers and must end what one of them forgot. The worker's thread. */
bool xd_worker_is_busy(const struct xd_worker *worker);

/* Wake xd_worker_next() in another thread, which then answers XD_ERR_TIMEOUT. Safe in a
 * signal handler. */
void xd_worker_wake(struct xd_worker *worker);

/* Hand back what has not begun, wait until results and their payloads are with their
 * readers (at most 5 s in which no piece of a payload is fetched), say BYE, free. NULL
 * allowed. */
void xd_worker_leave(struct xd_worker *worker);

/* ---- one job
 * ----------------------------------------------------------------------------------------------
 */

/* Id, format, callee, payload frames (with their bytes), which run of it this is
 * (`attempt`, from 1); valid until the job ends. */
const struct xd_task *xd_job_task(const struct xd_job *job);

/* Its callee ended by NUL ("" for format R), and argument `index` or the one called
 * `name`: NULL when there is none. */
const char *xd_job_callee(const struct xd_job *job);
const struct xd_frame *xd_job_arg(const struct xd_job *job, size_t index);
const struct xd_frame *xd_job_arg_named(const struct xd_job *job, const char *name);

/* The setup that its client gave it: whose, its number in that session (from 1, never
 * twice: what was made from it may be kept by the two), its frames. Valid until the job
 * ends. False: it has none. */
struct xd_setup_view {
    struct xd_session_id origin;
    uint64_t number;
    const struct xd_frame *frames;
    size_t frame_count;
};
bool xd_job_setup(const struct xd_job *job, struct xd_setup_view *out);

/* Has it been cancelled, or is the broker gone? Cheap; long computations ask now and
 * then. Any thread. */
bool xd_job_is_cancelled(const struct xd_job *job);

/* The results of the tasks that its client named in `after`: how many those are, and the
 * frames of number `index` (from 0, in the client's order) with their count in *count;
 * they have their bytes here, are no arguments of the job, and are valid until it ends.
 * index < count of tasks (asserted). */
size_t xd_job_given_count(const struct xd_job *job);
const struct xd_frame *xd_job_given(const struct xd_job *job,
                                    size_t index,
                                    size_t *count);

/* Say that the job lives, for its limit_ms; cheap: at most ten times a second something
 * is sent. Errors: XD_ERR_GONE. */
enum xd_err xd_job_touch(struct xd_job *job) XD_MUST_USE;

/* Send bytes to the client while the job runs: `kind` is a name ("progress"), `bytes`
 * shared, at most 1 MiB. Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE, XD_ERR_BUSY (the way
 * is full: drop it or try later), XD_ERR_GONE. */
enum xd_err xd_job_emit(struct xd_job *job,
                        const char *kind,
                        struct xd_bytes *bytes) XD_MUST_USE;

/* End the job with its value. The job is freed also on failure, and then ended as failed
 * with the reason (XD_ERR_INVALID, XD_ERR_TOO_LARGE, XD_ERR_NOMEM), so that the client
 * hears in any case. */
enum xd_err xd_job_finish(struct xd_job *job,
                          const struct xd_payload *payloads,
                          size_t count);

/* End the job with an error: one sentence (cut at 4 KiB) and, if `payloads` has some,
 * details. */
enum xd_err xd_job_fail(struct xd_job *job,
                        const char *text,
                        const struct xd_payload *payloads,
                        size_t count);

/* ---- handlers in shared objects (crossdock-worker loads them)
 * ------------------------------------------------ */

#define XD_MODULE_ABI 1u

/* Run one job: end it with xd_job_finish() or xd_job_fail(). One that returns without
 * ending it is failed. */
struct xd_handler {
    const char *name;
    void (*run)(struct xd_job *job, void *state);
};

struct xd_module {
    uint32_t abi; /* XD_MODULE_ABI */
    const struct xd_handler *handlers;
    size_t handler_count;
    enum xd_err (*init)(
        void **state,
        struct xd_error *error); /* once in each slot; NULL: nothing to do */
    void (*fini)(void *state);
};

/* A shared object with handlers exports exactly this function. */
const struct xd_module *crossdock_module(void);

#ifdef __cplusplus
}
#endif

#endif
