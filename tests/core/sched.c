/* SPDX-License-Identifier: MIT */
/* The scenes. */
#include "sched.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stage.h"

#define CLAIM(claim, text)                                                               \
    do {                                                                                 \
        if (!(claim)) {                                                                  \
            wrong = wrong == NULL ? (text) : wrong;                                      \
        }                                                                                \
    } while (0)

/* Ends a scene: the core's own invariants too. */
static const char *over(struct xdt_stage *stage, const char *wrong)
{
    const char *broken = xdb_core_check(xdt_stage_core(stage));
    xdt_stage_free(stage);
    return broken != NULL ? broken : wrong;
}

static double seconds(xd_time time)
{
    return (double)time / (double)XD_S;
}

/* With CROSSDOCK_SIM=long scenes are played at full size. */
static bool is_long(void)
{
    return getenv("CROSSDOCK_SIM") != NULL;
}

/* What each of the three had so far, every half second. */
#define WINDOW 20u /* half seconds */
#define MARKS_MAX 1000u
struct marks {
    double had[MARKS_MAX][3];
    unsigned count;
};

static void mark(struct marks *marks, const struct xdt_stage *stage)
{
    for (unsigned i = 0; i < 3; i++) {
        marks->had[marks->count][i] = seconds(xdt_stage_service(stage, i + 1));
    }
    marks->count++;
}

/* In any ten seconds: windows that begin every half second. */
static bool shares_hold(const struct marks *marks, double workers)
{
    bool hold = true;
    for (unsigned from = 0; from + WINDOW < marks->count; from++) {
        for (unsigned i = 0; i < 3; i++) {
            double share = 10 * workers * (1u << i) / 7;
            double got = marks->had[from + WINDOW][i] - marks->had[from][i];
            hold = hold && fabs(got - share) < 0.05 * share;
        }
    }
    return hold;
}

/* Three profiles with weights 1:2:4 and tasks of other lengths, whichever has the long
 * ones: shares of any ten seconds within 5 %. The first seconds belong to the estimates:
 * nothing is known of any of them. */
static const char *share_by_weight(unsigned turn)
{
    static const xd_time runs[] = {200 * XD_MS, 10 * XD_MS, 50 * XD_MS};
    unsigned spell = is_long() ? 300 : 40, workers = 8;
    struct xdt_stage *stage = xdt_stage_new(workers);
    struct marks marks = {.count = 0};
    for (unsigned i = 0; i < 3; i++) {
        xd_time run = runs[(i + turn) % 3];
        xdt_stage_profile(stage, i + 1, XDB_POLICY_BANDS, 1u << i);
        size_t enough = (size_t)((spell + 10) * XD_S * workers / run) * (1u << i) / 7;
        xdt_stage_submit(stage, i + 1, enough, (struct xdt_cue){.run = run});
    }
    xdt_stage_pass(stage, 2 * XD_S);
    for (unsigned half = 0; half < 2 * spell; half++) {
        mark(&marks, stage);
        xdt_stage_pass(stage, XD_S / 2);
    }
    const char *wrong = NULL;
    CLAIM(shares_hold(&marks, workers), "a share of time that is not its weight");
    return over(stage, wrong);
}

static const char *weights_share_time(void)
{
    const char *wrong = NULL;
    for (unsigned turn = 0; wrong == NULL && turn < 3; turn++) {
        wrong = share_by_weight(turn);
    }
    return wrong;
}

static const char *a_waking_profile_banks_nothing(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    struct xdt_cue cue = {.run = 20 * XD_MS};
    xdt_stage_submit(stage, 1, 10000, cue);
    xdt_stage_pass(stage, 20 * XD_S);
    xdt_stage_submit(stage, 2, 10000, cue);
    xdt_stage_pass(stage, 10 * XD_S);
    double got = seconds(xdt_stage_service(stage, 2));
    CLAIM(got > 19 && got < 21, "a profile that woke does not share evenly");
    return over(stage, wrong);
}

