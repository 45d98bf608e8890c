/* SPDX-License-Identifier: MIT */
/* The one list of error codes, and the sentence that goes with one. */
#ifndef XD_BASE_ERR_H
#define XD_BASE_ERR_H

#include <stddef.h>

#if defined(__GNUC__)
#define XD_MUST_USE __attribute__((warn_unused_result))
#define XD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define XD_MUST_USE
#define XD_PRINTF(fmt, args)
#endif

/* X(code, name on the wire and in logs, what it means). Numbers are part of the wire
 * format: append only. */
#define XD_ERR_LIST(X)                                                                   \
    X(XD_OK, 0, "ok", "success")                                                         \
    X(XD_ERR_NOMEM, 1, "no_memory", "out of memory")                                     \
    X(XD_ERR_INVALID, 2, "invalid", "an argument is not valid")                          \
    X(XD_ERR_AGAIN, 3, "again", "nothing to do right now")                               \
    X(XD_ERR_TIMEOUT, 4, "timeout", "the time allowed is over")                          \
    X(XD_ERR_BUSY, 5, "busy", "a budget of tasks or bytes is used up")                   \
    X(XD_ERR_GONE, 6, "gone", "the other side is gone")                                  \
    X(XD_ERR_TOO_LARGE, 7, "too_large", "larger than the documented limit")              \
    X(XD_ERR_PROTOCOL, 8, "bad_request", "bytes that are not a message of the protocol") \
    X(XD_ERR_VERSION, 9, "version", "a protocol version this side does not speak")       \
    X(XD_ERR_FORBIDDEN, 10, "forbidden", "not allowed for this role or profile")         \
    X(XD_ERR_NOT_FOUND, 11, "not_found", "no such thing")                                \
    X(XD_ERR_EXISTS, 12, "exists", "there is one already")                               \
    X(XD_ERR_CODEC, 13, "codec_error", "a codec could not encode or decode the object")  \
    X(XD_ERR_NO_CODEC, 14, "no_codec", "no codec is registered for the class tag")       \
    X(XD_ERR_SYSTEM, 15, "system", "the operating system refused")                       \
    X(XD_ERR_UNSUPPORTED, 16, "unsupported", "known, but not supported by this side")

enum xd_err {
#define XD_ERR_ENUM(code, number, name, text) code = number,
    XD_ERR_LIST(XD_ERR_ENUM)
#undef XD_ERR_ENUM
};

/* One sentence about a failure: what was wrong, where, and the value found. Owned by the
 * caller, who passes NULL where it does not care; written only on failure; always ended
 * by NUL, cut when too long. */
struct xd_error {
    char text[256];
};

/* The short name ("no_memory") and the meaning of a code; "unknown" for a number outside
 * the list. Static text. */
const char *xd_err_name(enum xd_err err);
const char *xd_err_text(enum xd_err err);

/* Write the sentence; `error` may be NULL. */
void xd_error_set(struct xd_error *error, const char *format, ...) XD_PRINTF(2, 3);

/* Put "context: " before the sentence that is there, on the way up. */
void xd_error_prefix(struct xd_error *error, const char *context);

/* Do so and give back `err`: `return xd_fail(error, XD_ERR_INVALID, "n is %d", n);`
 * Macros, so that a reader of the code, human or analyzer, sees that what comes back is
 * `err`. */
#define xd_fail(error, err, ...) (xd_error_set((error), __VA_ARGS__), (err))
#define xd_fail_in(error, err, context) (xd_error_prefix((error), (context)), (err))

#endif
