/* SPDX-License-Identifier: MIT */
/* Watching descriptors with epoll; other systems do without. */
#include "supervise/watch.h"

#ifdef __linux__
#include <sys/epoll.h>

enum { AT_ONCE = 64 };

bool xdw_watch_is_known(void)
{
    return true;
}

enum xd_err xdw_watch_open(int *watch_fd)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return XD_ERR_SYSTEM;
    }
    *watch_fd = fd;
    return XD_OK;
}

enum xd_err xdw_watch_add(int watch_fd, int fd, uint64_t key)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};
    return epoll_ctl(watch_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? XD_OK : XD_ERR_SYSTEM;
}

void xdw_watch_remove(int watch_fd, int fd)
{
    struct epoll_event unused = {0};
    epoll_ctl(watch_fd, EPOLL_CTL_DEL, fd, &unused);
}

size_t xdw_watch_take(int watch_fd, uint64_t *keys, size_t room)
{
    struct epoll_event events[AT_ONCE];
    int n = epoll_wait(watch_fd, events, room < AT_ONCE ? (int)room : AT_ONCE, 0);
    for (int i = 0; i < n; i++) {
        keys[i] = events[i].data.u64;
    }
    return n > 0 ? (size_t)n : 0;
}

#else

bool xdw_watch_is_known(void)
{
    return false;
}

enum xd_err xdw_watch_open(int *watch_fd)
{
    (void)watch_fd;
    return XD_ERR_SYSTEM;
}

enum xd_err xdw_watch_add(int watch_fd, int fd, uint64_t key)
{
    (void)watch_fd, (void)fd, (void)key;
    return XD_ERR_SYSTEM;
}

void xdw_watch_remove(int watch_fd, int fd)
{
    (void)watch_fd, (void)fd;
}

size_t xdw_watch_take(int watch_fd, uint64_t *keys, size_t room)
{
    (void)watch_fd, (void)keys, (void)room;
    return 0;
}

#endif
