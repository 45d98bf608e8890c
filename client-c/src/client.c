/* SPDX-License-Identifier: MIT */
/* A client's connection: making it, serving it, ending it. */
#include "client.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "clock.h"
#include "dial.h"
#include "facts.h"

#define CONNECT_TIMEOUT_MS 5000

/* ---- serving the link ---- */

void xd_client_show(struct xd_client *client)
{
    bool want =
        !xd_list_is_empty(&client->core.ended) || client->core.channel.session.gone;
    if (client->fd < 0 || want == client->fd_is_set) {
        return;
    }
    uint64_t count = 1;
    ssize_t ignored = want ? write(client->fd, &count, sizeof count)
                           : read(client->fd, &count, sizeof count);
    (void)ignored;
    client->fd_is_set = want;
}

unsigned xd_client_reap(struct xd_client *client)
{
    unsigned count = 0;
    struct xd_future *future;
    while ((future = xd_client_core_dead(&client->core)) != NULL) {
        xd_future_destroy(future);
        count++;
    }
    struct xd_setup *setup;
    while ((setup = xd_client_core_dead_setup(&client->core)) != NULL) {
        xd_setup_destroy(setup);
        count++;
    }
    return count;
}

/* What came and what is due have changed the core: draw the conclusions. */
static void settle(struct xd_client *client)
{
    xd_client_core_settle(&client->core);
    if (client->core.channel.session.gone && !client->pump.dead) {
        xd_pump_die(&client->pump);
    }
    xd_client_show(client);
    atomic_fetch_sub(&client->refs,
                     xd_client_reap(client)); /* the handle's own is left */
}

static bool client_turn(void *owner, xd_time now)
{
    struct xd_client *client = owner;
    client->core.heard_at = now;
    if (client->core.channel.session.gone) {
        return false;
    }
    xd_pump_unlock(&client->pump);
    xd_channel_receive(&client->core.channel, &client->inbox);
    xd_pump_lock(&client->pump);
    bool came = xd_channel_take(&client->core.channel, &client->inbox, now);
    xd_client_core_settle(&client->core);
    xd_client_core_flush(&client->core, now);
    settle(client);
    return came;
}

static xd_time client_deadline(void *owner)
{
    struct xd_client *client = owner;
    return client->pump.dead ? XD_NEVER : xd_client_core_deadline(&client->core);
}

static void deliver_news(struct xd_client *client)
{
    while (!xd_list_is_empty(&client->core.news)) {
        struct xd_news *news = XD_ITEM(client->core.news.next, struct xd_news, link);
        struct xd_event *event = &news->event;
        char kind[XD_NAME_MAX_BYTES + 1] = "";
        if (event->kind != NULL && event->kind->size <= XD_NAME_MAX_BYTES) {
            memcpy(kind, event->kind->data, event->kind->size);
            kind[event->kind->size] = '\0';
        }
        xd_list_remove(&news->link);
        bool wanted = client->event != NULL && !news->future->freed;
        void (*call)(void *,
                     struct xd_future *,
                     uint32_t,
                     const char *,
                     struct xd_bytes *) = client->event;
        void *context = client->event_context;
        if (wanted) {
            xd_pump_unlock(&client->pump);
            call(context, news->future, event->part, kind, event->bytes);
            xd_pump_lock(&client->pump);
        }
        xd_client_core_unpin(&client->core, news->future);
        xd_bytes_unref(event->kind);
        xd_bytes_unref(event->bytes);
        xd_free(news);
    }
}

static void deliver_done(struct xd_client *client)
{
    while (!xd_list_is_empty(&client->core.to_call) && client->done != NULL) {
        struct xd_future *future =
            XD_ITEM(client->core.to_call.next, struct xd_future, ended);
        xd_list_remove(&future->ended);
        void (*call)(void *, struct xd_future *) = client->done;
        void *context = client->done_context;
        future->pins++;
        xd_pump_unlock(&client->pump);
        call(context, future);
        xd_pump_lock(&client->pump);
        xd_client_core_unpin(&client->core, future);
    }
}

static void client_deliver(void *owner)
{
    struct xd_client *client = owner;
    deliver_news(client);
    deliver_done(client);
    atomic_fetch_sub(&client->refs, xd_client_reap(client));
}

