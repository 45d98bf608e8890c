/* SPDX-License-Identifier: MIT */
/* Where brokers are found: default directory, the endpoints derived from one address,
 * checks of a directory. */
#ifndef XD_WIRE_ADDRESS_H
#define XD_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define XD_ADDRESS_MAX_BYTES 256u

/* The default address, "ipc://DIR/broker": DIR is $XDG_RUNTIME_DIR/crossdock, else
 * /run/crossdock for root, else TMPDIR/crossdock-UID. Nothing is created. `out` has
 * XD_ADDRESS_MAX_BYTES. Errors: XD_ERR_TOO_LARGE when the path would not fit a unix
 * socket (107 bytes). */
enum xd_err xd_address_default(char *out, struct xd_error *error) XD_MUST_USE;

/* Is this an address one can dial or listen on? ipc:// with an absolute path of at most
 * 99 bytes, so that ".workers" behind it still fits a unix socket; the kernel's abstract
 * names, which have no owner, are refused. abstract://NAME, for those who know it from
 * elsewhere: the socket NAME beside the default one. tcp://HOST:PORT (also spelled
 * tls+tcp://): a name, an IPv4 address, or an IPv6 one in brackets, and a port up to
 * 65535. For one who listens, "*" is every interface and 0 any free port; dialling them
 * is refused where it is done. Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE,
 * XD_ERR_UNSUPPORTED for ws:// and wss://. */
enum xd_err xd_address_check(const char *address, struct xd_error *error) XD_MUST_USE;

/* The address as libzmq takes it: without a "tls+" in front, ipc instead of abstract.
 * `out` has XD_ADDRESS_MAX_BYTES. Errors: as xd_address_check(). */
enum xd_err xd_address_plain(const char *address,
                             char *out,
                             struct xd_error *error) XD_MUST_USE;

/* Of a valid address. */
bool xd_address_is_tcp(const char *address);
unsigned xd_address_port(const char *address); /* 0 for ipc */

/* A tcp address with another port, plain (see above). `out` has XD_ADDRESS_MAX_BYTES.
 * Errors: XD_ERR_INVALID. */
enum xd_err xd_address_with_port(const char *address,
                                 unsigned port,
                                 char *out,
                                 struct xd_error *error) XD_MUST_USE;

/* ".workers" and ".bulk" beside an ipc address. `out` has XD_ADDRESS_MAX_BYTES. */
enum xd_err xd_address_beside(const char *address,
                              const char *suffix,
                              char *out,
                              struct xd_error *error) XD_MUST_USE;

/* For tcp addresses nothing to do. Broker side: make the directory of an ipc address,
 * 0700, if it is missing; refuse one that is not ours or is open to others. Client side
 * (`create` 0): refuse a directory that is neither ours nor root's; one that is not there
 * is XD_ERR_TIMEOUT, as is a broker that does not answer. */
enum xd_err xd_address_directory(const char *address,
                                 int create,
                                 struct xd_error *error) XD_MUST_USE;

/* Where the sockets of an address lie, as xd_address_directory() takes it: for ipc the
 * address itself, or "broker" in the directory that its path names. The broker's side
 * (`create`) wants such a directory where the one above is not this user's alone
 * (ipc:///tmp/name: the sockets lie in /tmp/name, 0700); it is not made here. The
 * client's side takes a directory where it finds one, and where others may write nothing
 * else. For tcp the plain address. `out` has XD_ADDRESS_MAX_BYTES. Errors: as
 * xd_address_check(); XD_ERR_FORBIDDEN for a place where others could put a socket
 * instead; XD_ERR_TIMEOUT as above; XD_ERR_TOO_LARGE; XD_ERR_SYSTEM. */
enum xd_err xd_address_place(const char *address,
                             bool create,
                             char *out,
                             struct xd_error *error) XD_MUST_USE;

#endif
