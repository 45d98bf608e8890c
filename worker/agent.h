/* SPDX-License-Identifier: MIT */
/* The parent: keeps the slots' processes, prints what they say, ends them when told. */
#ifndef XDW_AGENT_H
#define XDW_AGENT_H

#include "options.h"

/* Until all slots have ended; gives back the exit code. */
int xdw_agent_run(const struct xdw_options *options);

#endif
