/* SPDX-License-Identifier: MIT */
/* Child processes by vfork and execve. */
#include "supervise/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/* In the child: 0, 1, 2 standard, then these; everything from FIRST_FREE_FD on is closed.
 */
enum { REPORT_FD = XDW_LIFE_FD + 1, FIRST_FREE_FD };

/* Without close_range(2), so many descriptors are closed one by one at most. */
#define CLOSE_LIMIT 65536

enum step { STEP_SETUP, STEP_DIR, STEP_EXEC };

/* What the child writes when it cannot become the command. */
struct report {
    int step, error;
};

/* All the child needs; nothing there may be allocated or locked (signal-safety(7)). */
struct launch {
    const struct xdw_plan *plan;
    const char *path;
    int null_fd, out_fd[2], life_fd, report_fd; /* all at FIRST_FREE_FD or above */
    int death_signal;
    pid_t parent;
    int close_end;
};

/* ---- in the child ---- */

/* What _exit(2) does. That name may not stand in code that is loaded into R: R's check of
 * packages cannot know that only a child of ours gets here. */
static _Noreturn void leave(int code)
{
#ifdef SYS_exit_group
    for (;;) {
        syscall(SYS_exit_group, code);
    }
#else
    _exit(code);
#endif
}

static _Noreturn void give_up(enum step step)
{
    struct report report = {(int)step, errno};
    ssize_t written = write(REPORT_FD, &report, sizeof report);
    leave(written > 0 ? 127 : 126);
}

static void reset_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int n = 1; n < NSIG; n++) {
        sigaction(n, &plain, NULL); /* refused for SIGKILL, SIGSTOP and libc's own */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_others(int end)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)FIRST_FREE_FD, ~0u, 0u) == 0) {
        return;
    }
#endif
    for (int fd = FIRST_FREE_FD; fd < end; fd++) {
        close(fd);
    }
}

static void die_with_thread(const struct launch *launch)
{
#ifdef __linux__
    if (!launch->death_signal) {
        return;
    }
    prctl(PR_SET_PDEATHSIG, launch->death_signal, 0, 0, 0);
    if (getppid() != launch->parent) { /* it ended before we asked */
        leave(126);
    }
#else
    (void)launch;
#endif
}

/* vfork: the parent's memory, so only system calls and our own frames. */
static _Noreturn void become(const struct launch *launch)
{
    if (dup2(launch->report_fd, REPORT_FD) < 0 ||
        fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC) < 0) {
        leave(126);
    }
    if (setsid() < 0 || dup2(launch->null_fd, STDIN_FILENO) < 0 ||
        dup2(launch->out_fd[0], STDOUT_FILENO) < 0 ||
        dup2(launch->out_fd[1], STDERR_FILENO) < 0 ||
        dup2(launch->life_fd, XDW_LIFE_FD) < 0) {
        give_up(STEP_SETUP);
    }
    die_with_thread(launch);
    close_others(launch->close_end);
    if (launch->plan->dir && chdir(launch->plan->dir) < 0) {
        give_up(STEP_DIR);
    }
    reset_signals();
    execve(launch->path, launch->plan->argv, launch->plan->envp);
    give_up(STEP_EXEC);
}

/* ---- in the parent ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Above the child's fixed descriptors, so that dup2 there overwrites nothing still
 * needed: a host that runs with its standard descriptors closed gets such low numbers. */
static bool raise_fd(int *fd)
{
    if (*fd < 0 || *fd >= FIRST_FREE_FD) {
        return *fd >= 0;
    }
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int kept = errno;
    close(*fd);
    *fd = high;
    errno = kept;
    return high >= 0;
}

static bool open_pipe(int *read_fd, int *write_fd)
{
    int ends[2];
#ifdef __linux__
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return false;
    }
#else
    if (pipe(ends) < 0) {
        return false;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
    *read_fd = ends[0];
    *write_fd = ends[1];
    return raise_fd(read_fd) && raise_fd(write_fd);
}

/* Both sides' descriptors of one start. */
struct wires {
    struct launch launch;
    struct xdw_child child;
    int report_fd; /* our end */
};

static bool open_wires(struct wires *wires)
{
    struct launch *launch = &wires->launch;
    struct xdw_child *child = &wires->child;
    launch->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool ok = raise_fd(&launch->null_fd) &&
              open_pipe(&child->out_fd[0], &launch->out_fd[0]) &&
              open_pipe(&child->out_fd[1], &launch->out_fd[1]) &&
              open_pipe(&launch->life_fd, &child->life_fd) &&
              open_pipe(&wires->report_fd, &launch->report_fd);
    for (int i = 0; ok && i < 2; i++) {
        ok = fcntl(child->out_fd[i], F_SETFL, O_NONBLOCK) == 0;
    }
    return ok;
}

static void close_childs_ends(struct launch *launch)
{
    close_fd(&launch->null_fd);
    close_fd(&launch->out_fd[0]);
    close_fd(&launch->out_fd[1]);
    close_fd(&launch->life_fd);
    close_fd(&launch->report_fd);
}

/* All signals stay blocked until the child has let go of our memory: none of the host's
 * handlers may run in it. */
static pid_t spawn(const struct launch *launch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) {
        become(launch);
    }
    int kept = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = kept;
    return pid;
}

