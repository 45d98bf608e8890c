/* SPDX-License-Identifier: MIT */
/* Daemons that cannot start: whoever waits for a task of theirs hears of it. The thread
 * of the local daemons only says that a process has ended; R looks at what that means,
 * where it waits and from later's loop. Of those that only do not come nobody says
 * anything: for them R is asked again at a time that it sets. */
#include <stdatomic.h>

#include "calls.h"
#include "watch.h"

/* Between two looks while it cannot be told yet. */
#define LOOK_AGAIN_SECONDS 0.5

static atomic_uint changes; /* ends of processes, from any thread */
static unsigned seen;       /* how many of them R has looked at; its thread's own */
static double due;          /* when R wants to look again; 0: it does not; its thread's */

static bool is_due(void)
{
    return due > 0 && rxd_steady_seconds() >= due;
}

static bool is_news(void)
{
    return atomic_load(&changes) != seen || is_due();
}

static void call_own(const char *function)
{
    SEXP call = PROTECT(Rf_lang1(rxd_own(function)));
    (void)Rf_eval(call, R_BaseEnv);
    UNPROTECT(1);
}

/* TRUE: tasks have failed, and those to come will, until something changes. NA: not to be
 * told yet. Jumps on an interrupt, and will look again then. */
static int look(void)
{
    unsigned upto = atomic_load(&changes);
    if (is_due()) {
        due = 0;
        call_own("tell_slow_starts");
    }
    SEXP call = PROTECT(Rf_lang1(rxd_own("look_at_starts")));
    int found = Rf_asLogical(Rf_eval(call, R_BaseEnv));
    UNPROTECT(1);
    seen = found == FALSE ? upto : upto - 1;
    return found;
}

void rxd_starts_look(void)
{
    if (is_news()) {
        (void)look();
    }
}

void rxd_starts_look_due(void)
{
    if (is_due()) {
        (void)look();
    }
}

SEXP rxd_starts_looked(void)
{
    rxd_starts_look();
    return R_NilValue;
}

static void look_in_loop(void *found)
{
    *(int *)found = look();
}

/* In R's thread, from the loop. */
static void from_loop(void *unused)
{
    (void)unused;
    int found = FALSE;
    if (is_news() && rxd_try(look_in_loop, &found) && found == NA_LOGICAL) {
        rxd_watch_call(from_loop, NULL, LOOK_AGAIN_SECONDS);
    }
}

void rxd_starts_changed(void)
{
    atomic_fetch_add(&changes, 1);
    rxd_watch_call(from_loop, NULL, 0);
}

/* R looks again in so many seconds, or before. */
SEXP rxd_starts_expect(SEXP seconds)
{
    double wait = Rf_asReal(seconds), at = rxd_steady_seconds() + wait;
    if (due <= 0 || at < due) {
        due = at;
        rxd_watch_call(from_loop, NULL, wait);
    }
    return R_NilValue;
}

void rxd_starts_watched(void)
{
    if (is_news()) {
        rxd_watch_call(from_loop, NULL, 0);
    } else if (due > 0) {
        rxd_watch_call(from_loop, NULL, due - rxd_steady_seconds());
    }
}
