/* SPDX-License-Identifier: MIT */
/* What each kind has of its own, out of an unpacked envelope. */
#include "wire/unpack_parts.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "wire/limits.h"
#include "wire/unpack_items.h"

static enum xd_err read_joining(struct xd_reader *reader,
                                const Xd__Pb__Hello *from,
                                struct xd_hello *to)
{
    to->session.n = from->session;
    if (from->session) {
        return xd_reader_id(reader,
                            "token",
                            from->token.data,
                            from->token.len,
                            to->token.bytes);
    }
    if (from->token.len) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "token",
                              "is set without a session");
    }
    return XD_OK;
}

/* A list of names or texts into counted bytes; `limit` 0: names. */
static enum xd_err read_list(struct xd_reader *reader,
                             const char *field,
                             const ProtobufCBinaryData *from,
                             size_t count,
                             size_t limit,
                             struct xd_bytes **to)
{
    const char *place = reader->list;
    enum xd_err err = XD_OK;
    xd_reader_at(reader, field, XD_NOWHERE);
    for (size_t i = 0; !err && i < count; i++) {
        reader->item = i;
        err = limit ? xd_reader_optional_text(reader,
                                              NULL,
                                              from[i].data,
                                              from[i].len,
                                              limit,
                                              &to[i])
                    : xd_reader_name(reader, NULL, from[i].data, from[i].len, &to[i]);
        if (!err && !to[i]) { /* an empty text is one all the same */
            err = xd_bytes_copy(NULL, 0, &to[i]);
        }
    }
    if (!err) {
        xd_reader_at(reader, place, XD_NOWHERE);
    }
    return err;
}

static enum xd_err make_texts(struct xd_reader *reader,
                              const char *field,
                              size_t count,
                              size_t limit,
                              struct xd_bytes ***out)
{
    if (count > limit) {
        return xd_reader_fail(reader,
                              XD_ERR_TOO_LARGE,
                              field,
                              "has %zu items, want at most %zu",
                              count,
                              limit);
    }
    if (count == 0) {
        return XD_OK;
    }
    struct xd_bytes **list = xd_calloc(count, sizeof(*list));
    if (!list) {
        return xd_reader_fail(reader, XD_ERR_NOMEM, field, "finds no memory");
    }
    *out = list;
    return XD_OK;
}

/* A list of names of its own array. */
static enum xd_err read_names(struct xd_reader *reader,
                              const char *field,
                              const char *path,
                              const ProtobufCBinaryData *from,
                              size_t count,
                              size_t limit,
                              struct xd_bytes ***list,
                              size_t *list_count)
{
    enum xd_err err = make_texts(reader, field, count, limit, list);
    if (err) {
        return err;
    }
    *list_count = count;
    return read_list(reader, path, from, count, 0, *list);
}

static enum xd_err check_version_sizes(struct xd_reader *reader,
                                       const Xd__Pb__Hello *from)
{
    for (size_t i = 0; i < from->n_versions; i++) {
        if (from->versions[i].len > XD_VERSION_MAX_BYTES) {
            return xd_reader_fail(reader,
                                  XD_ERR_TOO_LARGE,
                                  "versions",
                                  "has an item of %zu bytes, want at most %u",
                                  from->versions[i].len,
                                  XD_VERSION_MAX_BYTES);
        }
    }
    return XD_OK;
}

static enum xd_err read_facts(struct xd_reader *reader,
                              const Xd__Pb__Hello *from,
                              struct xd_facts *to)
{
    to->cores = from->cores;
    to->memory_bytes = from->memory_bytes;
    to->agent = from->agent;
    to->slot = from->slot;
    enum xd_err err = xd_reader_optional_name(reader,
                                              "name",
                                              from->name.data,
                                              from->name.len,
                                              &to->name);
    if (!err) {
        err = read_names(reader,
                         "labels",
                         "hello.labels",
                         from->labels,
                         from->n_labels,
                         XD_LABELS_MAX,
                         &to->labels,
                         &to->label_count);
    }
    if (!err) {
        err = check_version_sizes(reader, from);
    }
    return err ? err
               : read_names(reader,
                            "versions",
                            "hello.versions",
                            from->versions,
                            from->n_versions,
                            XD_VERSIONS_MAX,
                            &to->versions,
                            &to->version_count);
}

