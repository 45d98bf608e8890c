/* SPDX-License-Identifier: MIT */
/* A message to its frames. */
#include "wire/codec.h"
#include "wire/pack_items.h"

void xd_frames_clear(struct xd_frames *frames)
{
    if (!frames) {
        return;
    }
    for (size_t i = 0; i < frames->count; i++) {
        xd_bytes_unref(frames->items[i]);
    }
    frames->count = 0;
}

static enum xd_err put_texts(struct xd_packer *packer,
                             struct xd_bytes *const *texts,
                             size_t count,
                             size_t limit,
                             ProtobufCBinaryData **out)
{
    ProtobufCBinaryData *list = xd_arena_alloc(&packer->arena, count * sizeof *list);
    if (!list) {
        return XD_ERR_NOMEM;
    }
    enum xd_err err = XD_OK;
    for (size_t i = 0; !err && i < count; i++) {
        list[i] = xd_pack_view(NULL, 0);
        err = xd_pack_text(texts[i], limit, &list[i]);
    }
    if (!err) {
        *out = list;
    }
    return err;
}

/* Memory for the kind's own message, with protobuf-c's empty one in it. */
#define MAKE(packer, field, init)                                                        \
    do {                                                                                 \
        (field) = xd_arena_alloc(&(packer)->arena, sizeof *(field));                     \
        if (!(field)) {                                                                  \
            return XD_ERR_NOMEM;                                                         \
        }                                                                                \
        init(field);                                                                     \
    } while (0)

