/* SPDX-License-Identifier: MIT */
/* The state of a broker with more sessions and profiles than one message holds, page by
 * page. */
#include "io/status.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "wire/limits.h"

#define MANY 12000u /* workers, clients */
#define PROFILES 6000u

static struct xdb_actions actions;
static struct xdb_right right;

static void step(struct xdb_event *event)
{
    event->now = stage.now += XD_US;
    cr_assert(xdb_core_step(stage.core, event, &actions) == XD_OK);
}

/* A session that the broker knows as it would by HELLO. */
static struct xdb_peer *join(enum xd_role role)
{
    struct xdb_peer *peer;
    cr_assert(xdb_peer_add(&stage.conns, role, &peer) == XD_OK);
    peer->right = &right;
    return peer;
}

static void join_worker(struct xd_bytes *profile)
{
    struct xdb_event event = {.kind = XDB_EVENT_WORKER_JOIN,
                              .session = join(XD_ROLE_WORKER)->session};
    event.worker_join.profile = profile;
    event.worker_join.formats = 1u << XD_FORMAT_R;
    step(&event);
}

static struct xd_session_id join_client(enum xd_role role)
{
    struct xdb_event event = {.kind = XDB_EVENT_CLIENT_JOIN,
                              .session = join(role)->session};
    step(&event);
    return event.session;
}

static void make_profile(struct xd_session_id client, unsigned number)
{
    char words[32];
    struct xdb_event event = {.kind = XDB_EVENT_PROFILE, .session = client};
    (void)snprintf(words, sizeof words, "profile %u", number);
    cr_assert(xd_bytes_text(words, &event.profile.name) == XD_OK);
    step(&event);
    xd_bytes_unref(event.profile.name);
}

static void begin(void)
{
    struct xdb_core_config config;
    struct xd_bytes *profile;
    stage_begin();
    xdb_config_default(&config);
    cr_assert(xdb_core_new(&config, &stage.core) == XD_OK);
    xdb_actions_init(&actions);
    (void)snprintf(right.principal, sizeof right.principal, "uid=0");
    cr_assert(xd_bytes_text("crowd", &profile) == XD_OK);
    struct xd_session_id client = {0};
    for (unsigned i = 0; i < MANY; i++) {
        join_worker(profile);
        client = join_client(i % 2 == 0 ? XD_ROLE_AGENT : XD_ROLE_CLIENT);
    }
    for (unsigned i = 0; i < PROFILES; i++) {
        make_profile(client, i);
    }
    xd_bytes_unref(profile);
}

static void end(void)
{
    xdb_actions_fini(&actions);
    xdb_core_free(stage.core);
    struct xd_map_item *item;
    while ((item = xd_map_next(&stage.conns.sessions, NULL)) != NULL) {
        xdb_peer_free(&stage.conns, XD_ITEM(item, struct xdb_peer, by_session));
    }
    stage_end();
}

TestSuite(status, .init = begin, .fini = end, .timeout = 120);

typedef enum xd_err write_lists(const struct xdb_server *server,
                                const struct xdb_page *page,
                                char **out);

/* Where the list begins in the text, behind its bracket; NULL: it is not there. */
static const char *list_in(const char *text, const char *list)
{
    char key[40];
    (void)snprintf(key, sizeof key, "\"%s\":[", list);
    const char *at = strstr(text, key);
    return at == NULL ? NULL : at + strlen(key);
}

/* How many items, each behind the one before by its key. */
static size_t items_of(const char *at, const char *key, char last[64])
{
    char mark[32], value[64];
    size_t count = 0;
    (void)snprintf(mark, sizeof mark, "{\"%s\":", key);
    for (; *at == '{' || *at == ','; count++) {
        at += *at == ',' ? 1 : 0;
        cr_assert(strncmp(at, mark, strlen(mark)) == 0, "%.60s", at);
        at += strlen(mark);
        size_t size = strcspn(at, ",}");
        (void)snprintf(value, sizeof value, "%.*s", (int)size, at);
        cr_assert(value[0] == '"' ? strcmp(value, last) > 0
                                  : strtoull(value, NULL, 10) > strtoull(last, NULL, 10),
                  "%s behind %s",
                  value,
                  last);
        strcpy(last, value);
        at = strchr(at, '}');
        cr_assert(at != NULL);
        at++;
    }
    cr_assert(*at == ']');
    return count;
}

