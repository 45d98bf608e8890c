/* SPDX-License-Identifier: MIT */
/* The scripted broker of the client's tests. */
#include "fake.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct parcel {
    struct xd_list link;
    enum xd_lane lane;
    struct xd_frames frames;
};

struct letter {
    struct xd_list link;
    struct xd_msg msg;
};

static void must(bool claim, const char *what)
{
    if (!claim) {
        fprintf(stderr, "fake broker: %s\n", what);
        abort();
    }
}

static struct fake *fake_of(struct xd_link *link)
{
    return (struct fake *)(void *)link;
}

static void keep(struct fake *fake, struct xd_msg *msg)
{
    struct letter *letter = malloc(sizeof *letter);
    must(letter != NULL, "no memory");
    letter->msg = *msg;
    pthread_mutex_lock(&fake->lock);
    xd_list_push_back(&fake->heard, &letter->link);
    pthread_mutex_unlock(&fake->lock);
}

static enum xd_err fake_send(struct xd_link *link,
                             enum xd_lane lane,
                             struct xd_bytes *const *frames,
                             size_t count)
{
    struct fake *fake = fake_of(link);
    pthread_mutex_lock(&fake->lock);
    bool gone = fake->gone, full = fake->full[lane];
    fake->sender = pthread_self();
    pthread_mutex_unlock(&fake->lock);
    if (gone || full) {
        return gone ? XD_ERR_GONE : XD_ERR_AGAIN;
    }
    struct xd_msg msg;
    struct xd_error error;
    enum xd_err err = xd_msg_unpack(frames, count, &msg, &error);
    if (err == XD_ERR_NOMEM) {
        return XD_ERR_AGAIN; /* a test fails allocations: the link is "full" */
    }
    must(err == XD_OK, error.text);
    if (fake->answer == NULL || !fake->answer(fake, lane, &msg)) {
        keep(fake, &msg);
    } else {
        xd_msg_clear(&msg);
    }
    return XD_OK;
}

static enum xd_err fake_recv(struct xd_link *link,
                             enum xd_lane lane,
                             struct xd_bytes **frames,
                             size_t capacity,
                             size_t *count)
{
    struct fake *fake = fake_of(link);
    enum xd_err err = XD_ERR_AGAIN;
    pthread_mutex_lock(&fake->lock);
    XD_LIST_EACH_SAFE (at, &fake->waiting) {
        struct parcel *parcel = XD_ITEM(at, struct parcel, link);
        if (parcel->lane == lane) {
            must(parcel->frames.count <= capacity, "no room");
            memcpy(frames, parcel->frames.items, parcel->frames.count * sizeof *frames);
            *count = parcel->frames.count;
            xd_list_remove(at);
            free(parcel);
            err = XD_OK;
            break;
        }
    }
    if (err == XD_ERR_AGAIN && fake->gone) {
        err = XD_ERR_GONE;
    }
    if (xd_list_is_empty(&fake->waiting) && !fake->gone) {
        uint64_t seen;
        for (int each = 0; each < XD_LANE_COUNT; each++) {
            (void)!read(fake->fds[each], &seen, sizeof seen);
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return err;
}

static size_t fake_arm(struct xd_link *link, struct pollfd *fds)
{
    struct fake *fake = fake_of(link);
    pthread_mutex_lock(&fake->lock);
    fake->waits++;
    pthread_mutex_unlock(&fake->lock);
    size_t count = fake->opened[XD_LANE_BULK] > 0 ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = fake->fds[i], .events = POLLIN};
    }
    return count;
}

static void fake_woke(struct xd_link *link, const struct pollfd *fds, size_t count)
{
    (void)link;
    (void)fds;
    (void)count;
}

static enum xd_err fake_open(struct xd_link *link,
                             enum xd_lane lane,
                             const char *endpoint,
                             struct xd_error *error)
{
    (void)endpoint;
    (void)error;
    fake_of(link)->opened[lane]++;
    return XD_OK;
}

static void fake_close(struct xd_link *link)
{
    fake_of(link)->closed = true;
}

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof *fake);
    must(fake != NULL, "no memory");
    fake->link = (struct xd_link){.send = fake_send,
                                  .recv = fake_recv,
                                  .arm = fake_arm,
                                  .woke = fake_woke,
                                  .open = fake_open,
                                  .close = fake_close};
    pthread_mutex_init(&fake->lock, NULL);
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        fake->fds[lane] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        must(fake->fds[lane] >= 0, "no eventfd");
    }
    xd_list_init(&fake->waiting);
    xd_list_init(&fake->heard);
    fake->heartbeat_ms = 1000;
    return fake;
}

void fake_free(struct fake *fake)
{
    XD_LIST_EACH_SAFE (at, &fake->waiting) {
        struct parcel *parcel = XD_ITEM(at, struct parcel, link);
        xd_frames_clear(&parcel->frames);
        free(parcel);
    }
    struct xd_msg msg;
    while (fake_hear(fake, &msg)) {
        xd_msg_clear(&msg);
    }
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        close(fake->fds[lane]);
    }
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

static void ring(struct fake *fake, enum xd_lane lane)
{
    uint64_t one = 1;
    must(write(fake->fds[lane], &one, sizeof one) == sizeof one, "eventfd");
}

