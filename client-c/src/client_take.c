/* SPDX-License-Identifier: MIT */
/* What the broker says to a client: acceptance, refusal, results, events, answers; and
 * how tasks end. */
#include <string.h>

#include "after.h"
#include "base/alloc.h"
#include "client_core.h"
#include "kept.h"

#define ACK_DELAY (10 * XD_MS)
#define RETRY_LEAST XD_MS
#define PARTS_MAX 1000000u

static struct xd_future *find(const struct xd_client_core *core,
                              const struct xd_task_id *id)
{
    struct xd_map_item *item = xd_map_get(&core->by_id, id->bytes, sizeof id->bytes);
    return item == NULL ? NULL : XD_ITEM(item, struct xd_future, item);
}

/* ---- ends ---- */

/* The broker has it, or it has ended: what was to be sent is not needed any more. */
static void let_go(struct xd_client_core *core, struct xd_future *future)
{
    xd_after_drop(core, future);
    xd_future_clear_task(future);
}

static void leave_tables(struct xd_client_core *core, struct xd_future *future)
{
    if (future->state == XD_FUTURE_UNSENT) {
        core->unsent_count--;
        core->unsent_bytes -= future->bytes;
    } else if (future->state != XD_FUTURE_BUSY) {
        core->out_count--;
    }
    xd_list_remove(&future->link);
    xd_list_remove(&future->cancel);
    xd_map_remove(&core->by_id, &future->item);
    core->open_count--;
    core->open_bytes -= future->bytes;
    xd_channel_release(&core->channel, &future->made);
    xd_client_core_setup_unuse(core, future->setup);
    future->setup = NULL;
    let_go(core, future);
}

static void announce(struct xd_client_core *core, struct xd_future *future)
{
    leave_tables(core, future);
    if (future->children > 0) { /* they may leave now */
        core->flush_at = core->heard_at;
    }
    future->state = XD_FUTURE_ENDED;
    future->ended_at = core->heard_at;
    atomic_store_explicit(&future->done, true, memory_order_release);
    if (!future->freed) {
        xd_list_push_back(core->calls_done ? &core->to_call : &core->ended,
                          &future->ended);
    } else if (future->pins == 0) {
        xd_list_push_back(&core->dead, &future->ended);
    }
}

/* The parts that never came end like the whole. */
static void fill_parts(struct xd_future *future, enum xd_outcome outcome)
{
    if (future->part_count == 0) {
        future->part_count = 1;
    }
    for (size_t i = 0; i < future->part_count; i++) {
        struct xd_result *part = &future->parts[i];
        if (part->outcome == 0) {
            *part = (struct xd_result){.id = future->task.id,
                                       .part = (uint32_t)i,
                                       .parts = (uint32_t)future->part_count,
                                       .outcome = outcome};
        }
    }
    future->part_missing = 0;
}

void xd_client_core_end(struct xd_client_core *core,
                        struct xd_future *future,
                        enum xd_outcome outcome,
                        const char *text)
{
    fill_parts(future, outcome);
    future->outcome = outcome;
    future->text = text == NULL ? "" : text;
    announce(core, future);
}

static void set_text(struct xd_future *future, const struct xd_bytes *error)
{
    if (error == NULL || error->size == 0) {
        return;
    }
    future->own_text = xd_alloc(error->size + 1);
    if (future->own_text == NULL) {
        future->text = "out of memory for the error's sentence";
        return;
    }
    memcpy(future->own_text, error->data, error->size);
    future->own_text[error->size] = '\0';
    future->text = future->own_text;
}

void xd_client_core_end_with(struct xd_client_core *core,
                             struct xd_future *future,
                             enum xd_outcome outcome,
                             const struct xd_bytes *text)
{
    fill_parts(future, outcome);
    future->outcome = outcome;
    set_text(future, text);
    announce(core, future);
}

