/* SPDX-License-Identifier: MIT */
/* Modules for test_handlers.c, one for each value of SAMPLE: a good one and all ways to
 * be a bad one. Needs nothing from libcrossdock but the header. */
#include <stdlib.h>
#include <string.h>

#include "crossdock_worker.h"

#define GOOD 0
#define OTHER_ABI 1
#define NO_HANDLERS 2
#define NO_NAME 3
#define NO_RUN 4
#define NO_TABLE 5
#define INIT_FAILS 6
#define NO_SYMBOL 7

#if SAMPLE != NO_SYMBOL

static void run(struct xd_job *job, void *state)
{
    (void)job;
    ++*(int *)state;
}

static enum xd_err init(void **state, struct xd_error *error)
{
    if (SAMPLE == INIT_FAILS) {
        strcpy(error->text, "the licence has run out");
        return XD_ERR_UNSUPPORTED;
    }
    *state = calloc(1, sizeof(int));
    return *state ? XD_OK : XD_ERR_NOMEM;
}

const struct xd_module *crossdock_module(void)
{
    static const struct xd_handler handlers[] = {
        {"first", run},
        {SAMPLE == NO_NAME ? "" : "second", SAMPLE == NO_RUN ? NULL : run},
    };
    static const struct xd_module module = {
        .abi = SAMPLE == OTHER_ABI ? 99 : XD_MODULE_ABI,
        .handlers = handlers,
        .handler_count = SAMPLE == NO_HANDLERS ? 0 : 2,
        .init = init,
        .fini = free,
    };
    return SAMPLE == NO_TABLE ? NULL : &module;
}

#endif
