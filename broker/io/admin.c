/* SPDX-License-Identifier: MIT */
/* Questions and their answers. */
#include "io/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/agents.h"
#include "io/inbound.h"
#include "io/outbound.h"
#include "io/status.h"
#include "wire/class.h"

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

static void answer(struct xdb_server *server,
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

/* The text of a large answer goes in one frame; what is larger than a message is not
 * sent. */
static void answer_json(struct xdb_server *server,
                        struct xdb_conn *conn,
                        const struct xd_msg *msg,
                        enum xd_err (*write)(const struct xdb_server *, char **))
{
    char *json;
    enum xd_err err = write(server, &json);
    if (err != XD_OK) {
        answer(server, conn, msg, err, "the broker is out of memory");
        return;
    }
    if (strlen(json) > XD_MESSAGE_MAX_BYTES) {
        answer(server,
               conn,
               msg,
               XD_ERR_TOO_LARGE,
               "the answer is larger than a message");
    } else {
        answer(server, conn, msg, XD_OK, json);
    }
    free(json);
}

static void answer_status(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_msg *msg)
{
    answer_json(server, conn, msg, xdb_status);
}

static void answer_workers(struct xdb_server *server,
                           struct xdb_conn *conn,
                           const struct xd_msg *msg)
{
    answer_json(server, conn, msg, xdb_status_workers);
}

/* Passed on; its answer comes by itself. */
static void answer_agent(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg)
{
    const char *why = "";
    enum xd_err err = xdb_agents_ask(server, conn->peer, &msg->admin, &why);
    if (err != XD_OK) {
        answer(server, conn, msg, err, why);
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

/* Step for a question: errors of this session become the answer instead of an ERROR
 * message. */
static void answer_step(struct xdb_server *server,
                        struct xdb_conn *conn,
                        const struct xd_msg *msg,
                        struct xdb_event *event)
{
    struct xd_session_id session = event->session;
    enum xd_err err = xdb_core_step(server->core, event, &server->actions);
    if (err != XD_OK) {
        answer(server, conn, msg, err, "the broker is out of memory");
        return;
    }
    const struct xdb_action *no = refusal(server, session);
    if (no != NULL) {
        answer(server, conn, msg, no->error.code, no->error.text);
    } else {
        answer(server, conn, msg, XD_OK, "");
    }
    struct xdb_actions rest = server->actions;
    if (no != NULL) {
        rest.count = 0; /* a refusal is the only action of a step that refuses */
    }
    xdb_outbound(server, &rest);
}

/* May the one who asks use the profile? Else it has been told so. */
static bool may_use(struct xdb_server *server,
                    struct xdb_conn *conn,
                    const struct xd_msg *msg,
                    const struct xd_bytes *profile)
{
    char text[XDB_DENIAL_ROOM];
    if (xdb_right_covers(conn->right, profile)) {
        return true;
    }
    xdb_right_deny(conn->right, profile, text);
    answer(server, conn, msg, XD_ERR_FORBIDDEN, text);
    return false;
}

static void answer_profile(struct xdb_server *server,
                           struct xdb_conn *conn,
                           const struct xd_msg *msg)
{
    struct xd_bytes *const *args = msg->admin.args;
    if (msg->admin.arg_count < 1 || !xd_name_is_valid(args[0]->data, args[0]->size)) {
        answer(server,
               conn,
               msg,
               XD_ERR_INVALID,
               "profile: the first argument is a valid name");
        return;
    }
    if (!may_use(server, conn, msg, args[0])) {
        return;
    }
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE,
                              .now = server->now,
                              .session = conn->peer->session};
    event.profile.name = args[0];
    for (size_t i = 1; i < msg->admin.arg_count; i++) {
        if (xd_bytes_is(args[i], "bound")) {
            event.profile.bound = true;
        } else if (xd_bytes_is(args[i], "round_robin")) {
            event.profile.policy = XDB_POLICY_ROUND_ROBIN;
        } else if (xd_bytes_is(args[i], "free")) {
            event.profile.free = true;
        } else {
            answer(server,
                   conn,
                   msg,
                   XD_ERR_INVALID,
                   "profile: flags are bound, round_robin and free");
            return;
        }
    }
    answer_step(server, conn, msg, &event);
}

static void answer_counts(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_msg *msg)
{
    struct xd_bytes *const *args = msg->admin.args;
    if (msg->admin.arg_count != 1 || !xd_name_is_valid(args[0]->data, args[0]->size)) {
        answer(server, conn, msg, XD_ERR_INVALID, "counts: one name of a profile");
        return;
    }
    if (!may_use(server, conn, msg, args[0])) {
        return;
    }
    struct xdb_profile_counts counts;
    if (xdb_core_profile_counts(server->core, args[0], conn->peer->session, &counts) !=
        XD_OK) {
        answer(server,
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
    answer(server, conn, msg, XD_OK, words);
}

static int hex_digit(unsigned char c)
{
    static const char DIGITS[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(DIGITS, c | 0x20);
    return at == NULL ? -1 : (int)(at - DIGITS);
}

static bool parse_id(const struct xd_bytes *hex, struct xd_task_id *id)
{
    if (hex->size != 2 * sizeof id->bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        int high = hex_digit(hex->data[2 * i]), low = hex_digit(hex->data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        id->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static void answer_cancel(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_msg *msg)
{
    struct xd_task_id id;
    if (msg->admin.arg_count != 1 || !parse_id(msg->admin.args[0], &id)) {
        answer(server, conn, msg, XD_ERR_INVALID, "cancel: one task id of 32 hex digits");
        return;
    }
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL,
                              .now = server->now,
                              .session = conn->peer->session};
    event.ids.ids = &id;
    event.ids.count = 1;
    event.ids.any_session = true;
    event.ids.principal = xdb_principal_number(conn->peer->right->principal);
    answer_step(server, conn, msg, &event);
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
    {"profile", answer_profile, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"cancel", answer_cancel, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
    {"counts", answer_counts, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN},
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
            answer(server, conn, msg, XD_ERR_FORBIDDEN, words);
        }
        return;
    }
    answer(server,
           conn,
           msg,
           XD_ERR_UNSUPPORTED,
           "verbs are status, workers, agent, profile, cancel and counts");
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
