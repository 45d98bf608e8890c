/* SPDX-License-Identifier: MIT */
/* Where a profile's bands end: geometric, or by the run times of its own tasks. */
#ifndef XDB_CORE_CUTS_H
#define XDB_CORE_CUTS_H

#include <stdbool.h>
#include <stdint.h>

struct xdb_core;
struct xdb_profile;

#define XDB_CUTS 7u          /* one less than bands */
#define XDB_CUTS_BUCKETS 64u /* of half an octave, from a microsecond */

struct xdb_cuts {
    bool are_learned;
    uint32_t total;                  /* runs seen; halved now and then, like the next */
    uint32_t seen[XDB_CUTS_BUCKETS]; /* by their logarithms */
    uint32_t due;                    /* runs until they are cut anew */
    uint64_t at_us[XDB_CUTS];        /* the first run time above each band */
};

void xdb_cuts_init(struct xdb_cuts *cuts);

/* Learn them from now on, or go back to the geometric ones. */
void xdb_cuts_set(struct xdb_core *core, struct xdb_profile *profile, bool are_learned);

/* A task of the profile ran so long. */
void xdb_cuts_learn(struct xdb_core *core, struct xdb_profile *profile, uint64_t run_us);

#endif
