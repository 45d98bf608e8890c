/* SPDX-License-Identifier: MIT */
/* The verbs of a host agent, on real processes. */
#include <criterion/criterion.h>
#include <poll.h>

#include "control.h"
#include "watchdog.h"

static struct xdw_supervisor *supervisor;
static struct xdw_control control;
static struct xdw_command command;
static char *text;

static void on_notice(void *context, const struct xdw_notice *notice)
{
    (void)context;
    xdw_control_notice(&control, notice, xdt_now());
}

static void on_line(void *context, const struct xdw_line *line)
{
    (void)context;
    xdw_control_line(&control, line->slot, "stdout", line->text, line->size);
}

static void begin(void)
{
    static const char *const argv[] = {"/bin/sh",
                                       "-c",
                                       "echo begins $CROSSDOCK_SLOT; exec sleep 1000",
                                       NULL};
    const struct xdw_supervisor_options options = {.notice = on_notice,
                                                   .line = on_line,
                                                   .backoff_ns = 10 * XD_MS,
                                                   .plain = xdt_is_on_valgrind()};
    cr_assert_eq(xdw_supervisor_new(&options, &supervisor, NULL), XD_OK);
    cr_assert_eq(xdw_control_init(&control, supervisor, 3, 5 * XD_S), XD_OK);
    command = (struct xdw_command){.argv = argv};
    for (int i = 0; i < 3; i++) {
        uint32_t slot;
        cr_assert_eq(xdw_supervisor_start(supervisor, &command, &slot, NULL), XD_OK);
    }
}

static void end(void)
{
    xdw_supervisor_free(supervisor);
    xdw_control_fini(&control);
    free(text);
}

TestSuite(control, .init = begin, .fini = end, .timeout = 120);

static bool turn(void)
{
    struct pollfd fd = {.fd = xdw_supervisor_fd(supervisor), .events = POLLIN};
    poll(&fd, 1, 10);
    xdw_supervisor_step(supervisor, xdt_now());
    return xdw_control_restart(&control, &command);
}

