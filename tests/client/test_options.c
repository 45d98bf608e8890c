/* SPDX-License-Identifier: MIT */
/* Options of a call over a scripted broker: what is refused and how it is named, what
 * reaches the wire, memory that is short. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/alloc.h"
#include "client_side.h"

TestSuite(options, .init = begin, .fini = end);

static struct xd_future *submit_with(const struct xd_call_options *options)
{
    const struct xd_call call = {.callee = "f", .options = options};
    return submit_call(&call);
}

static void expect_refused(const struct xd_call *call,
                           enum xd_err wanted,
                           const char *sentence)
{
    struct xd_error error = {""};
    struct xd_future *future;
    enum xd_err err = xd_client_core_make(core, call, fake_id(1), &future, &error);
    cr_assert_eq(err, wanted, "%s: %s, not %s", sentence, xd_err_name(err), error.text);
    cr_assert(strncmp(error.text, sentence, strlen(sentence)) == 0, "%s", error.text);
    cr_assert_null(xd_client_core_check(core));
}

Test(options, what_is_wrong_is_refused_by_its_name)
{
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    struct xd_future *const nobody[] = {NULL};
    const struct {
        struct xd_call_options options;
        enum xd_err err;
        const char *sentence;
    } table[] = {
        {{.task_class = "a\nb"}, XD_ERR_INVALID, "task_class"},
        {{.task_class = ""}, XD_ERR_INVALID, "task_class"},
        {{.replaces = long_name}, XD_ERR_TOO_LARGE, "replaces"},
        {{.dedupe = "\x7f"}, XD_ERR_INVALID, "dedupe"},
        {{.needs = long_name}, XD_ERR_TOO_LARGE, "needs"},
        {{.needs = "gpu>=many"}, XD_ERR_INVALID, "needs \"gpu>=many\": words, "},
        {{.priority = (enum xd_priority)4}, XD_ERR_INVALID, "priority is 4, 0 to 3"},
        {{.rank = 32768}, XD_ERR_INVALID, "rank is 32768, -32768 to 32767"},
        {{.rank = -32769}, XD_ERR_INVALID, "rank is -32769"},
        {{.delay_ms = 7, .deadline_ms = 7},
         XD_ERR_INVALID,
         "deadline_ms is 7, not after delay_ms, which is 7"},
        {{.retries_failed = 1001},
         XD_ERR_INVALID,
         "retries_failed is 1001, at most 1000"},
        {{.retries_lost = 4000000000u}, XD_ERR_INVALID, "retries_lost is 4000000000"},
        {{.after = nobody, .after_count = 1}, XD_ERR_INVALID, "after[0] is no task"},
        {{.after = nobody, .after_count = 33}, XD_ERR_INVALID, "after_count is 33"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct xd_call call = {.callee = "f", .options = &table[i].options};
        expect_refused(&call, table[i].err, table[i].sentence);
    }
}

Test(options, the_greatest_values_are_taken)
{
    const struct xd_call_options greatest = {.priority = XD_PRIORITY_BATCH,
                                             .rank = INT16_MAX,
                                             .delay_ms = UINT64_MAX - 1,
                                             .deadline_ms = UINT64_MAX,
                                             .retries_failed = XD_RETRIES_MAX,
                                             .retries_lost = XD_RETRIES_MAX};
    submit_with(&greatest);
    const struct xd_call_options least = {.rank = INT16_MIN};
    submit_with(&least);
}

Test(options, what_is_not_for_an_everywhere_task_is_named)
{
    struct xd_future *const parent[] = {submit()};
    const struct {
        struct xd_call_options options;
        const char *name;
    } table[] = {{{.delay_ms = 1}, "delay_ms"},
                 {{.deadline_ms = 1}, "deadline_ms"},
                 {{.limit_ms = 1}, "limit_ms"},
                 {{.retries_failed = 1}, "retries_failed"},
                 {{.retries_lost = 1}, "retries_lost"},
                 {{.replaces = "k"}, "replaces"},
                 {{.dedupe = "k"}, "dedupe"},
                 {{.worker = {3}}, "worker"},
                 {{.after = parent, .after_count = 1}, "after"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char sentence[64];
        (void)snprintf(sentence,
                       sizeof sentence,
                       "%s is not for an everywhere-task",
                       table[i].name);
        const struct xd_call call = {.callee = "f",
                                     .everywhere = true,
                                     .options = &table[i].options};
        expect_refused(&call, XD_ERR_INVALID, sentence);
        const struct xd_call alone = {.callee = "f", .options = &table[i].options};
        (void)submit_call(&alone); /* for one run it is right */
    }
    const struct xd_call_options placed = {.needs = "gpu", .task_class = "c"};
    const struct xd_call call = {.callee = "f", .everywhere = true, .options = &placed};
    (void)submit_call(&call);
}

