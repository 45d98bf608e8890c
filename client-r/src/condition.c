/* SPDX-License-Identifier: MIT */
/* From codes to R's conditions; what a broken assertion does inside R. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "rxd.h"

static SEXP own; /* the package's namespace */
static pthread_t main_thread;

SEXP rxd_attach(SEXP namespace)
{
    own = namespace; /* lives as long as the package is loaded */
    main_thread = pthread_self();
    return R_NilValue;
}

SEXP rxd_own(const char *name)
{
    SEXP value = Rf_findVarInFrame(own, Rf_install(name));
    return TYPEOF(value) == PROMSXP ? Rf_eval(value, own) : value;
}

void rxd_raise(enum xd_err err, const struct xd_error *error, const char *what)
{
    char text[512];
    const char *reason =
        error != NULL && error->text[0] != '\0' ? error->text : xd_err_text(err);
    (void)snprintf(text,
                   sizeof text,
                   "%s%s%s",
                   what == NULL ? "" : what,
                   what == NULL ? "" : ": ",
                   reason);
    SEXP call = PROTECT(Rf_lang3(rxd_own("stop_crossdock"),
                                 PROTECT(Rf_mkString(xd_err_name(err))),
                                 PROTECT(Rf_mkString(text))));
    Rf_eval(call, own);
    UNPROTECT(3);
    Rf_error("%s", text); /* not reached */
}

struct attempt {
    void (*run)(void *context);
    void *context;
    bool has_error;
};

static SEXP note_error(SEXP condition, void *attempt)
{
    (void)condition;
    ((struct attempt *)attempt)->has_error = true;
    return R_NilValue; /* R goes on to print it */
}

static SEXP run_attempt(void *data)
{
    const struct attempt *attempt = data;
    attempt->run(attempt->context);
    return R_NilValue;
}

static void begin_attempt(void *attempt)
{
    (void)R_withCallingErrorHandler(run_attempt, attempt, note_error, attempt);
}

bool rxd_try(void (*run)(void *context), void *context)
{
    struct attempt attempt = {run, context, false};
    bool is_done = R_ToplevelExec(begin_attempt, &attempt);
    if (!is_done && !attempt.has_error) {
        R_interrupts_pending = 1;
    }
    return is_done;
}

SEXP rxd_error_value(int code)
{
    SEXP value = PROTECT(Rf_ScalarInteger(code));
    Rf_setAttrib(value, R_ClassSymbol, rxd_own("value_class"));
    UNPROTECT(1);
    return value;
}

SEXP rxd_unresolved(void)
{
    return rxd_own("unresolved_value");
}

const char *rxd_text_or_null(SEXP x)
{
    if (x == R_NilValue) {
        return NULL;
    }
    if (!Rf_isString(x) || Rf_length(x) != 1) {
        struct xd_error error = {"a text is wanted, a character vector of length 1"};
        rxd_raise(XD_ERR_INVALID, &error, NULL);
    }
    return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

const char *const *rxd_versions(size_t *count)
{
    SEXP texts = rxd_own("versions");
    R_xlen_t size = Rf_xlength(texts);
    const char **out = (const char **)R_alloc((size_t)size, sizeof *out);
    for (R_xlen_t i = 0; i < size; i++) {
        out[i] = CHAR(STRING_ELT(texts, i));
    }
    *count = (size_t)size;
    return out;
}

/* Only a bug gets here. On R's own thread it is an R error; elsewhere nobody could catch
 * one. */
void xd_assert_failed(const char *claim, const char *file, int line)
{
    char text[256];
    int size = snprintf(text,
                        sizeof text,
                        "crossdock: broken assertion `%s` at %s:%d; please report it\n",
                        claim,
                        file,
                        line);
    if (pthread_equal(pthread_self(), main_thread)) {
        Rf_error("%s", text);
    }
    ssize_t written = write(STDERR_FILENO,
                            text,
                            (size_t)size < sizeof text ? (size_t)size : sizeof text);
    (void)written;
    (void)raise(SIGABRT);
    for (;;) {
        (void)pause();
    }
}

/* ---- external pointers ---- */

SEXP rxd_pointer_new(const char *kind, SEXP keeps, void (*finalize)(SEXP pointer))
{
    SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, Rf_install(kind), keeps));
    R_RegisterCFinalizer(pointer, finalize);
    UNPROTECT(1);
    return pointer;
}

void *rxd_pointer(SEXP pointer, const char *kind)
{
    if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != Rf_install(kind)) {
        return NULL;
    }
    return R_ExternalPtrAddr(pointer);
}
