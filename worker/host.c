/* SPDX-License-Identifier: MIT */
/* Cores and memory. */
#include "host.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

uint32_t xdw_host_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return (uint32_t)CPU_COUNT(&set);
    }
    long count = sysconf(_SC_NPROCESSORS_ONLN); /* more than a cpu_set_t holds */
    return count > 0 ? (uint32_t)count : 0;
}

/* Inside a container this file is that of its own group; "max" where there is no limit.
 */
static uint64_t group_limit(void)
{
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &limit) != 1) {
            limit = UINT64_MAX;
        }
        fclose(file);
    }
    return limit;
}

uint64_t xdw_host_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
    uint64_t limit = group_limit();
    return limit < all ? limit : all;
}
