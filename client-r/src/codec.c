/* SPDX-License-Identifier: MIT */
/* Calls of the R functions in a serial configuration, and what their failures become. */
#include "codec.h"

#include <stdio.h>
#include <string.h>

enum part { PART_CLASS, PART_SFUNC, PART_UFUNC, PART_VEC };

#define CODE_NOT_DECODED 1000 /* mirai's "Internal error detected" */

int rxd_config_size(SEXP config)
{
    if (config == R_NilValue || (TYPEOF(config) == VECSXP && XLENGTH(config) == 0)) {
        return 0;
    }
    if (TYPEOF(config) != VECSXP || XLENGTH(config) <= PART_UFUNC) {
        Rf_error("a serial configuration must be a list made by serial_config()");
    }
    SEXP classes = VECTOR_ELT(config, PART_CLASS);
    R_xlen_t size = Rf_xlength(classes);
    bool fits = TYPEOF(classes) == STRSXP && size <= INT32_MAX;
    for (R_xlen_t i = PART_SFUNC; i <= PART_UFUNC; i++) {
        SEXP functions = VECTOR_ELT(config, i);
        fits = fits && TYPEOF(functions) == VECSXP && XLENGTH(functions) == size;
    }
    if (!fits) {
        Rf_error("a serial configuration must be a list made by serial_config()");
    }
    return (int)size;
}

static SEXP classes_of(SEXP config)
{
    return VECTOR_ELT(config, PART_CLASS);
}

int rxd_config_find(SEXP config, SEXP object)
{
    int size = OBJECT(object) ? rxd_config_size(config) : 0;
    for (int i = 0; i < size; i++) {
        if (Rf_inherits(object, Rf_translateChar(STRING_ELT(classes_of(config), i)))) {
            return i;
        }
    }
    return -1;
}

const char *rxd_config_tag(SEXP config, int entry)
{
    return Rf_translateCharUTF8(STRING_ELT(classes_of(config), entry));
}

bool rxd_config_is_vec(SEXP config, int entry)
{
    if (XLENGTH(config) <= PART_VEC) {
        return false; /* made by hand, or by mirai */
    }
    SEXP vec = VECTOR_ELT(config, PART_VEC);
    return TYPEOF(vec) == LGLSXP && entry < XLENGTH(vec) && LOGICAL(vec)[entry] == TRUE;
}

