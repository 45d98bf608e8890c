/* SPDX-License-Identifier: MIT */
/* The life of a session with a hand-moved clock. */
#include <criterion/criterion.h>

#include "session.h"
#include "wire/limits.h"

static struct xd_session session;

static void begin(enum xd_role role)
{
    xd_session_init(&session, role, (struct xd_session_id){0}, 42, 0);
}

static struct xd_hello_ok welcome(void)
{
    return (struct xd_hello_ok){.version = 1,
                                .session = {9},
                                .heartbeat_ms = 1000,
                                .lost_ms = 3000};
}

static void open_client(void)
{
    begin(XD_ROLE_CLIENT);
    xd_session_greeted(&session, XD_LANE_CONTROL, 0);
    struct xd_hello_ok ok = welcome();
    cr_assert_not(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
}

Test(session, client_is_open_after_one_hello)
{
    begin(XD_ROLE_CLIENT);
    cr_assert_not(xd_session_is_open(&session));
    open_client();
    cr_assert(xd_session_is_open(&session));
    cr_assert_eq(session.id.n, 9);
}

Test(session, hello_says_role_version_and_session)
{
    open_client();
    struct xd_msg msg;
    xd_session_hello(&session, XD_LANE_BULK, NULL, NULL, &msg);
    cr_assert_eq(msg.hello.role, XD_ROLE_CLIENT);
    cr_assert_eq(msg.hello.max_version, XD_PROTOCOL_VERSION);
    cr_assert_eq(msg.hello.session.n, 9);
    cr_assert_eq(msg.hello.lane, XD_LANE_BULK);
    cr_assert_eq(msg.hello.pid, 42);
}

Test(session, worker_greets_again_where_workers_belong)
{
    begin(XD_ROLE_WORKER);
    xd_session_greeted(&session, XD_LANE_CONTROL, 0);
    struct xd_hello_ok ok = welcome();
    cr_assert_eq(xd_bytes_text("ipc:///w", &ok.worker_endpoint), XD_OK);
    cr_assert(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
    cr_assert_not(xd_session_is_open(&session));
    cr_assert_eq(session.lanes[XD_LANE_CONTROL], XD_LANE_GREETING);
    cr_assert_str_eq(session.worker_endpoint, "ipc:///w");
    xd_session_greeted(&session, XD_LANE_CONTROL, 1);
    cr_assert_not(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
    cr_assert(xd_session_is_open(&session));
    xd_bytes_unref(ok.worker_endpoint);
}

Test(session, worker_without_endpoint_stays_where_it_is)
{
    begin(XD_ROLE_WORKER);
    xd_session_greeted(&session, XD_LANE_CONTROL, 0);
    struct xd_hello_ok ok = welcome();
    cr_assert_not(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
    cr_assert(xd_session_is_open(&session));
}

Test(session, welcome_nobody_asked_for_changes_nothing)
{
    begin(XD_ROLE_CLIENT);
    struct xd_hello_ok ok = welcome();
    cr_assert_not(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
    cr_assert_not(xd_session_is_open(&session));
    cr_assert_eq(session.id.n, 0);
}

Test(session, other_version_ends_it)
{
    begin(XD_ROLE_CLIENT);
    xd_session_greeted(&session, XD_LANE_CONTROL, 0);
    struct xd_hello_ok ok = welcome();
    ok.version = 2;
    cr_assert_not(xd_session_welcome(&session, XD_LANE_CONTROL, &ok));
    cr_assert(session.gone);
    cr_assert_eq(session.end_code, XD_ERR_VERSION);
}

Test(session, answer_for_another_session_ends_it)
{
    open_client();
    session.lanes[XD_LANE_BULK] = XD_LANE_GREETED;
    struct xd_hello_ok ok = welcome();
    ok.session.n = 10;
    cr_assert_not(xd_session_welcome(&session, XD_LANE_BULK, &ok));
    cr_assert_eq(session.end_code, XD_ERR_PROTOCOL);
}

Test(session, beats_when_nothing_was_sent_for_a_heartbeat)
{
    open_client();
    cr_assert_not(xd_session_beat_is_due(&session, 999 * XD_MS));
    cr_assert(xd_session_beat_is_due(&session, 1000 * XD_MS));
    xd_session_sent(&session, 500 * XD_MS);
    cr_assert_not(xd_session_beat_is_due(&session, 1000 * XD_MS));
}

Test(session, broker_silent_for_too_long_is_gone)
{
    open_client();
    for (xd_time now = 0; now <= 3000 * XD_MS; now += 500 * XD_MS) {
        xd_session_run(&session, now);
        cr_assert_not(session.gone);
    }
    xd_session_run(&session, 3500 * XD_MS);
    cr_assert(session.gone);
    cr_assert_eq(session.end_code, XD_ERR_GONE);
}

Test(session, broker_that_speaks_stays)
{
    open_client();
    for (xd_time now = 0; now <= 10 * XD_S; now += 500 * XD_MS) {
        xd_session_run(&session, now);
        xd_session_heard(&session, now);
    }
    cr_assert_not(session.gone);
}

Test(session, own_stall_starts_the_patience_anew)
{
    open_client();
    xd_session_run(&session, 60 * XD_S);
    cr_assert_not(session.gone);
    xd_session_run(&session, 61 * XD_S);
    cr_assert_not(session.gone);
}

Test(session, bulk_lane_that_is_never_answered_ends_it)
{
    open_client();
    session.lanes[XD_LANE_BULK] = XD_LANE_GREETED;
    session.greeted_at = 0;
    for (xd_time now = 0; now <= 6 * XD_S; now += 500 * XD_MS) {
        xd_session_heard(&session, now);
        xd_session_run(&session, now);
    }
    cr_assert(session.gone);
}

Test(session, deadline_is_the_next_beat)
{
    open_client();
    xd_session_run(&session, 100 * XD_MS);
    xd_session_sent(&session, 200 * XD_MS);
    cr_assert_eq(xd_session_deadline(&session), 1100 * XD_MS);
}

Test(session, first_reason_stays)
{
    open_client();
    xd_session_end(&session, XD_ERR_GONE, "first %d", 1);
    xd_session_end(&session, XD_ERR_VERSION, "second");
    cr_assert_str_eq(session.end.text, "first 1");
    cr_assert_eq(session.end_code, XD_ERR_GONE);
    cr_assert_eq(xd_session_deadline(&session), XD_NEVER);
}
