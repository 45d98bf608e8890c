/* SPDX-License-Identifier: MIT */
/* Payloads from the command line, and into files. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload.h"

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/xd-cli-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r -- '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fwrite(bytes, 1, size, file) == size);
    cr_assert_eq(fclose(file), 0);
}

Test(argument, needs_a_sign_between_tag_and_value)
{
    cr_assert(cli_payload_is_argument("text:hello"));
    cr_assert(cli_payload_is_argument("raw=file"));
    cr_assert(cli_payload_is_argument("=file"));
    cr_assert_not(cli_payload_is_argument("file"));
    cr_assert_not(cli_payload_is_argument(""));
}

Test(argument, text_stands_in_the_argument_and_may_hold_both_signs)
{
    struct cli_payload payload;
    cr_assert_eq(cli_payload_read("text:a=b:c", &payload), CLI_DONE);
    cr_assert_str_eq(payload.tag, "text");
    cr_assert(xd_bytes_is(payload.bytes, "a=b:c"));
    cli_payload_clear(&payload);
    cr_assert(payload.bytes == NULL && payload.tag == NULL);
}

Test(argument,
     file_is_read_whole_whatever_its_size,
     .init = make_folder,
     .fini = remove_folder)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 3000000};
    char argument[PATH_MAX];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *content = malloc(sizes[i] + 1);
        cr_assert(content != NULL);
        memset(content, (int)('a' + i), sizes[i] + 1);
        write_file("in", content, sizes[i]);
        snprintf(argument, sizeof argument, "raw=%s/in", folder);
        struct cli_payload payload;
        cr_assert_eq(cli_payload_read(argument, &payload), CLI_DONE);
        cr_assert_eq(payload.bytes->size, sizes[i]);
        cr_assert_eq(memcmp(payload.bytes->data, content, sizes[i]), 0);
        cli_payload_clear(&payload);
        free(content);
    }
}

Test(argument, empty_tag_is_no_class)
{
    struct cli_payload payload;
    cr_assert_eq(cli_payload_read(":x", &payload), CLI_DONE);
    cr_assert(payload.tag == NULL);
    cli_payload_clear(&payload);
}

Test(argument, missing_file_is_a_system_error_and_changes_nothing)
{
    struct cli_payload payload = {0};
    cr_assert_eq(cli_payload_read("raw=/nonexistent/file", &payload), CLI_SYSTEM);
    cr_assert(payload.bytes == NULL && payload.tag == NULL);
}

static void write_result(size_t number,
                         const char *tag,
                         const char *text,
                         const char *wanted)
{
    char path[PATH_MAX], full[PATH_MAX];
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text(text, &bytes), XD_OK);
    cr_assert_eq(cli_payload_write(folder, number, tag, bytes, path, sizeof path),
                 CLI_DONE);
    xd_bytes_unref(bytes);
    snprintf(full, sizeof full, "%s/%s", folder, wanted);
    cr_assert_str_eq(path, full);
    char got[64] = "";
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    size_t size = fread(got, 1, sizeof got - 1, file);
    fclose(file);
    cr_assert_eq(size, strlen(text));
    cr_assert_str_eq(got, text);
}

Test(result,
     goes_into_a_new_file_and_never_over_an_old_one,
     .init = make_folder,
     .fini = remove_folder)
{
    write_result(1, "sqlite3", "one", "result-1.sqlite3");
    write_result(1, "sqlite3", "two", "result-1-2.sqlite3");
    write_result(1, "sqlite3", "three", "result-1-3.sqlite3");
    write_result(2, "raw", "", "result-2.raw");
}

Test(result,
     tag_of_a_worker_cannot_leave_the_folder,
     .init = make_folder,
     .fini = remove_folder)
{
    write_result(1, "../../x", "a", "result-1.______x");
    write_result(2, "a b\tc", "a", "result-2.a_b_c");
}

Test(result,
     folder_is_made_and_one_that_cannot_be_is_said,
     .init = make_folder,
     .fini = remove_folder)
{
    char below[PATH_MAX], path[PATH_MAX];
    struct xd_bytes *bytes;
    cr_assert_eq(xd_bytes_text("x", &bytes), XD_OK);
    snprintf(below, sizeof below, "%s/new", folder);
    cr_assert_eq(cli_payload_write(below, 1, "raw", bytes, path, sizeof path), CLI_DONE);
    cr_assert_eq(access(path, R_OK), 0);
    snprintf(below, sizeof below, "%s/no/where", folder);
    cr_assert_eq(cli_payload_write(below, 1, "raw", bytes, path, sizeof path),
                 CLI_SYSTEM);
    xd_bytes_unref(bytes);
}
