/* SPDX-License-Identifier: MIT */
/* `crossdock cancel`: asks the broker to end a task by its id, or many. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define ID_DIGITS 32

struct arguments {
    struct cli_common common;
    const char *which; /* an id, or NAME=VALUE */
};

static bool is_id(const char *text)
{
    return strlen(text) == ID_DIGITS &&
           strspn(text, "0123456789abcdefABCDEF") == ID_DIGITS;
}

static bool is_selection(const char *text)
{
    return strncmp(text, "profile=", 8) == 0 || strncmp(text, "session=", 8) == 0 ||
           strncmp(text, "key=", 4) == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->which != NULL) {
            argp_error(state, "one task, or one selection, at a time");
        }
        if (!is_id(arg) && !is_selection(arg)) {
            argp_error(state,
                       "a task id has 32 hexadecimal digits, '%s' is none; nor is it "
                       "profile=NAME, session=NUMBER or key=KEY",
                       arg);
        }
        arguments->which = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the task's id is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print_json(const struct arguments *arguments, json_int_t count)
{
    bool is_one = is_id(arguments->which);
    json_t *answer = json_pack("{s:s, s:o}",
                               is_one ? "id" : "which",
                               arguments->which,
                               "cancelled",
                               is_one ? json_true() : json_integer(count));
    if (answer == NULL || json_dumpf(answer, stdout, JSON_INDENT(2)) != 0) {
        json_decref(answer);
        return cli_fail(CLI_SYSTEM, "the answer could not be written");
    }
    json_decref(answer);
    putchar('\n');
    return cli_finish_output();
}

/* The broker's answer to a selection: how many. */
static json_int_t number(const struct xd_bytes *answer)
{
    json_int_t value = 0;
    for (size_t i = 0; i < answer->size; i++) {
        value = value * 10 + (answer->data[i] - '0');
    }
    return value;
}

int cli_cancel(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "ID|profile=NAME|session=NUMBER|key=KEY",
        .doc = "Ask a broker to end a task, or all of a kind.\v"
               "ID: 32 hexadecimal digits, as `crossdock submit --verbose' says them. A "
               "queued task is removed; a running one is "
               "interrupted, and its process ended when it does not stop in time. "
               "Exit code 4 when there is no such task (any more). The others: all open "
               "tasks of your user in a profile, of a session (as `crossdock status' "
               "numbers them), or with a key for replacing or deduplication.",
        .children = children,
    };
    struct arguments arguments = {0};
    struct xd_bytes *answer = NULL;

    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    int code = cli_ask(&arguments.common, "cancel", &arguments.which, 1, &answer);
    json_int_t count = code == CLI_DONE && !is_id(arguments.which) ? number(answer) : 1;
    xd_bytes_unref(answer);
    if (code != CLI_DONE) {
        return code;
    }
    if (arguments.common.json) {
        return print_json(&arguments, count);
    }
    if (is_id(arguments.which)) {
        printf("cancelled %s\n", arguments.which);
    } else {
        printf("cancelled %" JSON_INTEGER_FORMAT " tasks\n", count);
    }
    return cli_finish_output();
}
