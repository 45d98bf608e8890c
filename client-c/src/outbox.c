/* SPDX-License-Identifier: MIT */
/* Batches up to the limits of a message, and the queue of single messages. */
#include "outbox.h"

#include "base/alloc.h"
#include "wire/limits.h"

/* Of the envelope, what the message itself takes: version, kind, counts, profile. */
#define ENVELOPE_HEAD 512u
#define BATCH_FRAMES 1000u

bool xd_room_take(struct xd_room *room, size_t envelope, size_t frames, size_t bytes)
{
    if (room->items > 0 &&
        (room->items == XD_TASKS_MAX || room->frames + frames > BATCH_FRAMES ||
         room->bytes + bytes > XD_MESSAGE_MAX_BYTES ||
         room->envelope + envelope > XD_ENVELOPE_MAX_BYTES - ENVELOPE_HEAD)) {
        return false;
    }
    room->items++;
    room->frames += frames;
    room->bytes += bytes;
    room->envelope += envelope;
    return true;
}

bool xd_room_is_possible(size_t envelope, size_t frames)
{
    return frames <= BATCH_FRAMES && envelope <= XD_ENVELOPE_MAX_BYTES - ENVELOPE_HEAD;
}

void xd_outbox_init(struct xd_outbox *outbox)
{
    *outbox = (struct xd_outbox){0};
    xd_list_init(&outbox->letters);
}

void xd_outbox_fini(struct xd_outbox *outbox)
{
    while (xd_outbox_first(outbox) != NULL) {
        xd_outbox_drop(outbox, xd_outbox_first(outbox));
    }
}

enum xd_err xd_outbox_put(struct xd_outbox *outbox, struct xd_msg *msg, size_t bytes)
{
    struct xd_letter *letter = xd_alloc(sizeof *letter);
    if (letter == NULL) {
        return XD_ERR_NOMEM;
    }
    letter->msg = *msg;
    letter->bytes = bytes;
    *msg = (struct xd_msg){0};
    xd_list_push_back(&outbox->letters, &letter->link);
    outbox->count++;
    outbox->bytes += bytes;
    return XD_OK;
}

struct xd_letter *xd_outbox_first(const struct xd_outbox *outbox)
{
    return xd_list_is_empty(&outbox->letters)
               ? NULL
               : XD_ITEM(outbox->letters.next, struct xd_letter, link);
}

void xd_outbox_drop(struct xd_outbox *outbox, struct xd_letter *letter)
{
    xd_list_remove(&letter->link);
    outbox->count--;
    outbox->bytes -= letter->bytes;
    xd_msg_clear(&letter->msg);
    xd_free(letter);
}
