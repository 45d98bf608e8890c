/* SPDX-License-Identifier: MIT */
/* The workers that profiles share: each profile has a pool of its own, or uses that of
 * another one. */
#ifndef XDB_CORE_POOL_H
#define XDB_CORE_POOL_H

#include <stdint.h>

#include "base/list.h"

struct xdb_profile;

struct xdb_pool {
    struct xdb_profile *owner;
    struct xd_list offers;   /* the kinds of its workers */
    struct xd_list workers;  /* all of them */
    struct xd_list profiles; /* that it serves */
    uint64_t worker_count;
    uint64_t joined; /* ever */
};

#endif