/* All parts are here: the whole is the first that is not DONE. */
static void conclude(struct xd_client_core *core, struct xd_future *future)
{
    future->outcome = XD_OUTCOME_DONE;
    for (size_t i = 0; i < future->part_count; i++) {
        if (future->parts[i].outcome != XD_OUTCOME_DONE) {
            future->outcome = future->parts[i].outcome;
            set_text(future, future->parts[i].error);
            break;
        }
    }
    announce(core, future);
}

/* ---- results ---- */

static void part_arrived(struct xd_client_core *core, struct xd_future *future)
{
    if (--future->part_missing == 0) {
        conclude(core, future);
    }
}

static void spoil(struct xd_result *result, enum xd_outcome outcome, const char *text)
{
    xd_frames_free(result->frames, result->frame_count);
    result->frames = NULL;
    result->frame_count = 0;
    xd_bytes_unref(result->error);
    result->error = NULL;
    result->outcome = outcome;
    if (xd_bytes_text(text, &result->error) != XD_OK) {
        result->error = NULL; /* then there is an outcome without a sentence */
    }
}

static bool make_parts(struct xd_future *future, const struct xd_result *result)
{
    size_t count = future->task.everywhere && result->parts > 1 ? result->parts : 1;
    if (count > 1) {
        struct xd_result *parts =
            count > PARTS_MAX ? NULL : xd_calloc(count, sizeof *parts);
        if (parts == NULL) {
            return false;
        }
        memset(parts, 0, count * sizeof *parts);
        future->parts = parts;
    }
    future->part_count = future->part_missing = count;
    return true;
}

/* The broker has it, whatever it says later. */
static void note_accepted(struct xd_client_core *core, struct xd_future *future)
{
    xd_list_remove(&future->link);
    future->state = XD_FUTURE_ACCEPTED;
    let_go(core, future);
    core->accepted_early++;
}

static void take_part(struct xd_client_core *core,
                      struct xd_future *future,
                      struct xd_result *result)
{
    struct xd_result *slot = &future->parts[result->part];
    *slot = *result;
    *result = (struct xd_result){0};
    if (xd_frames_missing(slot->frames, slot->frame_count) == 0) {
        part_arrived(core, future);
        return;
    }
    struct xd_pull *pull;
    if (future->freed && future->children == 0) {
        xd_reads_disown(&core->channel.reads, slot->frames, slot->frame_count);
        part_arrived(core, future);
    } else if (xd_pull_new(&core->channel.reads,
                           slot->frames,
                           slot->frame_count,
                           slot,
                           &pull) != XD_OK) {
        spoil(slot, XD_OUTCOME_FAILED, "out of memory for the result's payloads");
        part_arrived(core, future);
    }
}

static void take_result(struct xd_client_core *core,
                        struct xd_result *result,
                        xd_time now)
{
    core->received++;
    core->ack_at = xd_time_min(core->ack_at, now + ACK_DELAY);
    struct xd_future *future = find(core, &result->id);
    if (future == NULL || future->state == XD_FUTURE_UNSENT ||
        future->state == XD_FUTURE_BUSY) {
        xd_reads_disown(&core->channel.reads, result->frames, result->frame_count);
        return;
    }
    if (future->state == XD_FUTURE_SENT) {
        note_accepted(core, future);
    }
    if (future->part_count == 0 && !make_parts(future, result)) {
        xd_client_core_end(core,
                           future,
                           XD_OUTCOME_FAILED,
                           "out of memory for the parts of the result");
        return;
    }
    if (result->part < future->part_count && future->parts[result->part].outcome == 0) {
        take_part(core, future, result);
    }
}

/* ---- acceptance and refusal ---- */

/* The broker counts what it took, in the order of arrival; what ended or was refused is
 * not in the list any more. */
