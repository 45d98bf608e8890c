/* SPDX-License-Identifier: MIT */
/* Where in R's stream an object stands for the environment of a function, of a promise,
 * or around another environment. R puts there whatever it is given, and later reads it as
 * an environment, whatever it is. */
#ifndef RXD_SCAN_H
#define RXD_SCAN_H

#include "pieces.h"

/* A flag for each persistent name in the stream, in order: must it become an environment?
 * In memory of R_alloc. The reader must be at its beginning, and is used up. An R error
 * when the stream cannot be followed. */
const bool *rxd_scan_environments(struct rxd_reader *reader, size_t *count);

#endif
