/* SPDX-License-Identifier: MIT */
/* One worker's state over a scripted broker, with a hand-moved clock: what each of its
 * test files begins with. */
#ifndef XDT_CLIENT_WORKER_SIDE_H
#define XDT_CLIENT_WORKER_SIDE_H

#include "clock.h"
#include "fake.h"
#include "worker_core.h"

extern struct fake *fake;
extern struct xd_worker_core *core;
extern xd_time now;
extern struct xd_batch *batch; /* for turns in pieces */

/* A session that has offered "f" and "g" in profile "p"; and its end. */
void begin(void);
void end(void);

/* So much later: take what came, send what is due, check all invariants. */
void turn(xd_time passed);

/* Task fake_id(n) comes and begins; the running one ends with nothing. */
struct xd_job *run(unsigned n);
void finish(void);

/* The next message is of this kind; or there is none. */
void expect_and_drop(enum xd_kind kind);
void expect_nothing(void);

#endif
