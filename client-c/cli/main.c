/* SPDX-License-Identifier: MIT */
/* The program `crossdock`: finds the verb and hands the arguments to it. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
    {"serve", cli_serve},
    {"status", cli_status},
    {"submit", cli_submit},
    {"cancel", cli_cancel},
    {"profiles", cli_profiles},
    {"explain", cli_explain},
    {"workers", cli_workers},
    {"drain", cli_drain},
    {"keys", cli_keys},
};

static const char doc[] =
    "A message broker for compute: submit tasks, see what runs, cancel.\v"
    "Verbs:\n"
    "  serve       run a broker here (crossdock-broker with the same arguments)\n"
    "  status      profiles, workers, clients and counters of a broker\n"
    "  submit      run a handler with files or texts as class-tagged payloads\n"
    "  cancel      end a task\n"
    "  profiles    profiles; pause, resume, weight, limit, policy, kick\n"
    "  explain     why a task waits, or a worker\n"
    "  workers     hosts and their workers; restart, kill, drain, logs\n"
    "  drain       let a broker end in order\n"
    "  keys        keys for brokers on tcp: make, list, admit\n"
    "\n"
    "`crossdock VERB --help' says more about one. Workers are started with "
    "crossdock-worker.\n"
    "\n"
    "Exit codes: 0 done; 1 the task ended otherwise than done; 2 wrong usage; "
    "3 no broker answers, or it went away; 4 the broker refused; "
    "5 a file, the system or memory failed.";

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

struct choice {
    const struct verb *verb;
    int at; /* index of the verb's name in argv */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        choice->verb = find(arg);
        choice->at = state->next - 1;
        if (choice->verb == NULL) {
            argp_error(state, "there is no verb '%s'", arg);
        }
        state->next = state->argc; /* the rest is the verb's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a verb is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "crossdock %s\n", xd_version());
}

int main(int argc, char **argv)
{
    static const struct argp argp = {.parser = parse,
                                     .args_doc = "VERB [ARGUMENT...]",
                                     .doc = doc};
    struct choice choice = {0};
    char name[64];

    argp_err_exit_status = CLI_USAGE;
    argp_program_version_hook = print_version;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice) != 0) {
        return CLI_SYSTEM;
    }
    snprintf(name, sizeof name, "crossdock %s", choice.verb->name);
    argv[choice.at] = name; /* what the verb's help and errors call it */
    return choice.verb->run(argc - choice.at, argv + choice.at);
}
