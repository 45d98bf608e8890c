/* SPDX-License-Identifier: MIT */
/* Questions about profiles: made, set, kicked, counted. */
#include <stdio.h>
#include <string.h>

#include "io/admin.h"
#include "io/admin_verbs.h"
#include "wire/class.h"

static struct xdb_event event_of(const struct xdb_server *server,
                                 const struct xdb_conn *conn,
                                 const struct xd_msg *msg,
                                 enum xdb_event_kind kind)
{
    struct xdb_event event;
    memset(&event, 0, sizeof event);
    event.kind = kind;
    event.now = server->now;
    event.session = conn->peer->session;
    event.profile.name = msg->admin.args[0];
    return event;
}

/* ---- settings: "weight=2" */

/* Digits, maybe with a fraction; no locale has a say. */
static bool parse_weight(const struct xd_bytes *text, double *out)
{
    double value = 0, scale = 0;
    size_t digits = 0;
    for (size_t i = 0; i < text->size; i++) {
        uint8_t c = text->data[i];
        if (c == '.' && scale == 0) {
            scale = 1;
        } else if (c >= '0' && c <= '9' && digits < 24) {
            value = value * 10 + (c - '0');
            scale *= 10;
            digits++;
        } else {
            return false;
        }
    }
    *out = value / (scale > 0 ? scale : 1);
    return digits > 0;
}

static bool set_policy(struct xdb_event *event, const struct xd_bytes *value)
{
    static const char *const names[XDB_POLICIES] = {
        [XDB_POLICY_BANDS] = "bands",
        [XDB_POLICY_FIFO] = "fifo",
        [XDB_POLICY_SJF] = "sjf",
        [XDB_POLICY_PRIORITY] = "priority",
        [XDB_POLICY_ROUND_ROBIN] = "round_robin",
    };
    for (size_t i = 0; i < XDB_POLICIES; i++) {
        if (xd_bytes_is(value, names[i])) {
            event->profile.policy = (enum xdb_policy_kind)i;
            return true;
        }
    }
    return false;
}

static bool set_weight(struct xdb_event *event, const struct xd_bytes *value)
{
    return parse_weight(value, &event->profile.weight);
}

static bool set_running(struct xdb_event *event, const struct xd_bytes *value)
{
    uint64_t number = 0;
    bool is_number = xdb_admin_number(value, UINT32_MAX, &number);
    event->profile.max_running = (uint32_t)number;
    return is_number;
}

static bool set_paused(struct xdb_event *event, const struct xd_bytes *value)
{
    event->profile.paused = xd_bytes_is(value, "1");
    return event->profile.paused || xd_bytes_is(value, "0");
}

static bool set_tasks(struct xdb_event *event, const struct xd_bytes *value)
{
    return xdb_admin_number(value, UINT64_MAX, &event->profile.max_tasks);
}

static bool set_bytes(struct xdb_event *event, const struct xd_bytes *value)
{
    return xdb_admin_number(value, UINT64_MAX, &event->profile.max_bytes);
}

static bool set_cuts(struct xdb_event *event, const struct xd_bytes *value)
{
    event->profile.learned_cuts = xd_bytes_is(value, "1");
    return event->profile.learned_cuts || xd_bytes_is(value, "0");
}

/* `value` is the caller's own, for as long as the event is. */
static bool set_pool(struct xdb_event *event, struct xd_bytes *value)
{
    event->profile.pool = value;
    return xd_name_is_valid(value->data, value->size);
}

static const struct setting {
    const char *name, *want;
    uint32_t bit;
    bool (*set)(struct xdb_event *event, const struct xd_bytes *value);
} SETTINGS[] = {
    {"policy", "bands, fifo, sjf, priority or round_robin", XDB_SET_POLICY, set_policy},
    {"weight", "a number from 0.001 to 1000000", XDB_SET_WEIGHT, set_weight},
    {"max_running", "a number, 0: no limit", XDB_SET_RUNNING, set_running},
    {"paused", "0 or 1", XDB_SET_PAUSED, set_paused},
    {"max_tasks", "a number, 0: no limit of its own", XDB_SET_TASKS, set_tasks},
    {"max_bytes", "a number, 0: no limit of its own", XDB_SET_BYTES, set_bytes},
    {"learned_cuts", "0 or 1", XDB_SET_CUTS, set_cuts},
};

/* NULL: done; else what is wrong. */
static const char *take_setting(struct xdb_event *event,
                                const struct xd_bytes *argument,
                                struct xd_bytes **pool,
                                char words[128])
{
    struct xd_bytes *value;
    for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++) {
        if (!xdb_admin_value(argument, SETTINGS[i].name, &value)) {
            continue;
        }
        bool is_good = value != NULL && SETTINGS[i].set(event, value);
        xd_bytes_unref(value);
        event->profile.set |= SETTINGS[i].bit;
        (void)snprintf(words, 128, "%s: %s", SETTINGS[i].name, SETTINGS[i].want);
        return is_good ? NULL : words;
    }
    if (*pool == NULL && xdb_admin_value(argument, "pool", pool)) {
        event->profile.set |= XDB_SET_POOL;
        return *pool != NULL && set_pool(event, *pool) ? NULL
                                                       : "pool: the name of a profile";
    }
    return "settings are policy, weight, max_running, paused, max_tasks, max_bytes, "
           "learned_cuts and pool";
}

/* ---- verbs */

static bool take_flag(struct xdb_event *event, const struct xd_bytes *argument)
{
    if (xd_bytes_is(argument, "bound")) {
        event->profile.bound = true;
    } else if (xd_bytes_is(argument, "round_robin")) {
        event->profile.policy = XDB_POLICY_ROUND_ROBIN;
    } else if (xd_bytes_is(argument, "free")) {
        event->profile.free = true;
    } else {
        return false;
    }
    return true;
}