enum xd_err xd_unpack_hello(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Hello *from = envelope->hello;
    struct xd_hello *to = &msg->hello;
    xd_reader_at(reader, "hello", XD_NOWHERE);
    enum xd_err err =
        xd_reader_number(reader, "role", from->role, XD_ROLE_CLIENT, XD_ROLE_AGENT);
    if (!err) {
        err = xd_reader_number(reader,
                               "max_version",
                               from->max_version,
                               from->min_version,
                               UINT32_MAX);
    }
    if (!err) {
        err = xd_reader_number(reader, "lane", from->lane, 0, XD_LANE_COUNT - 1);
    }
    if (!err) {
        err = read_joining(reader, from, to);
    }
    if (!err) {
        err = xd_reader_optional_name(reader,
                                      "software",
                                      from->software.data,
                                      from->software.len,
                                      &to->software);
    }
    if (!err) {
        err = xd_reader_optional_name(reader,
                                      "host",
                                      from->host.data,
                                      from->host.len,
                                      &to->host);
    }
    if (!err) {
        err = read_facts(reader, from, &to->facts);
    }
    to->role = (enum xd_role)from->role;
    to->min_version = from->min_version;
    to->max_version = from->max_version;
    to->lane = (enum xd_lane)from->lane;
    to->pid = from->pid;
    to->owner.n = from->owner;
    return err;
}

static enum xd_err read_session(struct xd_reader *reader,
                                const Xd__Pb__HelloOk *from,
                                struct xd_hello_ok *to)
{
    enum xd_err err = xd_reader_number(reader, "version", from->version, 1, UINT32_MAX);
    if (!err) {
        err = xd_reader_number(reader, "session", from->session, 1, UINT64_MAX);
    }
    if (!err) {
        err = xd_reader_id(reader,
                           "token",
                           from->token.data,
                           from->token.len,
                           to->token.bytes);
    }
    if (!err) {
        err = xd_reader_number(reader, "heartbeat_ms", from->heartbeat_ms, 1, UINT32_MAX);
    }
    if (!err) {
        err = xd_reader_number(reader,
                               "lost_ms",
                               from->lost_ms,
                               from->heartbeat_ms,
                               UINT32_MAX);
    }
    return err;
}

static enum xd_err read_endpoints(struct xd_reader *reader,
                                  const Xd__Pb__HelloOk *from,
                                  struct xd_hello_ok *to)
{
    enum xd_err err = xd_reader_optional_name(reader,
                                              "worker_endpoint",
                                              from->worker_endpoint.data,
                                              from->worker_endpoint.len,
                                              &to->worker_endpoint);
    if (!err) {
        err = xd_reader_optional_name(reader,
                                      "bulk_endpoint",
                                      from->bulk_endpoint.data,
                                      from->bulk_endpoint.len,
                                      &to->bulk_endpoint);
    }
    if (!err) {
        err = xd_reader_optional_name(reader,
                                      "software",
                                      from->software.data,
                                      from->software.len,
                                      &to->software);
    }
    return err;
}

enum xd_err xd_unpack_hello_ok(struct xd_reader *reader,
                               const Xd__Pb__Envelope *envelope,
                               struct xd_msg *msg)
{
    const Xd__Pb__HelloOk *from = envelope->hello_ok;
    struct xd_hello_ok *to = &msg->hello_ok;
    xd_reader_at(reader, "hello_ok", XD_NOWHERE);
    enum xd_err err = read_session(reader, from, to);
    if (!err) {
        err = read_endpoints(reader, from, to);
    }
    to->version = from->version;
    to->session.n = from->session;
    to->heartbeat_ms = from->heartbeat_ms;
    to->lost_ms = from->lost_ms;
    to->budget_tasks = from->budget_tasks;
    to->budget_bytes = from->budget_bytes;
    return err;
}

