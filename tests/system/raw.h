/* SPDX-License-Identifier: MIT */
/* Sessions made by hand, message by message, for what the library would never say. */
#ifndef XDT_SYSTEM_RAW_H
#define XDT_SYSTEM_RAW_H

#include <stdbool.h>

#include "sys.h"
#include "wire/codec.h"

enum where { ON_CLIENTS, ON_WORKERS, ON_BULK, PLACES };

/* A DEALER of `context` on one of the broker's endpoints, on tcp only that of clients,
 * with the keys of the test's directory. */
void *raw_dial(const struct sys *sys, void *context, enum where where);

struct xd_msg raw_hello(enum xd_role role, enum xd_lane lane);
void raw_send(void *socket, const struct xd_msg *msg);

/* The next message that is no heartbeat, within five seconds; false when none comes. */
bool raw_receive(void *socket, struct xd_msg *msg);

/* The same for a session that was greeted: within a minute, and saying all the while that
 * it lives. */
bool raw_await(void *socket, struct xd_msg *msg);

/* A session of that role: HELLO on the clients' socket, and for a worker again on its
 * own. */
struct raw {
    void *socket;
    struct xd_session_id session;
    struct xd_token token;
    unsigned ports[PLACES]; /* on tcp, of the broker's endpoints */
};
struct raw raw_open(const struct sys *sys, void *context, enum xd_role role);

/* The port in an endpoint that the broker named; 0: none, it may be NULL. */
unsigned raw_port(const struct xd_bytes *endpoint);

/* A further socket of the session, greeted. */
void *raw_further(const struct sys *sys,
                  void *context,
                  const struct raw *raw,
                  enum xd_role role,
                  enum where where);

#endif
