/* SPDX-License-Identifier: MIT */
/* The worker's state: the tasks it was sent, the one that runs, what has to be said about
 * them. Pure over its channel: no clock, no lock, no thread. */
#ifndef XD_CLIENT_WORKER_CORE_H
#define XD_CLIENT_WORKER_CORE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "channel.h"
#include "crossdock_worker.h"
#include "names.h"

struct xd_worker;

/* What tasks of one client session need; kept until it is dropped and the last job with
 * it has ended. */
struct xd_kept_setup {
    struct xd_map_item item;
    struct {
        uint64_t origin, number;
    } key;
    struct xd_frame *frames;
    size_t frame_count;
    size_t uses; /* the table's, and each job's */
};

/* Where the frames of one result lie among those of the task that it was given to. */
struct xd_job_given {
    const struct xd_frame *frames;
    size_t count;
};

/* A task from its arrival until its result has left. */
struct xd_job {
    struct xd_list link; /* core.inbox, .results or .recalled */
    struct xd_map_item item;
    struct xd_worker *worker;
    struct xd_task task;
    struct xd_kept_setup *setup;  /* until it ends; NULL: none */
    struct xd_pull *pull;         /* its payloads are on their way */
    bool is_held;                 /* was sent ahead: its start must be told */
    bool is_told;                 /* ... and was */
    bool is_complete;             /* all payloads are here */
    struct xd_job_given *results; /* of the tasks it comes after; NULL: none */
    size_t result_count;
    size_t frame_count; /* of its own; those of the results lie behind them, */
    size_t all_frames;  /* so many together; the application sees its own in `task` */
    atomic_bool cancelled;
    xd_time begun;
    struct xd_result result;
    struct xd_list made;    /* payloads of the result offered as chunks */
    struct xd_frame few[2]; /* the result's frames, where they are few */
    char callee[];          /* ended by NUL */
};

/* What the application is to be told by a callback. */
struct xd_alarm {
    struct xd_task_id id;
    bool interrupt, kill;
};

struct xd_worker_core {
    struct xd_channel channel;
    struct xd_names names;
    struct xd_map by_id;  /* inbox and running */
    struct xd_map setups; /* not dropped */
    struct xd_list given; /* results that came ahead of their tasks: struct xd_share */
    xd_time touched;      /* when the running job was last said to live */
    struct xd_list inbox, results, recalled;
    struct xd_list kept; /* payloads of results that have left: until they are read */
    size_t inbox_count, result_count, result_bytes;
    struct xd_job *running;
    struct xd_alarm alarm;      /* about the running one */
    bool finishes;              /* the running one, although the broker is gone */
    bool was_stopped;           /* the broker is gone, and the running one was told */
    xd_time kill_at;            /* how long that one may go on; XD_NEVER */
    struct xd_bytes *no_memory; /* the sentence, made ahead */
    xd_time flush_at;         /* when gathered results leave; XD_NEVER: there are none */
    bool is_leaving, said_so; /* said_so: the broker was told */
    struct xd_result batch[XD_TASKS_MAX];
    struct xd_task_id ids[XD_TASKS_MAX];
};

enum xd_err xd_worker_core_init(struct xd_worker_core *core,
                                struct xd_link *link,
                                struct xd_session_id owner,
                                uint64_t seed,
                                xd_time now) XD_MUST_USE;
void xd_worker_core_fini(struct xd_worker_core *core, bool close_link);

/* Queue READY with what is offered. Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE,
 * XD_ERR_NOMEM. */
enum xd_err xd_worker_core_ready(struct xd_worker_core *core,
                                 const struct xd_worker_options *options,
                                 struct xd_error *error) XD_MUST_USE;

/* Begin the next task whose payloads are here: it is running from now. NULL: there is
 * none. */
struct xd_job *xd_worker_core_begin(struct xd_worker_core *core, xd_time now);

/* Is there one for xd_worker_core_begin()? */
bool xd_worker_core_has_next(const struct xd_worker_core *core);

/* The running job has ended; its result waits in line. What is wrong with the payloads
 * becomes the result. Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE, XD_ERR_NOMEM. */
enum xd_err xd_worker_core_finish(struct xd_worker_core *core,
                                  enum xd_outcome outcome,
                                  const char *text,
                                  const struct xd_payload *payloads,
                                  size_t count,
                                  xd_time now);

/* Queue an event of the running job. Errors as xd_job_emit(). */
enum xd_err xd_worker_core_emit(struct xd_worker_core *core,
                                const char *kind,
                                struct xd_bytes *bytes) XD_MUST_USE;

/* Queue the word that the running job lives. Errors as xd_job_emit(), XD_ERR_AGAIN: not
 * so soon. */
enum xd_err xd_worker_core_touch(struct xd_worker_core *core, xd_time now) XD_MUST_USE;

/* Hand back what has not begun; tasks that still come are handed back at once. */
void xd_worker_core_leave(struct xd_worker_core *core);

/* Has everything been said and every payload been read? */
bool xd_worker_core_is_quiet(const struct xd_worker_core *core);

void xd_worker_core_hurry(struct xd_worker_core *core);
void xd_worker_core_flush(struct xd_worker_core *core, xd_time now);
void xd_worker_core_settle(struct xd_worker_core *core, xd_time now);
xd_time xd_worker_core_deadline(const struct xd_worker_core *core);

/* The broker is gone and the running job did not stop in time: true, once. */
bool xd_worker_core_is_overdue(struct xd_worker_core *core, xd_time now);

/* The message hook of the channel (worker_take.c). */
void xd_worker_core_message(void *owner, struct xd_msg *msg, xd_time now);

/* Shared by the core's files: a job that did not run ends like this; and the memory of
 * one. */
void xd_worker_core_refuse(struct xd_worker_core *core,
                           struct xd_job *job,
                           enum xd_outcome outcome,
                           const char *text,
                           xd_time now);
void xd_job_destroy(struct xd_worker_core *core, struct xd_job *job);

/* It will not run here: give up what is being read for it, and say so of what is not. */
void xd_worker_core_unread(struct xd_worker_core *core, struct xd_job *job);

/* worker_setup.c: a SETUP came; the one a task names, for its job, NULL: it is not here;
 * let go of one (NULL allowed); the end. */
void xd_worker_core_setup(struct xd_worker_core *core, struct xd_msg *msg);
struct xd_kept_setup *xd_worker_core_setup_use(const struct xd_worker_core *core,
                                               const struct xd_task *task);
void xd_kept_setup_unuse(struct xd_kept_setup *setup);
void xd_worker_core_setups_fini(struct xd_worker_core *core);

/* worker_given.c: a GIVEN came; a task takes its own: false, with a sentence, when what
 * it names is not here, or not as it should be; those that nobody took go. */
enum xd_err xd_worker_core_given(struct xd_worker_core *core, struct xd_msg *msg);
bool xd_worker_core_take_given(struct xd_worker_core *core,
                               struct xd_job *job,
                               const char **why);
void xd_worker_core_drop_given(struct xd_worker_core *core);

/* Walks the invariants; NULL when they hold, else the broken one. */
const char *xd_worker_core_check(const struct xd_worker_core *core);

#endif
