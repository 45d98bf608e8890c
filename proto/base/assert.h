/* SPDX-License-Identifier: MIT */
/* Assertions that stay on in releases and end through a function the host program may
 * replace. */
#ifndef XD_BASE_ASSERT_H
#define XD_BASE_ASSERT_H

/* States what only a bug can break. Never for data from a socket, a file or a user. */
#define xd_assert(claim)                                                                 \
    ((claim) ? (void)0 : xd_assert_failed(#claim, __FILE__, __LINE__))

/* Called when a claim is false; must not return (R's replacement jumps, the default
 * aborts). The default is in assert.c, which R does not compile: there the package
 * defines this function itself. */
void xd_assert_failed(const char *claim, const char *file, int line)
    __attribute__((noreturn, cold));

#endif
