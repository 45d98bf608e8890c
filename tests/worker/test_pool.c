/* SPDX-License-Identifier: MIT */
/* The slots' state table, back-off and deadlines, with a hand-moved clock. */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/alloc.h"
#include "supervise/pool.h"

static const struct xdw_pool_config config = {
    .backoff = 100 * XD_MS,
    .backoff_cap = 1 * XD_S,
    .stable = 10 * XD_S,
    .give_up_after = 0,
    .seed = 7,
};

static const struct xdw_end crash = {XDW_END_SIGNAL, 9};

static struct xdw_pool make_pool(uint32_t give_up_after)
{
    struct xdw_pool_config with = config;
    with.give_up_after = give_up_after;
    struct xdw_pool pool;
    xdw_pool_init(&pool, &with);
    return pool;
}

static uint32_t add(struct xdw_pool *pool)
{
    uint32_t slot;
    cr_assert_eq(xdw_pool_add(pool, &slot), XD_OK);
    return slot;
}

static void expect(struct xdw_pool *pool, xd_time now, enum xdw_action action)
{
    uint32_t slot = 99;
    cr_assert_eq(xdw_pool_next(pool, now, &slot), action);
    cr_assert(action == XDW_DO_NOTHING || slot == 0);
    cr_assert(xdw_pool_check(pool));
}

/* Slot 0 runs since `now`. */
static struct xdw_pool make_running(uint32_t give_up_after, xd_time now)
{
    struct xdw_pool pool = make_pool(give_up_after);
    xdw_pool_event(&pool, add(&pool), XDW_EV_START, now);
    expect(&pool, now, XDW_DO_START);
    xdw_pool_event(&pool, 0, XDW_EV_RAN, now);
    return pool;
}

/* ---- each row of the table ---- */

/* The ways into each state, then one event, by the public functions only. */
static void reach(struct xdw_pool *pool, enum xdw_state state)
{
    xdw_pool_event(pool, 0, XDW_EV_START, 0);
    uint32_t slot;
    xdw_pool_next(pool, 0, &slot);
    if (state == XDW_STARTING) {
        return;
    }
    if (state == XDW_FAILED) {
        xdw_pool_event(pool, 0, XDW_EV_NOT_RUN, 0);
        return;
    }
    xdw_pool_event(pool, 0, XDW_EV_RAN, 0);
    switch (state) {
    case XDW_BACKOFF:
        xdw_pool_ended(pool, 0, crash, 0);
        break;
    case XDW_STOPPING:
        xdw_pool_stop(pool, 0, XD_S, 0);
        break;
    case XDW_KILLING:
        xdw_pool_stop(pool, 0, 0, 0);
        break;
    case XDW_FINISHED:
        xdw_pool_ended(pool, 0, (struct xdw_end){XDW_END_EXIT, 0}, 0);
        break;
    default:
        cr_assert_eq(state, XDW_UP);
    }
}

static void happen(struct xdw_pool *pool, enum xdw_event event)
{
    uint32_t slot;
    switch (event) {
    case XDW_EV_REFUSED:
        xdw_pool_refused(pool, 0, 0);
        break;
    case XDW_EV_DONE:
        xdw_pool_ended(pool, 0, (struct xdw_end){XDW_END_EXIT, 3}, 0);
        break;
    case XDW_EV_CRASHED:
        xdw_pool_ended(pool, 0, crash, 0);
        break;
    case XDW_EV_GAVE_UP:
        pool->config.give_up_after = 1;
        if (pool->slots[0].state == XDW_STARTING) {
            xdw_pool_refused(pool, 0, 0);
        } else {
            xdw_pool_ended(pool, 0, crash, 0);
        }
        break;
    case XDW_EV_DUE:
        xdw_pool_next(pool, XD_S, &slot);
        break;
    case XDW_EV_STOP:
        xdw_pool_stop(pool, 0, XD_S, 0);
        break;
    case XDW_EV_KILL:
        xdw_pool_stop(pool, 0, 0, 0);
        xdw_pool_next(pool, 0, &slot);
        break;
    default:
        xdw_pool_event(pool, 0, event, 0);
    }
}

Test(pool, every_row_of_the_table_is_taken)
{
    for (size_t i = 0; i < XDW_ROWS; i++) {
        struct xdw_pool pool = make_pool(0);
        add(&pool);
        if (xdw_rows[i].from != XDW_VACANT) {
            reach(&pool, xdw_rows[i].from);
        }
        cr_assert_eq(pool.slots[0].state, xdw_rows[i].from, "row %zu", i);
        uint64_t before = pool.hits[i];
        happen(&pool, xdw_rows[i].event);
        cr_expect_eq(pool.slots[0].state, xdw_rows[i].to, "row %zu", i);
        cr_expect_eq(pool.hits[i], before + 1, "row %zu", i);
        cr_expect(xdw_pool_check(&pool), "row %zu", i);
        xdw_pool_fini(&pool);
    }
}

