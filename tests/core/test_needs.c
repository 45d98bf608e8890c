/* SPDX-License-Identifier: MIT */
/* What tasks need of their workers. */
#include <criterion/criterion.h>

#include "core/needs.h"
#include "desk.h"

static struct xd_bytes *text(const char *from)
{
    struct xd_bytes *bytes = NULL;
    cr_assert_eq(xd_bytes_text(from, &bytes), XD_OK);
    return bytes;
}

static bool meets(const char *needs, const char *has)
{
    struct xd_bytes *needed = text(needs), *had = text(has);
    bool met = xdb_needs_are_met(needed, had);
    xd_bytes_unref(needed);
    xd_bytes_unref(had);
    return met;
}

Test(needs, are_met_by_words_texts_and_numbers)
{
    static const struct {
        const char *needs, *has;
        bool met;
    } cases[] = {
        {"", "", true},
        {"", "gpu=1", true},
        {"gpu", "gpu", true},
        {"gpu", "gpu=1", true},
        {"gpu", "gpus", false},
        {"gpu", "", false},
        {"zone=a", "zone=a fast", true},
        {"zone=a", "zone=b", false},
        {"zone=a", "zone", false},
        {"gpu>=1", "gpu=1", true},
        {"gpu>=1", "gpu=0", false},
        {"gpu>=1", "gpu", false},
        {"gpu>=2 fast", " fast  gpu=4 ", true},
        {"gpu>=2 fast", "gpu=4", false},
        {"memory>=1.5G", "memory=2000M", true},
        {"memory>=1.5G", "memory=1499999999", false},
        {"cpu>=0.5", "cpu=.5", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(meets(cases[i].needs, cases[i].has),
                     cases[i].met,
                     "'%s' of '%s'",
                     cases[i].needs,
                     cases[i].has);
    }
}

Test(needs, are_words_or_refused)
{
    static const char *const bad[] = {"=1", "gpu=", "gpu>=", "gpu>=x", "gpu>=1Q", ">=1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct xd_bytes *needs = text(bad[i]);
        cr_expect_not(xdb_needs_are_valid(needs), "%s", bad[i]);
        xd_bytes_unref(needs);
    }
}

Test(needs, a_task_goes_where_they_are_met)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker_how(desk, 2, (struct xdt_worker_how){.has = "cpu=4"});
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.has = "cpu=4 gpu=1"});
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.needs = "gpu>=1"});
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.needs = "gpu>=1"});
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.needs = "cpu>=2"});
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_EVENT), 0);
    xdt_desk_free(desk);
}

Test(needs, that_nobody_meets_are_said_at_once)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_submit_how(desk, 1, 1, (struct xdt_task_how){.needs = "gpu>=1"});
    cr_assert(xdt_line(desk, XDB_ACTION_SEND_EVENT, 1) != NULL);
    xdt_worker_how(desk, 3, (struct xdt_worker_how){.has = "gpu=1"});
    cr_assert_eq(xdt_sent_to(desk, 1), 3);
    xdt_clear(desk);
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.needs = "gpu>="});
    cr_assert_eq(desk->lines[0].code, XD_ERR_INVALID);
    xdt_desk_free(desk);
}

Test(needs, a_worker_that_was_asked_for_is_waited_for_while_it_lives)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    struct xdt_task_how how = {.options = {.worker = {2}}};
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    xdt_worker(desk, 3, "p");
    xdt_submit_how(desk, 1, 1, how);
    xdt_submit_how(desk, 1, 2, how);
    xdt_submit_how(desk, 1, 3, how);
    cr_assert_eq(xdt_sent_to(desk, 1), 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    cr_assert_eq(xdt_sent_to(desk, 3), 3);
    xdt_submit_how(desk, 1, 4, how);
    xdt_result(desk, 3, 3);
    cr_assert_eq(xdt_sent_to(desk, 4), 3);
    xdt_desk_free(desk);
}
