/* SPDX-License-Identifier: MIT */
/* What this host has for its slots. */
#ifndef XDW_HOST_H
#define XDW_HOST_H

#include <stdint.h>

/* Processors that this process may run on; 0: not known. */
uint32_t xdw_host_cores(void);

/* Memory, within the limit of this process's control group where one shows; 0: not known.
 */
uint64_t xdw_host_memory(void);

#endif
