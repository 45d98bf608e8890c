/* SPDX-License-Identifier: MIT */
/* One client's state over a scripted broker, with a hand-moved clock: what each of its
 * test files begins with. */
#ifndef XDT_CLIENT_CLIENT_SIDE_H
#define XDT_CLIENT_CLIENT_SIDE_H

#include "client_core.h"
#include "clock.h"
#include "fake.h"

extern struct fake *fake;
extern struct xd_client_core *core;
extern xd_time now;
extern unsigned made; /* tasks so far: their ids are fake_id(1), ... */

/* A session that was greeted, with a budget of tasks (0: none); and its end, with every
 * future that is not freed. */
void begin_with(uint64_t budget_tasks);
void begin(void);
void end(void);

/* So much later: take what came, send what is due, check all invariants. */
void turn(xd_time passed);

struct xd_future *submit_call(const struct xd_call *call);
struct xd_future *submit_to(const char *profile);
struct xd_future *submit(void);

/* The next message is SUBMIT of so many; or there is none. */
void expect_submit(size_t count);
void expect_nothing(void);

/* A task whose result has one payload of `size` bytes, at worker 5, up to the CREDIT for
 * it; and a piece of it, or why there is none (the bytes stay the caller's). */
struct xd_future *large_result(uint64_t size);
void say_chunk(uint64_t offset, struct xd_bytes *bytes, enum xd_err code);

#endif
