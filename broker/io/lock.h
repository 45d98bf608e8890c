/* SPDX-License-Identifier: MIT */
/* Lock files: one live broker for an address. The lock goes with its process; the file
 * goes with its broker, or with the next private one in the same directory. */
#ifndef XDB_IO_LOCK_H
#define XDB_IO_LOCK_H

/* Make the file and lock it. Returns the descriptor; -1: errno says why, EWOULDBLOCK when
 * another broker holds it. */
int xdb_lock_take(const char *path);

/* Remove the file and let go of the lock. */
void xdb_lock_drop(const char *path, int fd);

/* Remove what private brokers left in the directory of `path` (`path`-PID-N with its
 * endpoints and lock) that were killed: those whose lock is free. */
void xdb_lock_sweep(const char *path);

#endif
