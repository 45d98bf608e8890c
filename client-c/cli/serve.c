/* SPDX-License-Identifier: MIT */
/* `crossdock serve`: becomes crossdock-broker, the one beside this program or in PATH. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define BROKER "crossdock-broker"

/* The path of the broker in the folder of this program; false when that is not known. */
static bool beside(char *out, size_t room)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        return false;
    }
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    int size = snprintf(out, room, "%s/%s", self, BROKER);
    return size > 0 && (size_t)size < room;
}

int cli_serve(int argc, char **argv)
{
    char path[PATH_MAX + sizeof BROKER];
    static char name[] = BROKER;

    (void)argc;
    argv[0] = name;
    if (beside(path, sizeof path)) {
        execv(path, argv);
        if (errno != ENOENT) {
            return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
        }
    }
    execvp(BROKER, argv);
    return cli_fail(CLI_SYSTEM, "%s: %s", BROKER, strerror(errno));
}
