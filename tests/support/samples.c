/* SPDX-License-Identifier: MIT */
/* Builders of bytes, frames, tasks, results and one message of every kind. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "xdt.h"

static void must(enum xd_err err)
{
    if (err) {
        fprintf(stderr, "a builder failed: %s\n", xd_err_text(err));
        abort();
    }
}

struct xd_bytes *xdt_bytes(const void *data, size_t size)
{
    struct xd_bytes *bytes = NULL;
    must(xd_bytes_copy(data, size, &bytes));
    return bytes;
}

struct xd_bytes *xdt_text(const char *text)
{
    return xdt_bytes(text, strlen(text));
}

struct xd_bytes *xdt_filled(size_t size, uint8_t value)
{
    uint8_t *room;
    struct xd_bytes *bytes = NULL;
    must(xd_bytes_room(size, &room, &bytes));
    memset(room, value, size);
    return bytes;
}

static void *make_array(size_t count, size_t size)
{
    void *array = xd_calloc(count, size);
    must(array ? XD_OK : XD_ERR_NOMEM);
    return array;
}

/* The number, and behind it bytes that spread, as random ids would. */
struct xd_task_id xdt_id(unsigned n)
{
    struct xd_task_id id;
    for (unsigned i = 0; i < sizeof id.bytes; i++) {
        id.bytes[i] = (uint8_t)(i < 4 ? n >> (8 * i) : n * 31u + i * 7u);
    }
    return id;
}

struct xd_frame xdt_body(const char *text)
{
    return (struct xd_frame){
        .bytes = xdt_text(text),
        .size = strlen(text),
        .role = XD_FRAME_BODY,
    };
}

struct xd_frame xdt_object(const char *tag, const char *text)
{
    struct xd_frame frame = xdt_body(text);
    frame.role = XD_FRAME_OBJECT;
    frame.tag = xdt_text(tag);
    return frame;
}

struct xd_frame xdt_reference(uint64_t owner, uint64_t counter, uint64_t size)
{
    return (struct xd_frame){
        .ref = {{owner}, counter},
        .size = size,
        .role = XD_FRAME_SEGMENT,
    };
}

struct xd_frame *xdt_frames(const struct xd_frame *frames, size_t count)
{
    struct xd_frame *array = make_array(count, sizeof *array);
    memcpy(array, frames, count * sizeof *array);
    return array;
}

static struct xd_frame body_of(size_t size, uint8_t value)
{
    return (struct xd_frame){
        .bytes = xdt_filled(size, value),
        .size = size,
        .role = XD_FRAME_BODY,
    };
}

struct xd_task xdt_task(unsigned n, const char *callee, size_t size)
{
    struct xd_frame body = body_of(size, (uint8_t)n);
    return (struct xd_task){
        .id = xdt_id(n),
        .format = callee ? XD_FORMAT_CALL : XD_FORMAT_R,
        .callee = callee ? xdt_text(callee) : NULL,
        .frames = xdt_frames(&body, 1),
        .frame_count = 1,
    };
}

struct xd_result xdt_result(unsigned n, enum xd_outcome outcome, const char *body)
{
    struct xd_result result = {.id = xdt_id(n), .outcome = outcome};
    if (body) {
        struct xd_frame frame = xdt_body(body);
        result.frames = xdt_frames(&frame, 1);
        result.frame_count = 1;
    }
    if (outcome != XD_OUTCOME_DONE) {
        result.error = xdt_text("it did not work");
    }
    return result;
}

void xdt_batch(enum xd_kind kind, size_t count, size_t size, struct xd_msg *out)
{
    *out = (struct xd_msg){.kind = kind};
    if (kind == XD_KIND_RESULT) {
        out->results.count = count;
        out->results.results = make_array(count, sizeof(struct xd_result));
        for (unsigned i = 0; i < count; i++) {
            struct xd_frame body = body_of(size, (uint8_t)i);
            struct xd_result *result = &out->results.results[i];
            *result = xdt_result(i, XD_OUTCOME_DONE, NULL);
            result->frames = xdt_frames(&body, 1);
            result->frame_count = 1;
        }
        return;
    }
    out->tasks.profile = kind == XD_KIND_SUBMIT ? xdt_text("default") : NULL;
    out->tasks.count = count;
    out->tasks.tasks = make_array(count, sizeof(struct xd_task));
    for (unsigned i = 0; i < count; i++) {
        out->tasks.tasks[i] = xdt_task(i, "echo", size);
        out->tasks.tasks[i].attempt = kind == XD_KIND_TASK ? 1 : 0;
    }
}

/* ---- one sample for each kind ---- */

static const struct xd_token token = {{0xa0,
                                       0xa1,
                                       0xa2,
                                       0xa3,
                                       0xa4,
                                       0xa5,
                                       0xa6,
                                       0xa7,
                                       0xa8,
                                       0xa9,
                                       0xaa,
                                       0xab,
                                       0xac,
                                       0xad,
                                       0xae,
                                       0xaf}};

