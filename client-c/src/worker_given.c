/* SPDX-License-Identifier: MIT */
/* Results that a task is given: some come from the broker, ahead of it; some are among
 * its own frames. Then they all lie there. */
#include <string.h>

#include "after.h"
#include "base/alloc.h"
#include "worker_core.h"

/* One that came ahead. */
struct xd_share {
    struct xd_list link; /* core.given */
    struct xd_task_id child, parent;
    struct xd_frame *frames;
    size_t count;
    bool is_planned; /* for one of the places: who names a task twice was sent it twice */
};

/* ---- those that came ahead */

static void share_free(struct xd_share *share)
{
    xd_list_remove(&share->link);
    xd_frames_free(share->frames, share->count);
    xd_free(share);
}

enum xd_err xd_worker_core_given(struct xd_worker_core *core, struct xd_msg *msg)
{
    struct xd_share *share = xd_zalloc(sizeof *share);
    if (share == NULL) {
        return XD_ERR_NOMEM;
    }
    share->child = msg->given.child;
    share->parent = msg->given.parent;
    share->frames = msg->given.frames;
    share->count = msg->given.frame_count;
    msg->given.frames = NULL;
    msg->given.frame_count = 0;
    xd_list_push_back(&core->given, &share->link);
    return XD_OK;
}

/* Their tasks did not come: they went to another worker, and with them the right to read
 * what is not here. */
void xd_worker_core_drop_given(struct xd_worker_core *core)
{
    while (!xd_list_is_empty(&core->given)) {
        share_free(XD_ITEM(core->given.next, struct xd_share, link));
    }
}

static struct xd_share *find(const struct xd_worker_core *core,
                             const struct xd_task_id *child,
                             const struct xd_task_id *parent)
{
    XD_LIST_EACH (link, &core->given) {
        struct xd_share *share = XD_ITEM(link, struct xd_share, link);
        if (!share->is_planned && xd_task_id_equal(&share->child, child) &&
            xd_task_id_equal(&share->parent, parent)) {
            return share;
        }
    }
    return NULL;
}

/* ---- one task's */

/* What a task comes after, in order, and where each result is. */
struct plan {
    size_t count, own, total; /* tasks; frames of the task itself; all frames */
    size_t here;              /* frames that came with it, behind the table */
    struct {
        struct xd_share *share; /* NULL: it came with the task, */
        size_t frames;          /* ... so many */
    } items[XD_AFTER_MAX];
};

static const struct xd_bytes *find_table(const struct xd_task *task, size_t *at)
{
    for (*at = 0; *at < task->frame_count; ++*at) {
        if (task->frames[*at].role == XD_FRAME_GIVEN) {
            return task->frames[*at].bytes;
        }
    }
    return NULL;
}

static bool plan_item(const struct xd_worker_core *core,
                      const struct xd_task *task,
                      const struct xd_task_id *parent,
                      uint32_t frames,
                      struct plan *plan)
{
    struct xd_share *share = NULL;
    if (frames == XD_GIVEN_BY_BROKER) {
        share = find(core, &task->id, parent);
        if (share == NULL) {
            return false;
        }
        share->is_planned = true;
        plan->total += share->count;
    } else {
        plan->total += frames;
        plan->here += frames;
    }
    plan->items[plan->count].share = share;
    plan->items[plan->count++].frames = frames;
    return true;
}

/* All of them from the broker, in its order; or as the client's table says. */
static bool make_plan(const struct xd_worker_core *core,
                      const struct xd_task *task,
                      struct plan *plan)
{
    size_t at;
    const struct xd_bytes *table = find_table(task, &at);
    bool is_whole = table == NULL || (table->size % XD_GIVEN_BYTES == 0 &&
                                      table->size / XD_GIVEN_BYTES <= XD_AFTER_MAX);
    size_t count = table == NULL ? task->given_count : table->size / XD_GIVEN_BYTES;
    plan->own = plan->total = at;
    for (size_t i = 0; is_whole && i < count; i++) {
        struct xd_task_id parent;
        uint32_t frames = XD_GIVEN_BY_BROKER;
        if (table != NULL) {
            frames = xd_given_read(table->data + i * XD_GIVEN_BYTES, &parent);
        } else {
            parent = task->given[i].id;
        }
        is_whole = plan_item(core, task, &parent, frames, plan);
    }
    size_t with_it = task->frame_count - at - (table == NULL ? 0 : 1);
    return is_whole && plan->here == with_it;
}

static void move_frames(struct xd_frame **to, struct xd_frame *from, size_t count)
{
    if (count > 0) {
        memcpy(*to, from, count * sizeof *from);
        memset(from, 0, count * sizeof *from);
    }
    *to += count;
}

static void collect(struct xd_job *job, struct plan *plan, struct xd_frame *frames)
{
    struct xd_task *task = &job->task;
    struct xd_frame *to = frames, *from = task->frames + plan->own + 1;
    move_frames(&to, task->frames, plan->own);
    for (size_t i = 0; i < plan->count; i++) {
        struct xd_share *share = plan->items[i].share;
        size_t count = share == NULL ? plan->items[i].frames : share->count;
        job->results[i] = (struct xd_job_given){to, count};
        if (share != NULL) {
            move_frames(&to, share->frames, count);
            share_free(share);
        } else {
            move_frames(&to, from, count);
            from += count;
        }
    }
    xd_frames_free(task->frames, task->frame_count);
    task->frames = frames;
    task->frame_count = plan->total;
    job->result_count = plan->count;
    job->frame_count = plan->own;
    job->all_frames = plan->total;
}

bool xd_worker_core_take_given(struct xd_worker_core *core,
                               struct xd_job *job,
                               const char **why)
{
    size_t at;
    if (job->task.given_count == 0 && find_table(&job->task, &at) == NULL) {
        return true;
    }
    struct plan plan = {0};
    if (!make_plan(core, &job->task, &plan)) {
        *why = "the results that the task comes after did not come with it";
        return false;
    }
    struct xd_frame *frames = xd_calloc(plan.total + 1, sizeof *frames);
    job->results = xd_calloc(plan.count + 1, sizeof *job->results);
    if (frames == NULL || job->results == NULL) {
        xd_free(frames);
        *why = "out of memory for the results that the task comes after";
        return false;
    }
    collect(job, &plan, frames);
    return true;
}
