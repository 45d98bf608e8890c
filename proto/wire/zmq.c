/* SPDX-License-Identifier: MIT */
/* Frames to and from a ZeroMQ socket. */
#include "wire/zmq.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#include "wire/limits.h"

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#if defined(HAS_TSAN)
/* libzmq is not instrumented, so TSan does not see that its pipes order what the sender
 * wrote before what the receiver reads. One address for the whole process claims a little
 * more order than there is. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char hand_over;
#define HAND_OVER() __tsan_release(&hand_over)
#define TAKE_OVER() __tsan_acquire(&hand_over)
#else
#define HAND_OVER() ((void)0)
#define TAKE_OVER() ((void)0)
#endif

#define ROUTE_BYTES 5u /* of an automatic routing id: zero, then the counter */

static enum xd_err map_errno(void)
{
    switch (errno) {
    case EAGAIN:
        return XD_ERR_AGAIN;
    case ENOMEM:
        return XD_ERR_NOMEM;
    case EHOSTUNREACH:
    case ETERM:
    case ENOTSOCK:
        return XD_ERR_GONE;
    default:
        return XD_ERR_SYSTEM;
    }
}

/* ---- receiving ---- */

static enum xd_err recv_frame(void *socket, zmq_msg_t *frame)
{
    int rc;
    do {
        rc = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        return map_errno();
    }
    TAKE_OVER();
    return XD_OK;
}

static void release_frame(void *hint)
{
    HAND_OVER();
    zmq_msg_close(hint);
}

/* Moves a large frame: the zmq_msg_t lies behind the header, one allocation for both. */
static enum xd_err move_frame(zmq_msg_t *frame, struct xd_bytes **out)
{
    uint8_t *room;
    struct xd_bytes *bytes;
    enum xd_err err = xd_bytes_room(sizeof(zmq_msg_t), &room, &bytes);
    if (err) {
        return err;
    }
    zmq_msg_t *kept = (zmq_msg_t *)(void *)room;
    zmq_msg_init(kept);
    zmq_msg_move(kept, frame);
    bytes->data = zmq_msg_data(kept);
    bytes->size = zmq_msg_size(kept);
    bytes->release = release_frame;
    bytes->hint = kept;
    *out = bytes;
    return XD_OK;
}

static enum xd_err take_frame(zmq_msg_t *frame, struct xd_bytes **out)
{
    size_t size = zmq_msg_size(frame);
    if (size >= XD_COPY_BELOW_BYTES) {
        return move_frame(frame, out);
    }
    return xd_bytes_copy(zmq_msg_data(frame), size, out);
}

/* The rest of a message that will not be given out. All its frames are there: libzmq
 * delivers whole messages. */
static void drain(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame) && recv_frame(socket, frame) == XD_OK) {
    }
}

static void drop_frames(struct xd_bytes **frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        xd_bytes_unref(frames[i]);
        frames[i] = NULL;
    }
}

/* A text that libzmq's own thread wrote, as it came with the message; longer ones are
 * left out. TSan must not look: it saw no hand-over from that thread. */
__attribute__((no_sanitize("thread"))) static void copy_text(char *out,
                                                             size_t room,
                                                             const char *text)
{
    size_t size = 0;
    while (size < room && text[size] != '\0') {
        out[size] = text[size];
        size++;
    }
    out[size < room ? size : 0] = '\0';
}

static void read_metadata(zmq_msg_t *frame, bool want_user, struct xd_zmq_from *from)
{
    from->fd = zmq_msg_get(frame, ZMQ_SRCFD);
    const char *user = want_user ? zmq_msg_gets(frame, "User-Id") : NULL;
    if (user) {
        copy_text(from->user_id, sizeof from->user_id, user);
    }
}

/* The id a ROUTER puts in front, then the first frame of the message into `frame`. An id
 * of another shape was chosen by the peer, which nobody of ours does. */
static enum xd_err recv_route(void *socket, zmq_msg_t *frame, struct xd_zmq_from *from)
{
    *from = (struct xd_zmq_from){.fd = -1};
    enum xd_err err = recv_frame(socket, frame);
    if (err) {
        return err;
    }
    const uint8_t *id = zmq_msg_data(frame);
    if (zmq_msg_size(frame) != ROUTE_BYTES || id[0] != 0 || !zmq_msg_more(frame)) {
        return XD_ERR_PROTOCOL;
    }
    memcpy(&from->route.n, id + 1, sizeof from->route.n);
    return XD_OK;
}

static enum xd_err recv_frames(void *socket,
                               zmq_msg_t *frame,
                               struct xd_bytes **frames,
                               size_t capacity,
                               size_t *count)
{
    size_t taken = 0;
    enum xd_err err = XD_OK;
    bool more = true;
    while (more && !err) {
        more = zmq_msg_more(frame); /* moving the frame out loses the flag */
        err = taken == capacity ? XD_ERR_TOO_LARGE : take_frame(frame, &frames[taken]);
        if (!err) {
            taken++;
            err = more ? recv_frame(socket, frame) : XD_OK;
        }
    }
    if (err) {
        drop_frames(frames, taken);
    } else {
        *count = taken;
    }
    return err;
}

