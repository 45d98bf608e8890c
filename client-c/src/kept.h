/* SPDX-License-Identifier: MIT */
/* Events that a future keeps for whoever asks later. Pure: no clock, no lock. */
#ifndef XD_CLIENT_KEPT_H
#define XD_CLIENT_KEPT_H

#include "client_core.h"

/* Keep an event of this open task, dropping its oldest ones where that is over a limit.
 * Without memory it is dropped itself, and counted. */
void xd_kept_add(struct xd_client_core *core,
                 struct xd_future *future,
                 const struct xd_event *event,
                 xd_time now);

/* The first one with that number or a higher one; NULL: none. */
const struct xd_kept_entry *xd_kept_find(const struct xd_future *future, uint64_t number);

/* Forget them all: the application has given the future up. */
void xd_kept_drop(struct xd_client_core *core, struct xd_future *future);

/* Free what is left, without a core to tell. */
void xd_kept_fini(struct xd_future *future);

#endif
