/* SPDX-License-Identifier: MIT */
/* What the broker answered, shown. */
#ifndef XD_CLI_ANSWER_H
#define XD_CLI_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "cli.h"

/* The JSON of an answer (json_decref() it); NULL after saying why: CLI_REFUSED. */
json_t *cli_read_answer(const struct xd_bytes *text);

/* The answer as JSON, or by `show`. Gives the exit code. */
int cli_show_json(json_t *answer, bool json, void (*show)(json_t *answer));

/* For `show`: everything in it, as it is. */
void cli_print_stdout(json_t *answer);

/* A JSON text: as it is, or by `show`. Gives the exit code. */
int cli_answer_json(const struct xd_bytes *text, bool json, void (*show)(json_t *answer));

/* Lines of a name and a value: as a table, or as a JSON object. */
int cli_answer_lines(const struct xd_bytes *text, bool json);

#endif
