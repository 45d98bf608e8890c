/* SPDX-License-Identifier: MIT */
/* The record of a task and its state table. */
#ifndef XDB_CORE_TASK_H
#define XDB_CORE_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "core/rows.h"

struct xdb_core;
struct xdb_client;
struct xdb_extra;
struct xdb_shape;
struct xdb_worker;

enum xdb_task_state {
    XDB_TASK_NEW,
    XDB_TASK_QUEUED,     /* waits for a worker; pinned to one when `worker` is set */
    XDB_TASK_HELD,       /* sent ahead of a busy worker's need; may have begun */
    XDB_TASK_RUNNING,    /* sent, counts as started */
    XDB_TASK_CANCELLING, /* its outcome is told, its worker is not through with it */
    XDB_TASK_GHOST,      /* no client knows it any more, its worker is not through */
    XDB_TASK_ENDED,      /* its outcome is told and not acknowledged */
    XDB_TASK_BARRIER,    /* everywhere: waits for what stands before it */
    XDB_TASK_OPEN,       /* everywhere: its parts are out */
    XDB_TASK_CLOSED,     /* everywhere: all parts have ended, not all are forgotten */
    XDB_TASK_DELAYED,    /* not before some time */
    XDB_TASK_BURIED,     /* in quarantine: too many workers were lost with it */
    XDB_TASK_WAITING,    /* for others: those it comes after, or its twin */
    XDB_TASK_KEPT,       /* acknowledged; its result is still of use, or held by others */
    XDB_TASK_FREE,
    XDB_TASK_STATES
};

enum xdb_task_move {
    XDB_MOVE_SUBMIT,
    XDB_MOVE_REJECT,
    XDB_MOVE_PART,
    XDB_MOVE_SEND,
    XDB_MOVE_START,
    XDB_MOVE_RETURN,
    XDB_MOVE_RESULT,
    XDB_MOVE_LOSE,
    XDB_MOVE_CANCEL,
    XDB_MOVE_EXPIRE,
    XDB_MOVE_ORPHAN,
    XDB_MOVE_ACK,
    XDB_MOVE_READY,
    XDB_MOVE_KICK,
    XDB_MOVE_OPEN,
    XDB_MOVE_CLOSE,
    XDB_MOVE_SPENT
};

extern const struct xdb_table xdb_task_table;

/* A queued task's record; after its end the same record keeps the result's frames until
 * the client acknowledges it. A part of an everywhere-task has one too. */
struct xdb_task {
    struct xd_map_item by_id; /* its client's; not parts, nor ghosts */
    struct xd_task_id id;
    struct xd_list place;      /* a queue, a worker's list, or the dead */
    uint64_t seq;              /* its place in the order of arrival */
    struct xd_list in_client;  /* its open or its unacknowledged ones */
    struct xdb_client *client; /* NULL: a ghost */
    struct xdb_shape *shape;   /* NULL once neither queued nor leased */
    struct xdb_worker *worker; /* that has it, or that it is pinned to */
    struct xdb_task *barrier;  /* of a part */
    struct xdb_extra *extra;   /* NULL: none */
    uint64_t setup;            /* passed on */
    uint64_t cost;             /* accounted bytes */
    union {
        struct xd_frame one; /* frame_count 1 */
        struct xd_frame *many;
    } frames;
    uint32_t frame_count;
    union {
        uint32_t
            predicted_us; /* leased: what was charged, and added to its worker's sum */
        uint32_t alive;   /* open barrier: parts not forgotten */
    };
    union {
        xd_time arrived; /* of what is no part and no barrier */
        struct {
            uint32_t part;  /* of a part: its number; of an open barrier: parts not
                               ended */
            uint32_t parts; /* of a part and an open barrier: how many; of a waiting
                               barrier: how many workers it waits for */
        };
    };
    uint8_t state, outcome;
    uint8_t band; /* leased: where it was charged */
    bool everywhere, recalled, orphan;
    bool in_profile_account;
    bool charged, out_of_turn; /* share.h; out_of_turn: its tier was owed the time */
    bool by_ref;               /* its result refers to payloads, which are held */
};