/* Does it end with `last`, behind which there is more? */
static bool is_cut(const char *text, const char *list, const char *last)
{
    char words[128];
    (void)snprintf(words, sizeof words, "],\"%s_next\":%s", list, last);
    return strstr(text, words) != NULL;
}

/* What comes behind `last`, a number or a name in quotes. */
static void turn_page(struct xdb_page *page, const char *list, const char *last)
{
    struct xd_bytes *name = NULL;
    xd_bytes_unref((struct xd_bytes *)(uintptr_t)page->after.name);
    if (last[0] == '"') {
        cr_assert(xd_bytes_copy(last + 1, strlen(last) - 2, &name) == XD_OK);
    }
    page->list = list;
    page->after.name = name;
    page->after.session = strtoull(last, NULL, 10);
}

/* All items of a list, each once, in pages that fit a message. */
static size_t walk(write_lists *write, const char *list, const char *key, size_t *pages)
{
    char last[64] = "", *text;
    struct xdb_page page = {NULL, {0, NULL}, XD_MESSAGE_MAX_BYTES};
    size_t count = 0;
    bool more = true;
    for (*pages = 0; more; (*pages)++) {
        cr_assert(*pages < 50);
        cr_assert(write(&stage, &page, &text) == XD_OK);
        cr_assert(strlen(text) <= XD_MESSAGE_MAX_BYTES);
        cr_assert_not_null(list_in(text, list));
        count += items_of(list_in(text, list), key, last);
        more = is_cut(text, list, last);
        free(text);
        turn_page(&page, list, last);
    }
    turn_page(&page, list, "0");
    return count;
}

Test(status, every_page_fits_and_all_of_them_are_everything)
{
    static const struct {
        write_lists *write;
        const char *list, *key;
        size_t count;
    } lists[] = {
        {xdb_status, "profiles", "name", PROFILES + 1},
        {xdb_status, "workers", "session", MANY},
        {xdb_status, "clients", "session", MANY - MANY / 2},
        {xdb_status_workers, "agents", "session", MANY / 2},
        {xdb_status_workers, "workers", "session", MANY},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        size_t pages;
        size_t count = walk(lists[i].write, lists[i].list, lists[i].key, &pages);
        cr_assert_eq(count, lists[i].count, "%s: %zu", lists[i].list, count);
        cr_assert(pages > 1, "%s: %zu pages", lists[i].list, pages);
    }
}

Test(status, page_of_one_list_has_no_other)
{
    char *text;
    struct xdb_page page = {"clients", {0, NULL}, XD_MESSAGE_MAX_BYTES};
    cr_assert(xdb_status(&stage, &page, &text) == XD_OK);
    cr_assert(strncmp(text, "{\"clients\":[{", 13) == 0);
    cr_assert(list_in(text, "workers") == NULL && list_in(text, "profiles") == NULL);
    free(text);
}

Test(status, without_a_page_it_is_everything)
{
    char *text, last[64] = "";
    cr_assert(xdb_status(&stage, NULL, &text) == XD_OK);
    cr_assert(strlen(text) > XD_MESSAGE_MAX_BYTES && strstr(text, "_next") == NULL);
    cr_assert_eq(items_of(list_in(text, "workers"), "session", last), MANY);
    free(text);
}

/* Who came and went between two pages does not disturb those who stayed. */
Test(status, sessions_that_go_meanwhile_leave_no_gap)
{
    char *text, last[64] = "";
    struct xdb_page page = {"workers", {0, NULL}, XD_MESSAGE_MAX_BYTES};
    cr_assert(xdb_status(&stage, &page, &text) == XD_OK);
    size_t first = items_of(list_in(text, "workers"), "session", last);
    free(text);
    page.after.session = strtoull(last, NULL, 10);
    for (uint64_t session = 1; session <= page.after.session; session += 2) {
        struct xdb_event event = {.kind = XDB_EVENT_LOST, .session = {session}};
        step(&event);
    }
    size_t rest = 0;
    do {
        cr_assert(xdb_status(&stage, &page, &text) == XD_OK);
        rest += items_of(list_in(text, "workers"), "session", last);
        page.after.session = strtoull(last, NULL, 10);
        page.list = is_cut(text, "workers", last) ? "workers" : NULL;
        free(text);
    } while (page.list != NULL);
    cr_assert_eq(first + rest, MANY);
}
