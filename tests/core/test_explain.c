/* SPDX-License-Identifier: MIT */
/* Why tasks and workers wait. */
#include <criterion/criterion.h>

#include "desk.h"

static const uint64_t all[] = {1, 2, 3, 4, 0};

static struct xdb_task_why task_why(const struct xdt_desk *desk, unsigned id)
{
    struct xdb_task_why why;
    struct xd_task_id task = {{(uint8_t)id}};
    cr_assert_eq(
        xdb_core_explain_task(desk->core, (struct xd_session_id){1}, &task, &why),
        XD_OK);
    return why;
}

static const char *worker_reason(const struct xdt_desk *desk, uint64_t session)
{
    struct xdb_worker_why why;
    cr_assert_eq(
        xdb_core_explain_worker(desk->core, (struct xd_session_id){session}, &why),
        XD_OK);
    return why.reason;
}

static void set(struct xdt_desk *desk, uint32_t what, uint32_t running, bool paused)
{
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = {1}};
    cr_assert_eq(xd_bytes_text("p", &event.profile.name), XD_OK);
    event.profile.only_set = event.profile.admin = true;
    event.profile.set = what;
    event.profile.max_running = running;
    event.profile.paused = paused;
    xdt_step(desk, &event);
    xd_bytes_unref(event.profile.name);
}

Test(explain, says_what_a_task_waits_for)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_submit_many(desk, 1, 1, 3);
    cr_assert_str_eq(task_why(desk, 1).reason, "its profile has no workers");
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.formats = 1u << XD_FORMAT_CALL});
    cr_assert_str_eq(task_why(desk, 1).reason, "no worker runs its kind");
    xdt_submit_how(desk, 1, 9, (struct xdt_task_how){.needs = "gpu"});
    cr_assert_str_eq(task_why(desk, 9).reason,
                     "no worker has what it needs, or runs its kind");
    xdt_worker(desk, 3, "p");
    cr_assert_str_eq(task_why(desk, 1).state, "running");
    cr_assert_eq(task_why(desk, 1).worker.n, 3);
    cr_assert_str_eq(task_why(desk, 3).reason, "all workers that fit are busy");
    cr_assert_eq(task_why(desk, 3).ahead, 1);
    cr_assert_eq(task_why(desk, 3).workers, 1);
    set(desk, XDB_SET_RUNNING, 1, false);
    cr_assert_str_eq(task_why(desk, 3).reason, "its profile runs as many as it may");
    set(desk, XDB_SET_PAUSED, 0, true);
    cr_assert_str_eq(task_why(desk, 3).reason, "its profile is paused");
    xdt_desk_free(desk);
}

Test(explain, says_when_a_task_will_start)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_many(desk, 1, 1, 5);
    cr_assert_eq(task_why(desk, 5).in, XD_NEVER);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.run_ns = 1000000000});
    struct xdb_task_why why = task_why(desk, 5); /* two before it */
    cr_assert(why.in > 2900 * XD_MS && why.in < 3100 * XD_MS);
    xdt_submit_how(desk, 1, 6, (struct xdt_task_how){.options = {.delay_ms = 70}});
    xdt_pass(desk, 20 * XD_MS, all);
    xdt_simple(desk, XDB_EVENT_HEARD, 1); /* the core knows the time of its last event */
    cr_assert_str_eq(task_why(desk, 6).reason, "its time has not come");
    cr_assert_eq(task_why(desk, 6).in, 50 * XD_MS);
    xdt_desk_free(desk);
}

Test(explain, says_why_a_worker_is_idle)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    cr_assert_str_eq(worker_reason(desk, 2), "no task waits");
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.needs = "gpu"});
    cr_assert_str_eq(worker_reason(desk, 2), "it cannot run what waits");
    set(desk, XDB_SET_PAUSED, 0, true);
    xdt_submit(desk, 1, 2);
    cr_assert_str_eq(worker_reason(desk, 2),
                     "what waits is paused, limited or behind a barrier");
    struct xdb_worker_why why;
    cr_assert_eq(xdb_core_explain_worker(desk->core, (struct xd_session_id){7}, &why),
                 XD_ERR_NOT_FOUND);
    xdt_desk_free(desk);
}
