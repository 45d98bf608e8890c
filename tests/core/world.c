/* SPDX-License-Identifier: MIT */
/* The world's course: what happens next, and the end in which everything must end. */
#include "world.h"

#include <stdlib.h>

#include "world_inside.h"

static void must(enum xd_err err)
{
    if (err != XD_OK) {
        abort();
    }
}

static struct xd_bytes *text(const char *from)
{
    struct xd_bytes *bytes;
    must(xd_bytes_text(from, &bytes));
    return bytes;
}
static void live(struct world *world)
{
    unsigned moves = 60 + roll(world, 160);
    for (unsigned i = 0; i < moves && world->wrong == NULL; i++) {
        happen(world);
        if (i == moves - 20 && chance(world, 10)) {
            simple(world, XDB_EVENT_DRAIN, 0);
        }
        beat(world);
        bool long_wait = chance(world, 12);
        pass(world, (xd_time)roll(world, long_wait ? 900000 : 8000) * XD_US);
    }
}

static void settle(struct world *world, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 2 && world->wrong == NULL; i++) {
        beat(world);
        pass(world, XD_S / 2);
    }
}

static void cancel_all(struct world *world)
{
    for (unsigned i = 0; i < world->task_count; i++) {
        if (client_of(world, world->tasks[i].session) != NULL) {
            struct parcel parcel = {.kind = TO_CORE_CANCEL,
                                    .session = world->tasks[i].session,
                                    .id = world->tasks[i].id,
                                    .count = 1};
            deliver_to_core(world, &parcel);
        }
    }
}

static void end_sessions(struct world *world)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct parcel end = {.kind = TO_CORE_LEAVE, .session = world->clients[i].session};
        if (end.session != 0) {
            deliver_to_core(world, &end);
        }
    }
    struct xdb_stats stats;
    xdb_core_stats(world->core, &stats);
    for (unsigned i = 0; i < REFS; i++) {
        if (world->held[i] != 0) {
            fail(world, "a payload is held for nobody, or was let go too often");
        }
    }
    if (world->wrong == NULL &&
        (stats.queued != 0 || stats.leased != 0 || stats.unacked != 0 ||
         stats.bytes != 0 || stats.clients != 0 || stats.workers != 0 ||
         stats.profiles != 0)) {
        fail(world, "something is left of nobody");
    }
}

static void compare_counts(struct world *world)
{
    struct xdb_stats stats;
    xdb_core_stats(world->core, &stats);
    if (stats.done < world->outcomes[XD_OUTCOME_DONE] ||
        stats.failed < world->outcomes[XD_OUTCOME_FAILED] ||
        stats.lost < world->outcomes[XD_OUTCOME_LOST] ||
        stats.cancelled < world->outcomes[XD_OUTCOME_CANCELLED] ||
        stats.expired < world->outcomes[XD_OUTCOME_EXPIRED]) {
        fail(world, "fewer outcomes counted than told");
    }
}

/* Now nothing goes wrong: workers finish what they have, then they go, then what no
 * worker takes is cancelled. Then nothing may be left. */
static void end(struct world *world)
{
    world->calm = true;
    resume(world);
    settle(world, 6);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (world->workers[i].session != 0) {
            worker_dies(world, &world->workers[i]);
        }
    }
    settle(world, 4);
    simple(world, XDB_EVENT_DRAIN, 0);
    submit(world);
    settle(world, 1);
    cancel_all(world);
    settle(world, 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct wclient *client = &world->clients[i];
        if (client->session != 0 && client->known) {
            post(world, TO_CORE_ACK, client->session)->number = client->received;
        }
    }
    settle(world, 1);
    if (world->wrong == NULL && !world->drained) {
        fail(world, "a drain that does not end");
    }
    oracle_end(world);
    compare_counts(world);
    end_sessions(world);
}

static void collect(void *context, const char *table, const char *row, uint64_t hits)
{
    struct xdt_world_report *report = context;
    for (size_t i = 0; i < report->row_count; i++) {
        if (report->rows[i] == row) {
            report->hits[i] += hits;
            return;
        }
    }
    if (report->row_count == XDT_WORLD_ROWS) {
        abort();
    }
    report->rows[report->row_count] = row;
    report->hits[report->row_count++] = hits;
}

static void budgets(struct world *world)
{
    xdb_config_default(&world->config);
    world->config.seed = world->random;
    if (chance(world, 50)) {
        world->config.memo_count = roll(world, 4);
        world->config.memo_bytes = roll(world, 2000);
    }
    if (chance(world, 40)) {
        world->config.client_tasks = roll(world, 20);
        world->config.profile_tasks = roll(world, 20);
        world->config.broker_tasks = roll(world, 40);
        world->config.client_bytes = chance(world, 50) ? 1000 + roll(world, 5000) : 0;
        world->config.broker_bytes = chance(world, 50) ? 2000 + roll(world, 9000) : 0;
    }
}

static void make(struct world *world, uint64_t seed, struct xdt_world_report *report)
{
    world->random = seed;
    world->report = report;
    world->now = XD_S;
    world->failing = seed % 4 == 0;
    budgets(world);
    must(xdb_core_new(&world->config, &world->core));
    xdb_actions_init(&world->actions);
    static const char *const names[] = {"default", "other", "ring", "bound"};
    static const char *const callees[] = {"sum", "sql", "sort"};
    for (unsigned i = 0; i < PROFILES; i++) {
        world->profiles[i] = text(names[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        world->callees[i] = text(callees[i]);
    }
    world->star = text("*");
}

static void destroy(struct world *world)
{
    xdb_actions_fini(&world->actions);
    xdb_core_free(world->core);
    for (unsigned i = 0; i < PROFILES; i++) {
        xd_bytes_unref(world->profiles[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        xd_bytes_unref(world->callees[i]);
    }
    xd_bytes_unref(world->star);
    free(world);
}

const char *xdt_world_run(uint64_t seed, struct xdt_world_report *report)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        abort();
    }
    make(world, seed, report);
    live(world);
    if (seed % 16 != 1) { /* else it ends in the middle: freeing must do */
        end(world);
    }
    report->tasks += world->task_count;
    xdb_core_each_row(world->core, collect, report);
    if (world->wrong != NULL) {
        report->broken = world; /* a broken core is not taken apart */
        return world->wrong;
    }
    destroy(world);
    return NULL;
}
