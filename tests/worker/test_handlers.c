/* SPDX-License-Identifier: MIT */
/* Loading modules: a good one works, each bad one is refused in a sentence naming it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "handlers.h"

/* Module number `n` of sample_module.c, beside this program. */
static const char *sample(int n)
{
    static char path[PATH_MAX + 40];
    char self[PATH_MAX] = "";
    cr_assert_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    *strrchr(self, '/') = '\0';
    snprintf(path, sizeof path, "%s/sample_module_%d.so", self, n);
    return path;
}

static enum xd_err load(struct xdw_handlers *handlers, const char *path, char *text)
{
    struct xd_error error = {""};
    enum xd_err err = xdw_handlers_load(handlers, path, &error);
    strcpy(text, error.text);
    return err;
}

Test(handlers, a_good_module_offers_its_handlers)
{
    struct xdw_handlers handlers = {0};
    char text[256];
    cr_assert_eq(load(&handlers, sample(0), text), XD_OK, "%s", text);
    cr_expect_eq(handlers.name_count, 2);
    cr_expect_str_eq(handlers.names[0], "first");
    cr_expect_str_eq(handlers.names[1], "second");
    void *state = NULL;
    const struct xd_handler *handler = xdw_handlers_find(&handlers, "second", &state);
    cr_assert_not_null(handler);
    handler->run(NULL, state);
    cr_expect_eq(*(int *)state, 1);
    cr_expect_null(xdw_handlers_find(&handlers, "third", &state));
    xdw_handlers_fini(&handlers);
    cr_expect_eq(handlers.name_count, 0);
}

Test(handlers, bad_modules_are_refused_by_name)
{
    static const struct {
        int sample;
        enum xd_err err;
        const char *text;
    } table[] = {
        {1, XD_ERR_VERSION, "was built for ABI 99, this program has 1"},
        {2, XD_ERR_INVALID, "has no handlers"},
        {3, XD_ERR_INVALID, "handler 1 has no name or no function"},
        {4, XD_ERR_INVALID, "handler 1 has no name or no function"},
        {5, XD_ERR_INVALID, "describes nothing"},
        {6, XD_ERR_UNSUPPORTED, "the licence has run out"},
        {7, XD_ERR_INVALID, "does not export crossdock_module()"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xdw_handlers handlers = {0};
        char text[256], name[32];
        snprintf(name, sizeof name, "sample_module_%d.so", table[i].sample);
        cr_expect_eq(load(&handlers, sample(table[i].sample), text), table[i].err);
        cr_expect_not_null(strstr(text, table[i].text), "%s", text);
        cr_expect_not_null(strstr(text, name), "%s", text);
        cr_expect_eq(handlers.module_count, 0);
        xdw_handlers_fini(&handlers);
    }
}

Test(handlers, a_name_that_is_taken_is_refused_and_the_first_module_stays)
{
    struct xdw_handlers handlers = {0};
    char text[256];
    cr_assert_eq(load(&handlers, sample(0), text), XD_OK);
    cr_expect_eq(load(&handlers, sample(0), text), XD_ERR_EXISTS);
    cr_expect_not_null(strstr(text, "there is a handler \"first\" already"), "%s", text);
    cr_expect_eq(handlers.name_count, 2);
    xdw_handlers_fini(&handlers);
}

Test(handlers, files_that_may_not_be_loaded_are_refused)
{
    char path[] = "/tmp/xdt-module-XXXXXX", text[256];
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "no elf", 6), 6);
    struct xdw_handlers handlers = {0};
    cr_expect_eq(load(&handlers, path, text), XD_ERR_INVALID);
    cr_expect_not_null(strstr(text, path), "%s", text);
    cr_assert_eq(fchmod(fd, 0620), 0);
    cr_expect_eq(load(&handlers, path, text), XD_ERR_FORBIDDEN);
    cr_expect_not_null(strstr(text, "may be written by others (mode 0620"), "%s", text);
    cr_assert_eq(fchmod(fd, 0602), 0);
    cr_expect_eq(load(&handlers, path, text), XD_ERR_FORBIDDEN);
    cr_expect_eq(load(&handlers, "/no/such/file.so", text), XD_ERR_NOT_FOUND);
    cr_expect_str_eq(text, "module /no/such/file.so: No such file or directory");
    cr_expect_eq(load(&handlers, "/tmp", text), XD_ERR_INVALID);
    cr_expect_str_eq(text, "module /tmp is not a file");
    close(fd);
    unlink(path);
}

Test(handlers, another_users_file_is_refused)
{
    char path[] = "/tmp/xdt-module-XXXXXX", text[256];
    int fd = mkstemp(path);
    if (fchown(fd, 12345, (gid_t)-1) != 0) {
        unlink(path);
        cr_skip_test("only root can give a file away");
    }
    struct xdw_handlers handlers = {0};
    cr_expect_eq(load(&handlers, path, text), XD_ERR_FORBIDDEN);
    cr_expect_not_null(strstr(text, "belongs to user 12345"), "%s", text);
    close(fd);
    unlink(path);
}

Test(handlers, a_link_is_followed_to_the_file_itself)
{
    char dir[] = "/tmp/xdt-module-XXXXXX", link[64], path[PATH_MAX], real[PATH_MAX];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(link, sizeof link, "%s/link.so", dir);
    cr_assert_eq(symlink(sample(0), link), 0);
    cr_expect_eq(xdw_module_file(link, path, NULL), XD_OK);
    cr_assert_not_null(realpath(link, real));
    cr_expect_str_eq(path, real);
    unlink(link);
    rmdir(dir);
}

Test(handlers, without_memory_nothing_stays_loaded)
{
    struct xdw_handlers handlers = {0};
    char text[256];
    enum xd_err err = XD_ERR_NOMEM;
    size_t n = 0;
    while (err) {
        xd_alloc_fail_at(++n);
        err = load(&handlers, sample(0), text);
        xd_alloc_fail_at(0);
        cr_assert(err == XD_OK || err == XD_ERR_NOMEM, "%s", text);
        cr_assert(!err || handlers.module_count == 0);
    }
    cr_expect_eq(n, 3);
    xdw_handlers_fini(&handlers);
}
