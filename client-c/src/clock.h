/* SPDX-License-Identifier: MIT */
/* Reading the clock: only the edges (the public functions and the pump) do. */
#ifndef XD_CLIENT_CLOCK_H
#define XD_CLIENT_CLOCK_H

#include <time.h>

#include "base/time.h"

static inline xd_time xd_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (xd_time)now.tv_sec * XD_S + (xd_time)now.tv_nsec;
}

/* The end of a wait of `timeout_ms` (-1: never) that begins now. */
static inline xd_time xd_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? XD_NEVER : xd_time_add(xd_now(), (xd_time)timeout_ms * XD_MS);
}

static inline struct timespec xd_timespec(xd_time time)
{
    struct timespec out = {.tv_sec = (time_t)(time / XD_S),
                           .tv_nsec = (long)(time % XD_S)};
    return out;
}

#endif
