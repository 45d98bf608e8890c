/* SPDX-License-Identifier: MIT */
/* Leader, followers and the background thread; see pump.h. */
#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/thread.h"
#include "clock.h"

/* Parked for so long, the background thread takes the lead. */
#define PARKED_MAX XD_MS
/* How often the background thread looks at a link that is in use. */
#define LOOK_EVERY (5 * XD_MS)

void xd_pump_lock(struct xd_pump *pump)
{
    pthread_mutex_lock(&pump->lock);
}

void xd_pump_unlock(struct xd_pump *pump)
{
    pthread_mutex_unlock(&pump->lock);
}

void xd_pump_nudge(struct xd_pump *pump)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t ignored = write(pump->wake_fd, &one, sizeof one);
    (void)ignored;
    errno = saved;
}

/* Get the leader out of its wait. */
static void wake_leader(struct xd_pump *pump)
{
    if (pump->sleeping && !pump->woken) {
        pump->woken = true;
        xd_pump_nudge(pump);
    }
}

static void drain_wakes(struct xd_pump *pump)
{
    uint64_t count;
    ssize_t ignored = read(pump->wake_fd, &count, sizeof count);
    (void)ignored;
    pump->woken = false;
}

/* Others may use the link meanwhile, with the lock; xd_pump_touched() afterwards. */
static void sleep_on_link(struct xd_pump *pump, xd_time now, xd_time until)
{
    struct pollfd fds[XD_LINK_FDS + 1];
    size_t count = pump->link->arm(pump->link, fds);
    if (count == 0) {
        return;
    }
    fds[count] = (struct pollfd){.fd = pump->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        pump->polled[i] = fds[i].fd;
    }
    pump->polled_count = count;
    pump->sleeping = true;
    pump->sleep_until = until;
    xd_pump_unlock(pump);
    struct timespec left = xd_timespec(until > now ? until - now : 0);
    if (ppoll(fds, (nfds_t)count + 1, until == XD_NEVER ? NULL : &left, NULL) < 0 &&
        errno != EINTR) {
        usleep(1000); /* never spin on it */
    }
    xd_pump_lock(pump);
    pump->sleeping = false;
    pump->link->woke(pump->link, fds, count);
}

static void take_lead(struct xd_pump *pump, bool background)
{
    pump->leading = true;
    pump->background_leads = background;
    pump->epoch++;
}

static void leave_lead(struct xd_pump *pump)
{
    pump->leading = false;
    pump->background_leads = false;
    pump->parked_at = xd_now();
    if (pump->waiting > 0) {
        pthread_cond_broadcast(&pump->follow);
    } else if (pump->rouse_at == XD_NEVER || pump->forced) {
        pthread_cond_signal(&pump->rouse);
    }
}

/* Must the leader make room: for the background thread, or for an application thread? */
static bool must_leave(const struct xd_pump *pump)
{
    if (pump->stopping || pump->dead) {
        return true;
    }
    return pump->background_leads ? !pump->forced && pump->waiting > 0 : pump->forced;
}

/* One turn of the leader; true when something came. */
static bool turn(struct xd_pump *pump, xd_time now)
{
    bool came = pump->ops->turn(pump->owner, now);
    if (pump->background_leads) {
        pump->ops->deliver(pump->owner);
    }
    if (came && pump->waiting > 0) {
        pthread_cond_broadcast(&pump->follow);
    }
    return came;
}

/* Run the link until it is ready, has to be left, or `deadline`. */
static void lead(struct xd_pump *pump,
                 bool (*is_ready)(void *context),
                 void *context,
                 xd_time deadline)
{
    bool slept = false;
    for (;;) {
        xd_time now = xd_now();
        bool came = turn(pump, now);
        if (slept && !came) {
            drain_wakes(pump);
            if (pump->waiting > 0) { /* a nudge may be meant for them */
                pthread_cond_broadcast(&pump->follow);
            }
        }
        slept = false;
        if (must_leave(pump) || (is_ready != NULL && is_ready(context)) ||
            now >= deadline) {
            return;
        }
        if (!came) {
            xd_time until = xd_time_min(deadline, pump->ops->deadline(pump->owner));
            sleep_on_link(pump, now, until);
            slept = true;
        }
    }
}

