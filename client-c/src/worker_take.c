/* SPDX-License-Identifier: MIT */
/* What the broker says to a worker: tasks, recalls, cancels. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/limits.h"
#include "worker_core.h"

static struct xd_job *find(const struct xd_worker_core *core, const struct xd_task_id *id)
{
    struct xd_map_item *item = xd_map_get(&core->by_id, id->bytes, sizeof id->bytes);
    return item == NULL ? NULL : XD_ITEM(item, struct xd_job, item);
}

/* ---- tasks ---- */

static struct xd_job *job_new(struct xd_worker_core *core, struct xd_task *task)
{
    size_t size = task->callee == NULL ? 0 : task->callee->size;
    if (xd_map_reserve(&core->by_id, 1) != XD_OK) {
        return NULL;
    }
    struct xd_job *job = xd_zalloc(sizeof *job + size + 1);
    if (job == NULL) {
        return NULL;
    }
    xd_list_init(&job->link);
    xd_list_init(&job->made);
    atomic_init(&job->cancelled, false);
    job->task = *task;
    *task = (struct xd_task){0};
    job->is_held = job->task.hold;
    job->frame_count = job->all_frames = job->task.frame_count;
    if (size > 0) {
        memcpy(job->callee, job->task.callee->data, size);
    }
    return job;
}

/* Without memory for it, it goes back: it has not begun. If not even that can be said,
 * the session is over, so that nobody waits for it. */
static void give_back(struct xd_worker_core *core, const struct xd_task_id *id)
{
    struct xd_msg msg = {.kind = XD_KIND_RECALLED};
    msg.ids.ids = xd_alloc(sizeof *msg.ids.ids);
    if (msg.ids.ids != NULL) {
        msg.ids.ids[0] = *id;
        msg.ids.count = 1;
        if (xd_outbox_put(&core->channel.outbox, &msg, 0) == XD_OK) {
            return;
        }
    }
    xd_msg_clear(&msg);
    xd_session_end(&core->channel.session, XD_ERR_NOMEM, "out of memory for a task");
}

static void refuse_unprepared(struct xd_worker_core *core,
                              struct xd_job *job,
                              xd_time now)
{
    char text[128];
    (void)snprintf(text,
                   sizeof text,
                   "the worker does not have setup %" PRIu64 " of session %" PRIu64,
                   job->task.setup,
                   job->task.origin.n);
    xd_worker_core_refuse(core, job, XD_OUTCOME_FAILED, text, now);
}

static void take_task(struct xd_worker_core *core, struct xd_task *task, xd_time now)
{
    if (find(core, &task->id) != NULL) {
        return; /* sent twice: it runs once */
    }
    struct xd_job *job = job_new(core, task);
    if (job == NULL) {
        give_back(core, &task->id);
        return;
    }
    if (core->is_leaving) {
        xd_list_push_back(&core->recalled, &job->link);
        return;
    }
    xd_map_add(&core->by_id, &job->item, job->task.id.bytes, sizeof job->task.id.bytes);
    xd_list_push_back(&core->inbox, &job->link);
    core->inbox_count++;
    const char *why = NULL;
    bool is_given = xd_worker_core_take_given(core, job, &why);
    job->is_complete = xd_frames_missing(job->task.frames, job->task.frame_count) == 0;
    job->setup = xd_worker_core_setup_use(core, &job->task);
    if (!is_given) {
        xd_worker_core_refuse(core, job, XD_OUTCOME_FAILED, why, now);
    } else if (job->task.setup != 0 && job->setup == NULL) {
        refuse_unprepared(core, job, now);
    }
}

/* The first that waits reads its payloads while the one before it runs. */
static void begin_pull(struct xd_worker_core *core, xd_time now)
{
    while (!xd_list_is_empty(&core->inbox)) {
        struct xd_job *job = XD_ITEM(core->inbox.next, struct xd_job, link);
        if (job->is_complete || job->pull != NULL) {
            return;
        }
        if (xd_pull_new(&core->channel.reads,
                        job->task.frames,
                        job->task.frame_count,
                        job,
                        &job->pull) == XD_OK) {
            return;
        }
        xd_worker_core_refuse(core,
                              job,
                              XD_OUTCOME_FAILED,
                              "out of memory for the task's payloads",
                              now);
    }
}

