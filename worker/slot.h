/* SPDX-License-Identifier: MIT */
/* One slot: this process takes tasks for the handlers of its modules, one at a time. */
#ifndef XDW_SLOT_H
#define XDW_SLOT_H

#include "options.h"

/* How a slot's process ends; the numbers are documented in README.md. */
enum xdw_exit {
    XDW_EXIT_OK = 0,           /* told to end, and left in order */
    XDW_EXIT_SETUP = 2,        /* cannot work: a module, the address, refused; final */
    XDW_EXIT_UNAVAILABLE = 69, /* the broker does not answer, or is gone; tried again */
    XDW_EXIT_STUCK = 75,       /* a task that was cancelled, or whose broker is gone, did
                                  not stop in time */
    XDW_EXIT_ORPHAN = 76       /* the parent is gone */
};

/* The line on stdout by which a slot tells its parent that it is connected. */
#define XDW_SLOT_READY "crossdock-slot: ready"

/* Until told to end; gives back the exit code. */
int xdw_slot_run(const struct xdw_options *options);

#endif
