/* SPDX-License-Identifier: MIT */
/* A client makes, configures or gives up a profile. */
#include "core/inside.h"

#define WEIGHT_MIN 1e-3
#define WEIGHT_MAX 1e6

enum xd_err xdb_plan_configure(struct xdb_core *core,
                               const struct xdb_event *event,
                               size_t *need)
{
    *need = 1;
    struct xdb_profile *profile;
    enum xd_err err = XD_OK;
    if (event->profile.only_set) {
        return XD_OK;
    }
    if ((event->profile.set & XDB_SET_POOL) != 0) {
        err = xdb_profile_intern(core, event->profile.pool, &profile);
    }
    return err != XD_OK ? err : xdb_profile_intern(core, event->profile.name, &profile);
}

static struct xdb_pool *pool_wanted(const struct xdb_core *core,
                                    const struct xdb_profile *profile,
                                    const struct xdb_event *event)
{
    return (event->profile.set & XDB_SET_POOL) == 0
               ? profile->pool
               : xdb_profile_find(core, event->profile.pool)->pool;
}

static bool is_configured_so(const struct xdb_core *core,
                             const struct xdb_profile *profile,
                             const struct xdb_event *event)
{
    return profile->bound == event->profile.bound &&
           profile->policy == &xdb_policies[event->profile.policy] &&
           profile->pool == pool_wanted(core, profile, event);
}

/* Can it become what the client asks for? Not under the tasks and workers of others. */
static bool may_configure(const struct xdb_core *core,
                          const struct xdb_profile *profile,
                          const struct xdb_client *client,
                          const struct xdb_event *event)
{
    bool own_pool_used = profile->own_pool.worker_count > 0 ||
                         profile->own_pool.profiles.next != &profile->in_pool ||
                         profile->own_pool.profiles.prev != &profile->in_pool;
    if (profile->records > 0) {
        return false;
    }
    if (profile->pool == &profile->own_pool && own_pool_used &&
        pool_wanted(core, profile, event) != profile->pool) {
        return false;
    }
    XD_LIST_EACH (link, &profile->own_pool.workers) {
        const struct xdb_worker *worker = XD_ITEM(link, struct xdb_worker, in_pool);
        if (event->profile.bound && !xd_session_is(worker->owner, client->session.id)) {
            return false;
        }
    }
    return true;
}

static void set_knobs(struct xdb_core *core,
                      struct xdb_profile *profile,
                      const struct xdb_event *event)
{
    uint32_t set = event->profile.set;
    profile->weight =
        (set & XDB_SET_WEIGHT) != 0 ? event->profile.weight : profile->weight;
    profile->max_running =
        (set & XDB_SET_RUNNING) != 0 ? event->profile.max_running : profile->max_running;
    profile->paused =
        (set & XDB_SET_PAUSED) != 0 ? event->profile.paused : profile->paused;
    profile->max_tasks =
        (set & XDB_SET_TASKS) != 0 ? event->profile.max_tasks : profile->max_tasks;
    profile->max_bytes =
        (set & XDB_SET_BYTES) != 0 ? event->profile.max_bytes : profile->max_bytes;
    if ((set & XDB_SET_CUTS) != 0) {
        xdb_cuts_set(core, profile, event->profile.learned_cuts);
    }
    xdb_share_turn(core, profile);
    xdb_worker_wake_pinned(core, profile);
}

static void configure(struct xdb_core *core,
                      struct xdb_profile *profile,
                      const struct xdb_event *event)
{
    struct xdb_pool *pool = pool_wanted(core, profile, event);
    profile->bound = event->profile.bound;
    profile->policy = &xdb_policies[event->profile.policy];
    if (profile->pool != pool) {
        xdb_profile_join_pool(core, profile, pool);
    }
    xdb_profile_predict(core, profile);
    set_knobs(core, profile, event);
}

/* What was only ever configured, or is used by others as well. */
static const char *give_up(struct xdb_core *core,
                           struct xdb_profile *profile,
                           const struct xdb_client *client,
                           enum xd_err *code)
{
    if (profile->bound) {
        *code = XD_ERR_INVALID;
        return "a bound profile ends with its session";
    }
    if (profile->maker == client) {
        xdb_profile_unmake(core, profile);
    }
    return NULL;
}

