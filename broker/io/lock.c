/* SPDX-License-Identifier: MIT */
/* Lock files of addresses. */
#include "io/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/address.h"

#define LOCK_SUFFIX ".lock"

/* Does the path still name the file that is open? Whoever ends removes its file. */
static bool is_file_at(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 &&
           held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int take(const char *path, int flags)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
        if (fd < 0) {
            return -1;
        }
        bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        bool is_there = is_file_at(fd, path);
        if (is_locked && is_there) {
            return fd;
        }
        close(fd);
        if (is_there) {
            errno = EWOULDBLOCK;
            return -1;
        }
    }
}

int xdb_lock_take(const char *path)
{
    return take(path, O_CREAT);
}

void xdb_lock_drop(const char *path, int fd)
{
    (void)unlink(path); /* while it is still ours */
    close(fd);
}

/* The part of a name before ".lock", as it is in the names of private brokers: digits and
 * hyphens behind `base`. 0: another file. */
static size_t stem_of(const char *name, const char *base)
{
    size_t start = strlen(base), size = strlen(name), end = strlen(LOCK_SUFFIX);
    if (size <= start + end || strncmp(name, base, start) != 0 || name[start] != '-' ||
        strcmp(name + size - end, LOCK_SUFFIX) != 0) {
        return 0;
    }
    size_t middle = strspn(name + start, "-0123456789");
    return start + middle == size - end ? size - end : 0;
}

static void remove_dead(const char *directory, const char *name, size_t stem)
{
    static const char *const endings[] = {"", ".workers", ".bulk"};
    char path[XD_ADDRESS_MAX_BYTES * 2];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = take(path, 0);
    if (fd < 0) {
        return; /* alive, or just removed by somebody else */
    }
    char file[XD_ADDRESS_MAX_BYTES * 2];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        (void)snprintf(file,
                       sizeof file,
                       "%s/%.*s%s",
                       directory,
                       (int)stem,
                       name,
                       endings[i]);
        (void)unlink(file);
    }
    xdb_lock_drop(path, fd);
}

void xdb_lock_sweep(const char *path)
{
    char directory[XD_ADDRESS_MAX_BYTES];
    (void)snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL) {
        return;
    }
    *slash = '\0';
    const char *base = slash + 1;
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        size_t stem = stem_of(entry->d_name, base);
        if (stem > 0) {
            remove_dead(directory, entry->d_name, stem);
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
}
