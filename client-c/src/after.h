/* SPDX-License-Identifier: MIT */
/* Tasks that come after others, at their client until the broker has them, and how their
 * results are handed to the worker. */
#ifndef XD_CLIENT_AFTER_H
#define XD_CLIENT_AFTER_H

#include <stdbool.h>

#include "base/list.h"
#include "base/task.h"

struct xd_client_core;
struct xd_future;

/* The tasks that one comes after; they stay while it lies here. */
struct xd_after {
    struct xd_list link; /* core.children */
    struct xd_future *child;
    bool aside;     /* core.aside has the child */
    uint32_t own;   /* frames of the child itself */
    uint32_t taken; /* bits: those whose results are among its frames */
    uint32_t count;
    struct xd_future *parents[];
};

/* Before tasks leave: those that come after tasks which have ended here get their
 * results, since the broker may not know them any more; or end as failed. Errors:
 * XD_ERR_NOMEM. */
enum xd_err xd_after_settle(struct xd_client_core *core) XD_MUST_USE;

/* Does it come after a result that is on its way in pieces, or after one that does? The
 * broker hears that the result came, and may forget that task, before its payloads are
 * all here to go along. */
bool xd_after_waits(const struct xd_future *child);

/* Who waits goes aside, so that the others do not wait for it; who waits no more goes
 * back to the unsent. Whose place among the others counts stays there, and they wait: an
 * everywhere-task, and one with a key. */
void xd_after_sort(struct xd_client_core *core);

/* The broker has it, or it has ended. */
void xd_after_drop(struct xd_client_core *core, struct xd_future *child);

/* ---- the results that a client brings along
 *
 * Behind the task's own frames comes one of role GIVEN, then the frames of the results.
 * Its bytes are for each task it comes after, in order: the id, and 32 bits, little
 * endian, how many frames of it there are; or that its result comes from the broker. The
 * broker reads none of this. */

#define XD_GIVEN_BYTES 20u
#define XD_GIVEN_BY_BROKER UINT32_MAX

void xd_given_write(uint8_t at[XD_GIVEN_BYTES],
                    const struct xd_task_id *id,
                    uint32_t count);
uint32_t xd_given_read(const uint8_t at[XD_GIVEN_BYTES], struct xd_task_id *id);

#endif
