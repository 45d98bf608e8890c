/* SPDX-License-Identifier: MIT */
/* Setups from their making to the word that they are not needed any more. */
#include "base/alloc.h"
#include "client_core.h"
#include "payload.h"
#include "wire/limits.h"

static enum xd_err check(const struct xd_client_core *core,
                         const struct xd_payload *payloads,
                         size_t count,
                         struct xd_error *error)
{
    size_t bytes = 0;
    if (count == 0) {
        return xd_fail(error, XD_ERR_INVALID, "a setup without payloads");
    }
    if (count > XD_PAYLOADS_MAX) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu payloads, %u are allowed",
                       count,
                       XD_PAYLOADS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        struct xd_payload payload = payloads[i];
        payload.role = XD_FRAME_BODY;
        enum xd_err err = xd_payload_check(&payload, error);
        if (err != XD_OK) {
            return err;
        }
        bytes += payload.bytes->size;
    }
    if (bytes > XD_SETUP_MAX_BYTES) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "a setup of %zu bytes, %zu are allowed",
                       bytes,
                       XD_SETUP_MAX_BYTES);
    }
    if (core->setup_count >= XD_SETUPS_MAX) {
        return xd_fail(error,
                       XD_ERR_BUSY,
                       "%zu setups are alive, %u are allowed",
                       core->setup_count,
                       XD_SETUPS_MAX);
    }
    return XD_OK;
}

static enum xd_err fill(struct xd_client_core *core,
                        struct xd_setup *setup,
                        const struct xd_payload *payloads,
                        size_t count)
{
    setup->frames = xd_calloc(count, sizeof *setup->frames);
    if (setup->frames == NULL) {
        return XD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct xd_frame *frame = &setup->frames[i];
        if (xd_payload_frame(&core->names, &payloads[i], frame) != XD_OK) {
            return XD_ERR_NOMEM;
        }
        frame->role = XD_FRAME_SETUP;
        setup->frame_count++;
    }
    return XD_OK;
}

enum xd_err xd_client_core_setup(struct xd_client_core *core,
                                 const struct xd_payload *payloads,
                                 size_t count,
                                 struct xd_setup **out,
                                 struct xd_error *error)
{
    enum xd_err err = check(core, payloads, count, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_setup *setup = xd_zalloc(sizeof *setup);
    if (setup == NULL || fill(core, setup, payloads, count) != XD_OK) {
        xd_setup_destroy(setup);
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for a setup");
    }
    if (!xd_room_is_possible(xd_frames_envelope_bytes(setup->frames, count), count)) {
        xd_setup_destroy(setup);
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "the names of a setup's payloads are too long");
    }
    xd_list_init(&setup->link);
    setup->core = core;
    setup->number = ++core->last_setup;
    core->setup_count++;
    *out = setup;
    return XD_OK;
}

void xd_setup_destroy(struct xd_setup *setup)
{
    if (setup != NULL) {
        xd_frames_free(setup->frames, setup->frame_count);
        xd_free(setup);
    }
}

/* Nobody uses it and nobody will: its last word is to be sent, if anything was. */
static void retire(struct xd_client_core *core, struct xd_setup *setup)
{
    if (setup->users > 0 || !setup->freed) {
        return;
    }
    if (setup->sent && !core->channel.session.gone) {
        xd_list_push_back(&core->drops, &setup->link);
    } else {
        core->setup_count--;
        xd_list_push_back(&core->dead_setups, &setup->link);
    }
}

void xd_client_core_setup_unuse(struct xd_client_core *core, struct xd_setup *setup)
{
    if (setup != NULL) {
        setup->users--;
        retire(core, setup);
    }
}

void xd_client_core_setup_release(struct xd_client_core *core, struct xd_setup *setup)
{
    setup->freed = true;
    retire(core, setup);
}

enum xd_err xd_client_core_setup_send(struct xd_client_core *core,
                                      struct xd_setup *setup,
                                      xd_time now)
{
    if (setup == NULL || setup->sent) {
        return XD_OK;
    }
    struct xd_msg msg = {.kind = XD_KIND_SETUP};
    msg.setup.number = setup->number;
    msg.setup.frames = setup->frames;
    msg.setup.frame_count = setup->frame_count;
    enum xd_err err = xd_client_core_send(core, &msg, now);
    if (err == XD_OK) { /* the broker has it now, for all tasks to come */
        setup->sent = true;
        xd_frames_free(setup->frames, setup->frame_count);
        setup->frames = NULL;
        setup->frame_count = 0;
    }
    return err;
}

static struct xd_setup *first_of(const struct xd_list *list)
{
    return xd_list_is_empty(list) ? NULL : XD_ITEM(list->next, struct xd_setup, link);
}

static void bury(struct xd_client_core *core, struct xd_setup *setup)
{
    xd_list_remove(&setup->link);
    xd_list_push_back(&core->dead_setups, &setup->link);
    core->setup_count--;
}

void xd_client_core_setups_flush(struct xd_client_core *core, xd_time now)
{
    struct xd_setup *setup;
    while ((setup = first_of(&core->drops)) != NULL) {
        struct xd_msg msg = {.kind = XD_KIND_SETUP};
        msg.setup.number = setup->number;
        msg.setup.drop = true;
        if (xd_client_core_send(core, &msg, now) != XD_OK) {
            return;
        }
        bury(core, setup);
    }
}

void xd_client_core_setups_end(struct xd_client_core *core)
{
    struct xd_setup *setup;
    while ((setup = first_of(&core->drops)) != NULL) {
        bury(core, setup);
    }
}

struct xd_setup *xd_client_core_dead_setup(struct xd_client_core *core)
{
    struct xd_setup *setup = first_of(&core->dead_setups);
    if (setup != NULL) {
        xd_list_remove(&setup->link);
    }
    return setup;
}
