/* SPDX-License-Identifier: MIT */
/* Submitting tasks and looking at what became of them. */
#include <sys/random.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "client.h"
#include "clock.h"
#include "kept.h"

/* ---- submitting ---- */

/* An id nobody can guess or meet by chance: 128 random bits. */
static enum xd_err next_id(struct xd_client *client, struct xd_task_id *out)
{
    if (client->ids_left == 0) {
        if (getrandom(client->ids, sizeof client->ids, 0) !=
            (ssize_t)sizeof client->ids) {
            return XD_ERR_SYSTEM;
        }
        client->ids_left = XD_ID_POOL;
    }
    *out = client->ids[--client->ids_left];
    return XD_OK;
}

static enum xd_err make_all(struct xd_client *client,
                            const struct xd_call *calls,
                            size_t count,
                            struct xd_future **out,
                            size_t *made,
                            struct xd_error *error)
{
    for (*made = 0; *made < count; ++*made) {
        struct xd_task_id id;
        enum xd_err err = next_id(client, &id);
        if (err != XD_OK) {
            return xd_fail(error, err, "no random numbers");
        }
        err = xd_client_core_make(&client->core, &calls[*made], id, &out[*made], error);
        if (err != XD_OK) {
            return err;
        }
    }
    return XD_OK;
}

/* Over budget, results that already wait in the link may make room. */
static enum xd_err admit(struct xd_client *client,
                         size_t count,
                         size_t bytes,
                         struct xd_error *error)
{
    enum xd_err err = xd_client_core_admit(&client->core, count, bytes, error);
    if (err == XD_ERR_BUSY && xd_pump_is_parked(&client->pump)) {
        xd_client_core_hurry(&client->core, 0);
        xd_pump_once(&client->pump);
        err = xd_client_core_admit(&client->core, count, bytes, error);
    }
    if (err == XD_OK && client->core.channel.session.gone) {
        err = xd_fail(error, XD_ERR_GONE, "%s", client->core.channel.session.end.text);
    }
    return err;
}

static enum xd_err submit_locked(struct xd_client *client,
                                 const struct xd_call *calls,
                                 size_t count,
                                 struct xd_future **futures,
                                 struct xd_error *error)
{
    if (client->core.channel.session.gone) {
        return xd_fail(error, XD_ERR_GONE, "%s", client->core.channel.session.end.text);
    }
    size_t made, bytes = 0;
    enum xd_err err = make_all(client, calls, count, futures, &made, error);
    for (size_t i = 0; i < made; i++) {
        bytes += futures[i]->bytes;
    }
    if (err == XD_OK) {
        err = admit(client, count, bytes, error);
    }
    if (err != XD_OK) {
        while (made-- > 0) {
            xd_client_core_unmake(&client->core, futures[made]);
        }
        return err;
    }
    /* The clock is read where a batch begins; the ones that join it need no time. */
    xd_time now = client->core.flush_at == XD_NEVER ? xd_now() : 0;
    atomic_fetch_add(&client->refs, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        futures[i]->client = client;
        xd_client_core_add(&client->core, futures[i], now);
    }
    xd_client_post(client, now);
    return XD_OK;
}

enum xd_err xd_submit_many(struct xd_client *client,
                           const struct xd_call *calls,
                           size_t count,
                           struct xd_future **out,
                           struct xd_error *error)
{
    if (!xd_origin_is_here(&client->origin)) {
        return xd_fail(error, XD_ERR_GONE, "this process is a fork of the session's");
    }
    struct xd_future *one = NULL;
    struct xd_future **futures = count == 1 ? &one : xd_calloc(count + 1, sizeof(void *));
    if (futures == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for %zu tasks", count);
    }
    xd_pump_lock(&client->pump);
    enum xd_err err = submit_locked(client, calls, count, futures, error);
    xd_pump_unlock(&client->pump);
    for (size_t i = 0; err == XD_OK && i < count; i++) {
        out[i] = futures[i];
    }
    if (futures != &one) {
        xd_free(futures);
    }
    return err;
}

enum xd_err xd_submit(struct xd_client *client,
                      const struct xd_call *call,
                      struct xd_future **out,
                      struct xd_error *error)
{
    return xd_submit_many(client, call, 1, out, error);
}

/* ---- waiting ---- */

bool xd_future_is_done(const struct xd_future *future)
{
    return atomic_load_explicit(&future->done, memory_order_acquire);
}

static bool future_is_ready(void *context)
{
    return xd_future_is_done(context);
}

static bool client_has_ended(void *context)
{
    const struct xd_client *client = context;
    return !xd_list_is_empty(&client->core.ended);
}

static enum xd_err wait_for(struct xd_client *client,
                            bool (*is_ready)(void *context),
                            void *context,
                            int timeout_ms)
{
    xd_time deadline = timeout_ms == 0 ? 0 : xd_deadline(timeout_ms);
    xd_pump_lock(&client->pump);
    xd_client_core_hurry(&client->core, 0);
    if (!xd_pump_is_parked(&client->pump)) {
        xd_pump_ask(&client->pump, xd_client_core_deadline(&client->core));
    }
    enum xd_err err = xd_pump_wait(&client->pump, is_ready, context, deadline);
    xd_pump_unlock(&client->pump);
    return err;
}

enum xd_err xd_future_wait(struct xd_future *future, int timeout_ms)
{
    if (xd_future_is_done(future)) {
        return XD_OK;
    }
    if (!xd_origin_is_here(&future->client->origin)) {
        return XD_ERR_GONE;
    }
    return wait_for(future->client, future_is_ready, future, timeout_ms);
}

