/* SPDX-License-Identifier: MIT */
/* The walk over all invariants. Each function gives back NULL, or what does not hold. */
#include "core/inside.h"

#define REQUIRE(claim, text)                                                             \
    do {                                                                                 \
        if (!(claim)) {                                                                  \
            return text;                                                                 \
        }                                                                                \
    } while (0)

/* Sums made by walking, to be compared with what is kept. */
struct sums {
    uint64_t memos, memo_bytes;
    uint64_t states[XDB_TASK_STATES];
    uint64_t tasks, bytes, open, mapped;
    uint64_t idle, ahead;
};

static const char *check_leased_by(const struct xdb_worker *worker,
                                   const struct xdb_task *task)
{
    REQUIRE(xdb_task_is_leased(task), "a lease in a state without worker");
    REQUIRE(task->worker == worker, "a lease that names another worker");
    REQUIRE(task->shape != NULL && task->shape->profile->pool == worker->pool,
            "a lease of another pool");
    REQUIRE(xdb_shape_fits(task->shape, worker->offer), "a lease that does not fit");
    REQUIRE((task->client == NULL) == (task->state == XDB_TASK_GHOST),
            "a ghost with a client, or a task without");
    return NULL;
}

static const char *check_leases(const struct xdb_worker *worker, struct sums *sums)
{
    uint64_t leased = 0, held = 0, predicted_us = 0;
    XD_LIST_EACH (link, &worker->leases) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        const char *wrong = check_leased_by(worker, task);
        REQUIRE(wrong == NULL, wrong);
        leased++;
        held += task->state == XDB_TASK_HELD ? 1 : 0;
        predicted_us += task->predicted_us;
        sums->states[XDB_TASK_GHOST] += task->state == XDB_TASK_GHOST ? 1 : 0;
    }
    REQUIRE(leased == worker->leased, "a worker's count of leases");
    REQUIRE(held == worker->held, "a worker's count of held tasks");
    REQUIRE(predicted_us == worker->predicted_us, "a worker's sum of predictions");
    REQUIRE(leased <= (uint64_t)worker->hold + 1, "a worker with more than it takes");
    return NULL;
}

static const char *check_own(const struct xdb_worker *worker)
{
    XD_LIST_EACH (link, &worker->own) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        REQUIRE(task->state == XDB_TASK_QUEUED, "a pinned task that does not wait");
        REQUIRE(task->worker == worker, "a task pinned to another worker");
        REQUIRE(xdb_worker_is_live(worker), "a task pinned to a worker not in use");
    }
    return NULL;
}

static const char *check_worker(const struct xdb_worker *worker, struct sums *sums)
{
    const char *wrong = check_leases(worker, sums);
    REQUIRE(wrong == NULL, wrong);
    wrong = check_own(worker);
    REQUIRE(wrong == NULL, wrong);
    enum xdb_worker_state state = worker->stuck     ? XDB_WORKER_STUCK
                                  : worker->leaving ? XDB_WORKER_DRAINING
                                  : worker->silent  ? XDB_WORKER_SUSPECT
                                  : worker->full    ? XDB_WORKER_BLOCKED
                                  : worker->leased  ? XDB_WORKER_BUSY
                                                    : XDB_WORKER_IDLE;
    REQUIRE(worker->state == state, "a worker's state");
    REQUIRE(worker->session.timer.place != 0, "a worker without a timer");
    sums->idle += state == XDB_WORKER_IDLE ? 1 : 0;
    return NULL;
}

static const char *check_client_task(const struct xdb_core *core,
                                     const struct xdb_task *task,
                                     struct sums *sums)
{
    REQUIRE(task->state < XDB_TASK_FREE && task->state != XDB_TASK_GHOST,
            "a client's task in no state of one");
    sums->states[task->state]++;
    sums->bytes += task->cost;
    if (task->barrier == NULL) {
        sums->tasks++;
        sums->mapped++;
        REQUIRE(xdb_task_find(task->client, &task->id) == task,
                "a task that is not found by its id");
    } else {
        REQUIRE(task->barrier->state == XDB_TASK_OPEN ||
                    task->barrier->state == XDB_TASK_CLOSED,
                "a part without its barrier");
        REQUIRE(task->barrier->client == task->client, "a part of another client");
    }
    REQUIRE(xdb_task_is_leased(task) == (task->worker != NULL) ||
                task->state == XDB_TASK_QUEUED,
            "a task with a worker that is not leased");
    return NULL;
}

