/* SPDX-License-Identifier: MIT */
/* What must hold of who gets the workers: scenes on a virtual clock, played in a test of
 * their own and under each planted fault. */
#ifndef XDT_SCHED_H
#define XDT_SCHED_H

#include <stddef.h>

struct xdt_scene {
    const char *name;
    /* NULL: it holds; else what does not. */
    const char *(*play)(void);
};

extern const struct xdt_scene xdt_scenes[];
extern const size_t xdt_scene_count;

#endif
