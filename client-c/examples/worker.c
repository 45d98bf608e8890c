/* SPDX-License-Identifier: MIT */
/* worker ADDRESS [TASKS]: a worker of one's own that offers "echo"; ends after so many
 * tasks, or when the broker is gone. */
#include <stdio.h>
#include <stdlib.h>

#include "crossdock_worker.h"

static void echo(struct xd_job *job)
{
    const struct xd_frame *argument = xd_job_arg(job, 0);
    if (!argument) {
        (void)xd_job_fail(job, "echo: there is no argument", NULL, 0);
        return;
    }
    const struct xd_payload value = {.bytes = argument->bytes, .tag = "text"};
    (void)xd_job_finish(job, &value, 1);
}

int main(int argc, char **argv)
{
    static const char *const handlers[] = {"echo"};
    struct xd_worker_options options = {.handlers = handlers, .handler_count = 1};
    options.address = argc > 1 ? argv[1] : NULL;
    long tasks = argc > 2 ? strtol(argv[2], NULL, 10) : -1;
    struct xd_worker *worker;
    struct xd_error error = {""};
    enum xd_err err = xd_worker_connect(&options, &worker, &error);
    if (err) {
        fprintf(stderr, "worker: %s\n", error.text);
        return 1;
    }
    struct xd_job *job;
    while (tasks-- != 0 && (err = xd_worker_next(worker, -1, &job, &error)) == XD_OK) {
        echo(job);
    }
    fprintf(stderr, "worker: %s\n", err ? error.text : "done");
    xd_worker_leave(worker);
    return err ? 1 : 0;
}
