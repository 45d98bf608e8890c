/* SPDX-License-Identifier: MIT */
/* Questions about tasks: cancelled, explained, listed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/admin_verbs.h"
#include "wire/class.h"

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

/* Which tasks an argument means that is no id. `value`: of the caller's, for as long as
 * the event is. */
static bool parse_selection(const struct xd_bytes *argument,
                            struct xd_bytes **value,
                            struct xdb_event *event)
{
    if (xdb_admin_value(argument, "profile", value)) {
        event->cancel_many.by = XDB_CANCEL_PROFILE;
        event->cancel_many.profile = *value;
        return *value != NULL && xd_name_is_valid((*value)->data, (*value)->size);
    }
    if (xdb_admin_value(argument, "key", value)) {
        event->cancel_many.by = XDB_CANCEL_KEY;
        event->cancel_many.key = *value;
        return *value != NULL && (*value)->size > 0;
    }
    event->cancel_many.by = XDB_CANCEL_SESSION;
    return xdb_admin_value(argument, "session", value) && *value != NULL &&
           xdb_admin_number(*value, UINT64_MAX, &event->cancel_many.target.n);
}

static void cancel_many(struct xdb_server *server,
                        struct xdb_conn *conn,
                        const struct xd_msg *msg,
                        struct xdb_event *event)
{
    uint64_t cancelled = 0;
    char text[32];
    do {
        enum xd_err err = xdb_server_step(server, event);
        if (err != XD_OK) {
            xdb_admin_say(server, conn, msg, err, "the broker is out of memory");
            return;
        }
        cancelled += event->cancel_many.cancelled;
    } while (event->cancel_many.goes_on);
    (void)snprintf(text, sizeof text, "%" PRIu64, cancelled);
    xdb_admin_say(server, conn, msg, XD_OK, text);
}

void xdb_admin_cancel(struct xdb_server *server,
                      struct xdb_conn *conn,
                      const struct xd_msg *msg)
{
    struct xd_task_id id;
    struct xd_bytes *value = NULL;
    struct xdb_event many = {.kind = XDB_EVENT_CANCEL_MANY,
                             .now = server->now,
                             .session = conn->peer->session};
    many.cancel_many.any_session = true;
    many.cancel_many.principal = xdb_principal_number(conn->peer->right->principal);
    bool is_one = msg->admin.arg_count == 1;
    if (is_one && parse_selection(msg->admin.args[0], &value, &many)) {
        cancel_many(server, conn, msg, &many);
        xd_bytes_unref(value);
        return;
    }
    xd_bytes_unref(value);
    if (!is_one || !parse_id(msg->admin.args[0], &id)) {
        xdb_admin_say(server,
                      conn,
                      msg,
                      XD_ERR_INVALID,
                      "cancel: one task id of 32 hex digits, or profile=NAME, "
                      "session=NUMBER or key=KEY");
        return;
    }
    struct xdb_event event = {.kind = XDB_EVENT_CANCEL,
                              .now = server->now,
                              .session = conn->peer->session};
    event.ids.ids = &id;
    event.ids.count = 1;
    event.ids.any_session = true;
    event.ids.principal = xdb_principal_number(conn->peer->right->principal);
    xdb_admin_step(server, conn, msg, &event);
}

/* ---- explain */

static void say_why(struct xdb_server *server,
                    struct xdb_conn *conn,
                    const struct xd_msg *msg,
                    const struct xdb_task_why *why)
{
    char words[768];
    int name = why->profile == NULL ? 0 : (int)why->profile->size;
    (void)snprintf(words,
                   sizeof words,
                   "state %s\nreason %s\nprofile %.*s\nworker %" PRIu64 "\nahead %" PRIu64
                   "\nworkers %" PRIu64 "\npredicted_us %" PRIu32 "\nattempts %" PRIu32
                   "\ndeaths %" PRIu32 "\nstarts_in_ms %" PRId64 "\n",
                   why->state,
                   why->reason,
                   name,
                   name == 0 ? "" : (const char *)why->profile->data,
                   why->worker.n,
                   why->ahead,
                   why->workers,
                   why->predicted_us,
                   why->tries,
                   why->deaths,
                   why->in == XD_NEVER ? -1 : why->in / XD_MS);
    xdb_admin_say(server, conn, msg, XD_OK, words);
}

