/* SPDX-License-Identifier: MIT */
/* A server of which only the sessions are there: over links, whose other sides the test
 * reads. */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>

#include "io/server.h"
#include "wire/msg.h"

extern struct xdb_server stage;

/* For begin() and end() of a suite, before and after what it needs besides. */
void stage_begin(void);
void stage_end(void);

/* A session with a link of its own. */
struct xdb_peer *stage_join(enum xd_role role);

/* The next message it was sent; false: nothing. Clear with xd_msg_clear(). */
bool stage_hear(const struct xdb_peer *peer, struct xd_msg *msg);

#endif
