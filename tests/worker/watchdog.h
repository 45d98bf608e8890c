/* SPDX-License-Identifier: MIT */
/* Waits with a deadline for tests with real processes. */
#ifndef XDT_WORKER_WATCHDOG_H
#define XDT_WORKER_WATCHDOG_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

/* Long enough for valgrind on a busy machine; a failing test waits so long, no other. */
#define XDT_DEADLINE (30 * XD_S)

static inline xd_time xdt_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (xd_time)now.tv_sec * XD_S + now.tv_nsec;
}

static inline void xdt_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* A process that is neither gone nor a zombie. */
static inline bool xdt_is_alive(pid_t pid)
{
    char path[40], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'X';
        }
        fclose(file);
    }
    return state != 'X' && state != 'Z';
}

/* Wait until it is not; false when the deadline comes first. */
static inline bool xdt_wait_gone(pid_t pid)
{
    xd_time end = xdt_now() + XDT_DEADLINE;
    while (xdt_is_alive(pid)) {
        if (xdt_now() > end) {
            return false;
        }
        xdt_nap();
    }
    return true;
}

/* Valgrind knows no pidfd_open(2) and says so in its report: tests then go without. */
static inline bool xdt_is_on_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

static inline int xdt_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (dir && readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

#endif
