/* SPDX-License-Identifier: MIT */
/* The intrusive ring. */
#include <criterion/criterion.h>

#include "base/list.h"

struct item {
    int n;
    struct xd_list link;
};

static struct xd_list head;
static struct item items[3] = {{.n = 1}, {.n = 2}, {.n = 3}};

static void fill(void)
{
    xd_list_init(&head);
    for (size_t i = 0; i < 3; i++) {
        xd_list_push_back(&head, &items[i].link);
    }
}

/* The numbers in order, as the digits of one. */
static int digits(void)
{
    int sum = 0;
    XD_LIST_EACH (link, &head) {
        sum = sum * 10 + XD_ITEM(link, struct item, link)->n;
    }
    return sum;
}

Test(list, a_new_list_is_empty)
{
    xd_list_init(&head);
    cr_assert(xd_list_is_empty(&head));
    cr_assert_eq(digits(), 0);
}

Test(list, items_stay_in_the_order_they_came)
{
    fill();
    cr_assert_eq(digits(), 123);
}

Test(list, pushing_to_the_front_reverses)
{
    xd_list_init(&head);
    for (size_t i = 0; i < 3; i++) {
        xd_list_push_front(&head, &items[i].link);
    }
    cr_assert_eq(digits(), 321);
}

Test(list, an_item_can_be_taken_out_of_the_middle_and_twice)
{
    fill();
    xd_list_remove(&items[1].link);
    cr_assert_eq(digits(), 13);
    xd_list_remove(&items[1].link);
    cr_assert_eq(digits(), 13);
    cr_assert(xd_list_is_empty(&items[1].link));
}

Test(list, the_safe_walk_allows_removing)
{
    fill();
    XD_LIST_EACH_SAFE (link, &head) {
        xd_list_remove(link);
    }
    cr_assert(xd_list_is_empty(&head));
}
