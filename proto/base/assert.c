/* SPDX-License-Identifier: MIT */
/* How a false claim ends a program by default: said on stderr, then abort. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void xd_assert_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: false claim: %s\n", file, line, claim);
    abort();
}
