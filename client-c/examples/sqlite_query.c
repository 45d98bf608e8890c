/* SPDX-License-Identifier: MIT */
/* Statements, rows, text. */
#include "sqlite_query.h"

#include <stdbool.h>

static enum xd_err complain(struct xd_error *error, sqlite3 *db)
{
    enum xd_err err = sqlite3_errcode(db) == SQLITE_NOMEM ? XD_ERR_NOMEM : XD_ERR_INVALID;
    return xd_fail(error, err, "SQL: %s", sqlite3_errmsg(db));
}

/* `CREATE TABLE result("a","b")` and `INSERT INTO result VALUES(?,?)`. */
static enum xd_err make_table(sqlite3 *to,
                              sqlite3_stmt *rows,
                              sqlite3_stmt **insert,
                              struct xd_error *error)
{
    sqlite3_str *create = sqlite3_str_new(to), *values = sqlite3_str_new(to);
    sqlite3_str_appendall(create, "CREATE TABLE result(");
    sqlite3_str_appendall(values, "INSERT INTO result VALUES(");
    for (int i = 0; i < sqlite3_column_count(rows); i++) {
        const char *comma = i ? "," : "";
        sqlite3_str_appendf(create, "%s\"%w\"", comma, sqlite3_column_name(rows, i));
        sqlite3_str_appendf(values, "%s?", comma);
    }
    sqlite3_str_appendall(create, ")");
    sqlite3_str_appendall(values, ")");
    char *create_sql = sqlite3_str_finish(create),
         *insert_sql = sqlite3_str_finish(values);
    enum xd_err err = XD_OK;
    if (!create_sql || !insert_sql) {
        err = xd_fail(error, XD_ERR_NOMEM, "no memory for a statement");
    } else if (sqlite3_exec(to, create_sql, NULL, NULL, NULL) != SQLITE_OK ||
               sqlite3_prepare_v2(to, insert_sql, -1, insert, NULL) != SQLITE_OK) {
        err = complain(error, to);
    }
    sqlite3_free(create_sql);
    sqlite3_free(insert_sql);
    return err;
}

static void write_names(sqlite3_stmt *rows, sqlite3_str *text)
{
    for (int i = 0; i < sqlite3_column_count(rows); i++) {
        sqlite3_str_appendf(text, "%s%s", i ? "\t" : "", sqlite3_column_name(rows, i));
    }
    sqlite3_str_appendall(text, "\n");
}

static int copy_row(sqlite3_stmt *rows, sqlite3_stmt *insert, sqlite3_str *text)
{
    for (int i = 0; i < sqlite3_column_count(rows); i++) {
        sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
        const unsigned char *cell = sqlite3_column_text(rows, i);
        sqlite3_str_appendf(text,
                            "%s%s",
                            i ? "\t" : "",
                            cell ? (const char *)cell : "NULL");
    }
    sqlite3_str_appendall(text, "\n");
    int code = sqlite3_step(insert);
    sqlite3_reset(insert);
    return code;
}

static enum xd_err run_statement(sqlite3 *from,
                                 sqlite3_stmt *rows,
                                 sqlite3 *to,
                                 sqlite3_str *text,
                                 struct xd_error *error)
{
    sqlite3_stmt *insert = NULL;
    if (sqlite3_column_count(rows) > 0) {
        enum xd_err err = make_table(to, rows, &insert, error);
        if (err) {
            return err;
        }
        write_names(rows, text);
    }
    int code, copied = SQLITE_DONE;
    while (copied == SQLITE_DONE && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        copied = copy_row(rows, insert, text);
    }
    enum xd_err err = XD_OK;
    if (copied != SQLITE_DONE) {
        err = complain(error, to);
    } else if (code != SQLITE_DONE) {
        err = complain(error, from);
    }
    sqlite3_finalize(insert);
    return err;
}

static enum xd_err run_all(sqlite3 *from,
                           const char *sql,
                           sqlite3 *to,
                           sqlite3_str *text,
                           struct xd_error *error)
{
    enum xd_err err = XD_OK;
    while (!err && *sql) {
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(from, sql, -1, &statement, &sql) != SQLITE_OK) {
            return complain(error, from);
        }
        if (statement) { /* NULL for a comment, or blanks */
            err = run_statement(from, statement, to, text, error);
        }
        sqlite3_finalize(statement);
    }
    return err;
}

enum xd_err sqlite_query(sqlite3 *from,
                         const char *sql,
                         sqlite3 *to,
                         char **text,
                         struct xd_error *error)
{
    sqlite3_str *built = sqlite3_str_new(from);
    enum xd_err err = run_all(from, sql, to, built, error);
    bool full = sqlite3_str_errcode(built) != SQLITE_OK;
    char *made = sqlite3_str_finish(built);
    if (!err && full) {
        err = xd_fail(error, XD_ERR_TOO_LARGE, "the rows as text are too large");
    }
    if (!err && !made) {
        made = sqlite3_mprintf("");
        err = made ? XD_OK : xd_fail(error, XD_ERR_NOMEM, "no memory for the text");
    }
    if (err) {
        sqlite3_free(made);
        return err;
    }
    *text = made;
    return XD_OK;
}
