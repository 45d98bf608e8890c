/* SPDX-License-Identifier: MIT */
/* A submitted task as the R session holds it. */
#ifndef RXD_TASK_H
#define RXD_TASK_H

#include "rxd.h"

/* One mirai. Several share a future when it is an everywhere-task: each is a part. */
struct rxd_task {
    struct xd_list link; /* in profile->open until it is resolved */
    struct rxd_profile *profile;
    struct xd_future *future; /* NULL: resolved, its frames were let go of */
    unsigned *sharers;        /* of the future; NULL: only this one */
    uint32_t part;
    int code;       /* not 0: resolved with this errorValue, whatever the broker says */
    uint64_t bytes; /* that it took to the broker */
    SEXP kind;      /* its class for the broker: a symbol, or R_NilValue */
    int number;     /* in order of submission, from 1 */
    double submitted, ended; /* wall clock, seconds; `ended` only with a code */
    bool is_decoding;
    bool is_orphan; /* no R object holds it; it is in the list only to be counted */
    bool is_past;   /* past.c remembers it, or need not */
    bool is_hidden; /* the package's own: tasks() does not show it */
};

/* Is there an outcome? NULL counts as done. */
bool rxd_task_is_done(const struct rxd_task *task);

/* The task of a pointer that a task object holds; NULL: it has its value already. */
struct rxd_task *rxd_task_of_pointer(SEXP pointer);

/* The serial configuration that its values are decoded with; of one without its value. */
SEXP rxd_task_config(SEXP pointer);

/* An R error for what a wait answers, but for the end of its time. */
void rxd_check_wait(enum xd_err err);

/* The pointer inside a task object; R_UnboundValue inside anything else. */
SEXP rxd_task_pointer(SEXP task);

/* Let go of it and its future. */
void rxd_task_free(struct rxd_task *task);

/* Resolve with that code now; the task itself is cancelled. */
void rxd_task_end(struct rxd_task *task, int code);

/* The setup of a pointer made by rxd_setup_new; NULL for anything else (session.c). */
struct xd_setup *rxd_setup_of(SEXP pointer);

#endif
