/* SPDX-License-Identifier: MIT */
/* An answer in pages, put together. */
#include "pages.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

#define NEXT "_next"
#define LIST_ROOM 32u
#define ARGUMENT_ROOM 2048

/* The name of the first list that was cut; false: none was. */
static bool find_cut(json_t *answer, char list[LIST_ROOM])
{
    const char *key;
    json_t *value;
    json_object_foreach(answer, key, value)
    {
        size_t size = strlen(key), suffix = strlen(NEXT);
        if (size > suffix && size - suffix < LIST_ROOM &&
            strcmp(key + size - suffix, NEXT) == 0) {
            (void)snprintf(list, LIST_ROOM, "%.*s", (int)(size - suffix), key);
            return true;
        }
    }
    return false;
}

static bool make_argument(const char *list, const json_t *last, char out[ARGUMENT_ROOM])
{
    int size =
        json_is_string(last)
            ? snprintf(out, ARGUMENT_ROOM, "%s_after=%s", list, json_string_value(last))
            : snprintf(out,
                       ARGUMENT_ROOM,
                       "%s_after=%lld",
                       list,
                       (long long)json_integer_value(last));
    return size > 0 && size < ARGUMENT_ROOM;
}

/* The page goes behind what is there; where it ended is the next to ask for. A page
 * without anything in it would be asked for again and again. */
static int join_page(json_t *whole, const char *list, const char *next, json_t *page)
{
    json_t *to = json_object_get(whole, list), *more = json_object_get(page, list),
           *last = json_object_get(page, next);
    if (!json_is_array(to) || !json_is_array(more) ||
        (json_array_size(more) == 0 && last != NULL)) {
        return cli_fail(CLI_REFUSED, "the broker's answer does not go on: %s", list);
    }
    int failed = json_array_extend(to, more);
    failed |=
        last == NULL ? json_object_del(whole, next) : json_object_set(whole, next, last);
    return failed == 0 ? CLI_DONE : cli_fail(CLI_SYSTEM, "out of memory");
}

static int ask_page(const struct cli_common *common,
                    const char *verb,
                    const char *argument,
                    json_t **out)
{
    struct xd_bytes *text = NULL;
    int code = cli_ask(common, verb, &argument, argument == NULL ? 0 : 1, &text);
    if (code == CLI_DONE) {
        *out = cli_read_answer(text);
        code = *out == NULL ? CLI_REFUSED : CLI_DONE;
    }
    xd_bytes_unref(text);
    return code;
}

/* The next page of a list goes behind `whole`. */
static int ask_rest(const struct cli_common *common,
                    const char *verb,
                    json_t *whole,
                    const char list[LIST_ROOM])
{
    char next[LIST_ROOM + sizeof NEXT], argument[ARGUMENT_ROOM];
    json_t *page = NULL;
    (void)snprintf(next, sizeof next, "%s" NEXT, list);
    if (!make_argument(list, json_object_get(whole, next), argument)) {
        return cli_fail(CLI_REFUSED, "the broker's answer is wrong: %s", next);
    }
    int code = ask_page(common, verb, argument, &page);
    if (code == CLI_DONE) {
        code = join_page(whole, list, next, page);
    }
    json_decref(page);
    return code;
}

int cli_ask_lists(const struct cli_common *common, const char *verb, json_t **out)
{
    char list[LIST_ROOM];
    json_t *whole = NULL;
    int code = ask_page(common, verb, NULL, &whole);
    while (code == CLI_DONE && find_cut(whole, list)) {
        code = ask_rest(common, verb, whole, list);
    }
    if (code != CLI_DONE) {
        json_decref(whole);
        return code;
    }
    *out = whole;
    return CLI_DONE;
}
