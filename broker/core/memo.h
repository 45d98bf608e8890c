/* SPDX-License-Identifier: MIT */
/* Keys of tasks that are done once: which open task has a key, and the results of those
 * that have ended, kept for a while. */
#ifndef XDB_CORE_MEMO_H
#define XDB_CORE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "core/bond.h"

struct xdb_core;
struct xdb_outcome;
struct xdb_profile;
struct xdb_task;
struct xd_bytes;
struct xd_frame;

/* Scoped by user and profile. The oldest results go first when there are too many, or too
 * many bytes (xdb_core_config), or when the broker needs the room for tasks. */
struct xdb_memo {
    struct xd_map_item by_key; /* its profile's */
    struct xdb_profile *profile;
    struct xdb_task *task;  /* open, the first with the key; NULL: it has ended */
    struct xd_list in_core; /* kept ones, the oldest first */
    struct xd_frame *frames;
    size_t frame_count;
    uint64_t bytes;
    struct xdb_run run;
    bool is_in_map;
    uint32_t key_size;
    uint8_t key[]; /* the user's number, what the client said */
};

enum xd_err xdb_memo_new(const struct xd_bytes *key, struct xdb_memo **out) XD_MUST_USE;
void xdb_memo_free(struct xdb_memo *memo); /* in no map */

/* Room for `more` tasks with keys, besides those that have one and may still use it. */
enum xd_err xdb_memo_reserve(struct xdb_profile *profile, size_t more) XD_MUST_USE;

/* A task of this user and profile has it from now on, for its key. */
void xdb_memo_attach(struct xdb_task *task, struct xdb_memo *memo);

/* What there is of the same key; NULL: nothing. */
struct xdb_memo *xdb_memo_find(const struct xdb_memo *own);

/* Is that what the client said? */
bool xdb_memo_has_key(const struct xdb_memo *memo, const struct xd_bytes *key);

/* Its task is the first with the key. */
void xdb_memo_lead(struct xdb_memo *memo, struct xdb_task *task);

/* The task has ended: its result is kept, or its key is free again. */
void xdb_memo_end(struct xdb_core *core,
                  struct xdb_task *task,
                  const struct xdb_outcome *outcome);

/* The task has no use for it any more; it goes unless it is kept. */
void xdb_memo_detach(struct xdb_task *task);

void xdb_memo_drop_kept(struct xdb_core *core, struct xdb_memo *memo);
/* Until so many bytes are free of the broker's budget, or none is left. */
void xdb_memo_make_room(struct xdb_core *core, uint64_t bytes);
/* All of a profile. */
void xdb_memo_drop_all(struct xdb_core *core, struct xdb_profile *profile);

#endif
