/* SPDX-License-Identifier: MIT */
/* Tasks of format `call`: a callee's name and class-tagged frames as arguments, so that
 * programs in other languages take part. */
#ifndef RXD_CALL_H
#define RXD_CALL_H

#include "rxd.h"

/* Each element of the list becomes a frame: an object of a configured class by its codec,
 * a raw vector as class "raw", a string as class "text"; names go along. Anything else is
 * an R error that names its class. */
void rxd_call_encode(SEXP parcel, SEXP args, SEXP config, const char *side);

/* list(callee, arguments) of a task. */
SEXP rxd_call_decode(const char *callee,
                     const struct xd_frame *frames,
                     size_t count,
                     SEXP config);

/* The value of a call: that of its one frame, NULL for none, else a list of them. */
SEXP rxd_call_value(const struct xd_frame *frames, size_t count, SEXP config);

#endif
