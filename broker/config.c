/* SPDX-License-Identifier: MIT */
/* The broker program's settings. */
#include "config.h"

#include <czmq.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wire/address.h"
#include "wire/keys.h"

#define FILE_MAX_BYTES 65536

enum type {
    TYPE_ADDRESS,
    TYPE_PROFILE,
    TYPE_PATH,
    TYPE_BYTES,
    TYPE_NUMBER,
    TYPE_MS,
    TYPE_UID,
    TYPE_GID
};

struct key {
    const char *name, *help;
    enum type type;
    size_t offset; /* of a number's field in struct xdb_config */
    uint64_t max;
};

#define OPTION(field) offsetof(struct xdb_config, options.field)

static const struct key KEYS[] = {
    {"listen",
     "address to listen on, ipc:///path or tcp://host:port; may come several times",
     TYPE_ADDRESS,
     0,
     0},
    {"state",
     "directory of the server's key and of the keys that may connect over tcp "
     "(default: $CROSSDOCK_STATE, else $XDG_STATE_HOME/crossdock, else "
     "~/.local/state/crossdock)",
     TYPE_PATH,
     0,
     0},
    {"budget_bytes",
     "payloads and records of all clients, 0 for none (default: a quarter of RAM)",
     TYPE_BYTES,
     OPTION(budget_bytes),
     UINT64_MAX},
    {"budget_tasks",
     "tasks of all clients, 0 for none",
     TYPE_NUMBER,
     OPTION(budget_tasks),
     UINT64_MAX},
    {"client_bytes",
     "the same of each client session",
     TYPE_BYTES,
     OPTION(client_bytes),
     UINT64_MAX},
    {"client_tasks", "", TYPE_NUMBER, OPTION(client_tasks), UINT64_MAX},
    {"profile_bytes",
     "the same of each compute profile",
     TYPE_BYTES,
     OPTION(profile_bytes),
     UINT64_MAX},
    {"profile_tasks", "", TYPE_NUMBER, OPTION(profile_tasks), UINT64_MAX},
    {"profile",
     "a compute profile that is there from the start, its name and settings, like 'gpu "
     "weight=2 max_running=8'; may come several times",
     TYPE_PROFILE,
     0,
     0},
    {"allow_uid",
     "a user id that may connect besides our own; may come several times",
     TYPE_UID,
     0,
     UINT32_MAX - 1},
    {"allow_gid",
     "a group id that may connect; may come several times",
     TYPE_GID,
     0,
     UINT32_MAX - 1},
    {"heartbeat_ms",
     "silence after which a heartbeat is sent (1000)",
     TYPE_MS,
     OPTION(heartbeat_ms),
     3600000},
    {"suspect_ms",
     "silence after which a worker gets no new tasks (1500)",
     TYPE_MS,
     OPTION(suspect_ms),
     3600000},
    {"lost_ms",
     "silence after which a session is lost (3000)",
     TYPE_MS,
     OPTION(lost_ms),
     3600000},
    {"kill_after_ms",
     "from a running task's interrupt to the end of its process (3000)",
     TYPE_MS,
     OPTION(kill_after_ms),
     3600000},
    {"drain_ms",
     "how long SIGTERM waits for what is there (2000)",
     TYPE_MS,
     offsetof(struct xdb_config, drain_ms),
     86400000},
    {"log_level",
     "0 errors, 1 warnings, 2 life of peers, 3 everything (2)",
     TYPE_MS,
     offsetof(struct xdb_config, log_level),
     3},
};

#define KEY_COUNT (sizeof KEYS / sizeof KEYS[0])

const char *xdb_config_key(size_t index, const char **help)
{
    if (index >= KEY_COUNT) {
        return NULL;
    }
    *help = KEYS[index].help;
    return KEYS[index].name;
}

void xdb_config_init(struct xdb_config *config)
{
    memset(config, 0, sizeof *config);
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) {
        config->options.budget_bytes = (uint64_t)pages * (uint64_t)size / 4;
    }
    config->drain_ms = 2000;
    config->log_level = 2;
}

void xdb_config_fini(struct xdb_config *config)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        free(config->listen[i]);
    }
    for (size_t i = 0; i < config->profile_count; i++) {
        free(config->profiles[i]);
    }
    free(config->state);
    memset(config, 0, sizeof *config);
}

/* A whole number, with K, M or G where bytes are meant. */
static bool parse_number(const char *text, bool bytes, uint64_t max, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    static const char UNITS[] = "KMG";
    const char *unit = bytes && *end != '\0' ? strchr(UNITS, *end) : NULL;
    if (unit != NULL) {
        int shift = 10 * (int)(unit - UNITS + 1);
        if (value > UINT64_MAX >> shift) {
            return false;
        }
        value <<= shift;
        end++;
    }
    if (*end != '\0' || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static enum xd_err add_text(const char *name,
                            char **list,
                            size_t *count,
                            size_t most,
                            const char *value,
                            struct xd_error *error)
{
    if (*count == most) {
        return xd_fail(error, XD_ERR_INVALID, "%s: at most %zu of them", name, most);
    }
    list[*count] = strdup(value);
    if (list[*count] == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "%s: out of memory", name);
    }
    ++*count;
    return XD_OK;
}

static enum xd_err add_listen(struct xdb_config *config,
                              const char *value,
                              struct xd_error *error)
{
    enum xd_err err = xd_address_check(value, error);
    if (err != XD_OK) {
        return err;
    }
    return add_text("listen",
                    config->listen,
                    &config->listen_count,
                    XDB_LIST_MAX,
                    value,
                    error);
}

/* The broker knows the settings, and says at its start which are wrong. */
static enum xd_err add_profile(struct xdb_config *config,
                               const char *value,
                               struct xd_error *error)
{
    if (value[0] == '\0') {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "profile takes a name and settings, like 'gpu weight=2'");
    }
    return add_text("profile",
                    config->profiles,
                    &config->profile_count,
                    XDB_PROFILES_MAX,
                    value,
                    error);
}

