/* SPDX-License-Identifier: MIT */
/* A simulated world around the core: clients and workers, late, lost and repeated
 * messages, ends of all kinds, everything decided by a seed. */
#ifndef XDT_WORLD_H
#define XDT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XDT_WORLD_ROWS 128u

/* What many worlds did together. */
struct xdt_world_report {
    uint64_t steps, tasks, failed_allocations;
    size_t row_count;
    const char *rows[XDT_WORLD_ROWS];
    uint64_t hits[XDT_WORLD_ROWS];
    const void *broken; /* the world that went wrong: only so that it is not lost */
};

/* Runs one world to its end, adds to the report. Gives back NULL when everything held,
 * else what did not. Ends the program on a failed allocation of its own. */
const char *xdt_world_run(uint64_t seed, struct xdt_world_report *report);

#endif
