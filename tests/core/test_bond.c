/* SPDX-License-Identifier: MIT */
/* Tasks that wait for others: those they come after, and twins by a key. */
#include <criterion/criterion.h>
#include <string.h>

#include "desk.h"

static const uint64_t all[] = {1, 2, 3, 4, 0};

static struct xdt_desk *desk_with_worker(void)
{
    struct xdt_desk *desk = xdt_desk_new(NULL);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    return desk;
}

static void submit_after(struct xdt_desk *desk, unsigned id, const unsigned *after)
{
    xdt_submit_how(desk, 1, id, (struct xdt_task_how){.after = after});
}

static void submit_once(struct xdt_desk *desk, uint64_t session, unsigned id)
{
    xdt_submit_how(desk, session, id, (struct xdt_task_how){.dedupe = "key"});
}

static void end(struct xdt_desk *desk, unsigned id, enum xd_outcome outcome)
{
    xdt_result_how(desk, 2, id, (struct xdt_result_how){.outcome = outcome});
}

static const unsigned one[] = {1, 0}, two[] = {2, 0}, both[] = {1, 2, 0};

/* ---- after ---- */

Test(after, a_task_waits_for_all_before_it_and_gets_their_results_in_order)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit(desk, 1, 2);
    static const unsigned turned[] = {2, 1, 0};
    submit_after(desk, 3, turned);
    cr_assert_eq(xdt_stats(desk).queued, 2);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 11});
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_sent_to(desk, 3), 0);
    xdt_result_how(desk, 2, 2, (struct xdt_result_how){.size = 22});
    const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_TASK, 3);
    cr_assert(line != NULL);
    cr_assert_eq(line->given, 2);
    cr_assert_eq(line->given_sizes[0], 22);
    cr_assert_eq(line->given_sizes[1], 11);
    xdt_ack(desk, 1, 2);
    cr_assert_gt(xdt_stats(desk).bytes, 22 + 11, "what is needed is kept, and counts");
    xdt_result(desk, 2, 3);
    xdt_ack(desk, 1, 3);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_desk_free(desk);
}

Test(after, those_that_have_ended_count_until_they_are_acknowledged)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 5});
    submit_after(desk, 2, one);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 2)->given_sizes[0], 5);
    xdt_ack(desk, 1, 1);
    submit_after(desk, 3, one); /* it is kept for the other one */
    xdt_result(desk, 2, 2);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 3)->given_sizes[0], 5);
    xdt_result(desk, 2, 3);
    xdt_clear(desk);
    submit_after(desk, 4, one);
    cr_assert_eq(desk->lines[0].kind, XDB_ACTION_ERROR);
    cr_assert_str_eq(desk->lines[0].text,
                     "after: no such task of this session, or its result was acknowle");
    xdt_desk_free(desk);
}

Test(after, an_end_that_is_not_well_goes_down_the_chain)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    for (unsigned id = 2; id <= 3000; id++) {
        const unsigned before[] = {id - 1, 0};
        submit_after(desk, id, before);
        if (id % 100 == 0) {
            xdt_clear(desk);
        }
    }
    struct xdt_result_how how = {.outcome = XD_OUTCOME_FAILED, .error = "no luck"};
    xdt_result_how(desk, 2, 1, how);
    cr_assert_eq(xdt_stats(desk).failed, 3000);
    cr_assert_eq(xdt_outcome(desk, 3000), XD_OUTCOME_FAILED);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 3000)->text,
                     "a task it comes after failed: no luck");
    xdt_desk_free(desk);
}

Test(after, a_cancel_before_it_is_an_end_that_is_not_well)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit(desk, 1, 2);
    submit_after(desk, 3, both);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 2);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 3)->text,
                     "a task it comes after was cancelled: cancelled");
    submit_after(desk, 4, two); /* it has ended so */
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 4)->text,
                     "a task it comes after was cancelled");
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    xdt_desk_free(desk);
}

Test(after, what_waits_can_be_cancelled_and_expire_and_be_left_alone)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    submit_after(desk, 2, one);
    submit_after(desk, 3, two);
    xdt_submit_how(desk,
                   1,
                   4,
                   (struct xdt_task_how){.after = one, .options = {.deadline_ms = 50}});
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 2);
    cr_assert_eq(xdt_outcome(desk, 2), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_outcome(desk, 3), XD_OUTCOME_FAILED);
    xdt_pass(desk, 50 * XD_MS, all);
    cr_assert_eq(xdt_outcome(desk, 4), XD_OUTCOME_EXPIRED);
    submit_after(desk, 5, one);
    xdt_simple(desk, XDB_EVENT_LOST, 1);
    cr_assert_eq(xdt_stats(desk).orphaned, 2);
    cr_assert_eq(xdt_stats(desk).bytes, 0);
    xdt_desk_free(desk);
}

Test(after, a_delay_counts_beside_it)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit_how(desk,
                   1,
                   2,
                   (struct xdt_task_how){.after = one, .options = {.delay_ms = 100}});
    xdt_pass(desk, 50 * XD_MS, all);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_pass(desk, 50 * XD_MS, all);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_desk_free(desk);
}

