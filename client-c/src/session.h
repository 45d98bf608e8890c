/* SPDX-License-Identifier: MIT */
/* The life of a session as both roles see it: greeting, lanes, beats, silence, end. Pure:
 * time and messages come in as data; what is to be sent is said, not done. */
#ifndef XD_CLIENT_SESSION_H
#define XD_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "wire/address.h"
#include "wire/msg.h"

enum xd_lane_state {
    XD_LANE_SHUT,     /* never used so far */
    XD_LANE_GREETING, /* its HELLO is to be sent */
    XD_LANE_GREETED,  /* HELLO sent, HELLO_OK awaited */
    XD_LANE_OPEN
};

struct xd_session {
    enum xd_role role;
    struct xd_session_id id, owner;
    struct xd_token token;
    uint64_t pid;
    enum xd_lane_state lanes[XD_LANE_COUNT];
    bool rejoined; /* worker: the control lane is the one of worker_endpoint */
    bool gone;
    enum xd_err end_code; /* why it is gone */
    struct xd_error end;  /* in a sentence */
    xd_time heartbeat, lost;
    xd_time sent_at, heard_at, ran_at, greeted_at;
    uint64_t budget_tasks, budget_bytes; /* 0: no limit */
    char worker_endpoint[XD_ADDRESS_MAX_BYTES], bulk_endpoint[XD_ADDRESS_MAX_BYTES];
};

void xd_session_init(struct xd_session *session,
                     enum xd_role role,
                     struct xd_session_id owner,
                     uint64_t pid,
                     xd_time now);

/* Is the session at work: both sides said hello, and neither ended it? */
bool xd_session_is_open(const struct xd_session *session);

/* The HELLO for this lane (its texts are borrowed from the caller's `software` and
 * `host`).
 */
void xd_session_hello(const struct xd_session *session,
                      enum xd_lane lane,
                      struct xd_bytes *software,
                      struct xd_bytes *host,
                      struct xd_msg *out);

void xd_session_greeted(struct xd_session *session, enum xd_lane lane, xd_time now);

/* HELLO_OK came on `lane`. True: now open the lane's endpoint anew (a worker's control
 * lane moves to the workers' socket) and greet again. */
bool xd_session_welcome(struct xd_session *session,
                        enum xd_lane lane,
                        const struct xd_hello_ok *ok);

/* Anything came, on any lane; something left on the control lane. */
void xd_session_heard(struct xd_session *session, xd_time now);
void xd_session_sent(struct xd_session *session, xd_time now);

/* Time has passed. Ends the session where the broker has been silent for too long; a
 * process that was itself stopped starts its patience anew. */
void xd_session_run(struct xd_session *session, xd_time now);

bool xd_session_beat_is_due(const struct xd_session *session, xd_time now);

/* When xd_session_run() or a beat is next due. */
xd_time xd_session_deadline(const struct xd_session *session);

/* The session is over; the first reason stays. */
void xd_session_end(struct xd_session *session, enum xd_err code, const char *format, ...)
    XD_PRINTF(3, 4);

#endif
