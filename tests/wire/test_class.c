/* SPDX-License-Identifier: MIT */
/* Which names are valid, and how they are shown. */
#include <criterion/criterion.h>
#include <string.h>

#include "wire/class.h"
#include "wire/utf8.h"

static const struct row {
    const char *name;
    bool is_tag, is_name;
} rows[] = {
    {"sqlite3", true, true},
    {"data.frame", true, true},
    {"pkg::Class", true, true},
    {"ArrowTabular 1", true, true},
    {"*", true, true},
    {"a", true, true},
    {"Gr\xc3\xb6\xc3\x9f"
     "e",
     true,
     true},                           /* two bytes */
    {"\xe2\x82\xac", true, true},     /* three */
    {"\xf0\x9f\x98\x80", true, true}, /* four */
    {"\xf4\x8f\xbf\xbd", true, true}, /* the last plane */
    {"pkg/fun", false, true},         /* a slash only in names */
    {"", false, false},
    {"a\nb", false, false},
    {"a\tb", false, false},
    {"\x01", false, false},
    {"a\x7f", false, false},        /* DEL */
    {"\xc2\x85", false, false},     /* a control of the second block */
    {"\xe2\x80\xa8", false, false}, /* line separator */
    {"say \"x\"", false, false},
    {"it's", false, false},
    {"`x`", false, false},
    {"a\\b", false, false},
    {"\x80", false, false},             /* a continuation alone */
    {"\xc3", false, false},             /* cut off */
    {"\xe2\x82", false, false},         /* cut off later */
    {"\xc3(", false, false},            /* no continuation */
    {"\xc0\xaf", false, false},         /* overlong slash */
    {"\xe0\x80\xaf", false, false},     /* overlong, three bytes */
    {"\xf0\x80\x80\xaf", false, false}, /* overlong, four bytes */
    {"\xed\xa0\x80", false, false},     /* a surrogate */
    {"\xf4\x90\x80\x80", false, false}, /* past the last code point */
    {"\xff", false, false},
};

Test(class, the_table_of_names_holds)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *name = rows[i].name;
        cr_assert_eq(xd_class_tag_is_valid(name, strlen(name)),
                     rows[i].is_tag,
                     "row %zu",
                     i);
        cr_assert_eq(xd_name_is_valid(name, strlen(name)), rows[i].is_name, "row %zu", i);
    }
}

Test(class, nul_is_not_part_of_a_name)
{
    cr_assert_not(xd_name_is_valid("a\0b", 3));
    cr_assert_not(xd_class_tag_is_valid("a\0b", 3));
}

Test(class, a_name_has_at_most_255_bytes)
{
    char name[256];
    memset(name, 'n', sizeof name);
    cr_assert(xd_name_is_valid(name, 255));
    cr_assert_not(xd_name_is_valid(name, 256));
}

Test(class, text_may_have_lines_but_no_nul)
{
    cr_assert(xd_text_is_valid("a\n\t'b'", 6));
    cr_assert(xd_text_is_valid("", 0));
    cr_assert_not(xd_text_is_valid("a\0b", 3));
    cr_assert_not(xd_text_is_valid("\xff", 1));
}

static const char *escaped(const char *text, size_t size, size_t room)
{
    static char out[64];
    memset(out, '?', sizeof out);
    xd_name_escape(text, size, out, room);
    return out;
}

Test(class, what_is_no_name_is_escaped)
{
    cr_assert_str_eq(escaped("plain", 5, 64), "plain");
    cr_assert_str_eq(escaped("\xc3\xb6", 2, 64), "\xc3\xb6");
    cr_assert_str_eq(escaped("a\nb\"\\", 5, 64), "a\\x0ab\\x22\\x5c");
    cr_assert_str_eq(escaped("\xff\0", 2, 64), "\\xff\\x00");
    cr_assert_str_eq(escaped("", 0, 64), "");
}

Test(class, the_escaped_text_is_cut_between_characters)
{
    cr_assert_str_eq(escaped("abcdef", 6, 4), "abc");
    cr_assert_str_eq(escaped("ab\n", 3, 6), "ab");
    cr_assert_str_eq(escaped("ab\n", 3, 7), "ab\\x0a");
    cr_assert_str_eq(escaped("a\xc3\xb6", 3, 3), "a");
    cr_assert_str_eq(escaped("a", 1, 1), "");
    cr_assert_eq(escaped("a", 1, 0)[0], '?');
}
