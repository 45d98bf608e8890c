/* SPDX-License-Identifier: MIT */
/* Has a task left something behind in its daemon? Asked after each task, so it compares
 * pointers only: names in the global environment, the search path, options. */
#include "calls.h"

static SEXP options_list(void)
{
    return Rf_findVarInFrame(R_BaseEnv, Rf_install(".Options"));
}

static R_xlen_t path_length(void)
{
    R_xlen_t count = 0;
    for (SEXP env = ENCLOS(R_GlobalEnv); env != R_BaseEnv; env = ENCLOS(env)) {
        count++;
    }
    return count;
}

/* list(names, search path, options as list of values); the values are kept alive, so that
 * equal pointers mean equal values. */
SEXP rxd_globals_mark(void)
{
    SEXP mark = PROTECT(Rf_allocVector(VECSXP, 3));
    SET_VECTOR_ELT(mark, 0, R_lsInternal3(R_GlobalEnv, TRUE, FALSE));
    R_xlen_t count = path_length(), i = 0;
    SEXP path = Rf_allocVector(VECSXP, count);
    SET_VECTOR_ELT(mark, 1, path);
    for (SEXP env = ENCLOS(R_GlobalEnv); env != R_BaseEnv; env = ENCLOS(env)) {
        SET_VECTOR_ELT(path, i++, env);
    }
    SEXP options = options_list();
    SEXP values = Rf_allocVector(VECSXP, Rf_xlength(options));
    SET_VECTOR_ELT(mark, 2, values);
    i = 0;
    for (SEXP node = options; node != R_NilValue; node = CDR(node)) {
        SET_VECTOR_ELT(values, i++, CAR(node));
    }
    UNPROTECT(1);
    return mark;
}

static bool names_differ(SEXP names)
{
    SEXP now = PROTECT(R_lsInternal3(R_GlobalEnv, TRUE, FALSE));
    R_xlen_t count = Rf_xlength(now);
    bool differ = count != Rf_xlength(names);
    for (R_xlen_t i = 0; i < count && !differ; i++) {
        differ = STRING_ELT(now, i) != STRING_ELT(names, i);
    }
    UNPROTECT(1);
    return differ;
}

static bool path_differs(SEXP path)
{
    R_xlen_t count = Rf_xlength(path), i = 0;
    for (SEXP env = ENCLOS(R_GlobalEnv); env != R_BaseEnv; env = ENCLOS(env)) {
        if (i == count || VECTOR_ELT(path, i++) != env) {
            return true;
        }
    }
    return i != count;
}

static bool options_differ(SEXP values)
{
    R_xlen_t count = Rf_xlength(values), i = 0;
    for (SEXP node = options_list(); node != R_NilValue; node = CDR(node)) {
        if (i == count || VECTOR_ELT(values, i++) != CAR(node)) {
            return true;
        }
    }
    return i != count;
}

/* TRUE: look closer, and clean up. */
SEXP rxd_globals_changed(SEXP mark)
{
    return Rf_ScalarLogical(names_differ(VECTOR_ELT(mark, 0)) ||
                            path_differs(VECTOR_ELT(mark, 1)) ||
                            options_differ(VECTOR_ELT(mark, 2)));
}