static void explain_task(struct xdb_server *server,
                         struct xdb_conn *conn,
                         const struct xd_msg *msg,
                         const struct xd_task_id *id)
{
    struct xdb_task_why why;
    struct xd_session_id owner = conn->peer->session;
    uint64_t principal = xdb_principal_number(conn->peer->right->principal);
    enum xd_err err = xdb_core_explain_task(server->core, owner, id, &why);
    if (err != XD_OK &&
        xdb_core_find_task(server->core, principal, id, &owner) == XD_OK) {
        err = xdb_core_explain_task(server->core, owner, id, &why);
    }
    if (err == XD_OK) {
        say_why(server, conn, msg, &why);
    } else {
        xdb_admin_say(server, conn, msg, XD_ERR_NOT_FOUND, "no such task");
    }
}

static void explain_worker(struct xdb_server *server,
                           struct xdb_conn *conn,
                           const struct xd_msg *msg,
                           struct xd_session_id worker)
{
    struct xdb_worker_why why;
    char words[1024];
    if (xdb_core_explain_worker(server->core, worker, &why) != XD_OK ||
        !xdb_right_covers(conn->right, why.profile)) {
        xdb_admin_say(server, conn, msg, XD_ERR_NOT_FOUND, "no such worker");
        return;
    }
    int has = why.has == NULL ? 0 : (int)why.has->size;
    (void)snprintf(words,
                   sizeof words,
                   "state %s\nreason %s\nprofile %.*s\nhas %.*s\nfitting %" PRIu64
                   "\nwaiting %" PRIu64 "\n",
                   why.state,
                   why.reason,
                   (int)why.profile->size,
                   (const char *)why.profile->data,
                   has,
                   has == 0 ? "" : (const char *)why.has->data,
                   why.fitting,
                   why.waiting);
    xdb_admin_say(server, conn, msg, XD_OK, words);
}

void xdb_admin_explain(struct xdb_server *server,
                       struct xdb_conn *conn,
                       const struct xd_msg *msg)
{
    struct xd_task_id id;
    struct xd_session_id worker;
    if (msg->admin.arg_count == 1 && parse_id(msg->admin.args[0], &id)) {
        explain_task(server, conn, msg, &id);
    } else if (msg->admin.arg_count == 1 &&
               xdb_admin_number(msg->admin.args[0], UINT64_MAX, &worker.n)) {
        explain_worker(server, conn, msg, worker);
    } else {
        xdb_admin_say(server,
                      conn,
                      msg,
                      XD_ERR_INVALID,
                      "explain: a task id of 32 hex digits, or the session of a worker");
    }
}

/* ---- the tasks of a session */

#define LINE_BYTES 96u
#define LINES_MAX 10000u /* XD_STATES_MAX of crossdock.h */

struct lines {
    char *text;
    size_t size, room;
};

static void put_line(void *context, const struct xdb_task_view *view)
{
    struct lines *lines = context;
    if (lines->room - lines->size < LINE_BYTES) {
        return;
    }
    char *at = lines->text + lines->size;
    for (size_t i = 0; i < sizeof view->id.bytes; i++) {
        (void)snprintf(at + 2 * i, 3, "%02x", view->id.bytes[i]);
    }
    int size = snprintf(at + 32,
                        LINE_BYTES - 32,
                        " %s %" PRIu64 " %" PRIu32 " %" PRIu64 "\n",
                        view->state,
                        view->worker.n,
                        view->attempt,
                        (uint64_t)(view->run / XD_MS));
    lines->size += 32 + (size_t)size;
}

void xdb_admin_tasks(struct xdb_server *server,
                     struct xdb_conn *conn,
                     const struct xd_msg *msg)
{
    if (msg->admin.arg_count > 1) {
        xdb_admin_say(server, conn, msg, XD_ERR_INVALID, "tasks: at most one profile");
        return;
    }
    struct lines lines = {.room = (size_t)LINES_MAX * LINE_BYTES};
    lines.text = xd_alloc(lines.room + 1);
    if (lines.text == NULL) {
        xdb_admin_say(server, conn, msg, XD_ERR_NOMEM, "the broker is out of memory");
        return;
    }
    xdb_core_each_task(server->core,
                       conn->peer->session,
                       msg->admin.arg_count == 0 ? NULL : msg->admin.args[0],
                       put_line,
                       &lines);
    lines.text[lines.size] = '\0';
    xdb_admin_say(server, conn, msg, XD_OK, lines.text);
    xd_free(lines.text);
}
