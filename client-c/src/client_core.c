/* SPDX-License-Identifier: MIT */
/* The client's tasks from submission to the wire. What comes back is in client_take.c. */
#include "client_core.h"

#include <string.h>

#include "after.h"
#include "base/alloc.h"
#include "base/assert.h"

/* Unsent tasks gather while others are out, up to so many, so much, so long. */
#define GATHER_COUNT 64u
#define GATHER_BYTES ((size_t)256 * 1024)
/* Tasks leave at once, but no more often than this; then they leave together. */
#define GATHER_TIME (250 * XD_US)
#define ACK_RESULTS 64u
/* Without memory it is tried again after so long. */
#define RETRY_AFTER (2 * XD_MS)

enum xd_err xd_client_core_init(struct xd_client_core *core,
                                struct xd_link *link,
                                uint64_t seed,
                                xd_time now)
{
    memset(core, 0, sizeof *core);
    xd_map_init(&core->by_id, seed);
    struct xd_list *lists[] = {&core->unsent,
                               &core->busy,
                               &core->aside,
                               &core->offered,
                               &core->cancels,
                               &core->ended,
                               &core->to_call,
                               &core->news,
                               &core->questions,
                               &core->dead,
                               &core->drops,
                               &core->children,
                               &core->dead_setups};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        xd_list_init(lists[i]);
    }
    core->flush_at = core->busy_until = core->ack_at = XD_NEVER;
    core->heard_at = now;
    enum xd_err err = xd_channel_init(&core->channel,
                                      link,
                                      XD_ROLE_CLIENT,
                                      (struct xd_session_id){0},
                                      now);
    core->channel.message = xd_client_core_message;
    core->channel.owner = core;
    return err;
}

void xd_client_core_fini(struct xd_client_core *core, bool close_link)
{
    xd_channel_fini(&core->channel, close_link);
    xd_names_fini(&core->names);
    xd_map_fini(&core->by_id);
}

/* ---- queueing ---- */

enum xd_err xd_client_core_admit(struct xd_client_core *core,
                                 size_t count,
                                 size_t bytes,
                                 struct xd_error *error)
{
    const struct xd_session *session = &core->channel.session;
    if (session->budget_bytes > 0 && bytes > session->budget_bytes) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu bytes are more than the session's whole budget of %llu",
                       bytes,
                       (unsigned long long)session->budget_bytes);
    }
    if (session->budget_tasks > 0 && count > session->budget_tasks) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu tasks are more than the session's whole budget of %llu",
                       count,
                       (unsigned long long)session->budget_tasks);
    }
    if (session->budget_tasks > 0 && core->open_count + count > session->budget_tasks) {
        return xd_fail(error,
                       XD_ERR_BUSY,
                       "%zu tasks are open, the budget is %llu",
                       core->open_count,
                       (unsigned long long)session->budget_tasks);
    }
    if (session->budget_bytes > 0 && core->open_bytes + bytes > session->budget_bytes) {
        return xd_fail(error,
                       XD_ERR_BUSY,
                       "%zu bytes are open and %zu asked for, the budget is %llu",
                       core->open_bytes,
                       bytes,
                       (unsigned long long)session->budget_bytes);
    }
    if (xd_map_reserve(&core->by_id, count) != XD_OK) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the table of tasks");
    }
    return XD_OK;
}

static void enqueue(struct xd_client_core *core, struct xd_future *future)
{
    future->state = XD_FUTURE_UNSENT;
    xd_list_push_back(&core->unsent, &future->link);
    core->unsent_count++;
    core->unsent_bytes += future->bytes;
}

void xd_client_core_add(struct xd_client_core *core,
                        struct xd_future *future,
                        xd_time now)
{
    xd_map_add(&core->by_id,
               &future->item,
               future->task.id.bytes,
               sizeof future->task.id.bytes);
    core->open_count++;
    core->open_bytes += future->bytes;
    enqueue(core, future);
    xd_time next = xd_time_add(core->flushed_at, GATHER_TIME);
    if (core->out_count == 0 || next <= now) {
        core->flush_at = now;
    } else if (core->flush_at == XD_NEVER) {
        core->flush_at = next;
    }
}

