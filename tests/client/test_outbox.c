/* SPDX-License-Identifier: MIT */
/* Batches within the limits, and single messages in order. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "outbox.h"
#include "wire/limits.h"

Test(room, takes_items_up_to_the_count)
{
    struct xd_room room = {0};
    for (unsigned i = 0; i < XD_TASKS_MAX; i++) {
        cr_assert(xd_room_take(&room, 50, 1, 10));
    }
    cr_assert_not(xd_room_take(&room, 50, 1, 10));
    cr_assert_eq(room.items, XD_TASKS_MAX);
}

Test(room, takes_payloads_up_to_a_message)
{
    struct xd_room room = {0};
    cr_assert(xd_room_take(&room, 50, 1, XD_MESSAGE_MAX_BYTES - 10));
    cr_assert_not(xd_room_take(&room, 50, 1, 11));
    cr_assert(xd_room_take(&room, 50, 1, 10));
}

Test(room, takes_frames_up_to_a_message)
{
    struct xd_room room = {0};
    cr_assert(xd_room_take(&room, 50, 900, 0));
    cr_assert_not(xd_room_take(&room, 50, 101, 0));
    cr_assert(xd_room_take(&room, 50, 100, 0));
}

Test(room, takes_descriptions_up_to_an_envelope)
{
    struct xd_room room = {0};
    cr_assert(xd_room_take(&room, XD_ENVELOPE_MAX_BYTES / 2, 1, 0));
    cr_assert_not(xd_room_take(&room, XD_ENVELOPE_MAX_BYTES / 2, 1, 0));
    cr_assert_not(xd_room_is_possible(XD_ENVELOPE_MAX_BYTES, 1));
    cr_assert_not(xd_room_is_possible(100, 1001));
    cr_assert(xd_room_is_possible(100, 1000));
}

static void put(struct xd_outbox *outbox, uint64_t ticket)
{
    struct xd_msg msg = {.kind = XD_KIND_ADMIN, .admin = {.ticket = ticket}};
    cr_assert_eq(xd_outbox_put(outbox, &msg, 3), XD_OK);
    cr_assert_eq(msg.kind, 0);
}

Test(outbox, gives_messages_in_order)
{
    struct xd_outbox outbox;
    xd_outbox_init(&outbox);
    put(&outbox, 1);
    put(&outbox, 2);
    cr_assert_eq(outbox.bytes, 6);
    cr_assert_eq(xd_outbox_first(&outbox)->msg.admin.ticket, 1);
    xd_outbox_drop(&outbox, xd_outbox_first(&outbox));
    cr_assert_eq(xd_outbox_first(&outbox)->msg.admin.ticket, 2);
    xd_outbox_fini(&outbox);
    cr_assert_eq(outbox.count, 0);
    cr_assert_eq(outbox.bytes, 0);
}

Test(outbox, takes_nothing_without_memory)
{
    struct xd_outbox outbox;
    xd_outbox_init(&outbox);
    struct xd_msg msg = {.kind = XD_KIND_ADMIN};
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_outbox_put(&outbox, &msg, 3), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(msg.kind, XD_KIND_ADMIN);
    cr_assert_eq(outbox.count, 0);
}
