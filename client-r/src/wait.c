/* SPDX-License-Identifier: MIT */
/* Sleeping so that R stays interruptible. */
#include <poll.h>

#include "rxd.h"

void rxd_pause(int ms)
{
    (void)poll(NULL, 0, ms < RXD_SLICE_MS ? ms : RXD_SLICE_MS); /* a signal ends it */
    rxd_check();
}

void rxd_check(void)
{
    R_CheckUserInterrupt();
    rxd_starts_look();
}
