/* SPDX-License-Identifier: MIT */
/* Counters and gauges. */
#include "core/inside.h"

void xdb_stats_count_outcome(struct xdb_core *core, enum xd_outcome outcome)
{
    struct xdb_stats *counters = &core->counters;
    uint64_t *const of[] = {
        [XD_OUTCOME_DONE] = &counters->done,
        [XD_OUTCOME_FAILED] = &counters->failed,
        [XD_OUTCOME_LOST] = &counters->lost,
        [XD_OUTCOME_CANCELLED] = &counters->cancelled,
        [XD_OUTCOME_EXPIRED] = &counters->expired,
        [XD_OUTCOME_REJECTED] = &counters->rejected,
    };
    xd_assert(outcome >= XD_OUTCOME_DONE && outcome <= XD_OUTCOME_REJECTED);
    ++*of[outcome];
}

void xdb_core_stats(const struct xdb_core *core, struct xdb_stats *out)
{
    const uint64_t *states = core->states;
    *out = core->counters;
    out->queued = states[XDB_TASK_QUEUED] + states[XDB_TASK_BARRIER] +
                  states[XDB_TASK_DELAYED] + states[XDB_TASK_BURIED] +
                  states[XDB_TASK_WAITING];
    out->leased = states[XDB_TASK_HELD] + states[XDB_TASK_RUNNING] +
                  states[XDB_TASK_CANCELLING] + states[XDB_TASK_GHOST];
    out->unacked = states[XDB_TASK_CANCELLING] + states[XDB_TASK_ENDED];
    out->bytes = core->account_bytes;
    out->profiles = core->profiles.count;
}
