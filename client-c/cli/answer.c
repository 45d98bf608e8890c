/* SPDX-License-Identifier: MIT */
/* Answers as tables or JSON. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

static int dump(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    return cli_finish_output();
}

void cli_print_stdout(json_t *answer)
{
    cli_print_object(stdout, answer);
}

int cli_show_json(json_t *answer, bool json, void (*show)(json_t *answer))
{
    if (json) {
        return dump(answer);
    }
    show(answer);
    return cli_finish_output();
}

json_t *cli_read_answer(const struct xd_bytes *text)
{
    json_error_t why;
    json_t *answer =
        json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &why);
    if (answer == NULL) {
        (void)cli_fail(CLI_REFUSED, "the broker's answer is not JSON: %s", why.text);
    }
    return answer;
}

int cli_answer_json(const struct xd_bytes *text, bool json, void (*show)(json_t *answer))
{
    json_t *answer = cli_read_answer(text);
    if (answer == NULL) {
        return CLI_REFUSED;
    }
    int code = cli_show_json(answer, json, show);
    json_decref(answer);
    return code;
}

/* A number where all of it is one. */
static json_t *value_of(const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    return text[0] != '\0' && *end == '\0' ? json_integer(number) : json_string(text);
}

int cli_answer_lines(const struct xd_bytes *text, bool json)
{
    json_t *answer = json_object();
    char *lines = strndup((const char *)text->data, text->size), *rest;
    if (answer == NULL || lines == NULL) {
        free(lines);
        json_decref(answer);
        return cli_fail(CLI_SYSTEM, "out of memory");
    }
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value != NULL) {
            *value++ = '\0';
            json_object_set_new(answer, line, value_of(value));
        }
    }
    free(lines);
    int code = CLI_DONE;
    if (json) {
        code = dump(answer);
    } else {
        cli_print_object(stdout, answer);
        code = cli_finish_output();
    }
    json_decref(answer);
    return code;
}