#define TURN_UNTIL(claim)                                                                \
    do {                                                                                 \
        xd_time limit_ = xdt_now() + XDT_DEADLINE;                                       \
        while (!(claim)) {                                                               \
            cr_assert_lt(xdt_now(), limit_, "never: %s", #claim);                        \
            turn();                                                                      \
        }                                                                                \
    } while (0)

static enum xd_err ask(const char *verb, const char *first, const char *second)
{
    const char *const args[] = {first, second};
    const struct xd_agent_question question = {verb,
                                               args,
                                               (first != NULL) +
                                                   (size_t)(second != NULL)};
    free(text);
    enum xd_err err = xdw_control_answer(&control, &question, xdt_now(), &text);
    cr_assert_not_null(text);
    return err;
}

static pid_t pid_of(uint32_t slot)
{
    pid_t pid;
    xdw_supervisor_slot(supervisor, slot, NULL, &pid);
    return pid;
}

static bool all_up(void)
{
    return xdw_supervisor_count(supervisor, XDW_UP) == 3;
}

static bool has_said(uint32_t slot, const char *line)
{
    char number[12];
    snprintf(number, sizeof number, "%u", (unsigned)slot);
    return ask("logs", number, NULL) == XD_OK && strstr(text, line) != NULL;
}

Test(control, slots_are_listed)
{
    TURN_UNTIL(all_up());
    char expected[200];
    cr_assert_eq(ask("slots", NULL, NULL), XD_OK);
    snprintf(
        expected,
        sizeof expected,
        "{\"slot\":1,\"pid\":%d,\"state\":\"up\",\"crashes\":0,\"starts\":1,\"up_ms\":",
        (int)pid_of(1));
    cr_assert_not_null(strstr(text, expected), "%s", text);
    cr_assert_eq(strncmp(text, "{\"slots\":[{", 11), 0);
}

Test(control, a_killed_slot_restarts_as_after_a_crash)
{
    TURN_UNTIL(all_up());
    pid_t pid = pid_of(2);
    cr_assert_eq(ask("kill", "2", NULL), XD_OK);
    cr_assert_not_null(strstr(text, "killed slot 2, pid "), "%s", text);
    TURN_UNTIL(pid_of(2) != 0 && pid_of(2) != pid);
    cr_assert_eq(control.slots[2].crashes, 1);
    cr_assert_eq(control.slots[2].starts, 2);
}

Test(control, a_slot_may_be_named_by_its_process)
{
    TURN_UNTIL(all_up());
    char number[20];
    pid_t pid = pid_of(1);
    snprintf(number, sizeof number, "%d", (int)pid);
    cr_assert_eq(ask("kill", number, NULL), XD_OK);
    TURN_UNTIL(pid_of(1) != 0 && pid_of(1) != pid);
    snprintf(number, sizeof number, "%d", (int)getpid());
    cr_assert_eq(ask("kill", number, NULL), XD_ERR_NOT_FOUND);
}

Test(control, a_restart_is_in_order_and_keeps_the_number)
{
    TURN_UNTIL(all_up());
    TURN_UNTIL(has_said(1, "stdout begins 1\n"));
    pid_t pid = pid_of(1);
    cr_assert_eq(ask("restart", "1", NULL), XD_OK);
    TURN_UNTIL(pid_of(1) != 0 && pid_of(1) != pid);
    TURN_UNTIL(has_said(1, "stdout begins 1\nstdout begins 1\n"));
    cr_assert_eq(control.slots[1].crashes, 0);
    cr_assert_eq(xdw_supervisor_count(supervisor, XDW_FINISHED), 0);
}

Test(control, a_slot_that_has_ended_comes_back_by_a_restart)
{
    TURN_UNTIL(all_up());
    xdw_supervisor_stop(supervisor, 0, 0, xdt_now());
    TURN_UNTIL(pid_of(0) == 0);
    cr_assert_eq(ask("kill", "0", NULL), XD_ERR_NOT_FOUND);
    cr_assert_eq(ask("restart", "0", NULL), XD_OK);
    TURN_UNTIL(pid_of(0) != 0);
}

Test(control, nothing_is_restarted_while_all_is_about_to_end)
{
    TURN_UNTIL(all_up());
    cr_assert_eq(ask("restart", "0", NULL), XD_OK);
    control.draining = true;
    cr_assert_eq(ask("restart", "1", NULL), XD_ERR_GONE);
    TURN_UNTIL(pid_of(0) == 0);
    cr_assert_not(turn());
    cr_assert_eq(pid_of(0), 0);
}

Test(control, logs_give_as_many_lines_as_asked_for)
{
    xdw_control_line(&control, 0, "stderr", "one", 3);
    xdw_control_line(&control, 0, "stderr", "two", 3);
    cr_assert_eq(ask("logs", "0", "1"), XD_OK);
    cr_assert_str_eq(text, "stderr two\n");
    cr_assert_eq(ask("logs", "0", NULL), XD_OK);
    cr_assert_str_eq(text, "stderr one\nstderr two\n");
}

Test(control, a_drain_is_noted_with_its_grace)
{
    cr_assert_eq(control.drain_grace, XD_NEVER);
    cr_assert_eq(ask("drain", NULL, NULL), XD_OK);
    cr_assert_eq(control.drain_grace, 5 * XD_S);
    cr_assert_eq(ask("drain", "0", NULL), XD_OK);
    cr_assert_eq(control.drain_grace, 0);
}

Test(control, what_makes_no_sense_is_refused_with_a_sentence)
{
    static const struct {
        const char *verb, *first, *second;
        enum xd_err code;
    } bad[] = {
        {"fly", NULL, NULL, XD_ERR_UNSUPPORTED},
        {"kill", NULL, NULL, XD_ERR_INVALID},
        {"kill", "-1", NULL, XD_ERR_INVALID},
        {"kill", "1x", NULL, XD_ERR_INVALID},
        {"kill", "", NULL, XD_ERR_INVALID},
        {"kill", "99999999999999999999999", NULL, XD_ERR_INVALID},
        {"kill", "1", "2", XD_ERR_INVALID},
        {"restart", NULL, NULL, XD_ERR_INVALID},
        {"restart", "3", NULL, XD_ERR_NOT_FOUND},
        {"logs", "3", NULL, XD_ERR_NOT_FOUND},
        {"logs", "0", "many", XD_ERR_INVALID},
        {"drain", "soon", NULL, XD_ERR_INVALID},
        {"drain", "99999999", NULL, XD_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(ask(bad[i].verb, bad[i].first, bad[i].second),
                     bad[i].code,
                     "%s %s: %s",
                     bad[i].verb,
                     bad[i].first ? bad[i].first : "",
                     text);
        cr_assert_gt(strlen(text), 10);
    }
}
