/* SPDX-License-Identifier: MIT */
/* Slots with real processes: restarts, ends, output, and what is left behind (nothing).
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "crossdock_supervise.h"
#include "watchdog.h"

enum { SLOTS = 4 };

/* What the callbacks saw. */
struct seen {
    uint32_t entered[SLOTS][XDW_STATE_COUNT]; /* how often each state */
    struct xdw_end end[SLOTS];
    char text[SLOTS][256];
    int64_t delay_ns[SLOTS];
    char lines[4096]; /* "slot.stream:text;" */
    size_t line_bytes[3];
};

static void on_notice(void *context, const struct xdw_notice *notice)
{
    struct seen *seen = context;
    seen->entered[notice->slot][notice->state]++;
    if (notice->end.how != XDW_END_NONE) {
        seen->end[notice->slot] = notice->end;
    }
    if (notice->state == XDW_BACKOFF) {
        seen->delay_ns[notice->slot] = notice->delay_ns;
    }
    snprintf(seen->text[notice->slot], 256, "%s", notice->text);
}

static void on_line(void *context, const struct xdw_line *line)
{
    struct seen *seen = context;
    size_t used = strlen(seen->lines);
    seen->line_bytes[line->stream] += line->size;
    snprintf(seen->lines + used,
             sizeof seen->lines - used,
             "%u.%d:%.*s%s",
             (unsigned)line->slot,
             (int)line->stream,
             (int)line->size,
             line->text,
             line->more ? "+" : ";");
}

struct fixture {
    struct xdw_supervisor *supervisor;
    struct seen seen;
};

static void begin(struct fixture *fixture, struct xdw_supervisor_options options)
{
    memset(fixture, 0, sizeof *fixture);
    options.notice = on_notice;
    options.line = on_line;
    options.context = &fixture->seen;
    options.plain = options.plain || xdt_is_on_valgrind();
    options.backoff_ns = options.backoff_ns ? options.backoff_ns : 20 * XD_MS;
    struct xd_error error = {""};
    enum xd_err err = xdw_supervisor_new(&options, &fixture->supervisor, &error);
    cr_assert_eq(err, XD_OK, "%s", error.text);
}

static uint32_t add(struct fixture *fixture, const char *script)
{
    const struct xdw_command command = {
        .argv = (const char *const[]){"sh", "-c", script, NULL},
        .url = "ipc:///here",
        .profile = "gpu",
        .owner = {12},
    };
    uint32_t slot;
    cr_assert_eq(xdw_supervisor_start(fixture->supervisor, &command, &slot, NULL), XD_OK);
    return slot;
}

/* One turn of a caller's loop. */
static void turn(struct fixture *fixture)
{
    struct xdw_supervisor *supervisor = fixture->supervisor;
    xd_time until =
        xd_time_min(xdw_supervisor_deadline(supervisor), xdt_now() + 200 * XD_MS);
    struct pollfd poll_fd = {.fd = xdw_supervisor_fd(supervisor), .events = POLLIN};
    poll(&poll_fd, 1, xd_time_poll_ms(xdt_now(), until));
    xdw_supervisor_step(supervisor, xdt_now());
}