/* What it waits for, and who waits for it. */
static const char *check_bond(const struct xdb_core *core, const struct xdb_task *task)
{
    const struct xdb_extra *extra = task->extra;
    const struct xdb_bond *bond = extra->bond;
    XD_LIST_EACH (link, &extra->links) {
        const struct xdb_link *waits = XD_ITEM(link, struct xdb_link, of_parent);
        REQUIRE(waits->parent == task, "a link to another task");
    }
    if (bond == NULL) {
        REQUIRE(task->state != XDB_TASK_WAITING, "a task that waits for nobody");
        return NULL;
    }
    REQUIRE(bond->task == task, "a bond of another task");
    uint32_t pending = 0;
    for (uint32_t i = 0; i < bond->count && bond->verdict == 0; i++) {
        const struct xdb_task *parent = bond->links[i].parent;
        REQUIRE(parent != NULL && parent->client == task->client,
                "a task before it that is gone");
        REQUIRE(parent->outcome == 0 || parent->outcome == XD_OUTCOME_DONE,
                "a task before it that did not end well, and nobody minds");
        pending += parent->outcome == 0 ? 1 : 0;
    }
    bool is_fated = !xd_list_is_empty(&bond->fated);
    REQUIRE(pending == bond->pending, "a count of tasks before it");
    REQUIRE(pending == 0 || task->state == XDB_TASK_WAITING,
            "a task that does not wait for those before it");
    REQUIRE(!is_fated || core->starved, "a fate that nobody meets");
    REQUIRE(task->state != XDB_TASK_WAITING || is_fated || pending > 0 ||
                bond->twin.parent != NULL,
            "a task that waits for nothing");
    REQUIRE(bond->memo == NULL || bond->memo->is_in_map == (bond->memo->task == task),
            "a key of another task");
    REQUIRE(bond->twin.parent == NULL ||
                (bond->memo != NULL && task->state == XDB_TASK_WAITING),
            "a twin that does not wait");
    return NULL;
}

static bool is_within(uint64_t used, uint64_t budget)
{
    return budget == 0 || used <= budget;
}