static struct xd_bytes **texts(const char *first, const char *second)
{
    struct xd_bytes **list = make_array(2, sizeof(*list));
    list[0] = xdt_text(first);
    list[1] = xdt_text(second);
    return list;
}

static void sample_hello(struct xd_msg *out)
{
    out->hello = (struct xd_hello){
        .role = XD_ROLE_WORKER,
        .min_version = 1,
        .max_version = 1,
        .session = {7},
        .token = token,
        .lane = XD_LANE_BULK,
        .software = xdt_text("libcrossdock 0.1.0"),
        .host = xdt_text("host-1 boot-1"),
        .pid = 4711,
        .owner = {3},
        .facts =
            {
                .name = xdt_text("node7"),
                .labels = texts("gpu", "zone=a"),
                .label_count = 2,
                .versions = texts("R 4.2.2", "codec arrow 1"),
                .version_count = 2,
                .cores = 16,
                .memory_bytes = UINT64_C(1) << 36,
                .agent = 77,
                .slot = 3,
            },
    };
}

static void sample_hello_ok(struct xd_msg *out)
{
    out->hello_ok = (struct xd_hello_ok){
        .version = 1,
        .session = {7},
        .token = token,
        .worker_endpoint = xdt_text("ipc:///run/crossdock/broker.workers"),
        .bulk_endpoint = xdt_text("ipc:///run/crossdock/broker.bulk"),
        .software = xdt_text("crossdock-broker 0.1.0"),
        .heartbeat_ms = 1000,
        .lost_ms = 3000,
        .budget_tasks = 100000,
        .budget_bytes = 1u << 30,
    };
}

static void sample_ready(struct xd_msg *out)
{
    out->ready = (struct xd_ready){
        .profile = xdt_text("default"),
        .formats = 1u << XD_FORMAT_R | 1u << XD_FORMAT_CALL,
        .handlers = texts("echo", "stats::rnorm"),
        .handler_count = 2,
        .hold = 4,
        .has = xdt_text("gpu=2 memory=4e9 fast"),
    };
}

/* Objects of 2 bytes and 1 byte in one payload. */
static struct xd_frame packed_objects(const char *tag)
{
    static const uint8_t bytes[] = "\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0DBd";
    struct xd_frame frame = xdt_object(tag, "");
    xd_bytes_unref(frame.bytes);
    frame.bytes = xdt_bytes(bytes, 19);
    frame.size = 19;
    frame.count = 2;
    return frame;
}

static void sample_setup(struct xd_msg *out)
{
    struct xd_frame frames[] = {xdt_body("sqlite3"), xdt_body("how")};
    frames[0].role = frames[1].role = XD_FRAME_SETUP;
    frames[1].name = xdt_text("sfunc");
    out->setup.origin.n = 7;
    out->setup.number = 2;
    out->setup.frames = xdt_frames(frames, 2);
    out->setup.frame_count = 2;
}

static struct xd_task_id *two_ids(void)
{
    struct xd_task_id *ids = make_array(2, sizeof *ids);
    ids[0] = xdt_id(1);
    ids[1] = xdt_id(2);
    return ids;
}

/* Every option. */
static struct xd_task task_with_options(unsigned n)
{
    struct xd_task task = xdt_task(n, "sum", 1);
    task.options = (struct xd_task_options){
        .priority = XD_PRIORITY_INTERACTIVE,
        .rank = -3,
        .kind = xdt_text("query"),
        .estimate_us = 1500,
        .delay_ms = 10,
        .deadline_ms = 60000,
        .limit_ms = 5000,
        .retries_failed = 2,
        .retries_lost = 3,
        .backoff_ms = 100,
        .replaces = xdt_text("slider"),
        .dedupe = xdt_text("2024-01"),
        .needs = xdt_text("gpu>=1 fast"),
        .worker = {9},
        .after = two_ids(),
        .after_count = 2,
    };
    task.frames[0].role = XD_FRAME_GIVEN;
    return task;
}

static void sample_submit(struct xd_msg *out)
{
    struct xd_frame frames[] = {xdt_body("hi"), packed_objects("sqlite3")};
    struct xd_frame large[] = {xdt_reference(7, 1, 5000000)};
    frames[1].name = xdt_text("data");
    frames[1].codec = 2;
    struct xd_task *tasks = make_array(3, sizeof *tasks);
    tasks[2] = task_with_options(3);
    tasks[0] = (struct xd_task){
        .id = xdt_id(1),
        .format = XD_FORMAT_CALL,
        .callee = xdt_text("echo"),
        .timeout_ms = 2500,
        .setup = 2,
        .frames = xdt_frames(frames, 2),
        .frame_count = 2,
    };
    tasks[1] = (struct xd_task){
        .id = xdt_id(2),
        .format = XD_FORMAT_R,
        .everywhere = true,
        .min_workers = 2,
        .frames = xdt_frames(large, 1),
        .frame_count = 1,
    };
    out->ack = 3;
    out->tasks.profile = xdt_text("default");
    out->tasks.tasks = tasks;
    out->tasks.count = 3;
}

