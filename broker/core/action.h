/* SPDX-License-Identifier: MIT */
/* What the dispatcher wants done: a list that grows, reused between steps. */
#ifndef XDB_CORE_ACTION_H
#define XDB_CORE_ACTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/task.h"

enum xdb_action_kind {
    XDB_ACTION_SEND_TASK,   /* to a worker */
    XDB_ACTION_SEND_RESULT, /* to a client */
    XDB_ACTION_ACCEPTED, /* to a client: its cumulative count; may ride on any message to
                            it */
    XDB_ACTION_BUSY,     /* to a client: this task was not taken */
    XDB_ACTION_SEND_EVENT, /* to a client: bytes from a running task */
    XDB_ACTION_CANCEL,     /* to a worker: interrupt or kill this task */
    XDB_ACTION_RECALL,     /* to a worker: hand this task back if it has not begun */
    XDB_ACTION_ERROR,      /* to a session: what was wrong with its message */
    XDB_ACTION_HEARTBEAT,  /* to a session that was not sent anything for a while */
    XDB_ACTION_DROP,       /* forget the session: the core ended it; tell it why if it can
                              still be reached. Not sent for LEAVE, LOST and SEND_FAILED
                              `gone`: who sent those events forgets the session itself */
    XDB_ACTION_DRAINED,    /* nothing is left: the broker may end */
    XDB_ACTION_NOTE,       /* for the log */
    XDB_ACTION_LET_GO      /* a result that was sent is of no use any more: nobody will be
                              given the payloads that its frames refer to. Once for each
                              SEND_RESULT with references */
};

enum xdb_note_level { XDB_NOTE_ERROR, XDB_NOTE_WARNING, XDB_NOTE_INFO, XDB_NOTE_DEBUG };

/* Pointers stay valid until the next step; who keeps something takes references
 * (xd_frame_share). */
struct xdb_action {
    enum xdb_action_kind kind;
    struct xd_session_id session; /* to whom */
    union {
        const struct xd_task
            *task; /* SEND_TASK: `hold` and `part` filled in for this worker */
        const struct xd_result *result;
        struct {
            const struct xd_frame *frames;
            size_t count;
        } let_go;
        struct {
            uint64_t count;
        } accepted;
        struct {
            struct xd_task_id id;
            uint32_t scope; /* enum xd_scope's numbers: 1 client, 2 profile, 3 broker */
            uint32_t retry_after_ms;
        } busy;
        struct {
            struct xd_task_id id;
            uint32_t part;
            struct xd_bytes *kind, *bytes;
        } event;
        struct {
            struct xd_task_id id;
            uint32_t level; /* enum xd_cancel_level's numbers: 1 interrupt, 2 kill */
        } cancel;
        struct {
            struct xd_task_id id;
        } recall;
        struct {
            enum xd_err code;
            const char *text; /* static or in the core */
        } error;              /* ERROR, DROP */
        struct {
            enum xdb_note_level level;
            const char *what; /* static: "worker lost" */
            struct xd_task_id id;
            bool has_id;
        } note;
    };
    union { /* what `task` and `result` point at */
        struct xd_task task;
        struct xd_result result;
    } room;
};

/* Owned by the caller, filled by the step, cleared by the next one. Holds references of
 * its own to the bytes of SEND_EVENT and the error texts of SEND_RESULT; frames are the
 * core's until the next step. */
struct xdb_actions {
    struct xdb_action *items;
    size_t count, capacity;
};

void xdb_actions_init(struct xdb_actions *actions);
void xdb_actions_fini(struct xdb_actions *actions);

#endif
