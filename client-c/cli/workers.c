/* SPDX-License-Identifier: MIT */
/* `crossdock workers`: hosts and their workers, and what a host agent does with its
 * slots. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "cli.h"
#include "pages.h"
#include "table.h"

#define ARGUMENTS_MAX 4

struct arguments {
    struct cli_common common;
    const char *words[ARGUMENTS_MAX]; /* the verb first */
    size_t count;
};

/* ---- the list ---- */

/* A part of `row` under the same name, or another one. */
static void take(json_t *to, const char *key, const json_t *row, const char *from)
{
    json_object_set(to, key, json_object_get(row, from));
}

static json_t *memory_text(const json_t *bytes)
{
    double gib = (double)json_integer_value(bytes) / (1024.0 * 1024 * 1024);
    return gib > 0 ? json_sprintf("%.1f GiB", gib) : json_null();
}

static json_t *agent_row(const json_t *agent)
{
    json_t *row = json_object();
    take(row, "name", agent, "name");
    take(row, "session", agent, "session");
    take(row, "pid", agent, "pid");
    take(row, "slots", agent, "slots");
    take(row, "cores", agent, "cores");
    json_object_set_new(row,
                        "memory",
                        memory_text(json_object_get(agent, "memory_bytes")));
    take(row, "labels", agent, "labels");
    return row;
}

static json_t *worker_row(const json_t *worker)
{
    json_t *row = json_object();
    take(row, "name", worker, "name");
    if (json_integer_value(json_object_get(worker, "agent")) > 0) {
        take(row, "agent", worker, "agent");
        take(row, "slot", worker, "slot");
    } else {
        json_object_set_new(row, "agent", json_null());
        json_object_set_new(row, "slot", json_null());
    }
    take(row, "pid", worker, "pid");
    take(row, "profile", worker, "profile");
    take(row, "state", worker, "state");
    take(row, "running", worker, "leased");
    take(row, "done", worker, "done");
    const json_t *versions = json_object_get(worker, "versions");
    bool has_none = json_array_size(versions) == 0;
    take(row, "versions", worker, has_none ? "software" : "versions");
    return row;
}

/* By host, then slot, whatever order they came in. */
static int compare(const void *left, const void *right)
{
    const json_t *const *a = left, *const *b = right;
    const char *names[] = {json_string_value(json_object_get(*a, "name")),
                           json_string_value(json_object_get(*b, "name"))};
    int order = strcmp(names[0] ? names[0] : "", names[1] ? names[1] : "");
    static const char *const KEYS[] = {"agent", "slot", "session"};
    for (size_t i = 0; order == 0 && i < sizeof KEYS / sizeof KEYS[0]; i++) {
        json_int_t x = json_integer_value(json_object_get(*a, KEYS[i]));
        json_int_t y = json_integer_value(json_object_get(*b, KEYS[i]));
        order = (x > y) - (x < y);
    }
    return order;
}

static json_t *rows(const json_t *list, json_t *(*make)(const json_t *item))
{
    json_t *made = json_array();
    size_t count = json_array_size(list);
    const json_t **sorted = calloc(count + 1, sizeof(const json_t *));
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        sorted[i] = json_array_get(list, i);
    }
    if (sorted != NULL) {
        qsort(sorted, count, sizeof(const json_t *), compare);
    }
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        json_array_append_new(made, make(sorted[i]));
    }
    free(sorted);
    return made;
}

static void print_list(json_t *answer)
{
    json_t *shown = json_object();
    json_object_set_new(shown,
                        "agents",
                        rows(json_object_get(answer, "agents"), agent_row));
    json_object_set_new(shown,
                        "workers",
                        rows(json_object_get(answer, "workers"), worker_row));
    cli_print_object(stdout, shown);
    json_decref(shown);
}

/* ---- answers ---- */

/* An agent's text is its host's: nothing in it may drive this terminal. */
static void print_text(const struct xd_bytes *text)
{
    for (size_t i = 0; i < text->size; i++) {
        uint8_t byte = text->data[i];
        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
            printf("\\x%02x", byte);
        } else {
            putchar(byte);
        }
    }
}

static int print_answer(const struct xd_bytes *text, bool json)
{
    if (!json) {
        print_text(text);
        return cli_finish_output();
    }
    json_t *answer = json_pack("{s:s%}", "answer", (const char *)text->data, text->size);
    if (answer == NULL) {
        return cli_fail(CLI_REFUSED, "the agent's answer is no UTF-8 text");
    }
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
    return cli_finish_output();
}

/* ---- verbs ---- */

static const struct verb {
    const char *name;
    size_t least, most;           /* arguments after it */
    void (*show)(json_t *answer); /* NULL: the answer is text */
} verbs[] = {
    {"slots", 1, 1, cli_print_stdout},
    {"kill", 2, 2, NULL},
    {"restart", 2, 2, NULL},
    {"logs", 2, 3, NULL},
    {"drain", 1, 2, NULL},
};

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static void check(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->count == 0) {
        return;
    }
    const struct verb *verb = find(arguments->words[0]);
    if (verb == NULL) {
        argp_error(state,
                   "'%s' is none of slots, kill, restart, logs and drain",
                   arguments->words[0]);
    } else if (arguments->count - 1 < verb->least || arguments->count - 1 > verb->most) {
        argp_error(state,
                   "%s wants %s",
                   verb->name,
                   verb->least == 1 ? "an AGENT" : "an AGENT and a SLOT");
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->common;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == ARGUMENTS_MAX) {
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

static int ask_broker(const struct arguments *arguments)
{
    json_t *answer = NULL;
    int code = cli_ask_lists(&arguments->common, "workers", &answer);
    if (code == CLI_DONE) {
        code = cli_show_json(answer, arguments->common.json, print_list);
    }
    json_decref(answer);
    return code;
}

static int ask_agent(const struct arguments *arguments)
{
    const struct verb *verb = find(arguments->words[0]);
    const char *args[ARGUMENTS_MAX] = {arguments->words[1], arguments->words[0]};
    struct xd_bytes *answer = NULL;
    for (size_t i = 2; i < arguments->count; i++) {
        args[i] = arguments->words[i];
    }
    int code = cli_ask(&arguments->common, "agent", args, arguments->count, &answer);
    if (code == CLI_DONE) {
        code = verb->show != NULL
                   ? cli_answer_json(answer, arguments->common.json, verb->show)
                   : print_answer(answer, arguments->common.json);
    }
    xd_bytes_unref(answer);
    return code;
}

int cli_workers(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "\nslots AGENT\nkill AGENT SLOT\nrestart AGENT SLOT\n"
                    "logs AGENT SLOT [LINES]\ndrain AGENT [SECONDS]",
        .doc =
            "Show the hosts and workers of a broker, or have a host's agent do something "
            "with its slots.\v"
            "AGENT: a name from the list of agents, or its session where several have "
            "that name. SLOT: a number from 0; for kill also the pid of a worker.\n\n"
            "slots: what each slot does. kill: end its process now; it is restarted as "
            "after a crash. restart: let it finish its task, then start it anew. logs: "
            "the last LINES (100) that it printed. drain: let all slots finish their "
            "tasks within SECONDS (the worker's --grace), then end the worker.",
        .children = children,
    };
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return CLI_SYSTEM;
    }
    return arguments.count == 0 ? ask_broker(&arguments) : ask_agent(&arguments);
}