static enum xd_err put_facts(struct xd_packer *packer,
                             const struct xd_facts *facts,
                             Xd__Pb__Hello *to)
{
    if (facts->label_count > XD_LABELS_MAX || facts->version_count > XD_VERSIONS_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    to->cores = facts->cores;
    to->memory_bytes = facts->memory_bytes;
    to->agent = facts->agent;
    to->slot = facts->slot;
    to->n_labels = facts->label_count;
    to->n_versions = facts->version_count;
    enum xd_err err = xd_pack_name(facts->name, &to->name);
    if (!err) {
        err = put_texts(packer,
                        facts->labels,
                        facts->label_count,
                        XD_NAME_MAX_BYTES,
                        &to->labels);
    }
    return err ? err
               : put_texts(packer,
                           facts->versions,
                           facts->version_count,
                           XD_VERSION_MAX_BYTES,
                           &to->versions);
}

static enum xd_err put_hello(struct xd_packer *packer,
                             const struct xd_hello *hello,
                             Xd__Pb__Envelope *out)
{
    MAKE(packer, out->hello, xd__pb__hello__init);
    Xd__Pb__Hello *to = out->hello;
    to->role = hello->role;
    to->min_version = hello->min_version;
    to->max_version = hello->max_version;
    to->session = hello->session.n;
    if (hello->session.n) {
        to->token = xd_pack_view(hello->token.bytes, sizeof hello->token.bytes);
    }
    to->lane = hello->lane;
    to->pid = hello->pid;
    to->owner = hello->owner.n;
    enum xd_err err = xd_pack_name(hello->software, &to->software);
    if (!err) {
        err = xd_pack_name(hello->host, &to->host);
    }
    return err ? err : put_facts(packer, &hello->facts, to);
}

static enum xd_err put_hello_ok(struct xd_packer *packer,
                                const struct xd_hello_ok *ok,
                                Xd__Pb__Envelope *out)
{
    MAKE(packer, out->hello_ok, xd__pb__hello_ok__init);
    Xd__Pb__HelloOk *to = out->hello_ok;
    to->version = ok->version;
    to->session = ok->session.n;
    to->token = xd_pack_view(ok->token.bytes, sizeof ok->token.bytes);
    to->heartbeat_ms = ok->heartbeat_ms;
    to->lost_ms = ok->lost_ms;
    to->budget_tasks = ok->budget_tasks;
    to->budget_bytes = ok->budget_bytes;
    enum xd_err err = xd_pack_name(ok->worker_endpoint, &to->worker_endpoint);
    if (!err) {
        err = xd_pack_name(ok->bulk_endpoint, &to->bulk_endpoint);
    }
    return err ? err : xd_pack_name(ok->software, &to->software);
}

static enum xd_err put_ready(struct xd_packer *packer,
                             const struct xd_ready *ready,
                             Xd__Pb__Envelope *out)
{
    if (!ready->profile) {
        return XD_ERR_INVALID;
    }
    if (ready->handler_count > XD_HANDLERS_MAX || ready->hold > XD_HOLD_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    MAKE(packer, out->ready, xd__pb__ready__init);
    out->ready->formats = ready->formats;
    out->ready->hold = ready->hold;
    out->ready->n_handlers = ready->handler_count;
    enum xd_err err = xd_pack_name(ready->profile, &out->ready->profile);
    if (!err) {
        err = xd_pack_name(ready->has, &out->ready->has);
    }
    return err ? err
               : put_texts(packer,
                           ready->handlers,
                           ready->handler_count,
                           XD_NAME_MAX_BYTES,
                           &out->ready->handlers);
}

static enum xd_err put_event(struct xd_packer *packer,
                             const struct xd_event *event,
                             Xd__Pb__Envelope *out)
{
    if (!event->kind) {
        return XD_ERR_INVALID;
    }
    MAKE(packer, out->event, xd__pb__event__init);
    out->event->id = xd_pack_view(event->id.bytes, sizeof event->id.bytes);
    out->event->part = event->part;
    enum xd_err err = xd_pack_name(event->kind, &out->event->kind);
    return err ? err : xd_pack_payload(packer, event->bytes);
}

static enum xd_err put_busy(struct xd_packer *packer,
                            const struct xd_msg *msg,
                            Xd__Pb__Envelope *out)
{
    MAKE(packer, out->busy, xd__pb__busy__init);
    out->busy->scope = msg->ids.scope;
    out->busy->retry_after_ms = msg->ids.retry_after_ms;
    return xd_pack_ids(packer, msg, out);
}

static enum xd_err put_error(struct xd_packer *packer,
                             const struct xd_msg *msg,
                             Xd__Pb__Envelope *out)
{
    MAKE(packer, out->error, xd__pb__error__init);
    out->error->code = msg->error.code;
    out->error->kind = msg->error.kind;
    return xd_pack_text(msg->error.text, XD_TEXT_MAX_BYTES, &out->error->text);
}

static enum xd_err put_chunk(struct xd_packer *packer,
                             const struct xd_chunk *chunk,
                             Xd__Pb__Envelope *out)
{
    MAKE(packer, out->chunk, xd__pb__chunk__init);
    out->chunk->owner = chunk->ref.owner.n;
    out->chunk->counter = chunk->ref.counter;
    out->chunk->offset = chunk->offset;
    out->chunk->code = chunk->code;
    out->chunk->reader = chunk->reader.n;
    return chunk->code ? XD_OK : xd_pack_payload(packer, chunk->bytes);
}

static enum xd_err put_credit(struct xd_packer *packer,
                              const struct xd_credit *credit,
                              Xd__Pb__Envelope *out)
{
    if (credit->chunks > XD_CHUNK_WINDOW) {
        return XD_ERR_TOO_LARGE;
    }
    MAKE(packer, out->credit, xd__pb__credit__init);
    out->credit->owner = credit->ref.owner.n;
    out->credit->counter = credit->ref.counter;
    out->credit->chunks = credit->chunks;
    out->credit->done = credit->done;
    out->credit->reader = credit->reader.n;
    return XD_OK;
}

static enum xd_err put_admin(struct xd_packer *packer,
                             const struct xd_admin *admin,
                             Xd__Pb__Envelope *out)
{
    if (!admin->verb) {
        return XD_ERR_INVALID;
    }
    if (admin->arg_count > XD_TASKS_MAX) {
        return XD_ERR_TOO_LARGE;
    }
    MAKE(packer, out->admin, xd__pb__admin__init);
    Xd__Pb__Admin *to = out->admin;
    to->ticket = admin->ticket;
    to->answer = admin->answer;
    to->code = admin->code;
    to->n_args = admin->arg_count;
    enum xd_err err = xd_pack_name(admin->verb, &to->verb);
    if (!err) {
        err = put_texts(packer,
                        admin->args,
                        admin->arg_count,
                        XD_TEXT_MAX_BYTES,
                        &to->args);
    }
    return err || !admin->answer ? err : xd_pack_payload(packer, admin->text);
}

static enum xd_err put_content(struct xd_packer *packer,
                               const struct xd_msg *msg,
                               Xd__Pb__Envelope *out)
{
    switch (msg->kind) {
    case XD_KIND_HELLO:
        return put_hello(packer, &msg->hello, out);
    case XD_KIND_HELLO_OK:
        return put_hello_ok(packer, &msg->hello_ok, out);
    case XD_KIND_READY:
        return put_ready(packer, &msg->ready, out);
    case XD_KIND_SUBMIT:
    case XD_KIND_TASK:
        return xd_pack_tasks(packer, msg, out);
    case XD_KIND_RESULT:
        return xd_pack_results(packer, msg, out);
    case XD_KIND_CANCEL:
        out->level = msg->ids.level;
        return xd_pack_ids(packer, msg, out);
    case XD_KIND_STARTED:
    case XD_KIND_RECALL:
    case XD_KIND_RECALLED:
        return xd_pack_ids(packer, msg, out);
    case XD_KIND_BUSY:
        return put_busy(packer, msg, out);
    case XD_KIND_EVENT:
        return put_event(packer, &msg->event, out);
    case XD_KIND_ERROR:
    case XD_KIND_BYE:
        return put_error(packer, msg, out);
    case XD_KIND_CHUNK:
        return put_chunk(packer, &msg->chunk, out);
    case XD_KIND_CREDIT:
        return put_credit(packer, &msg->credit, out);
    case XD_KIND_ADMIN:
        return put_admin(packer, &msg->admin, out);
    case XD_KIND_SETUP:
        return xd_pack_setup(packer, msg, out);
    case XD_KIND_GIVEN:
        return xd_pack_given(packer, msg, out);
    case XD_KIND_ACCEPTED:
    case XD_KIND_ACK:
    case XD_KIND_HEARTBEAT:
        return XD_OK;
    }
    return XD_ERR_INVALID;
}

static enum xd_err write_envelope(const Xd__Pb__Envelope *envelope, struct xd_bytes **out)
{
    size_t size = protobuf_c_message_get_packed_size(&envelope->base);
    if (size > XD_ENVELOPE_MAX_BYTES) {
        return XD_ERR_TOO_LARGE;
    }
    uint8_t *room;
    enum xd_err err = xd_bytes_room(size, &room, out);
    if (!err) {
        protobuf_c_message_pack(&envelope->base, room);
    }
    return err;
}

enum xd_err xd_msg_pack(const struct xd_msg *msg, struct xd_frames *out)
{
    struct xd_packer packer; /* not zeroed: most of it is the arena */
    packer.out = out;
    packer.descriptors = packer.payload_bytes = 0;
    xd_arena_init(&packer.arena, SIZE_MAX);
    Xd__Pb__Envelope envelope = XD__PB__ENVELOPE__INIT;
    envelope.version = XD_PROTOCOL_VERSION;
    envelope.kind = msg->kind;
    envelope.ack = msg->ack;
    envelope.accepted = msg->accepted;
    out->items[0] = NULL;
    out->count = 1;
    enum xd_err err = put_content(&packer, msg, &envelope);
    if (!err) {
        err = write_envelope(&envelope, &out->items[0]);
    }
    xd_arena_fini(&packer.arena);
    if (err) {
        xd_frames_clear(out);
    }
    return err;
}
