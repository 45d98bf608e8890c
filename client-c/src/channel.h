/* SPDX-License-Identifier: MIT */
/* What client and worker share: a session over a link, its lanes, streams and single
 * messages. The link is the only edge; over a scripted one all of this is pure. */
#ifndef XD_CLIENT_CHANNEL_H
#define XD_CLIENT_CHANNEL_H

#include <stdbool.h>

#include "base/link.h"
#include "base/time.h"
#include "outbox.h"
#include "session.h"
#include "stream.h"
#include "wire/codec.h"

/* Messages taken from the link before anything else happens. */
#define XD_BATCH_MESSAGES 16u

/* What one look at the link brought; filled without the session's lock by the one thread
 * that runs the link. */
/* How a session ends whose connection never came to be; xd_dial_explain() knows it. */
#define XD_HANDSHAKE_CUT "the broker broke off the handshake"

struct xd_batch {
    struct xd_msg msgs[XD_BATCH_MESSAGES];
    enum xd_lane lanes[XD_BATCH_MESSAGES];
    size_t count;
    enum xd_err
        err; /* not XD_OK: the link or the broker's bytes are at an end after these */
    struct xd_error error;
    struct xd_bytes *frames[XD_FRAMES_MAX]; /* scratch */
};

struct xd_channel {
    struct xd_link *link;
    struct xd_session session;
    struct xd_outbox outbox;
    struct xd_reads reads;
    struct xd_owned owned;
    struct xd_bytes *software, *host;
    const struct xd_facts *facts; /* the owner's, said in the first HELLO; NULL: none */
    struct xd_frames scratch;
    xd_time
        retry_at; /* the link was full, or memory short: when to try again; XD_NEVER */
    /* The rest of the role's messages; may take parts of `msg`. */
    void (*message)(void *owner, struct xd_msg *msg, xd_time now);
    void *owner;
};

/* Takes the link, also on failure. Errors: XD_ERR_NOMEM. */
enum xd_err xd_channel_init(struct xd_channel *channel,
                            struct xd_link *link,
                            enum xd_role role,
                            struct xd_session_id owner,
                            xd_time now) XD_MUST_USE;
/* `close_link`: false in a forked child, where the link must not be touched. */
void xd_channel_fini(struct xd_channel *channel, bool close_link);

/* Look at the link once. Touches nothing of the channel but the link. */
void xd_channel_receive(struct xd_channel *channel, struct xd_batch *batch);

/* Handle and clear what came. True: there was something. */
bool xd_channel_take(struct xd_channel *channel, struct xd_batch *batch, xd_time now);

/* Send one message now; it stays the caller's. Errors: XD_ERR_AGAIN (later: the link is
 * full or memory short), XD_ERR_GONE (the session has ended), XD_ERR_TOO_LARGE. */
enum xd_err xd_channel_send(struct xd_channel *channel,
                            enum xd_lane lane,
                            const struct xd_msg *msg,
                            xd_time now) XD_MUST_USE;

/* Greetings, single messages, credits and chunks, as far as the link takes them. */
void xd_channel_flush(struct xd_channel *channel, xd_time now);

/* Beats and silence. */
void xd_channel_run(struct xd_channel *channel, xd_time now);

/* Is the bulk lane there? If not, it is opened; ask again later. */
bool xd_channel_has_bulk(struct xd_channel *channel, xd_time now);

/* When something is due without a message coming. */
xd_time xd_channel_deadline(const struct xd_channel *channel);

/* An orderly end, for a session that this side has ended; nothing waits for it. */
void xd_channel_bye(struct xd_channel *channel);

/* A worker's BYE is answered: once that has come, the broker has everything that was sent
 * before, also on a host so busy that its threads get their turn later than it hears of
 * our process's end. Waits until `deadline` at most; what else comes is dropped. */
void xd_channel_await_bye(struct xd_channel *channel,
                          struct xd_batch *batch,
                          xd_time deadline);

/* Wait until something may be received, `wake_fd` (-1: none) is readable, or `timeout_ms`
 * is over (-1: never). For a thread that has the link to itself. Errors: XD_ERR_SYSTEM.
 */
enum xd_err xd_channel_wait(struct xd_channel *channel,
                            int wake_fd,
                            int timeout_ms) XD_MUST_USE;

/* Serve the link from this thread until the session is open. Errors: why it is not. */
enum xd_err xd_channel_greet(struct xd_channel *channel,
                             struct xd_batch *batch,
                             xd_time deadline,
                             struct xd_error *error) XD_MUST_USE;

/* Turn the payloads of a task or result that do not fit into one message into references,
 * but for those that are some already. The payloads made are linked into `made`. On
 * failure nothing has changed. Errors: XD_ERR_NOMEM. */
enum xd_err xd_channel_detach(struct xd_channel *channel,
                              struct xd_frame *frames,
                              size_t count,
                              bool ends_when_done,
                              struct xd_list *made) XD_MUST_USE;

/* Let go of all payloads in `made`. */
void xd_channel_release(struct xd_channel *channel, struct xd_list *made);

#endif
