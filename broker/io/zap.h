/* SPDX-License-Identifier: MIT */
/* Who may connect: the ZAP handler (ZeroMQ RFC 27) of the broker's context, in a thread
 * of its own. */
#ifndef XDB_IO_ZAP_H
#define XDB_IO_ZAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/rights.h"

/* Each address that is listened on has a domain of its own. */
#define XDB_ZAP_LISTENERS_MAX 8u
#define XDB_ZAP_DOMAIN_ROOM 16u

enum xdb_mechanism { XDB_MECHANISM_NONE, XDB_MECHANISM_NULL, XDB_MECHANISM_CURVE };

struct xdb_zap;

/* Start it; must come before any bind. `rights` must live longer. `died_fd` is an eventfd
 * it writes to when it ends for any other reason than xdb_zap_stop. Errors:
 * XD_ERR_SYSTEM, XD_ERR_NOMEM. */
enum xd_err xdb_zap_start(void *context,
                          struct xdb_rights *rights,
                          int died_fd,
                          struct xdb_zap **out) XD_MUST_USE;

/* Before listener `number` is bound: what it takes, NULL from users of this host or CURVE
 * from anywhere; a domain that was not announced takes nothing. Gives the domain. */
void xdb_zap_announce(struct xdb_zap *zap,
                      uint32_t number,
                      enum xdb_mechanism mechanism,
                      char domain[XDB_ZAP_DOMAIN_ROOM]);

/* What the handler found out about the sender of a message with that User-Id: its right,
 * and the listener it came by. NULL when our handler did not put it there. Only this may
 * be trusted: a peer can set a User-Id of its own where no handler ran. */
const struct xdb_right *xdb_zap_right(const struct xdb_zap *zap,
                                      const char *user_id,
                                      uint32_t *listener);

/* End the thread and free. NULL allowed. */
void xdb_zap_stop(struct xdb_zap *zap);

#endif