static const char *wrong_value(const struct xdb_core *core,
                               const struct xdb_event *event,
                               const struct xdb_client *client,
                               enum xd_err *code)
{
    double weight = event->profile.weight;
    uint32_t set = event->profile.set;
    *code = XD_ERR_INVALID;
    if ((set & XDB_SET_WEIGHT) != 0 && !(weight >= WEIGHT_MIN && weight <= WEIGHT_MAX)) {
        return "weight: from 0.001 to 1000000";
    }
    if ((set & XDB_SET_POOL) != 0 && event->profile.only_set) {
        return "pool: is its maker's to set";
    }
    if ((set & XDB_SET_POOL) != 0 &&
        !xdb_profile_admits(xdb_profile_find(core, event->profile.pool), client)) {
        *code = XD_ERR_FORBIDDEN;
        return "pool: the profile belongs to another session";
    }
    return NULL;
}

/* Settings of one that exists; NULL, or what is wrong. */
static const char *set_alone(struct xdb_core *core,
                             struct xdb_profile *profile,
                             const struct xdb_client *client,
                             const struct xdb_event *event,
                             enum xd_err *code)
{
    const char *bad = wrong_value(core, event, client, code);
    if (bad != NULL) {
        return bad;
    }
    if (!event->profile.admin && profile->lasting) {
        *code = XD_ERR_FORBIDDEN;
        return "the profile is configured by the operator of the broker";
    }
    if (!event->profile.admin && profile->maker != NULL && profile->maker != client) {
        *code = XD_ERR_FORBIDDEN;
        return "the profile is configured by another session";
    }
    const struct xdb_policy *policy = (event->profile.set & XDB_SET_POLICY) == 0
                                          ? profile->policy
                                          : &xdb_policies[event->profile.policy];
    if (policy != profile->policy && profile->records > 0) {
        *code = XD_ERR_EXISTS;
        return "policy: the profile is not empty";
    }
    profile->policy = policy;
    xdb_profile_predict(core, profile);
    set_knobs(core, profile, event);
    return NULL;
}

/* The operator's: before anybody uses it. */
static const char *found(struct xdb_core *core,
                         struct xdb_profile *profile,
                         const struct xdb_event *event,
                         enum xd_err *code)
{
    const char *wrong = wrong_value(core, event, NULL, code);
    if (wrong == NULL && !may_configure(core, profile, NULL, event)) {
        *code = XD_ERR_EXISTS;
        wrong = "the profile is in use";
    }
    if (wrong == NULL) {
        profile->lasting = true;
        configure(core, profile, event);
    }
    return wrong;
}

/* Who opens the operator's profile as a plain one has it as it is. */
static bool wants_nothing(const struct xdb_event *event)
{
    return !event->profile.bound && event->profile.set == 0 &&
           event->profile.policy == XDB_POLICY_BANDS;
}

/* Does it; NULL, or what is wrong. */
static const char *apply(struct xdb_core *core,
                         struct xdb_profile *profile,
                         struct xdb_client *client,
                         const struct xdb_event *event,
                         enum xd_err *code)
{
    if (event->profile.only_set) {
        return set_alone(core, profile, client, event, code);
    }
    if (profile->lasting) {
        *code = XD_ERR_EXISTS;
        return event->profile.free || wants_nothing(event)
                   ? NULL
                   : "the profile is configured by the operator of the broker";
    }
    if (event->profile.free) {
        return give_up(core, profile, client, code);
    }
    if (profile->bound && profile->maker != client) {
        *code = XD_ERR_FORBIDDEN;
        return "the profile belongs to another session";
    }
    const char *wrong = wrong_value(core, event, client, code);
    if (wrong != NULL) {
        return wrong;
    }
    bool is_so = is_configured_so(core, profile, event);
    *code = XD_ERR_EXISTS;
    if (profile->maker != NULL && profile->maker != client &&
        (!is_so || event->profile.set != 0)) {
        return "the profile is configured by another session";
    }
    if (!is_so && !may_configure(core, profile, client, event)) {
        return "the profile is in use";
    }
    if (profile->maker == NULL) {
        xdb_profile_make(profile, client);
    }
    if (profile->maker == client) {
        configure(core, profile, event);
    }
    return NULL;
}

void xdb_apply_configure(struct xdb_core *core, struct xdb_event *event)
{
    struct xdb_profile *profile = xdb_profile_find(core, event->profile.name);
    struct xdb_client *client = xdb_client_find(core, event->session);
    enum xd_err code = XD_ERR_NOT_FOUND;
    if (profile != NULL) {
        xdb_profile_touch(core, profile);
    }
    bool by_operator = event->profile.lasting && event->session.n == 0;
    if (client == NULL && !by_operator) {
        core->counters.stale++;
        return;
    }
    const char *wrong = "no such profile";
    if (profile != NULL) {
        wrong = by_operator ? found(core, profile, event, &code)
                            : apply(core, profile, client, event, &code);
    }
    if (wrong != NULL) {
        xdb_action_error(core, event->session, code, wrong);
    }
}
