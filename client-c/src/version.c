/* SPDX-License-Identifier: MIT */
/* The version of the library, from the one place that says it (meson.build). */
#include "crossdock.h"

const char *xd_version(void)
{
    return XD_VERSION;
}
