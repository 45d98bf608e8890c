/* SPDX-License-Identifier: MIT */
/* A thread with all signals blocked from its first moment. */
#include "base/thread.h"

#include <signal.h>

enum xd_err xd_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number == 0 ? XD_OK : XD_ERR_SYSTEM;
}
