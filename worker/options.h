/* SPDX-License-Identifier: MIT */
/* The command line of crossdock-worker. */
#ifndef XDW_OPTIONS_H
#define XDW_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { XDW_MODULES_MAX = 64, XDW_LABELS_MAX = 32, XDW_SLOTS_MAX = 4096 };

struct xdw_options {
    const char *url,
        *profile;     /* NULL: from the environment, else the library's default */
    const char *name; /* of this worker in its lines; NULL: none */
    const char *has;  /* what tasks may need; NULL: from the environment */
    const char *labels[XDW_LABELS_MAX + 1]; /* ended by NULL */
    uint32_t slots, hold, grace_s, give_up_after;
    const char *modules[XDW_MODULES_MAX + 1]; /* ended by NULL */
    const char *const *command;               /* ended by NULL; NULL: none */
    bool r;                                   /* the command is an R daemon's */
    bool slot;                                /* this process is one of the slots */
};

/* Fill *options; pointers go into argv. Wrong use, --help and --version end the process,
 * as argp does. */
void xdw_options_parse(struct xdw_options *options, int argc, char **argv);

#endif
