/* SPDX-License-Identifier: MIT */
/* Questions that the broker passes on to this host's agent, and what it remembers of its
 * slots to answer them. */
#ifndef XDW_CONTROL_H
#define XDW_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time.h"
#include "crossdock_agent.h"
#include "crossdock_supervise.h"
#include "log.h"

/* Beside what the supervisor knows of a slot. */
struct xdw_record {
    uint32_t crashes; /* in a row */
    uint32_t starts;
    xd_time since;   /* when its process began */
    bool restarting; /* told to end, to be started anew */
    struct xdw_log log;
};

struct xdw_control {
    struct xdw_supervisor *supervisor;
    struct xdw_record *slots;
    uint32_t count;
    xd_time grace;       /* of a restart */
    bool draining;       /* all is about to end */
    xd_time drain_grace; /* ... because somebody asked so: XD_NEVER, nobody did */
};

/* Errors: XD_ERR_NOMEM. */
enum xd_err xdw_control_init(struct xdw_control *control,
                             struct xdw_supervisor *supervisor,
                             uint32_t slots,
                             xd_time grace) XD_MUST_USE;
void xdw_control_fini(struct xdw_control *control);

/* Keep what a notice of the supervisor says, at `now`, and one line of a slot's output or
 * about it. */
void xdw_control_notice(struct xdw_control *control,
                        const struct xdw_notice *notice,
                        xd_time now);
void xdw_control_line(struct xdw_control *control,
                      uint32_t slot,
                      const char *source,
                      const char *text,
                      size_t size);

/* Do what is asked. Returns the answer's text in *text, ended by NUL; free it with
 * free(). The code is the answer's, or XD_ERR_NOMEM without a text (NULL). */
enum xd_err xdw_control_answer(struct xdw_control *control,
                               const struct xd_agent_question *question,
                               xd_time now,
                               char **text);

/* Start anew, with `command`, the slots that were told to restart and have ended. True:
 * one is still on its way. */
bool xdw_control_restart(struct xdw_control *control, const struct xdw_command *command);

#endif