static const struct xd_pump_ops client_ops = {.turn = client_turn,
                                              .deadline = client_deadline,
                                              .deliver = client_deliver};

void xd_client_post(struct xd_client *client, xd_time now)
{
    if (!xd_pump_is_parked(&client->pump)) {
        if (xd_pump_is_free(&client->pump) && xd_client_core_is_due(&client->core, now)) {
            xd_client_core_flush(&client->core, now);
            settle(client);
            xd_pump_touched(&client->pump);
        }
    } else if (client->core.out_count == 0) {
        xd_client_core_flush(&client->core, now);
        settle(client);
    } else if (xd_client_core_is_due(&client->core, now)) {
        xd_pump_once(&client->pump);
    }
    if (!client->pump.dead) {
        xd_pump_ask(&client->pump, xd_client_core_deadline(&client->core));
    }
}

void xd_client_attend(struct xd_client *client)
{
    if (client->core.channel.session.gone) {
        return;
    }
    if (xd_pump_is_parked(&client->pump)) {
        xd_client_core_flush(&client->core, xd_now());
        settle(client);
    } else {
        xd_pump_ask(&client->pump, 0);
    }
}

/* ---- connecting ---- */

static enum xd_err client_new(const struct xd_client_options *options,
                              struct xd_link *link,
                              struct xd_client **out,
                              struct xd_error *error)
{
    struct xd_client *client = xd_zalloc(sizeof *client);
    enum xd_err err = client == NULL ? XD_ERR_NOMEM : xd_origin_init(&client->origin);
    uint64_t seed = 0;
    if (err == XD_OK && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        err = XD_ERR_SYSTEM;
    }
    if (err != XD_OK) {
        link->close(link);
        xd_free(client);
        return xd_fail(error, err, "cannot make a client: %s", xd_err_text(err));
    }
    client->fd = -1;
    atomic_init(&client->refs, 1);
    const struct xd_told told = {.versions = options->versions,
                                 .version_count = options->version_count};
    err = xd_facts_make(&told, &client->facts, error);
    if (err != XD_OK) {
        link->close(link);
        xd_origin_fini(&client->origin);
        xd_free(client);
        return err;
    }
    err = xd_client_core_init(&client->core, link, seed, xd_now());
    if (err != XD_OK) {
        xd_facts_clear(&client->facts);
        xd_origin_fini(&client->origin);
        xd_free(client);
        return xd_fail(error, err, "cannot make a client: %s", xd_err_text(err));
    }
    client->core.channel.facts = &client->facts;
    *out = client;
    return XD_OK;
}

static void client_free(struct xd_client *client, bool close_link)
{
    xd_client_core_fini(&client->core, close_link);
    xd_facts_clear(&client->facts);
    xd_origin_fini(&client->origin);
    if (client->fd >= 0) {
        close(client->fd);
    }
    xd_free(client);
}

void xd_client_unref(struct xd_client *client, unsigned count)
{
    if (count > 0 && atomic_fetch_sub(&client->refs, count) == count) {
        xd_pump_fini(&client->pump, !xd_origin_is_here(&client->origin));
        client_free(client, false); /* the link was closed with the session */
    }
}

enum xd_err xd_client_connect(const struct xd_client_options *options,
                              struct xd_client **out,
                              struct xd_error *error)
{
    struct xd_client_options chosen = {0};
    if (options != NULL) {
        chosen = *options;
    }
    const struct xd_dial_options dial = {chosen.address,
                                         chosen.server_key,
                                         chosen.key_file};
    struct xd_dialled dialled;
    memset(&dialled, 0, sizeof dialled);
    enum xd_err err = XD_OK;
    if (chosen.link == NULL) {
        err = xd_dial(&dial, &dialled, &chosen.link, error);
    }
    struct xd_client *client = NULL;
    if (err == XD_OK) {
        err = client_new(&chosen, chosen.link, &client, error);
    }
    if (err != XD_OK) {
        return err;
    }
    int timeout = chosen.timeout_ms == 0 ? CONNECT_TIMEOUT_MS : chosen.timeout_ms;
    err = xd_channel_greet(&client->core.channel,
                           &client->inbox,
                           xd_deadline(timeout),
                           error);
    if (err == XD_OK) {
        err = xd_pump_start(&client->pump, chosen.link, &client_ops, client);
        if (err != XD_OK) {
            (void)xd_fail(error, err, "cannot start the session's thread");
        }
    }
    if (err != XD_OK) {
        client_free(client, true);
        if (dialled.address[0] != '\0') {
            xd_dial_explain(&dialled, error);
        }
        return err;
    }
    memcpy(client->address, dialled.address, sizeof client->address);
    *out = client;
    return XD_OK;
}

