/* SPDX-License-Identifier: MIT */
/* The state of a session; see session.h. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/limits.h"

/* How long the broker may take to answer HELLO on a further lane. */
#define GREETING_PATIENCE (5 * XD_S)

void xd_session_init(struct xd_session *session,
                     enum xd_role role,
                     struct xd_session_id owner,
                     uint64_t pid,
                     xd_time now)
{
    *session = (struct xd_session){
        .role = role,
        .owner = owner,
        .pid = pid,
        .heartbeat = XD_HEARTBEAT_MS * XD_MS,
        .lost = XD_LOST_MS * XD_MS,
        .sent_at = now,
        .heard_at = now,
        .ran_at = now,
        .greeted_at = now,
        .rejoined = role != XD_ROLE_WORKER,
    };
    session->lanes[XD_LANE_CONTROL] = XD_LANE_GREETING;
}

bool xd_session_is_open(const struct xd_session *session)
{
    return !session->gone && session->rejoined &&
           session->lanes[XD_LANE_CONTROL] == XD_LANE_OPEN;
}

void xd_session_hello(const struct xd_session *session,
                      enum xd_lane lane,
                      struct xd_bytes *software,
                      struct xd_bytes *host,
                      struct xd_msg *out)
{
    *out = (struct xd_msg){.kind = XD_KIND_HELLO};
    out->hello = (struct xd_hello){
        .role = session->role,
        .min_version = XD_PROTOCOL_VERSION,
        .max_version = XD_PROTOCOL_VERSION,
        .session = session->id,
        .token = session->token,
        .lane = lane,
        .software = software,
        .host = host,
        .pid = session->pid,
        .owner = session->owner,
    };
}

void xd_session_greeted(struct xd_session *session, enum xd_lane lane, xd_time now)
{
    session->lanes[lane] = XD_LANE_GREETED;
    session->greeted_at = now;
}

static void copy_endpoint(char *out, const struct xd_bytes *text)
{
    size_t size = text == NULL ? 0 : text->size;
    if (size >= XD_ADDRESS_MAX_BYTES) {
        size = 0;
    }
    if (size > 0) {
        memcpy(out, text->data, size);
    }
    out[size] = '\0';
}

/* The first HELLO_OK says who we are and where the other sockets are. */
static void learn(struct xd_session *session, const struct xd_hello_ok *ok)
{
    session->id = ok->session;
    session->token = ok->token;
    session->budget_tasks = ok->budget_tasks;
    session->budget_bytes = ok->budget_bytes;
    if (ok->heartbeat_ms > 0) {
        session->heartbeat = (xd_time)ok->heartbeat_ms * XD_MS;
    }
    if (ok->lost_ms > 0) {
        session->lost = (xd_time)ok->lost_ms * XD_MS;
    }
    copy_endpoint(session->worker_endpoint, ok->worker_endpoint);
    copy_endpoint(session->bulk_endpoint, ok->bulk_endpoint);
}

bool xd_session_welcome(struct xd_session *session,
                        enum xd_lane lane,
                        const struct xd_hello_ok *ok)
{
    if (session->lanes[lane] != XD_LANE_GREETED) {
        return false;
    }
    if (ok->version != XD_PROTOCOL_VERSION) {
        xd_session_end(session,
                       XD_ERR_VERSION,
                       "the broker chose protocol version %u, this side speaks %u",
                       (unsigned)ok->version,
                       XD_PROTOCOL_VERSION);
        return false;
    }
    if (session->id.n == 0) {
        learn(session, ok);
    } else if (!xd_session_is(session->id, ok->session)) {
        xd_session_end(session,
                       XD_ERR_PROTOCOL,
                       "the broker answered for another session");
        return false;
    }
    session->lanes[lane] = XD_LANE_OPEN;
    if (lane == XD_LANE_CONTROL && !session->rejoined) {
        session->rejoined = true;
        if (session->worker_endpoint[0] != '\0') {
            session->lanes[lane] = XD_LANE_GREETING;
            return true;
        }
    }
    return false;
}

void xd_session_heard(struct xd_session *session, xd_time now)
{
    session->heard_at = now;
}

void xd_session_sent(struct xd_session *session, xd_time now)
{
    session->sent_at = now;
}

static bool greeting_is_late(const struct xd_session *session, xd_time now)
{
    enum xd_lane_state bulk = session->lanes[XD_LANE_BULK];
    return (bulk == XD_LANE_GREETING || bulk == XD_LANE_GREETED) &&
           now - session->greeted_at > GREETING_PATIENCE;
}

void xd_session_run(struct xd_session *session, xd_time now)
{
    xd_time pause = now - session->ran_at;
    session->ran_at = now;
    if (!xd_session_is_open(session)) {
        session->heard_at = now; /* before that the time limit of connect counts */
        return;
    }
    if (pause > session->heartbeat + session->heartbeat / 2) {
        session->heard_at = now; /* it was us: stopped, or starved */
        session->greeted_at = now;
        return;
    }
    if (now - session->heard_at > session->lost) {
        xd_session_end(session,
                       XD_ERR_GONE,
                       "the broker has been silent for %lld ms",
                       (long long)((now - session->heard_at) / XD_MS));
    } else if (greeting_is_late(session, now)) {
        xd_session_end(session,
                       XD_ERR_GONE,
                       "the broker does not answer on the bulk lane");
    }
}

bool xd_session_beat_is_due(const struct xd_session *session, xd_time now)
{
    return xd_session_is_open(session) && now - session->sent_at >= session->heartbeat;
}

xd_time xd_session_deadline(const struct xd_session *session)
{
    if (!xd_session_is_open(session)) {
        return XD_NEVER;
    }
    /* A run at least once a heartbeat also tells our own stalls from the broker's
     * silence. */
    xd_time beat = xd_time_add(session->sent_at, session->heartbeat);
    xd_time run = xd_time_add(session->ran_at, session->heartbeat);
    xd_time lost = xd_time_add(session->heard_at, session->lost + XD_MS);
    return xd_time_min(xd_time_min(beat, run), lost);
}

void xd_session_end(struct xd_session *session, enum xd_err code, const char *format, ...)
{
    if (session->gone) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(session->end.text, sizeof session->end.text, format, args);
    va_end(args);
    session->end_code = code;
    session->gone = true;
}
