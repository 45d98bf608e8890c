/* SPDX-License-Identifier: MIT */
/* `crossdock status`: what a broker holds, as tables or as the JSON it sent. */
#include <stdio.h>

#include "cli.h"
#include "table.h"

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

static int print_json(const struct xd_bytes *answer)
{
    fwrite(answer->data, 1, answer->size, stdout);
    if (answer->size == 0 || answer->data[answer->size - 1] != '\n') {
        putchar('\n');
    }
    return cli_finish_output();
}

static int print_tables(const struct xd_bytes *answer)
{
    json_error_t why;
    json_t *status = json_loadb((const char *)answer->data,
                                answer->size,
                                JSON_REJECT_DUPLICATES,
                                &why);
    if (status == NULL) {
        return cli_fail(CLI_REFUSED, "the broker's answer is not JSON: %s", why.text);
    }
    cli_print_object(stdout, status);
    json_decref(status);
    return cli_finish_output();
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
    struct xd_bytes *answer = NULL;

    if (argp_parse(&argp, argc, argv, 0, NULL, &common) != 0) {
        return CLI_SYSTEM;
    }
    int code = cli_ask(&common, "status", NULL, 0, &answer);
    if (code == CLI_DONE) {
        code = common.json ? print_json(answer) : print_tables(answer);
    }
    xd_bytes_unref(answer);
    return code;
}
