/* SPDX-License-Identifier: MIT */
/* What a task asks of the broker, from R's arguments. */
#ifndef RXD_OPTIONS_H
#define RXD_OPTIONS_H

#include "task.h"

/* `options`: a list that task_options() made (options.R), which has checked it. What
 * comes out borrows from it, and lives until R's next return from .Call. The tasks that
 * it comes after must belong to `profile`'s session: else an R error. */
void rxd_options_read(SEXP options,
                      const struct rxd_profile *profile,
                      struct xd_call_options *out);

/* A symbol, as it needs no owner: the name of the function that an expression calls.
 * R_NilValue: it calls none that says something. */
SEXP rxd_class_of(SEXP expr);

#endif
