/* SPDX-License-Identifier: MIT */
/* Callbacks when tasks end. */
#ifndef RXD_WATCH_H
#define RXD_WATCH_H

#include "task.h"

/* The task ends here and now, before its future does: whoever watches it hears of that.
 */
void rxd_watch_end(const struct rxd_task *task);

/* Have later's loop call that in R's thread, from any thread; where nobody has ever
 * watched a task there is no loop to call anything. */
void rxd_watch_call(void (*call)(void *data), void *data, double seconds);

#endif
