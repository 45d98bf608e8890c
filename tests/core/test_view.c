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