static void sample_task(struct xd_msg *out)
{
    struct xd_task *tasks = make_array(2, sizeof *tasks);
    tasks[0] = xdt_task(1, "echo", 3);
    tasks[1] = xdt_task(2, NULL, 2);
    tasks[1].everywhere = tasks[1].hold = true;
    tasks[1].part = 1;
    tasks[0].origin.n = tasks[1].origin.n = 7;
    tasks[1].setup = 2;
    tasks[0].attempt = 2;
    tasks[1].attempt = 1;
    tasks[0].given = make_array(2, sizeof *tasks[0].given);
    tasks[0].given[0] = (struct xd_given){.id = xdt_id(4)};
    tasks[0].given[1] = (struct xd_given){.id = xdt_id(5)};
    tasks[0].given_count = 2;
    out->tasks.tasks = tasks;
    out->tasks.count = 2;
}

static void sample_result(struct xd_msg *out)
{
    struct xd_result *results = make_array(2, sizeof *results);
    results[0] = xdt_result(1, XD_OUTCOME_DONE, "42");
    results[0].run_ns = 1500000;
    results[1] = xdt_result(2, XD_OUTCOME_FAILED, NULL);
    results[1].part = 1;
    results[1].parts = 2;
    results[1].worker.n = 9;
    results[1].attempt = 2;
    out->accepted = 9;
    out->results.results = results;
    out->results.count = 2;
    out->results.has_started = true;
    out->results.started = xdt_id(3);
}

static void sample_ids(struct xd_msg *out)
{
    out->ids.ids = two_ids();
    out->ids.count = 2;
    if (out->kind == XD_KIND_CANCEL) {
        out->ids.level = XD_CANCEL_INTERRUPT;
    }
    if (out->kind == XD_KIND_BUSY) {
        out->ids.scope = XD_SCOPE_CLIENT;
        out->ids.retry_after_ms = 250;
    }
}

static void sample_event(struct xd_msg *out)
{
    out->event = (struct xd_event){
        .id = xdt_id(1),
        .part = 1,
        .kind = xdt_text("progress"),
        .bytes = xdt_text("50%"),
    };
}

static void sample_error(struct xd_msg *out)
{
    bool is_bye = out->kind == XD_KIND_BYE;
    out->error.code = is_bye ? XD_OK : XD_ERR_FORBIDDEN;
    out->error.text =
        xdt_text(is_bye ? "idle for 60 s" : "role client may not send READY");
    out->error.kind = is_bye ? 0 : XD_KIND_READY;
}

static void sample_chunk(struct xd_msg *out)
{
    out->chunk = (struct xd_chunk){
        .ref = {{7}, 1},
        .reader = {8},
        .offset = 1048576,
        .bytes = xdt_text("chunk"),
    };
}

static void sample_credit(struct xd_msg *out)
{
    out->credit = (struct xd_credit){.ref = {{7}, 1}, .reader = {8}, .chunks = 8};
}

static void sample_admin(struct xd_msg *out)
{
    out->admin = (struct xd_admin){
        .verb = xdt_text("status"),
        .ticket = 5,
        .args = texts("default", ""),
        .arg_count = 2,
        .answer = true,
        .code = XD_ERR_NOT_FOUND,
        .text = xdt_text("no such profile"),
    };
}

static void sample_given(struct xd_msg *out)
{
    struct xd_frame frames[] = {xdt_object("sqlite3", "db"),
                                xdt_reference(9, 2, 7000000)};
    out->given.child = xdt_id(1);
    out->given.parent = xdt_id(4);
    out->given.frames = xdt_frames(frames, 2);
    out->given.frame_count = 2;
}

void xdt_sample(enum xd_kind kind, struct xd_msg *out)
{
    *out = (struct xd_msg){.kind = kind};
    switch (kind) {
    case XD_KIND_HELLO:
        sample_hello(out);
        break;
    case XD_KIND_HELLO_OK:
        sample_hello_ok(out);
        break;
    case XD_KIND_READY:
        sample_ready(out);
        break;
    case XD_KIND_SUBMIT:
        sample_submit(out);
        break;
    case XD_KIND_TASK:
        sample_task(out);
        break;
    case XD_KIND_RESULT:
        sample_result(out);
        break;
    case XD_KIND_STARTED:
    case XD_KIND_CANCEL:
    case XD_KIND_RECALL:
    case XD_KIND_RECALLED:
    case XD_KIND_BUSY:
        sample_ids(out);
        break;
    case XD_KIND_EVENT:
        sample_event(out);
        break;
    case XD_KIND_ERROR:
    case XD_KIND_BYE:
        sample_error(out);
        break;
    case XD_KIND_CHUNK:
        sample_chunk(out);
        break;
    case XD_KIND_CREDIT:
        sample_credit(out);
        break;
    case XD_KIND_ADMIN:
        sample_admin(out);
        break;
    case XD_KIND_SETUP:
        sample_setup(out);
        break;
    case XD_KIND_GIVEN:
        sample_given(out);
        break;
    case XD_KIND_ACCEPTED:
        out->accepted = 300;
        break;
    case XD_KIND_ACK:
        out->ack = 64;
        break;
    case XD_KIND_HEARTBEAT:
        break;
    }
}
