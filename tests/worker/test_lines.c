/* SPDX-License-Identifier: MIT */
/* Output becomes lines, however it is cut by reads, and stays bounded. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "supervise/lines.h"

struct seen {
    char text[256];
};

/* "[line]" and "[piece+" one after the other. */
static void note(void *context, const char *text, size_t size, bool more)
{
    struct seen *seen = context;
    strcat(seen->text, "[");
    strncat(seen->text, text, size);
    strcat(seen->text, more ? "+" : "]");
}

static const struct {
    const char *input, *expected;
} table[] = {
    {"", ""},
    {"one\n", "[one]"},
    {"one\ntwo\n", "[one][two]"},
    {"\n\n", "[][]"},
    {"one\r\ntwo\r\n", "[one][two]"},
    {"last", "[last]"},
    {"12345678\n", "[12345678]"},
    {"123456789\n", "[12345678+[9]"},
    {"12345678", "[12345678]"},
    {"1234567812345678x\ny", "[12345678+[12345678+[x][y]"},
};

Test(lines, the_cut_of_reads_makes_no_difference)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (size_t step = 1; step <= 20; step++) {
            struct xdw_lines lines;
            struct seen seen = {""};
            cr_assert_eq(xdw_lines_init(&lines, 8), XD_OK);
            size_t size = strlen(table[i].input);
            for (size_t at = 0; at < size; at += step) {
                size_t part = size - at < step ? size - at : step;
                xdw_lines_feed(&lines, table[i].input + at, part, note, &seen);
            }
            xdw_lines_end(&lines, note, &seen);
            cr_expect_str_eq(seen.text,
                             table[i].expected,
                             "line %zu, by %zu: %s",
                             i,
                             step,
                             seen.text);
            xdw_lines_fini(&lines);
        }
    }
}

Test(lines, without_memory_there_is_no_buffer)
{
    struct xdw_lines lines = {0};
    xd_alloc_fail_at(1);
    cr_expect_eq(xdw_lines_init(&lines, 8), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_expect_null(lines.buffer);
}
