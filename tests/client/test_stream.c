/* SPDX-License-Identifier: MIT */
/* Payloads in chunks: a reader and an owner, hand-wired to each other. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "stream.h"
#include "wire/limits.h"

static struct xd_reads reads;
static struct xd_owned owned;
static const struct xd_session_id owner = {1}, reader = {2};

static void begin(void)
{
    xd_reads_init(&reads);
    xd_owned_init(&owned, 0);
}

static void end(void)
{
    xd_reads_fini(&reads);
    xd_owned_fini(&owned);
}

TestSuite(stream, .init = begin, .fini = end);

static struct xd_bytes *pattern(size_t size)
{
    struct xd_bytes *bytes;
    uint8_t *room;
    cr_assert_eq(xd_bytes_room(size, &room, &bytes), XD_OK);
    for (size_t i = 0; i < size; i++) {
        room[i] = (uint8_t)(i * 2654435761u >> 11);
    }
    return bytes;
}

static struct xd_frame frame_of(uint64_t counter, uint64_t size)
{
    return (
        struct xd_frame){.ref = {owner, counter}, .size = size, .role = XD_FRAME_BODY};
}

static struct xd_pull *pull(struct xd_frame *frames, size_t count, void *context)
{
    struct xd_pull *out;
    cr_assert_eq(xd_pull_new(&reads, frames, count, context, &out), XD_OK);
    return out;
}

/* Carry credits to the owner and chunks back until neither has more. Returns the chunks.
 */
static unsigned carry(void)
{
    unsigned chunks = 0;
    for (bool moved = true; moved;) {
        moved = false;
        struct xd_credit credit;
        struct xd_read *read;
        while (xd_reads_credit(&reads, &credit, &read)) {
            xd_reads_credit_sent(&reads, read, &credit);
            credit.reader = reader;
            cr_assert_eq(xd_owned_credit(&owned, &credit), XD_OK);
            moved = true;
        }
        struct xd_chunk chunk;
        struct xd_reader *to;
        while (xd_owned_next(&owned, owner, &chunk, &to) == XD_OK) {
            xd_owned_sent(&owned, to);
            xd_reads_chunk(&reads, &chunk);
            xd_bytes_unref(chunk.bytes);
            chunks++;
            moved = true;
        }
    }
    return chunks;
}

Test(stream, payload_of_many_windows_arrives_whole)
{
    struct xd_bytes *bytes = pattern(20 * XD_CHUNK_BYTES + 5);
    struct xd_payload_out *payload;
    cr_assert_eq(xd_owned_add(&owned, bytes, false, &payload), XD_OK);
    struct xd_frame frame = frame_of(payload->counter, bytes->size);
    struct xd_pull *one = pull(&frame, 1, &frame);
    cr_assert_eq(carry(), 21);
    cr_assert_eq(xd_reads_over(&reads), one);
    cr_assert_eq(one->err, XD_OK);
    cr_assert(xd_bytes_equal(frame.bytes, bytes));
    cr_assert_not(xd_ref_is_set(frame.ref));
    xd_pull_drop(&reads, one);
    cr_assert(xd_list_is_empty(&reads.pulls));
    cr_assert(xd_list_is_empty(&payload->readers), "done was said");
    xd_frame_clear(&frame);
    xd_bytes_unref(bytes);
}

Test(stream, no_more_than_a_window_is_on_the_way)
{
    struct xd_bytes *bytes = pattern(20 * XD_CHUNK_BYTES);
    struct xd_frame frame = frame_of(1, bytes->size);
    pull(&frame, 1, &frame);
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    cr_assert_eq(credit.chunks, XD_CHUNK_WINDOW);
    xd_reads_credit_sent(&reads, read, &credit);
    cr_assert_not(xd_reads_credit(&reads, &credit, &read));
    xd_bytes_unref(bytes);
}

Test(stream, result_payload_ends_when_nobody_reads_it_any_more)
{
    struct xd_bytes *bytes = pattern(3 * XD_CHUNK_BYTES);
    struct xd_payload_out *payload;
    cr_assert_eq(xd_owned_add(&owned, bytes, true, &payload), XD_OK);
    struct xd_frame frame = frame_of(payload->counter, bytes->size);
    struct xd_pull *one = pull(&frame, 1, &frame);
    carry();
    cr_assert_eq(owned.payloads.count, 1, "others may come to read it");
    cr_assert(xd_list_is_empty(&payload->readers));
    struct xd_credit nobody = {.ref = {owner, payload->counter}, .done = true};
    cr_assert_eq(xd_owned_credit(&owned, &nobody), XD_OK);
    cr_assert_eq(owned.payloads.count, 0);
    xd_pull_drop(&reads, one);
    xd_frame_clear(&frame);
    xd_bytes_unref(bytes);
}