Test(pool, no_pair_of_state_and_event_stands_twice)
{
    for (size_t i = 0; i < XDW_ROWS; i++) {
        for (size_t k = i + 1; k < XDW_ROWS; k++) {
            cr_expect(xdw_rows[i].from != xdw_rows[k].from ||
                      xdw_rows[i].event != xdw_rows[k].event);
        }
    }
}

Test(pool, a_move_that_is_not_in_the_table_is_a_bug, .signal = SIGABRT)
{
    struct xdw_pool pool = make_running(0, 0);
    xdw_pool_event(&pool, 0, XDW_EV_FORGET, 0);
}

/* ---- what is a crash ---- */

Test(pool, exits_0_to_3_are_final_and_all_else_restarts)
{
    static const struct {
        struct xdw_end end;
        enum xdw_state state;
    } table[] = {
        {{XDW_END_EXIT, 0}, XDW_FINISHED},
        {{XDW_END_EXIT, 1}, XDW_FINISHED},
        {{XDW_END_EXIT, 2}, XDW_FINISHED},
        {{XDW_END_EXIT, 3}, XDW_FINISHED},
        {{XDW_END_EXIT, 4}, XDW_BACKOFF},
        {{XDW_END_EXIT, 127}, XDW_BACKOFF},
        {{XDW_END_EXIT, 255}, XDW_BACKOFF},
        {{XDW_END_SIGNAL, 1}, XDW_BACKOFF},
        {{XDW_END_SIGNAL, 15}, XDW_BACKOFF},
        {{XDW_END_UNKNOWN, 0}, XDW_BACKOFF},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct xdw_pool pool = make_running(0, 0);
        xdw_pool_ended(&pool, 0, table[i].end, XD_S);
        cr_expect_eq(pool.slots[0].state, table[i].state, "line %zu", i);
        xdw_pool_fini(&pool);
    }
}

/* ---- back-off ---- */

static xd_time crash_again(struct xdw_pool *pool, xd_time now)
{
    xdw_pool_ended(pool, 0, crash, now);
    xd_time delay = pool->slots[0].delay;
    cr_assert_eq(xdw_pool_deadline(pool), now + delay);
    expect(pool, now + delay - 1, XDW_DO_NOTHING);
    expect(pool, now + delay, XDW_DO_START);
    xdw_pool_event(pool, 0, XDW_EV_RAN, now + delay);
    return delay;
}

Test(pool, delays_double_up_to_the_cap)
{
    struct xdw_pool pool = make_running(0, 0);
    xd_time now = 0;
    static const int full_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};
    for (size_t i = 0; i < sizeof full_ms / sizeof *full_ms; i++) {
        xd_time delay = crash_again(&pool, now);
        cr_expect_leq(delay, full_ms[i] * XD_MS);
        cr_expect_geq(delay, full_ms[i] * XD_MS / 2);
        now += delay;
    }
    xdw_pool_fini(&pool);
}

Test(pool, thousands_of_crashes_do_not_overflow_the_delay)
{
    struct xdw_pool pool = make_running(0, 0);
    pool.slots[0].crashes = UINT32_MAX - 5;
    cr_expect_leq(crash_again(&pool, 0), XD_S);
    xdw_pool_fini(&pool);
}

Test(pool, a_stable_time_resets_the_delay)
{
    struct xdw_pool pool = make_running(0, 0);
    xd_time now = 0;
    for (int i = 0; i < 5; i++) {
        now += crash_again(&pool, now);
    }
    cr_expect_leq(crash_again(&pool, now + 10 * XD_S), 100 * XD_MS);
    xdw_pool_fini(&pool);
}

Test(pool, just_below_the_stable_time_nothing_is_reset)
{
    struct xdw_pool pool = make_running(0, 0);
    xd_time now = 0;
    for (int i = 0; i < 5; i++) {
        now += crash_again(&pool, now);
    }
    cr_expect_geq(crash_again(&pool, now + 10 * XD_S - 1), 500 * XD_MS);
    xdw_pool_fini(&pool);
}

Test(pool, the_same_seed_draws_the_same_delays_and_another_others)
{
    xd_time delays[3][5];
    for (int run = 0; run < 3; run++) {
        struct xdw_pool pool = make_running(0, 0);
        pool.random = run < 2 ? 41 : 42;
        xd_time now = 0;
        for (int i = 0; i < 5; i++) {
            delays[run][i] = crash_again(&pool, now);
            now += delays[run][i];
        }
        xdw_pool_fini(&pool);
    }
    cr_expect_arr_eq(delays[0], delays[1], sizeof delays[0]);
    cr_expect_arr_neq(delays[0], delays[2], sizeof delays[0]);
}

