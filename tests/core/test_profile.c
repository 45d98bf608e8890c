/* SPDX-License-Identifier: MIT */
/* Profiles: shared, bound, freed. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

Test(profile, is_made_on_first_use_and_freed_with_the_last)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_worker(desk, 2, "q");
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    xdt_simple(desk, XDB_EVENT_LEAVE, 2);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}

static void give_up(struct xdt_desk *desk, uint64_t session, const char *name)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {session}};
    cr_assert_eq(xd_bytes_text(name, &event.profile.name), XD_OK);
    event.profile.free = true;
    xdt_step(desk, &event);
    xd_bytes_unref(event.profile.name);
}

Test(profile, one_that_was_made_lives_until_its_maker_gives_it_up)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_profile(desk, 1, "q", false, false);
    xdt_worker(desk, 2, "q");
    xdt_simple(desk, XDB_EVENT_LEAVE, 2);
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    give_up(desk, 3, "q"); /* not its maker */
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    give_up(desk, 1, "q");
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    give_up(desk, 1, "q"); /* nothing there */
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}

Test(profile, a_bound_one_cannot_be_given_up)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_profile(desk, 1, "p", true, false);
    give_up(desk, 1, "p");
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_ERROR, 1), 1);
    cr_assert_eq(desk->lines[0].code, XD_ERR_INVALID);
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    xdt_desk_free(desk);
}

Test(profile, a_bound_one_takes_tasks_of_its_session_only)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_profile(desk, 1, "p", true, false);
    xdt_submit(desk, 3, 7);
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_ERROR, 3), 1);
    cr_assert_eq(desk->lines[0].code, XD_ERR_FORBIDDEN);
    cr_assert_eq(xdt_stats(desk).queued, 0);
    xdt_submit(desk, 1, 7);
    cr_assert_eq(xdt_stats(desk).queued, 1);
    xdt_desk_free(desk);
}

Test(profile, a_bound_one_takes_workers_of_its_session_only)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_profile(desk, 1, "p", true, false);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.owner = 9});
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_DROP, 2), 1);
    cr_assert_eq(desk->lines[0].code, XD_ERR_FORBIDDEN);
    xdt_worker_how(desk, 4, (struct xdt_worker_how){.owner = 1});
    cr_assert_eq(xdt_count_to(desk, XDB_ACTION_DROP, 4), 0);
    cr_assert_eq(xdt_stats(desk).workers, 1);
    xdt_desk_free(desk);
}

Test(profile, a_bound_one_ends_with_its_session)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_profile(desk, 1, "p", true, false);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.owner = 1});
    xdt_submit_many(desk, 1, 7, 2);
    xdt_simple(desk, XDB_EVENT_LEAVE, 1);
    const struct xdt_line *drop = &desk->lines[desk->count - 1];
    cr_assert(drop->kind == XDB_ACTION_DROP && drop->session == 2);
    cr_assert(drop->code == XD_ERR_GONE && strcmp(drop->text, "profile ended") == 0);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    cr_assert_eq(xdt_stats(desk).workers, 0);
    cr_assert_eq(xdt_stats(desk).orphaned, 2);
    xdt_desk_free(desk);
}

Test(profile, a_shared_one_outlives_its_maker)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_profile(desk, 1, "p", false, true);
    xdt_submit(desk, 3, 7);
    xdt_simple(desk, XDB_EVENT_LEAVE, 1);
    cr_assert_eq(xdt_stats(desk).queued, 1);
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    xdt_desk_free(desk);
}

Test(profile, is_not_changed_under_others)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 3);
    xdt_profile(desk, 1, "made", false, true);
    xdt_profile(desk, 3, "made", false, true); /* the same again: nothing to do */
    cr_assert_eq(desk->count, 0);
    xdt_profile(desk, 3, "made", true, false);
    cr_assert_eq(desk->lines[0].code, XD_ERR_EXISTS);
    xdt_submit_how(desk, 3, 7, (struct xdt_task_how){.profile = "used"});
    xdt_profile(desk, 1, "used", true, false);
    cr_assert_eq(desk->lines[1].code, XD_ERR_EXISTS);
    xdt_worker(desk, 2, "manned");
    xdt_profile(desk, 1, "manned", true, false);
    cr_assert_eq(desk->lines[2].code, XD_ERR_EXISTS);
    xdt_profile(desk, 1, "own", true, false);
    xdt_profile(desk, 3, "own", false, false);
    cr_assert_eq(desk->lines[3].code, XD_ERR_FORBIDDEN);
    xdt_desk_free(desk);
}

static struct xdb_event event_of(uint64_t session, const char *name)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {session}};
    cr_assert_eq(xd_bytes_text(name, &event.profile.name), XD_OK);
    return event;
}

static void configure(struct xdt_desk *desk, struct xdb_event event)
{
    xdt_clear(desk);
    xdt_step(desk, &event);
    xd_bytes_unref(event.profile.name);
}

static void found(struct xdt_desk *desk, const char *name, double weight)
{
    struct xdb_event event = event_of(0, name);
    event.profile.lasting = true;
    event.profile.policy = XDB_POLICY_FIFO;
    event.profile.set = XDB_SET_POLICY | XDB_SET_WEIGHT;
    event.profile.weight = weight;
    configure(desk, event);
}

Test(profile, the_operators_stays_when_nobody_uses_it)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    found(desk, "p", 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 0);
    xdt_client(desk, 1);
    xdt_submit(desk, 1, 7);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 7);
    xdt_simple(desk, XDB_EVENT_LEAVE, 1);
    cr_assert_eq(xdt_stats(desk).profiles, 1);
    xdt_desk_free(desk);
}

static enum xd_err answer(struct xdt_desk *desk, struct xdb_event event)
{
    configure(desk, event);
    return xdt_count(desk, XDB_ACTION_ERROR) == 0 ? XD_OK : desk->lines[0].code;
}

Test(profile, the_operators_is_changed_by_administrators_alone)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    found(desk, "p", 2);
    xdt_client(desk, 1);
    struct xdb_event open = event_of(1, "p"), bind = event_of(1, "p"),
                     weigh = event_of(1, "p"), set = event_of(1, "p"),
                     admin = event_of(1, "p"), free = event_of(1, "p");
    bind.profile.bound = free.profile.free = true;
    set.profile.only_set = admin.profile.only_set = admin.profile.admin = true;
    weigh.profile.set = set.profile.set = admin.profile.set = XDB_SET_WEIGHT;
    weigh.profile.weight = set.profile.weight = admin.profile.weight = 3;
    cr_assert_eq(answer(desk, open), XD_OK);
    cr_assert_eq(answer(desk, free), XD_OK);
    cr_assert_eq(answer(desk, bind), XD_ERR_EXISTS);
    cr_assert_eq(answer(desk, weigh), XD_ERR_EXISTS);
    cr_assert_eq(answer(desk, set), XD_ERR_FORBIDDEN);
    cr_assert_eq(answer(desk, admin), XD_OK);
    xdt_desk_free(desk);
}

Test(profile, who_is_no_operator_founds_nothing)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    struct xdb_event event = event_of(1, "p"), nobody = event_of(0, "q");
    event.profile.lasting = true;
    configure(desk, event);
    configure(desk, nobody);
    xdt_simple(desk, XDB_EVENT_LEAVE, 1);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}

Test(profile, the_operators_has_values_that_may_be)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    found(desk, "p", 0);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_ERROR), 1);
    cr_assert(strncmp(desk->lines[0].text, "weight", 6) == 0);
    cr_assert_eq(xdt_stats(desk).profiles, 0);
    xdt_desk_free(desk);
}
