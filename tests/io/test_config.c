/* SPDX-License-Identifier: MIT */
/* The broker program's settings: good and bad values, files, and that every key is
 * documented. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static struct xdb_config config;

static void begin(void)
{
    xdb_config_init(&config);
}

static void end(void)
{
    xdb_config_fini(&config);
}

TestSuite(config, .init = begin, .fini = end);

Test(config, bytes_take_units)
{
    struct xd_error why;
    cr_assert(xdb_config_set(&config, "budget_bytes", "3K", &why) == XD_OK);
    cr_assert(config.options.budget_bytes == 3072);
    cr_assert(xdb_config_set(&config, "budget_bytes", "2G", &why) == XD_OK);
    cr_assert(config.options.budget_bytes == (uint64_t)2 << 30);
    cr_assert(xdb_config_set(&config, "lost_ms", "9000", &why) == XD_OK);
    cr_assert(config.options.lost_ms == 9000);
}

Test(config, lists_grow_up_to_their_limit)
{
    struct xd_error why;
    for (unsigned i = 0; i < XDB_LIST_MAX; i++) {
        cr_assert(xdb_config_set(&config, "allow_uid", "1000", &why) == XD_OK);
    }
    cr_assert(config.options.uid_count == XDB_LIST_MAX);
    cr_assert(xdb_config_set(&config, "allow_uid", "1000", &why) == XD_ERR_INVALID);
}

static const struct {
    const char *key, *value;
    enum xd_err err;
    const char *says;
} BAD[] = {
    {"nothing", "1", XD_ERR_NOT_FOUND, "budget_bytes"},
    {"budget_bytes", "", XD_ERR_INVALID, "budget_bytes"},
    {"budget_bytes", "-1", XD_ERR_INVALID, "-1"},
    {"budget_bytes", "1T", XD_ERR_INVALID, "1T"},
    {"budget_bytes", "1KK", XD_ERR_INVALID, "1KK"},
    {"budget_bytes", "99999999999999999999999", XD_ERR_INVALID, "up to"},
    {"budget_bytes", "18446744073709551615G", XD_ERR_INVALID, "up to"},
    {"budget_tasks", "1K", XD_ERR_INVALID, "whole number"},
    {"heartbeat_ms", "3600001", XD_ERR_INVALID, "3600000"},
    {"log_level", "4", XD_ERR_INVALID, "up to 3"},
    {"allow_uid", "4294967295", XD_ERR_INVALID, "allow_uid"},
    {"listen", "ipc://relative", XD_ERR_INVALID, "relative"},
    {"listen", "tcp://127.0.0.1", XD_ERR_INVALID, "PORT"},
    {"listen", "wss://127.0.0.1:1", XD_ERR_UNSUPPORTED, "wss"},
    {"state", "relative/path", XD_ERR_INVALID, "absolute"},
    {"listen", "ipc://@abstract", XD_ERR_INVALID, "abstract"},
    {"profile", "", XD_ERR_INVALID, "a name and settings"},
};

Test(config, bad_values_are_named_and_change_nothing)
{
    struct xdb_config before = config;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct xd_error why = {""};
        enum xd_err err = xdb_config_set(&config, BAD[i].key, BAD[i].value, &why);
        cr_assert(err == BAD[i].err,
                  "%s=%s: %s",
                  BAD[i].key,
                  BAD[i].value,
                  xd_err_name(err));
        cr_assert(strstr(why.text, BAD[i].says) != NULL,
                  "%s=%s: %s",
                  BAD[i].key,
                  BAD[i].value,
                  why.text);
    }
    cr_assert(memcmp(&before, &config, sizeof config) == 0);
}

/* A file with this text, removed again by the caller. */
static void write_file(char *path, const char *words)
{
    strcpy(path, "/tmp/xdtXXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert(write(fd, words, strlen(words)) == (ssize_t)strlen(words));
    close(fd);
}

static enum xd_err load(const char *words, struct xd_error *why)
{
    char path[32];
    write_file(path, words);
    enum xd_err err = xdb_config_load(&config, path, why);
    unlink(path);
    return err;
}

Test(config, file_sets_numbers_and_lists)
{
    struct xd_error why = {""};
    enum xd_err err = load("broker\n    budget_tasks = 5\n    listen\n        1 = "
                           "ipc:///tmp/a/b\n        2 = ipc:///tmp/a/c\n",
                           &why);
    cr_assert(err == XD_OK, "%s", why.text);
    cr_assert(config.options.budget_tasks == 5 && config.listen_count == 2);
    cr_assert_str_eq(config.listen[1], "ipc:///tmp/a/c");
}

Test(config, file_names_profiles)
{
    struct xd_error why = {""};
    enum xd_err err = load("broker\n    profile\n        1 = gpu weight=2 paused=1\n"
                           "        2 = \"batch policy=fifo\"\n",
                           &why);
    cr_assert(err == XD_OK, "%s", why.text);
    cr_assert(xdb_config_finish(&config, &why) == XD_OK, "%s", why.text);
    cr_assert_str_eq(config.options.profiles[0], "gpu weight=2 paused=1");
    cr_assert_str_eq(config.options.profiles[1], "batch policy=fifo");
    cr_assert(config.options.profiles[2] == NULL);
    while (config.profile_count < XDB_PROFILES_MAX) {
        cr_assert(xdb_config_set(&config, "profile", "p", &why) == XD_OK);
    }
    cr_assert(xdb_config_set(&config, "profile", "p", &why) == XD_ERR_INVALID);
    cr_assert(config.profiles[XDB_PROFILES_MAX] == NULL);
}

Test(config, bad_files_are_named)
{
    struct xd_error why = {""};
    cr_assert(load("broker\n    budget_task = 5\n", &why) == XD_ERR_NOT_FOUND);
    cr_assert(strstr(why.text, "/tmp/xdt") != NULL &&
              strstr(why.text, "budget_task") != NULL);
    cr_assert(load("other\n    x = 5\n", &why) == XD_ERR_INVALID);
    cr_assert(strstr(why.text, "broker") != NULL);
    cr_assert(xdb_config_load(&config, "/tmp", &why) == XD_ERR_INVALID);
    cr_assert(xdb_config_load(&config, "/tmp/xdt-there-is-none", &why) == XD_ERR_SYSTEM);
}

Test(config, default_address_when_none_is_given)
{
    struct xd_error why = {""};
    cr_assert(xdb_config_finish(&config, &why) == XD_OK, "%s", why.text);
    cr_assert(config.options.listen[0] != NULL && config.options.listen[1] == NULL);
    const char *help;
    size_t count = 0;
    while (xdb_config_key(count, &help) != NULL) {
        count++;
    }
    cr_assert(count > 10);
}
