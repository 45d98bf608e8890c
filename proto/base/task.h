/* SPDX-License-Identifier: MIT */
/* A task, its payload frames and its result as every folder sees them; plain data with
 * counted bytes. */
#ifndef XD_BASE_TASK_H
#define XD_BASE_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

/* What a task's body is. Numbers are on the wire. */
enum xd_format {
    XD_FORMAT_R = 1,   /* R serialization */
    XD_FORMAT_CALL = 2 /* a callee's name; its frames are the arguments, in order */
};

/* What a payload frame is for. Numbers are on the wire. */
enum xd_frame_role {
    XD_FRAME_BODY = 1,    /* what the format says */
    XD_FRAME_OBJECT = 2,  /* one object of a registered class: has a class tag */
    XD_FRAME_SEGMENT = 3, /* the bytes of a large plain vector of the body */
    XD_FRAME_SETUP = 4,   /* a session's serial configuration */
    XD_FRAME_GIVEN = 5    /* in a task: which of the frames behind it are results that its
                             client brings along, see client-c/src/after.h */
};

/* How urgent a task is. Numbers are on the wire. */
enum xd_priority {
    XD_PRIORITY_DEFAULT = 0, /* normal */
    XD_PRIORITY_INTERACTIVE = 1,
    XD_PRIORITY_NORMAL = 2,
    XD_PRIORITY_BATCH = 3
};

/* How a task ended. Numbers are on the wire. */
#define XD_OUTCOME_LIST(X)                                                               \
    X(DONE, 1, "done")     /* there is a value */                                        \
    X(FAILED, 2, "failed") /* the task's code reported an error */                       \
    X(LOST, 3, "lost")     /* its worker is gone */                                      \
    X(CANCELLED, 4, "cancelled")                                                         \
    X(EXPIRED, 5, "expired")         /* its time was over */                             \
    X(REJECTED, 6, "rejected")       /* the broker would not take it */                  \
    X(BROKER_GONE, 7, "broker_gone") /* the session ended first; never on the wire */

enum xd_outcome {
#define XD_OUTCOME_ENUM(code, number, name) XD_OUTCOME_##code = number,
    XD_OUTCOME_LIST(XD_OUTCOME_ENUM)
#undef XD_OUTCOME_ENUM
};

const char *xd_outcome_name(
    enum xd_outcome outcome); /* "done"; "unknown" outside the list */

/* One payload frame: bytes, or a reference to bytes that travel as chunks. */
struct xd_frame {
    struct xd_bytes *bytes; /* NULL exactly when `ref` is set */
    struct xd_bytes *tag;   /* class tag; NULL: none */
    struct xd_bytes *name;  /* of a named argument; NULL: none */
    struct xd_ref ref;
    uint64_t size; /* of the payload, in bytes, either way */
    uint8_t role;  /* enum xd_frame_role */
    uint32_t codec;
    uint32_t count; /* role OBJECT: so many objects lie in it, see xd_frame_part();
                       0: it is one */
};

/* What the broker may know of a task to place it well; all zero: nothing. */
struct xd_task_options {
    uint8_t priority;        /* enum xd_priority */
    int16_t rank;            /* policy `priority`: the greater goes first */
    struct xd_bytes *kind;   /* its task class, which its run time is learned by; NULL:
                                its callee */
    uint64_t estimate_us;    /* how long it will run, as its client thinks; 0: unknown */
    uint64_t delay_ms;       /* not before, from its arrival */
    uint64_t deadline_ms;    /* begun by then, or never; 0: none */
    uint64_t limit_ms;       /* of one run, from its start or its last event; 0: none */
    uint16_t retries_failed; /* how often it is run again after an error, */
    uint16_t retries_lost;   /* and after its worker was lost */
    uint32_t backoff_ms;     /* before the first time again, then twice as long; at most
                                an hour */
    struct xd_bytes *replaces; /* the client's task before it with that key is cancelled;
                                  NULL: none */
    struct xd_bytes *needs;    /* what its worker must have: "gpu>=1 memory>=4e9 fast";
                                  NULL: nothing */
    struct xd_session_id worker; /* that it goes to while that one is here; 0: any */
    struct xd_bytes *dedupe;  /* what an earlier task of this user with that key gave in
                                 this profile is its outcome too; NULL: none */
    struct xd_task_id *after; /* the client's tasks that must have ended well before,
                                 submitted before it; it gets their results. NULL: none */
    uint32_t after_count;     /* at most XD_AFTER_MAX */
};

/* Tasks that one task may come after; runs of one kind that it may have besides the
 * first. */
#define XD_AFTER_MAX 32u
#define XD_RETRIES_MAX 1000u

/* Is there anything in them? */
bool xd_task_options_are_set(const struct xd_task_options *options);

/* The result of a task that another one came after, as it goes to that one's worker. */
struct xd_given {
    struct xd_task_id id;
    struct xd_frame *frames;
    size_t frame_count;
};

struct xd_task {
    struct xd_task_id id;
    enum xd_format format;
    bool everywhere, hold;
    uint32_t timeout_ms; /* 0: none */
    uint32_t min_workers, part;
    uint32_t attempt; /* at a worker: which run of it this is, from 1; else 0 */
    uint64_t setup;   /* number of the SETUP it needs; 0: none */
    struct xd_session_id origin; /* at a worker: the client's session; else 0 */
    struct xd_bytes *callee;     /* format call; else NULL */
    struct xd_task_options options;
    struct xd_frame *frames;
    size_t frame_count;
    struct xd_given
        *given; /* at a worker: results of the tasks it came after, in order */
    size_t given_count;
};

struct xd_result {
    struct xd_task_id id;
    uint32_t part, parts;
    uint32_t attempt;            /* to a client: which run gave it, from 1; 0: none did */
    struct xd_session_id worker; /* to a client: that ran it; 0: none did */
    enum xd_outcome outcome;
    struct xd_bytes *error; /* NULL: none */
    uint64_t run_ns;
    struct xd_frame *frames;
    size_t frame_count;
};

/* Drop the references and zero; NULL and zeroed allowed. */
void xd_frame_clear(struct xd_frame *frame);
void xd_frames_free(struct xd_frame *frames,
                    size_t count); /* clears each and frees the array */
void xd_task_clear(struct xd_task *task);
void xd_result_clear(struct xd_result *result);

/* A second owner of the same bytes: `to` is overwritten. */
void xd_frame_share(const struct xd_frame *from, struct xd_frame *to);

/* The same of `count`: allocates the array. On failure *out is untouched. */
enum xd_err xd_frames_share(const struct xd_frame *frames,
                            size_t count,
                            struct xd_frame **out) XD_MUST_USE;

/* The sum of the sizes of the frames whose bytes are here (references not counted). */
size_t xd_frames_bytes(const struct xd_frame *frames, size_t count);

/* Object `index` of a frame whose bytes are here. A frame with count 0 is one object
 * (index 0); else its bytes are a table of `count` sizes (64 bits each, little endian)
 * and then the objects back to back, without gaps. The sizes up to `index` are added up
 * each time and checked against the frame, with the last one also that nothing is left
 * over. Returns one reference in *out, which keeps the frame's bytes alive. Errors:
 * XD_ERR_INVALID (no such index, or the bytes are not here), XD_ERR_PROTOCOL (the sizes
 * do not fit the frame), XD_ERR_NOMEM; `error` (may be NULL) has the numbers. */
enum xd_err xd_frame_part(const struct xd_frame *frame,
                          uint32_t index,
                          struct xd_bytes **out,
                          struct xd_error *error) XD_MUST_USE;

#endif