static const char *check_client(const struct xdb_core *core,
                                const struct xdb_client *client,
                                struct sums *sums)
{
    struct sums own = {0};
    uint64_t open = 0, unacked = 0, by_ref = 0;
    XD_LIST_EACH (link, &client->open) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, in_client);
        const char *wrong = check_client_task(core, task, &own);
        REQUIRE(wrong == NULL, wrong);
        REQUIRE(task->client == client, "a task of another client");
        REQUIRE(task->state != XDB_TASK_ENDED && task->state != XDB_TASK_CANCELLING,
                "an open task with an outcome");
        REQUIRE(task->extra == NULL || task->extra->task == task,
                "an extra of another task");
        wrong = task->extra == NULL ? NULL : check_bond(core, task);
        REQUIRE(wrong == NULL, wrong);
        open += task->barrier == NULL ? 1 : 0;
    }
    XD_LIST_EACH (link, &client->unacked) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, in_client);
        const char *wrong = check_client_task(core, task, &own);
        REQUIRE(wrong == NULL, wrong);
        REQUIRE(task->state == XDB_TASK_ENDED || task->state == XDB_TASK_CANCELLING,
                "an unacknowledged task without outcome");
        REQUIRE(task->extra == NULL ||
                    (task->extra->timer.place == 0 && task->extra->replaces == NULL &&
                     task->extra->bond == NULL),
                "an ended task with a timer or a key");
        wrong = task->extra == NULL ? NULL : check_bond(core, task);
        REQUIRE(wrong == NULL, wrong);
        by_ref += task->by_ref ? 1 : 0;
        unacked++;
    }
    XD_LIST_EACH (link, &client->kept) {
        struct xdb_task *task = XD_ITEM(link, struct xdb_task, in_client);
        const char *wrong = check_client_task(core, task, &own);
        REQUIRE(wrong == NULL, wrong);
        REQUIRE(task->state == XDB_TASK_KEPT, "a kept task in another state");
        REQUIRE(xdb_bond_is_needed(task) || !xd_list_is_empty(&task->place),
                "a kept result that nobody needs");
        REQUIRE(xd_list_is_empty(&task->place) || core->starved,
                "a kept result that should be gone");
        by_ref += task->by_ref ? 1 : 0;
    }
    REQUIRE(by_ref == client->by_ref, "a count of results with payloads elsewhere");
    REQUIRE(open == client->open_count, "a client's count of open tasks");
    REQUIRE(unacked == client->results - client->acknowledged,
            "a client's count of results");
    REQUIRE(is_within(client->tasks, core->config.client_tasks),
            "a client over its budget of tasks");
    REQUIRE(client->session.timer.key <= client->accept_due,
            "a client whose timer is too late");
    REQUIRE((client->told == client->accepted) == (client->accept_due == XD_NEVER),
            "a client that will not hear of its accepted tasks");
    for (size_t i = 0; i < XDB_TASK_STATES; i++) {
        sums->states[i] += own.states[i];
    }
    sums->tasks += client->tasks;
    sums->bytes += client->bytes;
    sums->open += open;
    /* Closed barriers stand in no list: they may make up the rest. */
    uint64_t closed = client->tasks - own.tasks;
    REQUIRE(client->tasks >= own.tasks && closed <= core->states[XDB_TASK_CLOSED],
            "a client's account of tasks");
    REQUIRE(client->bytes == own.bytes + closed * XDB_RECORD_BYTES,
            "a client's account of bytes");
    sums->states[XDB_TASK_CLOSED] += closed;
    REQUIRE(own.mapped + closed == client->tasks_by_id.count, "a task in no list");
    return NULL;
}

static const char *check_fits(const struct xdb_shape *shape)
{
    XD_LIST_EACH (link, &shape->fits) {
        const struct xdb_fit *fit = XD_ITEM(link, struct xdb_fit, in_shape);
        REQUIRE(fit->work.key == xdb_shape_key(shape),
                "an offer that knows another first");
        REQUIRE(xdb_shape_fits(shape, fit->site->offer), "a fit that does not");
        REQUIRE(fit->site->profile == shape->profile &&
                    fit->site->offer->pool == shape->profile->pool,
                "a fit at another place");
    }
    return NULL;
}

static const char *check_shape(const struct xdb_core *core,
                               const struct xdb_shape *shape,
                               uint64_t *queued)
{
    uint64_t count = 0, seq = 0;
    XD_LIST_EACH (link, &shape->queue) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        REQUIRE(task->state == XDB_TASK_QUEUED, "a queued task that does not wait");
        REQUIRE(task->shape == shape, "a task in the queue of another shape");
        REQUIRE(task->seq > seq, "a queue out of order");
        REQUIRE(task->worker == NULL && !task->charged, "a queued task with a worker");
        seq = task->seq;
        count++;
    }
    REQUIRE(count == shape->queued && shape->queued <= shape->tasks, "a shape's counts");
    REQUIRE(count == 0 || shape->band == shape->profile->policy->band(core, shape),
            "a shape in another band than its estimate says");
    REQUIRE((shape->tasks == 0) != xd_list_is_empty(&shape->spare),
            "a shape in use that is spare, or the reverse");
    *queued += count;
    return check_fits(shape);
}

