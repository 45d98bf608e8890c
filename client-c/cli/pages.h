/* SPDX-License-Identifier: MIT */
/* Questions whose answer may be larger than a message. */
#ifndef XD_CLI_PAGES_H
#define XD_CLI_PAGES_H

#include <jansson.h>

#include "cli.h"

/* Ask "status" or "workers", and for the rest of each list that was cut, until all is
 * there: one object in *out (json_decref() it), or the exit code after saying why. What
 * comes or goes meanwhile may be in it or not. */
int cli_ask_lists(const struct cli_common *common, const char *verb, json_t **out);

#endif