enum xd_err xd_client_wait(struct xd_client *client, int timeout_ms)
{
    if (!xd_origin_is_here(&client->origin)) {
        return XD_ERR_GONE;
    }
    return wait_for(client, client_has_ended, client, timeout_ms);
}

enum xd_err xd_client_next(struct xd_client *client, struct xd_future **out)
{
    if (!xd_origin_is_here(&client->origin)) {
        return XD_ERR_GONE;
    }
    xd_pump_lock(&client->pump);
    struct xd_future *future = xd_client_core_next(&client->core);
    xd_client_show(client);
    xd_pump_unlock(&client->pump);
    if (future == NULL) {
        return XD_ERR_AGAIN;
    }
    *out = future;
    return XD_OK;
}

/* ---- events ---- */

void xd_client_keep_events(struct xd_client *client, const struct xd_event_limits *limits)
{
    if (!xd_origin_is_here(&client->origin)) {
        return;
    }
    xd_pump_lock(&client->pump);
    client->core.keep = *limits;
    xd_pump_unlock(&client->pump);
}

enum xd_err xd_future_event(struct xd_future *future,
                            uint64_t number,
                            struct xd_kept_event *out)
{
    struct xd_client *client = future->client;
    if (!xd_origin_is_here(&client->origin)) {
        return XD_ERR_GONE;
    }
    xd_pump_lock(&client->pump);
    const struct xd_kept_entry *entry = xd_kept_find(future, number);
    if (entry != NULL) {
        *out = (struct xd_kept_event){.number = entry->number,
                                      .dropped = future->kept->dropped,
                                      .came_ns = entry->came,
                                      .part = entry->part,
                                      .kind = xd_bytes_ref(entry->kind),
                                      .bytes = xd_bytes_ref(entry->bytes)};
    }
    xd_pump_unlock(&client->pump);
    return entry == NULL ? XD_ERR_AGAIN : XD_OK;
}

void xd_kept_event_clear(struct xd_kept_event *event)
{
    xd_bytes_unref(event->kind);
    xd_bytes_unref(event->bytes);
    event->kind = event->bytes = NULL;
}

/* Somebody waits for an event with at least that number. */
struct wait_event {
    struct xd_future *future;
    uint64_t number;
};

static bool event_is_there(void *context)
{
    const struct wait_event *wait = context;
    return xd_future_is_done(wait->future) ||
           xd_kept_find(wait->future, wait->number) != NULL;
}

enum xd_err xd_future_wait_event(struct xd_future *future,
                                 uint64_t number,
                                 int timeout_ms)
{
    if (xd_future_is_done(future)) {
        return XD_OK;
    }
    if (!xd_origin_is_here(&future->client->origin)) {
        return XD_ERR_GONE;
    }
    struct wait_event wait = {future, number};
    return wait_for(future->client, event_is_there, &wait, timeout_ms);
}

/* Cancels were noted, with the lock held: send them. */
static void send_cancels(struct xd_client *client)
{
    xd_client_show(client);
    if (client->pump.waiting > 0) {
        pthread_cond_broadcast(&client->pump.follow); /* some may have ended at once */
    }
    xd_client_attend(client);
}

enum xd_err xd_future_cancel(struct xd_future *future)
{
    struct xd_client *client = future->client;
    if (xd_future_is_done(future)) {
        return XD_OK;
    }
    enum xd_err err = xd_client_state(client, NULL);
    if (err != XD_OK) {
        return err;
    }
    xd_pump_lock(&client->pump);
    xd_client_core_cancel(&client->core, future);
    send_cancels(client);
    xd_pump_unlock(&client->pump);
    return XD_OK;
}

enum xd_err xd_profile_cancel(struct xd_client *client, const char *name)
{
    enum xd_err err = xd_client_state(client, NULL);
    if (err != XD_OK) {
        return err;
    }
    xd_pump_lock(&client->pump);
    xd_client_core_cancel_all(&client->core, name);
    send_cancels(client);
    unsigned freed = xd_client_reap(client);
    xd_pump_unlock(&client->pump);
    xd_client_unref(client, freed); /* never the last: the caller has one */
    return XD_OK;
}

/* ---- looking ---- */

struct xd_task_id xd_future_id(const struct xd_future *future)
{
    return future->task.id;
}

void xd_future_set_context(struct xd_future *future, void *context)
{
    future->context = context;
}

void *xd_future_context(const struct xd_future *future)
{
    return future->context;
}

enum xd_outcome xd_future_outcome(const struct xd_future *future)
{
    xd_assert(xd_future_is_done(future));
    return future->outcome;
}

const char *xd_future_error(const struct xd_future *future)
{
    xd_assert(xd_future_is_done(future));
    return future->text;
}

uint64_t xd_future_ended_ago(const struct xd_future *future)
{
    xd_assert(xd_future_is_done(future));
    xd_time now = xd_now();
    return now < future->ended_at ? 0 : (uint64_t)(now - future->ended_at);
}

size_t xd_future_parts(const struct xd_future *future)
{
    xd_assert(xd_future_is_done(future));
    return future->part_count;
}

const struct xd_result *xd_future_result(const struct xd_future *future, size_t part)
{
    xd_assert(xd_future_is_done(future) && part < future->part_count);
    return &future->parts[part];
}

void xd_future_free(struct xd_future *future)
{
    if (future == NULL) {
        return;
    }
    struct xd_client *client = future->client;
    unsigned freed = 1;
    if (xd_origin_is_here(&client->origin)) {
        xd_pump_lock(&client->pump);
        xd_client_core_release(&client->core, future);
        freed = xd_client_reap(client);
        xd_client_show(client);
        xd_pump_unlock(&client->pump);
    } else {
        xd_future_destroy(future); /* a copy: its lists are nobody's */
    }
    xd_client_unref(client, freed);
}
