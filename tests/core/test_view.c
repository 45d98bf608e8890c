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

Test(view, a_payload_may_be_read_by_who_has_the_task_or_the_result)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    struct xd_ref of_client = {{1}, 1}, of_worker = {{2}, 1};
    struct xd_session_id client = {1}, worker = {2}, other = {3};
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.ref_owner = 1});
    uint64_t who = xdt_sent_to(desk, 7);
    worker.n = who;
    other.n = 5 - who;
    of_worker.owner.n = who;
    cr_assert(xdb_core_may_read(desk->core, worker, of_client));
    cr_assert_not(xdb_core_may_read(desk->core, other, of_client));
    cr_assert_not(xdb_core_may_read(desk->core, client, of_worker));
    xdt_result_how(desk, who, 7, (struct xdt_result_how){.ref_owner = who});
    cr_assert_not(xdb_core_may_read(desk->core, worker, of_client));
    cr_assert(xdb_core_may_read(desk->core, client, of_worker));
    xdt_ack(desk, 1, 1);
    cr_assert_not(xdb_core_may_read(desk->core, client, of_worker));
    cr_assert_not(xdb_core_may_read(desk->core, (struct xd_session_id){99}, of_worker));
    xdt_desk_free(desk);
}

Test(view, a_part_reads_the_payload_of_the_whole)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 7, (struct xdt_task_how){.everywhere = true, .ref_owner = 1});
    cr_assert(xdb_core_may_read(desk->core,
                                (struct xd_session_id){2},
                                (struct xd_ref){{1}, 1}));
    xdt_desk_free(desk);
}