Test(after, a_run_again_gets_the_results_again)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit_how(desk,
                   1,
                   2,
                   (struct xdt_task_how){.after = one, .options = {.retries_failed = 1}});
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 9});
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 2)->attempt, 1);
    xdt_clear(desk);
    end(desk, 2, XD_OUTCOME_FAILED);
    const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_TASK, 2);
    cr_assert(line->given == 1 && line->given_sizes[0] == 9 && line->attempt == 2);
    xdt_result(desk, 2, 2);
    line = xdt_line(desk, XDB_ACTION_SEND_RESULT, 2);
    cr_assert(line->attempt == 2 && line->worker == 2);
    xdt_desk_free(desk);
}

/* A payload that stays with its worker is held from the result to its last use. */
Test(after, references_are_given_and_let_go_once_nobody_needs_them)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_worker(desk, 3, "p");
    xdt_submit(desk, 1, 1);
    submit_after(desk, 2, one);
    uint64_t worker = xdt_sent_to(desk, 1);
    xdt_result_how(desk,
                   worker,
                   1,
                   (struct xdt_result_how){.size = 5000000, .ref_owner = worker});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_TASK, 2)->given_sizes[0], 5000000);
    xdt_ack(desk, 1, 1);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_LET_GO), 0);
    xdt_result(desk, xdt_sent_to(desk, 2), 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_LET_GO), 1);
    xdt_desk_free(desk);
}

Test(after, references_of_a_worker_that_is_gone_end_it_with_a_sentence)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 5000000, .ref_owner = 2});
    xdt_simple(desk, XDB_EVENT_LOST, 2);
    submit_after(desk, 2, one);
    submit_after(desk, 3, two);
    xdt_worker(desk, 4, "p");
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 2)->text,
                     "the result of a task it comes after is gone with its worker");
    cr_assert_eq(xdt_outcome(desk, 3), XD_OUTCOME_FAILED);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    xdt_desk_free(desk);
}

Test(after, bad_ones_are_refused_by_name)
{
    static const unsigned self[] = {7, 0}, none[] = {5, 0}, whole[] = {6, 0};
    static const unsigned many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    static const struct {
        struct xdt_task_how how;
        const char *text;
    } bad[] = {
        {{.after = self}, "after: a task comes after itself or a later one"},
        {{.after = none}, "after: no such task of this session, or its result was "},
        {{.after = whole}, "after: an everywhere-task has no result of its own"},
        {{.after = many}, "after: at most 32 tasks"},
        {{.after = one, .everywhere = true},
         "everywhere: no delay, deadline, limit, retries, key or"},
    };
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit_how(desk, 1, 6, (struct xdt_task_how){.everywhere = true});
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        xdt_clear(desk);
        xdt_submit_how(desk, 1, 7, bad[i].how);
        cr_assert_eq(desk->lines[0].kind, XDB_ACTION_ERROR);
        cr_assert_eq(desk->lines[0].code, XD_ERR_INVALID);
        cr_assert_eq(strncmp(desk->lines[0].text, bad[i].text, 50), 0);
    }
    xdt_desk_free(desk);
}

/* ---- dedupe ---- */

Test(twin, a_later_task_with_the_key_gets_the_result_without_running)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_client(desk, 3);
    submit_once(desk, 1, 1);
    submit_once(desk, 1, 2);
    submit_once(desk, 3, 3); /* the same user's other session */
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 7, .run_ns = 5});
    for (unsigned id = 1; id <= 3; id++) {
        const struct xdt_line *line = xdt_line(desk, XDB_ACTION_SEND_RESULT, id);
        cr_assert(line->outcome == XD_OUTCOME_DONE && line->first_size == 7);
        cr_assert(line->worker == 2 && line->attempt == 1);
    }
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    submit_once(desk, 3, 4); /* and afterwards, from what is kept */
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 4)->first_size, 7);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_SEND_TASK), 1);
    cr_assert_eq(xdt_stats(desk).done, 4);
    xdt_desk_free(desk);
}

Test(twin, keys_are_a_users_and_a_profiles)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_worker(desk, 4, "q");
    struct xdb_event event = {.kind = XDB_EVENT_CLIENT_JOIN, .session = {3}};
    event.client_join.principal = 77;
    xdt_step(desk, &event);
    submit_once(desk, 1, 1);
    xdt_result(desk, 2, 1);
    submit_once(desk, 3, 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 2);
    xdt_submit_how(desk, 1, 3, (struct xdt_task_how){.dedupe = "key", .profile = "q"});
    cr_assert_eq(xdt_sent_to(desk, 3), 4);
    xdt_submit_how(desk, 1, 5, (struct xdt_task_how){.dedupe = "other"});
    xdt_result(desk, 2, 2);
    cr_assert_eq(xdt_sent_to(desk, 5), 2);
    xdt_desk_free(desk);
}

Test(twin, an_error_is_shared_by_those_that_wait_and_not_kept)
{
    struct xdt_desk *desk = desk_with_worker();
    submit_once(desk, 1, 1);
    submit_once(desk, 1, 2);
    struct xdt_result_how how = {.outcome = XD_OUTCOME_FAILED, .error = "no luck"};
    xdt_result_how(desk, 2, 1, how);
    cr_assert_str_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 2)->text, "no luck");
    submit_once(desk, 1, 3);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    xdt_desk_free(desk);
}

