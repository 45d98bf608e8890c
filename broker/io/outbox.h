/* SPDX-License-Identifier: MIT */
/* What one session is to be sent: items of one turn gathered into one message, and
 * messages that did not go yet. */
#ifndef XDB_IO_OUTBOX_H
#define XDB_IO_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "core/action.h"
#include "wire/codec.h"
#include "wire/msg.h"

/* A packed message that could not be sent yet. */
struct xdb_parked {
    struct xd_list link;
    size_t count;
    struct xd_bytes *frames[];
};

/* Allocate one that shares the frames. */
enum xd_err xdb_parked_new(struct xd_bytes *const *frames,
                           size_t count,
                           struct xdb_parked **out) XD_MUST_USE;
void xdb_parked_free(struct xdb_parked *parked);
void xdb_parked_free_all(struct xd_list *list);

/* The open batch: items of one kind, in order. */
struct xdb_outbox {
    enum xd_kind kind;       /* TASK, RESULT, BUSY, CANCEL or RECALL; 0: nothing open */
    enum xd_scope scope;     /* BUSY */
    uint32_t retry_after_ms; /* BUSY */
    enum xd_cancel_level level; /* CANCEL */
    struct xd_task *tasks; /* their frames are indices into `frames` until packed; what
                              they are given is their own */
    struct xd_result *results;
    struct xd_task_id *ids;
    size_t count, task_room, result_room, id_room;
    struct xd_frame *frames;
    size_t frame_count, frame_room;
    size_t payload_bytes, envelope_bytes;
    uint64_t accepted, accepted_sent;
    struct xd_list parked; /* struct xdb_parked, oldest first */
};

void xdb_outbox_init(struct xdb_outbox *box);
void xdb_outbox_fini(struct xdb_outbox *box);

/* May this action join the open batch, by kind and by the limits of a message? If not,
 * flush first. */
bool xdb_outbox_fits(const struct xdb_outbox *box, const struct xdb_action *action);

/* Add a SEND_TASK, SEND_RESULT, BUSY, CANCEL or RECALL action, sharing its frames; it
 * must fit (asserted). */
enum xd_err xdb_outbox_add(struct xdb_outbox *box,
                           const struct xdb_action *action) XD_MUST_USE;

/* Pack the open batch into `out` with what rides along. The batch stays open until
 * xdb_outbox_sent(). */
enum xd_err xdb_outbox_pack(struct xdb_outbox *box, struct xd_frames *out) XD_MUST_USE;

/* The open batch has left, is parked or was given back: drop it. */
void xdb_outbox_sent(struct xdb_outbox *box);

#endif
