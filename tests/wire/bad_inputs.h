/* SPDX-License-Identifier: MIT */
/* Messages that must be refused, with the reason. Also the seeds of the fuzz corpus. */
#ifndef XDT_BAD_INPUTS_H
#define XDT_BAD_INPUTS_H

#include <stddef.h>

#include "base/err.h"

struct xdt_bad_input {
    const char *fields;   /* of xdt_encode() */
    const char *payloads; /* of xdt_message() */
    enum xd_err err;
    const char *sentence; /* a piece of it */
};

extern const struct xdt_bad_input xdt_bad_inputs[];
extern const size_t xdt_bad_input_count;

#endif