Test(stream, frames_with_bytes_are_left_alone)
{
    struct xd_bytes *bytes = pattern(XD_CHUNK_BYTES + 1), *small = pattern(4);
    struct xd_payload_out *payload;
    cr_assert_eq(xd_owned_add(&owned, bytes, false, &payload), XD_OK);
    struct xd_frame frames[3] = {{.bytes = small, .size = 4},
                                 frame_of(payload->counter, bytes->size),
                                 frame_of(payload->counter, bytes->size)};
    cr_assert_eq(xd_frames_missing(frames, 3), 2);
    struct xd_pull *one = pull(frames, 3, frames);
    carry(); /* the same payload twice: one after the other */
    cr_assert_eq(one->missing, 0);
    cr_assert_eq(frames[0].bytes, small);
    cr_assert(xd_bytes_equal(frames[1].bytes, bytes));
    cr_assert(xd_bytes_equal(frames[2].bytes, bytes));
    xd_pull_drop(&reads, one);
    for (int i = 0; i < 3; i++) {
        xd_frame_clear(&frames[i]);
    }
    xd_bytes_unref(bytes);
}

/* Begin one read and let it have this chunk. */
static struct xd_pull *hit(struct xd_frame *frame,
                           uint64_t offset,
                           size_t size,
                           enum xd_err code)
{
    struct xd_pull *one = pull(frame, 1, frame);
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    xd_reads_credit_sent(&reads, read, &credit);
    struct xd_chunk chunk = {.ref = frame->ref, .offset = offset, .code = code};
    chunk.bytes = code == XD_OK ? pattern(size) : NULL;
    xd_reads_chunk(&reads, &chunk);
    xd_bytes_unref(chunk.bytes);
    return one;
}

static void assert_fails(uint64_t offset,
                         size_t size,
                         enum xd_err code,
                         enum xd_err expect)
{
    struct xd_frame frame = frame_of(1, 100);
    struct xd_pull *one = hit(&frame, offset, size, code);
    cr_assert(one->is_over);
    cr_assert_eq(one->err, expect);
    cr_assert_eq(xd_reads_over(&reads), one);
    cr_assert_null(frame.bytes);
    cr_assert_gt(strlen(one->text), 0);
    xd_pull_drop(&reads, one);
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    cr_assert(credit.done);
    xd_reads_credit_sent(&reads, read, &credit);
    cr_assert(xd_list_is_empty(&reads.pulls));
}

Test(stream, chunk_at_the_wrong_place_fails)
{
    assert_fails(1, 10, XD_OK, XD_ERR_PROTOCOL);
}

Test(stream, chunk_of_a_reading_before_is_dropped)
{
    struct xd_frame frame = frame_of(1, 100);
    struct xd_pull *one = hit(&frame, 0, 10, XD_OK);
    struct xd_chunk again = {.ref = frame.ref, .offset = 0, .bytes = pattern(10)};
    xd_reads_chunk(&reads, &again);
    cr_assert_not(one->is_over);
    again.offset = 10;
    xd_reads_chunk(&reads, &again);
    cr_assert_not(one->is_over);
    xd_bytes_unref(again.bytes);
    xd_pull_drop(&reads, one);
}

static void say_done(void)
{
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    cr_assert(credit.done);
    xd_reads_credit_sent(&reads, read, &credit);
}

/* A task is recalled while its payload is read, and comes again: what was asked for the
 * first time is still on its way. No more of it than was asked for. */
Test(stream, late_chunks_of_a_reading_given_up_do_not_harm_the_next)
{
    struct xd_frame frame = frame_of(1, 4 * XD_CHUNK_BYTES);
    struct xd_pull *one = hit(&frame, 0, 10, XD_OK);
    xd_pull_drop(&reads, one);
    say_done();
    one = hit(&frame, 10, 10, XD_OK);
    struct xd_chunk late = {.ref = frame.ref, .offset = 20, .bytes = pattern(10)};
    xd_reads_chunk(&reads, &late);
    cr_assert_not(one->is_over);
    late.offset = 0;
    xd_reads_chunk(&reads, &late);
    late.offset = 20;
    xd_reads_chunk(&reads, &late);
    cr_assert_not(one->is_over, "three are late");
    xd_reads_chunk(&reads, &late);
    cr_assert(one->is_over);
    cr_assert_eq(one->err, XD_ERR_PROTOCOL);
    xd_bytes_unref(late.bytes);
    xd_pull_drop(&reads, one);
    say_done();
}

Test(stream, chunk_past_the_end_fails)
{
    assert_fails(0, 101, XD_OK, XD_ERR_PROTOCOL);
}

Test(stream, empty_chunk_fails)
{
    assert_fails(0, 0, XD_OK, XD_ERR_PROTOCOL);
}

Test(stream, owner_gone_fails)
{
    assert_fails(0, 0, XD_ERR_GONE, XD_ERR_GONE);
}

Test(stream, size_nobody_has_room_for_fails)
{
    struct xd_frame frame = frame_of(1, UINT64_MAX / 2);
    struct xd_pull *one = pull(&frame, 1, &frame);
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    cr_assert(credit.done, "it gives up");
    cr_assert_eq(one->err, XD_ERR_NOMEM);
}

