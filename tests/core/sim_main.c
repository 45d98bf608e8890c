/* SPDX-License-Identifier: MIT */
/* Policies under load, by hand: sim [tasks [seeds [FILE]]]. Prints medians over the
 * seeds; FILE gets waits by run time, for sim_plot.R. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define WORKERS 64u
#define SEEDS_MAX 64u
#define BINS_PER_DECADE 4

static const char *const policies[] = {"bands", "fifo", "sjf"};
static const char *const knowns[] = {"class", "size", "nothing"};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median, mean and 99th percentile of the waits of each range of run times. */
static void write_bins(FILE *file,
                       const struct xdt_sim_how *how,
                       const struct xdt_sim_task *tasks)
{
    double *waits = malloc(how->tasks * sizeof *waits);
    for (int bin = -3 * BINS_PER_DECADE; waits != NULL && bin < 4 * BINS_PER_DECADE;
         bin++) {
        double from = pow(10, (double)bin / BINS_PER_DECADE);
        double to = pow(10, (double)(bin + 1) / BINS_PER_DECADE), sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < how->tasks; i++) {
            if (tasks[i].run >= from && tasks[i].run < to) {
                waits[count++] = tasks[i].wait;
                sum += tasks[i].wait;
            }
        }
        if (count >= 20) {
            qsort(waits, count, sizeof *waits, compare);
            (void)fprintf(file,
                          "%s,%s,%g,%g,%g,%zu,%g,%g,%g\n",
                          policies[how->policy],
                          knowns[how->known],
                          how->load,
                          from,
                          to,
                          count,
                          sum / (double)count,
                          waits[count / 2],
                          waits[(size_t)((double)(count - 1) * 0.99)]);
        }
    }
    free(waits);
}

struct column {
    double values[SEEDS_MAX];
};

static void run_all(struct xdt_sim_how how, size_t seeds, FILE *file)
{
    struct column columns[6];
    struct xdt_sim_task *tasks = malloc(how.tasks * sizeof *tasks);
    for (size_t seed = 0; tasks != NULL && seed < seeds; seed++) {
        struct xdt_sim_result result;
        how.seed = seed + 1;
        xdt_sim_run(&how, tasks, &result);
        const double of[] = {result.response,
                             result.slowdown,
                             result.short_p99,
                             result.medium_p99,
                             result.long_p99,
                             result.long_max};
        for (size_t i = 0; i < 6; i++) {
            columns[i].values[seed] = of[i];
        }
        if (seed == 0 && file != NULL) {
            write_bins(file, &how, tasks);
        }
    }
    printf("%-8s %-8s %4.2f", policies[how.policy], knowns[how.known], how.load);
    for (size_t i = 0; i < 6; i++) {
        printf(" %10.3f", xdt_median(columns[i].values, seeds));
    }
    printf("\n");
    (void)fflush(stdout);
    free(tasks);
}

int main(int argc, char **argv)
{
    size_t tasks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t seeds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    FILE *file = argc > 3 ? fopen(argv[3], "w") : NULL;
    if (tasks == 0 || seeds == 0 || seeds > SEEDS_MAX || (argc > 3 && file == NULL)) {
        return 2;
    }
    if (file != NULL) {
        (void)fprintf(file, "policy,known,load,from,to,count,mean,p50,p99\n");
    }
    printf(
        "policy   known    load   response   slowdown  short p99    mid p99   long p99   "
        "long max\n");
    static const double loads[] = {0.75, 0.9, 1.1};
    for (size_t load = 0; load < 3; load++) {
        for (int known = XDT_KNOWN_CLASS; known <= XDT_KNOWN_NOTHING; known++) {
            for (int policy = XDB_POLICY_BANDS; policy <= XDB_POLICY_SJF; policy++) {
                run_all((struct xdt_sim_how){.tasks = tasks,
                                             .workers = WORKERS,
                                             .load = loads[load],
                                             .policy = (enum xdb_policy_kind)policy,
                                             .known = (enum xdt_sim_known)known,
                                             .spread = 0.7},
                        seeds,
                        file);
            }
        }
    }
    return file != NULL && fclose(file) != 0 ? 1 : 0;
}
