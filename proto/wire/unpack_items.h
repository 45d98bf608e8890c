/* SPDX-License-Identifier: MIT */
/* Reading tasks, results and their frames out of an unpacked envelope. */
#ifndef XD_WIRE_UNPACK_ITEMS_H
#define XD_WIRE_UNPACK_ITEMS_H

#include "base/err.h"
#include "gen/crossdock.pb-c.h"
#include "wire/msg.h"
#include "wire/reader.h"

/* Each fills its part of `msg`, whose kind is set; on failure what is filled so far is
 * left for xd_msg_clear(). */
enum xd_err xd_unpack_tasks(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg) XD_MUST_USE;
enum xd_err xd_unpack_results(struct xd_reader *reader,
                              const Xd__Pb__Envelope *envelope,
                              struct xd_msg *msg) XD_MUST_USE;
enum xd_err xd_unpack_setup(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg) XD_MUST_USE;
enum xd_err xd_unpack_ids(struct xd_reader *reader,
                          const Xd__Pb__Envelope *envelope,
                          struct xd_msg *msg) XD_MUST_USE;

enum xd_err xd_unpack_given(struct xd_reader *reader,
                            const Xd__Pb__Envelope *envelope,
                            struct xd_msg *msg) XD_MUST_USE;
/* unpack_options.c: of one task. */
enum xd_err xd_unpack_options(struct xd_reader *reader,
                              const Xd__Pb__Task *from,
                              struct xd_task *to) XD_MUST_USE;

#endif
