/* SPDX-License-Identifier: MIT */
/* Who may connect: the ZAP handler (ZeroMQ RFC 27) of the broker's context, in a thread
 * of its own. */
#ifndef XDB_IO_ZAP_H
#define XDB_IO_ZAP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define XDB_ZAP_DOMAIN "crossdock"

struct xdb_zap;

/* Start it; must come before any bind. Local sockets: the process's own user, root's and
 * the listed ones may connect, nobody else. `died_fd` is an eventfd it writes to when it
 * ends for any other reason than xdb_zap_stop. Errors: XD_ERR_SYSTEM, XD_ERR_NOMEM. */
enum xd_err xdb_zap_start(void *context,
                          const unsigned *uids,
                          size_t uid_count,
                          const unsigned *gids,
                          size_t gid_count,
                          int died_fd,
                          struct xdb_zap **out) XD_MUST_USE;

/* The principal in a message's User-Id, or NULL when our handler did not put it there.
 * Only this may be trusted: a peer can set a User-Id of its own where no handler ran. */
const char *xdb_zap_principal(const struct xdb_zap *zap, const char *user_id);

/* End the thread and free. NULL allowed. */
void xdb_zap_stop(struct xdb_zap *zap);

#endif