/* Also not by a correction of what was charged before it slept. */
static const char *a_correction_after_a_sleep_banks_nothing(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    struct xdt_cue guess = {.run = 20 * XD_S, .hint_us = 30000000};
    struct xdt_cue cue = {.run = 20 * XD_MS};
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    xdt_stage_submit(stage, 2, 1, guess);
    xdt_stage_submit(stage, 1, 10000, cue);
    xdt_stage_pass(stage, 19 * XD_S); /* the other had 57 s, this is charged for 30 */
    xdt_stage_submit(stage, 2, 5000, cue);
    xdt_stage_pass(stage, 2 * XD_S); /* and had only 20 of them */
    double before = seconds(xdt_stage_service(stage, 1));
    xdt_stage_pass(stage, 5 * XD_S);
    double got = seconds(xdt_stage_service(stage, 1)) - before;
    CLAIM(got > 9, "a correction gave time that was slept through");
    return over(stage, wrong);
}

static const char *a_lying_hint_gains_nothing(void)
{
    struct xdt_stage *stage = xdt_stage_new(2);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    struct xdt_cue liar = {.run = 50 * XD_MS, .hint_us = 10};
    struct xdt_cue honest = {.run = 50 * XD_MS, .hint_us = 50000};
    size_t lies = xdt_stage_submit(stage, 1, 1000, liar);
    size_t truth = xdt_stage_submit(stage, 2, 1000, honest);
    xdt_stage_pass(stage, 5 * XD_S); /* 200 tasks: 100 each */
    double gain = seconds(xdt_stage_service(stage, 1) - xdt_stage_service(stage, 2));
    CLAIM(gain < 0.21, "a lying hint gained time");
    size_t before = xdt_stage_begun(stage, lies, 1000);
    size_t after = xdt_stage_begun(stage, truth, 1000);
    CLAIM(before >= 97 && before <= after + 4, "a lying hint gained turns");
    return over(stage, wrong);
}

/* Inside one profile a hint says which band; the class's other hints say what it is
 * worth. */
static const char *a_lying_class_is_not_believed_twice(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    struct xdt_cue liar = {.run = 100 * XD_MS, .kind = "liar", .hint_us = 10};
    struct xdt_cue honest = {.run = 10 * XD_MS, .kind = "honest", .hint_us = 10000};
    size_t lies = xdt_stage_submit(stage, 1, 100, liar);
    xdt_stage_pass(stage, 100 * XD_MS);
    size_t truth = xdt_stage_submit(stage, 1, 50, honest);
    xdt_stage_pass(stage, 700 * XD_MS);
    CLAIM(xdt_stage_begun(stage, truth, 50) >= 40, "a class that lied goes first");
    CLAIM(xdt_stage_begun(stage, lies, 100) < 8, "a class that lied goes first");
    return over(stage, wrong);
}

static const char *urgent_goes_first_and_batch_keeps_a_share(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    struct xdt_cue cue = {.run = 20 * XD_MS};
    for (unsigned i = 0; i < 3; i++) {
        xdt_stage_profile(stage, i + 1, XDB_POLICY_BANDS, 1);
        cue.priority = (uint8_t)(XD_PRIORITY_BATCH - i);
        xdt_stage_submit(stage, i + 1, 10000, cue);
    }
    xdt_stage_pass(stage, 20 * XD_S);
    double batch = seconds(xdt_stage_service(stage, 1)) / 80;
    double normal = seconds(xdt_stage_service(stage, 2)) / 80;
    double interactive = seconds(xdt_stage_service(stage, 3)) / 80;
    CLAIM(interactive > 0.88, "interactive tasks do not go first");
    CLAIM(batch > 0.045 && normal > 0.045, "a tier without its minimum share");
    return over(stage, wrong);
}

/* What was given to a tier while nobody was before it does not count when somebody is. */
static const char *who_worked_alone_is_owed_nothing(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    struct xdt_cue cue = {.run = 20 * XD_MS, .priority = XD_PRIORITY_NORMAL};
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_submit(stage, 1, 10000, cue);
    xdt_stage_pass(stage, 20 * XD_S);
    cue.priority = XD_PRIORITY_INTERACTIVE;
    size_t urgent = xdt_stage_submit(stage, 1, 1000, cue);
    xdt_stage_pass(stage, XD_S);
    CLAIM(xdt_stage_begun(stage, urgent, 1000) >= 185,
          "a tier is owed time for what it had alone");
    return over(stage, wrong);
}

