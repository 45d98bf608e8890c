/* SPDX-License-Identifier: MIT */
/* Two counts, the older one of a whole while: a rate that neither jumps with every burst
 * of acknowledgements nor remembers what was minutes ago. */
#include "core/pace.h"

#define WHILE (250 * XD_MS)

void xdb_pace_begin(struct xdb_pace *pace, xd_time now)
{
    if (now - pace->since >= WHILE) {
        *pace = (struct xdb_pace){.before = now, .since = now};
    }
}

void xdb_pace_note(struct xdb_pace *pace, xd_time now)
{
    if (now - pace->since >= WHILE) {
        *pace =
            (struct xdb_pace){.before = pace->since, .since = now, .last = pace->count};
    }
    pace->count += pace->count < UINT32_MAX ? 1 : 0;
}

xd_time xdb_pace_gap(const struct xdb_pace *pace, xd_time now)
{
    uint64_t ends = (uint64_t)pace->last + pace->count;
    return ends == 0 ? XD_NEVER : (now - pace->before) / (xd_time)ends;
}