/* What came out of a task. */
struct xdb_outcome {
    enum xd_outcome outcome;
    struct xd_bytes *error;   /* shares; NULL: none */
    struct xd_result *result; /* takes its frames; NULL: none */
};

/* Records for `more` tasks. */
enum xd_err xdb_task_reserve(struct xdb_core *core, size_t more) XD_MUST_USE;

/* A zeroed record in state NEW; one must have been reserved (asserted). */
struct xdb_task *xdb_task_new(struct xdb_core *core);

/* Every change of state goes through here. */
void xdb_task_move(struct xdb_core *core,
                   struct xdb_task *task,
                   enum xdb_task_move move,
                   enum xdb_task_state to);

/* Its last move: to FREE. The record goes with the next step. */
void xdb_task_retire(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move);

/* It has ended for its client, to which it says so: an outcome, kept until acknowledged.
 * `to` is ENDED, or CANCELLING while a worker is not through. It must be in no queue
 * then. */
void xdb_task_finish(struct xdb_core *core,
                     struct xdb_task *task,
                     enum xdb_task_move move,
                     enum xdb_task_state to,
                     struct xdb_outcome outcome);

/* Its result was acknowledged: the record goes, or stays as long as others need it. */
void xdb_task_forget(struct xdb_core *core, struct xdb_task *task);

/* A KEPT one that nobody needs any more: it goes. Room for one action is there. */
void xdb_task_spend(struct xdb_core *core, struct xdb_task *task);

/* Take a QUEUED task out of where it waits. */
void xdb_task_unqueue(struct xdb_core *core, struct xdb_task *task);

/* Its worker does not have it any more (result, hand-back, loss): `move` says how. Gives
 * the slot back, and moves what only waited for that (CANCELLING, GHOST) on. True: the
 * task still needs an outcome or a place. */
bool xdb_task_unlease(struct xdb_core *core,
                      struct xdb_task *task,
                      enum xdb_task_move move);

struct xd_frame *xdb_task_frames(struct xdb_task *task);
void xdb_task_drop_frames(struct xdb_task *task);

/* The frames of `frames` become the record's; the array is freed when there is one frame.
 */
void xdb_task_take_frames(struct xdb_task *task, struct xd_frame *frames, size_t count);

/* Ids are scoped by the client that made them; NULL when it has none of that id. */
struct xdb_task *xdb_task_find(const struct xdb_client *client,
                               const struct xd_task_id *id);

/* It will be read and written soon: have all of it near. */
static inline void xdb_task_prefetch_record(const struct xdb_task *task)
{
    const char *at = (const char *)task;
    for (size_t i = 0; i < sizeof *task; i += 64) {
        __builtin_prefetch(at + i);
    }
}

/* It will be taken out of its lists soon: have its neighbours near. */
static inline void xdb_task_prefetch(const struct xdb_task *task)
{
    __builtin_prefetch(task->place.next);
    __builtin_prefetch(task->place.prev);
    __builtin_prefetch(task->in_client.next);
    __builtin_prefetch(task->in_client.prev);
}

/* The number of a part; 0: it is none. */
static inline uint32_t xdb_task_part(const struct xdb_task *task)
{
    return task->barrier != NULL ? task->part : 0;
}

/* In its profile's list of those that are not in the queue. */
static inline bool xdb_task_is_aside(const struct xdb_task *task)
{
    return task->state >= XDB_TASK_DELAYED && task->state <= XDB_TASK_WAITING;
}

static inline bool xdb_task_is_leased(const struct xdb_task *task)
{
    return task->state >= XDB_TASK_HELD && task->state <= XDB_TASK_GHOST;
}

#endif
