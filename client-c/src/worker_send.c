/* SPDX-License-Identifier: MIT */
/* What a worker says: results in batches, starts of held tasks, tasks handed back. */
#include "worker_core.h"

/* Results gather while more short tasks are held, up to so many. */
#define GATHER_COUNT 64u

/* The first of a list that is not empty. */
static struct xd_job *front(const struct xd_list *jobs)
{
    return XD_ITEM(jobs->next, struct xd_job, link);
}

/* The held task that runs and of which the broker does not know. */
static bool has_untold(const struct xd_worker_core *core)
{
    return core->running != NULL && core->running->is_held && !core->running->is_told;
}

static size_t gather(struct xd_worker_core *core, xd_time now)
{
    struct xd_room room = {0};
    XD_LIST_EACH (link, &core->results) {
        struct xd_job *job = XD_ITEM(link, struct xd_job, link);
        if (!xd_list_is_empty(&job->made) && !xd_channel_has_bulk(&core->channel, now)) {
            break;
        }
        if (!xd_room_take(&room,
                          xd_result_envelope_bytes(&job->result),
                          job->result.frame_count,
                          xd_frames_bytes(job->result.frames, job->result.frame_count))) {
            break;
        }
        core->batch[room.items - 1] = job->result;
    }
    return room.items;
}

static void results_left(struct xd_worker_core *core, size_t count)
{
    while (count-- > 0) {
        struct xd_job *job = front(&core->results);
        core->result_count--;
        core->result_bytes -=
            xd_frames_bytes(job->result.frames, job->result.frame_count);
        while (!xd_list_is_empty(
            &job->made)) { /* the owner keeps them until they are read */
            struct xd_list *link = job->made.next;
            xd_list_remove(link);
            xd_list_push_back(&core->kept, link);
        }
        xd_job_destroy(core, job);
    }
}

static void flush_results(struct xd_worker_core *core, xd_time now)
{
    while (core->result_count > 0) {
        struct xd_msg msg = {.kind = XD_KIND_RESULT};
        msg.results.results = core->batch;
        msg.results.count = gather(core, now);
        if (msg.results.count == core->result_count && has_untold(core)) {
            msg.results.has_started = true;
            msg.results.started = core->running->task.id;
        }
        if (msg.results.count == 0 ||
            xd_channel_send(&core->channel, XD_LANE_CONTROL, &msg, now) != XD_OK) {
            return;
        }
        if (msg.results.has_started) {
            core->running->is_told = true;
        }
        results_left(core, msg.results.count);
    }
    core->flush_at = XD_NEVER;
}

static void flush_started(struct xd_worker_core *core, xd_time now)
{
    if (has_untold(core) && core->result_count == 0) {
        struct xd_msg msg = {.kind = XD_KIND_STARTED};
        msg.ids.ids = core->ids;
        msg.ids.count = 1;
        core->ids[0] = core->running->task.id;
        core->running->is_told =
            xd_channel_send(&core->channel, XD_LANE_CONTROL, &msg, now) == XD_OK;
    }
}

static void flush_recalled(struct xd_worker_core *core, xd_time now)
{
    while (!xd_list_is_empty(&core->recalled)) {
        size_t count = 0;
        XD_LIST_EACH (link, &core->recalled) {
            if (count == XD_TASKS_MAX) {
                break;
            }
            core->ids[count++] = XD_ITEM(link, struct xd_job, link)->task.id;
        }
        struct xd_msg msg = {.kind = XD_KIND_RECALLED};
        msg.ids.ids = core->ids;
        msg.ids.count = count;
        if (xd_channel_send(&core->channel, XD_LANE_CONTROL, &msg, now) != XD_OK) {
            return;
        }
        while (count-- > 0) {
            xd_worker_core_unread(core, front(&core->recalled));
            xd_job_destroy(core, front(&core->recalled));
        }
    }
    struct xd_msg leaving = {.kind = XD_KIND_RECALLED}; /* without ids: no more, please */
    if (core->is_leaving && !core->said_so) {
        core->said_so =
            xd_channel_send(&core->channel, XD_LANE_CONTROL, &leaving, now) == XD_OK;
    }
}

void xd_worker_core_hurry(struct xd_worker_core *core)
{
    core->flush_at = core->result_count > 0 ? 0 : core->flush_at;
}

void xd_worker_core_flush(struct xd_worker_core *core, xd_time now)
{
    xd_channel_flush(&core->channel,
                     now); /* events go ahead of the result of their task */
    if (!xd_session_is_open(&core->channel.session)) {
        return;
    }
    bool waits = core->channel.outbox.count > 0;
    if (!waits && (now >= core->flush_at || core->result_count >= GATHER_COUNT)) {
        flush_results(core, now);
    }
    flush_started(core, now);
    flush_recalled(core, now);
    xd_channel_run(&core->channel, now);
}

xd_time xd_worker_core_deadline(const struct xd_worker_core *core)
{
    if (core->channel.session.gone) {
        return core->kill_at;
    }
    xd_time due = xd_channel_deadline(&core->channel);
    bool is_blocked = core->channel.retry_at != XD_NEVER ||
                      core->channel.session.lanes[XD_LANE_BULK] == XD_LANE_GREETED;
    return is_blocked ? due : xd_time_min(due, core->flush_at);
}
