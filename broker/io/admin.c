/* SPDX-License-Identifier: MIT */
/* Questions and their answers. */
#include "io/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/bus.h"
#include "io/outbound.h"
#include "wire/class.h"

/* ---- status */

/* JSON written to a growing memory stream; commas are the writer's business. */
struct json {
    FILE *out;
    bool first;
};

static void comma(struct json *json)
{
    if (!json->first) {
        (void)fputc(',', json->out);
    }
    json->first = false;
}

static void put_string(struct json *json, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    (void)fputc('"', json->out);
    for (size_t i = 0; i < size; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) {
            (void)fprintf(json->out, "\\u%04x", at[i]);
        } else {
            if (at[i] == '"' || at[i] == '\\') {
                (void)fputc('\\', json->out);
            }
            (void)fputc(at[i], json->out);
        }
    }
    (void)fputc('"', json->out);
}

static void put_key(struct json *json, const char *key)
{
    comma(json);
    (void)fprintf(json->out, "\"%s\":", key);
}

static void number(struct json *json, const char *key, uint64_t value)
{
    put_key(json, key);
    (void)fprintf(json->out, "%llu", (unsigned long long)value);
}

static void truth(struct json *json, const char *key, bool value)
{
    put_key(json, key);
    (void)fputs(value ? "true" : "false", json->out);
}

static void text(struct json *json, const char *key, const char *value)
{
    put_key(json, key);
    put_string(json, value, strlen(value));
}

static void bytes(struct json *json, const char *key, const struct xd_bytes *value)
{
    put_key(json, key);
    put_string(json, value->data, value->size);
}

static void open_as(struct json *json, const char *key, char bracket)
{
    put_key(json, key);
    (void)fputc(bracket, json->out);
    json->first = true;
}

static void open_item(struct json *json)
{
    comma(json);
    (void)fputc('{', json->out);
    json->first = true;
}

static void close_as(struct json *json, char bracket)
{
    (void)fputc(bracket, json->out);
    json->first = false;
}

static void visit_profile(void *context, const struct xdb_profile_view *view)
{
    struct json *json = context;
    open_item(json);
    bytes(json, "name", view->name);
    truth(json, "bound", view->bound);
    text(json, "policy", view->round_robin ? "round_robin" : "fifo");
    number(json, "queued", view->queued);
    number(json, "leased", view->leased);
    number(json, "workers", view->workers);
    number(json, "done", view->done);
    number(json, "bytes", view->bytes);
    number(json, "homeless", view->homeless);
    close_as(json, '}');
}

static void visit_worker(void *context, const struct xdb_worker_view *view)
{
    struct json *json = context;
    open_item(json);
    number(json, "session", view->session.n);
    number(json, "owner", view->owner.n);
    bytes(json, "profile", view->profile);
    text(json, "state", view->state);
    number(json, "leased", view->leased);
    number(json, "done", view->done);
    close_as(json, '}');
}

static void visit_client(void *context, const struct xdb_client_view *view)
{
    struct json *json = context;
    open_item(json);
    number(json, "session", view->session.n);
    number(json, "open", view->open);
    number(json, "unacked", view->unacked);
    number(json, "bytes", view->bytes);
    close_as(json, '}');
}

static void put_counters(struct json *json, const struct xdb_server *server)
{
    struct xdb_stats stats;
    xdb_core_stats(server->core, &stats);
#define PUT_CORE(field, name, what) number(json, name, stats.field);
    XDB_STATS_LIST(PUT_CORE)
#undef PUT_CORE
#define PUT_IO(field, name, what) number(json, name, server->stats.field);
    XDB_IO_STATS_LIST(PUT_IO)
#undef PUT_IO
    number(json, "setups", server->setups.setups.count);
    number(json, "setup_copies", server->setups.copies.count);
}

