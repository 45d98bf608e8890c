/* SPDX-License-Identifier: MIT */
/* The worker's state over a scripted broker. */
#include "worker_side.h"

#include <criterion/criterion.h>

struct fake *fake;
struct xd_worker_core *core;
xd_time now;
struct xd_batch *batch;

void expect_and_drop(enum xd_kind kind)
{
    struct xd_msg msg;
    fake_expect(fake, kind, &msg);
    xd_msg_clear(&msg);
}

void turn(xd_time passed)
{
    now += passed;
    xd_channel_receive(&core->channel, batch);
    xd_channel_take(&core->channel, batch, now);
    xd_worker_core_settle(core, now);
    xd_worker_core_flush(core, now);
    xd_worker_core_settle(core, now);
    const char *broken = xd_worker_core_check(core);
    cr_assert_null(broken, "%s", broken);
}

void begin(void)
{
    fake = fake_new();
    core = malloc(sizeof *core);
    batch = calloc(1, sizeof *batch);
    now = xd_now();
    cr_assert_eq(
        xd_worker_core_init(core, &fake->link, (struct xd_session_id){3}, 1, now),
        XD_OK);
    const char *handlers[] = {"f", "g"};
    struct xd_worker_options options = {.profile = "p",
                                        .handlers = handlers,
                                        .handler_count = 2,
                                        .hold = 5};
    cr_assert_eq(xd_worker_core_ready(core, &options, NULL), XD_OK);
    fake_say_hello_ok(fake, XD_LANE_CONTROL, 0);
    cr_assert_eq(xd_channel_greet(&core->channel, batch, XD_NEVER, NULL), XD_OK);
    now = xd_now();
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_HELLO, &msg);
    cr_assert_eq(msg.hello.role, XD_ROLE_WORKER);
    cr_assert_eq(msg.hello.owner.n, 3);
    xd_msg_clear(&msg);
    fake_expect(fake, XD_KIND_READY, &msg);
    cr_assert(xd_bytes_is(msg.ready.profile, "p"));
    cr_assert_eq(msg.ready.handler_count, 2);
    cr_assert_eq(msg.ready.hold, 5);
    cr_assert_eq(msg.ready.formats, 1u << XD_FORMAT_CALL);
    xd_msg_clear(&msg);
}

void end(void)
{
    xd_worker_core_fini(core, true);
    cr_assert(fake->closed);
    fake_free(fake);
    free(core);
    free(batch);
}

void expect_nothing(void)
{
    struct xd_msg msg;
    cr_assert_not(fake_hear(fake, &msg), "%s was sent", xd_kind_name(msg.kind));
}

/* A task comes and begins. */
struct xd_job *run(unsigned n)
{
    fake_say_task(fake, fake_id(n), "f", false);
    turn(0);
    struct xd_job *job = xd_worker_core_begin(core, now);
    cr_assert_not_null(job);
    return job;
}

void finish(void)
{
    cr_assert_eq(xd_worker_core_finish(core, XD_OUTCOME_DONE, NULL, NULL, 0, now), XD_OK);
}
