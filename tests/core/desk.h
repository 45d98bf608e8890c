/* SPDX-License-Identifier: MIT */
/* A core on a desk: events by short calls, the clock moved by hand, every step checked,
 * every action written down. */
#ifndef XDT_DESK_H
#define XDT_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

#define XDT_LINES_MAX 8192u

/* What is kept of an action. */
struct xdt_line {
    enum xdb_action_kind kind;
    uint64_t session;
    unsigned id;
    bool hold, everywhere;
    uint32_t part, parts, level, scope, retry_ms;
    uint64_t setup, origin;
    enum xd_outcome outcome;
    enum xd_err code;
    uint64_t count;
    size_t frame_count, first_size;
    size_t given,
        given_sizes[4]; /* results that go with a task: of the first frame each */
    uint32_t attempt;
    uint64_t worker; /* of a result */
    char text[64];
};

struct xdt_desk {
    struct xdb_core *core;
    struct xdb_actions actions;
    struct xdb_core_config config;
    xd_time now;
    struct xdt_line lines[XDT_LINES_MAX];
    size_t count;
};

/* With the default configuration, changed by `change` when not NULL. Ends the program
 * when there is no memory. */
struct xdt_desk *xdt_desk_new(void (*change)(struct xdb_core_config *config));
void xdt_desk_free(struct xdt_desk *desk);

/* The log from here on. */
void xdt_clear(struct xdt_desk *desk);

/* One event. */
void xdt_step(struct xdt_desk *desk, struct xdb_event *event);
void xdt_simple(struct xdt_desk *desk, enum xdb_event_kind kind, uint64_t session);
void xdt_client(struct xdt_desk *desk, uint64_t session);
/* Of both formats, with any handler, holding nothing ahead, of nobody. */
void xdt_worker(struct xdt_desk *desk, uint64_t session, const char *profile);
struct xdt_worker_how {
    const char *profile, *handler; /* handler NULL: "*" */
    uint32_t formats, hold;        /* formats 0: both */
    uint64_t owner;
    const char *has;
};
void xdt_worker_how(struct xdt_desk *desk, uint64_t session, struct xdt_worker_how how);
void xdt_profile(struct xdt_desk *desk,
                 uint64_t session,
                 const char *name,
                 bool bound,
                 bool round_robin);

/* A task of format r, or a call of `callee`. */
struct xdt_task_how {
    const char *profile, *callee; /* profile NULL: "p" */
    bool everywhere;
    uint32_t min_workers, timeout_ms;
    size_t frames, size; /* frames 0: one */
    uint64_t ref_owner;  /* not 0: by reference */
    uint64_t setup;
    const char *denied; /* why the client may not; NULL: it may */
    const char *kind, *replaces, *needs, *dedupe;
    const unsigned *after;          /* ids, ended by 0; NULL: none */
    struct xd_task_options options; /* the rest of them */
};
void xdt_submit(struct xdt_desk *desk, uint64_t session, unsigned id);
void xdt_submit_how(struct xdt_desk *desk,
                    uint64_t session,
                    unsigned id,
                    struct xdt_task_how how);
/* Ids first .. first + count - 1, in one message. */
void xdt_submit_many(struct xdt_desk *desk,
                     uint64_t session,
                     unsigned first,
                     unsigned count);
void xdt_result(struct xdt_desk *desk, uint64_t session, unsigned id);
struct xdt_result_how {
    enum xd_outcome outcome; /* 0: done */
    uint32_t part;
    uint64_t run_ns, ref_owner;
    size_t size;
    unsigned started; /* 0: none */
    const char *error;
};
void xdt_result_how(struct xdt_desk *desk,
                    uint64_t session,
                    unsigned id,
                    struct xdt_result_how how);
/* CANCEL, STARTED, RECALLED of one id; 0: of none. */
void xdt_id_event(struct xdt_desk *desk,
                  enum xdb_event_kind kind,
                  uint64_t session,
                  unsigned id);
void xdt_send_failed(struct xdt_desk *desk, uint64_t session, unsigned id, bool gone);
void xdt_ack(struct xdt_desk *desk, uint64_t session, uint64_t count);

/* Let time pass, with a tick at each deadline; `alive` (ended by 0) beat meanwhile. */
void xdt_pass(struct xdt_desk *desk, xd_time by, const uint64_t *alive);

/* How many lines of the kind; to this session; about this id. */
size_t xdt_count(const struct xdt_desk *desk, enum xdb_action_kind kind);
size_t xdt_count_to(const struct xdt_desk *desk,
                    enum xdb_action_kind kind,
                    uint64_t session);
/* The first of the kind about the id; NULL: none. */
const struct xdt_line *xdt_line(const struct xdt_desk *desk,
                                enum xdb_action_kind kind,
                                unsigned id);
/* Who was sent the task last; 0: nobody. */
uint64_t xdt_sent_to(const struct xdt_desk *desk, unsigned id);
/* The outcome told for the id; 0: none. */
enum xd_outcome xdt_outcome(const struct xdt_desk *desk, unsigned id);
struct xdb_stats xdt_stats(const struct xdt_desk *desk);
/* What there is in a profile, as session 1 is told. */
struct xdb_profile_counts xdt_counts(const struct xdt_desk *desk, const char *profile);
/* The state of a worker, "" when there is none; its number of leases. */
const char *xdt_worker_state(const struct xdt_desk *desk, uint64_t session);

#endif
