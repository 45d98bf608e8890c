/* SPDX-License-Identifier: MIT */
/* A slot's command made ready to run: its own copy of arguments, environment, directory.
 */
#ifndef XDW_SUPERVISE_PLAN_H
#define XDW_SUPERVISE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crossdock_supervise.h"

struct xdw_plan {
    char **argv, **envp; /* ended by NULL */
    char *dir;           /* NULL: stay */
};

/* Copy `command` for `slot` on top of `base` (an environment ended by NULL). Errors:
 * XD_ERR_INVALID, XD_ERR_NOMEM. */
enum xd_err xdw_plan_make(struct xdw_plan *plan,
                          const struct xdw_command *command,
                          uint32_t slot,
                          char *const *base,
                          struct xd_error *error) XD_MUST_USE;
void xdw_plan_fini(struct xdw_plan *plan);

/* A variable's value in the plan's environment; NULL: not set. */
const char *xdw_plan_env(const struct xdw_plan *plan, const char *name);

/* How often the slot was started before: what its next process finds in
 * CROSSDOCK_RESTARTS. */
void xdw_plan_restarts(struct xdw_plan *plan, uint32_t count);

/* The file to execute, looked up in the plan's PATH, into `path`. Errors:
 * XD_ERR_NOT_FOUND
 * ("command not found: ..."), XD_ERR_FORBIDDEN (found, but not executable),
 * XD_ERR_TOO_LARGE. */
enum xd_err xdw_plan_find(const struct xdw_plan *plan,
                          char *path,
                          size_t room,
                          struct xd_error *error) XD_MUST_USE;

#endif