static enum xd_err set_state(struct xdb_config *config,
                             const char *value,
                             struct xd_error *error)
{
    if (value[0] != '/' || strlen(value) >= XD_STATE_MAX_BYTES) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "state takes the absolute path of a directory, not '%.60s'",
                       value);
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "state: out of memory");
    }
    free(config->state);
    config->state = copy;
    return XD_OK;
}

static enum xd_err add_id(uint32_t *ids,
                          size_t *count,
                          uint64_t id,
                          struct xd_error *error)
{
    if (*count == XDB_LIST_MAX) {
        return xd_fail(error, XD_ERR_INVALID, "at most %u allowed ids", XDB_LIST_MAX);
    }
    ids[(*count)++] = (uint32_t)id;
    return XD_OK;
}

static enum xd_err store(struct xdb_config *config,
                         const struct key *key,
                         uint64_t number,
                         struct xd_error *error)
{
    char *field = (char *)config + key->offset;
    uint32_t small = (uint32_t)number;
    switch (key->type) {
    case TYPE_UID:
        return add_id(config->uids, &config->options.uid_count, number, error);
    case TYPE_GID:
        return add_id(config->gids, &config->options.gid_count, number, error);
    case TYPE_MS:
        memcpy(field, &small, sizeof small);
        return XD_OK;
    default:
        memcpy(field, &number, sizeof number);
        return XD_OK;
    }
}

static enum xd_err unknown_key(const char *name, struct xd_error *error)
{
    char list[220] = "";
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t used = strlen(list);
        (void)snprintf(list + used,
                       sizeof list - used,
                       "%s%s",
                       i == 0 ? "" : " ",
                       KEYS[i].name);
    }
    return xd_fail(error,
                   XD_ERR_NOT_FOUND,
                   "no setting '%.40s'; there are %s",
                   name,
                   list);
}

enum xd_err xdb_config_set(struct xdb_config *config,
                           const char *name,
                           const char *value,
                           struct xd_error *error)
{
    const struct key *key = NULL;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].name, name) == 0) {
            key = &KEYS[i];
        }
    }
    if (key == NULL) {
        return unknown_key(name, error);
    }
    if (key->type == TYPE_ADDRESS) {
        return add_listen(config, value, error);
    }
    if (key->type == TYPE_PROFILE) {
        return add_profile(config, value, error);
    }
    if (key->type == TYPE_PATH) {
        return set_state(config, value, error);
    }
    uint64_t number;
    if (!parse_number(value, key->type == TYPE_BYTES, key->max, &number)) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "%s takes a whole number%s up to %llu, not '%.40s'",
                       key->name,
                       key->type == TYPE_BYTES ? " (with K, M or G)" : "",
                       (unsigned long long)key->max,
                       value);
    }
    return store(config, key, number, error);
}

static enum xd_err check_file(const char *path, struct xd_error *error)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "%s is no configuration: not a file of at most %d bytes",
                       path,
                       FILE_MAX_BYTES);
    }
    return XD_OK;
}

static enum xd_err take_key(struct xdb_config *config,
                            zconfig_t *item,
                            const char *path,
                            struct xd_error *error)
{
    const char *name = zconfig_name(item);
    zconfig_t *child = zconfig_child(item);
    enum xd_err err = XD_OK;
    if (child == NULL) {
        err = xdb_config_set(config, name, zconfig_value(item), error);
    }
    for (; err == XD_OK && child != NULL; child = zconfig_next(child)) {
        err = xdb_config_set(config, name, zconfig_value(child), error);
    }
    return err == XD_OK ? XD_OK : xd_fail_in(error, err, path);
}

enum xd_err xdb_config_load(struct xdb_config *config,
                            const char *path,
                            struct xd_error *error)
{
    enum xd_err err = check_file(path, error);
    if (err != XD_OK) {
        return err;
    }
    zconfig_t *root = zconfig_load(path);
    if (root == NULL) {
        return xd_fail(error, XD_ERR_INVALID, "%s is not valid ZPL (name = value)", path);
    }
    zconfig_t *section = zconfig_locate(root, "broker");
    if (section == NULL) {
        err = xd_fail(error, XD_ERR_INVALID, "%s has no section 'broker'", path);
    }
    zconfig_t *item = section == NULL ? NULL : zconfig_child(section);
    for (; err == XD_OK && item != NULL; item = zconfig_next(item)) {
        err = take_key(config, item, path, error);
    }
    zconfig_destroy(&root);
    return err;
}

enum xd_err xdb_config_finish(struct xdb_config *config, struct xd_error *error)
{
    if (config->listen_count == 0) {
        char address[XD_ADDRESS_MAX_BYTES];
        enum xd_err err = xd_address_default(address, error);
        if (err == XD_OK) {
            err = add_listen(config, address, error);
        }
        if (err != XD_OK) {
            return err;
        }
    }
    config->options.listen = (const char *const *)config->listen;
    config->options.profiles = (const char *const *)config->profiles;
    config->options.state = config->state;
    config->options.uids = config->uids;
    config->options.gids = config->gids;
    return XD_OK;
}
