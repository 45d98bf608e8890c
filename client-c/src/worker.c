/* SPDX-License-Identifier: MIT */
/* A worker's connection: making it, the next task, leaving. */
#include "worker.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "clock.h"
#include "dial.h"
#include "facts.h"

#define CONNECT_TIMEOUT_MS 5000
#define LEAVE_TIMEOUT_MS 5000
/* While short tasks are held, the link is looked at so often: for cancels and recalls. */
#define LOOK_EVERY (500 * XD_US)

/* ---- serving the link ---- */

static bool worker_turn(void *owner, xd_time now)
{
    struct xd_worker *worker = owner;
    struct xd_worker_core *core = &worker->core;
    if (core->channel.session.gone) {
        return false;
    }
    xd_pump_unlock(&worker->pump);
    xd_channel_receive(&core->channel, &worker->inbox);
    xd_pump_lock(&worker->pump);
    bool came = xd_channel_take(&core->channel, &worker->inbox, now);
    xd_worker_core_settle(core, now);
    xd_worker_core_flush(core, now);
    xd_worker_core_settle(core, now);
    if (core->channel.session.gone && !worker->pump.dead) {
        xd_pump_die(&worker->pump);
    }
    return came;
}

static xd_time worker_deadline(void *owner)
{
    struct xd_worker *worker = owner;
    return xd_worker_core_deadline(&worker->core);
}

static void worker_deliver(void *owner)
{
    struct xd_worker *worker = owner;
    struct xd_alarm alarm = worker->core.alarm;
    if (xd_worker_core_is_overdue(&worker->core, xd_now())) {
        alarm.id = worker->core.running->task.id;
        alarm.kill = true;
    }
    worker->core.alarm.interrupt = worker->core.alarm.kill = false;
    if (!alarm.interrupt && !alarm.kill) {
        return;
    }
    xd_pump_unlock(&worker->pump);
    if (alarm.interrupt && worker->interrupt != NULL) {
        worker->interrupt(worker->context, alarm.id);
    }
    if (alarm.kill && worker->kill != NULL) {
        worker->kill(worker->context, alarm.id);
    }
    xd_pump_lock(&worker->pump);
}

static const struct xd_pump_ops worker_ops = {.turn = worker_turn,
                                              .deadline = worker_deadline,
                                              .deliver = worker_deliver};

void xd_worker_post(struct xd_worker *worker, xd_time now)
{
    struct xd_worker_core *core = &worker->core;
    bool is_due = now >= core->flush_at || core->channel.outbox.count > 0;
    if (is_due && xd_pump_is_free(&worker->pump)) {
        xd_worker_core_flush(core, now);
        xd_worker_core_settle(core, now);
        xd_pump_touched(&worker->pump);
        if (core->channel.session.gone) {
            xd_pump_die(&worker->pump);
        }
    } else if (worker->pump.leading) {
        xd_pump_ask(&worker->pump,
                    core->channel.outbox.count > 0 ? 0 : xd_worker_core_deadline(core));
    }
}

/* ---- connecting ---- */

static struct xd_session_id owner_of(const struct xd_worker_options *options)
{
    struct xd_session_id owner = options->owner;
    const char *text = owner.n == 0 ? getenv("CROSSDOCK_OWNER") : NULL;
    if (text != NULL) {
        owner.n = strtoull(text, NULL, 10);
    }
    return owner;
}

static enum xd_err facts_of(const struct xd_worker_options *options,
                            struct xd_facts *facts,
                            struct xd_error *error)
{
    const struct xd_told told = {options->name,
                                 options->labels,
                                 options->label_count,
                                 options->versions,
                                 options->version_count};
    enum xd_err err = xd_facts_make(&told, facts, error);
    if (err == XD_OK) {
        xd_facts_of_slot(facts);
    }
    return err;
}

