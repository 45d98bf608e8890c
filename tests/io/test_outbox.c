/* SPDX-License-Identifier: MIT */
/* Actions gathered into messages up to the limits of a message, in order. */
#include <criterion/criterion.h>
#include <string.h>

#include "io/outbox.h"
#include "wire/codec.h"
#include "wire/limits.h"

static struct xdb_outbox box;

static void begin(void)
{
    xdb_outbox_init(&box);
}

static void end(void)
{
    xdb_outbox_fini(&box);
}

TestSuite(outbox, .init = begin, .fini = end);

/* A result with one frame of `size` bytes; the frame's bytes are shared by all. */
struct sample {
    struct xd_frame frame;
    struct xd_result result;
    struct xdb_action action;
};

static void make_sample(struct sample *sample, size_t size)
{
    uint8_t *room;
    memset(sample, 0, sizeof *sample);
    cr_assert(xd_bytes_room(size, &room, &sample->frame.bytes) == XD_OK);
    memset(room, 1, size);
    sample->frame.role = XD_FRAME_BODY;
    sample->frame.size = size;
    sample->result.outcome = XD_OUTCOME_DONE;
    sample->result.frames = &sample->frame;
    sample->result.frame_count = 1;
    sample->action.kind = XDB_ACTION_SEND_RESULT;
    sample->action.result = &sample->result;
}

static size_t fill(struct sample *sample)
{
    size_t count = 0;
    while (xdb_outbox_fits(&box, &sample->action)) {
        sample->result.id.bytes[0] = (uint8_t)count;
        cr_assert(xdb_outbox_add(&box, &sample->action) == XD_OK);
        count++;
    }
    return count;
}

/* What the open batch is on the wire, read back. */
static void read_back(struct xd_msg *msg)
{
    struct xd_frames frames;
    struct xd_error why = {""};
    frames.count = 0;
    cr_assert(xdb_outbox_pack(&box, &frames) == XD_OK);
    memset(msg, 0, sizeof *msg);
    cr_assert(xd_msg_unpack(frames.items, frames.count, msg, &why) == XD_OK,
              "%s",
              why.text);
    xd_frames_clear(&frames);
}

Test(outbox, a_message_takes_256_small_results_in_order)
{
    struct sample sample;
    struct xd_msg msg;
    make_sample(&sample, 10);
    cr_assert(fill(&sample) == XD_TASKS_MAX);
    read_back(&msg);
    cr_assert(msg.kind == XD_KIND_RESULT && msg.results.count == XD_TASKS_MAX);
    for (size_t i = 0; i < msg.results.count; i++) {
        cr_assert(msg.results.results[i].id.bytes[0] == (uint8_t)i);
    }
    xd_msg_clear(&msg);
    xd_bytes_unref(sample.frame.bytes);
}

Test(outbox, a_message_takes_one_mebibyte_of_payload)
{
    struct sample sample;
    struct xd_msg msg;
    make_sample(&sample, XD_MESSAGE_MAX_BYTES / 4);
    cr_assert(fill(&sample) == 4);
    read_back(&msg);
    cr_assert(msg.results.count == 4);
    xd_msg_clear(&msg);
    xd_bytes_unref(sample.frame.bytes);
}

Test(outbox, another_kind_or_level_does_not_join)
{
    struct sample sample;
    struct xdb_action interrupt = {.kind = XDB_ACTION_CANCEL};
    struct xdb_action kill = {.kind = XDB_ACTION_CANCEL};
    make_sample(&sample, 1);
    interrupt.cancel.level = XD_CANCEL_INTERRUPT;
    kill.cancel.level = XD_CANCEL_KILL;
    cr_assert(xdb_outbox_add(&box, &interrupt) == XD_OK);
    cr_assert(xdb_outbox_fits(&box, &interrupt));
    cr_assert_not(xdb_outbox_fits(&box, &kill));
    cr_assert_not(xdb_outbox_fits(&box, &sample.action));
    xd_bytes_unref(sample.frame.bytes);
}

Test(outbox, results_without_frames_stand_beside_those_with)
{
    struct sample sample;
    struct xd_msg msg;
    make_sample(&sample, 5);
    cr_assert(xdb_outbox_add(&box, &sample.action) == XD_OK);
    sample.result.frame_count = 0;
    cr_assert(xdb_outbox_add(&box, &sample.action) == XD_OK);
    sample.result.frame_count = 1;
    cr_assert(xdb_outbox_add(&box, &sample.action) == XD_OK);
    read_back(&msg);
    cr_assert(msg.results.count == 3 && msg.results.results[1].frame_count == 0);
    cr_assert(msg.results.results[2].frames[0].size == 5);
    xd_msg_clear(&msg);
    xd_bytes_unref(sample.frame.bytes);
}

Test(outbox, the_count_of_accepted_tasks_rides_along_once)
{
    struct sample sample;
    struct xd_msg msg;
    make_sample(&sample, 1);
    box.accepted = 7;
    cr_assert(xdb_outbox_add(&box, &sample.action) == XD_OK);
    read_back(&msg);
    cr_assert(msg.accepted == 7);
    xd_msg_clear(&msg);
    xdb_outbox_sent(&box);
    cr_assert(xdb_outbox_add(&box, &sample.action) == XD_OK);
    read_back(&msg);
    cr_assert(msg.accepted == 0);
    xd_msg_clear(&msg);
    xd_bytes_unref(sample.frame.bytes);
}

Test(outbox, what_was_sent_gives_its_references_back)
{
    struct sample sample;
    make_sample(&sample, 100);
    (void)fill(&sample);
    cr_assert(sample.frame.bytes->refs > 1);
    xdb_outbox_sent(&box);
    cr_assert(sample.frame.bytes->refs == 1);
    cr_assert(box.kind == 0 && box.count == 0);
    xd_bytes_unref(sample.frame.bytes);
}
