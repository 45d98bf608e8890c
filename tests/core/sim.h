/* SPDX-License-Identifier: MIT */
/* The core under a load, on a virtual clock: Poisson arrivals of classes of tasks with
 * heavy tails, workers that run one at a time, everything decided by a seed. */
#ifndef XDT_SIM_H
#define XDT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

/* What the core is told of a task's run time. */
enum xdt_sim_known { XDT_KNOWN_CLASS, XDT_KNOWN_SIZE, XDT_KNOWN_NOTHING };

struct xdt_sim_how {
    uint64_t seed;
    size_t tasks, workers;
    double load; /* 1: as much as the workers can do */
    enum xdb_policy_kind policy;
    enum xdt_sim_known known;
    double spread; /* of run times inside a class: sigma of their logarithms */
};

/* One task, in seconds. */
struct xdt_sim_task {
    double run, arrived, wait;
};

/* A run of the load; `tasks` (may be NULL) has room for how->tasks. Ends the program
 * without memory, or when the core does not hold. */
struct xdt_sim_result {
    double response; /* mean, seconds */
    double slowdown; /* mean of response by run time, of at least 0.1 s */
    double short_p99, medium_p99, long_p99, long_max; /* waits: below 1 s, above 60 s */
    double end;                                       /* when the last one was done */
};
void xdt_sim_run(const struct xdt_sim_how *how,
                 struct xdt_sim_task *tasks,
                 struct xdt_sim_result *out);

double xdt_median(double *values, size_t count); /* sorts them */

#endif
