/* SPDX-License-Identifier: MIT */
/* A broker made of queues: a link whose other side is the test. */
#ifndef XDT_CLIENT_FAKE_H
#define XDT_CLIENT_FAKE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/link.h"
#include "base/list.h"
#include "wire/codec.h"
#include "wire/msg.h"

struct fake {
    struct xd_link link; /* first */
    pthread_mutex_t lock;
    int fds[XD_LANE_COUNT]; /* of each lane; the bulk one is polled once that is open */
    struct xd_list waiting; /* to be received */
    struct xd_list heard;   /* what was sent, unpacked, oldest first */
    bool full[XD_LANE_COUNT], gone, closed;
    unsigned opened[XD_LANE_COUNT];
    uint32_t heartbeat_ms; /* of HELLO_OK; 1000 */
    unsigned waits;
    pthread_t sender; /* of the last message */
    /* Called for each message sent, with the lock free; true: it was dealt with and is
     * not kept. */
    bool (*answer)(struct fake *fake, enum xd_lane lane, struct xd_msg *msg);
    void *context;
};

struct fake *fake_new(void);
void fake_free(struct fake *fake);

/* The broker says this (the message stays the caller's). */
void fake_say(struct fake *fake, enum xd_lane lane, const struct xd_msg *msg);

/* The oldest message that was sent, of whatever lane; false: there is none. Clear it
 * after use. */
bool fake_hear(struct fake *fake, struct xd_msg *out);
/* The same, dropping HEARTBEATs and waiting 5 s at most; fails the program when it is not
 * of this kind. */
void fake_expect(struct fake *fake, enum xd_kind kind, struct xd_msg *out);

/* The connection breaks. */
void fake_break(struct fake *fake);

/* An answer function that says HELLO_OK to HELLO and keeps the rest. */
bool fake_welcome(struct fake *fake, enum xd_lane lane, struct xd_msg *msg);

/* HELLO_OK for session 7 with this budget of tasks. */
void fake_say_hello_ok(struct fake *fake, enum xd_lane lane, uint64_t budget_tasks);
/* RESULT of one task: outcome, one payload frame of `text` (NULL: none). */
void fake_say_result(struct fake *fake,
                     struct xd_task_id id,
                     enum xd_outcome outcome,
                     const char *text);
/* SUBMIT's or RESULT's items answered in a batch, DONE, in one message. */
void fake_say_done(struct fake *fake, const struct xd_task *tasks, size_t count);
/* TASK of one call without payloads. */
void fake_say_task(struct fake *fake,
                   struct xd_task_id id,
                   const char *callee,
                   bool hold);
void fake_say_ids(struct fake *fake,
                  enum xd_kind kind,
                  struct xd_task_id id,
                  uint32_t level);

struct xd_task_id fake_id(unsigned n);

#endif
