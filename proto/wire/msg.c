/* SPDX-License-Identifier: MIT */
/* Names of the kinds, and dropping what a decoded message holds. */
#include "wire/msg.h"

#include "base/alloc.h"

const char *xd_kind_name(uint32_t kind)
{
    switch (kind) {
#define NAME(name, number)                                                               \
    case number:                                                                         \
        return #name;
        XD_KIND_LIST(NAME)
#undef NAME
    default:
        return "unknown";
    }
}

const char *xd_role_name(enum xd_role role)
{
    switch (role) {
    case XD_ROLE_CLIENT:
        return "client";
    case XD_ROLE_WORKER:
        return "worker";
    case XD_ROLE_ADMIN:
        return "admin";
    case XD_ROLE_AGENT:
        return "agent";
    }
    return "unknown";
}

static void free_texts(struct xd_bytes **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++) {
        xd_bytes_unref(texts[i]);
    }
    xd_free(texts);
}

void xd_facts_clear(struct xd_facts *facts)
{
    xd_bytes_unref(facts->name);
    free_texts(facts->labels, facts->label_count);
    free_texts(facts->versions, facts->version_count);
    *facts = (struct xd_facts){0};
}

static void clear_tasks(struct xd_msg *msg)
{
    xd_bytes_unref(msg->tasks.profile);
    for (size_t i = 0; msg->tasks.tasks && i < msg->tasks.count; i++) {
        xd_task_clear(&msg->tasks.tasks[i]);
    }
    xd_free(msg->tasks.tasks);
}

static void clear_results(struct xd_msg *msg)
{
    for (size_t i = 0; msg->results.results && i < msg->results.count; i++) {
        xd_result_clear(&msg->results.results[i]);
    }
    xd_free(msg->results.results);
}

static void clear_hello_ok(struct xd_hello_ok *ok)
{
    xd_bytes_unref(ok->worker_endpoint);
    xd_bytes_unref(ok->bulk_endpoint);
    xd_bytes_unref(ok->software);
}

static void clear_content(struct xd_msg *msg)
{
    switch (msg->kind) {
    case XD_KIND_HELLO:
        xd_bytes_unref(msg->hello.software);
        xd_bytes_unref(msg->hello.host);
        xd_facts_clear(&msg->hello.facts);
        break;
    case XD_KIND_HELLO_OK:
        clear_hello_ok(&msg->hello_ok);
        break;
    case XD_KIND_READY:
        xd_bytes_unref(msg->ready.profile);
        xd_bytes_unref(msg->ready.has);
        free_texts(msg->ready.handlers, msg->ready.handler_count);
        break;
    case XD_KIND_SUBMIT:
    case XD_KIND_TASK:
        clear_tasks(msg);
        break;
    case XD_KIND_RESULT:
        clear_results(msg);
        break;
    case XD_KIND_STARTED:
    case XD_KIND_CANCEL:
    case XD_KIND_RECALL:
    case XD_KIND_RECALLED:
    case XD_KIND_BUSY:
        xd_free(msg->ids.ids);
        break;
    case XD_KIND_EVENT:
        xd_bytes_unref(msg->event.kind);
        xd_bytes_unref(msg->event.bytes);
        break;
    case XD_KIND_ERROR:
    case XD_KIND_BYE:
        xd_bytes_unref(msg->error.text);
        break;
    case XD_KIND_CHUNK:
        xd_bytes_unref(msg->chunk.bytes);
        break;
    case XD_KIND_ADMIN:
        xd_bytes_unref(msg->admin.verb);
        xd_bytes_unref(msg->admin.text);
        free_texts(msg->admin.args, msg->admin.arg_count);
        break;
    case XD_KIND_GIVEN:
        xd_frames_free(msg->given.frames, msg->given.frame_count);
        break;
    case XD_KIND_SETUP:
        xd_frames_free(msg->setup.frames, msg->setup.frame_count);
        break;
    case XD_KIND_ACCEPTED:
    case XD_KIND_ACK:
    case XD_KIND_HEARTBEAT:
    case XD_KIND_CREDIT:
        break;
    }
}

void xd_msg_clear(struct xd_msg *msg)
{
    if (msg) {
        clear_content(msg);
        *msg = (struct xd_msg){0};
    }
}
