/* SPDX-License-Identifier: MIT */
/* The last lines of a slot. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static struct xdw_log book;

static void add(const char *text)
{
    xdw_log_add(&book, "stdout", text, strlen(text));
}

/* The caller frees it. */
static char *tail(size_t lines)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    xdw_log_tail(&book, lines, out);
    fclose(out);
    return text;
}

static void expect_tail(size_t lines, const char *expected)
{
    char *text = tail(lines);
    cr_assert_str_eq(text, expected);
    free(text);
}

static void end(void)
{
    xdw_log_fini(&book);
}

TestSuite(log, .fini = end);

Test(log, the_last_lines_come_in_order)
{
    expect_tail(5, "");
    add("one");
    xdw_log_add(&book, "stderr", "two", 3);
    add("");
    expect_tail(0, "");
    expect_tail(1, "stdout \n");
    expect_tail(2, "stderr two\nstdout \n");
    expect_tail(3, "stdout one\nstderr two\nstdout \n");
    expect_tail(100, "stdout one\nstderr two\nstdout \n");
}

Test(log, older_lines_make_room_and_no_line_is_cut_in_two)
{
    char line[200];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 10000; i++) {
        int size = snprintf(line, sizeof line, "line %d", i);
        line[size] = 'x'; /* sizes differ, so that the ring's end falls anywhere */
        xdw_log_add(&book, "stdout", line, (size_t)(size + i % 150));
        cr_assert_leq(book.used, XDW_LOG_BYTES);
    }
    char *text = tail(SIZE_MAX), *rest;
    cr_assert_gt(strlen(text), XDW_LOG_BYTES - 300);
    int next = -1;
    for (char *at = strtok_r(text, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
        int number;
        cr_assert_eq(sscanf(at, "stdout line %d", &number), 1, "%s", at);
        cr_assert(next < 0 || number == next);
        next = number + 1;
    }
    cr_assert_eq(next, 10000);
    free(text);
}

Test(log, a_line_that_is_too_long_is_cut)
{
    char *line = malloc(XDW_LOG_BYTES);
    memset(line, 'y', XDW_LOG_BYTES);
    add("before");
    xdw_log_add(&book, "stderr", line, XDW_LOG_BYTES);
    char *text = tail(2);
    cr_assert_eq(strlen(text), strlen("stdout before\nstderr ") + XDW_LOG_LINE_BYTES + 1);
    free(text);
    free(line);
}

Test(log, control_characters_are_written_out_within_the_room)
{
    char out[16];
    size_t size = xdw_escape("a\033[\177\tb", 6, out, sizeof out);
    cr_assert_eq(size, 12);
    cr_assert_eq(memcmp(out, "a\\x1b[\\x7f\tb", 12), 0);
    cr_assert_eq(xdw_escape("\n\n\n\n\n", 5, out, sizeof out), 16);
    cr_assert_eq(xdw_escape("abc\n", 4, out, 6), 3);
}
