/* SPDX-License-Identifier: MIT */
/* A session over a link; see channel.h. */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "clock.h"
#include "wire/host.h"

/* How soon a full link, or an allocation that failed, is tried again at the latest. */
#define RETRY_AFTER (2 * XD_MS)

enum xd_err xd_channel_init(struct xd_channel *channel,
                            struct xd_link *link,
                            enum xd_role role,
                            struct xd_session_id owner,
                            xd_time now)
{
    char host[XD_HOST_ID_MAX_BYTES];
    xd_host_id(host);
    *channel = (struct xd_channel){.link = link, .retry_at = XD_NEVER};
    xd_session_init(&channel->session, role, owner, (uint64_t)getpid(), now);
    xd_outbox_init(&channel->outbox);
    xd_reads_init(&channel->reads);
    xd_owned_init(&channel->owned, 0); /* keys are our own counters */
    if (xd_bytes_text("libcrossdock " XD_VERSION, &channel->software) != XD_OK ||
        xd_bytes_text(host, &channel->host) != XD_OK) {
        xd_channel_fini(channel, true);
        return XD_ERR_NOMEM;
    }
    return XD_OK;
}

void xd_channel_fini(struct xd_channel *channel, bool close_link)
{
    if (channel->link != NULL && close_link) {
        channel->link->close(channel->link);
    }
    channel->link = NULL;
    xd_outbox_fini(&channel->outbox);
    xd_reads_fini(&channel->reads);
    xd_owned_fini(&channel->owned);
    xd_bytes_unref(channel->software);
    xd_bytes_unref(channel->host);
    channel->software = channel->host = NULL;
}

/* ---- sending ---- */

enum xd_err xd_channel_send(struct xd_channel *channel,
                            enum xd_lane lane,
                            const struct xd_msg *msg,
                            xd_time now)
{
    if (channel->session.gone) {
        return XD_ERR_GONE;
    }
    struct xd_frames *frames = &channel->scratch;
    frames->count = 0;
    enum xd_err err = xd_msg_pack(msg, frames);
    if (err == XD_OK) {
        err = channel->link->send(channel->link, lane, frames->items, frames->count);
        xd_frames_clear(frames);
    }
    switch (err) {
    case XD_OK:
        if (lane == XD_LANE_CONTROL) {
            xd_session_sent(&channel->session, now);
        }
        return XD_OK;
    case XD_ERR_AGAIN:
    case XD_ERR_NOMEM:
        channel->retry_at = now + RETRY_AFTER;
        return XD_ERR_AGAIN;
    case XD_ERR_TOO_LARGE:
        return err;
    default:
        xd_session_end(&channel->session,
                       XD_ERR_GONE,
                       "the connection to the broker is gone");
        return XD_ERR_GONE;
    }
}

static void flush_greetings(struct xd_channel *channel, xd_time now)
{
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        if (channel->session.lanes[lane] != XD_LANE_GREETING) {
            continue;
        }
        struct xd_msg msg;
        xd_session_hello(&channel->session,
                         (enum xd_lane)lane,
                         channel->software,
                         channel->host,
                         &msg);
        if (channel->session.id.n == 0 && channel->facts != NULL) {
            msg.hello.facts = *channel->facts; /* borrowed, and said once */
        }
        if (xd_channel_send(channel, (enum xd_lane)lane, &msg, now) == XD_OK) {
            xd_session_greeted(&channel->session, (enum xd_lane)lane, now);
        }
    }
}

static void flush_letters(struct xd_channel *channel, xd_time now)
{
    struct xd_letter *letter;
    while ((letter = xd_outbox_first(&channel->outbox)) != NULL) {
        bool bulk = letter->msg.kind == XD_KIND_CHUNK;
        if (bulk && !xd_channel_has_bulk(channel, now)) {
            return;
        }
        enum xd_err err = xd_channel_send(channel,
                                          bulk ? XD_LANE_BULK : XD_LANE_CONTROL,
                                          &letter->msg,
                                          now);
        if (err == XD_ERR_AGAIN || err == XD_ERR_GONE) {
            return;
        }
        xd_outbox_drop(&channel->outbox, letter);
    }
}

