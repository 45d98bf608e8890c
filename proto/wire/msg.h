/* SPDX-License-Identifier: MIT */
/* A decoded message: what the rest of the code knows of the protocol. Only pack.c and
 * unpack.c know protobuf. */
#ifndef XD_WIRE_MSG_H
#define XD_WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/link.h"
#include "base/task.h"

/* X(name, number). Numbers are on the wire: append only. */
#define XD_KIND_LIST(X)                                                                  \
    X(HELLO, 1) /* first message on every socket; with the session on a further one */   \
    X(HELLO_OK, 2)  /* its answer */                                                     \
    X(READY, 3)     /* worker: what it offers, in one profile */                         \
    X(SUBMIT, 4)    /* client: k tasks for one profile */                                \
    X(ACCEPTED, 5)  /* broker: nothing but the cumulative count in the envelope */       \
    X(TASK, 6)      /* broker: k tasks for this worker, to be run in order */            \
    X(STARTED, 7)   /* worker: these held tasks begin */                                 \
    X(EVENT, 8)     /* worker -> broker -> client: bytes from a running task */          \
    X(RESULT, 9)    /* worker -> broker -> client: k outcomes */                         \
    X(ACK, 10)      /* client: nothing but the cumulative count in the envelope */       \
    X(CANCEL, 11)   /* client -> broker -> worker */                                     \
    X(RECALL, 12)   /* broker: hand back those of these tasks that have not begun */     \
    X(RECALLED, 13) /* worker: these are handed back and will not run */                 \
    X(HEARTBEAT, 14)                                                                     \
    X(BYE, 15)    /* an orderly end, with the reason */                                  \
    X(BUSY, 16)   /* broker: these tasks were not taken; try again later */              \
    X(ERROR, 17)  /* broker: what was wrong with a message */                            \
    X(CHUNK, 18)  /* bulk lane: a piece of a payload */                                  \
    X(CREDIT, 19) /* bulk lane: the reader takes more chunks, or is through */           \
    X(ADMIN, 20)  /* questions and their answers */                                      \
    X(SETUP, 21)  /* client -> broker -> worker: what tasks of a session need */         \
    X(GIVEN, 22)  /* broker -> worker: a result, for the task that comes after its own */

enum xd_kind {
#define XD_KIND_ENUM(name, number) XD_KIND_##name = number,
    XD_KIND_LIST(XD_KIND_ENUM)
#undef XD_KIND_ENUM
};

enum xd_role {
    XD_ROLE_CLIENT = 1,
    XD_ROLE_WORKER = 2,
    XD_ROLE_ADMIN = 3,
    XD_ROLE_AGENT = 4 /* supervises workers of its host; takes no task */
};

/* "client". Static text. */
const char *xd_role_name(enum xd_role role);

enum xd_cancel_level { XD_CANCEL_INTERRUPT = 1, XD_CANCEL_KILL = 2 };

enum xd_scope { XD_SCOPE_CLIENT = 1, XD_SCOPE_PROFILE = 2, XD_SCOPE_BROKER = 3 };

/* What a process says of itself and its host, for people and for questions. */
struct xd_facts {
    struct xd_bytes *name; /* NULL: none */
    struct xd_bytes **labels, **versions;
    size_t label_count, version_count;
    uint32_t cores;        /* agent; 0: not said, like the next */
    uint64_t memory_bytes; /* agent */
    uint64_t agent;        /* of a host agent and of its slots; 0: none */
    uint32_t slot; /* worker with an agent: its number; agent: how many slots it has */
};

/* Drop what it holds and zero it. Zeroed allowed. */
void xd_facts_clear(struct xd_facts *facts);

struct xd_hello {
    enum xd_role role;
    uint32_t min_version, max_version;
    struct xd_session_id session; /* 0: a new one */
    struct xd_token token;        /* with a session */
    enum xd_lane lane;
    struct xd_bytes *software, *host; /* NULL: not said */
    uint64_t pid;
    struct xd_session_id owner;
    struct xd_facts facts;
};

struct xd_hello_ok {
    uint32_t version;
    struct xd_session_id session;
    struct xd_token token;
    struct xd_bytes *worker_endpoint, *bulk_endpoint, *software; /* NULL: empty */
    uint32_t heartbeat_ms, lost_ms;
    uint64_t budget_tasks, budget_bytes; /* 0: no limit */
};

struct xd_ready {
    struct xd_bytes *profile;
    uint32_t formats; /* bits 1 << enum xd_format */
    struct xd_bytes **handlers;
    size_t handler_count;
    uint32_t hold;
    struct xd_bytes *has; /* NULL: nothing */
};

/* The kind of an EVENT that says nothing but that its task lives; not passed on. */
#define XD_EVENT_TOUCH "touch"

struct xd_event {
    struct xd_task_id id;
    uint32_t part;
    struct xd_bytes *kind,
        *bytes; /* bytes: the payload frame, never NULL (may be empty) */
};

struct xd_chunk {
    struct xd_ref ref;
    struct xd_session_id reader;
    uint64_t offset;
    enum xd_err code;
    struct xd_bytes *bytes; /* NULL exactly when code is not XD_OK */
};

struct xd_credit {
    struct xd_ref ref;
    struct xd_session_id reader;
    uint32_t chunks;
    bool done;
};

struct xd_admin {
    struct xd_bytes *verb;
    uint64_t ticket;
    struct xd_bytes **args;
    size_t arg_count;
    bool answer;
    enum xd_err code;
    struct xd_bytes *text; /* answer: the payload frame; NULL in a question */
};

struct xd_msg {
    enum xd_kind kind;
    uint64_t ack;      /* client -> broker, any kind; 0: nothing new */
    uint64_t accepted; /* broker -> client, any kind; 0: nothing new */
    union {
        struct xd_hello hello;
        struct xd_hello_ok hello_ok;
        struct xd_ready ready;
        struct { /* SUBMIT (profile never NULL), TASK (profile NULL) */
            struct xd_bytes *profile;
            struct xd_task *tasks;
            size_t count;
        } tasks;
        struct { /* RESULT */
            struct xd_result *results;
            size_t count;
            bool has_started; /* the worker begins the held task `started` now */
            struct xd_task_id started;
        } results;
        struct { /* STARTED, CANCEL, RECALL, RECALLED, BUSY */
            struct xd_task_id *ids;
            size_t count;
            enum xd_cancel_level level; /* CANCEL */
            enum xd_scope scope;        /* BUSY */
            uint32_t retry_after_ms;    /* BUSY */
        } ids;
        struct xd_event event;
        struct { /* ERROR, BYE */
            enum xd_err code;
            struct xd_bytes *text; /* NULL: none */
            uint32_t kind;         /* of the message it answers, 0: none */
        } error;
        struct xd_chunk chunk;
        struct xd_credit credit;
        struct xd_admin admin;
        struct {                         /* SETUP */
            struct xd_session_id origin; /* to a worker; else 0 */
            uint64_t number;
            bool drop; /* then there are no frames */
            struct xd_frame *frames;
            size_t frame_count;
        } setup;
        struct { /* GIVEN */
            struct xd_task_id child, parent;
            struct xd_frame *frames;
            size_t frame_count;
        } given;
    };
};

/* "SUBMIT", or "unknown". Static text. */
const char *xd_kind_name(uint32_t kind);

/* Drop everything the message holds and zero it. NULL and zeroed allowed. */
void xd_msg_clear(struct xd_msg *msg);

#endif
