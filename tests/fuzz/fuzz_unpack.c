/* SPDX-License-Identifier: MIT */
/* Fuzz target: bytes to frames to a message; what is accepted must come back the same
 * after packing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "xdt.h"

static void must(bool claim, const char *what, const struct xd_error *error)
{
    if (!claim) {
        fprintf(stderr, "fuzz_unpack: %s: %s\n", what, error->text);
        abort();
    }
}

/* Each frame is two bytes of length, little end first, and as many bytes; the last one is
 * cut where the input ends. */
static void split(const uint8_t *data, size_t size, struct xd_frames *frames)
{
    frames->count = 0;
    while (size >= 2 && frames->count < XD_FRAMES_MAX) {
        size_t length = data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        frames->items[frames->count++] = xdt_bytes(data, length);
        data += length;
        size -= length;
    }
}

static void check_again(const struct xd_msg *msg)
{
    struct xd_frames frames;
    struct xd_error error = {"(no sentence)"};
    struct xd_msg again;
    must(xd_msg_pack(msg, &frames) == XD_OK, "accepted, but cannot be packed", &error);
    must(xd_msg_unpack(frames.items, frames.count, &again, &error) == XD_OK,
         "packed, but not accepted again",
         &error);
    must(xdt_msg_equal(msg, &again), "differs after packing", &error);
    xd_msg_clear(&again);
    xd_frames_clear(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xd_frames frames;
    struct xd_msg msg;
    struct xd_error error = {""};
    long before = xd_alloc_balance();
    split(data, size, &frames);
    enum xd_err err = xd_msg_unpack(frames.items, frames.count, &msg, &error);
    must(!err == !error.text[0], "a failure and its sentence go together", &error);
    if (!err) {
        check_again(&msg);
        xd_msg_clear(&msg);
    }
    xd_frames_clear(&frames);
    must(xd_alloc_balance() == before, "leaks", &error);
    return 0;
}