static void follow(struct xd_pump *pump, xd_time deadline)
{
    pump->waiting++;
    if (pump->background_leads && !pump->forced) {
        wake_leader(pump); /* it leaves the lead to us */
    }
    if (deadline == XD_NEVER) {
        pthread_cond_wait(&pump->follow, &pump->lock);
    } else {
        struct timespec until = xd_timespec(deadline);
        pthread_cond_timedwait(&pump->follow, &pump->lock, &until);
    }
    pump->waiting--;
}

enum xd_err xd_pump_wait(struct xd_pump *pump,
                         bool (*is_ready)(void *context),
                         void *context,
                         xd_time deadline)
{
    bool late = false;
    for (;;) {
        if (is_ready(context)) {
            return XD_OK;
        }
        if (pump->dead || pump->stopping) {
            return XD_ERR_GONE;
        }
        if (late) {
            return XD_ERR_TIMEOUT;
        }
        if (!pump->leading && !pump->forced) {
            take_lead(pump, false);
            lead(pump, is_ready, context, deadline);
            leave_lead(pump);
        } else {
            follow(pump, deadline);
        }
        late = deadline != XD_NEVER && xd_now() >= deadline;
    }
}

bool xd_pump_is_parked(const struct xd_pump *pump)
{
    return !pump->leading && !pump->forced && !pump->dead && !pump->stopping;
}

bool xd_pump_is_free(const struct xd_pump *pump)
{
    bool asleep = pump->leading && pump->sleeping && !pump->woken;
    return xd_pump_is_parked(pump) || (asleep && !pump->dead && !pump->stopping);
}

/* Is the leader asleep on what there is to poll? A send may have opened a lane. */
static bool polls_all(const struct xd_pump *pump, const struct pollfd *fds, size_t count)
{
    bool same = count == pump->polled_count;
    for (size_t i = 0; same && i < count; i++) {
        same = fds[i].fd == pump->polled[i];
    }
    return same;
}

void xd_pump_touched(struct xd_pump *pump)
{
    struct pollfd fds[XD_LINK_FDS];
    if (!pump->leading) {
        return;
    }
    size_t count = pump->link->arm(pump->link, fds);
    if (count == 0 || !polls_all(pump, fds, count)) {
        wake_leader(pump);
    }
}

void xd_pump_once(struct xd_pump *pump)
{
    if (!xd_pump_is_parked(pump)) {
        return;
    }
    take_lead(pump, false);
    turn(pump, xd_now());
    leave_lead(pump);
}

void xd_pump_ask(struct xd_pump *pump, xd_time when)
{
    if (pump->leading) {
        if (pump->sleeping && pump->sleep_until > when) {
            wake_leader(pump);
        }
    } else if (pump->rouse_at > when) {
        pump->rouse_at = when;
        pthread_cond_signal(&pump->rouse);
    }
}

void xd_pump_force(struct xd_pump *pump)
{
    if (!pump->forced) {
        pump->forced = true;
        wake_leader(pump);
        pthread_cond_signal(&pump->rouse);
    }
}

void xd_pump_die(struct xd_pump *pump)
{
    pump->dead = true;
    wake_leader(pump);
    pthread_cond_broadcast(&pump->follow);
    pthread_cond_signal(&pump->rouse);
}

/* ---- the background thread ---- */

/* Sleep until roused or `when`. */
static void doze(struct xd_pump *pump, xd_time when)
{
    pump->rouse_at = when;
    if (when == XD_NEVER) {
        pthread_cond_wait(&pump->rouse, &pump->lock);
    } else {
        struct timespec until = xd_timespec(when);
        pthread_cond_timedwait(&pump->rouse, &pump->lock, &until);
    }
}

