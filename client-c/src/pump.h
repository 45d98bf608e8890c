/* SPDX-License-Identifier: MIT */
/* Whose turn it is to run the link: at any moment at most one thread, the leader.
 *
 * A thread that waits for something leads while it waits; when it leaves, nobody looks at
 * the link ("parked"). The background thread sleeps meanwhile and takes the lead when the
 * link has been parked for about a millisecond, so that a loop of short waits never
 * changes threads, and a long computation never starves the session. Once forced (a
 * descriptor or a callback is in use) the background thread always leads. While a leader
 * sleeps it touches nothing of the link, so another thread that holds the lock may send.
 */
#ifndef XD_CLIENT_PUMP_H
#define XD_CLIENT_PUMP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/link.h"
#include "base/time.h"

/* What the owner of the link does in a turn. All are called with the lock held, by the
 * leader. */
struct xd_pump_ops {
    /* Receive and send what there is. May release the lock while it touches only the
     * link. True: something came. */
    bool (*turn)(void *owner, xd_time now);
    /* When there is something to do without a message coming; after the session's end:
     * when deliver() is wanted once more. */
    xd_time (*deadline)(void *owner);
    /* Run the application's callbacks, without the lock. Background thread only. */
    void (*deliver)(void *owner);
};

struct xd_pump {
    pthread_mutex_t lock;
    pthread_cond_t follow; /* followers, and threads that want the lead */
    pthread_cond_t rouse;  /* the background thread */
    struct xd_link *link;
    const struct xd_pump_ops *ops;
    void *owner;
    int wake_fd;
    bool woken;    /* wake_fd was written and not read since */
    bool leading;  /* somebody runs the link */
    bool sleeping; /* ... and is in its wait */
    bool background_leads;
    bool forced, stopping, dead;
    unsigned waiting; /* threads in xd_pump_wait() that do not lead */
    uint64_t epoch;   /* how often the lead was taken */
    xd_time parked_at;
    xd_time sleep_until; /* the leader's, while it is sleeping; and what it polls */
    int polled[XD_LINK_FDS];
    size_t polled_count;
    xd_time rouse_at; /* when the background thread wakes by itself; 0: it is awake */
    pthread_t thread;
    bool has_thread;
};

/* The link is open, and this thread leads no more than anybody. Errors: XD_ERR_SYSTEM,
 * XD_ERR_NOMEM. */
enum xd_err xd_pump_start(struct xd_pump *pump,
                          struct xd_link *link,
                          const struct xd_pump_ops *ops,
                          void *owner) XD_MUST_USE;

/* End the background thread and wait until every thread is out of the pump. With the lock
 * free; no new waits may begin (the owner's session is gone). */
void xd_pump_stop(struct xd_pump *pump);

/* Free what is left. `forked`: in a child, where locks and descriptors are the parent's
 * business. */
void xd_pump_fini(struct xd_pump *pump, bool forked);

void xd_pump_lock(struct xd_pump *pump);
void xd_pump_unlock(struct xd_pump *pump);

/* ---- with the lock held ---- */

/* Wait until `is_ready(context)` (asked with the lock held), leading where possible.
 * Errors: XD_ERR_TIMEOUT; XD_ERR_GONE when the session is dead and it still is not ready.
 */
enum xd_err xd_pump_wait(struct xd_pump *pump,
                         bool (*is_ready)(void *context),
                         void *context,
                         xd_time deadline) XD_MUST_USE;

/* May this thread touch the link at once? Only while the lock stays held. */
bool xd_pump_is_parked(const struct xd_pump *pump);

/* May this thread send at once? Also while the leader sleeps; then xd_pump_touched()
 * tells it what the send took in. */
bool xd_pump_is_free(const struct xd_pump *pump);
void xd_pump_touched(struct xd_pump *pump);

/* One turn from this thread without waiting, if the link is parked. */
void xd_pump_once(struct xd_pump *pump);

/* See that somebody looks at the link no later than `when`. */
void xd_pump_ask(struct xd_pump *pump, xd_time when);

/* From now on the background thread leads. */
void xd_pump_force(struct xd_pump *pump);

/* The session is over: nobody leads any more, everybody looks. */
void xd_pump_die(struct xd_pump *pump);

/* ---- without the lock ---- */

/* Let whoever waits look again. Safe in a signal handler. */
void xd_pump_nudge(struct xd_pump *pump);

#endif
