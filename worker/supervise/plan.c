/* SPDX-License-Identifier: MIT */
/* Copies of commands, merged environments, PATH. */
#include "supervise/plan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = xd_alloc(size);
    if (copy) {
        memcpy(copy, text, size);
    }
    return copy;
}

static size_t list_length(const char *const *list)
{
    size_t n = 0;
    while (list && list[n]) {
        n++;
    }
    return n;
}

static void list_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        xd_free(list[i]);
    }
    xd_free(list);
}

static size_t name_length(const char *entry)
{
    return strcspn(entry, "=");
}

/* Set or take away one variable. `env` has room for one more and for NULL behind it. */
static bool env_put(char **env, const char *entry)
{
    size_t name = name_length(entry);
    size_t i = 0;
    while (env[i] && (strncmp(env[i], entry, name) != 0 || env[i][name] != '=')) {
        i++;
    }
    if (!entry[name]) { /* only a name */
        if (env[i]) {
            xd_free(env[i]);
            memmove(&env[i],
                    &env[i + 1],
                    list_length((const char *const *)&env[i]) * sizeof *env);
        }
        return true;
    }
    char *copy = copy_text(entry);
    if (!copy) {
        return false;
    }
    xd_free(env[i]);
    env[i] = copy;
    return true;
}

static bool env_put_pair(char **env, const char *name, const char *value)
{
    if (!value) {
        return true;
    }
    size_t size = strlen(name) + strlen(value) + 2;
    char *entry = xd_alloc(size);
    if (!entry) {
        return false;
    }
    snprintf(entry, size, "%s=%s", name, value);
    bool ok = env_put(env, entry);
    xd_free(entry);
    return ok;
}

static bool env_put_number(char **env, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return env_put_pair(env, name, text);
}

static char **list_copy(const char *const *list, size_t more)
{
    size_t count = list_length(list);
    char **copy = xd_calloc(count + more + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = copy_text(list[i]);
        if (!copy[i]) {
            list_free(copy);
            return NULL;
        }
    }
    return copy;
}

/* The names crossdock sets by itself; url, profile, owner, slot, life pipe, restarts. */
#define OWN_VARIABLES 6

/* Always as wide, so that a start needs no memory. */
#define RESTARTS "CROSSDOCK_RESTARTS"
#define RESTARTS_DIGITS 10

static char **make_env(const struct xdw_command *command,
                       uint32_t slot,
                       char *const *base)
{
    char **env =
        list_copy((const char *const *)base, list_length(command->env) + OWN_VARIABLES);
    if (!env) {
        return NULL;
    }
    /* a slot of ours is none of an agent's above us, unless it is said so */
    bool ok = env_put(env, "CROSSDOCK_AGENT");
    for (size_t i = 0; ok && command->env && command->env[i]; i++) {
        ok = env_put(env, command->env[i]);
    }
    ok =
        ok && env_put_pair(env, "CROSSDOCK_URL", command->url) &&
        env_put_pair(env, "CROSSDOCK_PROFILE", command->profile) &&
        (!command->owner.n || env_put_number(env, "CROSSDOCK_OWNER", command->owner.n)) &&
        env_put_number(env, "CROSSDOCK_SLOT", slot) &&
        env_put_number(env, "CROSSDOCK_LIFE_FD", XDW_LIFE_FD) &&
        env_put_pair(env, RESTARTS, "0000000000");
    if (!ok) {
        list_free(env);
        return NULL;
    }
    return env;
}

static enum xd_err check(const struct xdw_command *command, struct xd_error *error)
{
    if (!command->argv || !command->argv[0] || !command->argv[0][0]) {
        return xd_fail(error, XD_ERR_INVALID, "the command is empty");
    }
    for (size_t i = 0; command->env && command->env[i]; i++) {
        if (name_length(command->env[i]) == 0) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "environment: \"%s\" has no name",
                           command->env[i]);
        }
    }
    return XD_OK;
}

enum xd_err xdw_plan_make(struct xdw_plan *plan,
                          const struct xdw_command *command,
                          uint32_t slot,
                          char *const *base,
                          struct xd_error *error)
{
    enum xd_err err = check(command, error);
    if (err) {
        return err;
    }
    struct xdw_plan made = {
        .argv = list_copy(command->argv, 0),
        .envp = make_env(command, slot, base),
        .dir = command->dir ? copy_text(command->dir) : NULL,
    };
    if (!made.argv || !made.envp || (command->dir && !made.dir)) {
        xdw_plan_fini(&made);
        return xd_fail(error, XD_ERR_NOMEM, "no memory for the command");
    }
    *plan = made;
    return XD_OK;
}

void xdw_plan_fini(struct xdw_plan *plan)
{
    list_free(plan->argv);
    list_free(plan->envp);
    xd_free(plan->dir);
    *plan = (struct xdw_plan){0};
}

static char *value_of(const struct xdw_plan *plan, const char *name)
{
    size_t size = strlen(name);
    for (char **entry = plan->envp; *entry; entry++) {
        if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=') {
            return *entry + size + 1;
        }
    }
    return NULL;
}

const char *xdw_plan_env(const struct xdw_plan *plan, const char *name)
{
    return value_of(plan, name);
}

void xdw_plan_restarts(struct xdw_plan *plan, uint32_t count)
{
    (void)snprintf(value_of(plan, RESTARTS),
                   RESTARTS_DIGITS + 1,
                   "%0*" PRIu32,
                   RESTARTS_DIGITS,
                   count);
}

static bool is_program(const char *path, bool *exists)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return false;
    }
    *exists = true;
    return access(path, X_OK) == 0;
}

enum xd_err xdw_plan_find(const struct xdw_plan *plan,
                          char *path,
                          size_t room,
                          struct xd_error *error)
{
    const char *name = plan->argv[0];
    if (strlen(name) >= room) {
        return xd_fail(error, XD_ERR_TOO_LARGE, "the command's name is too long");
    }
    if (strchr(name, '/')) { /* execve itself says what is wrong with it */
        snprintf(path, room, "%s", name);
        return XD_OK;
    }
    const char *dirs = xdw_plan_env(plan, "PATH");
    dirs = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin";
    bool exists = false;
    for (bool last = false; !last;) {
        size_t size = strcspn(dirs, ":");
        int all = size ? snprintf(path, room, "%.*s/%s", (int)size, dirs, name)
                       : snprintf(path, room, "./%s", name); /* an empty entry is "." */
        if (all > 0 && (size_t)all < room && is_program(path, &exists)) {
            return XD_OK;
        }
        last = dirs[size] == '\0';
        dirs += size + !last;
    }
    return exists ? xd_fail(error, XD_ERR_FORBIDDEN, "not executable: %s", name)
                  : xd_fail(error, XD_ERR_NOT_FOUND, "command not found: %s", name);
}
