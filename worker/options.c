/* SPDX-License-Identifier: MIT */
/* glibc argp. */
#include "options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/needs.h"

/* With the host's cores and memory it is a name on the wire, of 255 bytes. */
#define HAS_MAX 200

enum {
    KEY_PROFILE = 'p',
    KEY_R = 'r',
    KEY_SLOT = 0x100,
    KEY_HOLD,
    KEY_NAME,
    KEY_LABEL,
    KEY_HAS,
    KEY_GRACE,
    KEY_GIVE_UP
};

/* What --r is short for. */
static const char *const r_daemon[] = {"Rscript", "-e", "crossdock::daemon()", NULL};

static const struct argp_option table[] = {
    {"url",
     'u',
     "ADDRESS",
     0,
     "The broker, like ipc:///run/crossdock/broker "
     "[$CROSSDOCK_URL, else this user's own broker]",
     1},
    {"profile",
     KEY_PROFILE,
     "NAME",
     0,
     "Compute profile [$CROSSDOCK_PROFILE, else default]",
     1},
    {"slots", 'n', "N", 0, "So many processes, each running one task at a time [1]", 1},
    {"module",
     'm',
     "FILE.so",
     0,
     "Load handlers from a shared object; may be given often",
     2},
    {"r",
     KEY_R,
     0,
     0,
     "Each slot is an R daemon: short for -- Rscript -e 'crossdock::daemon()'",
     2},
    {"hold", KEY_HOLD, "N", 0, "Short tasks a slot may hold ahead, at most 255 [255]", 2},
    {"has",
     KEY_HAS,
     "WORDS",
     0,
     "What tasks may need of a slot: words, NAME=TEXT, NAME=NUMBER, like \"gpu=1 fast\" "
     "[$CROSSDOCK_HAS]; its share of the host's cores and memory (bytes) is added where "
     "they are not named",
     2},
    {"name",
     KEY_NAME,
     "NAME",
     0,
     "A name for this worker in its own lines and in crossdock workers [this host's]",
     3},
    {"label",
     KEY_LABEL,
     "KEY=VALUE",
     0,
     "Say this of the worker; a word will do; up to 32",
     3},
    {"grace",
     KEY_GRACE,
     "SECONDS",
     0,
     "From being told to end until slots are killed [30]",
     3},
    {"give-up",
     KEY_GIVE_UP,
     "N",
     0,
     "Fail a slot after N crashes in a row [0: never]",
     3},
    {"slot", KEY_SLOT, 0, OPTION_HIDDEN, 0, 0},
    {0},
};

static const char doc[] =
    "Run workers for a crossdock broker.\v"
    "With --module each slot is a process that loads the handlers and takes tasks for "
    "them; with --r it is an R process that takes R tasks; with a COMMAND it is that "
    "command, which finds the broker in CROSSDOCK_URL and its number in CROSSDOCK_SLOT. "
    "Slots that crash are restarted; those that end with 0 to 3 are not.\n\n"
    "SIGTERM or SIGINT: finish running tasks, leave, end; a second one kills. Exit "
    "status: 0 all ended in order, 1 a slot failed, 64 wrong use.";

static uint32_t parse_number(const char *text, uint32_t max, struct argp_state *state)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || value > max) {
        argp_error(state, "\"%s\" is not a number from 0 to %u", text, (unsigned)max);
    }
    return (uint32_t)value;
}

static void add_module(struct xdw_options *options,
                       const char *file,
                       struct argp_state *state)
{
    int count = 0;
    while (options->modules[count]) {
        count++;
    }
    if (count == XDW_MODULES_MAX) {
        argp_error(state, "more than %d modules", XDW_MODULES_MAX);
    }
    options->modules[count] = file;
}

static void add_label(struct xdw_options *options,
                      const char *label,
                      struct argp_state *state)
{
    int count = 0;
    while (options->labels[count]) {
        count++;
    }
    if (count == XDW_LABELS_MAX) {
        argp_error(state, "more than %d labels", XDW_LABELS_MAX);
    }
    if (label[0] == '\0' || strchr(label, ',')) {
        argp_error(state,
                   "\"%s\" is no label: a word or KEY=VALUE without commas",
                   label);
    }
    options->labels[count] = label;
}

static void set_has(struct xdw_options *options,
                    const char *text,
                    struct argp_state *state)
{
    struct xd_bytes *has;
    bool is_good = strlen(text) <= HAS_MAX && xd_bytes_text(text, &has) == XD_OK;
    if (is_good) {
        is_good = xd_needs_are_valid(has);
        xd_bytes_unref(has);
    }
    if (!is_good) {
        argp_error(state,
                   "\"%s\": words, NAME=TEXT or NAME=NUMBER with spaces between are "
                   "wanted, at most %d bytes",
                   text,
                   HAS_MAX);
    }
    options->has = text;
}

static void set_command(struct xdw_options *options,
                        const char *const *command,
                        struct argp_state *state)
{
    if (options->command) {
        argp_error(state, "--r is a command already");
    }
    options->command = command;
}

static void check(const struct xdw_options *options, struct argp_state *state)
{
    bool modules = options->modules[0] != NULL;
    if (modules == (options->command != NULL)) {
        argp_error(state, "give one of --module FILE.so, --r and a COMMAND");
    }
    if (options->slots == 0) {
        argp_error(state, "no slots");
    }
}

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
    struct xdw_options *options = state->input;
    switch (key) {
    case 'u':
        options->url = arg;
        return 0;
    case KEY_PROFILE:
        options->profile = arg;
        return 0;
    case 'n':
        options->slots = parse_number(arg, XDW_SLOTS_MAX, state);
        return 0;
    case 'm':
        add_module(options, arg, state);
        return 0;
    case KEY_HOLD:
        options->hold = parse_number(arg, 255, state);
        return 0;
    case KEY_HAS:
        set_has(options, arg, state);
        return 0;
    case KEY_NAME:
        options->name = arg;
        return 0;
    case KEY_LABEL:
        add_label(options, arg, state);
        return 0;
    case KEY_GRACE:
        options->grace_s = parse_number(arg, 1000000, state);
        return 0;
    case KEY_GIVE_UP:
        options->give_up_after = parse_number(arg, 1000000, state);
        return 0;
    case KEY_R:
        options->r = true;
        options->command = r_daemon;
        return 0;
    case KEY_SLOT:
        options->slot = true;
        return 0;
    case ARGP_KEY_ARGS:
        set_command(options, (const char *const *)(state->argv + state->next), state);
        return 0;
    case ARGP_KEY_END:
        check(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void xdw_options_parse(struct xdw_options *options, int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = parse_one,
        .args_doc = "[-- COMMAND [ARGS...]]",
        .doc = doc,
    };
    *options = (struct xdw_options){.slots = 1, .hold = 255, .grace_s = 30};
    argp_program_version = "crossdock-worker " XD_VERSION;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, options);
}
