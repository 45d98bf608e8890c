/* SPDX-License-Identifier: MIT */
/* The life pipe and signals of a slot. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "slot.h"

/* One process, one slot: the signal handler has nothing but statics to reach. */
static struct {
    pthread_mutex_t lock;
    int life_fd, signal_fd[2];
    struct xd_worker *worker;
    bool connecting; /* from then on the broker may have sent a task */
    bool stopping;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER, .life_fd = -1};

int xdw_life_fd(void)
{
    const char *text = getenv("CROSSDOCK_LIFE_FD");
    char *end;
    long fd = text ? strtol(text, &end, 10) : -1;
    if (!text || end == text || *end || fd < 0 || fd > 1 << 20 ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
        return -1;
    }
    return (int)fd;
}

static void on_signal(int number)
{
    (void)number;
    int kept = errno;
    ssize_t written = write(guard.signal_fd[1], "", 1);
    (void)written; /* a full pipe has told it already */
    errno = kept;
}

static void begin_stop(void)
{
    pthread_mutex_lock(&guard.lock);
    guard.stopping = true;
    if (guard.worker) {
        xd_worker_wake(guard.worker);
    } else if (!guard.connecting) {
        _exit(XDW_EXIT_OK); /* nothing has begun */
    }
    pthread_mutex_unlock(&guard.lock);
}

static void *watch(void *unused)
{
    (void)unused;
    struct pollfd fds[] = {{.fd = guard.life_fd, .events = POLLIN},
                           {.fd = guard.signal_fd[0], .events = POLLIN}};
    for (;;) {
        char byte;
        if (poll(fds, 2, -1) <= 0) {
            continue;
        }
        if (fds[0].revents && read(guard.life_fd, &byte, 1) == 0) {
            _exit(XDW_EXIT_ORPHAN);
        }
        if (fds[1].revents && read(guard.signal_fd[0], &byte, 1) == 1) {
            begin_stop();
        }
    }
    return NULL;
}

enum xd_err xdw_guard_start(struct xd_error *error)
{
    guard.life_fd = xdw_life_fd();
    if (pipe2(guard.signal_fd, O_CLOEXEC | O_NONBLOCK) < 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "no pipe: %s", strerrordesc_np(errno));
    }
    pthread_t thread;
    enum xd_err err = xd_thread_start(&thread, watch, NULL);
    if (err) {
        return xd_fail(error, err, "no thread");
    }
    pthread_detach(thread);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return XD_OK;
}

void xdw_guard_connecting(void)
{
    pthread_mutex_lock(&guard.lock);
    guard.connecting = true;
    pthread_mutex_unlock(&guard.lock);
}

void xdw_guard_set(struct xd_worker *worker)
{
    pthread_mutex_lock(&guard.lock);
    guard.worker = worker;
    pthread_mutex_unlock(&guard.lock);
}

bool xdw_guard_is_stopping(void)
{
    pthread_mutex_lock(&guard.lock);
    bool stopping = guard.stopping;
    pthread_mutex_unlock(&guard.lock);
    return stopping;
}
