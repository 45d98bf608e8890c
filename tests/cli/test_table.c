/* SPDX-License-Identifier: MIT */
/* The status table. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static char *printed(const char *json)
{
    char *text = NULL;
    size_t size = 0;
    json_t *object = json_loads(json, 0, NULL);
    FILE *stream = open_memstream(&text, &size);
    cr_assert(object != NULL && stream != NULL);
    cli_print_object(stream, object);
    fclose(stream);
    json_decref(object);
    return text;
}

static void expect(const char *json, const char *wanted)
{
    char *text = printed(json);
    cr_assert_str_eq(text, wanted);
    free(text);
}

Test(table, plain_values_are_lines_with_one_column_of_keys)
{
    expect(
        "{\"a\": 1, \"long_key\": \"x\", \"yes\": true, \"no\": false, \"none\": null}",
        "a         1\nlong_key  x\nyes       yes\nno        no\nnone      -\n");
}

Test(table, list_of_objects_is_a_table_with_numbers_to_the_right)
{
    expect("{\"rows\": [{\"name\": \"default\", \"n\": 5}, {\"name\": \"gpu\", \"n\": "
           "12345}]}",
           "\nrows\nname         n\ndefault      5\ngpu      12345\n");
}

Test(table, row_without_a_key_shows_a_dash)
{
    expect("{\"rows\": [{\"a\": 1, \"b\": \"x\"}, {\"a\": 2}]}",
           "\nrows\na  b\n1  x\n2  -\n");
}

Test(table, empty_list_is_a_dash)
{
    expect("{\"workers\": []}", "\nworkers  -\n");
}

Test(table, inner_object_comes_after_the_lists)
{
    expect("{\"counters\": {\"done\": 3}, \"names\": [\"a\", \"b\"]}",
           "\nnames  a,b\n\ncounters\ndone  3\n");
}

Test(table, overlong_cell_is_cut_and_the_rest_stays_whole)
{
    char json[512], name[201];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(json, sizeof json, "{\"rows\": [{\"name\": \"%s\", \"n\": 7}]}", name);
    char *text = printed(json);
    cr_assert(strstr(text, "  7\n") != NULL);
    cr_assert(strstr(text, "xxxxxxxx  7\n") != NULL);
    cr_assert_lt(strlen(text), 160);
    free(text);
}