static void take_accepted(struct xd_client_core *core, uint64_t count)
{
    while (core->accepted + core->accepted_early < count &&
           !xd_list_is_empty(&core->offered)) {
        struct xd_future *future = XD_ITEM(core->offered.next, struct xd_future, link);
        xd_list_remove(&future->link);
        future->state = XD_FUTURE_ACCEPTED;
        let_go(core, future);
        core->accepted++;
    }
}

static void refuse(struct xd_client_core *core, struct xd_future *future)
{
    if (future->state == XD_FUTURE_ACCEPTED) {
        xd_client_core_end(core,
                           future,
                           XD_OUTCOME_REJECTED,
                           "the broker gave back a task that it had accepted");
    } else if (!xd_list_is_empty(&future->cancel)) {
        xd_client_core_end(core, future, XD_OUTCOME_CANCELLED, NULL);
    } else if (future->state == XD_FUTURE_SENT) {
        xd_list_remove(&future->link);
        xd_list_push_back(&core->busy, &future->link);
        future->state = XD_FUTURE_BUSY;
        core->out_count--;
    }
}

static void take_busy(struct xd_client_core *core, const struct xd_msg *msg, xd_time now)
{
    for (size_t i = 0; i < msg->ids.count; i++) {
        struct xd_future *future = find(core, &msg->ids.ids[i]);
        if (future != NULL) {
            refuse(core, future);
        }
    }
    xd_time pause = (xd_time)msg->ids.retry_after_ms * XD_MS;
    if (!xd_list_is_empty(&core->busy)) {
        core->busy_until = now + (pause < RETRY_LEAST ? RETRY_LEAST : pause);
    }
}

/* ---- events and answers ---- */

/* Without memory an event is dropped: it is news, not an outcome. */
static void take_event(struct xd_client_core *core, struct xd_event *event, xd_time now)
{
    struct xd_future *future = find(core, &event->id);
    if (future == NULL || future->freed) {
        return;
    }
    if (core->keep.events > 0) {
        xd_kept_add(core, future, event, now);
    }
    if (!core->calls_event) {
        return;
    }
    struct xd_news *news = xd_alloc(sizeof *news);
    if (news == NULL) {
        return;
    }
    *news = (struct xd_news){.future = future, .event = *event};
    event->kind = event->bytes = NULL;
    future->pins++;
    xd_list_push_back(&core->news, &news->link);
}

static uint64_t held_in(const struct xd_list *futures, const char *profile)
{
    uint64_t held = 0;
    XD_LIST_EACH (link, futures) {
        const struct xd_future *future = XD_ITEM(link, struct xd_future, link);
        if (xd_bytes_is(future->profile, profile)) {
            held += future->task.min_workers > 1 ? future->task.min_workers : 1;
        }
    }
    return held;
}

static void take_answer(struct xd_client_core *core, const struct xd_admin *answer)
{
    XD_LIST_EACH_SAFE (link, &core->questions) {
        struct xd_question *question = XD_ITEM(link, struct xd_question, link);
        if (answer->answer && question->ticket == answer->ticket) {
            question->answered = true;
            question->code = answer->code;
            question->text = xd_bytes_ref(answer->text);
            if (question->counts_of != NULL) {
                question->held = held_in(&core->busy, question->counts_of) +
                                 held_in(&core->aside, question->counts_of) +
                                 held_in(&core->unsent, question->counts_of);
            }
            xd_list_remove(link);
        }
    }
}

void xd_client_core_message(void *owner, struct xd_msg *msg, xd_time now)
{
    struct xd_client_core *core = owner;
    if (msg->kind == XD_KIND_BUSY) {
        take_busy(core, msg, now); /* before the count: it leaves these out */
    }
    take_accepted(core, msg->accepted);
    if (msg->kind == XD_KIND_RESULT) {
        for (size_t i = 0; i < msg->results.count; i++) {
            take_result(core, &msg->results.results[i], now);
        }
    } else if (msg->kind == XD_KIND_EVENT) {
        take_event(core, &msg->event, now);
    } else if (msg->kind == XD_KIND_ADMIN) {
        take_answer(core, &msg->admin);
    }
}

