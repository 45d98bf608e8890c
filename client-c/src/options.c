/* SPDX-License-Identifier: MIT */
/* Options of a call: what is allowed, and how they are kept. */
#include "options.h"

#include "after.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/needs.h"
#include "payload.h"
#include "wire/class.h"

static enum xd_err check_names(const struct xd_call_options *options,
                               struct xd_error *error)
{
    const struct {
        const char *what, *text;
    } names[] = {{"task_class", options->task_class},
                 {"replaces", options->replaces},
                 {"dedupe", options->dedupe},
                 {"needs", options->needs}};
    enum xd_err err = XD_OK;
    for (size_t i = 0; err == XD_OK && i < sizeof names / sizeof names[0]; i++) {
        if (names[i].text != NULL) {
            err = xd_name_check(names[i].what, names[i].text, xd_name_is_valid, error);
        }
    }
    return err;
}

enum xd_err xd_needs_check(const char *what, const char *text, struct xd_error *error)
{
    struct xd_bytes *needs;
    enum xd_err err = xd_bytes_text(text, &needs);
    if (err != XD_OK) {
        return xd_fail(error, err, "out of memory for %s", what);
    }
    if (!xd_needs_are_valid(needs)) {
        err = xd_fail(error,
                      XD_ERR_INVALID,
                      "%s \"%s\": words, name=text or name>=number are wanted, with "
                      "spaces between",
                      what,
                      text);
    }
    xd_bytes_unref(needs);
    return err;
}

static enum xd_err check_numbers(const struct xd_call_options *options,
                                 struct xd_error *error)
{
    if (options->priority > XD_PRIORITY_BATCH) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "priority is %d, %d to %d are known",
                       (int)options->priority,
                       XD_PRIORITY_DEFAULT,
                       XD_PRIORITY_BATCH);
    }
    if (options->rank < INT16_MIN || options->rank > INT16_MAX) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "rank is %d, %d to %d are allowed",
                       options->rank,
                       INT16_MIN,
                       INT16_MAX);
    }
    if (options->deadline_ms > 0 && options->deadline_ms <= options->delay_ms) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "deadline_ms is %" PRIu64
                       ", not after delay_ms, which is %" PRIu64,
                       options->deadline_ms,
                       options->delay_ms);
    }
    const struct {
        const char *what;
        unsigned value;
    } retries[] = {{"retries_failed", options->retries_failed},
                   {"retries_lost", options->retries_lost}};
    for (size_t i = 0; i < 2; i++) {
        if (retries[i].value > XD_RETRIES_MAX) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "%s is %u, at most %u are allowed",
                           retries[i].what,
                           retries[i].value,
                           XD_RETRIES_MAX);
        }
    }
    return XD_OK;
}

static enum xd_err check_after(const struct xd_client_core *core,
                               const struct xd_call_options *options,
                               struct xd_error *error)
{
    if (options->after_count > XD_AFTER_MAX) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "after_count is %zu, at most %u are allowed",
                       options->after_count,
                       XD_AFTER_MAX);
    }
    for (size_t i = 0; i < options->after_count; i++) {
        if (options->after[i] == NULL || options->after[i]->core != core) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "after[%zu] is no task of this session",
                           i);
        }
    }
    return XD_OK;
}

/* An everywhere-task is no single run. */
static enum xd_err check_everywhere(const struct xd_call_options *options,
                                    struct xd_error *error)
{
    const struct {
        const char *what;
        bool is_set;
    } fields[] = {{"delay_ms", options->delay_ms > 0},
                  {"deadline_ms", options->deadline_ms > 0},
                  {"limit_ms", options->limit_ms > 0},
                  {"retries_failed", options->retries_failed > 0},
                  {"retries_lost", options->retries_lost > 0},
                  {"replaces", options->replaces != NULL},
                  {"dedupe", options->dedupe != NULL},
                  {"worker", options->worker.n != 0},
                  {"after", options->after_count > 0}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].is_set) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "%s is not for an everywhere-task",
                           fields[i].what);
        }
    }
    return XD_OK;
}

enum xd_err xd_options_check(const struct xd_client_core *core,
                             const struct xd_call *call,
                             struct xd_error *error)
{
    const struct xd_call_options *options = call->options;
    if (options == NULL) {
        return XD_OK;
    }
    enum xd_err err = check_names(options, error);
    if (err == XD_OK && options->needs != NULL) {
        err = xd_needs_check("needs", options->needs, error);
    }
    if (err == XD_OK) {
        err = check_numbers(options, error);
    }
    if (err == XD_OK) {
        err = check_after(core, options, error);
    }
    return err == XD_OK && call->everywhere ? check_everywhere(options, error) : err;
}

/* ---- keeping them ---- */

static enum xd_err fill_names(struct xd_client_core *core,
                              const struct xd_call_options *options,
                              struct xd_task_options *to)
{
    const struct {
        const char *text;
        struct xd_bytes **to;
        bool is_one_of_few; /* kept for the next; keys are many */
    } names[] = {{options->task_class, &to->kind, true},
                 {options->needs, &to->needs, true},
                 {options->replaces, &to->replaces, false},
                 {options->dedupe, &to->dedupe, false}};
    enum xd_err err = XD_OK;
    for (size_t i = 0; err == XD_OK && i < sizeof names / sizeof names[0]; i++) {
        if (names[i].text != NULL) {
            err = names[i].is_one_of_few
                      ? xd_names_get(&core->names, names[i].text, names[i].to)
                      : xd_bytes_text(names[i].text, names[i].to);
        }
    }
    return err;
}

static enum xd_err fill_after(struct xd_client_core *core,
                              const struct xd_call_options *options,
                              struct xd_future *future)
{
    size_t count = options->after_count;
    if (count == 0) {
        return XD_OK;
    }
    struct xd_task_options *to = &future->task.options;
    to->after = xd_calloc(count, sizeof *to->after);
    struct xd_after *after = xd_zalloc(sizeof *after + count * sizeof after->parents[0]);
    if (to->after == NULL || after == NULL) {
        xd_free(after);
        return XD_ERR_NOMEM;
    }
    to->after_count = after->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct xd_future *parent = options->after[i];
        to->after[i] = parent->task.id;
        after->parents[i] = parent;
        parent->pins++;
        parent->children++;
    }
    after->child = future;
    after->own = (uint32_t)future->task.frame_count;
    future->after = after;
    xd_list_push_back(&core->children, &after->link);
    return XD_OK;
}

enum xd_err xd_options_fill(struct xd_client_core *core,
                            const struct xd_call_options *options,
                            struct xd_future *future)
{
    if (options == NULL) {
        return XD_OK;
    }
    struct xd_task_options *to = &future->task.options;
    to->priority = (uint8_t)options->priority;
    to->rank = (int16_t)options->rank;
    to->estimate_us = options->estimate_us;
    to->delay_ms = options->delay_ms;
    to->deadline_ms = options->deadline_ms;
    to->limit_ms = options->limit_ms;
    to->retries_failed = (uint16_t)options->retries_failed;
    to->retries_lost = (uint16_t)options->retries_lost;
    to->backoff_ms = options->backoff_ms;
    to->worker = options->worker;
    enum xd_err err = fill_names(core, options, to);
    return err == XD_OK ? fill_after(core, options, future) : err;
}

void xd_options_clear(struct xd_task_options *options)
{
    xd_bytes_unref(options->kind);
    xd_bytes_unref(options->needs);
    xd_bytes_unref(options->replaces);
    xd_bytes_unref(options->dedupe);
    xd_free(options->after);
    *options = (struct xd_task_options){0};
}