static int entry_of(SEXP config, const char *tag)
{
    int size = rxd_config_size(config);
    for (int i = 0; i < size; i++) {
        if (strcmp(rxd_config_tag(config, i), tag) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- calls ---- */

/* The value of fun(arg), or its error's message. */
static SEXP try_call(SEXP fun, SEXP arg, bool *failed)
{
    SEXP call = PROTECT(Rf_lang3(rxd_own("try_codec"), fun, arg));
    SEXP outcome = Rf_eval(call, R_GlobalEnv);
    *failed = TYPEOF(outcome) != VECSXP;
    UNPROTECT(1);
    return *failed ? outcome : VECTOR_ELT(outcome, 0);
}

static SEXP plain_call(SEXP fun, SEXP arg)
{
    SEXP call = PROTECT(Rf_lang2(fun, arg));
    SEXP value = Rf_eval(call, R_GlobalEnv);
    UNPROTECT(1);
    return value;
}

static const char *text_of(SEXP message)
{
    return TYPEOF(message) == STRSXP && XLENGTH(message) > 0
               ? Rf_translateCharUTF8(STRING_ELT(message, 0))
               : "";
}

/* "<before> <tag> <between> <side>: <message>", as an R string. */
static SEXP sentence(const char *before,
                     const char *tag,
                     const char *on,
                     const char *side,
                     const char *message)
{
    static const char format[] = "%s <%s> %s %s: %s";
    int size = snprintf(NULL, 0, format, before, tag, on, side, message);
    if (size < 0) {
        return R_BlankScalarString;
    }
    char *text = R_alloc((size_t)size + 1, 1);
    (void)snprintf(text, (size_t)size + 1, format, before, tag, on, side, message);
    SEXP made = PROTECT(Rf_mkCharCE(text, CE_UTF8));
    SEXP string = Rf_ScalarString(made);
    UNPROTECT(1);
    return string;
}

/* ---- out ---- */

static void __attribute__((noreturn))
raise_not_encoded(const char *tag, const char *side, const char *message)
{
    SEXP text = PROTECT(
        sentence("could not serialize object of class", tag, "on the", side, message));
    SEXP class = PROTECT(Rf_ScalarString(PROTECT(Rf_mkCharCE(tag, CE_UTF8))));
    SEXP call =
        PROTECT(Rf_lang4(rxd_own("stop_codec"), text, class, PROTECT(Rf_mkString(side))));
    Rf_eval(call, R_BaseEnv);
    UNPROTECT(5);
    Rf_error("%s", message); /* not reached */
}

static void check_is_raw(SEXP bytes, const char *tag, bool is_worker)
{
    static const char format[] =
        "Serialization function for `%s` did not return a raw vector";
    if (TYPEOF(bytes) == RAWSXP) {
        return;
    }
    if (!is_worker) {
        Rf_errorcall(R_NilValue, format, tag);
    }
    char text[sizeof format + 255];
    (void)snprintf(text, sizeof text, format, tag);
    raise_not_encoded(tag, "worker", text);
}

SEXP rxd_codec_encode(SEXP config, int entry, SEXP object, const char *side)
{
    bool is_worker = strcmp(side, "worker") == 0, failed = false;
    const char *tag = rxd_config_tag(config, entry);
    SEXP sfunc = VECTOR_ELT(VECTOR_ELT(config, PART_SFUNC), entry);
    SEXP bytes =
        PROTECT(is_worker ? try_call(sfunc, object, &failed) : plain_call(sfunc, object));
    if (failed) {
        raise_not_encoded(tag, side, text_of(bytes));
    }
    check_is_raw(bytes, tag, is_worker);
    UNPROTECT(1);
    return bytes;
}

SEXP rxd_object_encode(SEXP config, int entry, SEXP object, const char *side)
{
    if (!rxd_config_is_vec(config, entry)) {
        return rxd_codec_encode(config, entry, object, side);
    }
    SEXP list = PROTECT(Rf_allocVector(VECSXP, 1));
    SET_VECTOR_ELT(list, 0, object);
    SEXP bytes = rxd_codec_encode(config, entry, list, side);
    UNPROTECT(1);
    return bytes;
}

/* ---- in ---- */

static void set_text(SEXP object, const char *name, SEXP text)
{
    Rf_setAttrib(object, Rf_install(name), text);
}

SEXP rxd_codec_failure(const char *tag, const char *side, SEXP message)
{
    PROTECT(message);
    SEXP value = PROTECT(rxd_error_value(CODE_NOT_DECODED));
    set_text(value,
             "codec",
             PROTECT(Rf_ScalarString(PROTECT(Rf_mkCharCE(tag, CE_UTF8)))));
    set_text(value, "side", PROTECT(Rf_mkString(side)));
    set_text(value, "message", message);
    UNPROTECT(5);
    return value;
}

static SEXP failure(const char *tag, const char *side, const char *message)
{
    return rxd_codec_failure(
        tag,
        side,
        sentence("could not unserialize object of class", tag, "on the", side, message));
}

SEXP rxd_codec_misfit(const char *tag, uint32_t codec, const char *side)
{
    char text[96];
    (void)snprintf(text,
                   sizeof text,
                   "it comes in version %u of its encoding, and functions of R have 0",
                   (unsigned)codec);
    return failure(tag, side, text);
}

SEXP rxd_codec_decode(SEXP config,
                      const char *tag,
                      SEXP bytes,
                      uint32_t length,
                      const char *side,
                      bool *failed)
{
    int entry = entry_of(config, tag);
    *failed = true;
    if (entry < 0) {
        return failure(tag,
                       side,
                       "the class is in no serial configuration, see serial_config() and "
                       "register_serial()");
    }
    SEXP ufunc = VECTOR_ELT(VECTOR_ELT(config, PART_UFUNC), entry);
    SEXP value = PROTECT(try_call(ufunc, bytes, failed));
    if (*failed) {
        value = failure(tag, side, text_of(value));
    } else if (length > 0 && (TYPEOF(value) != VECSXP || XLENGTH(value) != length)) {
        char text[96];
        (void)snprintf(text,
                       sizeof text,
                       "its function did not return a list of length %u",
                       length);
        *failed = true;
        value = failure(tag, side, text);
    }
    UNPROTECT(1);
    return value;
}

SEXP rxd_object_decode(SEXP config,
                       const char *tag,
                       struct xd_bytes *bytes,
                       const char *side)
{
    int entry = entry_of(config, tag);
    bool is_vec = entry >= 0 && rxd_config_is_vec(config, entry), failed = false;
    SEXP raw = PROTECT(rxd_raw(bytes->data, bytes->size));
    SEXP value = rxd_codec_decode(config, tag, raw, is_vec ? 1 : 0, side, &failed);
    UNPROTECT(1);
    return is_vec && !failed ? VECTOR_ELT(value, 0) : value;
}