bool xd_client_core_is_due(const struct xd_client_core *core, xd_time now)
{
    return now >= core->flush_at || core->unsent_count >= GATHER_COUNT ||
           core->unsent_bytes >= GATHER_BYTES;
}

void xd_client_core_hurry(struct xd_client_core *core, xd_time now)
{
    if (core->flush_at != XD_NEVER) {
        core->flush_at = xd_time_min(core->flush_at, now);
    }
}

/* ---- sending ---- */

static uint64_t ack_to_send(const struct xd_client_core *core)
{
    return core->received > core->acked ? core->received : 0;
}

enum xd_err xd_client_core_send(struct xd_client_core *core,
                                struct xd_msg *msg,
                                xd_time now)
{
    msg->ack = ack_to_send(core);
    enum xd_err err = xd_channel_send(&core->channel, XD_LANE_CONTROL, msg, now);
    if (err == XD_OK) {
        core->acked = core->received;
        core->ack_at = XD_NEVER;
    }
    return err;
}

static struct xd_future *first_unsent(const struct xd_client_core *core)
{
    return xd_list_is_empty(&core->unsent)
               ? NULL
               : XD_ITEM(core->unsent.next, struct xd_future, link);
}

/* The unsent ones from the front that fit into one message: of that profile, within the
 * limits. */
static size_t gather(struct xd_client_core *core,
                     const struct xd_bytes *profile,
                     xd_time now)
{
    struct xd_room room = {0};
    XD_LIST_EACH (link, &core->unsent) {
        struct xd_future *future = XD_ITEM(link, struct xd_future, link);
        bool same =
            future->profile == profile || xd_bytes_equal(future->profile, profile);
        bool ready =
            xd_list_is_empty(&future->made) || xd_channel_has_bulk(&core->channel, now);
        if (!same || !ready || xd_after_waits(future) ||
            xd_client_core_setup_send(core, future->setup, now) != XD_OK ||
            !xd_room_take(
                &room,
                xd_task_envelope_bytes(&future->task),
                future->task.frame_count,
                xd_frames_bytes(future->task.frames, future->task.frame_count))) {
            break;
        }
        core->batch[room.items - 1] = future->task;
    }
    return room.items;
}

static void mark_sent(struct xd_client_core *core, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xd_future *future = XD_ITEM(core->unsent.next, struct xd_future, link);
        xd_list_remove(&future->link);
        xd_list_push_back(&core->offered, &future->link);
        future->state = XD_FUTURE_SENT;
        core->unsent_count--;
        core->unsent_bytes -= future->bytes;
        core->out_count++;
    }
}

static void flush_tasks(struct xd_client_core *core, xd_time now)
{
    xd_after_sort(core);
    if (xd_after_settle(core) != XD_OK) {
        core->channel.retry_at = xd_time_min(core->channel.retry_at, now + RETRY_AFTER);
        return;
    }
    struct xd_future *first;
    while ((first = first_unsent(core)) != NULL) {
        if (xd_after_waits(first)) {
            core->flush_at = XD_NEVER; /* until what it waits for has ended */
            return;
        }
        struct xd_msg msg = {.kind = XD_KIND_SUBMIT};
        msg.tasks.profile = first->profile;
        msg.tasks.tasks = core->batch;
        msg.tasks.count = gather(core, first->profile, now);
        if (msg.tasks.count == 0 || xd_client_core_send(core, &msg, now) != XD_OK) {
            return;
        }
        mark_sent(core, msg.tasks.count);
    }
    core->flushed_at = now;
    core->flush_at = XD_NEVER;
}

static void flush_cancels(struct xd_client_core *core, xd_time now)
{
    while (!xd_list_is_empty(&core->cancels)) {
        size_t count = 0;
        XD_LIST_EACH (link, &core->cancels) {
            if (count == XD_TASKS_MAX) {
                break;
            }
            core->ids[count++] = XD_ITEM(link, struct xd_future, cancel)->task.id;
        }
        struct xd_msg msg = {.kind = XD_KIND_CANCEL};
        msg.ids.ids = core->ids;
        msg.ids.count = count;
        msg.ids.level = XD_CANCEL_INTERRUPT;
        if (xd_client_core_send(core, &msg, now) != XD_OK) {
            return;
        }
        while (count-- > 0) {
            xd_list_remove(core->cancels.next);
        }
    }
}

