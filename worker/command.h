/* SPDX-License-Identifier: MIT */
/* What each slot runs, and what it hears of its agent. */
#ifndef XDW_COMMAND_H
#define XDW_COMMAND_H

#include "crossdock_supervise.h"
#include "options.h"

struct xdw_self; /* this program in its slot mode: its arguments */

struct xdw_slot_command {
    struct xdw_command command; /* points into the rest, and into the options */
    struct xdw_self *self;      /* NULL: the slots run the user's command */
    char *agent, *name, *labels, *has;
    const char *env[5]; /* ended by NULL */
};

/* `agent` is the agent's number. Errors: XD_ERR_NOMEM, XD_ERR_SYSTEM, and those of
 * xdw_module_file(). Call fini also then. */
enum xd_err xdw_slot_command_make(struct xdw_slot_command *made,
                                  const struct xdw_options *options,
                                  uint64_t agent,
                                  struct xd_error *error) XD_MUST_USE;
void xdw_slot_command_fini(struct xdw_slot_command *made);

#endif
