/* SPDX-License-Identifier: MIT */
/* `crossdock status`: what a broker holds, as tables or as the JSON it sent. */
#include "answer.h"
#include "cli.h"
#include "pages.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument expected, got '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_status(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .doc = "Show a broker's profiles, workers, clients and counters.",
        .children = children,
    };
    struct cli_common common = {0};
    json_t *answer = NULL;

    if (argp_parse(&argp, argc, argv, 0, NULL, &common) != 0) {
        return CLI_SYSTEM;
    }
    int code = cli_ask_lists(&common, "status", &answer);
    if (code == CLI_DONE) {
        code = cli_show_json(answer, common.json, cli_print_stdout);
    }
    json_decref(answer);
    return code;
}
