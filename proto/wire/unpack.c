/* SPDX-License-Identifier: MIT */
/* The frames of a message back to a message; every byte is checked. */
#include <inttypes.h>

#include "wire/arena.h"
#include "wire/codec.h"
#include "wire/reader.h"
#include "wire/unpack_items.h"
#include "wire/unpack_parts.h"

/* ---- the parts of an envelope, and which kind has which ---- */

enum part {
    HELLO = 1 << 0,
    HELLO_OK = 1 << 1,
    READY = 1 << 2,
    TASKS = 1 << 3,
    RESULTS = 1 << 4,
    PROFILE = 1 << 5,
    IDS = 1 << 6,
    LEVEL = 1 << 7,
    EVENT = 1 << 8,
    BUSY = 1 << 9,
    ERROR = 1 << 10,
    CHUNK = 1 << 11,
    CREDIT = 1 << 12,
    ADMIN = 1 << 13,
    STARTED = 1 << 14,
    SETUP = 1 << 15,
    GIVEN = 1 << 16,
};

static const char *const part_names[] = {
    "hello",
    "hello_ok",
    "ready",
    "tasks",
    "results",
    "profile",
    "ids",
    "level",
    "event",
    "busy",
    "error",
    "chunk",
    "credit",
    "admin",
    "started",
    "setup",
    "given",
};

static const struct rule {
    unsigned needs, may;  /* of enum part */
    xd_unpack_part *read; /* NULL: nothing but the envelope */
} rules[] = {
    [XD_KIND_HELLO] = {HELLO, 0, xd_unpack_hello},
    [XD_KIND_HELLO_OK] = {HELLO_OK, 0, xd_unpack_hello_ok},
    [XD_KIND_READY] = {READY, 0, xd_unpack_ready},
    [XD_KIND_SUBMIT] = {TASKS | PROFILE, 0, xd_unpack_tasks},
    [XD_KIND_ACCEPTED] = {0, 0, NULL},
    [XD_KIND_TASK] = {TASKS, 0, xd_unpack_tasks},
    [XD_KIND_STARTED] = {IDS, 0, xd_unpack_ids},
    [XD_KIND_EVENT] = {EVENT, 0, xd_unpack_event},
    [XD_KIND_RESULT] = {RESULTS, STARTED, xd_unpack_results},
    [XD_KIND_ACK] = {0, 0, NULL},
    [XD_KIND_CANCEL] = {IDS | LEVEL, 0, xd_unpack_cancel},
    [XD_KIND_RECALL] = {IDS, 0, xd_unpack_ids},
    [XD_KIND_RECALLED] = {0, IDS, xd_unpack_ids}, /* none: all have begun */
    [XD_KIND_HEARTBEAT] = {0, 0, NULL},
    [XD_KIND_BYE] = {ERROR, 0, xd_unpack_error},
    [XD_KIND_BUSY] = {IDS | BUSY, 0, xd_unpack_busy},
    [XD_KIND_ERROR] = {ERROR, 0, xd_unpack_error},
    [XD_KIND_CHUNK] = {CHUNK, 0, xd_unpack_chunk},
    [XD_KIND_CREDIT] = {CREDIT, 0, xd_unpack_credit},
    [XD_KIND_ADMIN] = {ADMIN, 0, xd_unpack_admin},
    [XD_KIND_SETUP] = {SETUP, 0, xd_unpack_setup},
    [XD_KIND_GIVEN] = {GIVEN, 0, xd_unpack_given},
};

static unsigned parts_of(const Xd__Pb__Envelope *envelope)
{
    return (envelope->hello ? HELLO : 0u) | (envelope->hello_ok ? HELLO_OK : 0u) |
           (envelope->ready ? READY : 0u) | (envelope->n_tasks ? TASKS : 0u) |
           (envelope->n_results ? RESULTS : 0u) | (envelope->profile.len ? PROFILE : 0u) |
           (envelope->n_ids ? IDS : 0u) | (envelope->level ? LEVEL : 0u) |
           (envelope->event ? EVENT : 0u) | (envelope->busy ? BUSY : 0u) |
           (envelope->error ? ERROR : 0u) | (envelope->chunk ? CHUNK : 0u) |
           (envelope->credit ? CREDIT : 0u) | (envelope->admin ? ADMIN : 0u) |
           (envelope->started.len ? STARTED : 0u) | (envelope->setup ? SETUP : 0u) |
           (envelope->given ? GIVEN : 0u);
}

static enum xd_err check_parts(struct xd_reader *reader,
                               const struct rule *rule,
                               uint32_t kind,
                               unsigned parts)
{
    for (unsigned i = 0; i < sizeof part_names / sizeof *part_names; i++) {
        unsigned part = 1u << i;
        if ((rule->needs & part) && !(parts & part)) {
            return xd_reader_fail(reader,
                                  XD_ERR_PROTOCOL,
                                  part_names[i],
                                  "is missing in %s",
                                  xd_kind_name(kind));
        }
        if ((parts & part) && !((rule->needs | rule->may) & part)) {
            return xd_reader_fail(reader,
                                  XD_ERR_PROTOCOL,
                                  part_names[i],
                                  "does not belong in %s",
                                  xd_kind_name(kind));
        }
    }
    return XD_OK;
}

