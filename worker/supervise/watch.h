/* SPDX-License-Identifier: MIT */
/* One descriptor for many, where the system has such a thing (epoll). */
#ifndef XDW_SUPERVISE_WATCH_H
#define XDW_SUPERVISE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Is there one here at all? */
bool xdw_watch_is_known(void);

/* The descriptor that is readable when one of the watched is. Errors: XD_ERR_SYSTEM. */
enum xd_err xdw_watch_open(int *watch_fd) XD_MUST_USE;

/* Errors: XD_ERR_SYSTEM (limit of watches, memory). */
enum xd_err xdw_watch_add(int watch_fd, int fd, uint64_t key) XD_MUST_USE;

/* Before closing `fd`: a copy of it in a forked process would keep it watched. */
void xdw_watch_remove(int watch_fd, int fd);

/* The keys of some that are readable now. Returns how many. */
size_t xdw_watch_take(int watch_fd, uint64_t *keys, size_t room);

#endif
