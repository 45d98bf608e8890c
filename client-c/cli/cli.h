/* SPDX-License-Identifier: MIT */
/* What the verbs of the command line share: exit codes, common options, connecting. */
#ifndef XD_CLI_CLI_H
#define XD_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>

#include "crossdock.h"

/* The exit codes; `crossdock --help` lists them in these words. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_TASK_ENDED_OTHERWISE = 1, /* failed, lost, cancelled, expired, rejected */
    CLI_USAGE = 2,
    CLI_NO_BROKER = 3, /* none answers, or it went away */
    CLI_REFUSED = 4,   /* the broker said no: not found, forbidden, busy, ... */
    CLI_SYSTEM = 5,    /* a file, the network, memory */
};

/* Options that every verb knows, parsed by cli_common_argp with this as its input. */
struct cli_common {
    const char *url; /* NULL: $CROSSDOCK_URL, else the default address */
    bool json;
};

extern const struct argp cli_common_argp;

/* A verb gets its own argument vector ("crossdock VERB" first) and gives the exit code
 * back. */
int cli_serve(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_submit(int argc, char **argv);
int cli_cancel(int argc, char **argv);
int cli_profiles(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_workers(int argc, char **argv);
int cli_drain(int argc, char **argv);
int cli_keys(int argc, char **argv);

/* "crossdock: text" on stderr; gives `code` back. */
int cli_fail(enum cli_exit code, const char *format, ...) XD_PRINTF(2, 3);

/* The exit code for a failed call of the library, after saying why. */
int cli_fail_with(enum xd_err err, const struct xd_error *error);

/* Dial the broker of `common`. CLI_DONE and the client in *out, or the exit code after
 * saying why. */
int cli_connect(const struct cli_common *common, struct xd_client **out);

/* Ask the broker and give its answer in *out (one reference), or the exit code after
 * saying why. */
int cli_ask(const struct cli_common *common,
            const char *verb,
            const char *const *args,
            size_t arg_count,
            struct xd_bytes **out);

/* A task's id as 32 hexadecimal digits, ended by NUL. */
#define CLI_ID_BYTES 33
void cli_id_text(struct xd_task_id id, char out[CLI_ID_BYTES]);

/* Flush stdout; CLI_SYSTEM when something could not be written there. */
int cli_finish_output(void);

#endif