/* Virtual times sort sites; those without work, or of profiles that may not run, last. */
static const char *check_site(const struct xdb_site *site)
{
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        bool has_work = false;
        for (size_t band = 0; band < XDB_BANDS; band++) {
            const struct xd_heap *heap = &site->work[tier][band];
            const struct xd_heap_item *first = xd_heap_first(heap);
            bool has = first != NULL && first->key != XD_NEVER;
            REQUIRE(xd_heap_check(heap), "the order of a band's work");
            REQUIRE(has == ((site->has_work[tier] & 1u << band) != 0),
                    "a band with work that is not noted");
            has_work = has_work || has;
        }
        xd_time key = has_work && xdb_profile_may_run(site->profile)
                          ? xdb_share_key(site->profile->time)
                          : XD_NEVER;
        REQUIRE(site->turn[tier].key == key, "a profile whose turn is another");
    }
    REQUIRE(!xd_list_is_empty(&site->fits), "a site without work to come");
    return NULL;
}

static const char *check_flows(const struct xdb_profile *profile)
{
    uint32_t busy[XDB_TIERS][XDB_BANDS] = {{0}};
    XD_LIST_EACH (link, &profile->all_shapes) {
        const struct xdb_shape *shape = XD_ITEM(link, struct xdb_shape, in_profile);
        busy[shape->tier][shape->band] += shape->queued > 0 ? 1 : 0;
    }
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        uint32_t all = 0;
        for (size_t band = 0; band < XDB_BANDS; band++) {
            REQUIRE(busy[tier][band] == profile->flows[tier].busy[band],
                    "a band's count of shapes with tasks");
            all += busy[tier][band];
        }
        REQUIRE(all == profile->flows[tier].all_busy, "a flow's count of shapes");
        REQUIRE((all > 0) == ((profile->at_work & 1u << tier) != 0),
                "a tier with work that is not noted, or the reverse");
    }
    REQUIRE(profile->time >= profile->floor, "a virtual time below its floor");
    return NULL;
}

/* Late binding: no worker may stand idle while a task waits that it could run. */
static const char *check_offer(const struct xdb_core *core,
                               const struct xdb_offer *offer,
                               struct sums *sums)
{
    uint64_t idle = 0;
    XD_LIST_EACH (link, &offer->idle) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, ready);
        REQUIRE(worker->state == XDB_WORKER_IDLE, "a worker among the idle that is not");
        REQUIRE(worker->offer == offer, "a worker among those of another offer");
        idle++;
    }
    XD_LIST_EACH (link, &offer->ahead) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, ready);
        REQUIRE(worker->state == XDB_WORKER_BUSY && worker->leased <= worker->hold,
                "a worker among those with room that has none");
    }
    REQUIRE(idle == 0 || core->starved || xdb_offer_first(offer) == NULL,
            "a task waits and a worker is idle");
    REQUIRE(offer->workers > 0, "an offer of nobody");
    for (size_t tier = 0; tier < XDB_TIERS; tier++) {
        REQUIRE(xd_heap_check(&offer->turns[tier]), "the order of an offer's profiles");
    }
    sums->ahead += idle;
    return NULL;
}

static const char *check_barriers(const struct xdb_profile *profile)
{
    uint64_t seq = 0;
    bool first = true;
    XD_LIST_EACH (link, &profile->barriers) {
        const struct xdb_task *barrier = XD_ITEM(link, struct xdb_task, place);
        REQUIRE(barrier->state == XDB_TASK_BARRIER ||
                    (first && barrier->state == XDB_TASK_OPEN),
                "a barrier out of turn");
        REQUIRE(barrier->seq > seq, "barriers out of order");
        REQUIRE(!first || profile->gate == barrier->seq, "a gate at another place");
        seq = barrier->seq;
        first = false;
    }
    REQUIRE(!first || profile->gate == UINT64_MAX, "a gate without a barrier");
    return NULL;
}

