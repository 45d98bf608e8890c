/* SPDX-License-Identifier: MIT */
/* libcrossdock-broker: run the dispatcher inside a process.
 *
 * One thread of its own runs the broker, with all signals blocked, like every thread that
 * starts here; nothing here prints, installs a signal handler or keeps global state. In a
 * forked child the functions answer XD_ERR_GONE. Workers (and other processes' clients)
 * reach it at its addresses, ipc or tcp; the process itself through links. A broker that
 * listens on tcp seeds the C library's rand(), from which libzmq takes routing ids. */
#ifndef CROSSDOCK_BROKER_H
#define CROSSDOCK_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/link.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xd_broker;

/* One line for a log, level 0 error, 1 warning, 2 info, 3 debug; called in the broker's
 * thread. `line` is valid during the call: "what key=value ..." without payloads and
 * keys. */
typedef void xd_broker_log(void *context, int level, const char *line);

/* Zero is a good value for every field. */
struct xd_broker_options {
    const char *const *listen; /* addresses, ended by NULL; NULL: one private ipc address
                                  (see xd_broker_address). An ipc path in a directory that
                                  is not this user's alone, such as /tmp, becomes a
                                  directory, 0700, with the sockets in it */
    uint64_t budget_bytes;     /* of all payloads and records together; 0: none */
    uint64_t budget_tasks;     /* 0: none */
    uint64_t client_bytes, client_tasks;   /* of each client; 0: none */
    uint64_t profile_bytes, profile_tasks; /* of each profile; 0: none */
    const char *const
        *profiles; /* profiles that are there from the start, stay, and are
                      changed by administrators alone: each a name and
                      settings, "gpu weight=2 max_running=8", as those of
                      the verb `set`, and `pool=`. Ended by NULL; NULL: none */
    const uint32_t *uids,
        *gids; /* who may connect besides this process's user; NULL: nobody else */
    size_t uid_count, gid_count;
    const char *state; /* for tcp: the directory of the server's key and the allow-list,
                          where keys are made at the first start; NULL: $CROSSDOCK_STATE,
                          else $XDG_STATE_HOME/crossdock, else ~/.local/state/crossdock */
    uint32_t heartbeat_ms, suspect_ms, lost_ms,
        kill_after_ms;  /* 0: 1000, 1500, 3000, 3000 */
    xd_broker_log *log; /* NULL: silent */
    void *log_context;
};

/* Start the broker and wait until it listens. Returns it in *out.
 * Errors: XD_ERR_INVALID (an address or a profile; `error` names it), XD_ERR_UNSUPPORTED
 * (a transport that there is not), XD_ERR_EXISTS (another broker lives there, or the port
 * is taken), XD_ERR_FORBIDDEN (in the directory others could put sockets in the place of
 * ours, or a file with a key is open to others), XD_ERR_SYSTEM, XD_ERR_NOMEM. Blocks for
 * some milliseconds. Any thread.
 */
enum xd_err xd_broker_start(const struct xd_broker_options *options,
                            struct xd_broker **out,
                            struct xd_error *error) XD_MUST_USE;

/* The first address it listens on, as bound; valid until xd_broker_stop. */
const char *xd_broker_address(const struct xd_broker *broker);

/* Address `index` as it was bound, with the port that 0 became, in the order of the
 * options; NULL after the last. Valid until xd_broker_stop. */
const char *xd_broker_listens(const struct xd_broker *broker, size_t index);

/* The ports of address `index` on tcp, the address's own first: a tunnel has to forward
 * all of them, under the same numbers. Errors: XD_ERR_NOT_FOUND (no such address),
 * XD_ERR_UNSUPPORTED (not tcp). */
#define XD_BROKER_PORTS 3
enum xd_err xd_broker_ports(const struct xd_broker *broker,
                            size_t index,
                            unsigned ports[XD_BROKER_PORTS]) XD_MUST_USE;

/* A link for one client session of this process: pass it to xd_client_connect(), which
 * closes it. Must be closed before xd_broker_stop(); one still open then gives
 * XD_ERR_GONE. Any thread. Errors: XD_ERR_NOMEM, XD_ERR_SYSTEM. */
enum xd_err xd_broker_link(struct xd_broker *broker, struct xd_link **out) XD_MUST_USE;

/* Take no new tasks and wait until what there is has ended, `timeout_ms` at most (-1: no
 * limit). Errors: XD_ERR_TIMEOUT (it goes on draining). Any thread. */
enum xd_err xd_broker_drain(struct xd_broker *broker, int timeout_ms) XD_MUST_USE;

/* Say BYE to everybody, end the thread, remove the socket files, free. Blocks for some
 * milliseconds, at most two seconds. NULL allowed. In a forked child it only frees what
 * it can. */
void xd_broker_stop(struct xd_broker *broker);

/* Wait for the thread's own end (its ZAP handler died, or a drain ended): XD_OK when it
 * ended in order. Errors: XD_ERR_TIMEOUT; XD_ERR_SYSTEM with the reason in `error`. */
enum xd_err xd_broker_wait(struct xd_broker *broker,
                           int timeout_ms,
                           struct xd_error *error) XD_MUST_USE;

/* The state as JSON text (profiles, workers, clients, counters); the caller frees it with
 * free(). Any thread. */
enum xd_err xd_broker_status(struct xd_broker *broker, char **json) XD_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
