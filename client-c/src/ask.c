/* SPDX-License-Identifier: MIT */
/* Questions to the broker that wait for their answer. */
#include "client.h"
#include "clock.h"

static bool question_is_answered(void *context)
{
    const struct xd_question *question = context;
    return question->answered;
}

static enum xd_err ask(struct xd_client *client,
                       const char *verb,
                       const char *const *args,
                       size_t arg_count,
                       int timeout_ms,
                       struct xd_question *question)
{
    enum xd_err err = xd_client_core_ask(&client->core, verb, args, arg_count, question);
    if (err != XD_OK) {
        return err;
    }
    xd_pump_ask(&client->pump, 0);
    err = xd_pump_wait(&client->pump,
                       question_is_answered,
                       question,
                       xd_deadline(timeout_ms));
    if (!question->answered) {
        xd_list_remove(&question->link);
    }
    return err == XD_OK ? question->code : err;
}

enum xd_err xd_admin(struct xd_client *client,
                     const char *verb,
                     const char *const *args,
                     size_t arg_count,
                     int timeout_ms,
                     struct xd_bytes **out,
                     struct xd_error *error)
{
    enum xd_err err = xd_client_state(client, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_question question = {0};
    xd_pump_lock(&client->pump);
    err = ask(client, verb, args, arg_count, timeout_ms, &question);
    xd_pump_unlock(&client->pump);
    if (err == XD_OK) {
        *out = question.text;
        return XD_OK;
    }
    if (question.text != NULL && question.text->size > 0) {
        int size = question.text->size > 200 ? 200 : (int)question.text->size;
        (void)xd_fail(error, err, "%.*s", size, (const char *)question.text->data);
    } else {
        (void)xd_fail(error, err, "asking \"%s\": %s", verb, xd_err_text(err));
    }
    xd_bytes_unref(question.text);
    return err;
}

enum xd_err xd_profile_open(struct xd_client *client,
                            const char *name,
                            unsigned flags,
                            struct xd_error *error)
{
    const char *args[3] = {name};
    size_t count = 1;
    if (flags & XD_PROFILE_BOUND) {
        args[count++] = "bound";
    }
    if (flags & XD_PROFILE_ROUND_ROBIN) {
        args[count++] = "round_robin";
    }
    struct xd_bytes *text = NULL;
    enum xd_err err = xd_admin(client, "profile", args, count, -1, &text, error);
    if (err == XD_OK) {
        xd_bytes_unref(text);
    }
    return err;
}