/* What of a profile's tasks stands at the workers of its pool. */
static const char *check_at_workers(const struct xdb_profile *profile, uint64_t *queued)
{
    uint64_t leased = 0, pinned = 0;
    XD_LIST_EACH (link, &profile->pool->workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        XD_LIST_EACH (lease, &worker->leases) {
            const struct xdb_task *task = XD_ITEM(lease, struct xdb_task, place);
            leased += task->shape->profile == profile ? 1 : 0;
        }
        XD_LIST_EACH (own, &worker->own) {
            const struct xdb_task *task = XD_ITEM(own, struct xdb_task, place);
            bool is_own = task->shape->profile == profile;
            pinned += is_own && task->barrier == NULL ? 1 : 0;
            *queued += is_own ? 1 : 0;
        }
    }
    REQUIRE(leased == profile->leased, "a profile's count of leases");
    REQUIRE(pinned == profile->bound_queued, "a profile's count of early bound tasks");
    return NULL;
}

static const char *check_pool(const struct xdb_core *core,
                              const struct xdb_pool *pool,
                              struct sums *sums)
{
    const struct xdb_profile *owner = pool->owner;
    uint64_t workers = 0;
    XD_LIST_EACH (link, &pool->offers) {
        const char *wrong =
            check_offer(core, XD_ITEM(link, struct xdb_offer, in_pool), sums);
        REQUIRE(wrong == NULL, wrong);
    }
    XD_LIST_EACH (link, &pool->workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        REQUIRE(worker->pool == pool, "a worker in another pool");
        REQUIRE(!owner->bound || xd_session_is(worker->owner, owner->maker->session.id),
                "a stranger's worker in a bound profile");
        workers++;
    }
    XD_LIST_EACH (link, &pool->profiles) {
        REQUIRE(XD_ITEM(link, struct xdb_profile, in_pool)->pool == pool,
                "a profile that uses another pool");
    }
    REQUIRE(workers == pool->worker_count && workers <= pool->joined,
            "a pool's count of workers");
    return NULL;
}

static bool is_used(const struct xdb_profile *profile)
{
    const struct xdb_pool *pool = &profile->own_pool;
    bool by_others = false;
    XD_LIST_EACH (link, &pool->profiles) {
        by_others = by_others || link != &profile->in_pool;
    }
    return profile->records > 0 || profile->maker != NULL || profile->lasting ||
           pool->worker_count > 0 || by_others;
}

static const char *check_shapes(const struct xdb_core *core,
                                const struct xdb_profile *profile,
                                uint64_t *queued)
{
    uint64_t records = 0;
    XD_LIST_EACH (link, &profile->all_shapes) {
        const struct xdb_shape *shape = XD_ITEM(link, struct xdb_shape, in_profile);
        const char *wrong = check_shape(core, shape, queued);
        REQUIRE(wrong == NULL, wrong);
        records += shape->tasks;
    }
    REQUIRE(records == profile->records, "a profile's count of records");
    XD_LIST_EACH (link, &profile->sites) {
        const char *wrong = check_site(XD_ITEM(link, struct xdb_site, in_profile));
        REQUIRE(wrong == NULL, wrong);
    }
    return check_flows(profile);
}

static const char *check_memos(const struct xdb_profile *profile, struct sums *sums)
{
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&profile->memos, item)) != NULL) {
        const struct xdb_memo *memo = XD_ITEM(item, struct xdb_memo, by_key);
        bool is_kept = !xd_list_is_empty(&memo->in_core);
        REQUIRE(memo->profile == profile && memo->is_in_map, "a key at another place");
        REQUIRE(is_kept == (memo->task == NULL), "a key of nobody, or a kept open task");
        REQUIRE(is_kept || memo->task->extra->bond->memo == memo,
                "a key whose task has another");
        sums->memos += is_kept ? 1 : 0;
        sums->memo_bytes += is_kept ? memo->bytes : 0;
    }
    return NULL;
}

