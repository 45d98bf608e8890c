/* SPDX-License-Identifier: MIT */
/* `crossdock explain`: why a task waits, or a worker; `crossdock drain`: the broker's
 * end. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "cli.h"

struct arguments {
    struct cli_common common;
    const char *word;
    bool is_needed;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->word != NULL) {
            argp_error(state, "one argument is expected, not '%s' as well", arg);
        }
        arguments->word = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (arguments->is_needed) {
            argp_error(state, "the ID is missing");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};

int cli_explain(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "ID",
        .doc = "Say where a task is and what it waits for, or what a worker could do and "
               "why it does not.\v"
               "ID: a task's 32 hexadecimal digits, as `crossdock submit --verbose' says "
               "them, or a worker's session, a number, as `crossdock status' has it.",
        .children = children,
    };
    struct arguments arguments = {.is_needed = true};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    struct xd_bytes *answer = NULL;
    int code = cli_ask(&arguments.common, "explain", &arguments.word, 1, &answer);
    if (code == CLI_DONE) {
        code = cli_answer_lines(answer, arguments.common.json);
    }
    xd_bytes_unref(answer);
    return code;
}

int cli_drain(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "[SECONDS]",
        .doc =
            "Let a broker end: it takes no new tasks, and ends when nothing is left, or "
            "after SECONDS.\v"
            "Without SECONDS it takes as long as its tasks do. This only asks; it does "
            "not wait for the end. A host: crossdock workers drain.",
        .children = children,
    };
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    struct xd_bytes *answer = NULL;
    int code = cli_ask(&arguments.common,
                       "drain",
                       &arguments.word,
                       arguments.word == NULL ? 0 : 1,
                       &answer);
    xd_bytes_unref(answer);
    return code;
}