static void configure(struct xdb_server *server,
                      struct xdb_conn *conn,
                      const struct xd_msg *msg,
                      bool only_set)
{
    if (!xdb_admin_names_profile(server, conn, msg)) {
        return;
    }
    struct xdb_event event = event_of(server, conn, msg, XDB_EVENT_PROFILE);
    event.profile.only_set = only_set;
    event.profile.admin = (conn->right->roles & XD_ALLOW_ADMIN) != 0;
    char words[128];
    const char *wrong = NULL;
    struct xd_bytes *pool = NULL;
    for (size_t i = 1; wrong == NULL && i < msg->admin.arg_count; i++) {
        if (only_set || !take_flag(&event, msg->admin.args[i])) {
            wrong = take_setting(&event, msg->admin.args[i], &pool, words);
        }
    }
    if (wrong != NULL) {
        xdb_admin_say(server, conn, msg, XD_ERR_INVALID, wrong);
    } else {
        xdb_admin_step(server, conn, msg, &event);
    }
    xd_bytes_unref(pool);
}

void xdb_admin_profile(struct xdb_server *server,
                       struct xdb_conn *conn,
                       const struct xd_msg *msg)
{
    configure(server, conn, msg, false);
}

void xdb_admin_set(struct xdb_server *server,
                   struct xdb_conn *conn,
                   const struct xd_msg *msg)
{
    configure(server, conn, msg, true);
}

void xdb_admin_kick(struct xdb_server *server,
                    struct xdb_conn *conn,
                    const struct xd_msg *msg)
{
    if (xdb_admin_names_profile(server, conn, msg)) {
        struct xdb_event event = event_of(server, conn, msg, XDB_EVENT_KICK);
        event.profile.admin = (conn->right->roles & XD_ALLOW_ADMIN) != 0;
        xdb_admin_step(server, conn, msg, &event);
    }
}

void xdb_admin_counts(struct xdb_server *server,
                      struct xdb_conn *conn,
                      const struct xd_msg *msg)
{
    if (!xdb_admin_names_profile(server, conn, msg)) {
        return;
    }
    struct xdb_profile_counts counts;
    if (xdb_core_profile_counts(server->core,
                                msg->admin.args[0],
                                conn->peer->session,
                                &counts) != XD_OK) {
        xdb_admin_say(server,
                      conn,
                      msg,
                      XD_ERR_FORBIDDEN,
                      "the profile belongs to another session");
        return;
    }
    char words[192];
    (void)snprintf(words,
                   sizeof words,
                   "workers %llu\nr_workers %llu\njoined %llu\nqueued %llu\nleased "
                   "%llu\nended %llu\n",
                   (unsigned long long)counts.workers,
                   (unsigned long long)counts.r_workers,
                   (unsigned long long)counts.joined,
                   (unsigned long long)counts.queued,
                   (unsigned long long)counts.leased,
                   (unsigned long long)counts.ended);
    xdb_admin_say(server, conn, msg, XD_OK, words);
}

/* ---- the operator's */

static enum xd_err step_found(struct xdb_server *server,
                              struct xdb_event *event,
                              const char *text,
                              struct xd_error *error)
{
    enum xd_err err = xdb_core_step(server->core, event, &server->actions);
    if (err != XD_OK) {
        return xd_fail(error, err, "profile: out of memory");
    }
    for (size_t i = 0; i < server->actions.count; i++) {
        const struct xdb_action *action = &server->actions.items[i];
        if (action->kind == XDB_ACTION_ERROR) {
            return xd_fail(error,
                           action->error.code,
                           "profile '%.100s': %s",
                           text,
                           action->error.text);
        }
    }
    return XD_OK;
}

/* Words, the name first; `words` are what is left to read. */
static enum xd_err next_word(const char **words, struct xd_bytes **out)
{
    const char *at = *words + strspn(*words, " \t");
    size_t size = strcspn(at, " \t");
    *words = at + size;
    return size == 0 ? XD_ERR_NOT_FOUND : xd_bytes_copy(at, size, out);
}

static enum xd_err found_one(struct xdb_server *server,
                             const char *text,
                             struct xdb_event *event,
                             struct xd_bytes **pool,
                             struct xd_error *error)
{
    char words[128];
    const char *rest = text, *wrong = NULL;
    struct xd_bytes *word;
    enum xd_err err = next_word(&rest, &event->profile.name);
    const struct xd_bytes *name = event->profile.name;
    if (err == XD_ERR_NOT_FOUND ||
        (err == XD_OK && !xd_name_is_valid(name->data, name->size))) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "profile '%.100s': a name comes first",
                       text);
    }
    while (err == XD_OK && wrong == NULL && (err = next_word(&rest, &word)) == XD_OK) {
        wrong = take_setting(event, word, pool, words);
        xd_bytes_unref(word);
    }
    if (err == XD_ERR_NOMEM) {
        return xd_fail(error, err, "profile: out of memory");
    }
    if (wrong != NULL) {
        return xd_fail(error, XD_ERR_INVALID, "profile '%.100s': %s", text, wrong);
    }
    return step_found(server, event, text, error);
}

enum xd_err xdb_admin_found(struct xdb_server *server,
                            const char *const *profiles,
                            struct xd_error *error)
{
    enum xd_err err = XD_OK;
    for (size_t i = 0; err == XD_OK && profiles != NULL && profiles[i] != NULL; i++) {
        struct xdb_event event = {.kind = XDB_EVENT_PROFILE};
        struct xd_bytes *pool = NULL;
        event.profile.lasting = true;
        err = found_one(server, profiles[i], &event, &pool, error);
        xd_bytes_unref(event.profile.name);
        xd_bytes_unref(pool);
    }
    return err;
}