#define TURN_UNTIL(fixture, claim)                                                       \
    do {                                                                                 \
        xd_time limit_ = xdt_now() + XDT_DEADLINE;                                       \
        while (!(claim)) {                                                               \
            cr_assert_lt(xdt_now(), limit_, "never: %s", #claim);                        \
            turn(fixture);                                                               \
        }                                                                                \
    } while (0)

static void finish(struct fixture *fixture)
{
    xdw_supervisor_free(fixture->supervisor);
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a zombie is left");
}

static pid_t pid_of(struct fixture *fixture, uint32_t slot)
{
    pid_t pid;
    xdw_supervisor_slot(fixture->supervisor, slot, NULL, &pid);
    return pid;
}

static enum xdw_state state_of(struct fixture *fixture, uint32_t slot)
{
    enum xdw_state state;
    xdw_supervisor_slot(fixture->supervisor, slot, &state, NULL);
    return state;
}

/* ---- restarts ---- */

static void restart_after_kill(bool plain)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){.plain = plain});
    uint32_t slot = add(&fixture, "read x <&3");
    uint32_t other = add(&fixture, "read x <&3");
    TURN_UNTIL(&fixture, fixture.seen.entered[other][XDW_UP] == 1);
    pid_t first = pid_of(&fixture, slot), bystander = pid_of(&fixture, other);
    cr_assert(first > 0 && bystander > 0);
    kill(first, SIGKILL);
    TURN_UNTIL(&fixture, fixture.seen.entered[slot][XDW_UP] == 2);
    cr_expect_neq(pid_of(&fixture, slot), first);
    cr_expect_eq(pid_of(&fixture, other), bystander);
    cr_expect_eq(fixture.seen.end[slot].how, XDW_END_SIGNAL);
    cr_expect_eq(fixture.seen.end[slot].code, SIGKILL);
    cr_expect_eq(fixture.seen.entered[slot][XDW_BACKOFF], 1);
    cr_expect(fixture.seen.delay_ns[slot] >= 10 * XD_MS &&
              fixture.seen.delay_ns[slot] <= 20 * XD_MS);
    finish(&fixture);
}

Test(supervisor, a_killed_slot_restarts_after_its_delay)
{
    restart_after_kill(false);
}

Test(supervisor, a_killed_slot_restarts_without_epoll_and_pidfd, .timeout = 120)
{
    restart_after_kill(true);
}

Test(supervisor, a_slot_killed_on_request_restarts)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "read x <&3");
    cr_expect_eq(xdw_supervisor_kill(fixture.supervisor, slot), XD_ERR_NOT_FOUND);
    TURN_UNTIL(&fixture, fixture.seen.entered[slot][XDW_UP] == 1);
    cr_expect_eq(xdw_supervisor_kill(fixture.supervisor, slot), XD_OK);
    TURN_UNTIL(&fixture, fixture.seen.entered[slot][XDW_UP] == 2);
    finish(&fixture);
}

Test(supervisor, exits_0_to_3_are_final)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    static const char *const scripts[SLOTS] = {"exit 0", "exit 1", "exit 2", "exit 3"};
    for (uint32_t i = 0; i < SLOTS; i++) {
        cr_assert_eq(add(&fixture, scripts[i]), i);
    }
    TURN_UNTIL(&fixture, xdw_supervisor_is_over(fixture.supervisor));
    for (int i = 0; i < SLOTS; i++) {
        cr_expect_eq(fixture.seen.entered[i][XDW_FINISHED], 1);
        cr_expect_eq(fixture.seen.entered[i][XDW_UP], 1);
        cr_expect_eq(fixture.seen.end[i].code, i);
    }
    cr_expect_eq(xdw_supervisor_deadline(fixture.supervisor), XD_NEVER);
    finish(&fixture);
}

Test(supervisor, a_slot_that_always_crashes_is_given_up_when_told_so)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){.give_up_after = 3, .seed = 5});
    uint32_t slot = add(&fixture, "exit 9");
    TURN_UNTIL(&fixture, xdw_supervisor_is_over(fixture.supervisor));
    cr_expect_eq(fixture.seen.entered[slot][XDW_UP], 3);
    cr_expect_eq(fixture.seen.entered[slot][XDW_BACKOFF], 2);
    cr_expect_eq(state_of(&fixture, slot), XDW_FAILED);
    cr_expect_str_eq(fixture.seen.text[slot], "crashed too often in a row");
    finish(&fixture);
}

