/* SPDX-License-Identifier: MIT */
/* Counted bytes: who holds them, when they go. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "xdt.h"

static void count_release(void *hint)
{
    ++*(int *)hint;
}

Test(bytes, a_copy_is_independent_of_its_source)
{
    char source[] = "abc";
    struct xd_bytes *bytes = xdt_bytes(source, 3);
    source[0] = 'x';
    cr_assert(xd_bytes_is(bytes, "abc"));
    xd_bytes_unref(bytes);
}

Test(bytes, nothing_can_be_copied)
{
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_copy(NULL, 0, &bytes), XD_OK);
    cr_assert_eq(bytes->size, 0);
    cr_assert(xd_bytes_is(bytes, ""));
    xd_bytes_unref(bytes);
}

Test(bytes, room_is_filled_before_it_is_shown)
{
    uint8_t *room;
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_room(4, &room, &bytes), XD_OK);
    memcpy(room, "room", 4);
    cr_assert(xd_bytes_is(bytes, "room"));
    xd_bytes_unref(bytes);
}

Test(bytes, large_room_is_whole_and_outlives_its_first_holder)
{
    for (size_t size = 2097151; size <= 5000001; size += 2902850 / 2) {
        uint8_t *room;
        struct xd_bytes *bytes, *end;
        cr_assert_eq(xd_bytes_room(size, &room, &bytes), XD_OK);
        cr_assert_eq(bytes->data, room);
        cr_assert_eq(bytes->size, size);
        memset(room, 7, size);
        cr_assert_eq(xd_bytes_slice(bytes, size - 1, 1, &end), XD_OK);
        xd_bytes_unref(bytes);
        cr_assert_eq(end->data[0], 7);
        xd_bytes_unref(end);
    }
}

Test(bytes, a_size_past_memory_is_refused)
{
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2};
    uint8_t *room;
    struct xd_bytes *bytes = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(xd_bytes_room(sizes[i], &room, &bytes), XD_ERR_NOMEM);
        cr_assert_null(bytes);
    }
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_bytes_room(3000000, &room, &bytes), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_null(bytes);
}

Test(bytes, wrapped_data_is_released_with_the_last_reference)
{
    int released = 0;
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_wrap("data", 4, count_release, &released, &bytes), XD_OK);
    cr_assert_eq(xd_bytes_ref(bytes), bytes);
    xd_bytes_unref(bytes);
    cr_assert_eq(released, 0);
    cr_assert(xd_bytes_is(bytes, "data"));
    xd_bytes_unref(bytes);
    cr_assert_eq(released, 1);
}

Test(bytes, wrapped_data_need_no_release)
{
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_wrap("data", 4, NULL, NULL, &bytes), XD_OK);
    xd_bytes_unref(bytes);
}

Test(bytes, a_failed_wrap_takes_nothing)
{
    int released = 0;
    struct xd_bytes *bytes = NULL;
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_bytes_wrap("data", 4, count_release, &released, &bytes),
                 XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_null(bytes);
    cr_assert_eq(released, 0);
}

Test(bytes, a_slice_keeps_the_whole)
{
    int released = 0;
    struct xd_bytes *whole, *part, *none;
    cr_assert_eq(xd_bytes_wrap("0123456789", 10, count_release, &released, &whole),
                 XD_OK);
    cr_assert_eq(xd_bytes_slice(whole, 3, 4, &part), XD_OK);
    cr_assert_eq(xd_bytes_slice(whole, 10, 0, &none), XD_OK);
    xd_bytes_unref(whole);
    cr_assert(xd_bytes_is(part, "3456"));
    cr_assert_eq(none->size, 0);
    xd_bytes_unref(part);
    cr_assert_eq(released, 0);
    xd_bytes_unref(none);
    cr_assert_eq(released, 1);
}

Test(bytes, a_failed_slice_shares_nothing)
{
    struct xd_bytes *whole = xdt_text("0123"), *part = NULL;
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_bytes_slice(whole, 0, 1, &part), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(atomic_load(&whole->refs), 1);
    xd_bytes_unref(whole);
}

Test(bytes, nothing_is_accepted_where_bytes_are)
{
    xd_bytes_unref(NULL);
    cr_assert_null(xd_bytes_ref(NULL));
    cr_assert_not(xd_bytes_is(NULL, ""));
}

Test(bytes, equal_means_the_same_content)
{
    struct xd_bytes *a = xdt_text("abc"), *b = xdt_text("abc"), *c = xdt_text("abd"),
                    *d = xdt_text("ab");
    cr_assert(xd_bytes_equal(a, a));
    cr_assert(xd_bytes_equal(a, b));
    cr_assert_not(xd_bytes_equal(a, c));
    cr_assert_not(xd_bytes_equal(a, d));
    cr_assert(xd_bytes_equal(NULL, NULL));
    cr_assert_not(xd_bytes_equal(a, NULL));
    cr_assert_not(xd_bytes_equal(NULL, a));
    cr_assert_not(xd_bytes_is(a, "ab"));
    cr_assert_not(xd_bytes_is(a, "abd"));
    xd_bytes_unref(a);
    xd_bytes_unref(b);
    xd_bytes_unref(c);
    xd_bytes_unref(d);
}