static void flush_credits(struct xd_channel *channel, xd_time now)
{
    struct xd_msg msg = {.kind = XD_KIND_CREDIT};
    struct xd_read *read;
    bool has_reads = !xd_list_is_empty(&channel->reads.pulls);
    while (has_reads && xd_channel_has_bulk(channel, now) &&
           xd_reads_credit(&channel->reads, &msg.credit, &read)) {
        if (xd_channel_send(channel, XD_LANE_BULK, &msg, now) != XD_OK) {
            return;
        }
        xd_reads_credit_sent(&channel->reads, read, &msg.credit);
        has_reads = !xd_list_is_empty(&channel->reads.pulls);
    }
}

static void flush_chunks(struct xd_channel *channel, xd_time now)
{
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    struct xd_reader *reader;
    for (;;) {
        enum xd_err err =
            xd_owned_next(&channel->owned, channel->session.id, &msg.chunk, &reader);
        if (err == XD_ERR_NOMEM) {
            channel->retry_at = now + RETRY_AFTER;
        }
        if (err != XD_OK) {
            return;
        }
        err = xd_channel_send(channel, XD_LANE_BULK, &msg, now);
        xd_bytes_unref(msg.chunk.bytes);
        if (err != XD_OK) {
            return;
        }
        xd_owned_sent(&channel->owned, reader);
    }
}

void xd_channel_flush(struct xd_channel *channel, xd_time now)
{
    channel->retry_at = XD_NEVER;
    flush_greetings(channel, now);
    if (!xd_session_is_open(&channel->session)) {
        return;
    }
    flush_letters(channel, now);
    flush_credits(channel, now);
    flush_chunks(channel, now);
}

void xd_channel_run(struct xd_channel *channel, xd_time now)
{
    xd_session_run(&channel->session, now);
    if (xd_session_beat_is_due(&channel->session, now)) {
        struct xd_msg msg = {.kind = XD_KIND_HEARTBEAT};
        (void)!xd_channel_send(channel, XD_LANE_CONTROL, &msg, now);
        xd_session_sent(&channel->session, now); /* a full link needs no beat */
    }
}

bool xd_channel_has_bulk(struct xd_channel *channel, xd_time now)
{
    struct xd_session *session = &channel->session;
    if (session->lanes[XD_LANE_BULK] == XD_LANE_SHUT && xd_session_is_open(session)) {
        struct xd_error error = {""};
        enum xd_err err = channel->link->open(channel->link,
                                              XD_LANE_BULK,
                                              session->bulk_endpoint,
                                              &error);
        if (err == XD_ERR_NOMEM) {
            channel->retry_at = now + RETRY_AFTER;
            return false;
        }
        if (err != XD_OK) {
            xd_session_end(session, XD_ERR_GONE, "%s", error.text);
            return false;
        }
        session->lanes[XD_LANE_BULK] = XD_LANE_GREETING;
        session->greeted_at = now;
        flush_greetings(channel, now);
    }
    return session->lanes[XD_LANE_BULK] == XD_LANE_OPEN;
}

xd_time xd_channel_deadline(const struct xd_channel *channel)
{
    return xd_time_min(xd_session_deadline(&channel->session), channel->retry_at);
}

void xd_channel_bye(struct xd_channel *channel)
{
    struct xd_msg msg = {.kind = XD_KIND_BYE};
    channel->scratch.count = 0;
    if (xd_msg_pack(&msg, &channel->scratch) == XD_OK) {
        (void)!channel->link->send(channel->link,
                                   XD_LANE_CONTROL,
                                   channel->scratch.items,
                                   channel->scratch.count);
        xd_frames_clear(&channel->scratch);
    }
}

static bool has_ended(struct xd_batch *batch)
{
    bool over = batch->err != XD_OK;
    for (size_t i = 0; i < batch->count; i++) {
        over = over || batch->msgs[i].kind == XD_KIND_BYE;
        xd_msg_clear(&batch->msgs[i]);
    }
    return over;
}

