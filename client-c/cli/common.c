/* SPDX-License-Identifier: MIT */
/* Common options, messages and the connection of every verb. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* More than the broker gives a host agent. */
#define ANSWER_TIMEOUT_MS 15000

static const struct argp_option common_options[] = {
    {"url",
     'u',
     "ADDRESS",
     0,
     "The broker, like ipc:///run/crossdock/broker "
     "(default: $CROSSDOCK_URL, else this user's own broker)",
     10},
    {"json", 'j', NULL, 0, "Print JSON", 10},
    {0},
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct cli_common *common = state->input;
    switch (key) {
    case 'u':
        common->url = arg;
        return 0;
    case 'j':
        common->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_common_argp = {.options = common_options, .parser = parse_common};

int cli_fail(enum cli_exit code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("crossdock: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return (int)code;
}

static enum cli_exit exit_of(enum xd_err err)
{
    switch (err) {
    case XD_ERR_TIMEOUT:
    case XD_ERR_GONE:
    case XD_ERR_VERSION:
        return CLI_NO_BROKER;
    case XD_ERR_INVALID:
        return CLI_USAGE;
    case XD_ERR_NOMEM:
    case XD_ERR_SYSTEM:
        return CLI_SYSTEM;
    default:
        return CLI_REFUSED;
    }
}

int cli_fail_with(enum xd_err err, const struct xd_error *error)
{
    const char *why =
        error != NULL && error->text[0] != '\0' ? error->text : xd_err_text(err);
    return cli_fail(exit_of(err), "%s", why);
}

int cli_connect(const struct cli_common *common, struct xd_client **out)
{
    struct xd_client_options options = {.address = common->url};
    struct xd_error error = {.text = ""};
    enum xd_err err = xd_client_connect(&options, out, &error);
    if (err == XD_OK) {
        return CLI_DONE;
    }
    int code = cli_fail_with(err, &error);
    if (err == XD_ERR_TIMEOUT) {
        fputs("Is a broker running? Start one with: crossdock serve\n", stderr);
    }
    return code;
}

int cli_ask(const struct cli_common *common,
            const char *verb,
            const char *const *args,
            size_t arg_count,
            struct xd_bytes **out)
{
    struct xd_client *client = NULL;
    struct xd_error error = {.text = ""};
    int code = cli_connect(common, &client);
    if (code != CLI_DONE) {
        return code;
    }
    enum xd_err err =
        xd_admin(client, verb, args, arg_count, ANSWER_TIMEOUT_MS, out, &error);
    if (err == XD_ERR_GONE && xd_client_state(client, NULL) == XD_OK) {
        code = cli_fail(CLI_REFUSED, "%s", error.text); /* another one is gone */
    } else if (err != XD_OK) {
        code = cli_fail_with(err, &error);
    }
    xd_client_close(client);
    return code;
}

int cli_finish_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cli_fail(CLI_SYSTEM, "standard output: %s", strerror(errno));
    }
    return CLI_DONE;
}

void cli_id_text(struct xd_task_id id, char out[CLI_ID_BYTES])
{
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        snprintf(out + 2 * i, 3, "%02x", id.bytes[i]);
    }
}
