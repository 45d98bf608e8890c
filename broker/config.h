/* SPDX-License-Identifier: MIT */
/* The broker program's settings: one table for the file, the command line and the help
 * text. */
#ifndef XDB_CONFIG_H
#define XDB_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "crossdock_broker.h"

#define XDB_LIST_MAX 8u /* addresses, uids, gids */
#define XDB_PROFILES_MAX 64u

struct xdb_config {
    char *listen[XDB_LIST_MAX + 1]; /* ended by NULL */
    uint32_t uids[XDB_LIST_MAX], gids[XDB_LIST_MAX];
    struct xd_broker_options options;     /* filled by xdb_config_finish() */
    char *profiles[XDB_PROFILES_MAX + 1]; /* ended by NULL */
    size_t profile_count;
    char *state;
    uint32_t drain_ms, log_level;
    size_t listen_count;
};

/* Defaults: budget a quarter of RAM, drain 2 s, log level 2 (info). */
void xdb_config_init(struct xdb_config *config);
void xdb_config_fini(struct xdb_config *config);

/* Set one key from text. Lists grow; numbers of bytes take K, M, G. Errors:
 * XD_ERR_NOT_FOUND (`error` lists the keys), XD_ERR_INVALID (`error` says what the key
 * takes), XD_ERR_NOMEM. */
enum xd_err xdb_config_set(struct xdb_config *config,
                           const char *key,
                           const char *value,
                           struct xd_error *error) XD_MUST_USE;

/* Read a file in ZPL (ZeroMQ RFC 4): section `broker`, its keys the ones above; `listen`
 * and `profile` may be sections with one key for each. At most 64 KiB. `error` names file
 * and key. */
enum xd_err xdb_config_load(struct xdb_config *config,
                            const char *path,
                            struct xd_error *error) XD_MUST_USE;

/* Point `options` at the lists; the default address when none was given. */
enum xd_err xdb_config_finish(struct xdb_config *config,
                              struct xd_error *error) XD_MUST_USE;

/* One key after the other for help texts, from 0; NULL at the end. */
const char *xdb_config_key(size_t index, const char **help);

#endif
