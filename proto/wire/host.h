/* SPDX-License-Identifier: MIT */
/* Which host a process runs on, so that its pid means something to another process. */
#ifndef XD_WIRE_HOST_H
#define XD_WIRE_HOST_H

#include <stddef.h>

#define XD_HOST_ID_MAX_BYTES 96u

/* Boot id and pid namespace: equal exactly where pids of the two processes can be
 * compared. Empty where the system does not tell (then pids are not used). `out` has
 * XD_HOST_ID_MAX_BYTES. */
void xd_host_id(char *out);

#endif
