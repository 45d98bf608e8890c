/* SPDX-License-Identifier: MIT */
/* Answers in pages are put together; answers that do not go on end it. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "pages.h"

/* A broker: what it answers to each argument it is asked with. */
static const struct line {
    const char *argument, *answer;
} * script;
static size_t asked;

int cli_ask(const struct cli_common *common,
            const char *verb,
            const char *const *args,
            size_t arg_count,
            struct xd_bytes **out)
{
    cr_assert_str_eq(verb, "status");
    cr_assert(asked++ < 100, "it is asked again and again");
    const char *argument = arg_count == 0 ? "" : args[0];
    for (const struct line *line = script; line->argument != NULL; line++) {
        if (strcmp(line->argument, argument) == 0) {
            cr_assert(xd_bytes_text(line->answer, out) == XD_OK);
            return CLI_DONE;
        }
    }
    return CLI_NO_BROKER;
}

int cli_finish_output(void)
{
    return CLI_DONE;
}

static char complaint[256];

int cli_fail(enum cli_exit code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
    return (int)code;
}

static void expect(const struct line *lines, const char *whole)
{
    const struct cli_common common = {0};
    json_t *got = NULL, *wanted = json_loads(whole, 0, NULL);
    script = lines;
    asked = 0;
    cr_assert(cli_ask_lists(&common, "status", &got) == CLI_DONE, "%s", complaint);
    cr_assert(json_equal(got, wanted), "%s", json_dumps(got, JSON_COMPACT));
    json_decref(got);
    json_decref(wanted);
}

static void expect_no(const struct line *lines, int code, const char *says)
{
    const struct cli_common common = {0};
    json_t *got = NULL;
    script = lines;
    asked = 0;
    complaint[0] = '\0';
    cr_assert_eq(cli_ask_lists(&common, "status", &got), code);
    cr_assert(got == NULL && strstr(complaint, says) != NULL, "'%s'", complaint);
}

Test(pages, what_is_whole_is_asked_for_once)
{
    static const struct line lines[] = {{"", "{\"a\":1,\"workers\":[{\"session\":3}]}"},
                                        {NULL, NULL}};
    expect(lines, lines[0].answer);
    cr_assert_eq(asked, 1);
}

Test(pages, each_list_that_was_cut_is_asked_for_until_its_end)
{
    static const struct line lines[] = {
        {"",
         "{\"a\":1,\"profiles\":[\"x\"],\"profiles_next\":\"x y\","
         "\"workers\":[1,2],\"workers_next\":2,\"clients\":[]}"},
        {"workers_after=2", "{\"workers\":[3],\"workers_next\":3}"},
        {"workers_after=3", "{\"workers\":[]}"},
        {"profiles_after=x y", "{\"profiles\":[\"z\"]}"},
        {NULL, NULL},
    };
    expect(lines,
           "{\"a\":1,\"profiles\":[\"x\",\"z\"],\"workers\":[1,2,3],\"clients\":[]}");
    cr_assert_eq(asked, 4);
}

Test(pages, answers_that_do_not_go_on_are_named)
{
    static const struct line empty[] = {
        {"", "{\"workers\":[],\"workers_next\":0}"},
        {"workers_after=0", "{\"workers\":[],\"workers_next\":0}"},
        {NULL, NULL}};
    static const struct line none[] = {{"", "{\"b_next\":0}"},
                                       {"b_after=0", "{}"},
                                       {NULL, NULL}};
    static const struct line text[] = {{"", "status\n"}, {NULL, NULL}};
    static const struct line gone[] = {{"", "{\"workers\":[1],\"workers_next\":1}"},
                                       {NULL, NULL}};
    expect_no(empty, CLI_REFUSED, "does not go on: workers");
    expect_no(none, CLI_REFUSED, "does not go on: b");
    expect_no(text, CLI_REFUSED, "not JSON");
    expect_no(gone, CLI_NO_BROKER, "");
}
