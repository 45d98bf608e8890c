/* SPDX-License-Identifier: MIT */
/* `crossdock keys list` and `crossdock keys add`: whom this user's brokers admit. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "keys.h"

static const struct argp_child children[] = {{&cli_keys_argp, 0, NULL, 0}, {0}};

/* ---- list */

static error_t parse_list(int key, char *arg, struct argp_state *state)
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

/* Any profile: null, which a table shows as "-". */
static json_t *profiles_of(const struct xd_allow *entry)
{
    json_t *names = entry->profiles != NULL ? json_array() : json_null();
    for (size_t i = 0; i < entry->profile_count; i++) {
        if (json_array_append_new(names, json_string(entry->profiles[i])) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

/* The key itself is too wide for a table. */
static json_t *row_of(const struct xd_allow *entry, bool with_key)
{
    char roles[32], hex[XD_KEY_HEX_ROOM], fingerprint[XD_FINGERPRINT_ROOM];
    xd_allow_roles_text(entry->roles, roles, sizeof roles);
    xd_key_hex(entry->public_key, hex);
    xd_key_fingerprint(entry->public_key, fingerprint);
    return json_pack("{s:s, s:s, s:s, s:o, s:s*}",
                     "name",
                     entry->name,
                     "fingerprint",
                     fingerprint,
                     "roles",
                     roles,
                     "profiles",
                     profiles_of(entry),
                     "public_key",
                     with_key ? hex : NULL);
}

static json_t *answer_of(const struct cli_keys *keys,
                         const struct xd_allow *entries,
                         size_t count)
{
    json_t *rows = json_array();
    for (size_t i = 0; rows != NULL && i < count; i++) {
        if (json_array_append_new(rows, row_of(&entries[i], keys->json)) != 0) {
            json_decref(rows);
            rows = NULL;
        }
    }
    return json_pack("{s:s, s:o}", "state", keys->state, "keys", rows);
}

int cli_keys_list(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_list,
        .doc = "Show the keys that this user's brokers admit beside the user's own. Exit "
               "code 5 when a file of the list cannot be used; the others are shown.",
        .children = children,
    };
    struct cli_keys keys = {.given = NULL};
    struct xd_allow *entries = NULL;
    struct xd_error error = {.text = ""};
    size_t count = 0;

    int code = cli_keys_begin(&argp, argc, argv, &keys);
    if (code != CLI_DONE) {
        return code;
    }
    enum xd_err err = xd_allow_read(keys.state, &entries, &count, &error);
    if (err != XD_OK) {
        return cli_keys_fail(err, &error, false);
    }
    code = cli_keys_print(answer_of(&keys, entries, count), keys.json);
    xd_allow_free(entries, count);
    return code == CLI_DONE && error.text[0] != '\0'
               ? cli_fail(CLI_SYSTEM, "left out: %s", error.text)
               : code;
}

/* ---- add */

struct adding {
    struct cli_keys keys;
    struct xd_allow entry;
    char *profiles[XD_ALLOW_PROFILES_MAX];
    int argument_count;
};

static void take_argument(struct adding *adding,
                          const char *arg,
                          struct argp_state *state)
{
    struct xd_error error = {.text = ""};
    switch (adding->argument_count++) {
    case 0:
        if (strlen(arg) >= sizeof adding->entry.name) {
            argp_error(state, "the name is longer than 63 bytes");
        }
        memcpy(adding->entry.name, arg, strlen(arg) + 1);
        break;
    case 1:
        if (xd_key_parse(arg, "PUBLICKEY", adding->entry.public_key, &error) != XD_OK) {
            argp_error(state, "%s", error.text);
        }
        break;
    default:
        argp_error(state, "one key at a time");
    }
}

static error_t parse_add(int key, char *arg, struct argp_state *state)
{
    struct adding *adding = state->input;
    struct xd_error error = {.text = ""};
    unsigned roles = 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &adding->keys;
        return 0;
    case 'r':
        if (xd_allow_roles(arg, &roles, &error) != XD_OK) {
            argp_error(state, "%s", error.text);
        }
        adding->entry.roles |= roles;
        return 0;
    case 'p':
        if (adding->entry.profile_count == XD_ALLOW_PROFILES_MAX) {
            argp_error(state, "at most 64 profiles");
        }
        adding->profiles[adding->entry.profile_count++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(adding, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (adding->argument_count < 2) {
            argp_error(state, "the key's name and the public key are wanted");
        }
        if (adding->entry.roles == 0) {
            argp_error(state, "a role is missing: --role client,worker or admin");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int add(struct adding *adding)
{
    struct xd_error error = {.text = ""};
    char roles[32], fingerprint[XD_FINGERPRINT_ROOM];
    struct xd_allow *entry = &adding->entry;
    entry->profiles = entry->profile_count > 0 ? adding->profiles : NULL;
    enum xd_err err = xd_allow_add(adding->keys.state, entry, &error);
    if (err != XD_OK) {
        return cli_keys_fail(err, &error, true);
    }
    if (adding->keys.json) {
        return cli_keys_print(row_of(entry, true), true);
    }
    xd_allow_roles_text(entry->roles, roles, sizeof roles);
    xd_key_fingerprint(entry->public_key, fingerprint);
    printf("admitted %s (%s) as %s\n", entry->name, fingerprint, roles);
    return cli_finish_output();
}

int cli_keys_add(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"role",
         'r',
         "ROLES",
         0,
         "What it may be: client, worker, admin, with commas between",
         0},
        {"profile",
         'p',
         "NAME",
         0,
         "A profile it may use (may be repeated; default: any)",
         0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_add,
        .args_doc = "NAME PUBLICKEY",
        .doc = "Admit a key to this user's brokers, on their host.\v"
               "PUBLICKEY is what `crossdock keys new' printed there: 64 hexadecimal "
               "digits, or 40 characters of Z85. NAME is yours to choose: letters, "
               "digits, \".\", \"_\" and \"-\".",
        .children = children,
    };
    struct adding adding = {.argument_count = 0};

    int code = cli_keys_begin(&argp, argc, argv, &adding);
    return code == CLI_DONE ? add(&adding) : code;
}
