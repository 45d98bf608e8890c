/* SPDX-License-Identifier: MIT */
/* `crossdock keys`: finds its verb; what those verbs share. */
#include "keys.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "table.h"

static const struct argp_option options[] = {
    {"state",
     's',
     "DIR",
     0,
     "The state directory (default: $CROSSDOCK_STATE, else ~/.local/state/crossdock)",
     10},
    {"json", 'j', NULL, 0, "Print JSON", 10},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_keys *keys = state->input;
    switch (key) {
    case 's':
        if (arg[0] != '/') {
            argp_error(state, "the state directory is an absolute path, not '%s'", arg);
        }
        keys->given = arg;
        return 0;
    case 'j':
        keys->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_keys_argp = {.options = options, .parser = parse};

int cli_keys_begin(const struct argp *argp, int argc, char **argv, void *input)
{
    struct cli_keys *keys = input;
    struct xd_error error = {.text = ""};
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0) {
        return CLI_SYSTEM;
    }
    if (keys->given == NULL) {
        enum xd_err err = xd_state_directory(keys->state, &error);
        return err == XD_OK ? CLI_DONE : cli_keys_fail(err, &error, true);
    }
    int length = snprintf(keys->state, sizeof keys->state, "%s", keys->given);
    return length >= 0 && (size_t)length < sizeof keys->state
               ? CLI_DONE
               : cli_fail(CLI_USAGE, "the path of the state directory is too long");
}

int cli_keys_fail(enum xd_err err, const struct xd_error *error, bool usage)
{
    return cli_fail(usage && err == XD_ERR_INVALID ? CLI_USAGE : CLI_SYSTEM,
                    "%s",
                    error->text[0] != '\0' ? error->text : xd_err_text(err));
}

int cli_keys_print(json_t *answer, bool json)
{
    bool is_bad = answer == NULL;
    if (!is_bad && json) {
        is_bad = json_dumpf(answer, stdout, JSON_INDENT(2)) != 0;
        putchar('\n');
    } else if (!is_bad) {
        cli_print_object(stdout, answer);
    }
    json_decref(answer);
    return is_bad ? cli_fail(CLI_SYSTEM, "the answer could not be written")
                  : cli_finish_output();
}

/* ---- which verb */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"new", cli_keys_new},
    {"server", cli_keys_server},
    {"list", cli_keys_list},
    {"add", cli_keys_add},
};
#define VERBS (sizeof verbs / sizeof *verbs)

struct choice {
    size_t verb;
    int at; /* index of its name in argv */
};

static error_t choose(int key, char *arg, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        while (choice->verb < VERBS && strcmp(verbs[choice->verb].name, arg) != 0) {
            choice->verb++;
        }
        if (choice->verb == VERBS) {
            argp_error(state, "there is no verb '%s'", arg);
        }
        choice->at = state->next - 1;
        state->next = state->argc; /* the rest is the verb's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a verb is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_keys(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = choose,
        .args_doc = "VERB [ARGUMENT...]",
        .doc = "Keys for brokers on tcp: your own, the broker's, and whom it admits.\v"
               "Verbs:\n"
               "  new         make your key on this host, and say how to admit it\n"
               "  server      the public key of this user's brokers\n"
               "  list        the keys that this user's brokers admit\n"
               "  add         admit a key\n"
               "\n"
               "`crossdock keys VERB --help' says more about one.",
    };
    struct choice choice = {0};
    char name[64];

    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice) != 0) {
        return CLI_SYSTEM;
    }
    snprintf(name, sizeof name, "crossdock keys %s", verbs[choice.verb].name);
    argv[choice.at] = name;
    return verbs[choice.verb].run(argc - choice.at, argv + choice.at);
}
