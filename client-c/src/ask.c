/* SPDX-License-Identifier: MIT */
/* Questions to the broker that wait for their answer. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
                       const char *counts_of,
                       struct xd_question *question)
{
    enum xd_err err = xd_client_core_ask(&client->core, verb, args, arg_count, question);
    if (err != XD_OK) {
        return err;
    }
    question->counts_of = counts_of;
    xd_pump_ask(&client->pump, 0);
    err = xd_pump_wait(&client->pump,
                       question_is_answered,
                       question,
                       xd_deadline(timeout_ms));
    xd_client_core_unask(question);
    return err == XD_OK ? question->code : err;
}

/* The answer's text into *out; `held` is filled where `counts_of` is given. */
static enum xd_err ask_and_wait(struct xd_client *client,
                                const char *verb,
                                const char *const *args,
                                size_t arg_count,
                                int timeout_ms,
                                const char *counts_of,
                                struct xd_bytes **out,
                                uint64_t *held,
                                struct xd_error *error)
{
    enum xd_err err = xd_client_state(client, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_question question = {0};
    xd_pump_lock(&client->pump);
    err = ask(client, verb, args, arg_count, timeout_ms, counts_of, &question);
    xd_pump_unlock(&client->pump);
    if (err == XD_OK) {
        *out = question.text;
        *held = question.held;
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

enum xd_err xd_admin(struct xd_client *client,
                     const char *verb,
                     const char *const *args,
                     size_t arg_count,
                     int timeout_ms,
                     struct xd_bytes **out,
                     struct xd_error *error)
{
    uint64_t held;
    return ask_and_wait(client,
                        verb,
                        args,
                        arg_count,
                        timeout_ms,
                        NULL,
                        out,
                        &held,
                        error);
}

/* Lines of a name and a number; names that are not known here may be added. */
static enum xd_err read_counts(const struct xd_bytes *text, struct xd_profile_counts *out)
{
    struct xd_profile_counts counts = {0};
    const struct {
        const char *name;
        uint64_t *to;
    } fields[] = {{"workers", &counts.workers},
                  {"r_workers", &counts.r_workers},
                  {"joined", &counts.joined},
                  {"queued", &counts.queued},
                  {"leased", &counts.leased},
                  {"ended", &counts.ended}};
    const size_t field_count = sizeof fields / sizeof fields[0];
    char lines[512], name[32], *rest;
    size_t size = text->size < sizeof lines ? text->size : sizeof lines - 1, found = 0;
    if (size > 0) {
        memcpy(lines, text->data, size);
    }
    lines[size] = '\0';
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        uint64_t value;
        if (sscanf(line, "%31s %" SCNu64, name, &value) != 2) {
            return XD_ERR_PROTOCOL;
        }
        for (size_t i = 0; i < field_count; i++) {
            if (strcmp(name, fields[i].name) == 0) {
                *fields[i].to = value;
                found++;
            }
        }
    }
    if (found != field_count) {
        return XD_ERR_PROTOCOL;
    }
    *out = counts;
    return XD_OK;
}

enum xd_err xd_profile_counts(struct xd_client *client,
                              const char *name,
                              int timeout_ms,
                              struct xd_profile_counts *out,
                              struct xd_error *error)
{
    struct xd_bytes *text;
    uint64_t held;
    enum xd_err err =
        ask_and_wait(client, "counts", &name, 1, timeout_ms, name, &text, &held, error);
    if (err != XD_OK) {
        return err;
    }
    struct xd_profile_counts counts;
    err = read_counts(text, &counts);
    xd_bytes_unref(text);
    if (err != XD_OK) {
        return xd_fail(error, err, "the broker's answer to counts cannot be read");
    }
    counts.queued += held;
    *out = counts;
    return XD_OK;
}
