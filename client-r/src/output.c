/* SPDX-License-Identifier: MIT */
/* Standard output through a pipe: a thread passes it on and sends it as events, so that
 * it is live, and holds whatever the process prints: R, C code, programs that it runs. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rxd.h"

/* Read at a time, and so the size of an event. */
#define PIECE 65536u
/* Bytes of a character that may be missing at the end of a piece. */
#define SPLIT_MAX 3u
/* From the first byte to reading, so that many small ones become few events. */
#define GATHER_MS 2
/* Until the way to the broker has room again. */
#define FULL_PAUSE_MS 2

static struct {
    pthread_mutex_t lock; /* guards all below, and the reading itself */
    bool is_on, is_quiet;
    pid_t owner; /* a fork has no thread that reads */
    int before;  /* the descriptor that was the standard output */
    int fd;      /* to read from; never blocks */
    int stop[2]; /* closed to end the thread */
    pthread_t thread;
    struct xd_job *job;
    uint8_t piece[SPLIT_MAX + PIECE];
    size_t split; /* bytes at its begin that are the start of a character */
} out = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_here(void)
{
    return out.is_on && out.owner == getpid();
}

static void write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            (void)poll(&room, 1, -1);
        } else if (written == 0 || errno != EINTR) {
            return; /* nobody reads it any more */
        }
    }
}

/* How many bytes at the end begin a UTF-8 character without ending it. */
static size_t split_of(const uint8_t *data, size_t size)
{
    for (size_t back = 1; back <= SPLIT_MAX && back <= size; back++) {
        uint8_t byte = data[size - back];
        if ((byte & 0xc0u) == 0x80u) {
            continue;
        }
        size_t length = byte >= 0xf0u ? 4 : byte >= 0xe0u ? 3 : byte >= 0xc0u ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

static void emit(const uint8_t *data, size_t size)
{
    struct xd_bytes *bytes = NULL;
    if (size == 0 || xd_bytes_copy(data, size, &bytes) != XD_OK) {
        return;
    }
    while (xd_job_emit(out.job, "stdout", bytes) == XD_ERR_BUSY) {
        (void)poll(NULL, 0, FULL_PAUSE_MS); /* who prints waits meanwhile, as it should */
    }
    xd_bytes_unref(bytes);
}

/* With the lock held: one piece. False: there is nothing more. */
static bool pass_on(void)
{
    ssize_t size = read(out.fd, out.piece + out.split, PIECE);
    if (size <= 0) {
        return size < 0 && errno == EINTR;
    }
    if (!out.is_quiet) {
        write_all(out.before, out.piece + out.split, (size_t)size);
    }
    if (out.job == NULL) {
        out.split = 0;
        return true;
    }
    size_t have = out.split + (size_t)size;
    size_t split = split_of(out.piece, have);
    emit(out.piece, have - split);
    memmove(out.piece, out.piece + have - split, split);
    out.split = split;
    return true;
}

static void *run(void *context)
{
    (void)context;
    struct pollfd fds[2] = {{.fd = out.fd, .events = POLLIN},
                            {.fd = out.stop[0], .events = POLLIN}};
    for (;;) {
        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0) {
            return NULL;
        }
        (void)poll(NULL, 0, GATHER_MS);
        pthread_mutex_lock(&out.lock);
        (void)pass_on();
        pthread_mutex_unlock(&out.lock);
    }
}

/* With the lock held: what the task printed, to the last byte. */
static void end_of_job(void)
{
    while (pass_on()) {
        continue;
    }
    emit(out.piece, out.split);
}

/* What is printed between two tasks the thread takes away. */
void rxd_output_of(struct xd_job *job)
{
    if (!is_here()) {
        return;
    }
    if (out.job != NULL) {
        (void)fflush(stdout);
    }
    pthread_mutex_lock(&out.lock);
    if (out.job != NULL) {
        end_of_job();
    }
    out.split = 0;
    out.job = job;
    pthread_mutex_unlock(&out.lock);
}

static void close_both(const int pair[2])
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static bool open_pipes(int ends[2])
{
    if (pipe(ends) != 0) {
        return false;
    }
    if (pipe(out.stop) != 0) {
        close_both(ends);
        return false;
    }
    const int own[] = {ends[0], ends[1], out.stop[0], out.stop[1]};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        (void)fcntl(own[i], F_SETFD, FD_CLOEXEC);
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return true;
}

bool rxd_output_begin(bool quiet)
{
    int ends[2];
    if (out.is_on || !open_pipes(ends)) {
        return out.is_on;
    }
    (void)fflush(stdout);
    out.before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    out.fd = ends[0];
    out.is_quiet = quiet;
    out.split = 0;
    bool is_on = out.before >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0;
    (void)close(ends[1]);
    if (is_on && !rxd_thread_start(&out.thread, run, NULL)) {
        (void)dup2(out.before, STDOUT_FILENO);
        is_on = false;
    }
    if (!is_on) {
        (void)close(ends[0]);
        close_both(out.stop);
        if (out.before >= 0) {
            (void)close(out.before);
        }
    }
    out.is_on = is_on;
    out.owner = getpid();
    return is_on;
}

void rxd_output_end(void)
{
    if (!is_here()) {
        return;
    }
    rxd_output_of(NULL);
    (void)fflush(stdout);
    (void)dup2(out.before, STDOUT_FILENO);
    (void)close(out.stop[1]);
    pthread_join(out.thread, NULL);
    while (pass_on()) {
        continue; /* what came in between */
    }
    (void)close(out.fd);
    (void)close(out.stop[0]);
    (void)close(out.before);
    out.is_on = false;
}
