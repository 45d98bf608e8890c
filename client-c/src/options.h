/* SPDX-License-Identifier: MIT */
/* A call's options, as the application gives them: checked, and turned into the
 * task's. */
#ifndef XD_CLIENT_OPTIONS_H
#define XD_CLIENT_OPTIONS_H

#include "client_core.h"

/* Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE; `error` names the field. NULL options are
 * right. */
enum xd_err xd_options_check(const struct xd_client_core *core,
                             const struct xd_call *call,
                             struct xd_error *error) XD_MUST_USE;

/* Into a future that is made: on failure it is to be unmade. Errors: XD_ERR_NOMEM. */
enum xd_err xd_options_fill(struct xd_client_core *core,
                            const struct xd_call_options *options,
                            struct xd_future *future) XD_MUST_USE;
void xd_options_clear(struct xd_task_options *options);

#endif