/* A hint that lies does not widen a tier's share. */
static const char *a_share_is_of_measured_time(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_FIFO, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_FIFO, 1);
    xdt_stage_submit(
        stage,
        1,
        20000,
        (struct xdt_cue){.run = 20 * XD_MS, .priority = XD_PRIORITY_INTERACTIVE});
    for (unsigned i = 0; i < 1000; i++) {
        char kind[16];
        (void)snprintf(kind, sizeof kind, "k%u", i);
        xdt_stage_submit(stage,
                         2,
                         1,
                         (struct xdt_cue){.run = 200 * XD_MS,
                                          .kind = kind,
                                          .hint_us = 10,
                                          .priority = XD_PRIORITY_BATCH});
    }
    xdt_stage_pass(stage, 40 * XD_S);
    double batch = seconds(xdt_stage_service(stage, 2)) / 160;
    CLAIM(batch < 0.08, "a lying hint widened the share of its tier");
    return over(stage, wrong);
}

/* One profile's tasks of a second fill the queue; a query of another one begins when the
 * next worker is free, whenever it comes. At full size a million wait. */
static const char *a_query_waits_for_one_worker(void)
{
    size_t workers = 64, tasks = is_long() ? 1000000 : 20000;
    struct xdt_stage *stage = xdt_stage_new(workers);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    for (size_t i = 0; i < workers; i++) { /* they do not end all together */
        xdt_stage_submit(stage, 1, 1, (struct xdt_cue){.run = XD_S, .kind = "long"});
        xdt_stage_pass(stage, XD_S / (xd_time)workers);
    }
    xdt_stage_submit(stage, 1, tasks, (struct xdt_cue){.run = XD_S, .kind = "long"});
    xdt_stage_pass(stage, 10 * XD_S);
    for (unsigned i = 0; i < 50; i++) {
        struct xdt_cue query = {.run = 200 * XD_MS, .kind = "query"};
        size_t before = xdt_stage_begun(stage, workers, tasks);
        size_t asked = xdt_stage_submit(stage, 2, 1, query);
        xdt_stage_pass(stage, 37 * XD_MS);
        const struct xdt_play *play = xdt_stage_task(stage, asked);
        CLAIM(play->begun - play->came <= XD_S / (xd_time)workers + XD_MS,
              "a query waits for more than the next worker");
        CLAIM(play->place == workers + before + i + 1, "another task went before");
        xdt_stage_pass(stage, 500 * XD_MS);
    }
    return over(stage, wrong);
}

/* What is asked beside a long queue starts at the next free worker: another profile's
 * query, and one's own that is short. */
static const char *a_query_does_not_wait_for_the_queue(void)
{
    struct xdt_stage *stage = xdt_stage_new(16);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    struct xdt_cue query = {.run = 200 * XD_MS, .kind = "query"};
    struct xdt_cue short_one = {.run = XD_MS, .kind = "short"};
    xdt_stage_submit(stage, 1, 1, short_one);
    xdt_stage_submit(stage, 1, 20000, (struct xdt_cue){.run = XD_S, .kind = "long"});
    xdt_stage_pass(stage, 10500 * XD_MS);
    size_t asked = xdt_stage_submit(stage, 2, 1, query);
    xdt_stage_pass(stage, XD_S);
    xd_time waited =
        xdt_stage_task(stage, asked)->begun - xdt_stage_task(stage, asked)->came;
    CLAIM(waited <= 500 * XD_MS, "another profile's query waits");
    size_t own = xdt_stage_submit(stage, 1, 1, short_one);
    xdt_stage_pass(stage, XD_S);
    waited = xdt_stage_task(stage, own)->begun - xdt_stage_task(stage, own)->came;
    CLAIM(waited <= 500 * XD_MS, "a short task waits for the long ones before it");
    return over(stage, wrong);
}

/* A class that was unknown goes to its band with all that waits, once it is known. */
static const char *what_waits_follows_what_is_learned(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_submit(stage, 1, 500, (struct xdt_cue){.run = 4 * XD_S, .kind = "slow"});
    size_t quick =
        xdt_stage_submit(stage, 1, 50, (struct xdt_cue){.run = XD_MS, .kind = "quick"});
    xdt_stage_pass(stage, 13 * XD_S);
    CLAIM(xdt_stage_begun(stage, quick, 50) == 50,
          "a short class waits behind a long one");
    return over(stage, wrong);
}

