/* SPDX-License-Identifier: MIT */
/* Handlers by name, from shared objects. */
#ifndef XDW_HANDLERS_H
#define XDW_HANDLERS_H

#include <stddef.h>

#include "crossdock_worker.h"

struct xdw_loaded {
    void *object; /* from dlopen */
    const struct xd_module *module;
    void *state;
};

struct xdw_handlers {
    struct xdw_loaded *modules;
    size_t module_count, module_capacity;
    const char **names; /* of all handlers, for READY */
    size_t name_count, name_capacity;
};

/* May the file be loaded into a process of ours? Its real path, absolute, goes into
 * `path` (PATH_MAX bytes). Errors: XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN (not this user's
 * nor root's, or others may write to it), XD_ERR_INVALID (no regular file); `error` names
 * it. */
enum xd_err xdw_module_file(const char *file,
                            char *path,
                            struct xd_error *error) XD_MUST_USE;

/* Load one more module and call its init. Errors: as above, XD_ERR_INVALID (no shared
 * object, no crossdock_module(), bad table), XD_ERR_VERSION (ABI), XD_ERR_EXISTS (a
 * handler's name is taken), XD_ERR_NOMEM, or what init says. */
enum xd_err xdw_handlers_load(struct xdw_handlers *handlers,
                              const char *file,
                              struct xd_error *error) XD_MUST_USE;

/* The handler called `name` and its module's state; NULL: there is none. */
const struct xd_handler *xdw_handlers_find(const struct xdw_handlers *handlers,
                                           const char *name,
                                           void **state);

/* Call each fini, in reverse order, and unload. Zeroed allowed. */
void xdw_handlers_fini(struct xdw_handlers *handlers);

#endif
