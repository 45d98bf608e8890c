/* SPDX-License-Identifier: MIT */
/* Calls with options. */
#include "call.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct xd_future *call_with(struct xd_client *client,
                            const char *profile,
                            const char *callee,
                            const char *argument,
                            const struct xd_call_options *options)
{
    struct xd_payload payload = {.tag = "text"};
    if (argument != NULL) {
        cr_assert(xd_bytes_text(argument, &payload.bytes) == XD_OK);
    }
    struct xd_call call = {.profile = profile,
                           .callee = callee,
                           .payloads = &payload,
                           .payload_count = argument != NULL,
                           .options = options};
    struct xd_future *future;
    struct xd_error why = {""};
    enum xd_err err = xd_submit(client, &call, &future, &why);
    cr_assert(err == XD_OK, "submit %s: %s", callee, why.text);
    xd_bytes_unref(payload.bytes);
    return future;
}

void call_refused(struct xd_client *client,
                  const char *field,
                  const struct xd_call_options *options)
{
    struct xd_call call = {.callee = "echo", .options = options};
    struct xd_future *future;
    struct xd_error why = {""};
    enum xd_err err = xd_submit(client, &call, &future, &why);
    cr_assert(err == XD_ERR_INVALID || err == XD_ERR_TOO_LARGE,
              "%s gave %s",
              field,
              xd_err_name(err));
    cr_assert(strncmp(why.text, field, strlen(field)) == 0,
              "not %s: %s",
              field,
              why.text);
}

const char *call_await_state(struct xd_future *future, const char *state)
{
    static struct xd_task_why why;
    struct xd_error error = {""};
    xd_time until = sys_now() + 10 * XD_S;
    do {
        enum xd_err err = xd_task_explain(future, 5000, &why, &error);
        cr_assert(err == XD_OK, "explain: %s", error.text);
        if (strcmp(why.state, state) == 0) {
            return why.reason;
        }
        sys_sleep_ms(2);
    } while (sys_now() < until);
    cr_assert(false, "it is %s (%s) and not %s", why.state, why.reason, state);
    return NULL;
}

struct xd_future *call_block(struct xd_client *client, const char *profile, int ms)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", ms * sys_slowness());
    struct xd_future *future = call_with(client, profile, "sleep", number, NULL);
    (void)call_await_state(future, "running");
    return future;
}

void call_expect(struct xd_future *future, const char *text)
{
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_result *result = xd_future_result(future, 0);
    cr_assert(result->frame_count == 1);
    const struct xd_bytes *bytes = result->frames[0].bytes;
    cr_assert(xd_bytes_is(bytes, text),
              "'%.*s' and not '%s'",
              (int)bytes->size,
              (const char *)bytes->data,
              text);
    xd_future_free(future);
}

void call_expect_end(struct xd_future *future, enum xd_outcome outcome)
{
    sys_expect(future, outcome);
    xd_future_free(future);
}

void call_expect_order(struct xd_client *client, struct xd_future **futures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct xd_future *next = NULL;
        cr_assert(xd_client_wait(client, 20000 * sys_slowness()) == XD_OK);
        cr_assert(xd_client_next(client, &next) == XD_OK);
        size_t place = 0;
        while (place < count && futures[place] != next) {
            place++;
        }
        cr_assert(place == i, "task %zu ended as number %zu", place, i);
        sys_expect(next, XD_OUTCOME_DONE);
    }
    for (size_t i = 0; i < count; i++) {
        xd_future_free(futures[i]);
    }
}