enum xd_err xd_channel_wait(struct xd_channel *channel, int wake_fd, int timeout_ms)
{
    struct pollfd fds[XD_LINK_FDS + 1];
    size_t count = channel->link->arm(channel->link, fds);
    if (count == 0) {
        return XD_OK;
    }
    fds[count] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    if (poll(fds, (nfds_t)count + 1, timeout_ms) < 0 && errno != EINTR) {
        return XD_ERR_SYSTEM;
    }
    channel->link->woke(channel->link, fds, count);
    return XD_OK;
}

void xd_channel_await_bye(struct xd_channel *channel,
                          struct xd_batch *batch,
                          xd_time deadline)
{
    for (;;) {
        xd_channel_receive(channel, batch);
        bool came = batch->count > 0;
        xd_time now = xd_now();
        if (has_ended(batch) || now >= deadline) {
            return;
        }
        if (!came &&
            xd_channel_wait(channel, -1, xd_time_poll_ms(now, deadline)) != XD_OK) {
            return;
        }
    }
}

enum xd_err xd_channel_greet(struct xd_channel *channel,
                             struct xd_batch *batch,
                             xd_time deadline,
                             struct xd_error *error)
{
    struct xd_session *session = &channel->session;
    for (;;) {
        xd_time now = xd_now();
        xd_channel_flush(channel, now);
        xd_channel_receive(channel, batch);
        bool came = xd_channel_take(channel, batch, now);
        if (session->gone) {
            return xd_fail(error, session->end_code, "%s", session->end.text);
        }
        if (xd_session_is_open(session)) {
            return XD_OK;
        }
        if (now >= deadline) {
            return xd_fail(error, XD_ERR_TIMEOUT, "no broker answers");
        }
        xd_time until = xd_time_min(deadline, channel->retry_at);
        enum xd_err err =
            came ? XD_OK : xd_channel_wait(channel, -1, xd_time_poll_ms(now, until));
        if (err != XD_OK) {
            return xd_fail(error, err, "waiting for the broker: %s", xd_err_text(err));
        }
    }
}

/* ---- payloads too large for a message ---- */

enum xd_err xd_channel_detach(struct xd_channel *channel,
                              struct xd_frame *frames,
                              size_t count,
                              bool ends_when_done,
                              struct xd_list *made)
{
    struct xd_list fresh;
    xd_list_init(&fresh);
    size_t here = 0;
    for (size_t i = 0; i < count; i++) {
        if (frames[i].bytes == NULL ||
            frames[i].bytes->size <= XD_MESSAGE_MAX_BYTES - here) {
            here += frames[i].bytes == NULL ? 0 : frames[i].bytes->size;
            continue;
        }
        struct xd_payload_out *payload;
        enum xd_err err =
            xd_owned_add(&channel->owned, frames[i].bytes, ends_when_done, &payload);
        if (err != XD_OK) {
            xd_channel_release(channel, &fresh);
            return err;
        }
        xd_list_push_back(&fresh, &payload->link);
    }
    here = 0;
    for (size_t i = 0; i < count && !xd_list_is_empty(&fresh); i++) {
        if (frames[i].bytes == NULL ||
            frames[i].bytes->size <= XD_MESSAGE_MAX_BYTES - here) {
            here += frames[i].bytes == NULL ? 0 : frames[i].bytes->size;
            continue;
        }
        struct xd_payload_out *payload = XD_ITEM(fresh.next, struct xd_payload_out, link);
        xd_list_remove(&payload->link);
        xd_list_push_back(made, &payload->link);
        frames[i].ref = (struct xd_ref){channel->session.id, payload->counter};
        xd_bytes_unref(frames[i].bytes);
        frames[i].bytes = NULL;
    }
    return XD_OK;
}

void xd_channel_release(struct xd_channel *channel, struct xd_list *made)
{
    while (!xd_list_is_empty(made)) {
        xd_owned_drop(&channel->owned, XD_ITEM(made->next, struct xd_payload_out, link));
    }
}
