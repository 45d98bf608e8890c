/* SPDX-License-Identifier: MIT */
/* Payloads larger than what the broker may hold: its memory while they pass, readers that
 * stop or ask without reading, and results that nobody reads. XDT_STREAM_BYTES is the
 * size of the largest (512 MiB; under sanitizers and valgrind a fifth). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "sys.h"
#include "wire/limits.h"

enum { MIB = 1024 * 1024, PERIOD = 251 };

static struct sys sys;

static void end(void)
{
    sys_end(&sys);
}

TestSuite(streams, .fini = end, .timeout = 3600);

/* Byte i is i modulo 251, as the handlers "check" and "big" have it. */
static struct xd_bytes *pattern(size_t size)
{
    uint8_t *room;
    struct xd_bytes *bytes;
    cr_assert(xd_bytes_room(size, &room, &bytes) == XD_OK);
    size_t done = size < PERIOD ? size : PERIOD;
    for (size_t i = 0; i < done; i++) {
        room[i] = (uint8_t)i;
    }
    while (done < size) { /* whole periods, doubled */
        size_t more = done < size - done ? done : size - done;
        memcpy(room + done, room, more);
        done += more;
    }
    return bytes;
}

static bool is_pattern(const struct xd_bytes *bytes)
{
    bool good = true;
    for (size_t i = 0; i < bytes->size && i < PERIOD; i++) {
        good = good && bytes->data[i] == i;
    }
    return good && (bytes->size <= PERIOD ||
                    memcmp(bytes->data, bytes->data + PERIOD, bytes->size - PERIOD) == 0);
}

static struct xd_future *send_pattern(struct xd_client *client, size_t size)
{
    struct xd_payload payload = {.tag = "raw", .bytes = pattern(size)};
    struct xd_future *future = sys_submit(client, "check", &payload, 1);
    xd_bytes_unref(payload.bytes);
    return future;
}

static struct xd_future *ask_for_pattern(struct xd_client *client, size_t size)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", size);
    return sys_call(client, "big", text);
}

/* However slow the machine: a minute, and one more for each 500 MB. */
static void await_done(struct xd_future *future, size_t size)
{
    int seconds = 60 * (1 + (int)(size / 500000000));
    cr_assert(xd_future_wait(future, seconds * 1000 * sys_slowness()) == XD_OK);
    sys_expect(future, XD_OUTCOME_DONE);
}

/* There, and then back. */
static void pass(struct xd_client *client, size_t size)
{
    char text[24];
    struct xd_future *future = send_pattern(client, size);
    await_done(future, size);
    (void)snprintf(text, sizeof text, "%zu", size);
    cr_assert(xd_bytes_is(xd_future_result(future, 0)->frames[0].bytes, text));
    xd_future_free(future);
    future = ask_for_pattern(client, size);
    await_done(future, size);
    const struct xd_bytes *bytes = xd_future_result(future, 0)->frames[0].bytes;
    cr_assert(bytes->size == size && is_pattern(bytes));
    xd_future_free(future);
}

static size_t largest(void)
{
    const char *text = getenv("XDT_STREAM_BYTES");
    size_t usual = (size_t)512 * MIB / (size_t)sys_slowness();
    return text == NULL ? usual : strtoull(text, NULL, 10);
}

Test(streams, largest_passes_both_ways_with_little_memory_in_the_broker)
{
    enum { BOUND = 100 * MIB };
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    size_t base = sys_peak(sys.broker), size = largest();
    xd_time before = sys_now();
    pass(client, size);
    double seconds = (double)(sys_now() - before) / XD_S;
    size_t peak = sys_peak(sys.broker);
    printf("%zu MiB there and back: %.2f s, broker %zu KiB before, %zu KiB at most\n",
           size / MIB,
           seconds,
           base / 1024,
           peak / 1024);
    cr_assert(peak < base + BOUND, "%zu bytes more", peak - base);
    sys_await_counter(client, "relaying", 0);
    xd_client_close(client);
}

Test(streams, payload_over_every_budget_of_bytes_passes)
{
    static const char *const tight[] = {"--set",
                                        "budget_bytes=1M",
                                        "--set",
                                        "client_bytes=1M",
                                        "--set",
                                        "profile_bytes=1M",
                                        NULL};
    sys_begin(&sys, tight);
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys), *watcher = sys_client(&sys);
    struct xd_future *future = send_pattern(client, (size_t)200 * MIB);
    uint64_t most = 0;
    while (!xd_future_is_done(future)) {
        uint64_t now = sys_counter(watcher, "relaying");
        most = now > most ? now : most;
        cr_assert(sys_counter(watcher, "bytes") < MIB);
    }
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    cr_assert(most > 0 && most <= XD_CHUNK_WINDOW * XD_CHUNK_BYTES,
              "%llu bytes on their way",
              (unsigned long long)most);
    pass(client, (size_t)200 * MIB);
    cr_assert_eq(sys_counter(watcher, "refused"), 0);
    xd_client_close(client);
    xd_client_close(watcher);
}

