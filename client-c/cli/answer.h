/* SPDX-License-Identifier: MIT */
/* What the broker answered, shown. */
#ifndef XD_CLI_ANSWER_H
#define XD_CLI_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "cli.h"

/* A JSON text: as it is, or by `show`. Gives the exit code. */
int cli_answer_json(const struct xd_bytes *text, bool json, void (*show)(json_t *answer));

/* Lines of a name and a value: as a table, or as a JSON object. */
int cli_answer_lines(const struct xd_bytes *text, bool json);

#endif
