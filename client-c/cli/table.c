/* SPDX-License-Identifier: MIT */
/* A JSON object as lines and tables; knows nothing of what the values mean. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define CELL_BYTES 64
#define COLUMNS_MAX 16

static bool is_plain(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static bool is_row_list(const json_t *value)
{
    return json_is_array(value) &&
           (json_array_size(value) == 0 || json_is_object(json_array_get(value, 0)));
}

/* The elements of a list of plain values, with commas; "-" for none. */
static void list_text(const json_t *list, char *out, size_t room)
{
    size_t at = 0;
    size_t index;
    const json_t *value;

    snprintf(out, room, "-");
    json_array_foreach(list, index, value)
    {
        const char *text = json_is_string(value) ? json_string_value(value) : "...";
        int size = snprintf(out + at, room - at, "%s%s", index > 0 ? "," : "", text);
        if (size < 0 || (size_t)size >= room - at) {
            return; /* cut: the table is for the eye, --json has all of it */
        }
        at += (size_t)size;
    }
}

static void cell_text(const json_t *value, char *out, size_t room)
{
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_STRING:
        snprintf(out, room, "%s", json_string_value(value));
        return;
    case JSON_INTEGER:
        snprintf(out, room, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL:
        snprintf(out, room, "%.3g", json_real_value(value));
        return;
    case JSON_TRUE:
        snprintf(out, room, "yes");
        return;
    case JSON_FALSE:
        snprintf(out, room, "no");
        return;
    case JSON_ARRAY:
        list_text(value, out, room);
        return;
    default:
        snprintf(out, room, "-");
        return;
    }
}

static void print_plain(FILE *stream, json_t *object)
{
    const char *key;
    const json_t *value;
    char cell[1024];
    int width = 0;

    json_object_foreach(object, key, value)
    {
        if (is_plain(value) && (int)strlen(key) > width) {
            width = (int)strlen(key);
        }
    }
    json_object_foreach(object, key, value)
    {
        if (is_plain(value)) {
            cell_text(value, cell, sizeof cell);
            fprintf(stream, "%-*s  %s\n", width, key, cell);
        }
    }
}

struct column {
    const char *key;
    int width;
    bool number; /* to the right */
};

static size_t columns_of(const json_t *rows, struct column *columns)
{
    const char *key;
    const json_t *value, *row;
    size_t count = 0, index;
    char cell[CELL_BYTES];

    json_object_foreach(json_array_get(rows, 0), key, value)
    {
        if (count < COLUMNS_MAX && !json_is_object(value) &&
            !(is_row_list(value) && json_array_size(value) > 0)) {
            columns[count++] = (struct column){.key = key,
                                               .width = (int)strlen(key),
                                               .number = json_is_number(value)};
        }
    }
    for (size_t i = 0; i < count; i++) {
        json_array_foreach(rows, index, row)
        {
            cell_text(json_object_get(row, columns[i].key), cell, sizeof cell);
            int width = (int)strlen(cell);
            columns[i].width = width > columns[i].width ? width : columns[i].width;
        }
    }
    return count;
}

static void print_cell(FILE *stream,
                       const struct column *column,
                       const char *text,
                       bool last)
{
    if (column->number) {
        fprintf(stream, "%*s", column->width, text);
    } else if (last) {
        fputs(text, stream);
    } else {
        fprintf(stream, "%-*s", column->width, text);
    }
    fputs(last ? "\n" : "  ", stream);
}

static void print_table(FILE *stream, const json_t *rows)
{
    struct column columns[COLUMNS_MAX];
    size_t count = columns_of(rows, columns);
    size_t index;
    const json_t *row;
    char cell[CELL_BYTES];

    for (size_t i = 0; i < count; i++) {
        print_cell(stream, &columns[i], columns[i].key, i + 1 == count);
    }
    json_array_foreach(rows, index, row)
    {
        for (size_t i = 0; i < count; i++) {
            cell_text(json_object_get(row, columns[i].key), cell, sizeof cell);
            print_cell(stream, &columns[i], cell, i + 1 == count);
        }
    }
}

static void print_list(FILE *stream, const char *key, const json_t *list)
{
    char cell[1024];
    if (is_row_list(list) && json_array_size(list) > 0) {
        fprintf(stream, "\n%s\n", key);
        print_table(stream, list);
        return;
    }
    list_text(list, cell, sizeof cell);
    fprintf(stream, "\n%s  %s\n", key, cell);
}

void cli_print_object(FILE *stream, json_t *object)
{
    const char *key;
    json_t *value;

    print_plain(stream, object);
    json_object_foreach(object, key, value)
    {
        if (json_is_array(value)) {
            print_list(stream, key, value);
        }
    }
    json_object_foreach(object, key, value)
    {
        if (json_is_object(value)) {
            fprintf(stream, "\n%s\n", key);
            print_plain(stream, value);
        }
    }
}