static void flush_ack(struct xd_client_core *core, xd_time now)
{
    if (ack_to_send(core) > 0 &&
        (now >= core->ack_at || core->received - core->acked >= ACK_RESULTS)) {
        struct xd_msg msg = {.kind = XD_KIND_ACK};
        (void)!xd_client_core_send(core, &msg, now);
    }
}

const char *xd_client_core_held_up(const struct xd_client_core *core)
{
    const struct xd_future *first = first_unsent(core);
    if (!xd_list_is_empty(&core->busy)) {
        return "the broker, or its profile, is full: it is offered again";
    }
    if (first != NULL && xd_after_waits(first)) {
        return "a task before it comes after one whose result is still arriving here";
    }
    return NULL;
}

/* Behind the tasks that were submitted before, but for those that are held up. */
static void flush_questions(struct xd_client_core *core, xd_time now)
{
    if (!xd_list_is_empty(&core->unsent) && xd_client_core_held_up(core) == NULL) {
        return;
    }
    XD_LIST_EACH_SAFE (link, &core->questions) {
        struct xd_question *question = XD_ITEM(link, struct xd_question, link);
        if (question->sent) {
            continue;
        }
        enum xd_err err = xd_client_core_send(core, &question->msg, now);
        if (err == XD_ERR_AGAIN || err == XD_ERR_GONE) {
            return;
        }
        question->sent = true;
        xd_msg_clear(&question->msg);
        if (err != XD_OK) { /* over a limit: that is the answer */
            question->answered = true;
            question->code = err;
            xd_list_remove(link);
        }
    }
}

/* Is an answer on its way that what the broker refused will be added to? Until then it is
 * not offered again, or it might be counted here and there. */
static bool is_counting(const struct xd_client_core *core)
{
    XD_LIST_EACH (link, &core->questions) {
        const struct xd_question *question = XD_ITEM(link, struct xd_question, link);
        if (question->sent && question->counts_of != NULL) {
            return true;
        }
    }
    return false;
}

void xd_client_core_unsend(struct xd_client_core *core, struct xd_future *future)
{
    xd_list_remove(&future->link);
    xd_list_push_front(&core->unsent, &future->link);
    future->state = XD_FUTURE_UNSENT;
    core->unsent_count++;
    core->unsent_bytes += future->bytes;
}

/* The broker was full: these go first, in their order. */
static void retry_busy(struct xd_client_core *core)
{
    while (!xd_list_is_empty(&core->busy)) {
        xd_client_core_unsend(core, XD_ITEM(core->busy.prev, struct xd_future, link));
    }
    core->busy_until = XD_NEVER;
}

void xd_client_core_flush(struct xd_client_core *core, xd_time now)
{
    xd_channel_flush(&core->channel, now);
    if (!xd_session_is_open(&core->channel.session)) {
        return;
    }
    if (now >= core->busy_until && !is_counting(core)) {
        retry_busy(core);
        core->flush_at = now;
    }
    if (xd_list_is_empty(&core->busy) && xd_client_core_is_due(core, now)) {
        flush_tasks(core, now);
    }
    flush_questions(core, now);
    flush_cancels(core, now);
    flush_ack(core, now);
    xd_client_core_setups_flush(core, now);
    xd_channel_run(&core->channel, now);
}

xd_time xd_client_core_deadline(const struct xd_client_core *core)
{
    xd_time due = xd_channel_deadline(&core->channel);
    bool held = !xd_list_is_empty(&core->busy) || core->channel.retry_at != XD_NEVER ||
                core->channel.session.lanes[XD_LANE_BULK] == XD_LANE_GREETED;
    if (!held) { /* else it leaves when that has passed */
        due = xd_time_min(due, core->flush_at);
        due = xd_time_min(due, core->ack_at);
        due = xd_list_is_empty(&core->drops) ? due : 0;
    }
    return is_counting(core) ? due : xd_time_min(due, core->busy_until);
}