static const char *check_profile(const struct xdb_core *core,
                                 const struct xdb_profile *profile,
                                 struct sums *sums)
{
    uint64_t queued = 0;
    const char *wrong = check_shapes(core, profile, &queued);
    REQUIRE(wrong == NULL, wrong);
    wrong = check_memos(profile, sums);
    REQUIRE(wrong == NULL, wrong);
    wrong = check_pool(core, &profile->own_pool, sums);
    REQUIRE(wrong == NULL, wrong);
    wrong = check_at_workers(profile, &queued);
    REQUIRE(wrong == NULL, wrong);
    XD_LIST_EACH (link, &profile->barriers) {
        queued +=
            XD_ITEM(link, struct xdb_task, place)->state == XDB_TASK_BARRIER ? 1 : 0;
    }
    XD_LIST_EACH (link, &profile->aside) {
        const struct xdb_task *task = XD_ITEM(link, struct xdb_task, place);
        REQUIRE(xdb_task_is_aside(task), "a task aside that belongs elsewhere");
        REQUIRE(task->shape->profile == profile, "a task aside of another profile");
        REQUIRE(task->state != XDB_TASK_DELAYED || task->extra->timer.place != 0,
                "a task for later without a timer");
        queued++;
    }
    REQUIRE(queued == profile->queued, "a profile's count of waiting tasks");
    REQUIRE(is_used(profile) || core->starved, "a profile that nobody uses");
    REQUIRE((profile->spare_count <= XDB_SPARE_SHAPES &&
             profile->spare_estimate_count <= XDB_SPARE_ESTIMATES) ||
                core->starved,
            "too many spare shapes");
    return check_barriers(profile);
}

static const char *check_counters(const struct xdb_core *core, const struct sums *sums)
{
    const struct xdb_stats *counted = &core->counters;
    uint64_t ended = counted->done + counted->failed + counted->lost +
                     counted->cancelled + counted->expired + counted->rejected +
                     counted->orphaned;
    for (size_t i = 0; i < XDB_TASK_STATES; i++) {
        REQUIRE(sums->states[i] == core->states[i], "the number of tasks in a state");
    }
    REQUIRE(counted->accepted == ended + sums->open, "accepted is not ended and open");
    REQUIRE(counted->submitted == counted->accepted + counted->refused,
            "submitted is not accepted and refused");
    REQUIRE(is_within(sums->tasks, core->config.broker_tasks),
            "the broker over its budget of tasks");
    REQUIRE(sums->tasks == core->account_tasks, "the account of tasks");
    REQUIRE(sums->bytes == core->account_bytes, "the account of bytes");
    return NULL;
}

static const char *check_profiles(const struct xdb_core *core, struct sums *sums)
{
    struct xd_map_item *item = NULL;
    while ((item = xd_map_next(&core->profiles, item)) != NULL) {
        const char *wrong =
            check_profile(core, XD_ITEM(item, struct xdb_profile, by_name), sums);
        REQUIRE(wrong == NULL, wrong);
    }
    REQUIRE(sums->idle == sums->ahead, "an idle worker nobody will find");
    REQUIRE(sums->memos == core->memo_count && sums->memo_bytes == core->memo_bytes,
            "the account of kept results");
    REQUIRE(sums->memos <= core->config.memo_count &&
                sums->memo_bytes <= core->config.memo_bytes,
            "more results kept than may be");
    return NULL;
}

const char *xdb_core_check(const struct xdb_core *core)
{
    struct sums sums = {0};
    uint64_t clients = 0, workers = 0;
    const char *wrong = NULL;
    XD_LIST_EACH (link, &core->clients) {
        clients++;
        wrong = check_client(core, XD_ITEM(link, struct xdb_client, in_core), &sums);
        REQUIRE(wrong == NULL, wrong);
    }
    XD_LIST_EACH (link, &core->workers) {
        workers++;
        wrong = check_worker(XD_ITEM(link, struct xdb_worker, in_core), &sums);
        REQUIRE(wrong == NULL, wrong);
    }
    REQUIRE(clients == core->counters.clients && workers == core->counters.workers &&
                clients + workers == core->sessions.count,
            "the number of sessions");
    wrong = check_profiles(core, &sums);
    REQUIRE(wrong == NULL, wrong);
    REQUIRE(xd_heap_check(&core->session_timers) && xd_heap_check(&core->task_timers),
            "the order of the timers");
    return check_counters(core, &sums);
}
