/* SPDX-License-Identifier: MIT */
/* Where tasks are and why, as the broker tells it: lines of a name and a value. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "after.h"
#include "base/alloc.h"
#include "client.h"

#define ID_TEXT 33

static void id_text(struct xd_task_id id, char out[ID_TEXT])
{
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", id.bytes[i]);
    }
}

static void copy(char *to, size_t room, const char *from, size_t size)
{
    size = size < room ? size : room - 1;
    memcpy(to, from, size);
    to[size] = '\0';
}

/* The next line of a text that is not ended by NUL, into `line`; false at the end. */
static bool next_line(const struct xd_bytes *text, size_t *at, char *line, size_t room)
{
    if (*at >= text->size) {
        return false;
    }
    const char *from = (const char *)text->data + *at;
    const char *end = memchr(from, '\n', text->size - *at);
    size_t size = end == NULL ? text->size - *at : (size_t)(end - from);
    copy(line, room, from, size);
    *at += size + 1;
    return true;
}

/* ---- one task */

/* What has not left this client, and what has ended, the broker cannot explain. */
static bool explain_here(struct xd_future *future, struct xd_task_why *out)
{
    bool is_here = true;
    xd_pump_lock(&future->client->pump);
    if (future->state == XD_FUTURE_ENDED) {
        copy(out->state, sizeof out->state, "ended", 5);
    } else if (future->state == XD_FUTURE_BUSY || future->state == XD_FUTURE_UNSENT) {
        const char *why = xd_after_waits(future)
                              ? "a result that it comes after is still arriving here"
                              : xd_client_core_held_up(&future->client->core);
        copy(out->state, sizeof out->state, "unsent", 6);
        is_here = why != NULL; /* else it leaves before the question */
        if (is_here) {
            copy(out->reason, sizeof out->reason, why, strlen(why));
        }
    } else {
        is_here = false;
    }
    xd_pump_unlock(&future->client->pump);
    return is_here;
}

static void read_why(const struct xd_bytes *text, struct xd_task_why *out)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"worker", &out->worker.n},
                   {"ahead", &out->ahead},
                   {"workers", &out->workers},
                   {"predicted_us", &out->predicted_us}};
    char line[256];
    size_t at = 0;
    *out = (struct xd_task_why){.starts_in_ms = -1};
    while (next_line(text, &at, line, sizeof line)) {
        char *value = strchr(line, ' ');
        if (value == NULL) {
            continue;
        }
        *value++ = '\0';
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            if (strcmp(line, numbers[i].name) == 0) {
                *numbers[i].to = strtoull(value, NULL, 10);
            }
        }
        if (strcmp(line, "state") == 0) {
            copy(out->state, sizeof out->state, value, strlen(value));
        } else if (strcmp(line, "reason") == 0) {
            copy(out->reason, sizeof out->reason, value, strlen(value));
        } else if (strcmp(line, "attempts") == 0) {
            out->attempts = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(line, "deaths") == 0) {
            out->deaths = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(line, "starts_in_ms") == 0) {
            out->starts_in_ms = strtoll(value, NULL, 10);
        }
    }
}

enum xd_err xd_task_explain(struct xd_future *future,
                            int timeout_ms,
                            struct xd_task_why *out,
                            struct xd_error *error)
{
    struct xd_task_why why = {.starts_in_ms = -1};
    char id[ID_TEXT];
    const char *args[] = {id};
    struct xd_bytes *text = NULL;
    enum xd_err err = xd_client_state(future->client, error);
    if (err != XD_OK) {
        return err;
    }
    if (!explain_here(future, &why)) {
        id_text(future->task.id, id);
        err = xd_admin(future->client, "explain", args, 1, timeout_ms, &text, error);
    }
    if (err == XD_ERR_NOT_FOUND) { /* it has just ended; or is on its way here */
        copy(why.state, sizeof why.state, "ended", 5);
        err = XD_OK;
    }
    if (text != NULL) {
        read_why(text, &why);
        xd_bytes_unref(text);
    }
    if (err == XD_OK) {
        *out = why;
    }
    return err;
}

/* ---- all tasks of the session */

static bool hex_id(const char *text, struct xd_task_id *out)
{
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        unsigned value;
        if (sscanf(text + 2 * i, "%2x", &value) != 1) {
            return false;
        }
        out->bytes[i] = (uint8_t)value;
    }
    return true;
}

/* "ID STATE WORKER ATTEMPT RUN_MS" */
static bool read_state(const char *line, struct xd_task_state *out)
{
    char id[ID_TEXT];
    return sscanf(line,
                  "%32s %15s %" SCNu64 " %" SCNu32 " %" SCNu64,
                  id,
                  out->state,
                  &out->worker.n,
                  &out->attempt,
                  &out->run_ms) == 5 &&
           strlen(id) == ID_TEXT - 1 && hex_id(id, &out->id);
}

static size_t copy_unsent(const struct xd_list *futures,
                          const char *profile,
                          struct xd_task_id *to,
                          size_t room)
{
    size_t count = 0;
    XD_LIST_EACH (link, futures) {
        const struct xd_future *future = XD_ITEM(link, struct xd_future, link);
        if (count < room && (profile == NULL || xd_bytes_is(future->profile, profile))) {
            to[count++] = future->task.id;
        }
    }
    return count;
}

/* Of those that the broker does not have; `visit` is called without the lock. */
static enum xd_err visit_unsent(struct xd_client *client,
                                const char *profile,
                                void (*visit)(void *, const struct xd_task_state *),
                                void *context)
{
    struct xd_task_id *ids = xd_calloc(XD_STATES_MAX, sizeof *ids);
    if (ids == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_pump_lock(&client->pump);
    const struct xd_list *lists[] = {&client->core.busy,
                                     &client->core.aside,
                                     &client->core.unsent};
    size_t count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        count += copy_unsent(lists[i], profile, ids + count, XD_STATES_MAX - count);
    }
    xd_pump_unlock(&client->pump);
    for (size_t i = 0; i < count; i++) {
        struct xd_task_state state = {.id = ids[i], .state = "unsent", .attempt = 1};
        visit(context, &state);
    }
    xd_free(ids);
    return XD_OK;
}

enum xd_err xd_client_tasks(struct xd_client *client,
                            const char *profile,
                            int timeout_ms,
                            void (*visit)(void *context,
                                          const struct xd_task_state *state),
                            void *context,
                            struct xd_error *error)
{
    struct xd_bytes *text;
    const char *args[] = {profile};
    enum xd_err err = xd_admin(client,
                               "tasks",
                               args,
                               profile == NULL ? 0 : 1,
                               timeout_ms,
                               &text,
                               error);
    if (err != XD_OK) {
        return err;
    }
    char line[128];
    size_t at = 0;
    while (next_line(text, &at, line, sizeof line)) {
        struct xd_task_state state = {.state = ""};
        if (read_state(line, &state)) {
            visit(context, &state);
        }
    }
    xd_bytes_unref(text);
    err = visit_unsent(client, profile, visit, context);
    return err == XD_OK ? err : xd_fail(error, err, "out of memory");
}
