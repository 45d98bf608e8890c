/* SPDX-License-Identifier: MIT */
/* Interned kinds: shapes of tasks (what they ask for, how long they run), offers of
 * workers (formats, handlers), and which fits which, decided once per pair. */
#ifndef XDB_CORE_SHAPE_H
#define XDB_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/task.h"

struct xdb_core;
struct xdb_estimate;
struct xdb_event;
struct xdb_pool;
struct xdb_profile;
struct xdb_task;

/* Bytes of a callee's or a class's name. */
#define XDB_NAME_MAX 255u

/* Priority classes, the most urgent first. */
enum xdb_tier { XDB_TIER_INTERACTIVE, XDB_TIER_NORMAL, XDB_TIER_BATCH, XDB_TIERS };

/* Bands of predicted run time: below 1 ms, below 8 ms, ... */
#define XDB_BANDS 8u

/* What a task asks for, how long it will run, and the queue of those that are alike in
 * that, in one profile. */
struct xdb_shape {
    struct xdb_profile *profile;
    struct xdb_estimate *estimate;
    struct xd_list queue; /* by seq */
    struct xd_list fits;
    uint32_t predicted_us; /* at least 1 when anything is known, 0 when not */
    uint8_t tier;          /* enum xdb_tier */
    uint8_t band;          /* where its fits stand now */
    int16_t rank;
    uint64_t tasks; /* records with it */
    uint64_t queued;
    uint64_t hint_us; /* what the client thinks, roughly; 0: nothing */
    struct xd_list in_estimate;
    enum xd_format format;
    uint32_t key_size;
    struct xd_bytes *callee; /* NULL: format r */
    struct xd_bytes *needs;  /* NULL: nothing */
    struct xd_map_item by_key;
    struct xd_list in_profile, spare; /* spare: no task has it now */
    uint8_t key[];
};

/* What workers offer as they join; workers of one kind share it. */
struct xdb_offer {
    struct xdb_pool *pool;
    struct xd_list in_pool;
    struct xd_list hungry; /* the core's list of those to serve */
    uint32_t formats;
    struct xd_bytes **handlers;
    size_t handler_count;
    struct xd_bytes *has; /* resources and labels; NULL: nothing */
    struct xd_list sites;
    struct xd_heap turns[XDB_TIERS]; /* sites by their profiles' virtual time */
    double clock[XDB_TIERS];         /* the virtual time of the last one served */
    double owed[XDB_TIERS];          /* microseconds a tier with work is short of its
                                        minimum share */
    struct xd_list idle, ahead;      /* workers */
    uint64_t workers, live;
};

/* The work of one profile that workers of one offer could do. */
struct xdb_site {
    struct xdb_profile *profile;
    struct xdb_offer *offer;
    struct xd_list in_profile;
    uint8_t has_work[XDB_TIERS]; /* bits of bands */
    struct xd_heap_item turn[XDB_TIERS];
    struct xd_heap work[XDB_TIERS][XDB_BANDS]; /* fits by the policy's key */
    struct xd_list in_offer;
    struct xd_list fits;
    size_t fit_count[XDB_TIERS];
};

/* Tasks of the shape may go to workers of the offer. */
struct xdb_fit {
    struct xdb_shape *shape;
    struct xdb_site *site;
    struct xd_list in_shape, in_site;
    struct xd_heap_item work;
};

/* The shape of such a task, found or made; `last` (may be NULL) is looked at first. What
 * was made and is not used goes at the end of the step. */
enum xd_err xdb_shape_intern(struct xdb_core *core,
                             struct xdb_profile *profile,
                             const struct xd_task *task,
                             struct xdb_shape *last,
                             struct xdb_shape **out) XD_MUST_USE;
void xdb_shape_free(struct xdb_shape *shape); /* no task has it */

enum xd_err xdb_offer_intern(struct xdb_core *core,
                             struct xdb_pool *pool,
                             const struct xdb_event *join,
                             struct xdb_offer **out) XD_MUST_USE;
void xdb_offer_free(struct xdb_offer *offer); /* no worker has it */

/* A task has the shape, or has it no more. */
void xdb_shape_use(struct xdb_shape *shape, struct xdb_task *task);
void xdb_shape_unuse(struct xdb_core *core, struct xdb_task *task);

/* Into the queue by seq (new ones at the end, returned ones near the front), and out. */
void xdb_shape_put(struct xdb_core *core, struct xdb_task *task);
void xdb_shape_take(struct xdb_core *core, struct xdb_task *task);

/* Its first task, or the gate before it, is another: sort it anew. */
void xdb_shape_head_changed(struct xdb_core *core, struct xdb_shape *shape);

/* More is known of its run times. */
void xdb_shape_predict(struct xdb_core *core, struct xdb_shape *shape);

/* The seq of its first task, UINT64_MAX without one. */
uint64_t xdb_shape_first_seq(const struct xdb_shape *shape);

/* By what it is sorted among others: the policy's key of its first task; XD_NEVER when
 * there is none before the gate. */
xd_time xdb_shape_key(const struct xdb_shape *shape);

/* The task that a worker of this offer gets next; NULL: none. */
struct xdb_task *xdb_offer_first(const struct xdb_offer *offer);

/* Serve it at the end of the step. */
void xdb_offer_touch(struct xdb_core *core, struct xdb_offer *offer);

/* Link the two if they fit. */
enum xd_err xdb_fit_make(struct xdb_shape *shape, struct xdb_offer *offer) XD_MUST_USE;
void xdb_fit_free(struct xdb_fit *fit);
bool xdb_shape_fits(const struct xdb_shape *shape, const struct xdb_offer *offer);

/* site.c: where an offer's next task comes from. */
enum xd_err xdb_site_intern(struct xdb_profile *profile,
                            struct xdb_offer *offer,
                            struct xdb_site **out) XD_MUST_USE;
void xdb_site_free(struct xdb_site *site);
/* Room for one more fit in any of the tier's bands. */
enum xd_err xdb_site_reserve(struct xdb_site *site, size_t tier) XD_MUST_USE;
void xdb_site_note(struct xdb_site *site, size_t tier, size_t band);
/* The heap of a fit's band, or its key there, has changed. */
void xdb_site_sort(struct xdb_fit *fit, xd_time key);
void xdb_site_change_band(struct xdb_fit *fit, uint8_t band);
/* Its work or its profile's virtual time is another: sort it anew. */
void xdb_site_turn(struct xdb_site *site, size_t tier);

#endif
