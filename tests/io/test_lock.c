/* SPDX-License-Identifier: MIT */
/* Lock files: one holder at a time, gone with it, swept when it was killed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/lock.h"

static char directory[] = "/tmp/xd-lock-XXXXXX";
static char path[64];

static void begin(void)
{
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/broker.lock", directory);
}

static void end(void)
{
    cr_assert_eq(rmdir(directory), 0); /* each test leaves it empty */
}

TestSuite(lock, .init = begin, .fini = end, .timeout = 30);

static const char *named(const char *name)
{
    static char out[96];
    (void)snprintf(out, sizeof out, "%s/%s", directory, name);
    return out;
}

static void make(const char *name)
{
    FILE *file = fopen(named(name), "w");
    cr_assert_not_null(file);
    (void)fclose(file);
}

Test(lock, has_one_holder)
{
    int fd = xdb_lock_take(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(xdb_lock_take(path), -1);
    cr_assert_eq(errno, EWOULDBLOCK);
    xdb_lock_drop(path, fd);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(lock, of_a_file_that_was_removed_is_no_lock)
{
    int first = xdb_lock_take(path);
    cr_assert_eq(unlink(path), 0);
    int second = xdb_lock_take(path);
    cr_assert_geq(second, 0);
    cr_assert_eq(xdb_lock_take(path), -1);
    xdb_lock_drop(path, second);
    close(first);
}

Test(lock, sweep_removes_the_dead_and_spares_the_living_and_the_rest)
{
    static const char *const dead[] = {"broker-12-0",
                                       "broker-12-0.workers",
                                       "broker-12-0.bulk",
                                       "broker-12-0.lock"};
    static const char *const kept[] = {"broker", "broker-x-0.lock", "broker-13.notes"};
    for (size_t i = 0; i < 4; i++) {
        make(dead[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        make(kept[i]);
    }
    char living[96];
    (void)snprintf(living, sizeof living, "%s", named("broker-14-3.lock"));
    int fd = xdb_lock_take(living);
    xdb_lock_sweep(named("broker"));
    for (size_t i = 0; i < 4; i++) {
        cr_assert_neq(access(named(dead[i]), F_OK), 0, "%s is left", dead[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(unlink(named(kept[i])), 0, "%s is gone", kept[i]);
    }
    cr_assert_eq(access(living, F_OK), 0);
    xdb_lock_drop(living, fd);
}
