/* SPDX-License-Identifier: MIT */
/* The client's state: open tasks by id, what is to be sent, what has ended. Pure over its
 * channel: no clock, no lock, no thread. */
#ifndef XD_CLIENT_CLIENT_CORE_H
#define XD_CLIENT_CLIENT_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "channel.h"
#include "crossdock.h"
#include "names.h"

enum xd_future_state {
    XD_FUTURE_UNSENT, /* in core.unsent */
    XD_FUTURE_BUSY,   /* in core.busy until the time to try again, or in core.aside until
                         the result that it comes after is here */
    XD_FUTURE_SENT,   /* in core.offered: the broker may still say BUSY */
    XD_FUTURE_ACCEPTED, /* the broker has it; its small frames are let go of */
    XD_FUTURE_ENDED
};

struct xd_after;

/* One event that a future keeps; see kept.h. */
struct xd_kept_entry {
    uint64_t number;
    uint32_t part;
    xd_time came;
    struct xd_bytes *kind, *bytes;
};

/* They lie in at[first] to at[first + count - 1], by number. */
struct xd_kept {
    struct xd_kept_entry *at;
    size_t first, count, room;
    size_t bytes;
    uint64_t next, dropped; /* the next number; how many are not here any more */
};

struct xd_future {
    struct xd_list link;   /* core.unsent, .busy or .offered */
    struct xd_list ended;  /* core.ended or .to_call */
    struct xd_list cancel; /* core.cancels */
    struct xd_map_item item;
    struct xd_client *client;
    struct xd_bytes *profile;
    struct xd_setup *setup; /* used until the end; NULL: none */
    struct xd_after
        *after; /* what it comes after, until the broker has it; NULL: nothing */
    const struct xd_client_core *core; /* whose it is */
    struct xd_task task; /* its frames are the array below, or one of their own */
    struct xd_list made; /* payloads offered as chunks */
    enum xd_future_state state;
    atomic_bool done;
    bool freed;        /* by the application: dropped at its end */
    unsigned pins;     /* callbacks that run with it, and its children */
    unsigned children; /* tasks that come after it and are not with the broker */
    enum xd_outcome outcome;
    xd_time ended_at;
    const char *text;             /* the error, ended by NUL */
    char *own_text;               /* ... when it is the future's own */
    struct xd_result one, *parts; /* parts: &one, or an array */
    size_t part_count, part_missing;
    size_t bytes; /* of its payloads that go to the broker, in the budget */
    void *context;
    struct xd_kept *kept; /* NULL: no event has come, or none is kept */
    struct xd_frame frames[];
};

struct xd_setup {
    struct xd_list link; /* core.drops or .dead_setups */
    struct xd_client *client;
    const struct xd_client_core *core; /* whose it is */
    uint64_t number;
    struct xd_frame *frames; /* until it was sent */
    size_t frame_count;
    size_t users; /* tasks that have not ended */
    bool sent;    /* the broker has it */
    bool freed;   /* by the application */
};

/* An event on its way to the application. */
struct xd_news {
    struct xd_list link;
    struct xd_future *future; /* pinned */
    struct xd_event event;
};

/* A question to the broker; lies on the stack of the thread that waits for its answer. */
struct xd_question {
    struct xd_list link;
    struct xd_msg msg; /* until it was sent; tasks submitted before leave first */
    bool sent;
    const char *counts_of; /* a profile: `held` is wanted; NULL: not */
    uint64_t ticket;
    bool answered;
    enum xd_err code;
    struct xd_bytes *text;
    uint64_t held; /* with the answer: tasks of the profile that the broker refused so far
                      for lack of room, an everywhere-task as its parts */
};

struct xd_client_core {
    struct xd_channel channel;
    struct xd_names names;
    struct xd_map by_id;
    struct xd_list unsent, busy, aside, offered, cancels, ended, to_call, news, questions;
    struct xd_list dead; /* ended after the application gave them up: to be destroyed */
    struct xd_list drops, dead_setups;
    struct xd_list children; /* of tasks that come after others, see options.h */
    size_t setup_count;      /* not dropped at the broker */
    uint64_t last_setup;
    size_t unsent_count, unsent_bytes;
    size_t open_count, open_bytes; /* tasks that have not ended */
    size_t out_count;              /* of them handed to the broker */
    xd_time flushed_at;            /* when some left last */
    xd_time flush_at; /* when the unsent are to leave; XD_NEVER: there are none */
    xd_time busy_until;
    xd_time heard_at;                  /* when this turn began */
    uint64_t accepted, accepted_early; /* the broker's count that we have used; accepted
                                          by their results */
    uint64_t received, acked;          /* results, counted as the protocol counts */
    xd_time ack_at;
    uint64_t last_ticket;
    bool calls_done, calls_event; /* the application wants callbacks */
    struct xd_event_limits keep;  /* of events; .events 0: none is kept */
    size_t kept_bytes;            /* of all futures that were not given up */
    struct xd_task batch[XD_TASKS_MAX];
    struct xd_task_id ids[XD_TASKS_MAX];
};

/* Takes the link, also on failure. */
enum xd_err xd_client_core_init(struct xd_client_core *core,
                                struct xd_link *link,
                                uint64_t seed,
                                xd_time now) XD_MUST_USE;