static enum xd_err worker_new(const struct xd_worker_options *options,
                              struct xd_link *link,
                              struct xd_worker **out,
                              struct xd_error *error)
{
    struct xd_worker *worker = xd_zalloc(sizeof *worker);
    enum xd_err err = worker == NULL ? XD_ERR_NOMEM : xd_origin_init(&worker->origin);
    uint64_t seed = 0;
    if (err == XD_OK && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        err = XD_ERR_SYSTEM;
    }
    if (err != XD_OK) {
        link->close(link);
        xd_free(worker);
        return xd_fail(error, err, "cannot make a worker: %s", xd_err_text(err));
    }
    worker->interrupt = options->interrupt;
    worker->kill = options->kill;
    worker->context = options->context;
    err = facts_of(options, &worker->facts, error);
    if (err != XD_OK) {
        link->close(link);
        xd_origin_fini(&worker->origin);
        xd_free(worker);
        return err;
    }
    err = xd_worker_core_init(&worker->core, link, owner_of(options), seed, xd_now());
    if (err != XD_OK) {
        xd_facts_clear(&worker->facts);
        xd_origin_fini(&worker->origin);
        xd_free(worker);
        return xd_fail(error, err, "cannot make a worker: %s", xd_err_text(err));
    }
    worker->core.channel.facts = &worker->facts;
    worker->core.finishes = options->finishes;
    *out = worker;
    return XD_OK;
}

static void worker_free(struct xd_worker *worker, bool close_link)
{
    xd_worker_core_fini(&worker->core, close_link);
    xd_facts_clear(&worker->facts);
    xd_origin_fini(&worker->origin);
    xd_free(worker);
}

/* Say hello, offer, and start the thread. */
static enum xd_err join_broker(struct xd_worker *worker,
                               const struct xd_worker_options *options,
                               struct xd_error *error)
{
    struct xd_channel *channel = &worker->core.channel;
    int timeout = options->timeout_ms == 0 ? CONNECT_TIMEOUT_MS : options->timeout_ms;
    enum xd_err err = xd_worker_core_ready(&worker->core, options, error);
    if (err == XD_OK) {
        err = xd_channel_greet(channel, &worker->inbox, xd_deadline(timeout), error);
    }
    if (err == XD_OK) {
        xd_channel_flush(channel, xd_now());
        err = xd_pump_start(&worker->pump, channel->link, &worker_ops, worker);
        if (err != XD_OK) {
            (void)xd_fail(error, err, "cannot start the session's thread");
        }
    }
    return err;
}

enum xd_err xd_worker_connect_link(const struct xd_worker_options *options,
                                   struct xd_link *link,
                                   struct xd_worker **out,
                                   struct xd_error *error)
{
    struct xd_worker *worker = NULL;
    enum xd_err err = worker_new(options, link, &worker, error);
    if (err != XD_OK) {
        return err;
    }
    err = join_broker(worker, options, error);
    if (err != XD_OK) {
        worker_free(worker, true);
        return err;
    }
    *out = worker;
    return XD_OK;
}

enum xd_err xd_worker_connect(const struct xd_worker_options *options,
                              struct xd_worker **out,
                              struct xd_error *error)
{
    struct xd_worker_options chosen = {0};
    if (options != NULL) {
        chosen = *options;
    }
    const struct xd_dial_options dial = {chosen.address,
                                         chosen.server_key,
                                         chosen.key_file};
    struct xd_dialled dialled;
    struct xd_link *link;
    enum xd_err err = xd_dial(&dial, &dialled, &link, error);
    if (err != XD_OK) {
        return err;
    }
    err = xd_worker_connect_link(&chosen, link, out, error);
    if (err != XD_OK) {
        xd_dial_explain(&dialled, error);
    }
    return err;
}

/* ---- the next task ---- */

static bool next_is_ready(void *context)
{
    struct xd_worker *worker = context;
    return xd_worker_core_has_next(&worker->core) || atomic_load(&worker->wake);
}

/* Short tasks one after the other: the results that have gathered leave with the news of
 * the one that begins. */
static void look_at_link(struct xd_worker *worker, xd_time now)
{
    struct xd_worker_core *core = &worker->core;
    if (!xd_pump_is_parked(&worker->pump)) {
        xd_worker_post(worker, now);
    } else if (now - worker->looked_at > LOOK_EVERY) {
        worker->looked_at = now;
        xd_pump_once(&worker->pump);
    } else if (now >= core->flush_at || core->result_count >= XD_TASKS_MAX / 4) {
        xd_worker_post(worker, now);
    }
}