static enum xd_err recv_all(void *socket,
                            zmq_msg_t *frame,
                            struct xd_zmq_from *from,
                            bool want_user,
                            struct xd_bytes **frames,
                            size_t capacity,
                            size_t *count)
{
    enum xd_err err = XD_OK;
    if (from) {
        err = recv_route(socket, frame, from);
    }
    if (!err) {
        err = recv_frame(socket, frame);
    }
    if (err) {
        return err;
    }
    if (from) {
        read_metadata(frame, want_user, from);
    }
    return recv_frames(socket, frame, frames, capacity, count);
}

enum xd_err xd_zmq_recv(void *socket,
                        struct xd_zmq_from *from,
                        bool want_user,
                        struct xd_bytes **frames,
                        size_t capacity,
                        size_t *count)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    enum xd_err err = recv_all(socket, &frame, from, want_user, frames, capacity, count);
    if (err) {
        drain(socket, &frame);
    }
    zmq_msg_close(&frame);
    return err;
}

/* ---- sending ---- */

static void release_bytes(void *data, void *hint)
{
    (void)data;
    TAKE_OVER();
    xd_bytes_unref(hint);
}

/* libzmq asks for writable memory, but only passes it on. */
static void *writable(const void *data)
{
    void *same;
    memcpy(&same, &data, sizeof same);
    return same;
}

static enum xd_err fill(zmq_msg_t *frame, struct xd_bytes *bytes)
{
    if (bytes->size >= XD_COPY_BELOW_BYTES) {
        if (zmq_msg_init_data(frame,
                              writable(bytes->data),
                              bytes->size,
                              release_bytes,
                              bytes) != 0) {
            return map_errno();
        }
        xd_bytes_ref(bytes);
        return XD_OK;
    }
    if (zmq_msg_init_size(frame, bytes->size) != 0) {
        return map_errno();
    }
    if (bytes->size) {
        memcpy(zmq_msg_data(frame), bytes->data, bytes->size);
    }
    return XD_OK;
}

static void close_all(zmq_msg_t *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        zmq_msg_close(&frames[i]);
    }
}

/* All memory is there before the first frame goes: nothing of ours can fail between two
 * frames of a message. */
static enum xd_err fill_all(zmq_msg_t *out,
                            const struct xd_route *to,
                            struct xd_bytes *const *frames,
                            size_t count)
{
    size_t filled = 0;
    if (to) {
        zmq_msg_init_size(&out[filled], ROUTE_BYTES); /* so small that it never fails */
        uint8_t *id = zmq_msg_data(&out[filled++]);
        id[0] = 0;
        memcpy(id + 1, &to->n, sizeof to->n);
    }
    for (size_t i = 0; i < count; i++) {
        enum xd_err err = fill(&out[filled], frames[i]);
        if (err) {
            close_all(out, filled);
            return err;
        }
        filled++;
    }
    return XD_OK;
}

static enum xd_err send_frame(void *socket, zmq_msg_t *frame, int flags)
{
    int rc;
    do {
        rc = zmq_msg_send(frame, socket, ZMQ_DONTWAIT | flags);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? map_errno() : XD_OK;
}

/* Where the first frame fails nothing was sent and all are closed. A later one fails only
 * on a DEALER whose connection broke this moment: libzmq has then taken the first ones
 * back and swallows the rest of the message, which it must still be given. */
static enum xd_err send_all(void *socket, zmq_msg_t *frames, size_t count)
{
    enum xd_err failed = XD_OK;
    for (size_t i = 0; i < count; i++) {
        enum xd_err err = send_frame(socket, &frames[i], i + 1 < count ? ZMQ_SNDMORE : 0);
        if (err) {
            zmq_msg_close(&frames[i]);
            failed = err;
        }
        if (err && (i == 0 || err == XD_ERR_GONE)) {
            close_all(frames + i + 1, count - i - 1);
            break;
        }
    }
    return failed;
}

enum xd_err xd_zmq_send(void *socket,
                        const struct xd_route *to,
                        struct xd_bytes *const *frames,
                        size_t count)
{
    zmq_msg_t messages[XD_FRAMES_MAX + 1];
    if (count == 0 || count > XD_FRAMES_MAX) {
        return count ? XD_ERR_TOO_LARGE : XD_ERR_INVALID;
    }
    enum xd_err err = fill_all(messages, to, frames, count);
    if (err) {
        return err;
    }
    HAND_OVER();
    return send_all(socket, messages, count + (to ? 1 : 0));
}

/* ---- connections ---- */

/* At most what net.core.wmem_max allows; the kernel doubles it for its own. */
#define UNIX_ROOM (1 << 20)

static int domain_of(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? domain
                                                                      : AF_UNSPEC;
}

void xd_zmq_tune_stream(int fd)
{
    if (domain_of(fd) == AF_UNIX) {
        int room = UNIX_ROOM;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        return;
    }
#ifdef TCP_THIN_LINEAR_TIMEOUTS
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &one, sizeof one);
#endif
}
