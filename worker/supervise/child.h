/* SPDX-License-Identifier: MIT */
/* One child process: started in a session of its own, watched, ended with all its group.
 */
#ifndef XDW_SUPERVISE_CHILD_H
#define XDW_SUPERVISE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "crossdock_supervise.h"
#include "supervise/plan.h"

/* Descriptors are -1 when there is none. */
struct xdw_child {
    pid_t pid;     /* 0: no process */
    int pidfd;     /* readable when it has ended */
    int life_fd;   /* our end of its life pipe; nothing is ever written */
    int out_fd[2]; /* its stdout and stderr, never blocking */
};

#define XDW_CHILD_NONE                                                                   \
    {                                                                                    \
        .pid = 0, .pidfd = -1, .life_fd = -1, .out_fd = { -1, -1 }                       \
    }

/* Start `plan` and wait until it has been executed. Errors: XD_ERR_SYSTEM and
 * XD_ERR_NOMEM (no room for a process or descriptors: may go well later); all others are
 * the command's own: XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN, XD_ERR_INVALID,
 * XD_ERR_TOO_LARGE; `error` names the command and why. */
enum xd_err xdw_child_start(struct xdw_child *child,
                            const struct xdw_plan *plan,
                            int death_signal,
                            bool plain,
                            struct xd_error *error) XD_MUST_USE;

/* Has it ended (or, with `wait`: wait for that)? Then its left group members are killed
 * and the process is waited for: true, and how it ended in *end. */
bool xdw_child_reap(struct xdw_child *child, bool wait, struct xdw_end *end);

/* Send `signal` to its process group; harmless without a process. */
void xdw_child_signal(const struct xdw_child *child, int signal);

/* Close all descriptors. */
void xdw_child_close(struct xdw_child *child);

#endif