Test(pool, it_gives_up_after_so_many_crashes_in_a_row)
{
    struct xdw_pool pool = make_running(3, 0);
    xd_time now = crash_again(&pool, 0);
    now += crash_again(&pool, now);
    xdw_pool_ended(&pool, 0, crash, now);
    cr_expect_eq(pool.slots[0].state, XDW_FAILED);
    cr_expect_eq(xdw_pool_deadline(&pool), XD_NEVER);
    xdw_pool_fini(&pool);
}

Test(pool, a_refused_start_is_tried_again)
{
    struct xdw_pool pool = make_pool(0);
    xdw_pool_event(&pool, add(&pool), XDW_EV_START, 0);
    expect(&pool, 0, XDW_DO_START);
    xdw_pool_refused(&pool, 0, 0);
    expect(&pool, 0, XDW_DO_NOTHING);
    expect(&pool, 100 * XD_MS, XDW_DO_START);
    xdw_pool_fini(&pool);
}

/* ---- ends ---- */

Test(pool, stop_says_term_once_and_kill_after_the_grace)
{
    struct xdw_pool pool = make_running(0, 0);
    cr_assert(xdw_pool_stop(&pool, 0, 2 * XD_S, XD_S));
    expect(&pool, XD_S, XDW_DO_TERM);
    expect(&pool, 3 * XD_S - 1, XDW_DO_NOTHING);
    expect(&pool, 3 * XD_S, XDW_DO_KILL);
    expect(&pool, 9 * XD_S, XDW_DO_NOTHING);
    xdw_pool_ended(&pool, 0, crash, 9 * XD_S);
    cr_expect_eq(pool.slots[0].state, XDW_FINISHED);
    xdw_pool_fini(&pool);
}

Test(pool, a_second_stop_only_shortens_the_grace)
{
    struct xdw_pool pool = make_running(0, 0);
    xdw_pool_stop(&pool, 0, 10 * XD_S, 0);
    expect(&pool, 0, XDW_DO_TERM);
    xdw_pool_stop(&pool, 0, 20 * XD_S, 0);
    cr_expect_eq(xdw_pool_deadline(&pool), 10 * XD_S);
    xdw_pool_stop(&pool, 0, 0, XD_S);
    expect(&pool, XD_S, XDW_DO_KILL);
    xdw_pool_fini(&pool);
}

Test(pool, an_endless_grace_never_kills)
{
    struct xdw_pool pool = make_running(0, 0);
    xdw_pool_stop(&pool, 0, XD_NEVER, XD_S);
    expect(&pool, XD_S, XDW_DO_TERM);
    cr_expect_eq(xdw_pool_deadline(&pool), XD_NEVER);
    xdw_pool_fini(&pool);
}

Test(pool, stop_is_harmless_where_nothing_runs)
{
    struct xdw_pool pool = make_pool(0);
    add(&pool);
    cr_expect_not(xdw_pool_stop(&pool, 0, XD_S, 0));
    reach(&pool, XDW_FAILED);
    cr_expect_not(xdw_pool_stop(&pool, 0, XD_S, 0));
    cr_expect_eq(pool.slots[0].state, XDW_FAILED);
    xdw_pool_fini(&pool);
}

Test(pool, a_forgotten_number_is_given_out_again_as_new)
{
    struct xdw_pool pool = make_running(0, 0);
    cr_assert_eq(add(&pool), 0 + 1);
    crash_again(&pool, 0);
    xdw_pool_ended(&pool, 0, (struct xdw_end){XDW_END_EXIT, 0}, XD_S);
    xdw_pool_event(&pool, 0, XDW_EV_FORGET, XD_S);
    cr_assert_eq(add(&pool), 0);
    xdw_pool_event(&pool, 0, XDW_EV_START, XD_S);
    cr_expect_eq(pool.slots[0].crashes, 0);
    xdw_pool_fini(&pool);
}

Test(pool, without_memory_nothing_changes)
{
    struct xdw_pool pool = make_pool(0);
    size_t failures = 0;
    for (int i = 0; i < 100; i++) {
        size_t count = pool.count;
        uint32_t slot;
        xd_alloc_fail_at(1);
        if (xdw_pool_add(&pool, &slot)) {
            failures++;
            cr_expect_eq(pool.count, count);
            cr_expect(xdw_pool_check(&pool));
            xd_alloc_fail_at(0);
            cr_assert_eq(xdw_pool_add(&pool, &slot), XD_OK);
        }
        xd_alloc_fail_at(0);
        xdw_pool_event(&pool, slot, XDW_EV_START, 0);
    }
    cr_expect_gt(failures, 1);
    cr_expect_eq(pool.count, 100);
    xdw_pool_fini(&pool);
}

Test(pool, states_have_names)
{
    cr_expect_str_eq(xdw_state_name(XDW_BACKOFF), "backoff");
    cr_expect_str_eq(xdw_state_name(XDW_STATE_COUNT), "unknown");
}
