/* SPDX-License-Identifier: MIT */
/* Profiles, tasks of known length and workers that run them one at a time, on a virtual
 * clock: who gets how much, and when. */
#ifndef XDT_STAGE_H
#define XDT_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

#define XDT_STAGE_PROFILES 8u

struct xdt_play { /* a task */
    unsigned profile;
    xd_time run, came, begun, ended; /* XD_NEVER: not yet */
    size_t place;                    /* in the order of dispatch, from 1; 0: not yet */
};

struct xdt_stage;

struct xdt_stage *xdt_stage_new(size_t workers);
void xdt_stage_free(struct xdt_stage *stage);

/* Profile number 0 is the pool's own; others are made with its workers. */
void xdt_stage_profile(struct xdt_stage *stage,
                       unsigned profile,
                       enum xdb_policy_kind policy,
                       double weight);
void xdt_stage_limit(struct xdt_stage *stage, unsigned profile, uint32_t running);
void xdt_stage_pause(struct xdt_stage *stage, unsigned profile, bool paused);

struct xdt_cue {
    xd_time run;
    const char *kind; /* its task class */
    uint8_t priority;
    int16_t rank;
    uint64_t hint_us;
};
/* `count` such tasks now; gives back the number of the first. */
size_t xdt_stage_submit(struct xdt_stage *stage,
                        unsigned profile,
                        size_t count,
                        struct xdt_cue cue);
const struct xdt_play *xdt_stage_task(const struct xdt_stage *stage, size_t number);

/* Let time pass; tasks end and begin in it. */
void xdt_stage_pass(struct xdt_stage *stage, xd_time by);
xd_time xdt_stage_now(const struct xdt_stage *stage);

/* How long workers worked for a profile so far, running ones up to now. */
xd_time xdt_stage_service(const struct xdt_stage *stage, unsigned profile);

/* How many of the tasks from this number on have begun. */
size_t xdt_stage_begun(const struct xdt_stage *stage, size_t first, size_t count);

struct xdb_core *xdt_stage_core(struct xdt_stage *stage);

#endif
