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
