/* SPDX-License-Identifier: MIT */
/* Start processes as slots, restart those that crash, end all of them when told, or when
 * this process is gone.
 *
 * One object, no threads: the caller waits on a descriptor (or until a deadline) and
 * calls xdw_supervisor_step(). All functions of one supervisor belong to one thread, and
 * that thread should live as long as the children (see `death_signal`). Nothing is
 * printed, no signal handler is installed, SIGCHLD plays no part, other children of the
 * process are never waited for. A call that fails changes nothing.
 *
 * A slot is a process in a session of its own (setsid), so a Ctrl-C in this terminal does
 * not reach it. It starts with default signal handlers, an empty signal mask, /dev/null
 * as standard input, its output in pipes, every other descriptor closed, the number of
 * its restarts in CROSSDOCK_RESTARTS (ten digits, "0000000000" at first), and one end of
 * a "life pipe": its number stands in CROSSDOCK_LIFE_FD. When this process ends, however
 * it ends, reading there gives end of file, and the child should end itself. */
#ifndef CROSSDOCK_SUPERVISE_H
#define CROSSDOCK_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/id.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The descriptor of the life pipe in every child; also in CROSSDOCK_LIFE_FD. */
#define XDW_LIFE_FD 3

/* Exit codes up to here are a child's own decision and final (as in mirai: 0 in order, 1
 * idle, 2 wall time, 3 task limit). Other codes and signals are crashes. */
#define XDW_FINAL_EXIT_MAX 3

/* X(state, name): where a slot is in its life. */
#define XDW_STATE_LIST(X)                                                                \
    X(VACANT, "vacant")     /* a number without a process; given out again */            \
    X(STARTING, "starting") /* its command is about to be run */                         \
    X(UP, "up")             /* the process runs */                                       \
    X(BACKOFF, "backoff")   /* it crashed; waits for its restart */                      \
    X(STOPPING, "stopping") /* told to end with SIGTERM, within its grace */             \
    X(KILLING, "killing")   /* its process group got SIGKILL; waits for the end */       \
    X(FINISHED, "finished") /* ended for good: a final exit, or it was stopped */        \
    X(FAILED, "failed")     /* cannot run (no such command), or crashed too often */

enum xdw_state {
#define XDW_STATE_ENUM(state, name) XDW_##state,
    XDW_STATE_LIST(XDW_STATE_ENUM)
#undef XDW_STATE_ENUM
        XDW_STATE_COUNT
};

/* "up"; "unknown" outside the list. Static text. */
const char *xdw_state_name(enum xdw_state state);

/* How a process ended. */
enum xdw_how {
    XDW_END_NONE,   /* no process has ended in this slot yet */
    XDW_END_EXIT,   /* `code` is its exit code */
    XDW_END_SIGNAL, /* `code` is the signal */
    XDW_END_UNKNOWN /* someone else in this process waited for it; counts as a crash */
};

struct xdw_end {
    enum xdw_how how;
    int code;
};

/* What a slot runs. Copied. Zero is a good value for all fields but `argv`. */
struct xdw_command {
    const char *const *argv; /* ended by NULL, at least the command; without a slash it is
                                looked up in the PATH that the child gets */
    const char *const *env; /* ended by NULL: "NAME=value" sets, "NAME" takes away; on top
                               of this process's environment at xdw_supervisor_start() */
    const char *dir;        /* working directory; NULL: this process's */
    const char *url;        /* CROSSDOCK_URL; NULL: as inherited */
    const char *profile;    /* CROSSDOCK_PROFILE; NULL: as inherited */
    struct xd_session_id owner; /* CROSSDOCK_OWNER, in decimal; 0: as inherited */
};

/* A slot has changed its state. Valid during the call. */
struct xdw_notice {
    uint32_t slot;
    enum xdw_state state;
    pid_t pid;          /* of the process that runs or has just ended; 0: none */
    struct xdw_end end; /* of the process that has just ended; NONE otherwise */
    uint32_t crashes;   /* in a row, without a stable time between */
    int64_t delay_ns;   /* BACKOFF: until its restart */
    const char *text;   /* FAILED: one sentence with the reason; else "" */
};

enum xdw_stream { XDW_STDOUT = 1, XDW_STDERR = 2 };

/* A line of a child's output, without its line end and not ended by NUL; may hold any
 * bytes. Longer ones come in pieces, of which all but the last have `more` set. Valid
 * during the call. */
struct xdw_line {
    uint32_t slot;
    enum xdw_stream stream;
    const char *text;
    size_t size;
    bool more;
};

struct xdw_supervisor;

/* Zero is a good value for every field. The callbacks run inside step and free, may call
 * start, stop and the questions, but not step, forget or free. */