/* Everything ends here first, so that whoever waits sees it; then the link is nobody's.
 */
static void close_session(struct xd_client *client)
{
    struct xd_session *session = &client->core.channel.session;
    xd_pump_lock(&client->pump);
    bool was_open = !session->gone;
    xd_session_end(session, XD_ERR_GONE, "the session was closed by this program");
    settle(client);
    client->closed = true;
    xd_pump_unlock(&client->pump);
    xd_pump_stop(&client->pump);
    if (was_open) {
        xd_channel_bye(&client->core.channel);
    }
    struct xd_link *link = client->core.channel.link;
    client->core.channel.link = NULL;
    link->close(link);
}

void xd_client_close(struct xd_client *client)
{
    if (client == NULL) {
        return;
    }
    if (xd_origin_is_here(&client->origin)) {
        close_session(client);
    }
    xd_client_unref(client, 1);
}

/* ---- about the session ---- */

const char *xd_client_address(const struct xd_client *client)
{
    return client->address;
}

enum xd_err xd_client_ports(const struct xd_client *client,
                            unsigned ports[XD_CLIENT_PORTS])
{
    const struct xd_session *session = &client->core.channel.session;
    if (xd_address_port(client->address) == 0) {
        return XD_ERR_UNSUPPORTED;
    }
    ports[0] = xd_address_port(client->address); /* all set before connect returned */
    ports[1] = xd_address_port(session->worker_endpoint);
    ports[2] = xd_address_port(session->bulk_endpoint);
    return XD_OK;
}

struct xd_session_id xd_client_session(const struct xd_client *client)
{
    return client->core.channel.session.id; /* set before connect returned */
}

enum xd_err xd_client_state(struct xd_client *client, struct xd_error *error)
{
    if (!xd_origin_is_here(&client->origin)) {
        return xd_fail(error, XD_ERR_GONE, "this process is a fork of the session's");
    }
    xd_pump_lock(&client->pump);
    enum xd_err err = XD_OK;
    if (client->core.channel.session.gone) {
        err = xd_fail(error, XD_ERR_GONE, "%s", client->core.channel.session.end.text);
    }
    xd_pump_unlock(&client->pump);
    return err;
}

int xd_client_fd(struct xd_client *client)
{
    if (!xd_origin_is_here(&client->origin)) {
        return -1;
    }
    xd_pump_lock(&client->pump);
    if (client->fd < 0) {
        client->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (client->fd >= 0) {
        xd_client_show(client);
        xd_pump_force(&client->pump);
    }
    int fd = client->fd;
    xd_pump_unlock(&client->pump);
    return fd;
}

void xd_client_on_done(struct xd_client *client,
                       void (*done)(void *context, struct xd_future *future),
                       void *context)
{
    if (!xd_origin_is_here(&client->origin)) {
        return;
    }
    xd_pump_lock(&client->pump);
    client->done = done;
    client->done_context = context;
    client->core.calls_done = done != NULL;
    if (done != NULL) {
        xd_pump_force(&client->pump);
    } else {
        while (
            !xd_list_is_empty(&client->core.to_call)) { /* nobody else would get them */
            struct xd_list *link = client->core.to_call.next;
            xd_list_remove(link);
            xd_list_push_back(&client->core.ended, link);
        }
        xd_client_show(client);
    }
    xd_pump_unlock(&client->pump);
}

void xd_client_on_event(struct xd_client *client,
                        void (*event)(void *context,
                                      struct xd_future *future,
                                      uint32_t part,
                                      const char *kind,
                                      struct xd_bytes *bytes),
                        void *context)
{
    if (!xd_origin_is_here(&client->origin)) {
        return;
    }
    xd_pump_lock(&client->pump);
    client->event = event;
    client->event_context = context;
    client->core.calls_event = event != NULL;
    if (event != NULL) {
        xd_pump_force(&client->pump);
    }
    xd_pump_unlock(&client->pump);
}