void fake_say(struct fake *fake, enum xd_lane lane, const struct xd_msg *msg)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);
    must(parcel != NULL, "no memory");
    parcel->lane = lane;
    enum xd_err err = xd_msg_pack(msg, &parcel->frames);
    if (err == XD_ERR_NOMEM) { /* a test fails one allocation: not ours */
        err = xd_msg_pack(msg, &parcel->frames);
    }
    must(err == XD_OK, "a message that cannot be packed");
    pthread_mutex_lock(&fake->lock);
    xd_list_push_back(&fake->waiting, &parcel->link);
    ring(fake, lane);
    pthread_mutex_unlock(&fake->lock);
}

bool fake_hear(struct fake *fake, struct xd_msg *out)
{
    pthread_mutex_lock(&fake->lock);
    bool any = !xd_list_is_empty(&fake->heard);
    if (any) {
        struct letter *letter = XD_ITEM(fake->heard.next, struct letter, link);
        xd_list_remove(&letter->link);
        *out = letter->msg;
        free(letter);
    }
    pthread_mutex_unlock(&fake->lock);
    return any;
}

/* The library's own thread may be about to send it. */
static bool await_letter(struct fake *fake, struct xd_msg *out)
{
    for (int ms = 0; ms < 5000; ms++) {
        struct timespec moment = {0, 1000000};
        if (fake_hear(fake, out)) {
            return true;
        }
        nanosleep(&moment, NULL);
    }
    return false;
}

void fake_expect(struct fake *fake, enum xd_kind kind, struct xd_msg *out)
{
    do {
        if (!await_letter(fake, out)) {
            fprintf(stderr, "expected %s, nothing was sent\n", xd_kind_name(kind));
            abort();
        }
        if (out->kind == XD_KIND_HEARTBEAT && kind != XD_KIND_HEARTBEAT) {
            xd_msg_clear(out);
        }
    } while (out->kind == 0);
    if (out->kind != kind) {
        fprintf(stderr,
                "expected %s, heard %s\n",
                xd_kind_name(kind),
                xd_kind_name(out->kind));
        abort();
    }
}

void fake_break(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->gone = true;
    ring(fake, XD_LANE_CONTROL);
    pthread_mutex_unlock(&fake->lock);
}

void fake_say_hello_ok(struct fake *fake, enum xd_lane lane, uint64_t budget_tasks)
{
    struct xd_msg msg = {.kind = XD_KIND_HELLO_OK};
    msg.hello_ok = (struct xd_hello_ok){.version = 1,
                                        .session = {7},
                                        .token = {{1, 2, 3}},
                                        .heartbeat_ms = fake->heartbeat_ms,
                                        .lost_ms = 3 * fake->heartbeat_ms,
                                        .budget_tasks = budget_tasks};
    fake_say(fake, lane, &msg);
}

bool fake_welcome(struct fake *fake, enum xd_lane lane, struct xd_msg *msg)
{
    if (msg->kind == XD_KIND_HELLO) {
        fake_say_hello_ok(fake, lane, 0);
        return true;
    }
    return false;
}

void fake_say_result(struct fake *fake,
                     struct xd_task_id id,
                     enum xd_outcome outcome,
                     const char *text)
{
    struct xd_frame frame = {.role = XD_FRAME_BODY};
    struct xd_result result = {.id = id, .outcome = outcome};
    if (text != NULL) {
        must(xd_bytes_text(text, &frame.bytes) == XD_OK, "no memory");
        frame.size = frame.bytes->size;
        result.frames = &frame;
        result.frame_count = 1;
    }
    if (outcome != XD_OUTCOME_DONE) {
        must(xd_bytes_text("it went wrong", &result.error) == XD_OK, "no memory");
    }
    struct xd_msg msg = {.kind = XD_KIND_RESULT};
    msg.results.results = &result;
    msg.results.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(frame.bytes);
    xd_bytes_unref(result.error);
}

void fake_say_done(struct fake *fake, const struct xd_task *tasks, size_t count)
{
    struct xd_result *results = calloc(count, sizeof *results);
    must(results != NULL, "no memory");
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct xd_result){.id = tasks[i].id, .outcome = XD_OUTCOME_DONE};
    }
    struct xd_msg msg = {.kind = XD_KIND_RESULT};
    msg.results.results = results;
    msg.results.count = count;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    free(results);
}

void fake_say_task(struct fake *fake, struct xd_task_id id, const char *callee, bool hold)
{
    struct xd_task task = {.id = id, .format = XD_FORMAT_CALL, .hold = hold};
    must(xd_bytes_text(callee, &task.callee) == XD_OK, "no memory");
    struct xd_msg msg = {.kind = XD_KIND_TASK};
    msg.tasks.tasks = &task;
    msg.tasks.count = 1;
    fake_say(fake, XD_LANE_CONTROL, &msg);
    xd_bytes_unref(task.callee);
}

void fake_say_ids(struct fake *fake,
                  enum xd_kind kind,
                  struct xd_task_id id,
                  uint32_t level)
{
    struct xd_msg msg = {.kind = kind};
    msg.ids.ids = &id;
    msg.ids.count = 1;
    if (kind == XD_KIND_CANCEL) {
        msg.ids.level = (enum xd_cancel_level)level;
    }
    if (kind == XD_KIND_BUSY) {
        msg.ids.scope = XD_SCOPE_CLIENT;
        msg.ids.retry_after_ms = level;
    }
    fake_say(fake, XD_LANE_CONTROL, &msg);
}

struct xd_task_id fake_id(unsigned n)
{
    struct xd_task_id id = {{(uint8_t)n, (uint8_t)(n >> 8), 0xab}};
    return id;
}
