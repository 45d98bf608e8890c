/* SPDX-License-Identifier: MIT */
/* A call of the application, checked and turned into a future that can be queued. */
#include "after.h"
#include "base/alloc.h"
#include "client_core.h"
#include "kept.h"
#include "options.h"
#include "payload.h"
#include "wire/class.h"

static enum xd_err check_call(const struct xd_client_core *core,
                              const struct xd_call *call,
                              struct xd_error *error)
{
    if (call->setup != NULL && call->setup->core != core) {
        return xd_fail(error, XD_ERR_INVALID, "the setup is another session's");
    }
    if (call->format != 0 && call->format != XD_FORMAT_CALL &&
        call->format != XD_FORMAT_R) {
        return xd_fail(error, XD_ERR_INVALID, "format %d is unknown", (int)call->format);
    }
    if (call->payload_count > XD_PAYLOADS_MAX) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu payloads, %u are allowed",
                       call->payload_count,
                       XD_PAYLOADS_MAX);
    }
    bool is_call = call->format != XD_FORMAT_R;
    if (is_call != (call->callee != NULL)) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       is_call ? "callee is missing" : "callee is only for format call");
    }
    enum xd_err err = XD_OK;
    if (is_call) {
        err = xd_name_check("callee", call->callee, xd_name_is_valid, error);
    }
    if (err == XD_OK && call->profile != NULL) {
        err = xd_name_check("profile", call->profile, xd_name_is_valid, error);
    }
    for (size_t i = 0; i < call->payload_count && err == XD_OK; i++) {
        err = xd_payload_check(&call->payloads[i], error);
    }
    return err == XD_OK ? xd_options_check(core, call, error) : err;
}

static enum xd_err fill(struct xd_client_core *core,
                        struct xd_future *future,
                        const struct xd_call *call)
{
    enum xd_err err = xd_names_get(&core->names,
                                   call->profile == NULL ? "default" : call->profile,
                                   &future->profile);
    if (err == XD_OK && call->callee != NULL) {
        err = xd_names_get(&core->names, call->callee, &future->task.callee);
    }
    for (size_t i = 0; i < call->payload_count && err == XD_OK; i++) {
        err = xd_payload_frame(&core->names, &call->payloads[i], &future->frames[i]);
        if (err == XD_OK) {
            future->task.frame_count++;
        }
    }
    return err == XD_OK ? xd_options_fill(core, call->options, future) : err;
}

enum xd_err xd_client_core_make(struct xd_client_core *core,
                                const struct xd_call *call,
                                struct xd_task_id id,
                                struct xd_future **out,
                                struct xd_error *error)
{
    enum xd_err err = check_call(core, call, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_future *future =
        xd_zalloc(sizeof *future + call->payload_count * sizeof future->frames[0]);
    if (future == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for a task");
    }
    struct xd_list *links[] = {&future->link,
                               &future->ended,
                               &future->cancel,
                               &future->made};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        xd_list_init(links[i]);
    }
    future->core = core;
    future->text = "";
    future->parts = &future->one;
    future->task =
        (struct xd_task){.id = id,
                         .format = call->format == 0 ? XD_FORMAT_CALL : call->format,
                         .everywhere = call->everywhere,
                         .timeout_ms = call->timeout_ms,
                         .min_workers = call->min_workers,
                         .setup = call->setup == NULL ? 0 : call->setup->number,
                         .frames = future->frames};
    future->setup = call->setup;
    if (future->setup != NULL) {
        future->setup->users++;
    }
    err = fill(core, future, call);
    if (err == XD_OK) {
        err = xd_channel_detach(&core->channel,
                                future->frames,
                                future->task.frame_count,
                                false,
                                &future->made);
    }
    future->bytes = xd_frames_bytes(future->frames, future->task.frame_count);
    if (err != XD_OK) {
        err = xd_fail(error, err, "out of memory for a task");
    } else if (!xd_room_is_possible(xd_task_envelope_bytes(&future->task),
                                    future->task.frame_count)) {
        err = xd_fail(error,
                      XD_ERR_TOO_LARGE,
                      "the names of a task's payloads are too long");
    }
    if (err != XD_OK) {
        xd_client_core_unmake(core, future);
        return err;
    }
    *out = future;
    return XD_OK;
}

void xd_future_clear_task(struct xd_future *future)
{
    struct xd_task *task = &future->task;
    for (size_t i = 0; i < task->frame_count; i++) {
        xd_frame_clear(&task->frames[i]);
    }
    if (task->frames != future->frames) {
        xd_free(task->frames);
        task->frames = future->frames;
    }
    task->frame_count = 0;
    xd_options_clear(&task->options);
}

void xd_future_destroy(struct xd_future *future)
{
    xd_future_clear_task(future);
    xd_free(future->after); /* a copy's, in a forked child */
    xd_bytes_unref(future->profile);
    xd_bytes_unref(future->task.callee);
    for (size_t i = 0; i < future->part_count; i++) {
        xd_result_clear(&future->parts[i]);
    }
    if (future->parts != &future->one) {
        xd_free(future->parts);
    }
    xd_free(future->own_text);
    xd_kept_fini(future);
    xd_free(future);
}

void xd_client_core_unmake(struct xd_client_core *core, struct xd_future *future)
{
    xd_channel_release(&core->channel, &future->made);
    xd_client_core_setup_unuse(core, future->setup);
    xd_after_drop(core, future);
    xd_future_destroy(future);
}