struct xdw_supervisor_options {
    void (*notice)(void *context, const struct xdw_notice *notice);
    void (*line)(void *context, const struct xdw_line *line);
    void *context;
    size_t line_limit;      /* bytes; 0: 8192 */
    int64_t backoff_ns;     /* before the first restart; doubles each time; 0: 100 ms */
    int64_t backoff_cap_ns; /* 0: 30 s */
    int64_t stable_ns;      /* a process that ran so long crashes "for the first time"; 0:
                               10 s */
    uint32_t give_up_after; /* so many crashes in a row: FAILED; 0: never */
    uint64_t seed;    /* each delay is drawn from its upper half, so that slots do not
                         restart in step; the draw comes from this seed */
    int death_signal; /* Linux: the child gets it when the THREAD that called step() ends
                         (PR_SET_PDEATHSIG); for children that do not watch the life pipe.
                         Only where that thread lives as long as they. 0: none */
    bool plain; /* use neither epoll nor pidfd, as on systems without: then the descriptor
                   is -1 and deadlines come every 20 ms while a process runs */
};

/* Make one without slots. `options` may be NULL. Free it with xdw_supervisor_free().
 * Errors: XD_ERR_NOMEM, XD_ERR_SYSTEM (descriptors). */
enum xd_err xdw_supervisor_new(const struct xdw_supervisor_options *options,
                               struct xdw_supervisor **out,
                               struct xd_error *error) XD_MUST_USE;

/* Kill what still runs, wait for it, close, free. Call xdw_supervisor_stop() before and
 * step until xdw_supervisor_is_over() for an orderly end. In a forked child it only
 * frees: the processes are the parent's. NULL allowed. */
void xdw_supervisor_free(struct xdw_supervisor *supervisor);

/* Give a slot to `command`; the process itself is started by the next step, which notices
 * UP, or FAILED with the reason. Its number is the lowest vacant one (also in
 * CROSSDOCK_SLOT), in *slot. Errors: XD_ERR_INVALID (empty command, bad variable; `error`
 * says which), XD_ERR_NOMEM. */
enum xd_err xdw_supervisor_start(struct xdw_supervisor *supervisor,
                                 const struct xdw_command *command,
                                 uint32_t *slot,
                                 struct xd_error *error) XD_MUST_USE;

#define XDW_ALL_SLOTS UINT32_MAX

/* End a slot for good (or XDW_ALL_SLOTS): SIGTERM to its process group in the next step,
 * SIGKILL after `grace_ns`; 0: SIGKILL at once. A second call can only make it sooner.
 * Harmless for slots without a process; unknown numbers are ignored. `now_ns` as in
 * step. */
void xdw_supervisor_stop(struct xdw_supervisor *supervisor,
                         uint32_t slot,
                         int64_t grace_ns,
                         int64_t now_ns);

/* Send SIGKILL to a slot's process group now; it counts as a crash, so the slot restarts.
 * Errors: XD_ERR_NOT_FOUND (no process there). */
enum xd_err xdw_supervisor_kill(struct xdw_supervisor *supervisor,
                                uint32_t slot) XD_MUST_USE;

/* A finished or failed slot becomes vacant: its number may be given out again. Errors:
 * XD_ERR_NOT_FOUND, XD_ERR_BUSY (it is neither). */
enum xd_err xdw_supervisor_forget(struct xdw_supervisor *supervisor,
                                  uint32_t slot) XD_MUST_USE;

/* Readable when there is something for step to do; for poll(2) and event loops; never
 * read or close it. -1: there is none, go by the deadline. */
int xdw_supervisor_fd(const struct xdw_supervisor *supervisor);

/* When step must be called at the latest; INT64_MAX: not before the descriptor says so.
 */
int64_t xdw_supervisor_deadline(const struct xdw_supervisor *supervisor);

/* Read output, notice ends, start, restart, kill what is due; calls the callbacks. Never
 * waits (but for the exec of a process it starts). `now_ns` is monotonic time in
 * nanoseconds (CLOCK_MONOTONIC), never going back. */
void xdw_supervisor_step(struct xdw_supervisor *supervisor, int64_t now_ns);

/* A slot's state, and its process (0: none); either may be NULL. Unknown: VACANT, 0. */
void xdw_supervisor_slot(const struct xdw_supervisor *supervisor,
                         uint32_t slot,
                         enum xdw_state *state,
                         pid_t *pid);

/* How many slots are in `state`. VACANT ones are not counted: 0. */
uint32_t xdw_supervisor_count(const struct xdw_supervisor *supervisor,
                              enum xdw_state state);

/* Is every slot vacant, finished or failed, so that nothing will happen by itself? */
bool xdw_supervisor_is_over(const struct xdw_supervisor *supervisor);

#ifdef __cplusplus
}
#endif

#endif
