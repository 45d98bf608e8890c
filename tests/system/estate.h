/* SPDX-License-Identifier: MIT */
/* What a process has, and that it has no more of it afterwards. */
#ifndef XDT_SYSTEM_ESTATE_H
#define XDT_SYSTEM_ESTATE_H

#include <stddef.h>
#include <sys/types.h>

/* What a survivor may have more of memory than before: what is kept for use again, and
 * pieces of pages. The payloads of who asks are larger. */
#define ESTATE_SLACK ((size_t)24 * 1024 * 1024)

struct estate {
    const char *whose; /* static text */
    pid_t pid;
    size_t rss, fds;
};

struct estate estate_of(const char *whose, pid_t pid);

/* Wait five seconds at most (longer under sanitizers) until it has no more than then:
 * descriptors of connections that have just ended take a moment. The test fails
 * otherwise. */
void estate_assert_no_more(const struct estate *then);

#endif
