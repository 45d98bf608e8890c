/* SPDX-License-Identifier: MIT */
/* Requests to the loop from other threads of the process: one at a time each, answered
 * before it returns. */
#ifndef XDB_IO_COMMAND_H
#define XDB_IO_COMMAND_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct xdb_server;

enum xdb_command_kind {
    XDB_COMMAND_NONE,
    XDB_COMMAND_STATUS,
    XDB_COMMAND_DRAIN,
    XDB_COMMAND_STOP
};

/* The place where one request at a time is handed over; all fields under the lock. */
struct xdb_commands {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum xdb_command_kind asked;
    bool answered, ended, drained;
    enum xd_err err;
    char *json;         /* STATUS: malloc'ed, the asker's */
    enum xd_err result; /* of the loop, once it has ended */
    struct xd_error why;
};

enum xd_err xdb_commands_init(struct xdb_commands *commands) XD_MUST_USE;
void xdb_commands_fini(struct xdb_commands *commands);

/* Any thread: ask and wait for the answer. XD_ERR_GONE: the loop has ended. `json` only
 * for STATUS. */
enum xd_err xdb_command(struct xdb_commands *commands,
                        int wake_fd,
                        enum xdb_command_kind kind,
                        char **json) XD_MUST_USE;

/* Any thread: wait until `*flag` (one of `ended`, `drained`) is set, `timeout_ms` at
 * most. */
enum xd_err xdb_commands_wait(struct xdb_commands *commands,
                              const bool *flag,
                              int timeout_ms) XD_MUST_USE;

/* Loop: answer what is asked. */
void xdb_commands_serve(struct xdb_server *server);

/* Loop: nothing is left after a drain. */
void xdb_commands_drained(struct xdb_commands *commands);

/* Loop: it has ended; askers hear XD_ERR_GONE from now on. */
void xdb_commands_end(struct xdb_commands *commands,
                      enum xd_err result,
                      const struct xd_error *why);

#endif
