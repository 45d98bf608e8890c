/* SPDX-License-Identifier: MIT */
/* SQLite databases to bytes and back (https://www.sqlite.org/c3ref/serialize.html). */
#include "sqlite_codec.h"

#include <string.h>

enum xd_err sqlite_open(sqlite3 **out, struct xd_error *error)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) {
        sqlite3_close(db);
        return xd_fail(error, XD_ERR_NOMEM, "no memory for a database");
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    *out = db;
    return XD_OK;
}

/* SQLite's own buffer becomes the payload: no copy is made here. */
static enum xd_err encode(void *context,
                          const void *object,
                          struct xd_bytes **out,
                          struct xd_error *error)
{
    (void)context;
    union {
        const void *object;
        sqlite3 *db;
    } handle = {.object =
                    object}; /* only read, but SQLite's call takes it without const */
    sqlite3_int64 size = -1;
    unsigned char *data = sqlite3_serialize(handle.db, "main", &size, 0);
    if (!data && size == 0) { /* nothing was ever written to it: no pages, no bytes */
        return xd_bytes_copy(NULL, 0, out);
    }
    if (!data) {
        return xd_fail(error, XD_ERR_NOMEM, "sqlite3_serialize() gave nothing");
    }
    enum xd_err err = xd_bytes_wrap(data, (size_t)size, sqlite3_free, data, out);
    if (err) {
        sqlite3_free(data);
        return xd_fail(error, err, "no memory for the database's bytes");
    }
    return XD_OK;
}

/* Does SQLite find a database in the bytes? It looks only when first asked something. */
static enum xd_err check(sqlite3 *db, struct xd_error *error)
{
    if (sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL) != SQLITE_OK) {
        return xd_fail(error, XD_ERR_CODEC, "%s", sqlite3_errmsg(db));
    }
    return XD_OK;
}

static enum xd_err fill(sqlite3 *db, const struct xd_bytes *bytes, struct xd_error *error)
{
    sqlite3_int64 size = (sqlite3_int64)bytes->size;
    if (size == 0) {
        return XD_OK; /* as it is: empty */
    }
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)size);
    if (!copy) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for the database");
    }
    memcpy(copy, bytes->data, bytes->size);
    unsigned flags = SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE;
    if (sqlite3_deserialize(db, "main", copy, size, size, flags) != SQLITE_OK) {
        return xd_fail(error, XD_ERR_CODEC, "%s", sqlite3_errmsg(db));
    }
    return check(db, error);
}

static enum xd_err decode(void *context,
                          struct xd_bytes *bytes,
                          void **out,
                          struct xd_error *error)
{
    (void)context;
    sqlite3 *db = NULL;
    enum xd_err err = sqlite_open(&db, error);
    if (err) {
        return err;
    }
    err = fill(db, bytes, error);
    if (err) {
        sqlite3_close(db);
        return err;
    }
    *out = db;
    return XD_OK;
}

static void release(void *context, void *object)
{
    (void)context;
    sqlite3_close(object);
}

enum xd_err sqlite_codec_add(struct xd_registry *registry, struct xd_error *error)
{
    const struct xd_codec codec = {
        .tag = SQLITE_TAG,
        .encode = encode,
        .decode = decode,
        .release = release,
    };
    return xd_registry_add(registry, &codec, error);
}
