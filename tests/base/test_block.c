/* SPDX-License-Identifier: MIT */
/* Large blocks: which are kept, for whom, and how many. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/block.h"
#include "base/bytes.h"

#define UNIT XD_BLOCK_UNIT

static uint8_t *take(size_t size, size_t *got)
{
    uint8_t *room = xd_block_take(size, got);
    cr_assert_not_null(room);
    cr_assert(*got >= size && *got % UNIT == 0);
    cr_assert_eq((uintptr_t)room % UNIT, 0);
    memset(room, 7, *got);
    return room;
}

static void give_new(size_t size)
{
    size_t got;
    uint8_t *room = take(size, &got);
    xd_block_give(room, got);
}

Test(block, nothing_is_kept_unless_asked_for)
{
    give_new(UNIT);
    cr_assert_eq(xd_blocks_kept(), 0);
}

Test(block, a_size_past_memory_is_refused)
{
    size_t got;
    cr_assert_null(xd_block_take(SIZE_MAX, &got));
    cr_assert_null(xd_block_take(SIZE_MAX / 2, &got));
}

Test(block, the_next_payload_lies_where_the_last_one_lay)
{
    xd_blocks_keep(8 * UNIT);
    size_t got, again;
    uint8_t *room = take(2 * UNIT - 5, &got);
    xd_block_give(room, got);
    cr_assert_eq(xd_blocks_kept(), 2 * UNIT);
    cr_assert_eq(take(UNIT + 1, &again), room);
    cr_assert_eq(again, 2 * UNIT);
    cr_assert_eq(xd_blocks_kept(), 0);
    xd_block_give(room, again);
    xd_blocks_keep(0);
    cr_assert_eq(xd_blocks_kept(), 0);
}

Test(block, the_smallest_that_is_large_enough_goes_first)
{
    xd_blocks_keep(100 * UNIT);
    size_t a, b, got;
    uint8_t *four = take(4 * UNIT, &a), *three = take(3 * UNIT, &b);
    xd_block_give(four, a);
    xd_block_give(three, b);
    cr_assert_eq(take(2 * UNIT, &got), three);
    cr_assert_eq(got, 3 * UNIT);
    uint8_t *one = take(UNIT, &got); /* most of the block of four would lie idle */
    cr_assert(one != four && got == UNIT);
    cr_assert_eq(xd_blocks_kept(), 4 * UNIT);
    xd_block_give(one, UNIT);
    xd_block_give(three, 3 * UNIT);
    xd_blocks_keep(0);
}

Test(block, the_oldest_go_first_and_never_more_is_kept_than_asked_for)
{
    xd_blocks_keep(5 * UNIT);
    size_t got;
    uint8_t *rooms[3];
    for (size_t i = 0; i < 3; i++) {
        rooms[i] = take(2 * UNIT, &got);
    }
    for (size_t i = 0; i < 3; i++) {
        xd_block_give(rooms[i], 2 * UNIT);
        cr_assert(xd_blocks_kept() <= 5 * UNIT);
    }
    cr_assert_eq(xd_blocks_kept(), 4 * UNIT);
    cr_assert_eq(take(2 * UNIT, &got), rooms[1]);
    xd_block_give(rooms[1], got);
    give_new(6 * UNIT); /* larger than all that may be kept: nobody else has to go */
    cr_assert_eq(xd_blocks_kept(), 4 * UNIT);
    xd_blocks_keep(2 * UNIT);
    cr_assert_eq(xd_blocks_kept(), 2 * UNIT);
    xd_blocks_keep(0);
}

Test(block, many_small_ones_are_kept_up_to_a_number)
{
    enum { MANY = 40 };
    xd_blocks_keep(1000 * UNIT);
    size_t got;
    uint8_t *rooms[MANY];
    for (size_t i = 0; i < MANY; i++) {
        rooms[i] = take(UNIT, &got);
    }
    for (size_t i = 0; i < MANY; i++) {
        xd_block_give(rooms[i], UNIT);
    }
    cr_assert_eq(xd_blocks_kept(), 32 * UNIT);
    xd_blocks_keep(0);
}

static void *take_and_give(void *context)
{
    for (size_t i = 0; i < 300; i++) {
        size_t size = (1 + i % 3) * UNIT - i, got;
        uint8_t *room = xd_block_take(size, &got);
        if (room == NULL) {
            return context;
        }
        room[0] = room[size - 1] = (uint8_t)i;
        xd_block_give(room, got);
    }
    return NULL;
}

Test(block, threads_share_what_is_kept)
{
    xd_blocks_keep(4 * UNIT);
    pthread_t threads[4];
    char seen[4];
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, take_and_give, &seen[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        cr_assert_eq(pthread_join(threads[i], &failed), 0);
        cr_assert_null(failed);
    }
    cr_assert(xd_blocks_kept() <= 4 * UNIT);
    xd_blocks_keep(0);
}

Test(block, large_bytes_are_blocks)
{
    xd_keep_memory(16 * UNIT);
    uint8_t *first, *second;
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_room(2 * UNIT, &first, &bytes), XD_OK);
    xd_bytes_unref(bytes);
    cr_assert_eq(xd_blocks_kept(), 2 * UNIT);
    cr_assert_eq(xd_bytes_room(2 * UNIT - 1, &second, &bytes), XD_OK);
    cr_assert_eq(first, second);
    cr_assert_eq(bytes->size, 2 * UNIT - 1);
    xd_bytes_unref(bytes);
    xd_blocks_keep(0);
}
