/* SPDX-License-Identifier: MIT */
/* Tasks that wait for others. What another's end means for them is noted at once, and
 * comes about at the end of the step, one after the other: so a chain of any length needs
 * no recursion, and no plan. */
#include "core/bond.h"

#include <stdio.h>
#include <string.h>

#include "core/inside.h"

/* Of a sentence about a task before it, what that one had to say. */
#define WHY_MAX 400u

enum xd_err xdb_bond_new(const struct xd_task *from, struct xdb_bond **out)
{
    const struct xd_task_options *options = &from->options;
    size_t each = sizeof(struct xdb_link) + sizeof(struct xd_given);
    struct xdb_bond *bond = xd_zalloc(sizeof *bond + options->after_count * each);
    if (bond == NULL) {
        return XD_ERR_NOMEM;
    }
    if (options->dedupe != NULL && xdb_memo_new(options->dedupe, &bond->memo) != XD_OK) {
        xd_free(bond);
        return XD_ERR_NOMEM;
    }
    xd_list_init(&bond->fated);
    xd_list_init(&bond->twin.of_parent);
    bond->twin.bond = bond;
    bond->count = options->after_count;
    bond->given = (struct xd_given *)(void *)&bond->links[bond->count];
    for (uint32_t i = 0; i < bond->count; i++) {
        xd_list_init(&bond->links[i].of_parent);
        bond->links[i].bond = bond;
    }
    *out = bond;
    return XD_OK;
}

void xdb_bond_free(struct xdb_bond *bond)
{
    if (bond != NULL) {
        xdb_memo_free(bond->memo);
        xd_bytes_unref(bond->why);
        xd_free(bond);
    }
}

static struct xdb_bond *bond_of(const struct xdb_task *task)
{
    bool has_one = task->extra != NULL && task->barrier == NULL;
    return has_one ? task->extra->bond : NULL;
}

static bool has_outcome(const struct xdb_task *task)
{
    return task->state == XDB_TASK_ENDED || task->state == XDB_TASK_KEPT ||
           task->state == XDB_TASK_CANCELLING;
}

static void link_to(struct xdb_link *link, struct xdb_task *parent)
{
    link->parent = parent;
    xd_list_push_back(&parent->extra->links, &link->of_parent);
}

/* An acknowledged result that nobody needs any more goes at the end of the step. */
static void unlink_from(struct xdb_core *core, struct xdb_link *link)
{
    struct xdb_task *parent = link->parent;
    if (parent == NULL) {
        return;
    }
    link->parent = NULL;
    xd_list_remove(&link->of_parent);
    if (parent->state == XDB_TASK_KEPT && !xdb_bond_is_needed(parent) &&
        xd_list_is_empty(&parent->place)) {
        xd_list_push_back(&core->spent, &parent->place);
    }
}

static void unlink_all(struct xdb_core *core, struct xdb_bond *bond)
{
    for (uint32_t i = 0; i < bond->count; i++) {
        unlink_from(core, &bond->links[i]);
    }
    unlink_from(core, &bond->twin);
}

static void decide(struct xdb_core *core, struct xdb_bond *bond)
{
    if (xd_list_is_empty(&bond->fated)) {
        xd_list_push_back(&core->fated, &bond->fated);
    }
}

static void doom(struct xdb_core *core,
                 struct xdb_bond *bond,
                 const struct xdb_task *parent,
                 struct xd_bytes *why)
{
    bond->verdict = parent->outcome;
    bond->pending = 0;
    bond->why = xd_bytes_ref(why);
    bond->why_is_ours = parent->extra != NULL && parent->extra->is_passed_on;
    unlink_all(core, bond);
    decide(core, bond);
}

static void come_after(struct xdb_core *core,
                       struct xdb_link *link,
                       struct xdb_task *parent)
{
    struct xdb_bond *bond = link->bond;
    if (bond->verdict != 0) {
        return;
    }
    if (has_outcome(parent) && parent->outcome != XD_OUTCOME_DONE) {
        doom(core, bond, parent, NULL);
        return;
    }
    if (parent->extra == NULL) {
        xdb_extra_attach_plain(core, parent);
    }
    link_to(link, parent);
    bond->pending += has_outcome(parent) ? 0 : 1;
}

void xdb_bond_attach(struct xdb_core *core,
                     struct xdb_task *task,
                     struct xdb_bond *bond,
                     const struct xd_task_options *options)
{
    task->extra->bond = bond;
    bond->task = task;
    if (bond->memo != NULL) {
        xdb_memo_attach(task, bond->memo);
    }
    for (uint32_t i = 0; i < bond->count; i++) {
        struct xdb_task *parent = xdb_task_find(task->client, &options->after[i]);
        xd_assert(parent != NULL && parent != task);
        bond->given[i].id = parent->id;
        come_after(core, &bond->links[i], parent);
    }
}

bool xdb_bond_waits(const struct xdb_task *task)
{
    const struct xdb_bond *bond = bond_of(task);
    return bond != NULL && ((bond->pending > 0 && !xdb_fault(32)) || bond->verdict != 0);
}

