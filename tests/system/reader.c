/* SPDX-License-Identifier: MIT */
/* A client made by hand. */
#include "reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "wire/limits.h"

void reader_open(struct reader *reader, const struct sys *sys)
{
    memset(reader, 0, sizeof *reader);
    reader->context = zmq_ctx_new();
    reader->raw = raw_open(sys, reader->context, XD_ROLE_CLIENT);
    reader->bulk =
        raw_further(sys, reader->context, &reader->raw, XD_ROLE_CLIENT, ON_BULK);
}

void reader_ask(struct reader *reader, uint8_t number, size_t size)
{
    char text[24];
    struct xd_frame frame = {.role = XD_FRAME_BODY};
    struct xd_task task = {.format = XD_FORMAT_CALL, .frames = &frame, .frame_count = 1};
    struct xd_msg msg = {.kind = XD_KIND_SUBMIT};
    (void)snprintf(text, sizeof text, "%zu", size);
    memset(task.id.bytes, 7, sizeof task.id.bytes);
    task.id.bytes[0] = number;
    cr_assert(xd_bytes_text("big", &task.callee) == XD_OK);
    cr_assert(xd_bytes_text(text, &frame.bytes) == XD_OK);
    cr_assert(xd_bytes_text("default", &msg.tasks.profile) == XD_OK);
    frame.size = frame.bytes->size;
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    raw_send(reader->raw.socket, &msg);
    xd_bytes_unref(task.callee);
    xd_bytes_unref(frame.bytes);
    xd_bytes_unref(msg.tasks.profile);
}

void reader_await(struct reader *reader, size_t size)
{
    struct xd_msg msg;
    do {
        cr_assert(raw_await(reader->raw.socket, &msg)); /* it makes so many bytes */
        if (msg.kind != XD_KIND_RESULT) {
            xd_msg_clear(&msg);
        }
    } while (msg.kind != XD_KIND_RESULT);
    reader->ref = msg.results.results[0].frames[0].ref;
    reader->offset = 0;
    cr_assert_eq(msg.results.results[0].frames[0].size, size);
    xd_msg_clear(&msg);
}

void reader_grant(struct reader *reader, uint32_t chunks)
{
    struct xd_msg msg = {.kind = XD_KIND_CREDIT};
    msg.credit =
        (struct xd_credit){.ref = reader->ref, .chunks = chunks, .done = chunks == 0};
    raw_send(reader->bulk, &msg);
}

void reader_expect_chunk(struct reader *reader)
{
    struct xd_msg msg;
    cr_assert(raw_receive(reader->bulk, &msg));
    cr_assert_eq(msg.kind, XD_KIND_CHUNK, "%s", xd_kind_name(msg.kind));
    cr_assert_eq(msg.chunk.code, XD_OK);
    cr_assert_eq(msg.chunk.offset, reader->offset);
    cr_assert_eq(msg.chunk.bytes->size, XD_CHUNK_BYTES);
    reader->offset += XD_CHUNK_BYTES;
    xd_msg_clear(&msg);
}

void reader_beat(struct reader *reader)
{
    static const struct xd_msg beat = {.kind = XD_KIND_HEARTBEAT};
    raw_send(reader->raw.socket, &beat);
}

void reader_close(struct reader *reader)
{
    zmq_close(reader->raw.socket);
    zmq_close(reader->bulk);
    zmq_ctx_term(reader->context);
}
