/* SPDX-License-Identifier: MIT */
/* Questions and their answers. */
#include "io/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/admin_verbs.h"
#include "io/agents.h"
#include "io/inbound.h"
#include "io/outbound.h"
#include "io/status.h"
#include "wire/class.h"

/* A day. */
#define XDB_DRAIN_MAX_S 86400u

void xdb_admin_answer(struct xdb_server *server,
                      struct xdb_peer *peer,
                      struct xd_bytes *verb,
                      uint64_t ticket,
                      enum xd_err code,
                      struct xd_bytes *text)
{
    struct xd_msg msg = {.kind = XD_KIND_ADMIN};
    msg.admin = (struct xd_admin){.verb = xd_bytes_ref(verb),
                                  .ticket = ticket,
                                  .answer = true,
                                  .code = code,
                                  .text = xd_bytes_ref(text)};
    xdb_peer_send(server, peer, &msg);
    xd_msg_clear(&msg);
}

void xdb_admin_say(struct xdb_server *server,
                   struct xdb_conn *conn,
                   const struct xd_msg *question,
                   enum xd_err code,
                   const char *words)
{
    struct xd_bytes *text;
    if (xd_bytes_text(words, &text) != XD_OK) {
        server->stats.no_memory++;
        return;
    }
    xdb_admin_answer(server,
                     conn->peer,
                     question->admin.verb,
                     question->admin.ticket,
                     code,
                     text);
    xd_bytes_unref(text);
}

typedef enum xd_err write_lists(const struct xdb_server *server,
                                const struct xdb_page *page,
                                char **out);

/* The text of a large answer goes in one frame of one message; what does not fit is asked
 * for by further questions. */
static void answer_page(struct xdb_server *server,
                        struct xdb_conn *conn,
                        const struct xd_msg *msg,
                        write_lists *write,
                        struct xdb_page *page)
{
    char *json;
    page->most = XD_MESSAGE_MAX_BYTES;
    enum xd_err err = write(server, page, &json);
    if (err != XD_OK) {
        xdb_admin_say(server, conn, msg, err, "the broker is out of memory");
        return;
    }
    xdb_admin_say(server, conn, msg, XD_OK, json);
    free(json);
}

/* "LIST_after=KEY": the rest of one list, behind that key. */
struct rest {
    const char *list, *argument;
    bool by_name;
};

static bool take_rest(const struct xd_msg *msg,
                      const struct rest *rests,
                      struct xdb_page *page,
                      struct xd_bytes **value)
{
    if (msg->admin.arg_count == 0) {
        return true;
    }
    const struct rest *rest = rests;
    while (rest->list != NULL &&
           !xdb_admin_value(msg->admin.args[0], rest->argument, value)) {
        rest++;
    }
    if (msg->admin.arg_count > 1 || *value == NULL) {
        return false;
    }
    page->list = rest->list;
    if (rest->by_name) {
        page->after.name = *value;
        return true;
    }
    return xdb_admin_number(*value, UINT64_MAX, &page->after.session);
}

static void answer_lists(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg,
                         write_lists *write,
                         const struct rest *rests,
                         const char *usage)
{
    struct xdb_page page = {NULL, {0, NULL}, 0};
    struct xd_bytes *value = NULL;
    if (take_rest(msg, rests, &page, &value)) {
        answer_page(server, conn, msg, write, &page);
    } else {
        xdb_admin_say(server, conn, msg, XD_ERR_INVALID, usage);
    }
    xd_bytes_unref(value);
}

static void answer_status(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_msg *msg)
{
    static const struct rest rests[] = {{"profiles", "profiles_after", true},
                                        {"workers", "workers_after", false},
                                        {"clients", "clients_after", false},
                                        {NULL, NULL, false}};
    answer_lists(server,
                 conn,
                 msg,
                 xdb_status,
                 rests,
                 "status: nothing, profiles_after=NAME, workers_after=SESSION or "
                 "clients_after=SESSION");
}

static void answer_workers(struct xdb_server *server,
                           struct xdb_conn *conn,
                           const struct xd_msg *msg)
{
    static const struct rest rests[] = {{"agents", "agents_after", false},
                                        {"workers", "workers_after", false},
                                        {NULL, NULL, false}};
    answer_lists(server,
                 conn,
                 msg,
                 xdb_status_workers,
                 rests,
                 "workers: nothing, agents_after=SESSION or workers_after=SESSION");
}

/* Passed on; its answer comes by itself. */
static void answer_agent(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg)
{
    const char *why = "";
    enum xd_err err = xdb_agents_ask(server, conn->peer, &msg->admin, &why);
    if (err != XD_OK) {
        xdb_admin_say(server, conn, msg, err, why);
    }
}

/* Did the last step refuse something of this session? */
static const struct xdb_action *refusal(const struct xdb_server *server,
                                        struct xd_session_id session)
{
    for (size_t i = 0; i < server->actions.count; i++) {
        const struct xdb_action *action = &server->actions.items[i];
        if (action->kind == XDB_ACTION_ERROR && xd_session_is(action->session, session)) {
            return action;
        }
    }
    return NULL;
}

void xdb_admin_step(struct xdb_server *server,
                    struct xdb_conn *conn,
                    const struct xd_msg *msg,
                    struct xdb_event *event)
{
    struct xd_session_id session = event->session;
    enum xd_err err = xdb_core_step(server->core, event, &server->actions);
    if (err != XD_OK) {
        xdb_admin_say(server, conn, msg, err, "the broker is out of memory");
        return;
    }
    const struct xdb_action *no = refusal(server, session);
    if (no != NULL) {
        xdb_admin_say(server, conn, msg, no->error.code, no->error.text);
    } else {
        xdb_admin_say(server, conn, msg, XD_OK, "");
    }
    struct xdb_actions rest = server->actions;
    if (no != NULL) {
        rest.count = 0; /* a refusal is the only action of a step that refuses */
    }
    xdb_outbound(server, &rest);
}