static void put_status(struct json *json, const struct xdb_server *server)
{
    (void)fputc('{', json->out);
    text(json, "software", "crossdock-broker " XD_VERSION);
    text(json, "address", server->address);
    number(json, "pid", (uint64_t)getpid());
    number(json, "uptime_ms", (uint64_t)((server->now - server->started) / XD_MS));
    open_as(json, "counters", '{');
    put_counters(json, server);
    close_as(json, '}');
    open_as(json, "profiles", '[');
    xdb_core_each_profile(server->core, visit_profile, json);
    close_as(json, ']');
    open_as(json, "workers", '[');
    xdb_core_each_worker(server->core, visit_worker, json);
    close_as(json, ']');
    open_as(json, "clients", '[');
    xdb_core_each_client(server->core, visit_client, json);
    close_as(json, ']');
    (void)fputs("}\n", json->out);
}

enum xd_err xdb_admin_status(struct xdb_server *server, char **out)
{
    char *buffer = NULL;
    size_t size = 0;
    struct json json = {open_memstream(&buffer, &size), true};
    if (json.out == NULL) {
        return XD_ERR_NOMEM;
    }
    put_status(&json, server);
    bool ok = ferror(json.out) == 0;
    if (fclose(json.out) != 0 || !ok) {
        free(buffer);
        return XD_ERR_NOMEM;
    }
    *out = buffer;
    return XD_OK;
}

/* ---- answers */

static void answer(struct xdb_server *server,
                   struct xdb_conn *conn,
                   const struct xd_msg *question,
                   enum xd_err code,
                   const char *words)
{
    struct xd_msg msg = {.kind = XD_KIND_ADMIN};
    msg.admin.verb = xd_bytes_ref(question->admin.verb);
    msg.admin.ticket = question->admin.ticket;
    msg.admin.answer = true;
    msg.admin.code = code;
    if (xd_bytes_text(words, &msg.admin.text) == XD_OK) {
        xdb_peer_send(server, conn->peer, &msg);
    } else {
        server->stats.no_memory++;
    }
    xd_msg_clear(&msg);
}

/* The text of a large answer goes in one frame; what is larger than a message is cut
 * short with a word about it. */
static void answer_status(struct xdb_server *server,
                          struct xdb_conn *conn,
                          const struct xd_msg *msg)
{
    char *json;
    enum xd_err err = xdb_admin_status(server, &json);
    if (err != XD_OK) {
        answer(server, conn, msg, err, "the broker is out of memory");
        return;
    }
    if (strlen(json) > XD_MESSAGE_MAX_BYTES) {
        answer(server,
               conn,
               msg,
               XD_ERR_TOO_LARGE,
               "the status is larger than a message");
    } else {
        answer(server, conn, msg, XD_OK, json);
    }
    free(json);
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
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE,
                              .now = server->now,
                              .session = conn->peer->session};
    event.profile.name = args[0];
    for (size_t i = 1; i < msg->admin.arg_count; i++) {
        if (xd_bytes_is(args[i], "bound")) {
            event.profile.bound = true;
        } else if (xd_bytes_is(args[i], "round_robin")) {
            event.profile.round_robin = true;
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
    event.ids.principal = xdb_principal_number(conn->peer->principal);
    answer_step(server, conn, msg, &event);
}

void xdb_admin(struct xdb_server *server, struct xdb_conn *conn, struct xd_msg *msg)
{
    if (msg->admin.answer) {
        xdb_conn_error(server,
                       conn,
                       msg->kind,
                       XD_ERR_PROTOCOL,
                       "ADMIN: clients ask, they do not answer");
    } else if (xd_bytes_is(msg->admin.verb, "status")) {
        answer_status(server, conn, msg);
    } else if (xd_bytes_is(msg->admin.verb, "profile")) {
        answer_profile(server, conn, msg);
    } else if (xd_bytes_is(msg->admin.verb, "cancel")) {
        answer_cancel(server, conn, msg);
    } else if (xd_bytes_is(msg->admin.verb, "counts")) {
        answer_counts(server, conn, msg);
    } else {
        answer(server,
               conn,
               msg,
               XD_ERR_UNSUPPORTED,
               "verbs are status, profile, cancel and counts");
    }
}
