/* SPDX-License-Identifier: MIT */
/* A task's options and what it was given, out of an unpacked envelope. */
#include <inttypes.h>

#include "base/alloc.h"
#include "wire/unpack_items.h"

static enum xd_err check_numbers(struct xd_reader *reader, const Xd__Pb__Options *from)
{
    const struct {
        const char *field;
        uint64_t value, most;
    } numbers[] = {{"options.priority", from->priority, XD_PRIORITY_BATCH},
                   {"options.retries_failed", from->retries_failed, XD_RETRIES_MAX},
                   {"options.retries_lost", from->retries_lost, XD_RETRIES_MAX}};
    enum xd_err err = XD_OK;
    for (size_t i = 0; !err && i < sizeof numbers / sizeof numbers[0]; i++) {
        err = xd_reader_number(reader,
                               numbers[i].field,
                               numbers[i].value,
                               0,
                               numbers[i].most);
    }
    if (!err && (from->rank < INT16_MIN || from->rank > INT16_MAX)) {
        err = xd_reader_fail(reader,
                             XD_ERR_PROTOCOL,
                             "options.rank",
                             "is %" PRId32 ", want %d to %d",
                             from->rank,
                             INT16_MIN,
                             INT16_MAX);
    }
    if (!err && from->deadline_ms > 0 && from->deadline_ms <= from->delay_ms) {
        err = xd_reader_fail(reader,
                             XD_ERR_PROTOCOL,
                             "options.deadline_ms",
                             "is %" PRIu64 ", not after delay_ms %" PRIu64,
                             from->deadline_ms,
                             from->delay_ms);
    }
    return err;
}

static enum xd_err read_names(struct xd_reader *reader,
                              const Xd__Pb__Options *from,
                              struct xd_task_options *to)
{
    const struct {
        const char *field;
        const ProtobufCBinaryData *from;
        struct xd_bytes **to;
    } names[] = {{"options.task_class", &from->task_class, &to->kind},
                 {"options.replaces", &from->replaces, &to->replaces},
                 {"options.dedupe", &from->dedupe, &to->dedupe}};
    enum xd_err err = XD_OK;
    for (size_t i = 0; !err && i < sizeof names / sizeof names[0]; i++) {
        err = xd_reader_optional_name(reader,
                                      names[i].field,
                                      names[i].from->data,
                                      names[i].from->len,
                                      names[i].to);
    }
    return err ? err
               : xd_reader_needs(reader,
                                 "options.needs",
                                 from->needs.data,
                                 from->needs.len,
                                 &to->needs);
}

static enum xd_err check_count(struct xd_reader *reader, const char *field, size_t count)
{
    return count <= XD_AFTER_MAX ? XD_OK
                                 : xd_reader_fail(reader,
                                                  XD_ERR_TOO_LARGE,
                                                  field,
                                                  "has %zu items, want at most %u",
                                                  count,
                                                  XD_AFTER_MAX);
}

static enum xd_err read_after(struct xd_reader *reader,
                              const Xd__Pb__Options *from,
                              struct xd_task_options *to)
{
    size_t count = from->n_after;
    enum xd_err err = check_count(reader, "options.after", count);
    if (err || count == 0) {
        return err;
    }
    to->after = xd_calloc(count, sizeof *to->after);
    if (!to->after) {
        return xd_reader_fail(reader, XD_ERR_NOMEM, "options.after", "finds no memory");
    }
    to->after_count = (uint32_t)count;
    for (size_t i = 0; !err && i < count; i++) {
        err = xd_reader_id(reader,
                           "options.after",
                           from->after[i].data,
                           from->after[i].len,
                           to->after[i].bytes);
    }
    return err;
}

static enum xd_err read_options(struct xd_reader *reader,
                                const Xd__Pb__Options *from,
                                struct xd_task_options *to)
{
    enum xd_err err = check_numbers(reader, from);
    if (!err) {
        err = read_names(reader, from, to);
    }
    if (err) {
        return err;
    }
    to->priority = (uint8_t)from->priority;
    to->rank = (int16_t)from->rank;
    to->estimate_us = from->estimate_us;
    to->delay_ms = from->delay_ms;
    to->deadline_ms = from->deadline_ms;
    to->limit_ms = from->limit_ms;
    to->retries_failed = (uint16_t)from->retries_failed;
    to->retries_lost = (uint16_t)from->retries_lost;
    to->backoff_ms = from->backoff_ms;
    to->worker.n = from->worker;
    return read_after(reader, from, to);
}

/* Their frames have come in messages of their own. */
static enum xd_err read_given(struct xd_reader *reader,
                              const Xd__Pb__Task *from,
                              struct xd_task *to)
{
    enum xd_err err = check_count(reader, "given", from->n_given);
    if (err || from->n_given == 0) {
        return err;
    }
    to->given = xd_calloc(from->n_given, sizeof *to->given);
    if (!to->given) {
        return xd_reader_fail(reader, XD_ERR_NOMEM, "given", "finds no memory");
    }
    to->given_count = from->n_given;
    for (size_t i = 0; !err && i < from->n_given; i++) {
        to->given[i] = (struct xd_given){.frames = NULL};
        err = xd_reader_id(reader,
                           "given",
                           from->given[i].data,
                           from->given[i].len,
                           to->given[i].id.bytes);
    }
    return err;
}

enum xd_err xd_unpack_options(struct xd_reader *reader,
                              const Xd__Pb__Task *from,
                              struct xd_task *to)
{
    enum xd_err err =
        from->options ? read_options(reader, from->options, &to->options) : XD_OK;
    return err ? err : read_given(reader, from, to);
}
