/* SPDX-License-Identifier: MIT */
/* Calls with options, for the tests of what becomes of them. */
#ifndef XDT_SYSTEM_CALL_H
#define XDT_SYSTEM_CALL_H

#include "sys.h"

/* `callee` with one text (NULL: none) in `profile` (NULL: default). Options may be NULL.
 */
struct xd_future *call_with(struct xd_client *client,
                            const char *profile,
                            const char *callee,
                            const char *argument,
                            const struct xd_call_options *options);

/* The same, but it must be refused as invalid with a sentence that begins with `field`.
 */
void call_refused(struct xd_client *client,
                  const char *field,
                  const struct xd_call_options *options);

/* A task that keeps the one worker of the profile for so long; returns once it runs. */
struct xd_future *call_block(struct xd_client *client, const char *profile, int ms);

/* Wait for it, expect that its one text is this one, and free it. */
void call_expect(struct xd_future *future, const char *text);

/* Wait for it, expect that outcome, and free it. */
void call_expect_end(struct xd_future *future, enum xd_outcome outcome);

/* Wait until explain gives that state, 10 s at most; its reason, valid until the next. */
const char *call_await_state(struct xd_future *future, const char *state);

/* They have to end in this order; frees them. Nothing else may be open. */
void call_expect_order(struct xd_client *client,
                       struct xd_future **futures,
                       size_t count);

#endif
