/* SPDX-License-Identifier: MIT */
/* Names, texts and sentences of errors. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"

Test(err, every_code_has_its_own_name_and_text)
{
    static const struct {
        enum xd_err code;
        int number;
        const char *name, *text;
    } rows[] = {
#define ROW(code, number, name, text) {code, number, name, text},
        XD_ERR_LIST(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq((int)rows[i].code, rows[i].number);
        cr_assert_eq(rows[i].number, (int)i, "numbers have no gap");
        cr_assert_str_eq(xd_err_name(rows[i].code), rows[i].name);
        cr_assert_str_eq(xd_err_text(rows[i].code), rows[i].text);
        for (size_t j = 0; j < i; j++) {
            cr_assert_str_neq(rows[i].name, rows[j].name);
        }
    }
}

Test(err, a_number_outside_the_list_is_unknown)
{
    volatile int number = 9999;
    cr_assert_str_eq(xd_err_name((enum xd_err)number), "unknown");
    cr_assert_str_eq(xd_err_text((enum xd_err)number), "unknown");
}

Test(err, fail_writes_the_sentence_and_gives_back_the_code)
{
    struct xd_error error;
    cr_assert_eq(xd_fail(&error, XD_ERR_BUSY, "n is %d", 7), XD_ERR_BUSY);
    cr_assert_str_eq(error.text, "n is 7");
    cr_assert_eq(xd_fail(NULL, XD_ERR_BUSY, "n is %d", 7), XD_ERR_BUSY);
}

Test(err, a_long_sentence_is_cut)
{
    struct xd_error error;
    cr_assert_eq(xd_fail(&error, XD_ERR_INVALID, "%0400d", 1), XD_ERR_INVALID);
    cr_assert_eq(strlen(error.text), sizeof error.text - 1);
}

Test(err, context_goes_in_front)
{
    struct xd_error error;
    cr_assert_eq(xd_fail(&error, XD_ERR_GONE, "no broker"), XD_ERR_GONE);
    cr_assert_eq(xd_fail_in(&error, XD_ERR_GONE, "connect"), XD_ERR_GONE);
    cr_assert_str_eq(error.text, "connect: no broker");
    cr_assert_eq(xd_fail_in(NULL, XD_ERR_GONE, "connect"), XD_ERR_GONE);
}

Test(err, context_pushes_the_end_out_when_there_is_no_room)
{
    struct xd_error error;
    char context[400];
    memset(context, 'c', sizeof context - 1);
    context[sizeof context - 1] = '\0';
    cr_assert_eq(xd_fail(&error, XD_ERR_GONE, "%0255d", 1), XD_ERR_GONE);
    cr_assert_eq(xd_fail_in(&error, XD_ERR_GONE, "x"), XD_ERR_GONE);
    cr_assert_eq(strlen(error.text), sizeof error.text - 1);
    cr_assert_eq(strncmp(error.text, "x: 000", 6), 0);
    cr_assert_eq(xd_fail_in(&error, XD_ERR_GONE, context), XD_ERR_GONE);
    cr_assert_eq(strlen(error.text), sizeof error.text - 1);
    cr_assert_eq(error.text[0], 'c');
}