Test(supervisor, a_command_that_is_not_there_fails_at_once_and_is_named)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot;
    const struct xdw_command command = {
        .argv = (const char *const[]){"crossdock-no-such-program", NULL}};
    cr_assert_eq(xdw_supervisor_start(fixture.supervisor, &command, &slot, NULL), XD_OK);
    xdw_supervisor_step(fixture.supervisor, xdt_now());
    cr_expect_eq(state_of(&fixture, slot), XDW_FAILED);
    cr_expect_str_eq(fixture.seen.text[slot],
                     "command not found: crossdock-no-such-program");
    cr_expect(xdw_supervisor_is_over(fixture.supervisor));
    finish(&fixture);
}

/* ---- ends ---- */

Test(supervisor, stop_is_an_orderly_end_for_those_that_listen)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "trap 'echo bye; exit 0' TERM; echo up; read x <&3");
    TURN_UNTIL(&fixture, strstr(fixture.seen.lines, "0.1:up;"));
    xdw_supervisor_stop(fixture.supervisor, XDW_ALL_SLOTS, XDT_DEADLINE, xdt_now());
    TURN_UNTIL(&fixture, xdw_supervisor_is_over(fixture.supervisor));
    cr_expect_eq(fixture.seen.end[slot].how, XDW_END_EXIT);
    cr_expect_str_eq(fixture.seen.lines, "0.1:up;0.1:bye;");
    cr_expect_eq(fixture.seen.entered[slot][XDW_KILLING], 0);
    finish(&fixture);
}

Test(supervisor, after_the_grace_the_whole_group_is_killed)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(
        &fixture,
        "trap '' TERM; sleep 1000 & echo $!; while :; do read x <&3 || sleep 1; done");
    TURN_UNTIL(&fixture, strstr(fixture.seen.lines, ";"));
    pid_t grandchild = (pid_t)atoi(fixture.seen.lines + 4);
    cr_assert(xdt_is_alive(grandchild));
    xdw_supervisor_stop(fixture.supervisor, slot, 50 * XD_MS, xdt_now());
    TURN_UNTIL(&fixture, xdw_supervisor_is_over(fixture.supervisor));
    cr_expect_eq(fixture.seen.end[slot].code, SIGKILL);
    cr_expect_eq(fixture.seen.entered[slot][XDW_STOPPING], 1);
    cr_expect_eq(fixture.seen.entered[slot][XDW_KILLING], 1);
    cr_expect(xdt_wait_gone(grandchild));
    finish(&fixture);
}

Test(supervisor, a_slot_stopped_in_its_back_off_never_comes_back)
{
    struct fixture fixture;
    begin(&fixture,
          (struct xdw_supervisor_options){.backoff_ns = 1000 * XD_S,
                                          .backoff_cap_ns = 1000 * XD_S});
    uint32_t slot = add(&fixture, "exit 9");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_BACKOFF);
    xdw_supervisor_stop(fixture.supervisor, slot, XD_S, xdt_now());
    cr_expect_eq(state_of(&fixture, slot), XDW_FINISHED);
    cr_expect_eq(fixture.seen.entered[slot][XDW_FINISHED], 1);
    cr_expect_eq(xdw_supervisor_deadline(fixture.supervisor), XD_NEVER);
    finish(&fixture);
}

Test(supervisor, freeing_kills_what_still_runs)
{
    struct fixture fixture;
    int before = xdt_count_fds();
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "trap '' TERM; sleep 1000");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_UP);
    pid_t pid = pid_of(&fixture, slot);
    finish(&fixture);
    cr_expect_not(xdt_is_alive(pid));
    cr_expect_eq(fixture.seen.entered[slot][XDW_FINISHED], 1);
    cr_expect_eq(xdt_count_fds(), before);
}

Test(supervisor, a_forked_child_frees_without_killing)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "read x <&3");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_UP);
    pid_t forked = fork();
    if (forked == 0) {
        xdw_supervisor_free(fixture.supervisor);
        _exit(0);
    }
    waitpid(forked, NULL, 0);
    turn(&fixture);
    cr_expect_eq(state_of(&fixture, slot), XDW_UP);
    cr_expect(xdt_is_alive(pid_of(&fixture, slot)));
    finish(&fixture);
}

