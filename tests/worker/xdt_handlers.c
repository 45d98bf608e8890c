/* SPDX-License-Identifier: MIT */
/* A module of handlers for the system tests; numbers go in and out as decimal text. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crossdock_worker.h"

enum { NAME_ROOM = 256 };

static void finish_text(struct xd_job *job, const char *text)
{
    struct xd_bytes *bytes;
    if (xd_bytes_text(text, &bytes)) {
        (void)xd_job_fail(job, "no memory", NULL, 0);
        return;
    }
    const struct xd_payload value = {.bytes = bytes, .tag = "text"};
    (void)xd_job_finish(job, &value, 1);
    xd_bytes_unref(bytes);
}

static void finish_number(struct xd_job *job, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    finish_text(job, text);
}

static uint64_t number_in(const struct xd_frame *frame)
{
    char text[24] = "";
    if (frame && frame->bytes && frame->bytes->size < sizeof text) {
        memcpy(text, frame->bytes->data, frame->bytes->size);
    }
    return strtoull(text, NULL, 10);
}

static uint64_t number_arg(const struct xd_job *job)
{
    return number_in(xd_job_arg(job, 0));
}

static void nap_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* ---- values ---- */

static const char *text_of(const struct xd_bytes *bytes, char *room)
{
    if (!bytes) {
        return NULL;
    }
    snprintf(room, NAME_ROOM, "%.*s", (int)bytes->size, (const char *)bytes->data);
    return room;
}

/* Its arguments as they are: bytes, tags, names, roles. */
static void echo(struct xd_job *job, void *state)
{
    (void)state;
    size_t count = xd_job_task(job)->frame_count;
    struct xd_payload *values = calloc(count + 1, sizeof *values);
    char(*names)[2][NAME_ROOM] = calloc(count + 1, sizeof *names);
    if (!values || !names) {
        (void)xd_job_fail(job, "no memory", NULL, 0);
        count = 0;
    } else {
        for (size_t i = 0; i < count; i++) {
            const struct xd_frame *frame = xd_job_arg(job, i);
            values[i] = (struct xd_payload){
                .bytes = frame->bytes,
                .tag = text_of(frame->tag, names[i][0]),
                .name = text_of(frame->name, names[i][1]),
                .role = (enum xd_frame_role)frame->role,
            };
        }
        (void)xd_job_finish(job, values, count);
    }
    free(values);
    free(names);
}

static void sum(struct xd_job *job, void *state)
{
    (void)state;
    uint64_t total = 0;
    for (size_t i = 0; i < xd_job_task(job)->frame_count; i++) {
        total += number_in(xd_job_arg(job, i));
    }
    finish_number(job, total);
}

/* So many bytes; byte i is i modulo 251. */
static void big(struct xd_job *job, void *state)
{
    (void)state;
    size_t size = (size_t)number_arg(job);
    struct xd_bytes *bytes;
    uint8_t *room;
    if (xd_bytes_room(size, &room, &bytes)) {
        (void)xd_job_fail(job, "no memory", NULL, 0);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        room[i] = (uint8_t)(i % 251);
    }
    const struct xd_payload value = {.bytes = bytes, .tag = "raw"};
    (void)xd_job_finish(job, &value, 1);
    xd_bytes_unref(bytes);
}

/* How many bytes came, if byte i is i modulo 251 in all of them. */
static void check(struct xd_job *job, void *state)
{
    (void)state;
    enum { PERIOD = 251 };
    const struct xd_frame *frame = xd_job_arg(job, 0);
    const uint8_t *data = frame ? frame->bytes->data : NULL;
    size_t size = frame ? frame->bytes->size : 0;
    bool good = true;
    for (size_t i = 0; i < size && i < PERIOD; i++) {
        good = good && data[i] == i;
    }
    if (size > PERIOD) {
        good = good && memcmp(data, data + PERIOD, size - PERIOD) == 0;
    }
    if (good) {
        finish_number(job, size);
    } else {
        (void)xd_job_fail(job, "the bytes are not the pattern", NULL, 0);
    }
}

static void pid(struct xd_job *job, void *state)
{
    (void)state;
    finish_number(job, (uint64_t)getpid());
}

/* How many tasks of this handler the slot has run: the module's state. */
static void count(struct xd_job *job, void *state)
{
    uint64_t *calls = state;
    finish_number(job, ++*calls);
}

/* Its own arguments, then in brackets those of each task it comes after, as texts; bytes
 * of class "raw" as their number. */
static void put_frames(FILE *out, const struct xd_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct xd_bytes *bytes = frames[i].bytes;
        if (xd_bytes_is(frames[i].tag, "raw")) {
            fprintf(out, "%zu bytes", bytes->size);
        } else {
            fwrite(bytes->data, 1, bytes->size, out);
        }
    }
}

static void given(struct xd_job *job, void *state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        (void)xd_job_fail(job, "no memory", NULL, 0);
        return;
    }
    const struct xd_task *task = xd_job_task(job);
    put_frames(out, task->frames, task->frame_count);
    for (size_t i = 0; i < xd_job_given_count(job); i++) {
        size_t count;
        const struct xd_frame *frames = xd_job_given(job, i, &count);
        fputc('[', out);
        put_frames(out, frames, count);
        fputc(']', out);
    }
    fclose(out);
    finish_text(job, text);
    free(text);
}

/* ---- setups ---- */

/* "SESSION NUMBER BYTES" of the setup's first frame, or "none", after some
 * milliseconds. */
