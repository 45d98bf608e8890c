/* SPDX-License-Identifier: MIT */
/* One real child process: how it starts, what it inherits, how it ends with its group. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "supervise/child.h"
#include "watchdog.h"

static enum xd_err start(struct xdw_child *child,
                         const char *const *argv,
                         const char *dir,
                         bool plain,
                         struct xd_error *error)
{
    struct xdw_plan plan;
    const struct xdw_command command = {.argv = argv, .dir = dir};
    extern char **environ;
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, environ, NULL), XD_OK);
    plain = plain || xdt_is_on_valgrind();
    enum xd_err err = xdw_child_start(child, &plan, 0, plain, error);
    xdw_plan_fini(&plan);
    return err;
}

static struct xdw_child start_shell(const char *script, bool plain)
{
    struct xdw_child child = XDW_CHILD_NONE;
    struct xd_error error = {""};
    const char *const argv[] = {"sh", "-c", script, NULL};
    enum xd_err err = start(&child, argv, NULL, plain, &error);
    cr_assert_eq(err, XD_OK, "%s", error.text);
    return child;
}

/* All of a stream until its end, ended by NUL. */
static void read_all(int fd, char *text, size_t room)
{
    size_t size = 0;
    xd_time end = xdt_now() + XDT_DEADLINE;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        cr_assert_lt(xdt_now(), end, "no end of output");
        poll(&poll_fd, 1, 100);
        ssize_t n = read(fd, text + size, room - size - 1);
        if (n == 0) {
            break;
        }
        size += n > 0 ? (size_t)n : 0;
    }
    text[size] = '\0';
}

static void read_line(int fd, char *text, size_t room)
{
    size_t size = 0;
    xd_time end = xdt_now() + XDT_DEADLINE;
    while (size == 0 || text[size - 1] != '\n') {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        cr_assert_lt(xdt_now(), end, "no line");
        poll(&poll_fd, 1, 100);
        ssize_t n = read(fd, text + size, 1);
        cr_assert_neq(n, 0, "end of output before a line");
        size += n > 0 ? 1 : 0;
        cr_assert_lt(size, room - 1);
    }
    text[size] = '\0';
}

static struct xdw_end finish(struct xdw_child *child)
{
    struct xdw_end end = {XDW_END_NONE, -1};
    cr_assert(xdw_child_reap(child, true, &end));
    cr_assert_eq(child->pid, 0);
    xdw_child_close(child);
    return end;
}

Test(child, output_and_exit_code_come_back)
{
    struct xdw_child child = start_shell("echo out; echo err >&2; exit 7", false);
    char out[64], err[64];
    read_all(child.out_fd[0], out, sizeof out);
    read_all(child.out_fd[1], err, sizeof err);
    cr_expect_str_eq(out, "out\n");
    cr_expect_str_eq(err, "err\n");
    struct xdw_end end = finish(&child);
    cr_expect_eq(end.how, XDW_END_EXIT);
    cr_expect_eq(end.code, 7);
}

Test(child, a_signal_is_told_from_an_exit)
{
    struct xdw_child child = start_shell("kill -9 $$", false);
    struct xdw_end end = finish(&child);
    cr_expect_eq(end.how, XDW_END_SIGNAL);
    cr_expect_eq(end.code, SIGKILL);
}

Test(child, the_pidfd_tells_of_the_end)
{
    if (xdt_is_on_valgrind()) {
        cr_skip_test("no pidfd under valgrind");
    }
    struct xdw_child child = start_shell("read x <&3; exit 0", false);
    struct pollfd poll_fd = {.fd = child.pidfd, .events = POLLIN};
    struct xdw_end end;
    cr_assert_geq(child.pidfd, 0, "no pidfd on this kernel");
    cr_expect_eq(poll(&poll_fd, 1, 50), 0);
    cr_expect_not(xdw_child_reap(&child, false, &end));
    close(child.life_fd);
    child.life_fd = -1;
    cr_expect_eq(poll(&poll_fd, 1, (int)(XDT_DEADLINE / XD_MS)), 1);
    cr_expect(xdw_child_reap(&child, false, &end));
    xdw_child_close(&child);
}

Test(child, without_a_pidfd_asking_is_enough)
{
    struct xdw_child child = start_shell("exit 4", true);
    struct xdw_end end;
    cr_expect_eq(child.pidfd, -1);
    xd_time limit = xdt_now() + XDT_DEADLINE;
    while (!xdw_child_reap(&child, false, &end)) {
        cr_assert_lt(xdt_now(), limit);
        xdt_nap();
    }
    cr_expect_eq(end.code, 4);
    xdw_child_close(&child);
}

/* ---- what it inherits ---- */

Test(child, only_standard_descriptors_and_the_life_pipe_are_open)
{
    int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */
    int far = fcntl(extra, F_DUPFD, 200);
    struct xdw_child child =
        start_shell("for f in /proc/self/fd/*; do echo ${f##*/}; done;"
                    "readlink /proc/self/fd/0",
                    false);
    char out[512];
    read_all(child.out_fd[0], out, sizeof out);
    /* the shell's own listing may hold one descriptor more, 4, for the folder itself */
    cr_expect(strcmp(out, "0\n1\n2\n3\n/dev/null\n") == 0 ||
                  strcmp(out, "0\n1\n2\n3\n4\n/dev/null\n") == 0,
              "%s",
              out);
    finish(&child);
    close(extra), close(far);
}

