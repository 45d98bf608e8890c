/* SPDX-License-Identifier: MIT */
/* `crossdock profiles`: what each profile is and has; its settings while it runs. */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "cli.h"
#include "pages.h"
#include "table.h"

#define WORDS_MAX 4

/* What one word asks the broker; `setting` goes before the value, NULL: there is none. */
static const struct verb {
    const char *name, *value; /* of the value it wants, for people; NULL: none */
    const char *ask, *setting;
} VERBS[] = {
    {"pause", NULL, "set", "paused=1"},
    {"resume", NULL, "set", "paused=0"},
    {"weight", "a WEIGHT", "set", "weight="},
    {"limit", "a NUMBER", "set", "max_running="},
    {"policy", "a POLICY", "set", "policy="},
    {"kick", NULL, "kick", NULL},
};

struct arguments {
    struct cli_common common;
    const char *words[WORDS_MAX]; /* the verb first */
    size_t count;
    const struct verb *verb; /* NULL: none, the list is wanted */
};

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(VERBS[i].name, name) == 0) {
            return &VERBS[i];
        }
    }
    return NULL;
}

static void check(struct arguments *arguments, struct argp_state *state)
{
    if (arguments->count == 0) {
        return;
    }
    const struct verb *verb = find(arguments->words[0]);
    if (verb == NULL) {
        argp_error(state,
                   "'%s' is none of pause, resume, weight, limit, policy and kick",
                   arguments->words[0]);
    } else if (arguments->count != (verb->value == NULL ? 2u : 3u)) {
        argp_error(state,
                   "%s wants the NAME of a profile%s%s",
                   verb->name,
                   verb->value == NULL ? "" : " and ",
                   verb->value == NULL ? "" : verb->value);
    }
    arguments->verb = verb;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == WORDS_MAX) {
            argp_error(state, "too many arguments: '%s'", arg);
        }
        arguments->words[arguments->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void show_profiles(json_t *status)
{
    json_t *shown = json_object();
    json_object_set(shown, "profiles", json_object_get(status, "profiles"));
    cli_print_object(stdout, shown);
    json_decref(shown);
}

static int list(const struct arguments *arguments)
{
    json_t *status = NULL;
    int code = cli_ask_lists(&arguments->common, "status", &status);
    if (code == CLI_DONE) {
        bool json = arguments->common.json;
        code = cli_show_json(json ? json_object_get(status, "profiles") : status,
                             json,
                             show_profiles);
    }
    json_decref(status);
    return code;
}

static int change(const struct arguments *arguments)
{
    const struct verb *verb = arguments->verb;
    char setting[64] = "";
    const char *args[] = {arguments->words[1], setting};
    struct xd_bytes *answer = NULL;
    if (verb->setting != NULL) {
        const char *value = verb->value == NULL ? "" : arguments->words[2];
        (void)snprintf(setting, sizeof setting, "%s%s", verb->setting, value);
    }
    int code = cli_ask(&arguments->common,
                       verb->ask,
                       args,
                       verb->setting == NULL ? 1 : 2,
                       &answer);
    xd_bytes_unref(answer);
    return code;
}

int cli_profiles(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "\npause NAME\nresume NAME\nweight NAME WEIGHT\n"
                    "limit NAME NUMBER\npolicy NAME POLICY\nkick NAME",
        .doc =
            "Show the profiles of a broker, or change one while it runs.\v"
            "pause: nothing goes to workers any more, what runs goes on. resume: it "
            "does again. weight: its share of workers that profiles share (1; 0.001 to "
            "1000000). limit: tasks that it may have at workers at one time (0: no "
            "limit). policy: bands, fifo, sjf, priority or round_robin, while it is "
            "empty. kick: tasks that were put aside, because their workers died again "
            "and again, run once more.",
        .children = children,
    };
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    return arguments.verb == NULL ? list(&arguments) : change(&arguments);
}
