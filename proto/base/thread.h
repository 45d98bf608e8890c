/* SPDX-License-Identifier: MIT */
/* Threads of the library's own inside somebody's program. */
#ifndef XD_BASE_THREAD_H
#define XD_BASE_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* Start a thread that takes no signals: the application's arrive in its own threads, and
 * what the new one starts takes none either. Join or detach it. Errors: XD_ERR_SYSTEM. */
enum xd_err xd_thread_start(pthread_t *thread,
                            void *(*run)(void *context),
                            void *context) XD_MUST_USE;

#endif
