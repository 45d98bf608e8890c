/* SPDX-License-Identifier: MIT */
/* Which host a process runs on. */
#include "wire/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first line of a small file; empty when it cannot be read. */
static void first_line(const char *path, char *out, size_t room)
{
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, out, room - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void xd_host_id(char *out)
{
    char boot[48], space[40];
    first_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    ssize_t got = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[got > 0 ? got : 0] = '\0';
    out[0] = '\0';
    if (boot[0] != '\0' && space[0] != '\0') {
        (void)snprintf(out, XD_HOST_ID_MAX_BYTES, "%s %s", boot, space);
    }
}
