/* SPDX-License-Identifier: MIT */
/* The client's state over a scripted broker. */
#include "client_side.h"

#include <criterion/criterion.h>

struct fake *fake;
struct xd_client_core *core;
xd_time now;
unsigned made;
static struct xd_batch *batch;

void begin_with(uint64_t budget_tasks)
{
    fake = fake_new();
    core = malloc(sizeof *core);
    batch = calloc(1, sizeof *batch);
    now = xd_now();
    cr_assert_eq(xd_client_core_init(core, &fake->link, 1, now), XD_OK);
    fake_say_hello_ok(fake, XD_LANE_CONTROL, budget_tasks);
    cr_assert_eq(xd_channel_greet(&core->channel, batch, XD_NEVER, NULL), XD_OK);
    now = xd_now();
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_HELLO, &msg);
    cr_assert_eq(msg.hello.role, XD_ROLE_CLIENT);
    xd_msg_clear(&msg);
}

void begin(void)
{
    begin_with(0);
}

void turn(xd_time passed)
{
    now += passed;
    xd_channel_receive(&core->channel, batch);
    xd_channel_take(&core->channel, batch, now);
    xd_client_core_settle(core);
    xd_client_core_flush(core, now);
    xd_client_core_settle(core);
    const char *broken = xd_client_core_check(core);
    cr_assert_null(broken, "%s", broken);
}

void end(void)
{
    xd_session_end(&core->channel.session, XD_ERR_GONE, "the test is over");
    xd_client_core_settle(core);
    struct xd_future *future;
    while ((future = xd_client_core_next(core)) != NULL) {
        xd_future_destroy(future);
    }
    while ((future = xd_client_core_dead(core)) != NULL) {
        xd_future_destroy(future);
    }
    xd_client_core_fini(core, true);
    cr_assert(fake->closed);
    fake_free(fake);
    free(core);
    free(batch);
}

struct xd_future *submit_call(const struct xd_call *call)
{
    struct xd_future *future;
    struct xd_error error = {""};
    cr_assert_eq(xd_client_core_make(core, call, fake_id(++made), &future, &error),
                 XD_OK,
                 "%s",
                 error.text);
    cr_assert_eq(xd_client_core_admit(core, 1, future->bytes, &error), XD_OK);
    xd_client_core_add(core, future, now);
    return future;
}

struct xd_future *submit_to(const char *profile)
{
    struct xd_call call = {.callee = "f", .profile = profile};
    return submit_call(&call);
}

struct xd_future *submit(void)
{
    return submit_to(NULL);
}

/* The next message is SUBMIT of so many. */
void expect_submit(size_t count)
{
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    cr_assert_eq(msg.tasks.count, count, "%zu tasks", msg.tasks.count);
    xd_msg_clear(&msg);
}

void expect_nothing(void)
{
    struct xd_msg msg;
    cr_assert_not(fake_hear(fake, &msg), "%s was sent", xd_kind_name(msg.kind));
}

struct xd_future *large_result(uint64_t size)
{
    struct xd_future *future = submit();
    turn(0);
    expect_submit(1);
    struct xd_frame frame = {.ref = {{5}, 1}, .size = size, .role = XD_FRAME_BODY};
    struct xd_result result = {.id = future->task.id,
                               .outcome = XD_OUTCOME_DONE,
                               .frames = &frame,
                               .frame_count = 1};
    struct xd_msg msg = {.kind = XD_KIND_RESULT};
    msg.results.results = &result;
    msg.results.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    turn(0);
    fake_expect(fake, XD_KIND_HELLO, &msg);
    xd_msg_clear(&msg);
    fake_say_hello_ok(fake, XD_LANE_BULK, 0);
    cr_assert_not(atomic_load(&future->done));
    turn(0);
    return future;
}

void say_chunk(uint64_t offset, struct xd_bytes *bytes, enum xd_err code)
{
    struct xd_msg msg = {.kind = XD_KIND_CHUNK};
    msg.chunk = (struct xd_chunk){.ref = {{5}, 1},
                                  .reader = {7},
                                  .offset = offset,
                                  .code = code,
                                  .bytes = bytes};
    fake_say(fake, XD_LANE_BULK, &msg);
}
