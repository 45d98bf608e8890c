/* SPDX-License-Identifier: MIT */
/* Memory and descriptors of a process, before and after. */
#include "estate.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "sys.h"

struct estate estate_of(const char *whose, pid_t pid)
{
    return (struct estate){whose, pid, sys_rss(pid), sys_fds(pid)};
}

void estate_assert_no_more(const struct estate *then)
{
    xd_time until = sys_now() + 5 * sys_slowness() * XD_S;
    struct estate now = estate_of(then->whose, then->pid);
    while ((now.fds > then->fds || now.rss > then->rss + ESTATE_SLACK) &&
           sys_now() < until) {
        sys_sleep_ms(20);
        now = estate_of(then->whose, then->pid);
    }
    printf("%s: %zu KiB and %zu descriptors, then %zu KiB and %zu\n",
           then->whose,
           then->rss / 1024,
           then->fds,
           now.rss / 1024,
           now.fds);
    cr_assert(now.fds <= then->fds, "%s has more descriptors", then->whose);
    cr_assert(now.rss <= then->rss + ESTATE_SLACK, "%s has more memory", then->whose);
}