Test(options, they_reach_the_broker_as_they_were_given)
{
    const struct xd_call_options options = {.priority = XD_PRIORITY_INTERACTIVE,
                                            .rank = -3,
                                            .task_class = "class",
                                            .estimate_us = 11,
                                            .delay_ms = 12,
                                            .deadline_ms = 13,
                                            .limit_ms = 14,
                                            .retries_failed = 15,
                                            .retries_lost = 16,
                                            .backoff_ms = 17,
                                            .replaces = "other",
                                            .dedupe = "once",
                                            .needs = "gpu>=2 fast",
                                            .worker = {18}};
    submit_with(&options);
    turn(0);
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_SUBMIT, &msg);
    const struct xd_task_options *heard = &msg.tasks.tasks[0].options;
    cr_assert_eq(heard->priority, XD_PRIORITY_INTERACTIVE);
    cr_assert_eq(heard->rank, -3);
    cr_assert(xd_bytes_is(heard->kind, "class"));
    cr_assert_eq(heard->estimate_us, 11);
    cr_assert_eq(heard->delay_ms, 12);
    cr_assert_eq(heard->deadline_ms, 13);
    cr_assert_eq(heard->limit_ms, 14);
    cr_assert_eq(heard->retries_failed, 15);
    cr_assert_eq(heard->retries_lost, 16);
    cr_assert_eq(heard->backoff_ms, 17);
    cr_assert(xd_bytes_is(heard->replaces, "other"));
    cr_assert(xd_bytes_is(heard->dedupe, "once"));
    cr_assert(xd_bytes_is(heard->needs, "gpu>=2 fast"));
    cr_assert_eq(heard->worker.n, 18);
    cr_assert_eq(heard->after_count, 0);
    xd_msg_clear(&msg);
}

/* Nothing of the tasks before it is held by one that could not be made. */
Test(options, every_failed_allocation_changes_nothing)
{
    struct xd_future *const parents[] = {submit(), submit()};
    const struct xd_call_options options = {.task_class = "class",
                                            .replaces = "other",
                                            .dedupe = "once",
                                            .needs = "gpu fast",
                                            .after = parents,
                                            .after_count = 2};
    const struct xd_call call = {.callee = "g", .profile = "p", .options = &options};
    for (size_t n = 1;; n++) {
        struct xd_future *future = NULL;
        xd_alloc_fail_at(n);
        enum xd_err err = xd_client_core_make(core, &call, fake_id(99), &future, NULL);
        xd_alloc_fail_at(0);
        cr_assert_null(xd_client_core_check(core));
        if (err == XD_OK) {
            cr_assert_gt(n, 8, "%zu", n);
            cr_assert_eq(parents[1]->children, 1);
            xd_client_core_unmake(core, future);
            break;
        }
        cr_assert_eq(err, XD_ERR_NOMEM);
        cr_assert(xd_list_is_empty(&core->children));
        xd_names_fini(&core->names); /* each round meets the names anew */
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(parents[i]->pins, 0);
        cr_assert_eq(parents[i]->children, 0);
    }
}
