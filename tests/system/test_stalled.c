/* SPDX-License-Identifier: MIT */
/* Clients that live and read nothing: others go on as before, nobody keeps more than is
 * bounded, and all of it is given back when they read on or leave. XDT_STALL_SECONDS is
 * how long they read nothing (8: longer than a silent peer is waited for). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "estate.h"
#include "reader.h"
#include "wire/limits.h"

/* Larger than what a worker keeps of one payload for the next. */
enum { MIB = 1024 * 1024, LARGE = 72 * MIB, CHUNKS = LARGE / XD_CHUNK_BYTES };

static struct sys sys;

static void end(void)
{
    sys_end(&sys);
}

TestSuite(stalled, .fini = end, .timeout = 3600);

static int stall_seconds(void)
{
    const char *text = getenv("XDT_STALL_SECONDS");
    return text == NULL ? 8 : atoi(text);
}

static struct xd_future *ask(struct xd_client *client, const char *callee, size_t size)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", size);
    return sys_call(client, callee, text);
}

static void expect_result(struct xd_client *client, const char *callee, size_t size)
{
    struct xd_future *future = ask(client, callee, size);
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
}

static void assert_nothing_is_left(struct xd_client *client)
{
    static const char *const gauges[] = {"queued", "leased", "bytes", "relaying"};
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        sys_await_counter(client, gauges[i], 0);
    }
    sys_await_counter(client, "clients", 1);
}

/* How long it takes, while the reader says that it lives. */
static xd_time time_of(struct reader *reader,
                       struct xd_client *client,
                       const char *callee,
                       size_t size)
{
    xd_time begun = sys_now();
    struct xd_future *future = ask(client, callee, size);
    do {
        reader_beat(reader);
    } while (xd_future_wait(future, 500) == XD_ERR_TIMEOUT &&
             sys_now() - begun < 60 * XD_S);
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    return sys_now() - begun;
}

/* While the reader only says that it lives, another client's tasks and payloads pass, and
 * the broker has at most so many bytes more than at the beginning. */
static void work_beside(struct reader *reader, struct xd_client *other, size_t bound)
{
    size_t base = sys_rss(sys.broker), most = base;
    xd_time begun = sys_now(), slowest = 0, large = 0;
    int rounds = 0;
    for (; sys_now() - begun < stall_seconds() * XD_S; rounds++) {
        xd_time took = time_of(reader, other, "echo", 1);
        slowest = took > slowest ? took : slowest;
        if (rounds % 10 == 0) {
            took = time_of(reader, other, "big", 8 * MIB);
            large = took > large ? took : large;
        }
        size_t now = sys_rss(sys.broker);
        most = now > most ? now : most;
        sys_sleep_ms(50);
    }
    printf("%d rounds beside it: small tasks took %.1f ms at most, 8 MiB %.1f ms, the "
           "broker %zu KiB more\n",
           rounds,
           (double)slowest / XD_MS,
           (double)large / XD_MS,
           (most - base) / 1024);
    cr_assert(rounds > stall_seconds());
    cr_assert(slowest < 3 * sys_slowness() * XD_S && large < 6 * sys_slowness() * XD_S);
    cr_assert(most < base + bound, "%zu bytes more", most - base);
}

/* All chunks that are left, a window at a time. */
static void read_on(struct reader *reader, uint32_t read, uint32_t granted)
{
    for (; read < CHUNKS; read++) {
        if (granted < CHUNKS && granted == read) {
            reader_grant(reader, XD_CHUNK_WINDOW);
            granted += XD_CHUNK_WINDOW;
        }
        reader_expect_chunk(reader);
    }
    reader_grant(reader, 0);
}

Test(stalled, in_the_middle_of_a_payload_it_stops_nobody_and_gets_the_rest_later)
{
    enum { READ = 3 };
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL); /* the one who made the payload serves the others, too */
    struct xd_client *other = sys_client(&sys);
    struct estate broker = {0}, worker = {0};
    for (int i = 0; i < 2; i++) { /* once so that all there is to keep has been made */
        struct reader reader;
        reader_open(&reader, &sys);
        reader_ask(&reader, 0, LARGE);
        reader_await(&reader, LARGE);
        reader_grant(&reader, XD_CHUNK_WINDOW);
        for (int k = 0; k < READ; k++) {
            reader_expect_chunk(&reader);
        }
        if (i == 1) {
            work_beside(&reader, other, (size_t)32 * MIB);
        }
        read_on(&reader, READ, XD_CHUNK_WINDOW);
        reader_close(&reader);
        assert_nothing_is_left(other);
        if (i == 0) {
            expect_result(other, "big", 8 * MIB);
            broker = estate_of("broker", sys.broker);
            worker = estate_of("worker", sys_worker_pid(other));
        }
    }
    estate_assert_no_more(&broker);
    estate_assert_no_more(&worker);
    xd_client_close(other);
}

Test(stalled, a_payload_that_it_never_reads_is_let_go_of_when_it_leaves)
{
    sys_begin(&sys, NULL);
    sys_workers(&sys, 1, NULL);
    struct xd_client *other = sys_client(&sys);
    expect_result(other, "big", LARGE);
    struct estate broker = estate_of("broker", sys.broker),
                  worker = estate_of("worker", sys_worker_pid(other));
    struct reader reader;
    reader_open(&reader, &sys);
    reader_ask(&reader, 0, LARGE);
    work_beside(&reader, other, (size_t)32 * MIB);
    reader_close(&reader);
    assert_nothing_is_left(other);
    estate_assert_no_more(&broker);
    estate_assert_no_more(&worker);
    xd_client_close(other);
}

Test(stalled, results_that_it_does_not_read_count_against_its_budget_alone)
{
    enum { RESULTS = 40, SIZE = 900000 };
    static const char *const small[] = {"--set", "client_bytes=16M", NULL};
    sys_begin(&sys, small);
    sys_workers(&sys, 1, NULL);
    struct xd_client *other = sys_client(&sys);
    expect_result(other, "big", 8 * MIB);
    struct estate broker = estate_of("broker", sys.broker);
    struct reader reader;
    reader_open(&reader, &sys);
    uint8_t number = 0;
    for (; number < RESULTS; number++) {
        reader_ask(&reader, number, SIZE);
    }
    work_beside(&reader, other, (size_t)RESULTS * SIZE + ESTATE_SLACK);
    cr_assert(sys_counter(other, "bytes") > 16u * MIB, "nothing waits for it");
    uint64_t refused = sys_counter(other, "refused");
    reader_ask(&reader, number, SIZE);
    sys_await_counter(other, "refused", refused + 1);
    expect_result(other, "echo", 1);
    reader_close(&reader);
    assert_nothing_is_left(other);
    estate_assert_no_more(&broker);
    xd_client_close(other);
}
