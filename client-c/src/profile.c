/* SPDX-License-Identifier: MIT */
/* Making and setting profiles. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "payload.h"
#include "wire/class.h"

#define ARGS_MAX 16
#define ARG_BYTES 320

/* The arguments of a question, some of them written here. */
struct args {
    const char *items[ARGS_MAX];
    size_t count, written;
    char rooms[ARGS_MAX][ARG_BYTES];
};

static void put(struct args *args, const char *format, ...) XD_PRINTF(2, 3);

static void put(struct args *args, const char *format, ...)
{
    char *room = args->rooms[args->written++];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(room, ARG_BYTES, format, values);
    va_end(values);
    args->items[args->count++] = room;
}

static enum xd_err check(const char *name,
                         const struct xd_profile_settings *settings,
                         struct xd_error *error)
{
    unsigned set = settings->set;
    enum xd_err err = xd_name_check("profile", name, xd_name_is_valid, error);
    if (err == XD_OK && (set & XD_SET_POLICY) != 0 && settings->policy == NULL) {
        err = xd_fail(error, XD_ERR_INVALID, "policy is missing");
    }
    if (err == XD_OK && (set & XD_SET_POLICY) != 0) {
        err = xd_name_check("policy", settings->policy, xd_name_is_valid, error);
    }
    if (err == XD_OK && (set & XD_SET_POOL) != 0 && settings->pool == NULL) {
        err = xd_fail(error, XD_ERR_INVALID, "pool is missing");
    }
    if (err == XD_OK && (set & XD_SET_POOL) != 0) {
        err = xd_name_check("pool", settings->pool, xd_name_is_valid, error);
    }
    if (err == XD_OK && (set & XD_SET_WEIGHT) != 0 &&
        !(settings->weight >= XD_WEIGHT_MIN && settings->weight <= XD_WEIGHT_MAX)) {
        err = xd_fail(error,
                      XD_ERR_INVALID,
                      "weight is %g, %g to %g are allowed",
                      settings->weight,
                      XD_WEIGHT_MIN,
                      XD_WEIGHT_MAX);
    }
    if (err == XD_OK && set >= XD_SET_LEARNED_CUTS << 1) {
        err = xd_fail(error, XD_ERR_INVALID, "set is %#x, it has unknown bits", set);
    }
    return err;
}

/* Millionths, so that no locale has a say. */
static void put_weight(struct args *args, double weight)
{
    uint64_t millionths = (uint64_t)(weight * 1e6 + 0.5);
    put(args,
        "weight=%" PRIu64 ".%06" PRIu64,
        millionths / 1000000,
        millionths % 1000000);
}

static void put_settings(struct args *args, const struct xd_profile_settings *settings)
{
    unsigned set = settings->set;
    if ((set & XD_SET_POLICY) != 0) {
        put(args, "policy=%s", settings->policy);
    }
    if ((set & XD_SET_WEIGHT) != 0) {
        put_weight(args, settings->weight);
    }
    if ((set & XD_SET_MAX_RUNNING) != 0) {
        put(args, "max_running=%" PRIu32, settings->max_running);
    }
    if ((set & XD_SET_PAUSED) != 0) {
        put(args, "paused=%d", settings->paused ? 1 : 0);
    }
    if ((set & XD_SET_POOL) != 0) {
        put(args, "pool=%s", settings->pool);
    }
    if ((set & XD_SET_MAX_TASKS) != 0) {
        put(args, "max_tasks=%" PRIu64, settings->max_tasks);
    }
    if ((set & XD_SET_MAX_BYTES) != 0) {
        put(args, "max_bytes=%" PRIu64, settings->max_bytes);
    }
    if ((set & XD_SET_LEARNED_CUTS) != 0) {
        put(args, "learned_cuts=%d", settings->learned_cuts ? 1 : 0);
    }
}

static enum xd_err ask(struct xd_client *client,
                       const char *verb,
                       const struct args *args,
                       struct xd_error *error)
{
    struct xd_bytes *text = NULL;
    enum xd_err err = xd_admin(client, verb, args->items, args->count, -1, &text, error);
    if (err == XD_OK) {
        xd_bytes_unref(text);
    }
    return err;
}

enum xd_err xd_profile_make(struct xd_client *client,
                            const char *name,
                            unsigned flags,
                            const struct xd_profile_settings *settings,
                            struct xd_error *error)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {{XD_PROFILE_BOUND, "bound"},
                 {XD_PROFILE_ROUND_ROBIN, "round_robin"},
                 {XD_PROFILE_FREE, "free"}};
    struct args args;
    args.count = args.written = 0;
    args.items[args.count++] = name;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((flags & words[i].flag) != 0) {
            args.items[args.count++] = words[i].word;
        }
    }
    if (settings != NULL) {
        enum xd_err err = check(name, settings, error);
        if (err != XD_OK) {
            return err;
        }
        put_settings(&args, settings);
    }
    return ask(client, "profile", &args, error);
}

enum xd_err xd_profile_open(struct xd_client *client,
                            const char *name,
                            unsigned flags,
                            struct xd_error *error)
{
    return xd_profile_make(client, name, flags, NULL, error);
}

enum xd_err xd_profile_set(struct xd_client *client,
                           const char *name,
                           const struct xd_profile_settings *settings,
                           struct xd_error *error)
{
    enum xd_err err = check(name, settings, error);
    if (err != XD_OK) {
        return err;
    }
    struct args args;
    args.count = args.written = 0;
    args.items[args.count++] = name;
    put_settings(&args, settings);
    return ask(client, "set", &args, error);
}

enum xd_err xd_profile_kick(struct xd_client *client,
                            const char *name,
                            struct xd_error *error)
{
    struct args args;
    args.items[0] = name;
    args.count = 1;
    return ask(client, "kick", &args, error);
}