Test(stream, given_up_says_done_and_drops_what_comes)
{
    struct xd_frame frame = frame_of(1, 100);
    struct xd_pull *one = hit(&frame, 0, 10, XD_OK);
    cr_assert_not(one->is_over);
    xd_pull_drop(&reads, one);
    struct xd_chunk late = {.ref = frame.ref, .offset = 10, .bytes = pattern(10)};
    xd_reads_chunk(&reads, &late);
    xd_bytes_unref(late.bytes);
    cr_assert_null(xd_reads_over(&reads));
    struct xd_credit credit;
    struct xd_read *read;
    cr_assert(xd_reads_credit(&reads, &credit, &read));
    cr_assert(credit.done);
}

Test(stream, what_nobody_reads_says_done_once_each)
{
    struct xd_frame frames[3] = {frame_of(1, 100), {.size = 3}, frame_of(2, 100)};
    struct xd_bytes *small = pattern(3);
    frames[1].bytes = small;
    xd_reads_disown(&reads, frames, 3);
    xd_reads_disown(&reads, &frames[1], 1);
    struct xd_credit credit;
    struct xd_read *read;
    for (uint64_t counter = 1; counter <= 2; counter++) {
        cr_assert(xd_reads_credit(&reads, &credit, &read));
        cr_assert(credit.done && credit.ref.counter == counter);
        xd_reads_credit_sent(&reads, read, &credit);
    }
    cr_assert_not(xd_reads_credit(&reads, &credit, &read));
    cr_assert(xd_list_is_empty(&reads.pulls));
    xd_bytes_unref(small);
}

Test(stream, only_so_many_are_read_at_once)
{
    struct xd_frame frames[XD_READS_AT_ONCE + 3];
    for (unsigned i = 0; i < XD_READS_AT_ONCE + 3; i++) {
        frames[i] = frame_of(i + 1, 5 * XD_CHUNK_BYTES);
    }
    pull(frames, XD_READS_AT_ONCE + 3, frames);
    struct xd_credit credit;
    struct xd_read *read;
    unsigned begun = 0;
    while (xd_reads_credit(&reads, &credit, &read)) {
        xd_reads_credit_sent(&reads, read, &credit);
        begun++;
    }
    cr_assert_eq(begun, XD_READS_AT_ONCE);
}

Test(owned, credit_for_what_is_not_there_is_refused, .init = begin, .fini = end)
{
    struct xd_credit credit = {.ref = {owner, 5}, .reader = reader, .chunks = 1};
    cr_assert_eq(xd_owned_credit(&owned, &credit), XD_ERR_NOT_FOUND);
    credit.done = true;
    cr_assert_eq(xd_owned_credit(&owned, &credit), XD_OK);
}

Test(owned, two_readers_take_turns, .init = begin, .fini = end)
{
    struct xd_bytes *bytes = pattern(2 * XD_CHUNK_BYTES);
    struct xd_payload_out *payload;
    cr_assert_eq(xd_owned_add(&owned, bytes, false, &payload), XD_OK);
    struct xd_credit credit = {.ref = {owner, payload->counter}, .chunks = 8};
    for (uint64_t n = 2; n <= 3; n++) {
        credit.reader.n = n;
        cr_assert_eq(xd_owned_credit(&owned, &credit), XD_OK);
    }
    uint64_t order[4];
    struct xd_chunk chunk;
    struct xd_reader *to;
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(xd_owned_next(&owned, owner, &chunk, &to), XD_OK);
        order[i] = chunk.reader.n;
        xd_owned_sent(&owned, to);
        xd_bytes_unref(chunk.bytes);
    }
    cr_assert_eq(xd_owned_next(&owned, owner, &chunk, &to), XD_ERR_AGAIN);
    cr_assert_eq(order[0], 2);
    cr_assert_eq(order[1], 3);
    cr_assert_eq(order[2], 2);
    cr_assert_eq(order[3], 3);
    xd_bytes_unref(bytes);
}

Test(owned, failed_allocation_changes_nothing, .init = begin, .fini = end)
{
    struct xd_bytes *bytes = pattern(100);
    for (size_t n = 1;; n++) {
        struct xd_payload_out *payload;
        xd_alloc_fail_at(n);
        enum xd_err err = xd_owned_add(&owned, bytes, false, &payload);
        xd_alloc_fail_at(0);
        if (err == XD_OK) {
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert_eq(owned.payloads.count, 0);
        cr_assert_eq(atomic_load(&bytes->refs), 1);
    }
    xd_bytes_unref(bytes);
}

Test(stream, failed_allocation_begins_nothing)
{
    struct xd_frame frame = frame_of(1, 100);
    for (size_t n = 1; n <= 2; n++) {
        struct xd_pull *out;
        xd_alloc_fail_at(n);
        cr_assert_eq(xd_pull_new(&reads, &frame, 1, &frame, &out), XD_ERR_NOMEM);
        xd_alloc_fail_at(0);
        cr_assert(xd_list_is_empty(&reads.pulls));
        cr_assert(xd_list_is_empty(&reads.waiting));
    }
}
