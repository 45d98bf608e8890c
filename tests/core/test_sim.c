/* SPDX-License-Identifier: MIT */
/* The default policy under load, beside FIFO and aged shortest-first. Small in a usual
 * run; with CROSSDOCK_SIM=long a million tasks and ten seeds. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sim.h"

#define SEEDS_MAX 10u

struct size {
    size_t tasks, seeds;
    double short_part; /* of FIFO's wait: what short tasks may wait at overload; FIFO's
                          grows with the length of the run, theirs does not */
    double long_times; /* few long tasks make a rough p99 */
};

static struct size size_of_run(void)
{
    static const struct size usual = {200000, 2, 0.05, 2},
                             large = {1000000, SEEDS_MAX, 0.01, 2},
                             slow = {20000, 1, 0.5, 2.5};
    if (getenv("CROSSDOCK_SIM") != NULL) {
        return large;
    }
    return getenv("XDT_SLOW") != NULL ? slow : usual;
}

struct runs {
    struct xdt_sim_result of[SEEDS_MAX];
};

static struct runs run(enum xdb_policy_kind policy, enum xdt_sim_known known, double load)
{
    struct runs runs;
    struct size size = size_of_run();
    for (size_t i = 0; i < size.seeds; i++) {
        struct xdt_sim_how how = {.seed = i + 1,
                                  .tasks = size.tasks,
                                  .workers = 64,
                                  .load = load,
                                  .policy = policy,
                                  .known = known,
                                  .spread = 0.7};
        xdt_sim_run(&how, NULL, &runs.of[i]);
    }
    return runs;
}

/* The median over the seeds of what one run is to the other. */
#define MEDIAN_RATIO(a, b, field)                                                        \
    median_ratio(&(a), &(b), offsetof(struct xdt_sim_result, field) / sizeof(double))

static double median_ratio(const struct runs *a, const struct runs *b, size_t field)
{
    double values[SEEDS_MAX];
    size_t seeds = size_of_run().seeds;
    for (size_t i = 0; i < seeds; i++) {
        const double *of_a = (const double *)(const void *)&a->of[i];
        const double *of_b = (const double *)(const void *)&b->of[i];
        values[i] = of_a[field] / of_b[field];
    }
    return xdt_median(values, seeds);
}

static void near_shortest_first(enum xdt_sim_known known)
{
    struct runs bands = run(XDB_POLICY_BANDS, known, 0.9);
    struct runs sjf = run(XDB_POLICY_SJF, known, 0.9);
    double times = MEDIAN_RATIO(bands, sjf, response);
    cr_expect(times <= 1.15, "mean response %.3f times aged shortest-first's", times);
}

static void short_ones_pass_and_long_ones_do_not_starve(enum xdt_sim_known known)
{
    struct runs bands = run(XDB_POLICY_BANDS, known, 1.1);
    struct runs fifo = run(XDB_POLICY_FIFO, known, 1.1);
    double short_part = MEDIAN_RATIO(bands, fifo, short_p99);
    double long_times = MEDIAN_RATIO(bands, fifo, long_p99);
    cr_expect(short_part < size_of_run().short_part,
              "short p99 %.4f of FIFO's",
              short_part);
    cr_expect(long_times < size_of_run().long_times,
              "long p99 %.3f times FIFO's",
              long_times);
}

Test(sim, mean_response_is_near_shortest_first_with_known_sizes)
{
    near_shortest_first(XDT_KNOWN_SIZE);
}

Test(sim, mean_response_is_near_shortest_first_with_learned_ones)
{
    near_shortest_first(XDT_KNOWN_CLASS);
}

Test(sim, overload_with_known_sizes_falls_on_the_long_ones_within_bounds)
{
    short_ones_pass_and_long_ones_do_not_starve(XDT_KNOWN_SIZE);
}

Test(sim, overload_with_learned_ones_falls_on_the_long_ones_within_bounds)
{
    short_ones_pass_and_long_ones_do_not_starve(XDT_KNOWN_CLASS);
}

Test(sim, tasks_of_which_nothing_is_known_do_not_wait_longer_than_in_order)
{
    struct runs bands = run(XDB_POLICY_BANDS, XDT_KNOWN_NOTHING, 0.9);
    struct runs fifo = run(XDB_POLICY_FIFO, XDT_KNOWN_NOTHING, 0.9);
    double times = MEDIAN_RATIO(bands, fifo, response);
    cr_expect(times <= 1.02, "mean response %.3f times FIFO's", times);
}