static enum xd_err next_locked(struct xd_worker *worker,
                               int timeout_ms,
                               struct xd_job **out,
                               struct xd_error *error)
{
    struct xd_worker_core *core = &worker->core;
    xd_assert(core->running == NULL);
    xd_time now = xd_now();
    if (core->inbox_count > 0 && xd_pump_is_parked(&worker->pump) &&
        now - worker->looked_at > LOOK_EVERY) {
        worker->looked_at = now;
        xd_pump_once(&worker->pump); /* a cancel is heard before the task begins */
    }
    enum xd_err err = XD_OK;
    if (!xd_worker_core_has_next(core)) {
        xd_worker_core_hurry(core);
        if (worker->pump.leading) {
            xd_pump_ask(&worker->pump, 0);
        }
        err = xd_pump_wait(&worker->pump, next_is_ready, worker, xd_deadline(timeout_ms));
        now = xd_now();
        worker->looked_at = now;
    }
    if (core->channel.session.gone) {
        return xd_fail(error, XD_ERR_GONE, "%s", core->channel.session.end.text);
    }
    if (atomic_exchange(&worker->wake, false) || err != XD_OK) {
        return xd_fail(error,
                       err == XD_OK ? XD_ERR_TIMEOUT : err,
                       err == XD_OK ? "woken" : "no task came in time");
    }
    struct xd_job *job = xd_worker_core_begin(core, now);
    job->worker = worker;
    look_at_link(worker, now);
    *out = job;
    return XD_OK;
}

enum xd_err xd_worker_next(struct xd_worker *worker,
                           int timeout_ms,
                           struct xd_job **out,
                           struct xd_error *error)
{
    if (!xd_origin_is_here(&worker->origin)) {
        return xd_fail(error, XD_ERR_GONE, "this process is a fork of the session's");
    }
    xd_pump_lock(&worker->pump);
    enum xd_err err = next_locked(worker, timeout_ms, out, error);
    xd_pump_unlock(&worker->pump);
    return err;
}

bool xd_worker_is_busy(const struct xd_worker *worker)
{
    return worker->core.running != NULL; /* only the worker's own thread changes it */
}

void xd_worker_wake(struct xd_worker *worker)
{
    if (xd_origin_is_here(&worker->origin)) { /* the descriptor is the parent's, too */
        atomic_store(&worker->wake, true);
        xd_pump_nudge(&worker->pump);
    }
}

/* ---- leaving ---- */

static bool worker_is_quiet(void *context)
{
    struct xd_worker *worker = context;
    return xd_worker_core_is_quiet(&worker->core);
}

/* What nobody fetches is dropped after a while; a payload that is being fetched takes as
 * long as it takes. */
static void await_quiet(struct xd_worker *worker)
{
    const struct xd_owned *owned = &worker->core.channel.owned;
    uint64_t sent;
    enum xd_err err;
    do {
        sent = owned->sent;
        err = xd_pump_wait(&worker->pump,
                           worker_is_quiet,
                           worker,
                           xd_deadline(LEAVE_TIMEOUT_MS));
    } while (err == XD_ERR_TIMEOUT && owned->sent != sent);
}

static void leave_session(struct xd_worker *worker)
{
    struct xd_worker_core *core = &worker->core;
    xd_pump_lock(&worker->pump);
    if (core->running != NULL) {
        xd_worker_core_finish(core,
                              XD_OUTCOME_FAILED,
                              "the worker left during the task",
                              NULL,
                              0,
                              xd_now());
    }
    xd_worker_core_leave(core);
    if (!core->channel.session.gone) {
        xd_pump_ask(&worker->pump, 0);
        await_quiet(worker);
    }
    bool was_open = !core->channel.session.gone;
    xd_session_end(&core->channel.session, XD_ERR_GONE, "the worker left");
    xd_pump_die(&worker->pump);
    xd_pump_unlock(&worker->pump);
    xd_pump_stop(&worker->pump);
    if (was_open) {
        xd_channel_bye(&core->channel);
        xd_channel_await_bye(&core->channel,
                             &worker->inbox,
                             xd_deadline(LEAVE_TIMEOUT_MS));
    }
}

void xd_worker_leave(struct xd_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    bool is_here = xd_origin_is_here(&worker->origin);
    if (is_here) {
        leave_session(worker);
    }
    xd_pump_fini(&worker->pump, !is_here);
    worker_free(worker, is_here);
}