/* When the background thread has to lead at the latest, seen from now. */
static xd_time lead_due(const struct xd_pump *pump)
{
    xd_time due = pump->parked_at + PARKED_MAX;
    return xd_time_min(due, pump->ops->deadline(pump->owner));
}

static void background_turn(struct xd_pump *pump, uint64_t *epoch)
{
    xd_time now = xd_now();
    if (pump->dead) {
        pump->ops->deliver(pump->owner);
        doze(pump, pump->ops->deadline(pump->owner));
    } else if (pump->leading) {
        bool same = pump->epoch == *epoch;
        *epoch = pump->epoch;
        doze(pump, same || pump->forced ? XD_NEVER : now + LOOK_EVERY);
    } else if (pump->forced || now >= lead_due(pump)) {
        take_lead(pump, true);
        pump->rouse_at = 0;
        lead(pump, NULL, NULL, XD_NEVER);
        leave_lead(pump);
        *epoch = pump->epoch;
    } else {
        bool busy = pump->epoch != *epoch;
        *epoch = pump->epoch;
        doze(pump,
             busy ? xd_time_min(now + LOOK_EVERY, pump->ops->deadline(pump->owner))
                  : lead_due(pump));
    }
}

static void *background(void *argument)
{
    struct xd_pump *pump = argument;
    uint64_t epoch = 0;
    xd_pump_lock(pump);
    while (!pump->stopping) {
        background_turn(pump, &epoch);
    }
    pump->ops->deliver(pump->owner);
    xd_pump_unlock(pump);
    return NULL;
}

static int init_conds(struct xd_pump *pump)
{
    pthread_condattr_t attr;
    int code = pthread_condattr_init(&attr);
    if (code == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        code = pthread_cond_init(&pump->follow, &attr);
        if (code == 0) {
            code = pthread_cond_init(&pump->rouse, &attr);
        }
        pthread_condattr_destroy(&attr);
    }
    return code;
}

enum xd_err xd_pump_start(struct xd_pump *pump,
                          struct xd_link *link,
                          const struct xd_pump_ops *ops,
                          void *owner)
{
    *pump = (struct xd_pump){.link = link, .ops = ops, .owner = owner};
    pump->parked_at = xd_now();
    pump->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pump->wake_fd < 0) {
        return XD_ERR_SYSTEM;
    }
    if (init_conds(pump) != 0 || pthread_mutex_init(&pump->lock, NULL) != 0) {
        close(pump->wake_fd);
        return XD_ERR_SYSTEM;
    }
    if (xd_thread_start(&pump->thread, background, pump) != XD_OK) {
        xd_pump_fini(pump, false);
        return XD_ERR_SYSTEM;
    }
    pump->has_thread = true;
    return XD_OK;
}

void xd_pump_stop(struct xd_pump *pump)
{
    xd_pump_lock(pump);
    pump->stopping = true;
    pump->sleeping = pump->leading; /* also one that is just about to sleep */
    wake_leader(pump);
    pthread_cond_broadcast(&pump->follow);
    pthread_cond_signal(&pump->rouse);
    while (pump->leading || pump->waiting > 0) {
        pthread_cond_broadcast(&pump->follow);
        xd_pump_unlock(pump);
        usleep(200);
        xd_pump_lock(pump);
    }
    xd_pump_unlock(pump);
    if (pump->has_thread) {
        pthread_join(pump->thread, NULL);
        pump->has_thread = false;
    }
}

void xd_pump_fini(struct xd_pump *pump, bool forked)
{
    close(pump->wake_fd);
    if (!forked) {
        pthread_cond_destroy(&pump->follow);
        pthread_cond_destroy(&pump->rouse);
        pthread_mutex_destroy(&pump->lock);
    }
}
