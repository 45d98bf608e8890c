/* SPDX-License-Identifier: MIT */
/* The worked example's codec: databases go through bytes and back; other bytes are
 * refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_codec.h"

static struct xd_registry *make_registry(void)
{
    struct xd_registry *registry;
    cr_assert_eq(xd_registry_new(&registry), XD_OK);
    cr_assert_eq(sqlite_codec_add(registry, NULL), XD_OK);
    return registry;
}

static struct xd_bytes *encode_database(struct xd_registry *registry, const char *sql)
{
    sqlite3 *db;
    struct xd_bytes *bytes;
    struct xd_error error = {""};
    cr_assert_eq(sqlite_open(&db, NULL), XD_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(xd_encode(registry, SQLITE_TAG, db, &bytes, &error),
                 XD_OK,
                 "%s",
                 error.text);
    sqlite3_close(db);
    return bytes;
}

/* Takes `bytes`. */
static enum xd_err decode(struct xd_registry *registry,
                          struct xd_bytes *bytes,
                          void **out,
                          struct xd_error *error)
{
    struct xd_bytes *tag;
    cr_assert_eq(xd_bytes_text(SQLITE_TAG, &tag), XD_OK);
    struct xd_frame frame = {.bytes = bytes,
                             .tag = tag,
                             .size = bytes->size,
                             .role = XD_FRAME_OBJECT};
    enum xd_err err = xd_decode(registry, &frame, out, error);
    xd_bytes_unref(tag);
    xd_bytes_unref(bytes);
    return err;
}

static int keep_number(void *context, int count, char **cells, char **names)
{
    (void)count, (void)names;
    *(int *)context = atoi(cells[0]);
    return 0;
}

Test(sqlite_codec, a_database_comes_back_and_can_be_written_to)
{
    struct xd_registry *registry = make_registry();
    struct xd_bytes *bytes =
        encode_database(registry, "CREATE TABLE t(a); INSERT INTO t VALUES(40)");
    void *db = NULL;
    int sum = 0;
    cr_assert_eq(decode(registry, bytes, &db, NULL), XD_OK);
    const char *sql = "INSERT INTO t VALUES(2); SELECT sum(a) FROM t";
    cr_expect_eq(sqlite3_exec(db, sql, keep_number, &sum, NULL), SQLITE_OK);
    cr_expect_eq(sum, 42);
    xd_release(registry, SQLITE_TAG, db);
    xd_registry_free(registry);
}

Test(sqlite_codec, an_empty_database_is_one_too)
{
    struct xd_registry *registry = make_registry();
    void *db = NULL;
    struct xd_error error = {""};
    cr_expect_eq(decode(registry, encode_database(registry, ""), &db, &error),
                 XD_OK,
                 "%s",
                 error.text);
    xd_release(registry, SQLITE_TAG, db);
    xd_registry_free(registry);
}

Test(sqlite_codec, bytes_that_are_no_database_are_refused)
{
    struct xd_registry *registry = make_registry();
    for (size_t size = 1; size < 5000; size += 1000) {
        char junk[5000];
        struct xd_bytes *bytes;
        struct xd_error error = {""};
        void *db = NULL;
        memset(junk, 'x', sizeof junk);
        cr_assert_eq(xd_bytes_copy(junk, size, &bytes), XD_OK);
        cr_expect_eq(decode(registry, bytes, &db, &error), XD_ERR_CODEC, "%zu", size);
        cr_expect_not_null(strstr(error.text, SQLITE_TAG), "%s", error.text);
        cr_expect_null(db);
    }
    xd_registry_free(registry);
}
