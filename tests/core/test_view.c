/* SPDX-License-Identifier: MIT */
/* What others may see. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

struct sums {
    uint64_t queued, leased, homeless, workers, done, open, unacked;
    unsigned profiles;
};

static void add_profile(void *context, const struct xdb_profile_view *view)
{
    struct sums *sums = context;
    sums->profiles++;
    sums->queued += view->queued;
    sums->leased += view->leased;
    sums->homeless += view->homeless;
    sums->workers += view->workers;
    sums->done += view->done;
}

static void add_client(void *context, const struct xdb_client_view *view)
{
    struct sums *sums = context;
    sums->open += view->open;
    sums->unacked += view->unacked;
}

Test(view, shows_what_waits_and_what_fits_nowhere)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.handler = "a"});
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.callee = "a"});
    xdt_result(desk, 2, 1);
    for (unsigned i = 2; i <= 4; i++) {
        xdt_submit_how(desk, 1, i, (struct xdt_task_how){.callee = i == 4 ? "b" : "a"});
    }
    xdt_submit_how(desk, 1, 5, (struct xdt_task_how){.callee = "b", .everywhere = true});
    struct sums sums = {0};
    xdb_core_each_profile(desk->core, add_profile, &sums);
    xdb_core_each_client(desk->core, add_client, &sums);
    cr_assert(sums.profiles == 1 && sums.workers == 1);
    cr_assert_eq(sums.queued, 3);
    cr_assert_eq(sums.leased, 1);
    cr_assert_eq(sums.homeless, 2);
    cr_assert_eq(sums.done, 1);
    cr_assert_eq(sums.open, 4);
    cr_assert_eq(sums.unacked, 1);
    cr_assert_str_eq(xdt_worker_state(desk, 2), "busy");
    xdt_desk_free(desk);
}

static void expect_counts(const struct xdt_desk *desk,
                          uint64_t queued,
                          uint64_t leased,
                          uint64_t ended)
{
    struct xdb_profile_counts counts = xdt_counts(desk, "p");
    cr_assert(counts.queued == queued && counts.leased == leased && counts.ended == ended,
              "queued %lu leased %lu ended %lu",
              counts.queued,
              counts.leased,
              counts.ended);
}

Test(view, counts_follow_a_task_from_queue_to_end)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 1, 3);
    expect_counts(desk, 2, 1, 0);
    xdt_result(desk, 2, 1);
    expect_counts(desk, 1, 1, 1);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 3); /* waits */
    expect_counts(desk, 0, 1, 2);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 2); /* runs: told, and still there */
    expect_counts(desk, 0, 1, 3);
    xdt_result(desk, 2, 2);
    expect_counts(desk, 0, 0, 3);
    xdt_desk_free(desk);
}

Test(view, counts_tell_the_workers_that_take_r)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker_how(
        desk,
        3,
        (struct xdt_worker_how){.profile = "p", .formats = 1u << XD_FORMAT_CALL});
    cr_assert_eq(xdt_counts(desk, "p").workers, 2);
    cr_assert_eq(xdt_counts(desk, "p").r_workers, 1);
    xdt_simple(desk, XDB_EVENT_LEAVE, 2);
    cr_assert_eq(xdt_counts(desk, "p").r_workers, 0);
    xdt_desk_free(desk);
}

Test(view, counts_of_an_everywhere_task_are_those_of_its_parts)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk,
                   1,
                   7,
                   (struct xdt_task_how){.everywhere = true, .min_workers = 3});
    xdt_submit_how(desk, 1, 8, (struct xdt_task_how){.everywhere = true});
    expect_counts(desk, 4, 0, 0);
    xdt_worker(desk, 3, "p");
    xdt_worker(desk, 4, "p");
    expect_counts(desk, 1, 3, 0);
    xdt_result_how(desk, 2, 7, (struct xdt_result_how){.part = 0});
    expect_counts(desk, 1, 2, 1);
    xdt_simple(desk, XDB_EVENT_LOST, 3);
    expect_counts(desk, 1, 1, 2);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 8); /* never opened: it ends as one */
    expect_counts(desk, 0, 1, 3);
    xdt_result_how(desk, 4, 7, (struct xdt_result_how){.part = 2});
    expect_counts(desk, 0, 0, 4);
    xdt_desk_free(desk);
}

Test(view, counts_of_a_part_that_waits_for_its_busy_worker)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit(desk, 1, 1);
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.everywhere = true});
    expect_counts(desk, 1, 1, 0);
    xdt_result(desk, 2, 1);
    expect_counts(desk, 0, 1, 1);
    xdt_desk_free(desk);
}

Test(view, counts_have_what_goes_with_its_client_and_who_ever_joined)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 5);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_simple(desk, XDB_EVENT_LEAVE, 3);
    xdt_submit_many(desk, 5, 1, 3);
    xdt_submit_how(desk,
                   5,
                   7,
                   (struct xdt_task_how){.everywhere = true, .min_workers = 2});
    xdt_submit(desk, 1, 9);
    expect_counts(desk, 5, 1, 0);
    xdt_simple(desk, XDB_EVENT_LEAVE, 5);
    expect_counts(desk, 1, 1, 4); /* the worker still has the one that ran */
    struct xdb_profile_counts counts = xdt_counts(desk, "p");
    cr_assert(counts.workers == 1 && counts.joined == 2);
    xdt_result(desk, 2, 1);
    xdt_result(desk, 2, 9);
    expect_counts(desk, 0, 0, 5);
    xdt_desk_free(desk);
}

Test(view, counts_of_no_profile_are_zero_and_of_a_bound_one_only_its_makers)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_client(desk, 5);
    struct xdb_profile_counts counts = xdt_counts(desk, "none");
    cr_assert(counts.workers == 0 && counts.joined == 0 && counts.ended == 0);
    xdt_profile(desk, 5, "mine", true, false);
    struct xd_bytes *name;
    cr_assert_eq(xd_bytes_text("mine", &name), XD_OK);
    cr_assert_eq(
        xdb_core_profile_counts(desk->core, name, (struct xd_session_id){1}, &counts),
        XD_ERR_FORBIDDEN);
    cr_assert_eq(
        xdb_core_profile_counts(desk->core, name, (struct xd_session_id){5}, &counts),
        XD_OK);
    xd_bytes_unref(name);
    xdt_desk_free(desk);
}