static void stand_aside(struct xdb_core *core,
                        struct xdb_task *task,
                        enum xdb_task_state state)
{
    enum xdb_task_move move =
        task->state == XDB_TASK_NEW ? XDB_MOVE_SUBMIT : XDB_MOVE_READY;
    if (task->state == state) {
        return;
    }
    xd_list_remove(&task->place);
    xdb_aside_put(core, task, move, state);
}

/* One that stood aside comes now, behind what came meanwhile. */
static void into_queue(struct xdb_core *core, struct xdb_task *task)
{
    bool is_new = task->state == XDB_TASK_NEW;
    xd_list_remove(&task->place);
    if (!is_new) {
        task->seq = ++core->seq;
        task->arrived = core->now;
    }
    xdb_task_move(core, task, is_new ? XDB_MOVE_SUBMIT : XDB_MOVE_READY, XDB_TASK_QUEUED);
    xdb_policy_put(core, task);
}

void xdb_bond_enter(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_bond *bond = bond_of(task);
    struct xdb_memo *own = bond == NULL ? NULL : bond->memo;
    struct xdb_memo *memo = own == NULL ? NULL : xdb_memo_find(own);
    if (memo == NULL) {
        if (own != NULL) {
            xdb_memo_lead(own, task);
        }
        into_queue(core, task);
        return;
    }
    stand_aside(core, task, XDB_TASK_WAITING);
    if (memo->task == NULL) {
        decide(core, bond);
    } else if (!xdb_fault(33)) {
        link_to(&bond->twin, memo->task);
    }
}

/* What a twin would have had to suffer too; a cancel or a time limit is the task's own.
 */
static bool is_shared(enum xd_outcome outcome)
{
    return outcome == XD_OUTCOME_DONE || outcome == XD_OUTCOME_FAILED ||
           outcome == XD_OUTCOME_LOST;
}

static void tell_one(struct xdb_core *core,
                     struct xdb_link *link,
                     struct xdb_task *parent,
                     const struct xdb_outcome *outcome)
{
    struct xdb_bond *bond = link->bond;
    if (link == &bond->twin) {
        if (!is_shared(outcome->outcome)) {
            unlink_from(core, link);
        }
        decide(core, bond);
    } else if (outcome->outcome != XD_OUTCOME_DONE && !xdb_fault(35)) {
        doom(core, bond, parent, outcome->error);
    } else if (--bond->pending == 0) {
        decide(core, bond);
    }
}

/* Dooming one takes all its links out, of which more may be to this parent: each round
 * begins anew, and those that stay are seen once. */
void xdb_bond_tell(struct xdb_core *core,
                   struct xdb_task *task,
                   const struct xdb_outcome *outcome)
{
    struct xdb_extra *extra = task->extra;
    if (extra == NULL || xd_list_is_empty(&extra->links)) {
        return;
    }
    struct xd_list told;
    xd_list_init(&told);
    while (!xd_list_is_empty(&extra->links)) {
        struct xd_list *first = extra->links.next;
        xd_list_remove(first);
        xd_list_push_back(&told, first);
        tell_one(core, XD_ITEM(first, struct xdb_link, of_parent), task, outcome);
    }
    while (!xd_list_is_empty(&told)) {
        struct xd_list *first = told.next;
        xd_list_remove(first);
        xd_list_push_back(&extra->links, first);
    }
    if (!xd_list_is_empty(&extra->links)) {
        extra->error = xd_bytes_ref(outcome->error);
    }
}

void xdb_bond_release(struct xdb_core *core, struct xdb_task *task)
{
    struct xdb_bond *bond = task->extra->bond;
    if (bond == NULL) {
        return;
    }
    unlink_all(core, bond);
    xd_list_remove(&bond->fated);
    xdb_memo_detach(task);
    task->extra->bond = NULL;
    xdb_bond_free(bond);
}

void xdb_bond_part(struct xdb_core *core, struct xdb_task *task)
{
    struct xd_list *links = &task->extra->links;
    while (!xd_list_is_empty(links)) {
        struct xdb_link *link = XD_ITEM(links->next, struct xdb_link, of_parent);
        xd_list_remove(&link->of_parent);
        link->parent = NULL;
        if (link == &link->bond->twin) {
            decide(core, link->bond);
        }
    }
    xd_bytes_unref(task->extra->error);
    task->extra->error = NULL;
}

bool xdb_bond_is_needed(const struct xdb_task *task)
{
    return task->extra != NULL && !xd_list_is_empty(&task->extra->links);
}

/* ---- fates ---- */

static enum xd_err make_sentence(const struct xdb_bond *bond, struct xd_bytes **out)
{
    static const char *const words[] = {
        [XD_OUTCOME_FAILED] = "failed",
        [XD_OUTCOME_LOST] = "was lost",
        [XD_OUTCOME_CANCELLED] = "was cancelled",
        [XD_OUTCOME_EXPIRED] = "expired",
        [XD_OUTCOME_REJECTED] = "was rejected",
    };
    if (bond->why_is_ours && bond->why != NULL) {
        *out = xd_bytes_ref(bond->why);
        return XD_OK;
    }
    size_t size = bond->why == NULL ? 0 : bond->why->size;
    char text[WHY_MAX + 64];
    (void)snprintf(text,
                   sizeof text,
                   "a task it comes after %s%s%.*s",
                   words[bond->verdict],
                   size > 0 ? ": " : "",
                   (int)(size < WHY_MAX ? size : WHY_MAX),
                   size > 0 ? (const char *)bond->why->data : "");
    return xd_bytes_text(text, out);
}

