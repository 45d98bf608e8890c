/* SPDX-License-Identifier: MIT */
/* What few tasks have, beside their record: times, retries, a key that replaces. */
#ifndef XDB_CORE_EXTRA_H
#define XDB_CORE_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/time.h"
#include "core/bond.h"

struct xdb_client;
struct xdb_core;
struct xdb_task;
struct xd_bytes;
struct xd_task;
struct xd_task_options;

/* After so many lost workers a task that could be tried again is put aside, until
 * somebody kicks or cancels it. */
#define XDB_QUARANTINE_AFTER 3u

struct xdb_extra {
    struct xdb_task *task;     /* NULL while spare */
    struct xd_heap_item timer; /* the next of the following */
    xd_time expires;           /* its time is over, wherever it is; XD_NEVER: none */
    xd_time start_by;          /* the same while it has not begun */
    xd_time ready;             /* DELAYED: until then */
    xd_time run_until;         /* RUNNING: the limit of this run */
    uint32_t timeout_ms;       /* passed on */
    uint32_t backoff_ms;
    xd_time limit;                         /* of one run; XD_NEVER: none */
    uint16_t retries_failed, retries_lost; /* left */
    uint16_t tries, deaths;                /* ended runs; of them by the worker's loss */
    struct xd_map_item by_key;             /* its client's, when `replaces` is set */
    struct xd_bytes *replaces;
    struct xd_session_id wanted; /* the worker that it asks for */
    struct xdb_bond *bond;       /* NULL: it waits for no other task */
    struct xd_list links;        /* of those that wait for it, or need its result */
    struct xd_bytes *error;      /* of its outcome, for them */
    struct xdb_run run;          /* that gave its outcome */
    bool is_passed_on;           /* its error is that of one it came after */
    struct xdb_extra *next;      /* spare */
};

/* Does such a task need one? */
bool xdb_extra_is_needed(const struct xd_task *task);

/* Do these make it wait for other tasks, or others for it by its key? */
bool xdb_extra_has_bond(const struct xd_task_options *options);

/* Extras for so many tasks, with room for their timers. */
enum xd_err xdb_extra_reserve(struct xdb_core *core, size_t more) XD_MUST_USE;
void xdb_extra_free_spare(struct xdb_core *core);

/* One must have been reserved. */
void xdb_extra_attach(struct xdb_core *core,
                      struct xdb_task *task,
                      const struct xd_task *from);
/* The same for a task that did not need one, and that another one waits for now. */
void xdb_extra_attach_plain(struct xdb_core *core, struct xdb_task *task);
/* The task has ended: no timer, no key. */
void xdb_extra_end(struct xdb_core *core, struct xdb_task *task);
/* The record goes; it becomes spare. */
void xdb_extra_detach(struct xdb_core *core, struct xdb_task *task);

/* Its state is another, or one of its times: set the timer. */
void xdb_extra_arm(struct xdb_core *core, struct xdb_task *task);

/* It began to run, or gave a sign of life. */
void xdb_extra_touch(struct xdb_core *core, struct xdb_task *task);

/* Its timer is due. */
void xdb_extra_fire(struct xdb_core *core, struct xdb_task *task);

/* Which run of it this is, from 1. */
uint32_t xdb_extra_attempt(const struct xdb_task *task);

/* How long it waits before it is tried again. */
xd_time xdb_extra_backoff(const struct xdb_extra *extra);

/* The open task of that client with this key; NULL: none. */
struct xdb_task *xdb_extra_find(const struct xdb_client *client,
                                const struct xd_bytes *key);

#endif