/* Short ones go first, and long ones are not forgotten. */
static const char *a_long_task_keeps_a_share(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    struct xdt_cue slow = {.run = 500 * XD_MS, .kind = "slow", .hint_us = 500000};
    struct xdt_cue quick = {.run = 2 * XD_MS, .kind = "quick", .hint_us = 2000};
    size_t first = xdt_stage_submit(stage, 1, 1000, slow);
    size_t other = xdt_stage_submit(stage, 1, 100000, quick);
    xdt_stage_pass(stage, 40 * XD_S);
    double long_share = 0.5 * (double)xdt_stage_begun(stage, first, 1000) / 160;
    double short_share = 0.002 * (double)xdt_stage_begun(stage, other, 100000) / 160;
    CLAIM(long_share > 0.1 && short_share > 0.6, "bands do not share by their weights");
    return over(stage, wrong);
}

static const char *shortest_first_ages(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_SJF, 1);
    struct xdt_cue slow = {.run = XD_S, .kind = "slow", .hint_us = 1000000};
    struct xdt_cue quick = {.run = 100 * XD_MS, .kind = "quick", .hint_us = 100000};
    xdt_stage_submit(stage, 1, 1, slow);
    size_t long_one = xdt_stage_submit(stage, 1, 1, slow);
    size_t first = xdt_stage_submit(stage, 1, 10, quick);
    xdt_stage_pass(stage, 1500 * XD_MS);
    CLAIM(xdt_stage_begun(stage, first, 10) == 6, "the shortest does not go first");
    for (unsigned i = 0; i < 150; i++) {
        xdt_stage_submit(stage, 1, 1, quick);
        xdt_stage_pass(stage, 100 * XD_MS);
    }
    CLAIM(xdt_stage_begun(stage, long_one, 1) == 1, "a long task does not age");
    return over(stage, wrong);
}

static const char *ranks_go_in_order(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_PRIORITY, 1);
    static const int16_t ranks[] = {0, -5, 7, 7, INT16_MAX, INT16_MIN};
    static const size_t places[] = {1, 5, 3, 4, 2, 6};
    for (unsigned i = 0; i < 6; i++) {
        xdt_stage_submit(stage, 1, 1, (struct xdt_cue){.run = XD_MS, .rank = ranks[i]});
    }
    xdt_stage_pass(stage, 10 * XD_MS);
    for (unsigned i = 0; i < 6; i++) {
        CLAIM(xdt_stage_task(stage, i)->place == places[i], "ranks out of order");
    }
    return over(stage, wrong);
}

static const char *fifo_is_in_order_of_arrival(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_FIFO, 1);
    for (unsigned i = 0; i < 30; i++) {
        static const char *const kinds[] = {"a", "b", "c"};
        xdt_stage_submit(stage,
                         1,
                         1,
                         (struct xdt_cue){.run = (i % 7 + 1) * XD_MS,
                                          .kind = kinds[i % 3],
                                          .hint_us = 1u << i % 20});
    }
    xdt_stage_pass(stage, XD_S);
    for (unsigned i = 0; i < 30; i++) {
        CLAIM(xdt_stage_task(stage, i)->place == i + 1, "first in is not first out");
    }
    return over(stage, wrong);
}

static const char *limits_and_pauses_hold(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    xdt_stage_profile(stage, 2, XDB_POLICY_BANDS, 1);
    xdt_stage_limit(stage, 1, 1);
    struct xdt_cue cue = {.run = 10 * XD_MS};
    xdt_stage_submit(stage, 1, 1000, cue);
    xdt_stage_submit(stage, 2, 300, cue);
    xdt_stage_pass(stage, 995 * XD_MS);
    CLAIM(xdt_stage_service(stage, 1) == 995 * XD_MS,
          "more or less at work than allowed");
    CLAIM(xdt_stage_service(stage, 2) > 2900 * XD_MS, "a limit that hinders others");
    xdt_stage_pause(stage, 1, true);
    xdt_stage_pass(stage, 100 * XD_MS);
    CLAIM(xdt_stage_service(stage, 1) == 1000 * XD_MS, "a paused profile goes on");
    xdt_stage_limit(stage, 1, 0);
    xdt_stage_pause(stage, 1, false);
    xdt_stage_pass(stage, 100 * XD_MS);
    CLAIM(xdt_stage_service(stage, 1) == 1400 * XD_MS, "a resumed profile does not");
    return over(stage, wrong);
}

