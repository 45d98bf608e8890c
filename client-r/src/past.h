/* SPDX-License-Identifier: MIT */
/* What is known of tasks for tasks(): those that are open, and the last ones that ended.
 */
#ifndef RXD_PAST_H
#define RXD_PAST_H

#include "task.h"

/* Remember a task that has ended, before its future goes. Once for each; it never fails,
 * and may be called in finalizers. One that has not ended is left out. */
void rxd_past_add(struct rxd_task *task);

#endif
