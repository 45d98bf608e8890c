/* SPDX-License-Identifier: MIT */
/* Tasks that wait for others: for the end of those they come after, whose results they
 * get, and for the outcome of a twin, which is theirs too. */
#ifndef XDB_CORE_BOND_H
#define XDB_CORE_BOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/task.h"

struct xdb_bond;
struct xdb_core;
struct xdb_memo;
struct xdb_outcome;
struct xdb_task;

/* What ran, for who gets its outcome later. */
struct xdb_run {
    uint64_t ns;
    uint32_t attempt;
    struct xd_session_id worker;
};

struct xdb_link {
    struct xd_list of_parent; /* its extra's list */
    struct xdb_task *parent;  /* NULL: it is gone, or not needed any more */
    struct xdb_bond *bond;
};

/* From the submit of such a task to its end. */
struct xdb_bond {
    struct xdb_task *task;
    struct xd_list fated;   /* the core's list: what it waited for is decided */
    struct xdb_memo *memo;  /* of its key; NULL: it has none, or it is kept */
    struct xdb_link twin;   /* to the task with its key that is before it */
    struct xd_bytes *why;   /* what the first that did not end well had to say */
    struct xd_given *given; /* room for them all, behind the links */
    uint32_t count;
    uint32_t pending; /* that it comes after and that have not ended */
    uint8_t verdict;  /* enum xd_outcome of the first that did not end well; 0: none */
    bool why_is_ours; /* `why` is such a sentence already */
    struct xdb_link links[]; /* to those it comes after, in order */
};

/* For a task with such options. */
enum xd_err xdb_bond_new(const struct xd_task *from, struct xdb_bond **out) XD_MUST_USE;
void xdb_bond_free(struct xdb_bond *bond); /* never attached, or released */

/* Its task has an extra; those it comes after are its client's (asserted), and an extra
 * is reserved for each. */
void xdb_bond_attach(struct xdb_core *core,
                     struct xdb_task *task,
                     struct xdb_bond *bond,
                     const struct xd_task_options *options);

/* Does it have to wait for others, or is it decided already that it will not run? */
bool xdb_bond_waits(const struct xdb_task *task);

/* It waits for no other task and for no time any more: into the queue, or with its twin.
 */
void xdb_bond_enter(struct xdb_core *core, struct xdb_task *task);

/* The task has an outcome: those that wait for it hear of it. Its record has the frames.
 */
void xdb_bond_tell(struct xdb_core *core,
                   struct xdb_task *task,
                   const struct xdb_outcome *outcome);

/* It waits for nothing any more, and needs nobody's result. */
void xdb_bond_release(struct xdb_core *core, struct xdb_task *task);

/* Its record goes: whoever waits for it must do without. */
void xdb_bond_part(struct xdb_core *core, struct xdb_task *task);

/* Does anybody need its result? */
bool xdb_bond_is_needed(const struct xdb_task *task);

/* One whose fate is decided meets it; room for three actions is there. XD_ERR_NOMEM:
 * nothing changed. */
enum xd_err xdb_bond_settle(struct xdb_core *core, struct xdb_bond *bond) XD_MUST_USE;

/* False: one of the results that it is to get is gone with the worker that had it. */
bool xdb_bond_can_give(const struct xdb_core *core, const struct xdb_task *task);

/* What goes with a task to its worker, in order. */
void xdb_bond_give(const struct xdb_task *task, struct xd_task *to);

#endif
