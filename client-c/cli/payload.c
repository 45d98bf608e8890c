/* SPDX-License-Identifier: MIT */
/* Payloads between the command line and files. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload.h"

#define NAMES_TRIED 1000

bool cli_payload_is_argument(const char *argument)
{
    return argument[strcspn(argument, "=:")] != '\0';
}

static size_t first_room(int fd)
{
    struct stat status;
    bool known = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    return known ? (size_t)status.st_size + 1 : 65536; /* 1: the end is seen at once */
}

/* Everything `fd` has, up to its end. */
static enum xd_err read_all(int fd, struct xd_bytes **out)
{
    size_t room = first_room(fd), size = 0;
    char *data = malloc(room);
    ssize_t got = data != NULL ? 1 : -1;

    while (got > 0) {
        got = read(fd, data + size, room - size);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        size += got > 0 ? (size_t)got : 0;
        if (size == room) {
            char *larger = realloc(data, room * 2);
            if (larger == NULL) {
                free(data);
                return XD_ERR_NOMEM;
            }
            data = larger;
            room *= 2;
        }
    }
    enum xd_err err = got < 0 ? (data == NULL ? XD_ERR_NOMEM : XD_ERR_SYSTEM)
                              : xd_bytes_wrap(data, size, free, data, out);
    if (err != XD_OK) {
        int saved = errno;
        free(data);
        errno = saved;
    }
    return err;
}

static int read_file(const char *path, struct xd_bytes **out)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
    }
    enum xd_err err = read_all(fd, out);
    int saved = errno;
    if (fd != STDIN_FILENO) {
        close(fd);
    }
    if (err == XD_ERR_SYSTEM) {
        return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(saved));
    }
    return err == XD_OK ? CLI_DONE
                        : cli_fail(CLI_SYSTEM, "%s: %s", path, xd_err_text(err));
}

int cli_payload_read(const char *argument, struct cli_payload *out)
{
    size_t tag_size = strcspn(argument, "=:");
    const char *rest = argument + tag_size + 1;
    struct cli_payload payload = {0};

    if (tag_size > 0) {
        payload.tag = strndup(argument, tag_size);
        if (payload.tag == NULL) {
            return cli_fail(CLI_SYSTEM, "out of memory");
        }
    }
    int code = CLI_DONE;
    if (argument[tag_size] == '=') {
        code = read_file(rest, &payload.bytes);
    } else if (xd_bytes_text(rest, &payload.bytes) != XD_OK) {
        code = cli_fail(CLI_SYSTEM, "out of memory");
    }
    if (code != CLI_DONE) {
        free(payload.tag);
        return code;
    }
    *out = payload;
    return CLI_DONE;
}

void cli_payload_clear(struct cli_payload *payload)
{
    xd_bytes_unref(payload->bytes);
    free(payload->tag);
    *payload = (struct cli_payload){0};
}

/* The tag came from a worker: only letters, digits and a few signs become part of a
 * file's name. */
static void file_suffix(const char *tag, char *out, size_t room)
{
    size_t i = 0;
    for (; tag[i] != '\0' && i + 1 < room; i++) {
        out[i] = isalnum((unsigned char)tag[i]) != 0 || tag[i] == '_' ? tag[i] : '_';
    }
    out[i] = '\0';
}

static int open_new(const char *folder,
                    size_t number,
                    const char *tag,
                    char *path,
                    size_t path_room)
{
    char suffix[64];
    file_suffix(tag, suffix, sizeof suffix);
    for (unsigned attempt = 1; attempt <= NAMES_TRIED; attempt++) {
        char more[16] = "";
        if (attempt > 1) {
            snprintf(more, sizeof more, "-%u", attempt);
        }
        int size =
            snprintf(path, path_room, "%s/result-%zu%s.%s", folder, number, more, suffix);
        if (size < 0 || (size_t)size >= path_room) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

static bool write_all(int fd, const struct xd_bytes *bytes)
{
    size_t done = 0;
    while (done < bytes->size) {
        ssize_t got = write(fd, bytes->data + done, bytes->size - done);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

int cli_payload_write(const char *folder,
                      size_t number,
                      const char *tag,
                      const struct xd_bytes *bytes,
                      char *path,
                      size_t path_room)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        return cli_fail(CLI_SYSTEM, "%s: %s", folder, strerror(errno));
    }
    int fd = open_new(folder, number, tag, path, path_room);
    if (fd < 0) {
        return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
    }
    bool good = write_all(fd, bytes);
    int saved = errno;
    if (close(fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    return good ? CLI_DONE : cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(saved));
}
