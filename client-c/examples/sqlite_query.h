/* SPDX-License-Identifier: MIT */
/* Run SQL on one database, keep the rows in another and as text. */
#ifndef SQLITE_QUERY_H
#define SQLITE_QUERY_H

#include <sqlite3.h>

#include "base/err.h"

/* Run the statements in `sql`; the rows of each that has some go into the table "result"
 * of `to` (one statement may have rows, a second one is an error), and into *text: a line
 * of column names and a line for each row, columns between tabs; freed with
 * sqlite3_free(). Errors: XD_ERR_INVALID (SQLite's sentence in `error`), XD_ERR_NOMEM. */
enum xd_err sqlite_query(sqlite3 *from,
                         const char *sql,
                         sqlite3 *to,
                         char **text,
                         struct xd_error *error) XD_MUST_USE;

#endif
