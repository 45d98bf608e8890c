/* SPDX-License-Identifier: MIT */
/* Monotonic time in nanoseconds, saturating, with "never". Reading the clock is the
 * edge's business. */
#ifndef XD_BASE_TIME_H
#define XD_BASE_TIME_H

#include <stdint.h>

typedef int64_t
    xd_time; /* nanoseconds since some fixed start; comparisons and differences only */

#define XD_NEVER INT64_MAX
#define XD_US ((xd_time)1000)
#define XD_MS ((xd_time)1000000)
#define XD_S ((xd_time)1000000000)

/* a + b for a, b >= 0, XD_NEVER when it would overflow. */
static inline xd_time xd_time_add(xd_time a, xd_time b)
{
    return a > XD_NEVER - b ? XD_NEVER : a + b;
}

static inline xd_time xd_time_min(xd_time a, xd_time b)
{
    return a < b ? a : b;
}

/* Milliseconds from `now` until `then`, rounded up, for poll(2): -1 for never, 0 when it
 * has come. */
static inline int xd_time_poll_ms(xd_time now, xd_time then)
{
    if (then == XD_NEVER) {
        return -1;
    }
    if (then <= now) {
        return 0;
    }
    xd_time ms = (then - now + XD_MS - 1) / XD_MS;
    return ms > 1000000 ? 1000000 : (int)ms;
}

#endif
