/* SPDX-License-Identifier: MIT */
/* Sleeping so that R stays interruptible. */
#include <poll.h>
#include <time.h>

#include "rxd.h"

void rxd_pause(int ms)
{
    (void)poll(NULL, 0, ms < RXD_SLICE_MS ? ms : RXD_SLICE_MS); /* a signal ends it */
    rxd_check();
}

double rxd_steady_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void rxd_check(void)
{
    R_CheckUserInterrupt();
    rxd_starts_look();
}
