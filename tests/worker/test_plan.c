/* SPDX-License-Identifier: MIT */
/* Commands are copied, environments merged, programs found. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervise/plan.h"

static char *const base[] = {(char[]){"PATH=/usr/bin:/bin"},
                             (char[]){"A=1"},
                             (char[]){"AB=2"},
                             (char[]){"CROSSDOCK_OWNER=9"},
                             (char[]){"CROSSDOCK_AGENT=7"},
                             NULL};

static void expect_env(const struct xdw_plan *plan, const char *name, const char *value)
{
    const char *found = xdw_plan_env(plan, name);
    if (value) {
        cr_expect(found && strcmp(found, value) == 0, "%s is %s", name, found);
    } else {
        cr_expect_null(found, "%s is %s", name, found);
    }
}

Test(plan, own_variables_lie_on_top_of_given_ones_and_those_on_top_of_inherited)
{
    struct xdw_plan plan;
    const struct xdw_command command = {
        .argv = (const char *const[]){"true", NULL},
        .env = (const char *const[]){"A=3", "C=x=y", "AB", "NONE", "E=", NULL},
        .url = "ipc:///p",
        .profile = "gpu",
        .owner = {77},
    };
    cr_assert_eq(xdw_plan_make(&plan, &command, 5, base, NULL), XD_OK);
    expect_env(&plan, "A", "3");
    expect_env(&plan, "AB", NULL);
    expect_env(&plan, "C", "x=y");
    expect_env(&plan, "E", "");
    expect_env(&plan, "NONE", NULL);
    expect_env(&plan, "PATH", "/usr/bin:/bin");
    expect_env(&plan, "CROSSDOCK_URL", "ipc:///p");
    expect_env(&plan, "CROSSDOCK_PROFILE", "gpu");
    expect_env(&plan, "CROSSDOCK_OWNER", "77");
    expect_env(&plan, "CROSSDOCK_SLOT", "5");
    expect_env(&plan, "CROSSDOCK_LIFE_FD", "3");
    expect_env(&plan, "CROSSDOCK_RESTARTS", "0000000000");
    xdw_plan_restarts(&plan, UINT32_MAX);
    expect_env(&plan, "CROSSDOCK_RESTARTS", "4294967295");
    xdw_plan_restarts(&plan, 12);
    expect_env(&plan, "CROSSDOCK_RESTARTS", "0000000012");
    xdw_plan_fini(&plan);
}

Test(plan, what_is_not_given_is_inherited)
{
    struct xdw_plan plan;
    const struct xdw_command command = {.argv = (const char *const[]){"true", NULL}};
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, base, NULL), XD_OK);
    expect_env(&plan, "CROSSDOCK_OWNER", "9");
    expect_env(&plan, "CROSSDOCK_URL", NULL);
    cr_expect_null(plan.dir);
    xdw_plan_fini(&plan);
}

Test(plan, a_child_is_a_slot_of_no_agent_but_the_one_that_is_named)
{
    struct xdw_plan plan;
    struct xdw_command command = {.argv = (const char *const[]){"true", NULL}};
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, base, NULL), XD_OK);
    expect_env(&plan, "CROSSDOCK_AGENT", NULL);
    xdw_plan_fini(&plan);
    command.env = (const char *const[]){"CROSSDOCK_AGENT=8", NULL};
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, base, NULL), XD_OK);
    expect_env(&plan, "CROSSDOCK_AGENT", "8");
    xdw_plan_fini(&plan);
}

Test(plan, bad_commands_are_named)
{
    static const char *const none[] = {NULL}, *const empty[] = {"", NULL},
                             *const good[] = {"true", NULL}, *const bad[] = {"=1", NULL};
    const struct {
        struct xdw_command command;
        const char *text;
    } table[] = {
        {{.argv = NULL}, "the command is empty"},
        {{.argv = none}, "the command is empty"},
        {{.argv = empty}, "the command is empty"},
        {{.argv = good, .env = bad}, "environment: \"=1\" has no name"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xdw_plan plan = {0};
        struct xd_error error = {""};
        cr_expect_eq(xdw_plan_make(&plan, &table[i].command, 0, base, &error),
                     XD_ERR_INVALID);
        cr_expect_str_eq(error.text, table[i].text);
        cr_expect_null(plan.argv);
    }
}

static enum xd_err find(const char *name, const char *path_variable, char *out)
{
    struct xdw_plan plan;
    const struct xdw_command command = {
        .argv = (const char *const[]){name, NULL},
        .env = (const char *const[]){path_variable, NULL},
    };
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, base, NULL), XD_OK);
    struct xd_error error = {""};
    enum xd_err err = xdw_plan_find(&plan, out, PATH_MAX, &error);
    if (err) {
        cr_expect_not_null(strstr(error.text, name), "%s", error.text);
    }
    xdw_plan_fini(&plan);
    return err;
}

static void make_file(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

Test(plan, programs_are_looked_up_in_the_childs_path)
{
    char dir[] = "/tmp/xdt-plan-XXXXXX";
    char found[PATH_MAX], variable[PATH_MAX];
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
    cr_assert_eq(mkdir("a", 0700) | mkdir("b", 0700) | mkdir("b/folder", 0700), 0);
    make_file("a/text", 0600);
    make_file("b/prog", 0700);
    make_file("a/both", 0600);
    make_file("b/both", 0700);
    make_file("here", 0700);
    snprintf(variable, sizeof variable, "PATH=a:b");
    cr_expect_eq(find("prog", variable, found), XD_OK);
    cr_expect_str_eq(found, "b/prog");
    cr_expect_eq(find("both", variable, found), XD_OK);
    cr_expect_str_eq(found, "b/both");
    cr_expect_eq(find("text", variable, found), XD_ERR_FORBIDDEN);
    cr_expect_eq(find("none", variable, found), XD_ERR_NOT_FOUND);
    cr_expect_eq(find("folder", variable, found), XD_ERR_NOT_FOUND);
    cr_expect_eq(find("here", variable, found), XD_ERR_NOT_FOUND);
    cr_expect_eq(find("here", "PATH=a:", found), XD_OK);
    cr_expect_str_eq(found, "./here");
    cr_expect_eq(find("sh", "PATH", found), XD_OK);
    cr_expect_eq(find("./none", variable, found), XD_OK); /* execve will say it */
    static const char *const files[] = {"a/text", "b/prog", "a/both", "b/both", "here"};
    for (size_t i = 0; i < 5; i++) {
        unlink(files[i]);
    }
    rmdir("b/folder"), rmdir("a"), rmdir("b"), rmdir(dir);
}

