/* SPDX-License-Identifier: MIT */
/* Payloads of all sizes through real processes, with the broker's memory bounded by the
 * window of chunks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "wire/limits.h"

static struct sys sys;

static void begin(void)
{
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
}

static void end(void)
{
    sys_end(&sys);
}

TestSuite(payloads, .init = begin, .fini = end, .timeout = 120);

/* Bytes in which each place tells where it is. */
static struct xd_bytes *pattern(size_t size)
{
    uint8_t *room;
    struct xd_bytes *bytes;
    cr_assert(xd_bytes_room(size, &room, &bytes) == XD_OK);
    for (size_t i = 0; i < size; i++) {
        room[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    return bytes;
}

static void echo(struct xd_client *client, size_t size)
{
    struct xd_payload payload = {.tag = "raw", .bytes = pattern(size)};
    struct xd_future *future = sys_submit(client, "echo", &payload, 1);
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_frame *frame = &xd_future_result(future, 0)->frames[0];
    cr_assert(xd_bytes_equal(frame->bytes, payload.bytes),
              "%zu bytes came back changed",
              size);
    xd_bytes_unref(payload.bytes);
    xd_future_free(future);
}

Test(payloads, every_size_around_the_limits_comes_back_unchanged)
{
    const size_t sizes[] = {0,
                            1,
                            XD_COPY_BELOW_BYTES - 1,
                            XD_COPY_BELOW_BYTES,
                            XD_MESSAGE_MAX_BYTES - 1,
                            XD_MESSAGE_MAX_BYTES,
                            XD_MESSAGE_MAX_BYTES + 1,
                            3 * XD_CHUNK_BYTES,
                            3 * XD_CHUNK_BYTES + 1,
                            20 * XD_CHUNK_BYTES - 1};
    struct xd_client *client = sys_client(&sys);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        echo(client, sizes[i]);
    }
    sys_await_counter(client, "bytes", 0);
    xd_client_close(client);
}

Test(payloads, hundred_megabytes_each_way_with_the_brokers_memory_bounded)
{
    /* Two streams of eight chunks, what libzmq's buffers hold of them, and some room for
     * malloc. */
    enum { BOUND = 48 * 1024 * 1024 };
    struct xd_client *client = sys_client(&sys);
    echo(client, 2 * XD_CHUNK_BYTES);
    size_t before = sys_rss(sys.broker), most = 0;
    struct xd_payload payload = {.tag = "raw", .bytes = pattern(100000000)};
    struct xd_future *future = sys_submit(client, "echo", &payload, 1);
    while (xd_future_wait(future, 5) == XD_ERR_TIMEOUT) {
        size_t now = sys_rss(sys.broker);
        most = now > most ? now : most;
    }
    sys_expect(future, XD_OUTCOME_DONE);
    cr_assert(
        xd_bytes_equal(xd_future_result(future, 0)->frames[0].bytes, payload.bytes));
    printf("broker: %zu KiB before, %zu KiB at most\n", before / 1024, most / 1024);
    cr_assert(most < before + BOUND, "%zu bytes more", most - before);
    xd_bytes_unref(payload.bytes);
    xd_future_free(future);
    xd_client_close(client);
}

Test(payloads, many_large_ones_at_once)
{
    enum { COUNT = 12 };
    struct xd_future *futures[COUNT];
    struct xd_client *client = sys_client(&sys);
    struct xd_payload payload = {.tag = "raw", .bytes = pattern(5 * XD_CHUNK_BYTES + 17)};
    for (int i = 0; i < COUNT; i++) {
        futures[i] = sys_submit(client, "echo", &payload, 1);
    }
    for (int i = 0; i < COUNT; i++) {
        sys_expect(futures[i], XD_OUTCOME_DONE);
        cr_assert(xd_bytes_equal(xd_future_result(futures[i], 0)->frames[0].bytes,
                                 payload.bytes));
        xd_future_free(futures[i]);
    }
    xd_bytes_unref(payload.bytes);
    xd_client_close(client);
}

Test(payloads, small_tasks_are_answered_while_a_large_one_streams)
{
    sys_workers(&sys, 1, "small");
    struct xd_client *client = sys_client(&sys), *other = sys_client(&sys);
    struct xd_payload payload = {.tag = "raw", .bytes = pattern(100000000)};
    struct xd_future *large = sys_submit(client, "echo", &payload, 1);
    int answered = 0;
    while (!xd_future_is_done(large)) {
        struct xd_call call = {.profile = "small", .callee = "echo"};
        struct xd_future *small;
        cr_assert(xd_submit(other, &call, &small, NULL) == XD_OK);
        sys_expect(small, XD_OUTCOME_DONE);
        xd_future_free(small);
        answered++;
    }
    sys_expect(large, XD_OUTCOME_DONE);
    cr_assert(answered >= 10, "%d small tasks answered meanwhile", answered);
    xd_bytes_unref(payload.bytes);
    xd_future_free(large);
    xd_client_close(client);
    xd_client_close(other);
}
