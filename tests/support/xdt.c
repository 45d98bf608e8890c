/* SPDX-License-Identifier: MIT */
/* Failing allocations, waiting, directories, hex. */
#include "xdt.h"

#include <ctype.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

/* ---- out of memory ---- */

static long complain(size_t n, const char *what, enum xd_err err, long left)
{
    fprintf(stderr,
            "allocation %zu failing: %s (gave %s, %ld allocations left)\n",
            n,
            what,
            xd_err_name(err),
            left);
    return -1;
}

long xdt_oom_loop(enum xd_err (*run)(void *context), void *context)
{
    for (size_t n = 1;; n++) {
        long before = xd_alloc_balance();
        xd_alloc_fail_at(n);
        enum xd_err err = run(context);
        size_t counted = xd_alloc_fail_at(0);
        long left = xd_alloc_balance() - before;
        bool failed = counted >= n;
        if (left != 0) {
            return complain(n, "leaks", err, left);
        }
        if (failed && err != XD_ERR_NOMEM) {
            return complain(n, "is not reported", err, left);
        }
        if (!failed) {
            return err ? complain(n, "fails without need", err, left) : (long)n - 1;
        }
    }
}

/* ---- time ---- */

int64_t xdt_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool xdt_wait(bool (*is_done)(void *context), void *context, int limit_ms)
{
    const char *slow = getenv("XDT_SLOW");
    int64_t end = xdt_now_ms() + (int64_t)limit_ms * (slow ? 5 : 1);
    while (!is_done(context)) {
        if (xdt_now_ms() >= end) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    return true;
}

/* ---- a directory ---- */

void xdt_dir_make(struct xdt_dir *dir)
{
    snprintf(dir->path, sizeof dir->path, "/tmp/xdt-XXXXXX");
    if (!mkdtemp(dir->path)) {
        perror("mkdtemp");
        abort();
    }
}

static int remove_one(const char *path,
                      const struct stat *found,
                      int type,
                      struct FTW *at)
{
    (void)found;
    (void)type;
    (void)at;
    (void)remove(path);
    return 0; /* go on: as much as can be */
}

void xdt_dir_remove(struct xdt_dir *dir)
{
    (void)nftw(dir->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- hex ---- */

void xdt_hex_write(FILE *file, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        bool ends = i % 16 == 15 || i + 1 == size;
        fprintf(file, "%02x%c", bytes[i], ends ? '\n' : ' ');
    }
}

bool xdt_frames_write(const char *path,
                      const char *comment,
                      const struct xd_frames *frames)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        return false;
    }
    fprintf(file, "# %s\n", comment);
    for (size_t i = 0; i < frames->count; i++) {
        fprintf(file, i ? "\n# frame %zu\n" : "# frame %zu, the envelope\n", i);
        xdt_hex_write(file, frames->items[i]->data, frames->items[i]->size);
    }
    return fclose(file) == 0;
}

/* The bytes of one line of hex; false: something else stands there. */
static bool read_line(const char *line, uint8_t *out, size_t room, size_t *size)
{
    while (*line && *line != '\n' && *line != '#') {
        unsigned byte;
        if (isspace((unsigned char)*line)) {
            line++;
            continue;
        }
        if (*size == room || !isxdigit((unsigned char)line[1]) ||
            sscanf(line, "%2x", &byte) != 1) {
            return false;
        }
        out[(*size)++] = (uint8_t)byte;
        line += 2;
    }
    return true;
}

static void add_frame(struct xd_frames *frames, const uint8_t *data, size_t size)
{
    frames->items[frames->count++] = xdt_bytes(data, size);
}

bool xdt_frames_read(const char *path, struct xd_frames *frames)
{
    FILE *file = fopen(path, "r");
    uint8_t *data = malloc(XD_ENVELOPE_MAX_BYTES);
    char line[512];
    size_t size = 0;
    bool good = file && data, any = false;
    frames->count = 0;
    while (good && fgets(line, sizeof line, file)) {
        bool is_empty = line[0] == '\n';
        if (is_empty) {
            add_frame(frames, data, size);
            size = 0;
        } else {
            good = read_line(line, data, XD_ENVELOPE_MAX_BYTES, &size);
            any = true;
        }
    }
    if (good && any) {
        add_frame(frames, data, size);
    } else {
        xd_frames_clear(frames);
    }
    free(data);
    if (file) {
        fclose(file);
    }
    return good && any;
}
