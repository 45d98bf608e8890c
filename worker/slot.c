/* SPDX-License-Identifier: MIT */
/* The life of one slot: load, connect, run tasks, leave. */
#include "slot.h"

#include <stdio.h>
#include <unistd.h>

#include "crossdock_worker.h"
#include "guard.h"
#include "handlers.h"

/* Our stderr is a pipe to the parent, which tags the lines. */
static int complain(int code, const struct xd_error *error)
{
    fprintf(stderr, "%s\n", error->text);
    return code;
}

static int exit_code(enum xd_err err)
{
    switch (err) {
    case XD_ERR_INVALID:
    case XD_ERR_UNSUPPORTED:
    case XD_ERR_VERSION:
    case XD_ERR_FORBIDDEN:
    case XD_ERR_TOO_LARGE:
        return XDW_EXIT_SETUP;
    default:
        return XDW_EXIT_UNAVAILABLE;
    }
}

/* In the library's thread: the task's own thread will not end it. */
static void on_kill(void *context, struct xd_task_id id)
{
    (void)context, (void)id;
    static const char line[] = "a task that was to stop did not; ending the process\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    _exit(XDW_EXIT_STUCK);
}

static void run_job(const struct xdw_handlers *handlers,
                    struct xd_worker *worker,
                    struct xd_job *job)
{
    void *state;
    const struct xd_handler *handler =
        xdw_handlers_find(handlers, xd_job_callee(job), &state);
    if (!handler) {
        (void)xd_job_fail(job, "there is no such handler here", NULL, 0);
        return;
    }
    handler->run(job, state);
    if (xd_worker_is_busy(worker)) {
        (void)xd_job_fail(job, "the handler returned without ending its task", NULL, 0);
    }
}

static int serve(const struct xdw_handlers *handlers, struct xd_worker *worker)
{
    struct xd_error error = {""};
    while (!xdw_guard_is_stopping()) {
        struct xd_job *job;
        enum xd_err err = xd_worker_next(worker, -1, &job, &error);
        if (err == XD_OK) {
            run_job(handlers, worker, job);
        } else if (err != XD_ERR_TIMEOUT) {
            return complain(exit_code(err), &error);
        }
    }
    return XDW_EXIT_OK;
}

static int connect_and_serve(const struct xdw_options *options,
                             const struct xdw_handlers *handlers)
{
    const struct xd_worker_options session = {
        .address = options->url,
        .profile = options->profile,
        .handlers = handlers->names,
        .handler_count = handlers->name_count,
        .hold = options->hold,
        .kill = on_kill,
    };
    struct xd_worker *worker;
    struct xd_error error = {""};
    xdw_guard_connecting();
    enum xd_err err = xd_worker_connect(&session, &worker, &error);
    if (err && xdw_guard_is_stopping()) {
        return XDW_EXIT_OK;
    }
    if (err) {
        return complain(exit_code(err), &error);
    }
    xdw_guard_set(worker);
    puts(XDW_SLOT_READY);
    int code = serve(handlers, worker);
    xdw_guard_set(NULL);
    xd_worker_leave(worker);
    return code;
}

int xdw_slot_run(const struct xdw_options *options)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct xdw_handlers handlers = {0};
    struct xd_error error = {""};
    enum xd_err err = xdw_guard_start(&error);
    if (err) {
        return complain(XDW_EXIT_UNAVAILABLE, &error);
    }
    for (int i = 0; !err && options->modules[i]; i++) {
        err = xdw_handlers_load(&handlers, options->modules[i], &error);
    }
    int code =
        err ? complain(XDW_EXIT_SETUP, &error) : connect_and_serve(options, &handlers);
    xdw_handlers_fini(&handlers);
    return code;
}
