/* SPDX-License-Identifier: MIT */
/* `crossdock cancel`: asks the broker to end a task by its id. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define ID_DIGITS 32

struct arguments {
    struct cli_common common;
    const char *id;
};

static bool is_id(const char *text)
{
    return strlen(text) == ID_DIGITS &&
           strspn(text, "0123456789abcdefABCDEF") == ID_DIGITS;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->id != NULL) {
            argp_error(state, "one task at a time");
        }
        if (!is_id(arg)) {
            argp_error(state, "a task id has 32 hexadecimal digits, '%s' is none", arg);
        }
        arguments->id = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the task's id is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_json(const char *id)
{
    json_t *answer = json_pack("{s:s, s:b}", "id", id, "cancelled", 1);
    if (answer == NULL || json_dumpf(answer, stdout, JSON_INDENT(2)) != 0) {
        json_decref(answer);
        return cli_fail(CLI_SYSTEM, "the answer could not be written");
    }
    json_decref(answer);
    putchar('\n');
    return cli_finish_output();
}

int cli_cancel(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "ID",
        .doc = "Ask a broker to end a task.\v"
               "ID: 32 hexadecimal digits, as `crossdock submit --verbose' says them. A "
               "queued task is removed; a running one is "
               "interrupted, and its process ended when it does not stop in time. "
               "Exit code 4 when there is no such task (any more).",
        .children = children,
    };
    struct arguments arguments = {0};
    struct xd_bytes *answer = NULL;

    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    int code = cli_ask(&arguments.common, "cancel", &arguments.id, 1, &answer);
    xd_bytes_unref(answer);
    if (code != CLI_DONE) {
        return code;
    }
    if (arguments.common.json) {
        return print_json(arguments.id);
    }
    printf("cancelled %s\n", arguments.id);
    return cli_finish_output();
}
