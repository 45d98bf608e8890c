/* SPDX-License-Identifier: MIT */
/* A slot's small thread: ends the process when the parent is gone, also in the middle of
 * a handler, and passes SIGTERM on to the session. */
#ifndef XDW_GUARD_H
#define XDW_GUARD_H

#include <stdbool.h>

#include "crossdock_worker.h"

/* The life pipe from CROSSDOCK_LIFE_FD, kept from processes started here; -1: none. */
int xdw_life_fd(void);

/* Start the thread; from now on SIGTERM and SIGINT end the process at once with
 * XDW_EXIT_OK, as long as it does not connect. Errors: XD_ERR_SYSTEM. */
enum xd_err xdw_guard_start(struct xd_error *error) XD_MUST_USE;

/* The session is about to be made: the broker may send a task before this process knows,
 * so a signal from now on is only noted, and xdw_guard_is_stopping() says so. */
void xdw_guard_connecting(void);

/* A signal wakes the session as well, once. NULL before the session is left: a signal
 * then changes nothing. */
void xdw_guard_set(struct xd_worker *worker);

bool xdw_guard_is_stopping(void);

#endif