/* ---- the envelope ---- */

static enum xd_err check_version(struct xd_reader *reader, uint64_t version)
{
    if (version == XD_PROTOCOL_VERSION) {
        return XD_OK;
    }
    return xd_reader_fail(reader,
                          XD_ERR_VERSION,
                          "version",
                          "is %" PRIu64 ", this side speaks %u",
                          version,
                          XD_PROTOCOL_VERSION);
}

/* The version where it is written first, as the protocol asks: so that a version to come
 * may change everything behind it and is still told apart from garbage. */
static enum xd_err peek_version(struct xd_reader *reader, const struct xd_bytes *envelope)
{
    if (envelope->size < 2 || envelope->data[0] != 0x08) {
        return XD_OK; /* judged after unpacking */
    }
    uint64_t version = 0;
    for (size_t i = 1; i < envelope->size && i <= 10; i++) {
        uint8_t byte = envelope->data[i];
        version |= (uint64_t)(byte & 0x7f) << (7 * (i - 1));
        if (!(byte & 0x80)) {
            return check_version(reader, version);
        }
    }
    return XD_OK;
}

static enum xd_err read_envelope(struct xd_reader *reader,
                                 const Xd__Pb__Envelope *envelope,
                                 struct xd_msg *msg)
{
    enum xd_err err = check_version(reader, envelope->version);
    if (err) {
        return err;
    }
    if (envelope->kind >= sizeof rules / sizeof *rules || envelope->kind == 0) {
        return xd_reader_fail(reader,
                              XD_ERR_UNSUPPORTED,
                              "kind",
                              "is %" PRIu32 ", which is not known",
                              envelope->kind);
    }
    const struct rule *rule = &rules[envelope->kind];
    err = check_parts(reader, rule, envelope->kind, parts_of(envelope));
    if (err) {
        return err;
    }
    msg->kind = (enum xd_kind)envelope->kind;
    msg->ack = envelope->ack;
    msg->accepted = envelope->accepted;
    if (rule->read) {
        err = rule->read(reader, envelope, msg);
    }
    return err ? err : xd_reader_end(reader);
}

static void *arena_alloc(void *arena, size_t size)
{
    return xd_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory; /* all at once, with the arena */
}

static enum xd_err fail_unpack(struct xd_reader *reader,
                               const struct xd_arena *arena,
                               size_t size)
{
    if (arena->is_over_budget) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              "envelope",
                              "needs more than %zu bytes to unpack",
                              XD_UNPACK_BUDGET_BYTES);
    }
    if (arena->is_out_of_memory) {
        return xd_reader_fail(reader, XD_ERR_NOMEM, "envelope", "finds no memory");
    }
    return xd_reader_fail(reader,
                          XD_ERR_PROTOCOL,
                          "envelope",
                          "of %zu bytes is not a protobuf message of this protocol",
                          size);
}

static enum xd_err unpack_in(struct xd_arena *arena,
                             struct xd_reader *reader,
                             const struct xd_bytes *bytes,
                             struct xd_msg *out)
{
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    struct xd_msg msg = {0};
    Xd__Pb__Envelope *envelope =
        xd__pb__envelope__unpack(&allocator, bytes->size, bytes->data);
    if (!envelope) {
        return fail_unpack(reader, arena, bytes->size);
    }
    enum xd_err err = read_envelope(reader, envelope, &msg);
    if (err) {
        xd_msg_clear(&msg);
    } else {
        *out = msg;
    }
    return err;
}

static enum xd_err check_frames(struct xd_reader *reader,
                                struct xd_bytes *const *frames,
                                size_t count)
{
    if (count == 0) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, NULL, "has no frames");
    }
    if (count > XD_FRAMES_MAX) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              NULL,
                              "has %zu frames, want at most %u",
                              count,
                              XD_FRAMES_MAX);
    }
    if (frames[0]->size > XD_ENVELOPE_MAX_BYTES) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              "envelope",
                              "has %zu bytes, want at most %zu",
                              frames[0]->size,
                              XD_ENVELOPE_MAX_BYTES);
    }
    return peek_version(reader, frames[0]);
}

enum xd_err xd_msg_unpack(struct xd_bytes *const *frames,
                          size_t count,
                          struct xd_msg *out,
                          struct xd_error *error)
{
    struct xd_reader reader;
    xd_reader_init(&reader, count ? frames + 1 : frames, count ? count - 1 : 0, error);
    enum xd_err err = check_frames(&reader, frames, count);
    if (err) {
        return err;
    }
    struct xd_arena arena;
    xd_arena_init(&arena, XD_UNPACK_BUDGET_BYTES);
    err = unpack_in(&arena, &reader, frames[0], out);
    xd_arena_fini(&arena);
    return err;
}
