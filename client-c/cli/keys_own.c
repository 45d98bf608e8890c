/* SPDX-License-Identifier: MIT */
/* `crossdock keys new` and `crossdock keys server`: one's own pairs. On standard output
 * the public key alone, so that `$(...)` takes it; words for people on standard error. */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "keys.h"

struct arguments {
    struct cli_keys keys;
    char name[XD_ALLOW_NAME_ROOM];
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->keys;
        return 0;
    case 'n':
        if (strlen(arg) >= sizeof arguments->name) {
            argp_error(state, "the name is longer than 63 bytes");
        }
        memcpy(arguments->name, arg, strlen(arg) + 1);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument expected, got '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&cli_keys_argp, 0, NULL, 0}, {0}};

static int print(const struct arguments *arguments,
                 const char *public_key,
                 const char *file)
{
    char hex[XD_KEY_HEX_ROOM], fingerprint[XD_FINGERPRINT_ROOM];
    xd_key_hex(public_key, hex);
    xd_key_fingerprint(public_key, fingerprint);
    if (arguments->keys.json) {
        return cli_keys_print(
            json_pack("{s:s, s:s, s:o}",
                      "public_key",
                      hex,
                      "fingerprint",
                      fingerprint,
                      "file",
                      json_sprintf("%s/%s", arguments->keys.state, file)),
            true);
    }
    printf("%s\n", hex);
    fprintf(stderr, "fingerprint %s\n", fingerprint);
    return cli_finish_output();
}

/* USER-HOST, as far as it may be the name of an entry. */
static void default_name(char *out, size_t room)
{
    char host[64] = "";
    const struct passwd *user = getpwuid(geteuid());
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    (void)snprintf(out, room, "%.31s-%.31s", user ? user->pw_name : "user", host);
    for (char *c = out; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_' && *c != '.') {
            *c = '-';
        }
    }
    if (out[0] == '.') {
        out[0] = '_';
    }
}

static void say_how_to_admit(struct arguments *arguments, const char *public_key)
{
    char hex[XD_KEY_HEX_ROOM];
    if (arguments->name[0] == '\0') {
        default_name(arguments->name, sizeof arguments->name);
    }
    xd_key_hex(public_key, hex);
    fprintf(stderr,
            "To admit it, on the broker's host and as its user:\n"
            "  crossdock keys add %s %s --role client,worker\n",
            arguments->name,
            hex);
}

int cli_keys_new(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"name",
         'n',
         "NAME",
         0,
         "What the broker's list is to call it (default: USER-HOST)",
         0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "Make your key on this host, user.key in the state directory, unless there "
            "is one. Prints the public key; the secret one never leaves its file.",
        .children = children,
    };
    struct arguments arguments = {.name = ""};
    struct xd_key_pair pair;
    struct xd_error error = {.text = ""};

    int code = cli_keys_begin(&argp, argc, argv, &arguments);
    if (code != CLI_DONE) {
        return code;
    }
    enum xd_err err = xd_keys_user(arguments.keys.state, false, &pair, &error);
    if (err == XD_OK) {
        fprintf(stderr, "There is one already: %s/user.key\n", arguments.keys.state);
    } else if (err == XD_ERR_NOT_FOUND) {
        err = xd_keys_user(arguments.keys.state, true, &pair, &error);
    }
    if (err != XD_OK) {
        return cli_keys_fail(err, &error, false);
    }
    code = print(&arguments, pair.public_key, "user.key");
    if (code == CLI_DONE && !arguments.keys.json) {
        say_how_to_admit(&arguments, pair.public_key);
    }
    xd_key_pair_wipe(&pair);
    return code;
}

int cli_keys_server(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .doc =
            "Print the public key of this user's brokers, which clients and workers on "
            "other hosts need: as CROSSDOCK_SERVER_KEY, or as R's argument `tlscert'. "
            "The pair is made, server.key in the state directory, when there is none.",
        .children = children,
    };
    struct arguments arguments = {.name = ""};
    struct xd_key_pair pair;
    struct xd_error error = {.text = ""};

    int code = cli_keys_begin(&argp, argc, argv, &arguments);
    if (code != CLI_DONE) {
        return code;
    }
    enum xd_err err = xd_keys_server(arguments.keys.state, &pair, &error);
    if (err != XD_OK) {
        return cli_keys_fail(err, &error, false);
    }
    code = print(&arguments, pair.public_key, "server.pub");
    xd_key_pair_wipe(&pair);
    return code;
}
