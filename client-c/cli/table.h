/* SPDX-License-Identifier: MIT */
/* A JSON object as text for people: its plain values as lines, its lists as tables. */
#ifndef XD_CLI_TABLE_H
#define XD_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* Print `object` to `stream`: first the plain values, "key  value" a line; then each
 * list of objects as a table whose columns are the keys of its first row; then each
 * object in it like itself under its name. Cells are cut at 63 bytes: the table is for
 * the eye. */
void cli_print_object(FILE *stream, json_t *object);

#endif
