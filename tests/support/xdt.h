/* SPDX-License-Identifier: MIT */
/* What the tests of every folder share: sample messages, comparing, hex, failing
 * allocations, waiting with a deadline, a directory of one's own. */
#ifndef XDT_H
#define XDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/task.h"
#include "wire/codec.h"
#include "wire/msg.h"

/* Builders end the test program when there is no memory; what they give is the caller's.
 */
struct xd_bytes *xdt_bytes(const void *data, size_t size);
struct xd_bytes *xdt_text(const char *text);
struct xd_bytes *xdt_filled(size_t size, uint8_t value);

/* An id that differs for each `n`. */
struct xd_task_id xdt_id(unsigned n);

/* A body frame with this text; an object frame of a class. */
struct xd_frame xdt_body(const char *text);
struct xd_frame xdt_object(const char *tag, const char *text);
struct xd_frame xdt_reference(uint64_t owner, uint64_t counter, uint64_t size);

/* A task of format `call` (format `r` when `callee` is NULL) with one body frame of
 * `size` bytes. */
struct xd_task xdt_task(unsigned n, const char *callee, size_t size);
struct xd_result xdt_result(unsigned n, enum xd_outcome outcome, const char *body);

/* An array for a task, result or message: takes the frames. */
struct xd_frame *xdt_frames(const struct xd_frame *frames, size_t count);

/* A message of the kind in which every field that the kind has is set; the golden bytes
 * are those of these messages. Kinds run from 1 to XDT_KIND_LAST. */
#define XDT_KIND_LAST XD_KIND_GIVEN
void xdt_sample(enum xd_kind kind, struct xd_msg *out);

/* A SUBMIT (or TASK) or RESULT of `count` items with bodies of `size` bytes. */
void xdt_batch(enum xd_kind kind, size_t count, size_t size, struct xd_msg *out);

/* Field by field; bytes by content. */
bool xdt_frames_equal(const struct xd_frame *a, const struct xd_frame *b, size_t count);
bool xdt_task_equal(const struct xd_task *a, const struct xd_task *b);
bool xdt_result_equal(const struct xd_result *a, const struct xd_result *b);
bool xdt_msg_equal(const struct xd_msg *a, const struct xd_msg *b);

/* An envelope from text, one field after the other: "1:1 2:4 10:|default| 8:{1:#16 2:1}".
 * Values: a number (varint), f7 (fixed64), |text|, #16 (that many bytes), {a message};
 * "257x8:{...}" is that field 257 times, "!0bff" bytes as they are. */
struct xd_bytes *xdt_encode(const char *fields);

/* The same with payload frames of these sizes behind it: "3,0,1024". */
void xdt_message(const char *fields, const char *payloads, struct xd_frames *out);

/* Sixteen bytes a line. */
void xdt_hex_write(FILE *file, const void *data, size_t size);

/* Frames as text: lines of hex, an empty line between frames, "#" begins a comment.
 * Reading gives false when the file is missing or something else. */
bool xdt_frames_write(const char *path,
                      const char *comment,
                      const struct xd_frames *frames);
bool xdt_frames_read(const char *path, struct xd_frames *frames);

/* Runs `run(context)` with the first, the second, ... allocation failing until it gets by
 * without the failure. Each failed run must give XD_ERR_NOMEM, the last one XD_OK, and
 * none may leave allocations behind. Gives back how many runs failed, or -1 with a line
 * on stderr when one misbehaved. `run` cleans up after itself. */
long xdt_oom_loop(enum xd_err (*run)(void *context), void *context);

/* Until `is_done(context)`, at most `limit_ms` (five times that under valgrind or a
 * sanitizer); false when the time was over. */
bool xdt_wait(bool (*is_done)(void *context), void *context, int limit_ms);

/* Monotonic milliseconds. */
int64_t xdt_now_ms(void);

/* A new directory, 0700, whose path is short enough for sockets; and its end with all
 * files in it. */
struct xdt_dir {
    char path[64];
};
void xdt_dir_make(struct xdt_dir *dir);
void xdt_dir_remove(struct xdt_dir *dir);

#endif