void xd_client_core_cancel(struct xd_client_core *core, struct xd_future *future)
{
    if (future->state == XD_FUTURE_ENDED) {
        return;
    }
    if (future->state == XD_FUTURE_UNSENT || future->state == XD_FUTURE_BUSY) {
        xd_client_core_end(core, future, XD_OUTCOME_CANCELLED, NULL);
    } else if (xd_list_is_empty(&future->cancel)) {
        xd_list_push_back(&core->cancels, &future->cancel);
    }
}

void xd_client_core_cancel_all(struct xd_client_core *core, const char *profile)
{
    struct xd_map_item *next;
    for (struct xd_map_item *item = xd_map_next(&core->by_id, NULL); item != NULL;
         item = next) {
        next = xd_map_next(&core->by_id, item);
        struct xd_future *future = XD_ITEM(item, struct xd_future, item);
        if (xd_bytes_is(future->profile, profile)) {
            xd_client_core_cancel(core, future);
        }
    }
}

struct xd_future *xd_client_core_next(struct xd_client_core *core)
{
    if (xd_list_is_empty(&core->ended)) {
        return NULL;
    }
    struct xd_future *future = XD_ITEM(core->ended.next, struct xd_future, ended);
    xd_list_remove(&future->ended);
    return future;
}

/* ---- questions ---- */

static enum xd_err build_question(const char *verb,
                                  const char *const *args,
                                  size_t arg_count,
                                  struct xd_msg *msg)
{
    *msg = (struct xd_msg){.kind = XD_KIND_ADMIN};
    msg->admin.args = xd_calloc(arg_count + 1, sizeof *msg->admin.args);
    enum xd_err err =
        msg->admin.args == NULL ? XD_ERR_NOMEM : xd_bytes_text(verb, &msg->admin.verb);
    for (size_t i = 0; i < arg_count && err == XD_OK; i++) {
        err = xd_bytes_text(args[i], &msg->admin.args[i]);
        msg->admin.arg_count += err == XD_OK;
    }
    return err;
}

enum xd_err xd_client_core_ask(struct xd_client_core *core,
                               const char *verb,
                               const char *const *args,
                               size_t arg_count,
                               struct xd_question *question)
{
    *question = (struct xd_question){.ticket = core->last_ticket + 1};
    xd_list_init(&question->link);
    enum xd_err err = build_question(verb, args, arg_count, &question->msg);
    if (err != XD_OK) {
        xd_msg_clear(&question->msg);
        return err;
    }
    question->msg.admin.ticket = ++core->last_ticket;
    xd_list_push_back(&core->questions, &question->link);
    xd_client_core_hurry(core, 0);
    return XD_OK;
}

void xd_client_core_unask(struct xd_question *question)
{
    xd_list_remove(&question->link);
    xd_msg_clear(&question->msg);
}

static size_t list_length(const struct xd_list *head)
{
    size_t length = 0;
    XD_LIST_EACH (link, head) {
        length++;
    }
    return length;
}

const char *xd_client_core_check(const struct xd_client_core *core)
{
    size_t open = 0, out = 0, bytes = 0;
    for (struct xd_map_item *item = xd_map_next(&core->by_id, NULL); item != NULL;
         item = xd_map_next(&core->by_id, item)) {
        const struct xd_future *future = XD_ITEM(item, struct xd_future, item);
        if (future->state == XD_FUTURE_ENDED || atomic_load(&future->done)) {
            return "a task that has ended is still in the table";
        }
        open++;
        bytes += future->bytes;
        out += future->state == XD_FUTURE_SENT || future->state == XD_FUTURE_ACCEPTED;
    }
    if (open != core->open_count || bytes != core->open_bytes || out != core->out_count) {
        return "the counts of open tasks differ from the table";
    }
    if (list_length(&core->unsent) != core->unsent_count) {
        return "the count of unsent tasks differs from the list";
    }
    if (core->acked > core->received) {
        return "more acknowledged than received";
    }
    return NULL;
}
