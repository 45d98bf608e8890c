/* SPDX-License-Identifier: MIT */
/* How `crossdock submit` shows the end of a task. */
#ifndef XD_CLI_REPORT_H
#define XD_CLI_REPORT_H

#include "cli.h"

struct cli_report {
    const char *folder; /* for results that are no text */
    bool json, verbose;
};

/* Show the outcome and the results of a future that has ended. Gives the exit code:
 * CLI_DONE, CLI_TASK_ENDED_OTHERWISE, CLI_NO_BROKER (it went away), or CLI_SYSTEM when
 * something could not be written. */
int cli_report(const struct cli_report *report, const struct xd_future *future);

#endif
