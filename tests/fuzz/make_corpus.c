/* SPDX-License-Identifier: MIT */
/* Writes the seeds of the corpus of fuzz_unpack: a sample of each kind and the table of
 * bad inputs. Run it after a change of the wire format: ninja fuzz-corpus. */
#include <stdio.h>
#include <string.h>

#include "bad_inputs.h"
#include "xdt.h"

#define SEED_MAX_BYTES 2048u

static bool is_small(const struct xd_frames *frames)
{
    size_t size = 0;
    for (size_t i = 0; i < frames->count; i++) {
        size += 2 + frames->items[i]->size;
    }
    return size <= SEED_MAX_BYTES;
}

static bool write_seed(const char *folder,
                       const char *name,
                       const struct xd_frames *frames)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        return false;
    }
    for (size_t i = 0; i < frames->count; i++) {
        const struct xd_bytes *frame = frames->items[i];
        fputc((int)(frame->size & 255), file);
        fputc((int)(frame->size >> 8), file);
        fwrite(frame->data, 1, frame->size, file);
    }
    return fclose(file) == 0;
}

static bool write_samples(const char *folder)
{
    bool good = true;
    for (unsigned kind = 1; good && kind <= XDT_KIND_LAST; kind++) {
        struct xd_msg msg;
        struct xd_frames frames;
        xdt_sample((enum xd_kind)kind, &msg);
        good = xd_msg_pack(&msg, &frames) == XD_OK &&
               write_seed(folder, xd_kind_name(kind), &frames);
        xd_frames_clear(&frames);
        xd_msg_clear(&msg);
    }
    return good;
}

static bool write_bad_inputs(const char *folder)
{
    bool good = true;
    for (size_t i = 0; good && i < xdt_bad_input_count; i++) {
        struct xd_frames frames;
        char name[32];
        snprintf(name, sizeof name, "bad-%03zu", i);
        xdt_message(xdt_bad_inputs[i].fields, xdt_bad_inputs[i].payloads, &frames);
        good = !is_small(&frames) || write_seed(folder, name, &frames);
        xd_frames_clear(&frames);
    }
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    return write_samples(argv[1]) && write_bad_inputs(argv[1]) ? 0 : 1;
}
