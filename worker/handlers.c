/* SPDX-License-Identifier: MIT */
/* Loading shared objects with care. */
#include "handlers.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum xd_err xdw_module_file(const char *file, char *path, struct xd_error *error)
{
    char real[PATH_MAX];
    struct stat info;
    if (!realpath(file, real) || stat(real, &info) != 0) {
        return xd_fail(error,
                       XD_ERR_NOT_FOUND,
                       "module %s: %s",
                       file,
                       strerrordesc_np(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return xd_fail(error, XD_ERR_INVALID, "module %s is not a file", real);
    }
    if (info.st_uid != 0 && info.st_uid != geteuid()) {
        return xd_fail(error,
                       XD_ERR_FORBIDDEN,
                       "module %s belongs to user %u, neither to root nor to user %u",
                       real,
                       (unsigned)info.st_uid,
                       (unsigned)geteuid());
    }
    if (info.st_mode & (S_IWGRP | S_IWOTH)) {
        return xd_fail(error,
                       XD_ERR_FORBIDDEN,
                       "module %s may be written by others (mode %04o; chmod go-w)",
                       real,
                       (unsigned)info.st_mode & 07777u);
    }
    memcpy(path, real, strlen(real) + 1);
    return XD_OK;
}

static bool is_handler(const struct xd_handler *handler)
{
    return handler->name && handler->name[0] && handler->run;
}

static enum xd_err check_module(const struct xdw_handlers *handlers,
                                const struct xd_module *module,
                                const char *path,
                                struct xd_error *error)
{
    if (!module) {
        return xd_fail(error, XD_ERR_INVALID, "module %s describes nothing", path);
    }
    if (module->abi != XD_MODULE_ABI) {
        return xd_fail(error,
                       XD_ERR_VERSION,
                       "module %s was built for ABI %u, this program has %u",
                       path,
                       (unsigned)module->abi,
                       XD_MODULE_ABI);
    }
    if (module->handler_count == 0 || !module->handlers) {
        return xd_fail(error, XD_ERR_INVALID, "module %s has no handlers", path);
    }
    for (size_t i = 0; i < module->handler_count; i++) {
        const struct xd_handler *handler = &module->handlers[i];
        if (!is_handler(handler)) {
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "module %s: handler %zu has no name or no function",
                           path,
                           i);
        }
        void *state;
        if (xdw_handlers_find(handlers, handler->name, &state)) {
            return xd_fail(error,
                           XD_ERR_EXISTS,
                           "module %s: there is a handler \"%s\" already",
                           path,
                           handler->name);
        }
    }
    return XD_OK;
}

/* ISO C has no way from an object pointer to a function; POSIX promises this one. */
static const struct xd_module *ask(void *symbol)
{
    const struct xd_module *(*describe)(void);
    memcpy(&describe, &symbol, sizeof describe);
    return describe();
}

static enum xd_err open_module(const struct xdw_handlers *handlers,
                               const char *path,
                               struct xdw_loaded *loaded,
                               struct xd_error *error)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        return xd_fail(error, XD_ERR_INVALID, "module cannot be loaded: %s", dlerror());
    }
    void *symbol = dlsym(object, "crossdock_module");
    enum xd_err err = XD_OK;
    if (!symbol) {
        err = xd_fail(error,
                      XD_ERR_INVALID,
                      "module %s does not export crossdock_module()",
                      path);
    } else {
        *loaded = (struct xdw_loaded){.object = object, .module = ask(symbol)};
        err = check_module(handlers, loaded->module, path, error);
    }
    if (err) {
        dlclose(object);
    }
    return err;
}

static enum xd_err reserve(struct xdw_handlers *handlers, size_t names)
{
    void *modules = handlers->modules, *list = handlers->names;
    enum xd_err err = xd_reserve(&modules,
                                 &handlers->module_capacity,
                                 handlers->module_count + 1,
                                 sizeof *handlers->modules);
    handlers->modules = modules;
    if (!err) {
        err = xd_reserve(&list,
                         &handlers->name_capacity,
                         handlers->name_count + names,
                         sizeof *handlers->names);
        handlers->names = list;
    }
    return err;
}

static void add_module(struct xdw_handlers *handlers, const struct xdw_loaded *loaded)
{
    handlers->modules[handlers->module_count++] = *loaded;
    for (size_t i = 0; i < loaded->module->handler_count; i++) {
        handlers->names[handlers->name_count++] = loaded->module->handlers[i].name;
    }
}

enum xd_err xdw_handlers_load(struct xdw_handlers *handlers,
                              const char *file,
                              struct xd_error *error)
{
    char path[PATH_MAX];
    struct xdw_loaded loaded = {0};
    enum xd_err err = xdw_module_file(file, path, error);
    err = err ? err : open_module(handlers, path, &loaded, error);
    if (err) {
        return err;
    }
    err = reserve(handlers, loaded.module->handler_count);
    if (err) {
        dlclose(loaded.object);
        return xd_fail(error, err, "no memory for module %s", path);
    }
    if (loaded.module->init) {
        err = loaded.module->init(&loaded.state, error);
    }
    if (err) {
        dlclose(loaded.object);
        return xd_fail_in(error, err, path);
    }
    add_module(handlers, &loaded);
    return XD_OK;
}

const struct xd_handler *xdw_handlers_find(const struct xdw_handlers *handlers,
                                           const char *name,
                                           void **state)
{
    for (size_t i = 0; i < handlers->module_count; i++) {
        const struct xdw_loaded *loaded = &handlers->modules[i];
        for (size_t k = 0; k < loaded->module->handler_count; k++) {
            if (strcmp(loaded->module->handlers[k].name, name) == 0) {
                *state = loaded->state;
                return &loaded->module->handlers[k];
            }
        }
    }
    return NULL;
}

void xdw_handlers_fini(struct xdw_handlers *handlers)
{
    while (handlers->module_count > 0) {
        struct xdw_loaded *loaded = &handlers->modules[--handlers->module_count];
        if (loaded->module->fini) {
            loaded->module->fini(loaded->state);
        }
        dlclose(loaded->object);
    }
    xd_free(handlers->modules);
    xd_free(handlers->names);
    *handlers = (struct xdw_handlers){0};
}