void xd_client_core_fini(struct xd_client_core *core, bool close_link);

/* Check a call and make its future, in no list yet. Errors as xd_submit(). */
enum xd_err xd_client_core_make(struct xd_client_core *core,
                                const struct xd_call *call,
                                struct xd_task_id id,
                                struct xd_future **out,
                                struct xd_error *error) XD_MUST_USE;

/* Undo that, for one that was never added. */
void xd_client_core_unmake(struct xd_client_core *core, struct xd_future *future);

/* Room in the budget and the tables for these? Errors: XD_ERR_BUSY, XD_ERR_NOMEM. */
enum xd_err xd_client_core_admit(struct xd_client_core *core,
                                 size_t count,
                                 size_t bytes,
                                 struct xd_error *error) XD_MUST_USE;

/* Queue it; room has been made. */
void xd_client_core_add(struct xd_client_core *core,
                        struct xd_future *future,
                        xd_time now);

/* Put it in front of the unsent again: it was in .busy or .aside. */
void xd_client_core_unsend(struct xd_client_core *core, struct xd_future *future);

/* Is it time for the unsent to leave? */
bool xd_client_core_is_due(const struct xd_client_core *core, xd_time now);
void xd_client_core_hurry(struct xd_client_core *core, xd_time now);

/* Why the unsent cannot leave soon; NULL: they can. */
const char *xd_client_core_held_up(const struct xd_client_core *core);

/* Send what is due. */
void xd_client_core_flush(struct xd_client_core *core, xd_time now);
xd_time xd_client_core_deadline(const struct xd_client_core *core);

void xd_client_core_cancel(struct xd_client_core *core, struct xd_future *future);
void xd_client_core_cancel_all(struct xd_client_core *core, const char *profile);

/* The application gives it up; it goes to core.dead when nothing needs it any more. */
void xd_client_core_release(struct xd_client_core *core, struct xd_future *future);
void xd_future_destroy(struct xd_future *future);

/* Drop what was to be sent: frames and options. */
void xd_future_clear_task(struct xd_future *future);

/* After everything else in a turn: results whose payloads are complete; the end of the
 * session. */
void xd_client_core_settle(struct xd_client_core *core);

/* Send now; the client's own messages but for greetings and streams. Errors as
 * xd_channel_send(). */
enum xd_err xd_client_core_send(struct xd_client_core *core,
                                struct xd_msg *msg,
                                xd_time now) XD_MUST_USE;

/* setup_core.c: make one, errors as xd_setup_new(); let it go when a task that used it
 * has ended (NULL allowed), or the application gives it up; send it where it was not sent
 * yet; send what is dropped; and the end of the session. */
enum xd_err xd_client_core_setup(struct xd_client_core *core,
                                 const struct xd_payload *payloads,
                                 size_t count,
                                 struct xd_setup **out,
                                 struct xd_error *error) XD_MUST_USE;
void xd_client_core_setup_unuse(struct xd_client_core *core, struct xd_setup *setup);
void xd_client_core_setup_release(struct xd_client_core *core, struct xd_setup *setup);
enum xd_err xd_client_core_setup_send(struct xd_client_core *core,
                                      struct xd_setup *setup,
                                      xd_time now) XD_MUST_USE;
void xd_client_core_setups_flush(struct xd_client_core *core, xd_time now);
void xd_client_core_setups_end(struct xd_client_core *core);

/* One that nobody needs any more, out of all lists, or NULL: destroy it. */
struct xd_setup *xd_client_core_dead_setup(struct xd_client_core *core);
void xd_setup_destroy(struct xd_setup *setup);

/* Ask; the answer comes into `question`, which stays until xd_client_core_unask().
 * Errors: XD_ERR_NOMEM. */
enum xd_err xd_client_core_ask(struct xd_client_core *core,
                               const char *verb,
                               const char *const *args,
                               size_t arg_count,
                               struct xd_question *question) XD_MUST_USE;
void xd_client_core_unask(struct xd_question *question);

/* The next future for xd_client_next(), or NULL. */
struct xd_future *xd_client_core_next(struct xd_client_core *core);

/* Walks the invariants; NULL when they hold, else the broken one. */
const char *xd_client_core_check(const struct xd_client_core *core);

/* The message hook of the channel (client_take.c). */
void xd_client_core_message(void *owner, struct xd_msg *msg, xd_time now);

/* It has ended with this outcome and this sentence (borrowed
 * for good, or NULL). */
void xd_client_core_end(struct xd_client_core *core,
                        struct xd_future *future,
                        enum xd_outcome outcome,
                        const char *text);

/* The same with a sentence of its own, which is copied. */
void xd_client_core_end_with(struct xd_client_core *core,
                             struct xd_future *future,
                             enum xd_outcome outcome,
                             const struct xd_bytes *text);

/* A callback with it is over; it may have been given up meanwhile. */
void xd_client_core_unpin(struct xd_client_core *core, struct xd_future *future);

/* One that was given up and has ended, out of all lists, or NULL: destroy it. */
struct xd_future *xd_client_core_dead(struct xd_client_core *core);

#endif
