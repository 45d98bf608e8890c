/* SPDX-License-Identifier: MIT */
/* What comes over a link, and what of it is the session's own business. */
#include "channel.h"

static void batch_end(struct xd_batch *batch, enum xd_err err, const char *what)
{
    batch->err = err;
    if (what != NULL) {
        (void)xd_fail(&batch->error, err, "%s", what);
    }
}

/* One message of one lane into the batch; false: there is no more, or an end. */
static bool receive_one(struct xd_channel *channel,
                        struct xd_batch *batch,
                        enum xd_lane lane)
{
    size_t count = 0;
    enum xd_err err =
        channel->link->recv(channel->link, lane, batch->frames, XD_FRAMES_MAX, &count);
    if (err == XD_ERR_AGAIN) {
        return false;
    }
    if (err != XD_OK) {
        batch_end(batch,
                  err,
                  err == XD_ERR_TOO_LARGE   ? "the broker sent more frames than allowed"
                  : err == XD_ERR_NOMEM     ? "out of memory while receiving"
                  : err == XD_ERR_FORBIDDEN ? XD_HANDSHAKE_CUT
                                            : "the connection to the broker is gone");
        return false;
    }
    err = xd_msg_unpack(batch->frames, count, &batch->msgs[batch->count], &batch->error);
    for (size_t i = 0; i < count; i++) {
        xd_bytes_unref(batch->frames[i]);
    }
    if (err == XD_ERR_NOMEM) {
        batch_end(batch, err, "out of memory while receiving");
        return false;
    }
    if (err != XD_OK) {
        (void)xd_fail_in(&batch->error, err, "the broker sent what is no message");
        batch->err = err;
        return false;
    }
    batch->lanes[batch->count++] = lane;
    return true;
}

void xd_channel_receive(struct xd_channel *channel, struct xd_batch *batch)
{
    batch->count = 0;
    batch->err = XD_OK;
    while (batch->count < XD_BATCH_MESSAGES && batch->err == XD_OK &&
           receive_one(channel, batch, XD_LANE_CONTROL)) {
    }
    while (batch->count < XD_BATCH_MESSAGES && batch->err == XD_OK &&
           receive_one(channel, batch, XD_LANE_BULK)) {
    }
}

static void end_with_text(struct xd_session *session,
                          enum xd_err code,
                          const char *what,
                          const struct xd_bytes *text)
{
    if (text == NULL || text->size == 0) {
        xd_session_end(session, code, "%s: %s", what, xd_err_text(code));
        return;
    }
    int size = text->size > 180 ? 180 : (int)text->size;
    xd_session_end(session, code, "%s: %.*s", what, size, (const char *)text->data);
}

/* An ERROR that answers one message of ours leaves the session alone only where nothing
 * waits for that message. */
static void take_error(struct xd_channel *channel, const struct xd_msg *msg)
{
    uint32_t kind = msg->error.kind;
    if (kind == XD_KIND_CANCEL || kind == XD_KIND_EVENT || kind == XD_KIND_CREDIT ||
        kind == XD_KIND_CHUNK || kind == XD_KIND_RECALLED) {
        return;
    }
    end_with_text(&channel->session,
                  msg->error.code,
                  "the broker refused",
                  msg->error.text);
}

static void take_welcome(struct xd_channel *channel,
                         enum xd_lane lane,
                         const struct xd_hello_ok *ok)
{
    struct xd_session *session = &channel->session;
    struct xd_error error;
    if (xd_session_welcome(session, lane, ok) &&
        channel->link->open(channel->link, lane, session->worker_endpoint, &error) !=
            XD_OK) {
        xd_session_end(session, XD_ERR_GONE, "%s", error.text);
    }
}

/* Answer credit that cannot be served. */
static void refuse_credit(struct xd_channel *channel,
                          const struct xd_credit *credit,
                          enum xd_err code)
{
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk =
        (struct xd_chunk){.ref = credit->ref, .reader = credit->reader, .code = code};
    (void)!xd_outbox_put(&channel->outbox, &msg, 0);
}

static void take_message(struct xd_channel *channel,
                         enum xd_lane lane,
                         struct xd_msg *msg,
                         xd_time now)
{
    enum xd_err err;
    switch ((int)msg->kind) {
    case XD_KIND_HELLO_OK:
        take_welcome(channel, lane, &msg->hello_ok);
        break;
    case XD_KIND_ERROR:
        take_error(channel, msg);
        break;
    case XD_KIND_BYE:
        end_with_text(&channel->session,
                      XD_ERR_GONE,
                      "the broker said bye",
                      msg->error.text);
        break;
    case XD_KIND_CHUNK:
        xd_reads_chunk(&channel->reads, &msg->chunk);
        break;
    case XD_KIND_CREDIT:
        err = xd_owned_credit(&channel->owned, &msg->credit);
        if (err != XD_OK) {
            refuse_credit(channel, &msg->credit, err);
        }
        break;
    case XD_KIND_HEARTBEAT:
        break;
    default:
        break;
    }
    channel->message(channel->owner, msg, now);
}

bool xd_channel_take(struct xd_channel *channel, struct xd_batch *batch, xd_time now)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!channel->session.gone) {
            xd_session_heard(&channel->session, now);
            take_message(channel, batch->lanes[i], &batch->msgs[i], now);
        }
        xd_msg_clear(&batch->msgs[i]);
    }
    if (batch->err != XD_OK) {
        xd_session_end(&channel->session, batch->err, "%s", batch->error.text);
    }
    return batch->count > 0;
}
