/* SPDX-License-Identifier: MIT */
/* The text of a key's file: what is read, and what is not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "wire/cert.h"

#define Z85 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define LAST XD_ERR_NOT_FOUND

static struct xd_error error;

/* Reads all of it; "c:name=value;" for each setting, m: in metadata. */
static enum xd_err read_all(const char *given, char *out, size_t room)
{
    char text[512];
    struct xd_cert_reader reader;
    struct xd_cert_item item;
    enum xd_err err;
    snprintf(text, sizeof text, "%s", given);
    xd_cert_reader_init(&reader, text);
    out[0] = '\0';
    while ((err = xd_cert_next(&reader, &item, &error)) == XD_OK) {
        size_t used = strlen(out);
        snprintf(out + used,
                 room - used,
                 "%c:%s=%s;",
                 item.in_curve ? 'c' : 'm',
                 item.name,
                 item.value);
    }
    return err;
}

Test(cert, settings_are_read_in_order_and_everything_else_is_an_error)
{
    static const struct {
        const char *text;
        enum xd_err err;
        const char *read;
    } rows[] = {
        {"", LAST, ""},
        {"\n\n", LAST, ""},
        {"# only a comment", LAST, ""},
        {"    # indented", LAST, ""},
        {"metadata\n    a = \"b\"\n", LAST, "m:a=b;"},
        {"metadata\n    a = \"b\"", LAST, "m:a=b;"},
        {"metadata\r\n    a = 'b'\r\n", LAST, "m:a=b;"},
        {"curve  \n    a=\"#b\"  \n\nmetadata\n    c-d = \"it's\"\n",
         LAST,
         "c:a=#b;m:c-d=it's;"},
        {"metadata\n    a = \"\"\n", LAST, "m:a=;"},
        {"metadata\n    a =\n", XD_ERR_INVALID, ""},
        {"metadata\n    a\n", XD_ERR_INVALID, ""},
        {"metadata\n    = \"b\"\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = b\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b'\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b\" c\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b\" # c\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b\"\"\n", XD_ERR_INVALID, ""},
        {"metadata\n    a b = \"c\"\n", XD_ERR_INVALID, ""},
        {"metadata\n  a = \"b\"\n", XD_ERR_INVALID, ""},
        {"metadata\n\ta = \"b\"\n", XD_ERR_INVALID, ""},
        {"metadata\n        a = \"b\"\n", XD_ERR_INVALID, ""},
        {"    a = \"b\"\n", XD_ERR_INVALID, ""},
        {"metadata = \"b\"\n", XD_ERR_INVALID, ""},
        {"metadatas\n", XD_ERR_INVALID, ""},
        {"metadata\n    a = \"b\"\nelse\n", XD_ERR_INVALID, "m:a=b;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char read[256];
        error.text[0] = '\0';
        enum xd_err err = read_all(rows[i].text, read, sizeof read);
        cr_assert_eq(err, rows[i].err, "row %zu: %s", i, error.text);
        cr_assert_str_eq(read, rows[i].read, "row %zu", i);
        cr_assert_eq(error.text[0] != '\0', err == XD_ERR_INVALID, "row %zu", i);
    }
}

Test(cert, errors_name_the_line_and_never_show_it)
{
    char read[256];
    cr_assert_eq(
        read_all("# x\nmetadata\n\ncurve\n    secret-key = hush\n", read, sizeof read),
        XD_ERR_INVALID);
    cr_assert_not_null(strstr(error.text, "line 5:"), "%s", error.text);
    cr_assert_null(strstr(error.text, "hush"));
    struct xd_key_pair pair = {"", ""};
    struct xd_cert_item item = {true, "secret-key", "hush"};
    cr_assert_eq(xd_cert_take_key(&item, &pair, &error), XD_ERR_INVALID);
    cr_assert_null(strstr(error.text, "hush"));
}

Test(cert, a_key_comes_once_and_under_its_name)
{
    struct xd_key_pair pair = {"", ""};
    struct xd_cert_item item = {true, "public-key", Z85};
    cr_assert_eq(xd_cert_take_key(&item, &pair, &error), XD_OK);
    cr_assert_str_eq(pair.public_key, Z85);
    cr_assert_str_eq(pair.secret_key, "");
    cr_assert_eq(xd_cert_take_key(&item, &pair, &error), XD_ERR_INVALID);
    item.name = "private-key";
    cr_assert_eq(xd_cert_take_key(&item, &pair, &error), XD_ERR_INVALID);
}

Test(cert, what_is_written_is_read_again)
{
    struct xd_cert_writer writer;
    struct xd_key_pair pair = {Z85, Z85};
    char read[256];
    xd_cert_write_start(&writer, "a title");
    xd_cert_write(&writer, "name", "n m");
    xd_cert_write_keys(&writer, &pair);
    cr_assert_eq(read_all(writer.text, read, sizeof read), LAST);
    cr_assert_str_eq(read, "m:name=n m;c:public-key=" Z85 ";c:secret-key=" Z85 ";");
    cr_assert_not(writer.is_cut);
}

Test(cert, a_text_that_does_not_fit_is_marked)
{
    struct xd_cert_writer writer;
    char name[101];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    xd_cert_write_start(&writer, "t");
    for (int i = 0; i < 50 && !writer.is_cut; i++) {
        xd_cert_write(&writer, "profile", name);
    }
    cr_assert(writer.is_cut);
    cr_assert_leq(strlen(writer.text), XD_KEY_FILE_MAX_BYTES);
}