/* ---- after the messages of a turn ---- */

static void settle_pulls(struct xd_client_core *core)
{
    struct xd_pull *pull;
    while ((pull = xd_reads_over(&core->channel.reads)) != NULL) {
        struct xd_result *part = pull->context;
        struct xd_future *future = find(core, &part->id);
        if (pull->err != XD_OK) {
            bool is_memory = pull->err == XD_ERR_NOMEM;
            spoil(part, is_memory ? XD_OUTCOME_FAILED : XD_OUTCOME_LOST, pull->text);
        }
        xd_pull_drop(&core->channel.reads, pull);
        part_arrived(core, future);
    }
}

static void settle_end(struct xd_client_core *core)
{
    XD_LIST_EACH_SAFE (link, &core->channel.reads.pulls) {
        xd_pull_drop(&core->channel.reads, XD_ITEM(link, struct xd_pull, link));
    }
    struct xd_map_item *next;
    for (struct xd_map_item *item = xd_map_next(&core->by_id, NULL); item != NULL;
         item = next) {
        next = xd_map_next(&core->by_id, item); /* from its place: not quadratic */
        struct xd_future *future = XD_ITEM(item, struct xd_future, item);
        for (size_t i = 0; i < future->part_count; i++) {
            struct xd_result *part = &future->parts[i];
            if (xd_frames_missing(part->frames, part->frame_count) > 0) {
                spoil(part, XD_OUTCOME_BROKER_GONE, core->channel.session.end.text);
            }
        }
        xd_client_core_end(core,
                           future,
                           XD_OUTCOME_BROKER_GONE,
                           core->channel.session.end.text);
    }
    XD_LIST_EACH_SAFE (link, &core->questions) {
        struct xd_question *question = XD_ITEM(link, struct xd_question, link);
        question->answered = true;
        question->code = XD_ERR_GONE;
        xd_list_remove(link);
    }
    xd_client_core_setups_end(core);
    core->flush_at = core->busy_until = core->ack_at = XD_NEVER;
}

void xd_client_core_settle(struct xd_client_core *core)
{
    settle_pulls(core);
    if (core->channel.session.gone) {
        settle_end(core);
    }
}

/* ---- giving up ---- */

/* Results on their way to nobody: the streams are given up, and what is here has arrived.
 */
static void drop_pulls(struct xd_client_core *core, struct xd_future *future)
{
    struct xd_reads *reads = &core->channel.reads;
    XD_LIST_EACH_SAFE (link, &reads->pulls) {
        struct xd_pull *pull = XD_ITEM(link, struct xd_pull, link);
        struct xd_result *part = pull->context;
        if (part != NULL && part >= future->parts &&
            part < future->parts + future->part_count) {
            xd_pull_drop(reads, pull);
            part_arrived(core, future);
        }
    }
}

void xd_client_core_release(struct xd_client_core *core, struct xd_future *future)
{
    future->freed = true;
    xd_kept_drop(core, future);
    if (future->state != XD_FUTURE_ENDED) {
        if (future->children == 0) {
            drop_pulls(core, future);
        }
    } else {
        xd_list_remove(&future->ended);
        if (future->pins == 0) {
            xd_list_push_back(&core->dead, &future->ended);
        }
    }
}

void xd_client_core_unpin(struct xd_client_core *core, struct xd_future *future)
{
    if (--future->pins == 0 && future->freed && future->state == XD_FUTURE_ENDED) {
        xd_list_push_back(&core->dead, &future->ended);
    }
}

struct xd_future *xd_client_core_dead(struct xd_client_core *core)
{
    if (xd_list_is_empty(&core->dead)) {
        return NULL;
    }
    struct xd_future *future = XD_ITEM(core->dead.next, struct xd_future, ended);
    xd_list_remove(&future->ended);
    return future;
}