Test(twin, cancelling_one_does_not_cancel_another)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_client(desk, 3);
    submit_once(desk, 1, 1);
    submit_once(desk, 3, 2);
    submit_once(desk, 1, 3);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 3);
    cr_assert_eq(xdt_outcome(desk, 3), XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_outcome(desk, 1), 0);
    xdt_id_event(desk, XDB_EVENT_CANCEL, 1, 1);
    end(desk, 1, XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_sent_to(desk, 2), 2, "it runs itself then");
    submit_once(desk, 1, 4);
    xdt_simple(desk, XDB_EVENT_LOST, 3); /* so it does when a client goes */
    end(desk, 2, XD_OUTCOME_CANCELLED);
    cr_assert_eq(xdt_sent_to(desk, 4), 2);
    xdt_desk_free(desk);
}

Test(twin, references_are_shared_while_they_wait_and_not_kept)
{
    struct xdt_desk *desk = desk_with_worker();
    submit_once(desk, 1, 1);
    submit_once(desk, 1, 2);
    xdt_result_how(desk, 2, 1, (struct xdt_result_how){.size = 5000000, .ref_owner = 2});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 2)->first_size, 5000000);
    xdt_ack(desk, 1, 2);
    cr_assert_eq(xdt_count(desk, XDB_ACTION_LET_GO), 2, "one for each result");
    submit_once(desk, 1, 3);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    xdt_desk_free(desk);
}

static void few_kept(struct xdb_core_config *config)
{
    config->memo_count = 2;
    config->memo_bytes = 100000;
}

static void run_key(struct xdt_desk *desk, unsigned id, const char *key, size_t size)
{
    xdt_submit_how(desk, 1, id, (struct xdt_task_how){.dedupe = key});
    if (xdt_sent_to(desk, id) != 0) {
        xdt_result_how(desk, 2, id, (struct xdt_result_how){.size = size});
    }
}

Test(twin, only_so_many_results_and_bytes_are_kept_the_oldest_go)
{
    struct xdt_desk *desk = xdt_desk_new(few_kept);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_key(desk, 1, "a", 10);
    run_key(desk, 2, "b", 10);
    run_key(desk, 3, "c", 10);
    run_key(desk, 4, "b", 10);
    cr_assert_eq(xdt_sent_to(desk, 4), 0, "kept");
    run_key(desk, 5, "a", 10);
    cr_assert_eq(xdt_sent_to(desk, 5), 2, "the oldest went");
    run_key(desk, 6, "d", 99700);
    run_key(desk, 7, "a", 10);
    cr_assert_eq(xdt_sent_to(desk, 7), 2, "too many bytes");
    run_key(desk, 8, "e", 200000);
    run_key(desk, 9, "e", 10);
    cr_assert_eq(xdt_sent_to(desk, 9), 2, "too large to be kept");
    xdt_desk_free(desk);
}

static void small_broker(struct xdb_core_config *config)
{
    config->broker_bytes = 2000;
}

Test(twin, kept_results_make_room_for_tasks)
{
    struct xdt_desk *desk = xdt_desk_new(small_broker);
    xdt_client(desk, 1);
    xdt_worker(desk, 2, "p");
    run_key(desk, 1, "a", 1000);
    xdt_ack(desk, 1, 1);
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.size = 1500});
    cr_assert_eq(xdt_count(desk, XDB_ACTION_BUSY), 0);
    xdt_result(desk, 2, 2);
    run_key(desk, 3, "a", 10);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    xdt_desk_free(desk);
}

Test(twin, one_that_comes_after_others_looks_for_its_twin_then)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit(desk, 1, 1);
    xdt_submit_how(desk, 1, 2, (struct xdt_task_how){.after = one, .dedupe = "key"});
    submit_once(desk, 1, 3);
    xdt_result(desk, 2, 1);
    cr_assert_eq(xdt_sent_to(desk, 3), 2);
    cr_assert_eq(xdt_sent_to(desk, 2), 0);
    xdt_result_how(desk, 2, 3, (struct xdt_result_how){.size = 4});
    cr_assert_eq(xdt_line(desk, XDB_ACTION_SEND_RESULT, 2)->first_size, 4);
    xdt_desk_free(desk);
}

Test(twin, a_delayed_one_looks_for_its_twin_when_its_time_has_come)
{
    struct xdt_desk *desk = desk_with_worker();
    xdt_submit_how(desk,
                   1,
                   1,
                   (struct xdt_task_how){.dedupe = "key", .options = {.delay_ms = 10}});
    submit_once(desk, 1, 2);
    xdt_pass(desk, 10 * XD_MS, all);
    xdt_result(desk, 2, 2);
    cr_assert_eq(xdt_outcome(desk, 1), XD_OUTCOME_DONE);
    cr_assert_eq(xdt_sent_to(desk, 1), 0);
    xdt_desk_free(desk);
}
