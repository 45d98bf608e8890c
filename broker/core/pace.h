/* SPDX-License-Identifier: MIT */
/* How fast something ended lately: what a refused client has to wait for. */
#ifndef XDB_CORE_PACE_H
#define XDB_CORE_PACE_H

#include <stdint.h>

#include "base/time.h"

/* Ends of now and of a while before; an old while is forgotten in steps. */
struct xdb_pace {
    xd_time before, since; /* when the count before this one began, and this one */
    uint32_t last, count;
};

/* There is something that can end; there was nothing before. */
void xdb_pace_begin(struct xdb_pace *pace, xd_time now);

/* One ended. */
void xdb_pace_note(struct xdb_pace *pace, xd_time now);

/* The mean time from one end to the next; XD_NEVER: none has ended. It grows while none
 * does. */
xd_time xdb_pace_gap(const struct xdb_pace *pace, xd_time now);

#endif
