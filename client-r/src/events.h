/* SPDX-License-Identifier: MIT */
/* What tasks have sent while they ran, for R. */
#ifndef RXD_EVENTS_H
#define RXD_EVENTS_H

#include "task.h"

/* How much of it a session keeps, see xd_client_keep_events(). */
void rxd_events_begin(struct xd_client *client);

/* Has the future any? */
bool rxd_events_any(struct xd_future *future);

/* The future is about to be let go of: what it keeps goes to the R object. May jump. */
void rxd_events_keep(const struct rxd_task *task, SEXP pointer, SEXP config);

#endif
