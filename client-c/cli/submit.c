/* SPDX-License-Identifier: MIT */
/* `crossdock submit`: runs one handler with files or texts as payloads, shows its
 * results.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "payload.h"
#include "report.h"

#define PAYLOADS_MAX 1000
#define WAIT_SLICE_MS 100

struct arguments {
    struct cli_common common;
    const char *profile, *handler, *folder;
    uint32_t timeout_ms;
    bool verbose;
    const char *payloads[PAYLOADS_MAX];
    size_t payload_count;
};

static const struct argp_option options[] = {
    {"profile", 'p', "PROFILE", 0, "Compute profile (default: default)", 1},
    {"output", 'o', "DIR", 0, "Where results that are no text go (default: .)", 1},
    {"timeout",
     't',
     "SECONDS",
     0,
     "Let the broker end the task after so long (default: no limit)",
     1},
    {"verbose", 'v', NULL, 0, "Say the task's id and how long it ran, on stderr", 1},
    {0},
};

static uint32_t milliseconds(struct argp_state *state, const char *text)
{
    char *end = NULL;
    errno = 0;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(seconds >= 0.001) ||
        seconds > (double)UINT32_MAX / 1000) {
        argp_error(state, "'%s' is not a time in seconds", text);
    }
    return (uint32_t)(seconds * 1000);
}

static void add_argument(struct arguments *arguments, char *arg, struct argp_state *state)
{
    if (arguments->handler == NULL) {
        arguments->handler = arg;
        return;
    }
    if (!cli_payload_is_argument(arg)) {
        argp_error(state, "'%s' is neither TAG=FILE nor TAG:TEXT", arg);
    }
    if (arguments->payload_count == PAYLOADS_MAX) {
        argp_error(state, "more than %d payloads", PAYLOADS_MAX);
    }
    arguments->payloads[arguments->payload_count++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case 'p':
        arguments->profile = arg;
        return 0;
    case 'o':
        arguments->folder = arg;
        return 0;
    case 't':
        arguments->timeout_ms = milliseconds(state, arg);
        return 0;
    case 'v':
        arguments->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        add_argument(arguments, arg, state);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the handler's name is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A program may have a handler: the first Ctrl-C cancels the task, the second ends us. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void wait_for_end(struct xd_future *future)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    bool cancelled = false;

    sigaction(SIGINT, &action, NULL);
    while (xd_future_wait(future, WAIT_SLICE_MS) != XD_OK) {
        if (interrupted != 0 && !cancelled) {
            /* when the session is gone the future has ended, and the loop sees it */
            cancelled = xd_future_cancel(future) == XD_OK;
        }
    }
}

static int read_payloads(const struct arguments *arguments, struct cli_payload *payloads)
{
    for (size_t i = 0; i < arguments->payload_count; i++) {
        int code = cli_payload_read(arguments->payloads[i], &payloads[i]);
        if (code != CLI_DONE) {
            return code;
        }
    }
    return CLI_DONE;
}

static int run(struct xd_client *client,
               const struct arguments *arguments,
               const struct xd_payload *payloads)
{
    struct xd_call call = {
        .profile = arguments->profile,
        .callee = arguments->handler,
        .payloads = payloads,
        .payload_count = arguments->payload_count,
        .timeout_ms = arguments->timeout_ms,
    };
    struct cli_report report = {.folder = arguments->folder,
                                .json = arguments->common.json,
                                .verbose = arguments->verbose};
    struct xd_future *future = NULL;
    struct xd_error error = {.text = ""};
    enum xd_err err = xd_submit(client, &call, &future, &error);
    if (err != XD_OK) {
        return cli_fail_with(err, &error);
    }
    if (arguments->verbose) { /* at once: it is what `crossdock cancel` wants */
        char id[CLI_ID_BYTES];
        cli_id_text(xd_future_id(future), id);
        fprintf(stderr, "task %s\n", id);
    }
    wait_for_end(future);
    int code = cli_report(&report, future);
    xd_future_free(future);
    return code;
}

static int submit(const struct arguments *arguments, struct cli_payload *read)
{
    struct xd_payload payloads[PAYLOADS_MAX];
    struct xd_client *client = NULL;
    int code = read_payloads(arguments, read);
    if (code != CLI_DONE) {
        return code;
    }
    for (size_t i = 0; i < arguments->payload_count; i++) {
        payloads[i] = (struct xd_payload){.bytes = read[i].bytes, .tag = read[i].tag};
    }
    code = cli_connect(&arguments->common, &client);
    if (code == CLI_DONE) {
        code = run(client, arguments, payloads);
        xd_client_close(client);
    }
    return code;
}

int cli_submit(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "HANDLER [TAG=FILE | TAG:TEXT]...",
        .doc =
            "Run a handler on a worker and show its results.\v"
            "Each further argument is one payload, in order: TAG=FILE sends the bytes of "
            "FILE (- is standard input) as an object of class TAG, TAG:TEXT sends the "
            "text itself. An empty TAG sends bytes without a class.\n"
            "\n"
            "Results of class text go to standard output, others into new files "
            "result-N.TAG in DIR. Ctrl-C cancels the task.\n"
            "\n"
            "Example:\n"
            "  crossdock submit sqlite.query sqlite3=shop.db text:'SELECT 1' -o results",
        .children = children,
    };
    struct arguments arguments = {.folder = "."};
    struct cli_payload payloads[PAYLOADS_MAX] = {0};

    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    int code = submit(&arguments, payloads);
    for (size_t i = 0; i < arguments.payload_count; i++) {
        cli_payload_clear(&payloads[i]);
    }
    return code;
}
