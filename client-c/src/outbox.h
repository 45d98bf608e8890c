/* SPDX-License-Identifier: MIT */
/* What waits to be sent: room in one message for a batch, and single messages in order.
 * Pure. */
#ifndef XD_CLIENT_OUTBOX_H
#define XD_CLIENT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "wire/msg.h"

/* How much one message of tasks or results holds so far. */
struct xd_room {
    size_t items, frames, bytes, envelope;
};

/* Room for one more item with `frames` payload frames of `bytes` here, described by
 * `envelope` bytes? Then it is counted. The first item of a message always fits: what is
 * too large alone is refused before. */
bool xd_room_take(struct xd_room *room, size_t envelope, size_t frames, size_t bytes);

/* Would an item of this size fit into a message of its own? */
bool xd_room_is_possible(size_t envelope, size_t frames);

/* Single messages for the control lane, oldest first. */
struct xd_letter {
    struct xd_list link;
    struct xd_msg msg; /* owned: cleared with the letter */
    size_t bytes;
};

struct xd_outbox {
    struct xd_list letters;
    size_t count, bytes;
};

void xd_outbox_init(struct xd_outbox *outbox);
void xd_outbox_fini(struct xd_outbox *outbox);

/* Takes the contents of `msg` (zeroed). On failure nothing is taken. Errors:
 * XD_ERR_NOMEM. */
enum xd_err xd_outbox_put(struct xd_outbox *outbox,
                          struct xd_msg *msg,
                          size_t bytes) XD_MUST_USE;

/* The oldest, or NULL; and drop it once it was sent. */
struct xd_letter *xd_outbox_first(const struct xd_outbox *outbox);
void xd_outbox_drop(struct xd_outbox *outbox, struct xd_letter *letter);

#endif