/* Nothing is known of a class: one of its tasks is tried, the next ones wait behind short
 * ones until it has ended, and what it cost is not taken from these. */
static const char *a_new_class_is_tried_by_one_task(void)
{
    struct xdt_stage *stage = xdt_stage_new(4);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    struct xdt_cue quick = {.run = 2 * XD_MS, .kind = "quick"};
    struct xdt_cue slow = {.run = 200 * XD_MS, .kind = "slow"};
    xdt_stage_submit(stage, 1, 200, quick);
    xdt_stage_pass(stage, 20 * XD_MS);
    size_t first = xdt_stage_submit(stage, 1, 4, slow);
    xdt_stage_submit(stage, 1, 400, quick);
    xdt_stage_pass(stage, 200 * XD_MS);
    /* the band of unknown ones, never served before, has one turn to its credit */
    CLAIM(xdt_stage_begun(stage, first, 4) <= 2, "several of an unknown class at once");
    xdt_stage_pass(stage, XD_S);
    CLAIM(xdt_stage_begun(stage, first, 4) == 4, "a class on trial waits for ever");
    return over(stage, wrong);
}

static const char *a_trial_is_not_paid_for_by_short_tasks(void)
{
    struct xdt_stage *stage = xdt_stage_new(1);
    const char *wrong = NULL;
    xdt_stage_profile(stage, 1, XDB_POLICY_BANDS, 1);
    struct xdt_cue quick = {.run = 2 * XD_MS, .kind = "quick"};
    struct xdt_cue medium = {.run = 20 * XD_MS, .kind = "medium"};
    xdt_stage_submit(stage, 1, 10, quick);
    xdt_stage_pass(stage, 30 * XD_MS);
    xdt_stage_submit(stage, 1, 1, medium);
    xdt_stage_pass(stage, 30 * XD_MS);
    xdt_stage_submit(stage, 1, 1, (struct xdt_cue){.run = 2 * XD_S, .kind = "slow"});
    xdt_stage_pass(stage, 3 * XD_S);
    xdt_stage_submit(stage, 1, 100, medium);
    size_t first = xdt_stage_submit(stage, 1, 100, quick);
    xdt_stage_pass(stage, 300 * XD_MS);
    CLAIM(xdt_stage_begun(stage, first, 100) > 80, "short tasks paid for a long one");
    return over(stage, wrong);
}

const struct xdt_scene xdt_scenes[] = {
    {"weights_share_time", weights_share_time},
    {"a_waking_profile_banks_nothing", a_waking_profile_banks_nothing},
    {"a_correction_after_a_sleep_banks_nothing",
     a_correction_after_a_sleep_banks_nothing},
    {"a_lying_hint_gains_nothing", a_lying_hint_gains_nothing},
    {"a_lying_class_is_not_believed_twice", a_lying_class_is_not_believed_twice},
    {"urgent_goes_first_and_batch_keeps_a_share",
     urgent_goes_first_and_batch_keeps_a_share},
    {"who_worked_alone_is_owed_nothing", who_worked_alone_is_owed_nothing},
    {"a_share_is_of_measured_time", a_share_is_of_measured_time},
    {"a_query_waits_for_one_worker", a_query_waits_for_one_worker},
    {"a_query_does_not_wait_for_the_queue", a_query_does_not_wait_for_the_queue},
    {"what_waits_follows_what_is_learned", what_waits_follows_what_is_learned},
    {"a_new_class_is_tried_by_one_task", a_new_class_is_tried_by_one_task},
    {"a_trial_is_not_paid_for_by_short_tasks", a_trial_is_not_paid_for_by_short_tasks},
    {"a_long_task_keeps_a_share", a_long_task_keeps_a_share},
    {"shortest_first_ages", shortest_first_ages},
    {"ranks_go_in_order", ranks_go_in_order},
    {"fifo_is_in_order_of_arrival", fifo_is_in_order_of_arrival},
    {"limits_and_pauses_hold", limits_and_pauses_hold},
};
const size_t xdt_scene_count = sizeof xdt_scenes / sizeof xdt_scenes[0];
