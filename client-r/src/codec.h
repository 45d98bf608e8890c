/* SPDX-License-Identifier: MIT */
/* The serial configuration in C: which entry an object belongs to, and the calls of its R
 * functions. */
#ifndef RXD_CODEC_H
#define RXD_CODEC_H

#include "serial.h"

/* Entries of a configuration, 0 for R_NilValue or an empty list; an R error when it is
 * not one. */
int rxd_config_size(SEXP config);

/* Does its sfunc take a list of all objects of the class? */
bool rxd_config_is_vec(SEXP config, int entry);

/* The raw vector that sfunc gives for `object`, or for a list of all of a vec class. */
SEXP rxd_codec_encode(SEXP config, int entry, SEXP object, const char *side);

/* What ufunc gives for a raw vector. `length` is 0, or that of the list which it must
 * give. A failure of any kind gives an errorValue instead and sets *failed. */
SEXP rxd_codec_decode(SEXP config,
                      const char *tag,
                      SEXP bytes,
                      uint32_t length,
                      const char *side,
                      bool *failed);

/* The errorValue for bytes in version `codec` of their class's encoding. R's functions
 * have no versions: theirs is 0. */
SEXP rxd_codec_misfit(const char *tag, uint32_t codec, const char *side);

/* The errorValue that stands for an object of class `tag` which could not be decoded. */
SEXP rxd_codec_failure(const char *tag, const char *side, SEXP message);

#endif
