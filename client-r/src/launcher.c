/* SPDX-License-Identifier: MIT */
/* Launchers of daemons elsewhere: shell commands in sessions of their own, without a
 * terminal, so that Ctrl-C does not reach them and they can be ended with all that they
 * started. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#ifdef POSIX_SPAWN_SETSID
#define OWN_GROUP POSIX_SPAWN_SETSID
#else
#define OWN_GROUP POSIX_SPAWN_SETPGROUP
#endif

extern char **environ;

/* R ignores SIGPIPE, and what it starts would, too. */
static int spawn(const char *line, pid_t *pid)
{
    char shell[] = "sh", option[] = "-c";
    union {
        const char *in;
        char *out;
    } text = {line};
    char *argv[] = {shell, option, text.out, NULL};
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int number = posix_spawnattr_init(&attributes);
    if (number != 0) {
        return number;
    }
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    number = posix_spawnattr_setsigdefault(&attributes, &defaults);
    if (number == 0) {
        number = posix_spawnattr_setflags(&attributes,
                                          (short)(OWN_GROUP | POSIX_SPAWN_SETSIGDEF));
    }
    if (number == 0) {
        number = posix_spawn(pid, "/bin/sh", NULL, &attributes, argv, environ);
    }
    posix_spawnattr_destroy(&attributes);
    return number;
}

/* Its process. */
SEXP rxd_launcher_start(SEXP line)
{
    pid_t pid = 0;
    int number = spawn(Rf_translateChar(STRING_ELT(line, 0)), &pid);
    if (number != 0) {
        struct xd_error error = {""};
        xd_error_set(&error, "cannot start a shell: %s", strerror(number));
        rxd_raise(XD_ERR_SYSTEM, &error, NULL);
    }
    return Rf_ScalarInteger(pid);
}

/* Does it run? One that has ended is waited for; its number means nothing from then on.
 * In a forked child none is ours. */
static bool is_running(pid_t pid)
{
    pid_t ended;
    do {
        ended = waitpid(pid, NULL, WNOHANG);
    } while (ended < 0 && errno == EINTR);
    return ended == 0;
}

/* Which of these run, after they and what they started were told to end: `end` 1 kindly,
 * 2 for sure, 0 not at all. */
SEXP rxd_launchers(SEXP pids, SEXP end)
{
    static const int signals[] = {0, SIGTERM, SIGKILL};
    int number = signals[Rf_asInteger(end)];
    R_xlen_t count = Rf_xlength(pids);
    SEXP out = PROTECT(Rf_allocVector(LGLSXP, count));
    for (R_xlen_t i = 0; i < count; i++) {
        bool runs = is_running(INTEGER(pids)[i]);
        if (runs && number != 0) {
            (void)kill(-INTEGER(pids)[i], number);
        }
        LOGICAL(out)[i] = runs;
    }
    UNPROTECT(1);
    return out;
}