static bool read_report(int fd, struct report *report)
{
    ssize_t n;
    do {
        n = read(fd, report, sizeof *report);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *report;
}

static const char *error_text(int number, char *room, size_t size)
{
#ifdef __GLIBC__
    return strerror_r(number, room, size);
#else
    return strerror_r(number, room, size) == 0 ? room : "unknown error";
#endif
}

static enum xd_err system_failure(struct xd_error *error, const char *what, int number)
{
    char room[96];
    return xd_fail(error,
                   XD_ERR_SYSTEM,
                   "%s: %s",
                   what,
                   error_text(number, room, sizeof room));
}

/* Errors of exec and chdir that another try will not change. */
static enum xd_err command_code(int number)
{
    static const struct {
        int number;
        enum xd_err err;
    } table[] = {
        {ENOENT, XD_ERR_NOT_FOUND},
        {ENOTDIR, XD_ERR_NOT_FOUND},
        {EACCES, XD_ERR_FORBIDDEN},
        {EPERM, XD_ERR_FORBIDDEN},
        {ENOEXEC, XD_ERR_INVALID},
        {EINVAL, XD_ERR_INVALID},
        {ELOOP, XD_ERR_INVALID},
        {EISDIR, XD_ERR_FORBIDDEN},
        {E2BIG, XD_ERR_TOO_LARGE},
        {ENAMETOOLONG, XD_ERR_TOO_LARGE},
        {ELIBBAD, XD_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].number == number) {
            return table[i].err;
        }
    }
    return XD_ERR_SYSTEM;
}

static enum xd_err report_failure(const struct report *report,
                                  const struct xdw_plan *plan,
                                  struct xd_error *error)
{
    char room[96];
    const char *why = error_text(report->error, room, sizeof room);
    enum xd_err err = command_code(report->error);
    switch (report->step) {
    case STEP_DIR:
        return xd_fail(error,
                       err,
                       "cannot run %s in %s: %s",
                       plan->argv[0],
                       plan->dir,
                       why);
    case STEP_EXEC:
        return err == XD_ERR_NOT_FOUND
                   ? xd_fail(error, err, "command not found: %s (%s)", plan->argv[0], why)
                   : xd_fail(error, err, "cannot run %s: %s", plan->argv[0], why);
    default:
        return xd_fail(error, XD_ERR_SYSTEM, "cannot set up %s: %s", plan->argv[0], why);
    }
}

static void wait_for(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
}

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0u);
#else
    (void)pid;
    return -1;
#endif
}

static int close_end(void)
{
    long limit = sysconf(_SC_OPEN_MAX);
    return limit < 0 || limit > CLOSE_LIMIT ? CLOSE_LIMIT : (int)limit;
}

static enum xd_err run(struct wires *wires, struct xd_error *error)
{
    struct launch *launch = &wires->launch;
    if (!open_wires(wires)) {
        return system_failure(error, "no descriptors for a process", errno);
    }
    wires->child.pid = spawn(launch);
    if (wires->child.pid < 0) {
        return system_failure(error, "no process", errno);
    }
    close_childs_ends(launch);
    struct report report;
    if (read_report(wires->report_fd, &report)) {
        wait_for(wires->child.pid, NULL);
        return report_failure(&report, launch->plan, error);
    }
    return XD_OK;
}

enum xd_err xdw_child_start(struct xdw_child *child,
                            const struct xdw_plan *plan,
                            int death_signal,
                            bool plain,
                            struct xd_error *error)
{
    char path[PATH_MAX];
    enum xd_err err = xdw_plan_find(plan, path, sizeof path, error);
    if (err) {
        return err;
    }
    struct wires wires = {
        .launch = {.plan = plan,
                   .path = path,
                   .null_fd = -1,
                   .out_fd = {-1, -1},
                   .life_fd = -1,
                   .report_fd = -1,
                   .death_signal = death_signal,
                   .parent = getpid(),
                   .close_end = close_end()},
        .child = XDW_CHILD_NONE,
        .report_fd = -1,
    };
    err = run(&wires, error);
    close_childs_ends(&wires.launch);
    close_fd(&wires.report_fd);
    if (err) {
        xdw_child_close(&wires.child);
        return err;
    }
    wires.child.pidfd = plain ? -1 : open_pidfd(wires.child.pid);
    *child = wires.child;
    return XD_OK;
}

static struct xdw_end end_of(int status)
{
    if (WIFEXITED(status)) {
        return (struct xdw_end){XDW_END_EXIT, WEXITSTATUS(status)};
    }
    return (struct xdw_end){XDW_END_SIGNAL, WTERMSIG(status)};
}

/* The group is killed between the end and the waiting: while the process is a zombie, its
 * group's number cannot belong to anybody else. */
bool xdw_child_reap(struct xdw_child *child, bool wait, struct xdw_end *end)
{
    siginfo_t info = {0};
    int answer;
    do {
        answer = waitid(P_PID,
                        (id_t)child->pid,
                        &info,
                        WEXITED | WNOWAIT | (wait ? 0 : WNOHANG));
    } while (answer < 0 && errno == EINTR);
    if (answer == 0 && info.si_pid == 0) {
        return false;
    }
    int status = 0;
    *end = (struct xdw_end){XDW_END_UNKNOWN, 0};
    if (answer == 0) {
        kill(-child->pid, SIGKILL);
        wait_for(child->pid, &status);
        *end = end_of(status);
    }
    child->pid = 0;
    return true;
}

void xdw_child_signal(const struct xdw_child *child, int signal)
{
    if (child->pid > 0) {
        kill(-child->pid, signal);
    }
}

void xdw_child_close(struct xdw_child *child)
{
    close_fd(&child->pidfd);
    close_fd(&child->life_fd);
    close_fd(&child->out_fd[0]);
    close_fd(&child->out_fd[1]);
}