/* A task before it did not end well. */
static enum xd_err fail_after(struct xdb_core *core, struct xdb_bond *bond)
{
    struct xdb_task *task = bond->task;
    struct xd_bytes *text;
    if (make_sentence(bond, &text) != XD_OK) {
        return XD_ERR_NOMEM;
    }
    task->extra->is_passed_on = true;
    xdb_aside_take(core, task);
    xdb_task_finish(core,
                    task,
                    XDB_MOVE_RESULT,
                    XDB_TASK_ENDED,
                    (struct xdb_outcome){XD_OUTCOME_FAILED, text, NULL});
    xd_bytes_unref(text);
    return XD_OK;
}

/* It has the outcome of another run. */
static enum xd_err inherit(struct xdb_core *core,
                           struct xdb_bond *bond,
                           const struct xd_result *from)
{
    struct xdb_task *task = bond->task;
    struct xd_result result = *from;
    if (xd_frames_share(from->frames, from->frame_count, &result.frames) != XD_OK) {
        return XD_ERR_NOMEM;
    }
    xdb_aside_take(core, task);
    task->extra->run = (struct xdb_run){result.run_ns, result.attempt, result.worker};
    result.error = xd_bytes_ref(result.error);
    xdb_task_finish(core,
                    task,
                    XDB_MOVE_RESULT,
                    XDB_TASK_ENDED,
                    (struct xdb_outcome){result.outcome, result.error, &result});
    xd_bytes_unref(result.error);
    return XD_OK;
}

static struct xd_result result_of(enum xd_outcome outcome, const struct xdb_run *run)
{
    return (struct xd_result){.outcome = outcome,
                              .run_ns = run->ns,
                              .attempt = run->attempt,
                              .worker = run->worker};
}

static enum xd_err inherit_from_twin(struct xdb_core *core, struct xdb_bond *bond)
{
    struct xdb_task *twin = bond->twin.parent;
    struct xd_result from = result_of((enum xd_outcome)twin->outcome, &twin->extra->run);
    from.error = twin->extra->error;
    from.frames = xdb_task_frames(twin);
    from.frame_count = twin->frame_count;
    return inherit(core, bond, &from);
}

static enum xd_err inherit_kept(struct xdb_core *core,
                                struct xdb_bond *bond,
                                const struct xdb_memo *memo)
{
    struct xd_result from = result_of(XD_OUTCOME_DONE, &memo->run);
    from.frames = memo->frames;
    from.frame_count = memo->frame_count;
    return inherit(core, bond, &from);
}

enum xd_err xdb_bond_settle(struct xdb_core *core, struct xdb_bond *bond)
{
    struct xdb_task *task = bond->task;
    const struct xdb_memo *memo = NULL;
    xd_assert(task->state == XDB_TASK_WAITING);
    if (bond->verdict != 0) {
        return fail_after(core, bond);
    }
    if (bond->twin.parent != NULL) {
        return inherit_from_twin(core, bond);
    }
    if (task->extra->ready <= core->now && bond->memo != NULL) {
        memo = xdb_memo_find(bond->memo);
    }
    if (memo != NULL && memo->task == NULL) {
        return inherit_kept(core, bond, memo);
    }
    xd_list_remove(&bond->fated);
    if (task->extra->ready > core->now) {
        stand_aside(core, task, XDB_TASK_DELAYED);
    } else {
        xdb_bond_enter(core, task);
    }
    return XD_OK;
}

/* A reference is of use while its owner is here. */
static bool is_readable(const struct xdb_core *core, struct xdb_task *parent)
{
    const struct xd_frame *frames = xdb_task_frames(parent);
    for (size_t i = 0; parent->by_ref && i < parent->frame_count; i++) {
        if (xd_ref_is_set(frames[i].ref) &&
            xdb_session_find(core, frames[i].ref.owner) == NULL) {
            return false;
        }
    }
    return true;
}

bool xdb_bond_can_give(const struct xdb_core *core, const struct xdb_task *task)
{
    const struct xdb_bond *bond = bond_of(task);
    for (uint32_t i = 0; bond != NULL && i < bond->count; i++) {
        if (!is_readable(core, bond->links[i].parent)) {
            return false;
        }
    }
    return true;
}

void xdb_bond_give(const struct xdb_task *task, struct xd_task *to)
{
    struct xdb_bond *bond = bond_of(task);
    for (uint32_t i = 0; bond != NULL && i < bond->count; i++) {
        struct xdb_task *parent = bond->links[i].parent;
        bond->given[i].frames = xdb_task_frames(parent);
        bond->given[i].frame_count = parent->frame_count;
    }
    if (bond != NULL && bond->count > 0) {
        to->given = bond->given;
        to->given_count = bond->count;
    }
}
