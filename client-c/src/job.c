/* SPDX-License-Identifier: MIT */
/* What a handler sees of its task, and how it ends it. */
#include "worker.h"

#include "base/assert.h"
#include "clock.h"

const struct xd_task *xd_job_task(const struct xd_job *job)
{
    return &job->task;
}

const char *xd_job_callee(const struct xd_job *job)
{
    return job->callee;
}

const struct xd_frame *xd_job_arg(const struct xd_job *job, size_t index)
{
    return index < job->frame_count ? &job->task.frames[index] : NULL;
}

const struct xd_frame *xd_job_arg_named(const struct xd_job *job, const char *name)
{
    for (size_t i = 0; i < job->frame_count; i++) {
        if (xd_bytes_is(job->task.frames[i].name, name)) {
            return &job->task.frames[i];
        }
    }
    return NULL;
}

size_t xd_job_given_count(const struct xd_job *job)
{
    return job->result_count;
}

const struct xd_frame *xd_job_given(const struct xd_job *job, size_t index, size_t *count)
{
    xd_assert(index < job->result_count);
    *count = job->results[index].count;
    return job->results[index].frames;
}

bool xd_job_setup(const struct xd_job *job, struct xd_setup_view *out)
{
    const struct xd_kept_setup *setup = job->setup; /* of a running job it stays */
    if (setup == NULL) {
        return false;
    }
    *out = (struct xd_setup_view){.origin = {setup->key.origin},
                                  .number = setup->key.number,
                                  .frames = setup->frames,
                                  .frame_count = setup->frame_count};
    return true;
}

bool xd_job_is_cancelled(const struct xd_job *job)
{
    return atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}

enum xd_err xd_job_emit(struct xd_job *job, const char *kind, struct xd_bytes *bytes)
{
    struct xd_worker *worker = job->worker;
    if (!xd_origin_is_here(&worker->origin)) {
        return XD_ERR_GONE;
    }
    xd_pump_lock(&worker->pump);
    xd_assert(worker->core.running == job);
    enum xd_err err = XD_ERR_GONE;
    if (!worker->core.channel.session.gone) {
        err = xd_worker_core_emit(&worker->core, kind, bytes);
    }
    if (err == XD_OK) {
        xd_worker_post(worker, xd_now());
    }
    xd_pump_unlock(&worker->pump);
    return err;
}

/* Without room it can be left out: what fills the way are signs of life. */
enum xd_err xd_job_touch(struct xd_job *job)
{
    struct xd_worker *worker = job->worker;
    if (!xd_origin_is_here(&worker->origin)) {
        return XD_ERR_GONE;
    }
    xd_time now = xd_now();
    xd_pump_lock(&worker->pump);
    xd_assert(worker->core.running == job);
    enum xd_err err = worker->core.channel.session.gone
                          ? XD_ERR_GONE
                          : xd_worker_core_touch(&worker->core, now);
    if (err == XD_OK) {
        xd_worker_post(worker, now);
    }
    xd_pump_unlock(&worker->pump);
    return err == XD_ERR_GONE ? err : XD_OK;
}

static enum xd_err end_job(struct xd_job *job,
                           enum xd_outcome outcome,
                           const char *text,
                           const struct xd_payload *payloads,
                           size_t count)
{
    struct xd_worker *worker = job->worker;
    if (!xd_origin_is_here(&worker->origin)) {
        return XD_ERR_GONE;
    }
    xd_time now = xd_now();
    xd_pump_lock(&worker->pump);
    xd_assert(worker->core.running == job);
    enum xd_err err =
        xd_worker_core_finish(&worker->core, outcome, text, payloads, count, now);
    if (worker->core.inbox_count == 0) {
        xd_worker_post(worker, now); /* else it leaves with the news of the next */
    }
    xd_pump_unlock(&worker->pump);
    return err;
}

enum xd_err xd_job_finish(struct xd_job *job,
                          const struct xd_payload *payloads,
                          size_t count)
{
    return end_job(job, XD_OUTCOME_DONE, NULL, payloads, count);
}

enum xd_err xd_job_fail(struct xd_job *job,
                        const char *text,
                        const struct xd_payload *payloads,
                        size_t count)
{
    const char *words = text == NULL || text[0] == '\0' ? "the task failed" : text;
    return end_job(job, XD_OUTCOME_FAILED, words, payloads, count);
}
