/* SPDX-License-Identifier: MIT */
/* R values as payload frames, and back.
 *
 * A value becomes one body, the segments of its large plain vectors, and one frame for
 * each object that has a codec (pieces.h says how they lie). Which classes have one is in
 * a serial configuration: R_NilValue, or what serial_config() gives, list(class, sfunc,
 * ufunc, vec). Objects are external pointers, weak references and environments that have
 * a class attribute; they are found wherever R's serializer comes by, and each is sent
 * once. Not found are S4 and reference class objects that only contain one of these.
 *
 * All of this belongs to the main thread and may jump with an R error, unless it says
 * otherwise; nothing leaks then. `side` is "client" or "worker", for messages. */
#ifndef RXD_SERIAL_H
#define RXD_SERIAL_H

#include "crossdock.h"
#include "rxd.h"

/* What a value became: for xd_submit() or xd_job_finish(). It lives behind an external
 * pointer, which whoever made it protects. */
struct rxd_parcel {
    struct xd_payload *payloads;
    size_t count;
    uint64_t bytes; /* of all payloads */
};

SEXP rxd_parcel_new(void);
struct rxd_parcel *rxd_parcel(SEXP parcel);

/* Empty it; never jumps. */
void rxd_parcel_clear(SEXP parcel);

/* The same, and it may be used for something else; R collects what is not freed. */
void rxd_parcel_free(SEXP parcel);

/* Fill the parcel; what was in it goes. An sfunc runs after the value was walked to its
 * end. Its error is passed on as it is on the client; on the worker it becomes one of
 * class crossdock_codec_error, with the class in `class_tag`, and `side`. */
void rxd_encode(SEXP parcel, SEXP value, SEXP config, const char *side);

/* The value. An object whose ufunc fails, or whose class is not in the configuration,
 * becomes an errorValue 1000 with attributes `codec` (its class), `side` and `message`;
 * frames that are not a value are an error. */
SEXP rxd_decode(const struct xd_frame *frames,
                size_t count,
                SEXP config,
                const char *side);

/* The bytes as a raw vector. */
SEXP rxd_raw(const uint8_t *data, uint64_t size);

/* One object, for format `call`. The entry of the configuration that it belongs to: the
 * first whose class it inherits; -1: none. */
int rxd_config_find(SEXP config, SEXP object);

/* The class tag of an entry; valid until R's next return from .Call. */
const char *rxd_config_tag(SEXP config, int entry);

/* Its bytes, a raw vector; errors as of rxd_encode(). */
SEXP rxd_object_encode(SEXP config, int entry, SEXP object, const char *side);

/* Back; what fails becomes an errorValue as in rxd_decode(). Borrows `bytes`. */
SEXP rxd_object_decode(SEXP config,
                       const char *tag,
                       struct xd_bytes *bytes,
                       const char *side);

/* For tests: a value as a list of raw vectors, its frames, with attributes role, tag and
 * count; the same back; one object alone. */
SEXP rxd_frames_of(SEXP value, SEXP config, SEXP side);
SEXP rxd_value_of(SEXP frames, SEXP config, SEXP side);
SEXP rxd_object_bytes(SEXP object, SEXP config, SEXP side);
SEXP rxd_object_of(SEXP bytes, SEXP tag, SEXP config, SEXP side);

#define RXD_SERIAL_CALLS(X)                                                              \
    X(frames_of, 3)                                                                      \
    X(value_of, 3)                                                                       \
    X(object_bytes, 3)                                                                   \
    X(object_of, 4)

#endif