Test(plan, a_name_over_the_limit_is_refused)
{
    char *name = malloc(PATH_MAX + 10), found[PATH_MAX];
    memset(name, 'x', PATH_MAX + 9);
    name[PATH_MAX + 9] = '\0';
    struct xdw_plan plan;
    const struct xdw_command command = {.argv = (const char *const[]){name, NULL}};
    cr_assert_eq(xdw_plan_make(&plan, &command, 0, base, NULL), XD_OK);
    cr_expect_eq(xdw_plan_find(&plan, found, sizeof found, NULL), XD_ERR_TOO_LARGE);
    xdw_plan_fini(&plan);
    free(name);
}

Test(plan, every_failed_allocation_is_an_error_that_leaves_nothing)
{
    const struct xdw_command command = {
        .argv = (const char *const[]){"true", "x", NULL},
        .env = (const char *const[]){"A=3", "B=4", "AB", NULL},
        .dir = "/",
        .url = "u",
        .profile = "p",
        .owner = {1},
    };
    size_t n = 1;
    for (;; n++) {
        struct xdw_plan plan = {0};
        xd_alloc_fail_at(n);
        enum xd_err err = xdw_plan_make(&plan, &command, 0, base, NULL);
        xd_alloc_fail_at(0);
        if (!err) {
            xdw_plan_fini(&plan);
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert_null(plan.argv);
    }
    cr_expect_gt(n, 15);
}