static void await_at_least(struct xd_client *client, const char *name, uint64_t value)
{
    xd_time until = sys_now() + 10 * sys_slowness() * XD_S;
    while (sys_counter(client, name) < value) {
        cr_assert(sys_now() < until, "%s stays below %llu", name, (long long)value);
    }
}

Test(streams, stopped_reader_keeps_a_window_in_the_broker_and_its_budget_until_it_is_lost)
{
    static const char *const small[] = {"--set", "budget_bytes=4M", NULL};
    sys_begin(&sys, small);
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys), *watcher = sys_client(&sys);
    pid_t reader = sys_worker_pid(client);
    size_t base = sys_rss(sys.broker);
    struct xd_future *future = send_pattern(client, (size_t)300 * MIB);
    await_at_least(watcher, "chunks", 20);
    kill(reader, SIGSTOP);
    await_at_least(watcher, "relaying", XD_CHUNK_WINDOW * XD_CHUNK_BYTES);
    uint64_t chunks = sys_counter(watcher, "chunks");
    cr_assert_eq(sys_counter(watcher, "relaying"), XD_CHUNK_WINDOW * XD_CHUNK_BYTES);
    struct xd_future *other = sys_call(watcher, "echo", "no room for this one");
    await_at_least(watcher, "refused", 1);
    cr_assert_eq(sys_counter(watcher, "chunks"), chunks, "it has stopped");
    size_t grown = sys_rss(sys.broker) - base;
    cr_assert(grown < 32u * MIB, "%zu bytes more", grown);
    sys_expect(future, XD_OUTCOME_LOST); /* it is silent for too long */
    cr_assert_eq(sys_counter(watcher, "relaying"), 0);
    kill(reader, SIGKILL);
    sys_expect(other, XD_OUTCOME_DONE); /* there is room again, and another slot */
    xd_future_free(future);
    xd_future_free(other);
    xd_client_close(client);
    xd_client_close(watcher);
}

Test(streams, worker_lets_go_of_results_nobody_reads)
{
    enum { ROUNDS = 8, SIZE = 64 * MIB };
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
    struct xd_client *client = sys_client(&sys);
    pid_t worker = sys_worker_pid(client);
    pass(client, SIZE);
    size_t base = sys_rss(worker);
    for (int i = 0; i < ROUNDS; i++) {
        struct xd_future *future = ask_for_pattern(client, SIZE);
        sys_await_counter(client, "leased", 1);
        cr_assert(xd_future_cancel(future) == XD_OK); /* it is deaf for that */
        sys_expect(future, XD_OUTCOME_CANCELLED);
        xd_future_free(future);
        sys_await_counter(client, "leased", 0);
    }
    cr_assert_eq(sys_worker_pid(client), worker);
    size_t now = sys_rss(worker);
    cr_assert(now < base + (size_t)2 * SIZE, "%zu bytes more", now - base);
    xd_client_close(client);
}

/* ---- readers made by hand */

static void begin_reading(struct reader *reader, size_t size)
{
    reader_open(reader, &sys);
    reader_ask(reader, 0, size);
    reader_await(reader, size);
}

Test(streams, first_chunk_is_here_before_the_last_has_left)
{
    struct reader reader;
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
    struct xd_client *watcher = sys_client(&sys);
    begin_reading(&reader, (size_t)20 * XD_CHUNK_BYTES);
    cr_assert_eq(sys_counter(watcher, "chunks"), 0);
    reader_grant(&reader, 1);
    reader_expect_chunk(&reader);
    cr_assert_eq(sys_counter(watcher, "chunks"), 1, "of 20");
    reader_grant(&reader, 2);
    reader_expect_chunk(&reader);
    reader_expect_chunk(&reader);
    cr_assert_eq(sys_counter(watcher, "chunks"), 3);
    reader_grant(&reader, 0);
    reader_close(&reader);
    xd_client_close(watcher);
}

Test(streams, reader_that_asks_and_does_not_read_is_cut_off)
{
    enum { SIZE = 300 * MIB, BOUND = 160 * MIB };
    struct reader reader;
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
    struct xd_client *watcher = sys_client(&sys);
    size_t base = sys_peak(sys.broker);
    begin_reading(&reader, SIZE);
    xd_time until = sys_now() + 20 * sys_slowness() * XD_S;
    uint64_t chunks = 0, asked = 0;
    while (sys_counter(watcher, "cut") == 0) {
        cr_assert(sys_now() < until, "neither chunks nor an end");
        chunks = sys_counter(watcher, "chunks");
        if (chunks == asked) {
            cr_assert(asked < SIZE / XD_CHUNK_BYTES, "all were sent");
            reader_grant(&reader, XD_CHUNK_WINDOW);
            asked += XD_CHUNK_WINDOW;
        }
    }
    size_t grown = sys_peak(sys.broker) - base;
    printf("cut off after %d chunks, %zu KiB\n", (int)chunks, grown / 1024);
    cr_assert_eq(sys_counter(watcher, "relaying"), 0);
    cr_assert(grown < BOUND, "%zu bytes more", grown);
    struct xd_future *future = sys_call(watcher, "echo", "others are unharmed");
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    xd_client_close(watcher);
    reader_close(&reader);
}
