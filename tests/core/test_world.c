/* SPDX-License-Identifier: MIT */
/* The simulated world with many seeds: nothing that must hold breaks, and every row of
 * the state tables is taken. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "world.h"

static uint64_t seeds(void)
{
    const char *asked = getenv("CROSSDOCK_SEEDS");
    uint64_t usual = getenv("XDT_SLOW") != NULL ? 300 : 20000;
    return asked != NULL ? strtoull(asked, NULL, 10) : usual;
}

static uint64_t first_seed(void)
{
    const char *asked = getenv("CROSSDOCK_FIRST_SEED");
    return asked != NULL ? strtoull(asked, NULL, 10) : 1;
}

Test(world, holds_for_every_seed_and_takes_every_row)
{
    struct xdt_world_report report = {0};
    uint64_t first = first_seed(), last = first + seeds();
    for (uint64_t seed = first; seed < last; seed++) {
        const char *wrong = xdt_world_run(seed, &report);
        cr_assert(wrong == NULL, "CROSSDOCK_FIRST_SEED=%" PRIu64 ": %s", seed, wrong);
    }
    cr_assert(report.failed_allocations > 0);
    for (size_t i = 0; i < report.row_count; i++) {
        cr_expect(last - first < 10000 || report.hits[i] > 0,
                  "row never taken: %s",
                  report.rows[i]);
    }
    cr_log_info("%" PRIu64 " steps, %" PRIu64 " tasks", report.steps, report.tasks);
}
