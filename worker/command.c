/* SPDX-License-Identifier: MIT */
/* The slots' command line and environment. */
#include "command.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handlers.h"
#include "host.h"

struct xdw_self {
    char file[PATH_MAX], modules[XDW_MODULES_MAX][PATH_MAX], hold[12];
    const char *argv[2 * XDW_MODULES_MAX + 5];
};

static enum xd_err fill_self(struct xdw_self *self,
                             const struct xdw_options *options,
                             struct xd_error *error)
{
    ssize_t size = readlink("/proc/self/exe", self->file, PATH_MAX - 1);
    if (size <= 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "/proc/self/exe cannot be read");
    }
    self->file[size] = '\0';
    snprintf(self->hold, sizeof self->hold, "%" PRIu32, options->hold);
    const char **arg = self->argv;
    *arg++ = self->file;
    *arg++ = "--slot";
    *arg++ = "--hold";
    *arg++ = self->hold;
    for (int i = 0; options->modules[i]; i++) {
        enum xd_err err = xdw_module_file(options->modules[i], self->modules[i], error);
        if (err) {
            return err;
        }
        *arg++ = "--module";
        *arg++ = self->modules[i];
    }
    *arg = NULL;
    return XD_OK;
}

/* One more variable, made by asprintf() with this result. */
static bool put(struct xdw_slot_command *made, char **variable, int size)
{
    const char **at = made->env;
    while (*at != NULL) {
        at++;
    }
    if (size < 0) {
        *variable = NULL; /* undefined by then */
    }
    *at = *variable;
    return size >= 0;
}

/* "CROSSDOCK_LABELS=gpu,zone=a". */
static int join_labels(const struct xdw_options *options, char **out)
{
    size_t size;
    FILE *text = open_memstream(out, &size);
    if (text == NULL) {
        return -1;
    }
    fputs("CROSSDOCK_LABELS=", text);
    for (int i = 0; options->labels[i]; i++) {
        fprintf(text, "%s%s", i > 0 ? "," : "", options->labels[i]);
    }
    return fclose(text);
}

/* Does one of the words begin with `name` and an equals sign? */
static bool names(const char *has, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = has; (at = strstr(at, name)) != NULL; at += size) {
        if ((at == has || at[-1] == ' ') && at[size] == '=') {
            return true;
        }
    }
    return false;
}

/* "CROSSDOCK_HAS=gpu=1 cores=0.50 memory=2048M": what was said, and a slot's share of the
 * host. */
static int join_has(const struct xdw_options *options, char **out)
{
    const char *given = options->has != NULL ? options->has : getenv("CROSSDOCK_HAS");
    uint32_t cores = xdw_host_cores();
    uint64_t megabytes = xdw_host_memory() / options->slots / 1000000;
    unsigned hundredths = (unsigned)((uint64_t)cores * 100 / options->slots);
    size_t size;
    FILE *text = open_memstream(out, &size);
    if (text == NULL) {
        return -1;
    }
    given = given == NULL ? "" : given;
    const char *gap = given[0] == '\0' ? "" : " ";
    fprintf(text, "CROSSDOCK_HAS=%s", given);
    if (cores > 0 && !names(given, "cores")) {
        fprintf(text, "%scores=%u.%02u", gap, hundredths / 100, hundredths % 100);
        gap = " ";
    }
    if (megabytes > 0 && !names(given, "memory")) {
        fprintf(text, "%smemory=%" PRIu64 "M", gap, megabytes);
    }
    return fclose(text);
}

static bool fill_env(struct xdw_slot_command *made,
                     const struct xdw_options *options,
                     uint64_t agent)
{
    bool ok = put(made,
                  &made->agent,
                  asprintf(&made->agent, "CROSSDOCK_AGENT=%" PRIu64, agent));
    if (ok && options->name) {
        ok = put(made,
                 &made->name,
                 asprintf(&made->name, "CROSSDOCK_NAME=%s", options->name));
    }
    ok = ok && put(made, &made->has, join_has(options, &made->has));
    if (ok && options->labels[0]) {
        ok = put(made, &made->labels, join_labels(options, &made->labels));
    }
    return ok;
}

enum xd_err xdw_slot_command_make(struct xdw_slot_command *made,
                                  const struct xdw_options *options,
                                  uint64_t agent,
                                  struct xd_error *error)
{
    *made = (struct xdw_slot_command){.command = {.argv = options->command,
                                                  .env = made->env,
                                                  .url = options->url,
                                                  .profile = options->profile}};
    if (!fill_env(made, options, agent)) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory");
    }
    if (options->command) {
        return XD_OK;
    }
    made->self = calloc(1, sizeof *made->self);
    if (made->self == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory");
    }
    made->command.argv = made->self->argv;
    return fill_self(made->self, options, error);
}

void xdw_slot_command_fini(struct xdw_slot_command *made)
{
    free(made->self);
    free(made->agent);
    free(made->name);
    free(made->labels);
    free(made->has);
    *made = (struct xdw_slot_command){.self = NULL};
}
