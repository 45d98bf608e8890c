/* SPDX-License-Identifier: MIT */
/* Registration with R. */
#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

#include "calls.h"
#include "serial.h"

#define ROUTINE(name, arguments) {"rxd_" #name, (DL_FUNC)&rxd_##name, arguments},

static const R_CallMethodDef routines[] = {RXD_CALLS(ROUTINE)
                                               RXD_SERIAL_CALLS(ROUTINE){NULL, NULL, 0}};

attribute_visible void R_init_crossdock(DllInfo *dll);
attribute_visible void R_unload_crossdock(DllInfo *dll);

void R_init_crossdock(DllInfo *dll)
{
    R_registerRoutines(dll, NULL, routines, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
    xd_keep_payloads(XD_KEPT_OF_SESSIONS);
}

/* No thread of ours may run when the code is unmapped. */
void R_unload_crossdock(DllInfo *dll)
{
    (void)dll;
    rxd_shutdown();
    xd_keep_payloads(0);
}