bool xdb_admin_names_profile(struct xdb_server *server,
                             struct xdb_conn *conn,
                             const struct xd_msg *msg)
{
    char text[XDB_DENIAL_ROOM];
    if (msg->admin.arg_count < 1 ||
        !xd_name_is_valid(msg->admin.args[0]->data, msg->admin.args[0]->size)) {
        (void)snprintf(text,
                       sizeof text,
                       "%.*s: the first argument is the name of a profile",
                       (int)msg->admin.verb->size,
                       (const char *)msg->admin.verb->data);
        xdb_admin_say(server, conn, msg, XD_ERR_INVALID, text);
        return false;
    }
    const struct xd_bytes *profile = msg->admin.args[0];
    if (xdb_right_covers(conn->right, profile)) {
        return true;
    }
    xdb_right_deny(conn->right, profile, text);
    xdb_admin_say(server, conn, msg, XD_ERR_FORBIDDEN, text);
    return false;
}

/* No new tasks; the broker ends when nothing is left, or after so many seconds. */
static void answer_drain(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg)
{
    uint64_t seconds = 0;
    bool is_number = msg->admin.arg_count == 0 ||
                     (msg->admin.arg_count == 1 &&
                      xdb_admin_number(msg->admin.args[0], XDB_DRAIN_MAX_S, &seconds));
    if (!is_number) {
        xdb_admin_say(server,
                      conn,
                      msg,
                      XD_ERR_INVALID,
                      "drain: seconds, a number up to 86400; none: as long as it takes");
        return;
    }
    server->ends_drained = true;
    server->stop_at = msg->admin.arg_count == 0
                          ? XD_NEVER
                          : xd_time_add(server->now, (xd_time)seconds * XD_S);
    struct xdb_event event = {.kind = XDB_EVENT_DRAIN, .now = server->now};
    xdb_admin_say(server, conn, msg, XD_OK, "draining");
    if (xdb_server_step(server, &event) != XD_OK) {
        server->stats.no_memory++;
    }
}

bool xdb_admin_value(const struct xd_bytes *argument,
                     const char *name,
                     struct xd_bytes **value)
{
    size_t size = strlen(name);
    if (argument->size <= size || memcmp(argument->data, name, size) != 0 ||
        argument->data[size] != '=') {
        return false;
    }
    if (xd_bytes_copy(argument->data + size + 1, argument->size - size - 1, value) !=
        XD_OK) {
        *value = NULL;
    }
    return true;
}

bool xdb_admin_number(const struct xd_bytes *text, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    bool is_number = text->size > 0 && text->size <= 20;
    for (size_t i = 0; is_number && i < text->size; i++) {
        unsigned digit = (unsigned)text->data[i] - '0';
        is_number = digit <= 9 && value <= (most - digit) / 10;
        value = value * 10 + digit;
    }
    if (is_number) {
        *out = value;
    }
    return is_number;
}

static const struct verb {
    const char *name;
    void (*answer)(struct xdb_server *server,
                   struct xdb_conn *conn,
                   const struct xd_msg *msg);
    unsigned roles; /* bits of enum xd_allow_role: any of them may ask */
} VERBS[] = {
    {"status", answer_status, XD_ALLOW_ADMIN},
    {"workers", answer_workers, XD_ALLOW_ADMIN},
    {"agent", answer_agent, XD_ALLOW_ADMIN},
    {"drain", answer_drain, XD_ALLOW_ADMIN},
    {"profile", xdb_admin_profile, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"set", xdb_admin_set, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"kick", xdb_admin_kick, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"counts", xdb_admin_counts, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"cancel", xdb_admin_cancel, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"explain", xdb_admin_explain, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"tasks", xdb_admin_tasks, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
};

static void answer_verb(struct xdb_server *server,
                        struct xdb_conn *conn,
                        const struct xd_msg *msg)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (!xd_bytes_is(msg->admin.verb, VERBS[i].name)) {
            continue;
        }
        if ((conn->right->roles & VERBS[i].roles) != 0) {
            VERBS[i].answer(server, conn, msg);
        } else {
            char words[XDB_PRINCIPAL_MAX + 80];
            (void)snprintf(words,
                           sizeof words,
                           "%s is no admin of this broker, whom alone it answers %s",
                           conn->right->principal,
                           VERBS[i].name);
            xdb_admin_say(server, conn, msg, XD_ERR_FORBIDDEN, words);
        }
        return;
    }
    xdb_admin_say(
        server,
        conn,
        msg,
        XD_ERR_UNSUPPORTED,
        "verbs are status, workers, agent, drain, profile, set, kick, counts, cancel, "
        "explain and tasks");
}

void xdb_admin(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    bool is_agent = conn->peer->role == XD_ROLE_AGENT;
    if (msg->admin.answer != is_agent) {
        xdb_inbound_bad(server,
                        conn,
                        msg->kind,
                        XD_ERR_PROTOCOL,
                        is_agent ? "ADMIN: agents answer, they do not ask"
                                 : "ADMIN: clients ask, they do not answer");
    } else if (is_agent) {
        xdb_agents_answer(server, conn->peer, &msg->admin);
    } else {
        answer_verb(server, conn, msg);
    }
}
