/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls, and main.c in its place. */
#ifndef XDT_FUZZ_H
#define XDT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