Test(supervisor, forgotten_slots_are_used_again)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "exit 0"), other = add(&fixture, "read x <&3");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_FINISHED);
    cr_expect_eq(xdw_supervisor_forget(fixture.supervisor, other), XD_ERR_BUSY);
    cr_expect_eq(xdw_supervisor_forget(fixture.supervisor, slot), XD_OK);
    cr_expect_eq(xdw_supervisor_forget(fixture.supervisor, slot), XD_ERR_NOT_FOUND);
    cr_expect_eq(xdw_supervisor_forget(fixture.supervisor, 77), XD_ERR_NOT_FOUND);
    cr_expect_eq(add(&fixture, "echo again"), slot);
    TURN_UNTIL(&fixture, strstr(fixture.seen.lines, "again"));
    cr_expect_eq(xdw_supervisor_count(fixture.supervisor, XDW_UP) +
                     xdw_supervisor_count(fixture.supervisor, XDW_FINISHED),
                 2);
    finish(&fixture);
}

/* ---- output and environment ---- */

static void tagged_output(bool plain)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){.line_limit = 8, .plain = plain});
    uint32_t slot = add(&fixture,
                        "echo one; echo two >&2; sleep 0.05; printf 'a longer line\\n';"
                        "printf last");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_FINISHED);
    cr_expect_not_null(strstr(fixture.seen.lines, "0.1:one;"));
    cr_expect_not_null(strstr(fixture.seen.lines, "0.2:two;"));
    cr_expect_not_null(strstr(fixture.seen.lines, "0.1:a longer+0.1: line;0.1:last;"),
                       "%s",
                       fixture.seen.lines);
    finish(&fixture);
}

Test(supervisor, output_comes_tagged_and_in_bounded_lines)
{
    tagged_output(false);
}

Test(supervisor, output_comes_without_epoll_too)
{
    tagged_output(true);
}

Test(supervisor, no_byte_of_a_lot_of_output_is_lost_at_the_end)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "head -c 3000000 /dev/zero; echo x >&2");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_FINISHED);
    cr_expect_eq(fixture.seen.line_bytes[XDW_STDOUT], 3000000);
    cr_expect_eq(fixture.seen.line_bytes[XDW_STDERR], 1);
    finish(&fixture);
}

Test(supervisor, a_child_that_closes_its_output_lives_on_quietly)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    uint32_t slot = add(&fixture, "exec >&- 2>&-; read x <&3");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_UP);
    xd_time until = xdt_now() + 300 * XD_MS;
    int turns = 0;
    while (xdt_now() < until) {
        turn(&fixture);
        turns++;
    }
    cr_expect_lt(turns, 20, "the loop is busy: %d turns", turns);
    cr_expect_eq(state_of(&fixture, slot), XDW_UP);
    finish(&fixture);
}

Test(supervisor, a_slot_knows_where_it_belongs)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    add(&fixture, "exit 0");
    uint32_t slot = add(&fixture,
                        "echo $CROSSDOCK_URL $CROSSDOCK_PROFILE $CROSSDOCK_OWNER "
                        "$CROSSDOCK_SLOT $CROSSDOCK_LIFE_FD");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_FINISHED);
    cr_expect_str_eq(fixture.seen.lines, "1.1:ipc:///here gpu 12 1 3;");
    finish(&fixture);
}

Test(supervisor, a_process_knows_how_often_its_slot_was_started_before)
{
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){.backoff_ns = 1});
    uint32_t slot = add(&fixture,
                        "echo $CROSSDOCK_RESTARTS; "
                        "test $CROSSDOCK_RESTARTS = 0000000002 || exit 9");
    TURN_UNTIL(&fixture, state_of(&fixture, slot) == XDW_FINISHED);
    cr_expect_str_eq(fixture.seen.lines, "0.1:0000000000;0.1:0000000001;0.1:0000000002;");
    finish(&fixture);
}

