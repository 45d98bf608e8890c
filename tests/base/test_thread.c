/* SPDX-License-Identifier: MIT */
/* Threads that take no signals. */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/thread.h"

struct seen {
    sigset_t mask;
    int number;
};

static void *look(void *context)
{
    struct seen *seen = context;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    seen->number = 42;
    return NULL;
}

Test(thread, takes_no_signals_and_its_starter_keeps_its_own_mask)
{
    sigset_t before, after;
    pthread_t thread;
    struct seen seen = {.number = 0};
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    cr_assert_eq(xd_thread_start(&thread, look, &seen), XD_OK);
    pthread_join(thread, NULL);
    cr_assert_eq(seen.number, 42);
    const int some[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        cr_assert(sigismember(&seen.mask, some[i]), "signal %d is not blocked", some[i]);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    cr_assert(sigismember(&after, SIGUSR2) && !sigismember(&after, SIGINT));
}
