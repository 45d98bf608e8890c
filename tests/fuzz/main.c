/* SPDX-License-Identifier: MIT */
/* Replays a corpus through a fuzz target without libFuzzer: each file as it is, cut
 * short, and with a few bytes changed (the same ones in every run). */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MAX_BYTES ((size_t)128 * 1024)
#define CHANGES_A_FILE 300u

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Exactly as large as its content, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        abort();
    }
    if (size) {
        memcpy(exact, data, size);
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void run_changed(uint8_t *data, size_t size, uint32_t *seed)
{
    uint8_t before[3];
    size_t at[3];
    for (size_t i = 0; i < 3; i++) {
        at[i] = next_random(seed) % size;
        before[i] = data[at[i]];
        data[at[i]] = (uint8_t)next_random(seed);
        run(data, size);
    }
    for (size_t i = 3; i-- > 0;) {
        data[at[i]] = before[i];
    }
}

static void replay(uint8_t *data, size_t size, uint32_t seed)
{
    run(data, size);
    for (size_t cut = 0; cut < size && cut < 256; cut++) {
        run(data, size - cut - 1);
    }
    for (unsigned i = 0; size && i < CHANGES_A_FILE / 3; i++) {
        run_changed(data, size, &seed);
    }
}

static bool replay_file(const char *folder, const char *name, uint8_t *data)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return false;
    }
    size_t size = fread(data, 1, FILE_MAX_BYTES, file);
    fclose(file);
    replay(data, size, (uint32_t)size);
    return true;
}

/* How many files, or -1. */
static long replay_folder(const char *folder)
{
    uint8_t *data = malloc(FILE_MAX_BYTES);
    DIR *listing = opendir(folder);
    long count = data && listing ? 0 : -1;
    for (struct dirent *entry; count >= 0 && (entry = readdir(listing));) {
        if (entry->d_name[0] != '.') {
            count = replay_file(folder, entry->d_name, data) ? count + 1 : -1;
        }
    }
    if (listing) {
        closedir(listing);
    }
    free(data);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    long count = replay_folder(argv[1]);
    if (count <= 0) {
        fprintf(stderr, "no corpus in %s\n", argv[1]);
        return 1;
    }
    printf("%ld files\n", count);
    return 0;
}