static struct fixture *calling_back;

static void start_more(void *context, const struct xdw_line *line)
{
    on_line(context, line);
    if (line->slot == 0) { /* twice: six more, so that every table moves */
        for (int i = 1; i < SLOTS; i++) {
            add(calling_back, "echo hello");
        }
    }
}

Test(supervisor, a_callback_may_start_and_stop)
{
    struct fixture fixture = {0};
    calling_back = &fixture;
    const struct xdw_supervisor_options options = {.line = start_more,
                                                   .context = &fixture.seen,
                                                   .plain = xdt_is_on_valgrind()};
    cr_assert_eq(xdw_supervisor_new(&options, &fixture.supervisor, NULL), XD_OK);
    add(&fixture, "echo first; echo  second >&2");
    TURN_UNTIL(&fixture, xdw_supervisor_count(fixture.supervisor, XDW_FINISHED) == 7);
    cr_expect_not_null(strstr(fixture.seen.lines, "3.1:hello;"),
                       "%s",
                       fixture.seen.lines);
    finish(&fixture);
}

/* ---- the parent's end ---- */

/* Run a supervisor with one slot in a process of its own; gives back both pids. */
static pid_t start_parent(const char *script, int death_signal, pid_t *child)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct fixture fixture;
        begin(&fixture, (struct xdw_supervisor_options){.death_signal = death_signal});
        add(&fixture, script);
        TURN_UNTIL(&fixture, strstr(fixture.seen.lines, "0.1:up;"));
        pid_t pid = pid_of(&fixture, 0);
        if (write(ends[1], &pid, sizeof pid) == (ssize_t)sizeof pid) {
            pause();
        }
        _exit(1);
    }
    close(ends[1]);
    cr_assert_eq(read(ends[0], child, sizeof *child), (ssize_t)sizeof *child);
    close(ends[0]);
    return parent;
}

static void expect_gone_with_parent(const char *script, int death_signal)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* so that we, not init, reap the orphan */
    pid_t child;
    pid_t parent = start_parent(script, death_signal, &child);
    cr_assert(xdt_is_alive(child));
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    cr_expect(xdt_wait_gone(child));
    waitpid(child, NULL, 0);
}

Test(supervisor, a_child_that_watches_the_life_pipe_goes_with_its_parent)
{
    expect_gone_with_parent("trap '' TERM; echo up; read x <&$CROSSDOCK_LIFE_FD; exit 5",
                            0);
}

Test(supervisor, the_death_signal_ends_a_child_that_watches_nothing)
{
    expect_gone_with_parent("echo up; exec sleep 1000", SIGTERM);
}

/* ---- memory ---- */

Test(supervisor, without_memory_new_and_start_leave_nothing)
{
    struct xdw_supervisor *supervisor = NULL;
    int before = xdt_count_fds();
    xd_alloc_fail_at(1);
    cr_expect_eq(xdw_supervisor_new(NULL, &supervisor, NULL), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_expect_eq(xdt_count_fds(), before);
    struct fixture fixture;
    begin(&fixture, (struct xdw_supervisor_options){0});
    const struct xdw_command command = {.argv = (const char *const[]){"true", NULL}};
    uint32_t slot = 0;
    enum xd_err err = XD_ERR_NOMEM;
    size_t n = 0;
    while (err) {
        xd_alloc_fail_at(++n);
        err = xdw_supervisor_start(fixture.supervisor, &command, &slot, NULL);
        xd_alloc_fail_at(0);
        cr_assert(err == XD_OK || err == XD_ERR_NOMEM);
        cr_assert(!err || xdw_supervisor_is_over(fixture.supervisor));
    }
    cr_expect_gt(n, 5);
    cr_expect_eq(slot, 0, "failed starts take no numbers");
    finish(&fixture);
}