static void setup(struct xd_job *job, void *state)
{
    (void)state;
    struct xd_setup_view view;
    char text[NAME_ROOM + 64], bytes[NAME_ROOM];
    nap_ms(number_arg(job));
    if (!xd_job_setup(job, &view)) {
        finish_text(job, "none");
        return;
    }
    snprintf(text,
             sizeof text,
             "%" PRIu64 " %" PRIu64 " %s",
             view.origin.n,
             view.number,
             text_of(view.frames[0].bytes, bytes));
    finish_text(job, text);
}

/* ---- time ---- */

/* Tell the client that the evaluation has begun: one event "running". */
static void emit_running(struct xd_job *job)
{
    struct xd_bytes *nothing;
    if (xd_bytes_copy(NULL, 0, &nothing) == XD_OK) {
        (void)!xd_job_emit(job, "running", nothing);
        xd_bytes_unref(nothing);
    }
}

static void sleep_ms(struct xd_job *job, void *state)
{
    (void)state;
    emit_running(job);
    nap_ms(number_arg(job));
    finish_text(job, "slept");
}

/* So many milliseconds, saying all the time that it lives. */
static void touch(struct xd_job *job, void *state)
{
    (void)state;
    uint64_t ms = number_arg(job);
    for (uint64_t i = 0; i < ms && !xd_job_is_cancelled(job); i += 10) {
        nap_ms(10);
        (void)!xd_job_touch(job);
    }
    finish_text(job, "touched");
}

static void spin(struct xd_job *job, void *state)
{
    (void)state;
    emit_running(job);
    while (!xd_job_is_cancelled(job)) {
        nap_ms(1);
    }
    (void)xd_job_fail(job, "cancelled", NULL, 0);
}

static _Noreturn void spin_deaf(struct xd_job *job, void *state)
{
    (void)state;
    emit_running(job);
    for (;;) {
        nap_ms(1000);
    }
}

/* k events of kind "tick", "0" to k-1; the value is how many were sent. */
static void emit(struct xd_job *job, void *state)
{
    (void)state;
    uint64_t wanted = number_arg(job), sent = 0;
    for (uint64_t i = 0; i < wanted && !xd_job_is_cancelled(job); i++) {
        char text[24];
        struct xd_bytes *bytes;
        snprintf(text, sizeof text, "%" PRIu64, i);
        if (xd_bytes_text(text, &bytes)) {
            break;
        }
        enum xd_err err = xd_job_emit(job, "tick", bytes);
        while (err == XD_ERR_BUSY && !xd_job_is_cancelled(job)) {
            nap_ms(1);
            err = xd_job_emit(job, "tick", bytes);
        }
        xd_bytes_unref(bytes);
        sent += err == XD_OK;
    }
    finish_number(job, sent);
}

/* ---- other ends ---- */

static void fail(struct xd_job *job, void *state)
{
    (void)state;
    char text[NAME_ROOM] = "";
    const struct xd_frame *frame = xd_job_arg(job, 0);
    text_of(frame ? frame->bytes : NULL, text);
    (void)xd_job_fail(job, text, NULL, 0);
}

/* Its run must be of that number, or a later one: its value. Else it fails, or dies. */
static void attempt(struct xd_job *job, void *state)
{
    (void)state;
    if (xd_job_task(job)->attempt < number_arg(job)) {
        (void)xd_job_fail(job, "too early", NULL, 0);
    } else {
        finish_number(job, xd_job_task(job)->attempt);
    }
}

static void die(struct xd_job *job, void *state)
{
    (void)state;
    if (xd_job_task(job)->attempt < number_arg(job)) {
        _exit(100);
    }
    finish_number(job, xd_job_task(job)->attempt);
}

static void forget(struct xd_job *job, void *state)
{
    (void)job, (void)state;
}

static _Noreturn void crash(struct xd_job *job, void *state)
{
    (void)job, (void)state;
    abort();
}

static _Noreturn void exit_now(struct xd_job *job, void *state)
{
    (void)state;
    _exit((int)number_arg(job));
}

/* Writes its argument to stdout and stderr. */
static void say(struct xd_job *job, void *state)
{
    (void)state;
    char text[NAME_ROOM] = "";
    const struct xd_frame *frame = xd_job_arg(job, 0);
    text_of(frame ? frame->bytes : NULL, text);
    puts(text);
    fprintf(stderr, "%s\n", text);
    finish_text(job, "said");
}

static enum xd_err init(void **state, struct xd_error *error)
{
    *state = calloc(1, sizeof(uint64_t));
    return *state ? XD_OK : xd_fail(error, XD_ERR_NOMEM, "no memory");
}

const struct xd_module *crossdock_module(void)
{
    static const struct xd_handler handlers[] = {
        {"echo", echo},     {"sum", sum},       {"big", big},
        {"check", check},   {"pid", pid},       {"count", count},
        {"given", given},   {"setup", setup},   {"sleep", sleep_ms},
        {"touch", touch},   {"spin", spin},     {"spin_deaf", spin_deaf},
        {"emit", emit},     {"fail", fail},     {"attempt", attempt},
        {"die", die},       {"forget", forget}, {"crash", crash},
        {"exit", exit_now}, {"say", say},
    };
    static const struct xd_module module = {
        .abi = XD_MODULE_ABI,
        .handlers = handlers,
        .handler_count = sizeof handlers / sizeof *handlers,
        .init = init,
        .fini = free,
    };
    return &module;
}