static void end_pulls(struct xd_worker_core *core, xd_time now)
{
    struct xd_pull *pull;
    while ((pull = xd_reads_over(&core->channel.reads)) != NULL) {
        struct xd_job *job = pull->context;
        if (pull->err == XD_OK) {
            job->is_complete = true;
            job->pull = NULL;
            xd_pull_drop(&core->channel.reads, pull);
        } else {
            bool is_memory = pull->err == XD_ERR_NOMEM;
            xd_worker_core_refuse(core,
                                  job,
                                  is_memory ? XD_OUTCOME_FAILED : XD_OUTCOME_LOST,
                                  pull->text,
                                  now);
        }
    }
}

/* ---- recall and cancel ---- */

static void take_recall(struct xd_worker_core *core, const struct xd_msg *msg)
{
    for (size_t i = 0; i < msg->ids.count; i++) {
        struct xd_job *job = find(core, &msg->ids.ids[i]);
        if (job != NULL && job != core->running) {
            xd_list_remove(&job->link);
            core->inbox_count--;
            xd_map_remove(&core->by_id, &job->item);
            xd_list_push_back(&core->recalled, &job->link);
        }
    }
}

static void take_cancel(struct xd_worker_core *core,
                        const struct xd_msg *msg,
                        xd_time now)
{
    for (size_t i = 0; i < msg->ids.count; i++) {
        struct xd_job *job = find(core, &msg->ids.ids[i]);
        if (job == NULL) {
            continue;
        }
        if (job != core->running) {
            xd_worker_core_refuse(core, job, XD_OUTCOME_CANCELLED, NULL, now);
            continue;
        }
        atomic_store(&job->cancelled, true);
        if (msg->ids.level == XD_CANCEL_KILL) {
            core->alarm.kill = true;
        } else {
            core->alarm.interrupt = true;
        }
    }
}

void xd_worker_core_message(void *owner, struct xd_msg *msg, xd_time now)
{
    struct xd_worker_core *core = owner;
    switch ((int)msg->kind) {
    case XD_KIND_TASK:
        for (size_t i = 0; i < msg->tasks.count; i++) {
            take_task(core, &msg->tasks.tasks[i], now);
        }
        xd_worker_core_drop_given(core);
        break;
    case XD_KIND_GIVEN:
        if (xd_worker_core_given(core, msg) != XD_OK) {
            xd_session_end(&core->channel.session, XD_ERR_NOMEM, "out of memory");
        }
        break;
    case XD_KIND_SETUP:
        xd_worker_core_setup(core, msg);
        break;
    case XD_KIND_RECALL:
        take_recall(core, msg);
        break;
    case XD_KIND_CANCEL:
        take_cancel(core, msg, now);
        break;
    default:
        break;
    }
}

/* Nobody waits for the running job any more, and no broker is left to say when its
 * patience is over. */
static void stop_running(struct xd_worker_core *core, xd_time now)
{
    core->was_stopped = true;
    if (core->running != NULL && !core->finishes) {
        core->kill_at = now + XD_KILL_AFTER_MS * XD_MS;
        if (!atomic_exchange(&core->running->cancelled, true)) {
            core->alarm.interrupt = true;
        }
    }
}

void xd_worker_core_settle(struct xd_worker_core *core, xd_time now)
{
    end_pulls(core, now);
    if (!core->channel.session.gone) {
        begin_pull(core, now);
    } else if (!core->was_stopped) {
        stop_running(core, now);
    }
}

bool xd_worker_core_is_overdue(struct xd_worker_core *core, xd_time now)
{
    if (core->running == NULL || now < core->kill_at) {
        return false;
    }
    core->kill_at = XD_NEVER;
    return true;
}
