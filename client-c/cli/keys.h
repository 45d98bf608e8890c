/* SPDX-License-Identifier: MIT */
/* What the verbs of `crossdock keys` share. */
#ifndef XD_CLI_KEYS_H
#define XD_CLI_KEYS_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "wire/keys.h"

/* Options that each of them knows, parsed by cli_keys_argp with this as its input. */
struct cli_keys {
    const char *given; /* of --state */
    bool json;
    char state[XD_STATE_MAX_BYTES];
};

extern const struct argp cli_keys_argp;

/* Parse the verb's arguments (`input` begins with its struct cli_keys) and fill `state`.
 * CLI_DONE, or the exit code after saying why. */
int cli_keys_begin(const struct argp *argp, int argc, char **argv, void *input);

/* After a failed call about files: CLI_USAGE for XD_ERR_INVALID if `usage`, otherwise
 * CLI_SYSTEM. */
int cli_keys_fail(enum xd_err err, const struct xd_error *error, bool usage);

/* Print and release `answer`, which NULL says there was no memory for. */
int cli_keys_print(json_t *answer, bool json);

/* The verbs. */
int cli_keys_new(int argc, char **argv);
int cli_keys_server(int argc, char **argv);
int cli_keys_list(int argc, char **argv);
int cli_keys_add(int argc, char **argv);

#endif