Test(child, it_starts_also_where_the_standard_descriptors_are_closed)
{
    close(0), close(1); /* 2 stays, for the test's own report */
    struct xdw_child child = start_shell("echo fine; read x <&3", false);
    char line[64];
    read_line(child.out_fd[0], line, sizeof line);
    cr_expect_str_eq(line, "fine\n");
    xdw_child_signal(&child, SIGKILL);
    finish(&child);
}

Test(child, signal_mask_and_ignored_signals_are_reset)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct xdw_child child =
        start_shell("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", false);
    char out[256], expected[256] = "";
    read_all(child.out_fd[0], out, sizeof out);
    static const char *const names[] = {"SigBlk", "SigIgn"};
    for (int i = 0; i < 2; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s:\t%016x\n", names[i], 0);
        strcat(expected, line);
    }
    cr_expect_str_eq(out, expected);
    finish(&child);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    cr_expect(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2),
              "the parent's own mask is as before");
}

Test(child, it_leads_a_session_of_its_own)
{
    struct xdw_child child = start_shell("read x <&3", false);
    cr_expect_eq(getsid(child.pid), child.pid);
    cr_expect_eq(getpgid(child.pid), child.pid);
    xdw_child_signal(&child, SIGKILL);
    finish(&child);
}

Test(child, it_starts_in_its_directory)
{
    struct xdw_child child = XDW_CHILD_NONE;
    const char *const argv[] = {"sh", "-c", "/bin/pwd", NULL};
    cr_assert_eq(start(&child, argv, "/usr", false, NULL), XD_OK);
    char out[64];
    read_all(child.out_fd[0], out, sizeof out);
    cr_expect_str_eq(out, "/usr\n");
    finish(&child);
}

/* ---- what cannot run ---- */

Test(child, what_cannot_run_is_named_and_leaves_no_process_and_no_descriptor)
{
    static const struct {
        const char *command, *dir, *text;
        enum xd_err err;
    } table[] = {
        {"crossdock-no-such-program",
         NULL,
         "command not found: crossdock-no-such-program",
         XD_ERR_NOT_FOUND},
        {"/no/such/program",
         NULL,
         "command not found: /no/such/program (No such file or directory)",
         XD_ERR_NOT_FOUND},
        {"/etc/passwd",
         NULL,
         "cannot run /etc/passwd: Permission denied",
         XD_ERR_FORBIDDEN},
        {"/tmp", NULL, "cannot run /tmp: Permission denied", XD_ERR_FORBIDDEN},
        {"true",
         "/no/such/dir",
         "cannot run true in /no/such/dir: No such file or directory",
         XD_ERR_NOT_FOUND},
    };
    int before = xdt_count_fds();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xdw_child child = XDW_CHILD_NONE;
        struct xd_error error = {""};
        const char *const argv[] = {table[i].command, NULL};
        cr_expect_eq(start(&child, argv, table[i].dir, false, &error), table[i].err);
        cr_expect_str_eq(error.text, table[i].text);
        cr_expect_eq(child.pid, 0);
    }
    cr_expect_eq(xdt_count_fds(), before);
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a zombie is left");
}

Test(child, a_file_that_is_no_program_is_the_commands_fault)
{
    char path[] = "/tmp/xdt-child-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(fchmod(fd, 0700), 0);
    cr_assert_eq(write(fd, "\1\2\3\4", 4), 4);
    close(fd);
    struct xdw_child child = XDW_CHILD_NONE;
    const char *const argv[] = {path, NULL};
    cr_expect_eq(start(&child, argv, NULL, false, NULL), XD_ERR_INVALID);
    unlink(path);
}

/* ---- ends ---- */

Test(child, what_is_left_of_its_group_goes_with_it)
{
    struct xdw_child child =
        start_shell("trap '' TERM; sleep 1000 & echo $!; exit 0", false);
    char line[64];
    read_line(child.out_fd[0], line, sizeof line);
    pid_t grandchild = (pid_t)atoi(line);
    struct xdw_end end = finish(&child);
    cr_expect_eq(end.code, 0);
    cr_expect(xdt_wait_gone(grandchild));
}

Test(child, term_and_kill_reach_the_whole_group)
{
    struct xdw_child child = start_shell("sleep 1000 & echo $!; wait", false);
    char line[64];
    read_line(child.out_fd[0], line, sizeof line);
    xdw_child_signal(&child, SIGTERM);
    struct xdw_end end = finish(&child);
    cr_expect_eq(end.how, XDW_END_SIGNAL);
    cr_expect_eq(end.code, SIGTERM);
    cr_expect(xdt_wait_gone((pid_t)atoi(line)));
}

Test(child, one_that_someone_else_waited_for_ended_unknown)
{
    struct xdw_child child = start_shell("exit 0", false);
    waitpid(child.pid, NULL, 0);
    struct xdw_end end = finish(&child);
    cr_expect_eq(end.how, XDW_END_UNKNOWN);
}

Test(child, many_starts_leave_nothing_behind)
{
    int before = xdt_count_fds();
    for (int i = 0; i < 50; i++) {
        struct xdw_child child = start_shell("exit 0", i % 2 == 0);
        finish(&child);
    }
    cr_expect_eq(xdt_count_fds(), before);
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a zombie is left");
}
