/* SPDX-License-Identifier: MIT */
/* Reading what each kind has of its own out of an unpacked envelope. */
#ifndef XD_WIRE_UNPACK_PARTS_H
#define XD_WIRE_UNPACK_PARTS_H

#include "base/err.h"
#include "gen/crossdock.pb-c.h"
#include "wire/msg.h"
#include "wire/reader.h"

/* Fills its part of `msg`, whose kind is set; the parts that the kind needs are there. On
 * failure what is filled so far is left for xd_msg_clear(). */
typedef enum xd_err xd_unpack_part(struct xd_reader *reader,
                                   const Xd__Pb__Envelope *envelope,
                                   struct xd_msg *msg);

xd_unpack_part xd_unpack_hello, xd_unpack_hello_ok, xd_unpack_ready, xd_unpack_cancel,
    xd_unpack_event, xd_unpack_busy, xd_unpack_error, xd_unpack_chunk, xd_unpack_credit,
    xd_unpack_admin;

#endif