static enum xd_err read_handlers(struct xd_reader *reader,
                                 const Xd__Pb__Ready *from,
                                 struct xd_ready *to)
{
    if (from->n_handlers && !(from->formats & 1u << XD_FORMAT_CALL)) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "handlers",
                              "has %zu items, but formats lacks call",
                              from->n_handlers);
    }
    return read_names(reader,
                      "handlers",
                      "ready.handlers",
                      from->handlers,
                      from->n_handlers,
                      XD_HANDLERS_MAX,
                      &to->handlers,
                      &to->handler_count);
}

enum xd_err xd_unpack_ready(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const uint32_t known = 1u << XD_FORMAT_R | 1u << XD_FORMAT_CALL;
    const Xd__Pb__Ready *from = envelope->ready;
    struct xd_ready *to = &msg->ready;
    xd_reader_at(reader, "ready", XD_NOWHERE);
    if (from->formats == 0 || (from->formats & ~known)) {
        return xd_reader_fail(reader,
                              XD_ERR_PROTOCOL,
                              "formats",
                              "is 0x%" PRIx32 ", want some bits of 0x%" PRIx32,
                              from->formats,
                              known);
    }
    enum xd_err err = xd_reader_number(reader, "hold", from->hold, 0, XD_HOLD_MAX);
    if (!err) {
        err = xd_reader_name(reader,
                             "profile",
                             from->profile.data,
                             from->profile.len,
                             &to->profile);
    }
    if (!err) {
        err = xd_reader_needs(reader, "has", from->has.data, from->has.len, &to->has);
    }
    to->formats = from->formats;
    to->hold = from->hold;
    return err ? err : read_handlers(reader, from, to);
}

enum xd_err xd_unpack_cancel(struct xd_reader *reader,
                             const Xd__Pb__Envelope *envelope,
                             struct xd_msg *msg)
{
    enum xd_err err = xd_reader_number(reader,
                                       "level",
                                       envelope->level,
                                       XD_CANCEL_INTERRUPT,
                                       XD_CANCEL_KILL);
    msg->ids.level = (enum xd_cancel_level)envelope->level;
    return err ? err : xd_unpack_ids(reader, envelope, msg);
}

enum xd_err xd_unpack_event(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Event *from = envelope->event;
    struct xd_event *to = &msg->event;
    xd_reader_at(reader, "event", XD_NOWHERE);
    to->part = from->part;
    enum xd_err err =
        xd_reader_id(reader, "id", from->id.data, from->id.len, to->id.bytes);
    if (!err) {
        err = xd_reader_name(reader, "kind", from->kind.data, from->kind.len, &to->kind);
    }
    return err ? err : xd_reader_payload(reader, &to->bytes);
}

enum xd_err xd_unpack_busy(struct xd_reader *reader,
                           const Xd__Pb__Envelope *envelope,
                           struct xd_msg *msg)
{
    const Xd__Pb__Busy *from = envelope->busy;
    xd_reader_at(reader, "busy", XD_NOWHERE);
    enum xd_err err =
        xd_reader_number(reader, "scope", from->scope, XD_SCOPE_CLIENT, XD_SCOPE_BROKER);
    msg->ids.scope = (enum xd_scope)from->scope;
    msg->ids.retry_after_ms = from->retry_after_ms;
    return err ? err : xd_unpack_ids(reader, envelope, msg);
}

