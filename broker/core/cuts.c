/* SPDX-License-Identifier: MIT */
/* Cuts between bands. Learned ones are geometric too, so that the bands' weights mean the
 * same; but they cover what the profile's tasks take, instead of a millisecond to
 * minutes. */
#include "core/cuts.h"

#include <math.h>

#include "core/inside.h"

#define FIRST_CUT_US 1000u /* the shortest band ends here, */
#define CUT_FACTOR 8u      /* each further one is so much wider */

/* Anew after so many runs; those of long ago count less. */
#define RUNS_BETWEEN 64u
#define RUNS_HALVED 4096u

/* Rare ones at both ends do not stretch the bands. */
#define TAIL 0.02

_Static_assert(XDB_CUTS + 1 == XDB_BANDS, "a cut between two bands");

static void be_geometric(struct xdb_cuts *cuts)
{
    uint64_t cut = FIRST_CUT_US;
    for (size_t i = 0; i < XDB_CUTS; i++, cut *= CUT_FACTOR) {
        cuts->at_us[i] = cut;
    }
}

void xdb_cuts_init(struct xdb_cuts *cuts)
{
    *cuts = (struct xdb_cuts){.due = RUNS_BETWEEN};
    be_geometric(cuts);
}

void xdb_cuts_set(struct xdb_core *core, struct xdb_profile *profile, bool are_learned)
{
    if (profile->cuts.are_learned != are_learned) {
        xdb_cuts_init(&profile->cuts);
        profile->cuts.are_learned = are_learned;
        xdb_profile_predict(core, profile);
    }
}

static size_t bucket_of(uint64_t us)
{
    double bucket = us < 1 ? 0 : 2 * log2((double)us);
    return bucket >= XDB_CUTS_BUCKETS ? XDB_CUTS_BUCKETS - 1 : (size_t)bucket;
}

/* The bucket below which this part of all runs lies. */
static size_t quantile(const struct xdb_cuts *cuts, double part)
{
    double below = 0;
    size_t bucket = 0;
    for (; bucket < XDB_CUTS_BUCKETS - 1; bucket++) {
        below += cuts->seen[bucket];
        if (below > part * cuts->total) {
            break;
        }
    }
    return bucket;
}

static void cut(struct xdb_cuts *cuts)
{
    double low = (double)quantile(cuts, TAIL);
    double high = (double)quantile(cuts, 1 - TAIL) + 1;
    double step = (high - low) / XDB_BANDS;
    for (size_t i = 0; i < XDB_CUTS; i++) {
        cuts->at_us[i] = (uint64_t)exp2((low + (double)(i + 1) * step) / 2) + 1;
    }
}

static void halve(struct xdb_cuts *cuts)
{
    cuts->total = 0;
    for (size_t i = 0; i < XDB_CUTS_BUCKETS; i++) {
        cuts->seen[i] /= 2;
        cuts->total += cuts->seen[i];
    }
}

void xdb_cuts_learn(struct xdb_core *core, struct xdb_profile *profile, uint64_t run_us)
{
    struct xdb_cuts *cuts = &profile->cuts;
    if (!cuts->are_learned) {
        return;
    }
    cuts->seen[bucket_of(run_us)]++;
    cuts->total++;
    if (--cuts->due == 0) {
        cuts->due = RUNS_BETWEEN;
        cut(cuts);
        xdb_profile_predict(core, profile);
    }
    if (cuts->total >= RUNS_HALVED) {
        halve(cuts);
    }
}
