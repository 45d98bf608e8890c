/* SPDX-License-Identifier: MIT */
/* Immutable counted bytes: payloads are passed on by reference, never copied. Installed.
 */
#ifndef XD_BASE_BYTES_H
#define XD_BASE_BYTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* `data` and `size` may be read by whoever holds a reference; nothing in it changes while
 * one is held. References may be taken and dropped from any thread; the release function
 * runs in the thread that drops the last one. */
struct xd_bytes {
    const uint8_t *data; /* NULL only when size is 0 */
    size_t size;
    atomic_size_t refs;
    void (*release)(void *hint); /* NULL when the bytes lie behind this struct */
    void *hint;
};

/* A copy of `size` bytes at `data` (NULL allowed when 0), in one allocation with its
 * header (large ones in a mapping of their own). Returns one reference in *out. Errors:
 * XD_ERR_NOMEM. */
enum xd_err xd_bytes_copy(const void *data,
                          size_t size,
                          struct xd_bytes **out) XD_MUST_USE;

/* The same of a text without its NUL. */
enum xd_err xd_bytes_text(const char *text, struct xd_bytes **out) XD_MUST_USE;

/* Room for `size` bytes to be filled through *room before the bytes are shown to anybody
 * else. */
enum xd_err xd_bytes_room(size_t size, uint8_t **room, struct xd_bytes **out) XD_MUST_USE;

/* Takes `data` where it lies; `release(hint)` is called once, when the last reference
 * goes (NULL: never needed). On failure nothing is taken and release is not called. */
enum xd_err xd_bytes_wrap(const void *data,
                          size_t size,
                          void (*release)(void *hint),
                          void *hint,
                          struct xd_bytes **out) XD_MUST_USE;

/* `size` bytes of `whole` from `offset`, without a copy; shares `whole`. The range must
 * lie inside (asserted). */
enum xd_err xd_bytes_slice(struct xd_bytes *whole,
                           size_t offset,
                           size_t size,
                           struct xd_bytes **out) XD_MUST_USE;

/* For programs that are there for tasks alone, at their start, before there are threads
 * (crossdock-broker and crossdock-worker do it): each arena of the allocator keeps up to
 * `kept` bytes (below 2 GiB) of what was freed, and takes blocks up to half of that, at
 * most 32 MiB, from there, instead of asking the system for each message; and as much is
 * kept of large payloads (base/block.h). Payloads of 100 kB and more then pass several
 * times as fast where fresh pages are slow: on a virtual machine one may cost 50 us, 16
 * MB 200 ms. A setting of the whole process; of messages no effect without glibc. */
void xd_keep_memory(size_t kept);

/* Only the last of that, for programs that have more to do: up to `kept` bytes of large
 * payloads' memory stay with the process. Any time; 0 gives back what is kept. */
void xd_keep_payloads(size_t kept);

/* For who relays messages, and for who makes and reads payloads. */
#define XD_KEPT_OF_MESSAGES ((size_t)16 << 20)
#define XD_KEPT_OF_PAYLOADS ((size_t)64 << 20)
/* For who has more to do than tasks; of large payloads alone. */
#define XD_KEPT_OF_SESSIONS ((size_t)32 << 20)

/* One more reference; gives back `bytes`, NULL for NULL. */
struct xd_bytes *xd_bytes_ref(struct xd_bytes *bytes);

/* One reference less; NULL allowed. */
void xd_bytes_unref(struct xd_bytes *bytes);

/* Same content? NULL equals only NULL. */
bool xd_bytes_equal(const struct xd_bytes *a, const struct xd_bytes *b);

/* Is the content this text? False for NULL. */
bool xd_bytes_is(const struct xd_bytes *bytes, const char *text);

#endif
