/* SPDX-License-Identifier: MIT */
/* What can happen to the dispatcher. Time, identities and bytes are data in the event. */
#ifndef XDB_CORE_EVENT_H
#define XDB_CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/id.h"
#include "base/task.h"
#include "base/time.h"

/* In which order the tasks of a profile go. */
enum xdb_policy_kind {
    XDB_POLICY_BANDS,       /* bands of predicted run time, by weight */
    XDB_POLICY_FIFO,        /* first in, first out */
    XDB_POLICY_SJF,         /* the shortest first, aged */
    XDB_POLICY_PRIORITY,    /* by the tasks' ranks, strictly */
    XDB_POLICY_ROUND_ROBIN, /* bound to the next worker in turn when they arrive */
    XDB_POLICIES
};

/* What of a profile's settings a PROFILE event names. */
enum {
    XDB_SET_WEIGHT = 1u << 0,
    XDB_SET_RUNNING = 1u << 1,
    XDB_SET_PAUSED = 1u << 2,
    XDB_SET_POOL = 1u << 3,
    XDB_SET_POLICY = 1u << 4, /* for `only_set`; else the policy counts in any case */
    XDB_SET_TASKS = 1u << 5,
    XDB_SET_BYTES = 1u << 6,
    XDB_SET_CUTS = 1u << 7
};

/* Which tasks a CANCEL_MANY means. */
enum xdb_cancel_by {
    XDB_CANCEL_SESSION, /* all of a session */
    XDB_CANCEL_PROFILE, /* in a profile */
    XDB_CANCEL_KEY      /* with that key, of `dedupe` or `replaces` */
};

enum xdb_event_kind {
    XDB_EVENT_CLIENT_JOIN, /* a client session exists (HELLO was answered) */
    XDB_EVENT_WORKER_JOIN, /* a worker session said READY */
    XDB_EVENT_HEARD,       /* a message with no other meaning came from the session */
    XDB_EVENT_LEAVE,       /* the session said BYE */
    XDB_EVENT_LOST,        /* the session's connection or process is gone for sure */
    XDB_EVENT_PROFILE,     /* a client makes or configures a profile */
    XDB_EVENT_KICK,        /* the tasks of a profile leave quarantine; profile.name */
    XDB_EVENT_SUBMIT,      /* a client's tasks for one profile */
    XDB_EVENT_CANCEL,      /* a client cancels tasks by id */
    XDB_EVENT_CANCEL_MANY, /* a client cancels all its open tasks that are of a kind */
    XDB_EVENT_ACK,         /* a client received `count` results so far */
    XDB_EVENT_STARTED,     /* a worker begins held tasks */
    XDB_EVENT_TASK_EVENT,  /* bytes from a running task, for its client */
    XDB_EVENT_RESULT,      /* a worker's outcomes */
    XDB_EVENT_RECALLED,    /* a worker hands back tasks that have not begun; unasked (also
                              with none) it says that it takes no more: it is leaving */
    XDB_EVENT_SEND_FAILED, /* tasks of a SEND_TASK action did not leave: the peer is full
                              or gone */
    XDB_EVENT_UNBLOCKED,   /* a peer that was full can be sent to again */
    XDB_EVENT_TICK,        /* time only: what is due happens */
    XDB_EVENT_DRAIN        /* no new tasks from now on; ends when nothing is left */
};

struct xdb_event {
    enum xdb_event_kind kind;
    xd_time now;                  /* monotonic, never before the last event's */
    struct xd_session_id session; /* who; 0 for TICK and DRAIN */
    union {
        struct {
            struct xd_bytes *profile; /* shares */
            struct xd_session_id owner;
            uint32_t formats;
            struct xd_bytes *const *handlers; /* borrows the array, shares the names */
            size_t handler_count;
            uint32_t hold;
            struct xd_bytes *has; /* shares; resources and labels, see needs.h */
        } worker_join;
        struct {
            struct xd_bytes *name; /* shares */
            bool bound;            /* gone, with its tasks, when this session ends */
            bool free;             /* its maker gives it up, alone */
            bool only_set; /* what `set` names, of a profile that exists and is the
                              session's own or nobody's, */
            bool admin;    /* ... or anybody's: an administrator; also for KICK */
            bool lasting;  /* the operator's, from no session (0): it stays as long as the
                              broker, and is nobody's to change but administrators' */
            enum xdb_policy_kind policy;
            uint32_t set;  /* which of the following; they may change at any time */
            double weight; /* among those that share workers; 1 at first */
            uint32_t max_running; /* tasks at workers at one time; 0: no limit */
            bool paused;          /* nothing goes to workers */
            uint64_t max_tasks;   /* without outcome at one time; 0: what the broker gives
                                     to each, like the next */
            uint64_t max_bytes;   /* of them, with their records */
            bool learned_cuts;    /* bands are cut by the profile's own run times */
            struct xd_bytes *pool; /* shares; the profile whose workers it uses */
        } profile;
        struct {
            struct xd_bytes *profile; /* shares */
            struct xd_task
                *tasks; /* on success the core takes the contents of each and zeroes it */
            size_t count;
            struct xd_bytes *denied; /* shares; why this client may not have them: each
                                        ends as rejected. NULL: it may */
        } submit;
        struct {
            uint64_t principal; /* whose session it is: see `ids.any_session` */
        } client_join;
        struct { /* CANCEL, STARTED, RECALLED */
            const struct xd_task_id *ids;
            size_t count;
            bool
                any_session; /* CANCEL by an administrator: the tasks of all client
                                sessions of `principal`; `session` only gets the errors */
            uint64_t principal;
        } ids;
        struct {
            enum xdb_cancel_by by;
            struct xd_bytes *profile;    /* PROFILE, KEY; NULL with KEY: any */
            const struct xd_bytes *key;  /* KEY */
            bool any_session;            /* by an administrator: of all sessions of the
                                            principal, or with SESSION of `target` */
            struct xd_session_id target; /* SESSION with any_session */
            uint64_t principal;
            size_t cancelled; /* set by the step */
            bool goes_on;     /* set by the step: there may be more, step again */
        } cancel_many;
        struct {
            uint64_t count;
        } ack;
        struct {
            struct xd_task_id id;
            uint32_t part;
            struct xd_bytes *kind, *bytes; /* shares; kind NULL: nothing is passed on, the
                                              task lives */
        } task_event;
        struct {
            struct xd_result *results; /* on success the core takes the contents of each
                                          and zeroes it */
            size_t count;
            bool has_started;
            struct xd_task_id started;
        } result;
        struct {
            const struct xd_task_id *ids;
            size_t count;
            bool gone; /* no such peer any more; else it is full */
        } send_failed;
    };
};

#endif
