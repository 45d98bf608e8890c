/* SPDX-License-Identifier: MIT */
/* Threads of the package's own. */
#include <signal.h>

#include "rxd.h"

bool rxd_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number == 0;
}