/* An orderly BYE has code 0; an ERROR always has one. */
enum xd_err xd_unpack_error(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Error *from = envelope->error;
    xd_reader_at(reader, "error", XD_NOWHERE);
    enum xd_err err = xd_reader_code(reader, "code", from->code, &msg->error.code);
    if (!err && msg->kind == XD_KIND_ERROR && from->code == XD_OK) {
        err = xd_reader_fail(reader, XD_ERR_PROTOCOL, "code", "is missing in ERROR");
    }
    msg->error.kind = from->kind;
    return err ? err
               : xd_reader_optional_text(reader,
                                         "text",
                                         from->text.data,
                                         from->text.len,
                                         XD_TEXT_MAX_BYTES,
                                         &msg->error.text);
}

static enum xd_err read_reference(struct xd_reader *reader,
                                  uint64_t owner,
                                  uint64_t counter,
                                  struct xd_ref *to)
{
    enum xd_err err = xd_reader_number(reader, "owner", owner, 1, UINT64_MAX);
    if (!err) {
        err = xd_reader_number(reader, "counter", counter, 1, UINT64_MAX);
    }
    *to = (struct xd_ref){{owner}, counter};
    return err;
}

/* The bytes of a chunk: some, and inside what an offset can count. */
static enum xd_err read_chunk_bytes(struct xd_reader *reader, struct xd_chunk *to)
{
    enum xd_err err = xd_reader_payload(reader, &to->bytes);
    if (err) {
        return err;
    }
    if (to->bytes->size == 0) {
        return xd_reader_fail(reader, XD_ERR_PROTOCOL, NULL, "has an empty payload");
    }
    return xd_reader_number(reader,
                            "offset",
                            to->offset,
                            0,
                            (uint64_t)INT64_MAX - to->bytes->size);
}

enum xd_err xd_unpack_chunk(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Chunk *from = envelope->chunk;
    struct xd_chunk *to = &msg->chunk;
    xd_reader_at(reader, "chunk", XD_NOWHERE);
    to->reader.n = from->reader;
    to->offset = from->offset;
    enum xd_err err = read_reference(reader, from->owner, from->counter, &to->ref);
    if (!err) {
        err = xd_reader_code(reader, "code", from->code, &to->code);
    }
    return err || to->code ? err : read_chunk_bytes(reader, to);
}

enum xd_err xd_unpack_credit(struct xd_reader *reader,
                             const Xd__Pb__Envelope *envelope,
                             struct xd_msg *msg)
{
    const Xd__Pb__Credit *from = envelope->credit;
    struct xd_credit *to = &msg->credit;
    xd_reader_at(reader, "credit", XD_NOWHERE);
    to->reader.n = from->reader;
    to->chunks = from->chunks;
    to->done = from->done;
    enum xd_err err = read_reference(reader, from->owner, from->counter, &to->ref);
    return err ? err
               : xd_reader_number(reader,
                                  "chunks",
                                  from->chunks,
                                  from->done ? 0 : 1,
                                  XD_CHUNK_WINDOW);
}

static enum xd_err read_answer(struct xd_reader *reader,
                               const Xd__Pb__Admin *from,
                               struct xd_admin *to)
{
    if (!from->answer) {
        return xd_reader_number(reader, "code", from->code, 0, 0);
    }
    to->answer = true;
    enum xd_err err = xd_reader_code(reader, "code", from->code, &to->code);
    return err ? err : xd_reader_payload(reader, &to->text);
}

enum xd_err xd_unpack_admin(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg)
{
    const Xd__Pb__Admin *from = envelope->admin;
    struct xd_admin *to = &msg->admin;
    xd_reader_at(reader, "admin", XD_NOWHERE);
    to->ticket = from->ticket;
    enum xd_err err =
        xd_reader_name(reader, "verb", from->verb.data, from->verb.len, &to->verb);
    if (!err) {
        err = make_texts(reader, "args", from->n_args, XD_TASKS_MAX, &to->args);
    }
    if (!err) {
        to->arg_count = from->n_args;
        err = read_list(reader,
                        "admin.args",
                        from->args,
                        from->n_args,
                        XD_TEXT_MAX_BYTES,
                        to->args);
    }
    return err ? err : read_answer(reader, from, to);
}
