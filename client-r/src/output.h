/* SPDX-License-Identifier: MIT */
/* What a daemon's process prints to its standard output, as events of the task that runs.
 */
#ifndef RXD_OUTPUT_H
#define RXD_OUTPUT_H

#include <stdbool.h>

#include "crossdock_worker.h"

/* Read the standard output of this process from now on, and pass it on to where it went
 * before, unless `quiet`. False: it cannot be done, and nothing has changed. */
bool rxd_output_begin(bool quiet);

/* Pass on what is left, and put things back. Twice is safe. */
void rxd_output_end(void);

/* What is printed from now on belongs to this job; NULL: to none. Before it changes, what
 * was printed so far is sent, so that it comes before the end of its task. */
void rxd_output_of(struct xd_job *job);

#endif
