/* SPDX-License-Identifier: MIT */
/* The local daemons: one supervisor, stepped by one thread that lives as long as they, so
 * that the kernel ends them when this process dies. R's thread talks to it under a lock.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "crossdock_supervise.h"

/* A daemon that crashes so often in a row, seconds apart, will not do better. */
#define GIVE_UP_AFTER 8
#define LINES_KEPT 12
#define LINE_SIZE 240
/* From asking to killing, at the end of R. */
#define END_GRACE_NS ((int64_t)1000000000)

/* What is known of a slot beside its state; `group` 0: vacant. */
struct slot {
    int group;
    char lines[LINES_KEPT][LINE_SIZE];
    unsigned line_count;           /* all there ever were; the last ones are kept */
    unsigned began;                /* their number when its process was started */
    unsigned ended_from, ended_to; /* which ones the process said that ended last */
    char reason[160];              /* why that one ended */
    uint32_t crashes;              /* in a row */
    unsigned ends; /* of processes, with those that could not be started */
    int64_t started_at, ended_at;
    bool echoes; /* what it prints is the session's to print */
};

static struct {
    pthread_mutex_t lock; /* guards everything below */
    struct xdw_supervisor *supervisor;
    struct slot *slots;
    size_t slot_room;
    int wake_fd;
    bool ending;
    pthread_t thread;
    pid_t pid;
} fleet = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake_fd = -1};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_ours(void)
{
    return fleet.supervisor != NULL && fleet.pid == getpid();
}

/* ---- in the thread, with the lock ---- */

static struct slot *slot_at(uint32_t number)
{
    return number < fleet.slot_room ? &fleet.slots[number] : NULL;
}

/* R's own output belongs to R's thread; the terminal takes lines from anybody. */
static void echo(const struct xdw_line *line)
{
    int fd = line->stream == XDW_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    char whole[8192];
    size_t size = line->size < sizeof whole - 1 ? line->size : sizeof whole - 1;
    memcpy(whole, line->text, size);
    if (!line->more) {
        whole[size++] = '\n';
    }
    ssize_t written = write(fd, whole, size);
    (void)written;
}

static void on_line(void *context, const struct xdw_line *line)
{
    (void)context;
    struct slot *slot = slot_at(line->slot);
    if (slot == NULL) {
        return;
    }
    if (slot->echoes) {
        echo(line);
    }
    char *text = slot->lines[slot->line_count++ % LINES_KEPT];
    size_t size = line->size < LINE_SIZE - 1 ? line->size : LINE_SIZE - 1;
    memcpy(text, line->text, size);
    text[size] = '\0';
}

static void describe_end(char *out, size_t size, const struct xdw_notice *notice)
{
    int code = notice->end.code;
    if (notice->end.how == XDW_END_EXIT) {
        (void)snprintf(out, size, "it ended with exit code %d", code);
    } else if (notice->end.how == XDW_END_SIGNAL) {
        (void)
            snprintf(out, size, "it was ended by signal %d (%s)", code, strsignal(code));
    } else {
        (void)snprintf(out, size, "%s", notice->text);
    }
}

/* A process has ended, or there was none to be had. */
static void note_end(struct slot *slot, const struct xdw_notice *notice)
{
    describe_end(slot->reason, sizeof slot->reason, notice);
    slot->ended_from = slot->began;
    slot->ended_to = slot->line_count;
    slot->ends++;
    slot->ended_at = now_ns();
    rxd_starts_changed();
}

static void on_notice(void *context, const struct xdw_notice *notice)
{
    (void)context;
    struct slot *slot = slot_at(notice->slot);
    if (slot == NULL) {
        return;
    }
    slot->crashes = notice->crashes;
    if (notice->state == XDW_UP) {
        slot->began = slot->line_count;
        slot->started_at = now_ns();
    } else if (notice->end.how != XDW_END_NONE || notice->text[0] != '\0') {
        note_end(slot, notice);
    }
}

static int wait_ms(void)
{
    int64_t deadline = xdw_supervisor_deadline(fleet.supervisor);
    if (deadline == INT64_MAX) {
        return -1;
    }
    int64_t left = deadline - now_ns();
    if (left <= 0) {
        return 0;
    }
    int64_t ms = left / 1000000 + 1;
    return ms > 60000 ? 60000 : (int)ms;
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&fleet.lock);
    while (!(fleet.ending && xdw_supervisor_is_over(fleet.supervisor))) {
        struct pollfd fds[] = {
            {.fd = fleet.wake_fd, .events = POLLIN},
            {.fd = xdw_supervisor_fd(fleet.supervisor), .events = POLLIN}};
        int ms = wait_ms();
        pthread_mutex_unlock(&fleet.lock);
        (void)poll(fds, 2, ms);
        uint64_t count;
        if (fds[0].revents != 0) {
            ssize_t got = read(fleet.wake_fd, &count, sizeof count);
            (void)got;
        }
        pthread_mutex_lock(&fleet.lock);
        xdw_supervisor_step(fleet.supervisor, now_ns());
    }
    pthread_mutex_unlock(&fleet.lock);
    return NULL;
}

/* ---- in R's thread ---- */

static void wake(void)
{
    uint64_t one = 1;
    ssize_t written = write(fleet.wake_fd, &one, sizeof one);
    (void)written; /* full: it will wake anyway */
}

static enum xd_err begin(struct xd_error *error)
{
    if (is_ours()) {
        return XD_OK;
    }
    const struct xdw_supervisor_options options = {
        .notice = on_notice,
        .line = on_line,
        .line_limit = LINE_SIZE - 1,
        .give_up_after = GIVE_UP_AFTER,
        .seed = (uint64_t)getpid(),
        .death_signal = SIGTERM,
    };
    enum xd_err err = xdw_supervisor_new(&options, &fleet.supervisor, error);
    if (err != XD_OK) {
        return err;
    }
    fleet.pid = getpid();
    fleet.ending = false;
    fleet.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fleet.wake_fd < 0 || !rxd_thread_start(&fleet.thread, run, NULL)) {
        xdw_supervisor_free(fleet.supervisor);
        fleet.supervisor = NULL;
        return xd_fail(error, XD_ERR_SYSTEM, "no thread for the local daemons");
    }
    return XD_OK;
}

static enum xd_err slot_make(uint32_t number, int group)
{
    if (number >= fleet.slot_room) {
        size_t room = (size_t)number + 16;
        struct slot *slots = realloc(fleet.slots, room * sizeof *slots);
        if (slots == NULL) {
            return XD_ERR_NOMEM;
        }
        memset(slots + fleet.slot_room, 0, (room - fleet.slot_room) * sizeof *slots);
        fleet.slots = slots;
        fleet.slot_room = room;
    }
    memset(&fleet.slots[number], 0, sizeof fleet.slots[number]);
    fleet.slots[number].group = group;
    fleet.slots[number].started_at = now_ns();
    return XD_OK;
}

static void stop_group(int group, int64_t grace_ns)
{
    for (uint32_t i = 0; i < fleet.slot_room; i++) {
        if (fleet.slots[i].group == group) {
            xdw_supervisor_stop(fleet.supervisor, i, grace_ns, now_ns());
        }
    }
}

/* Numbers of slots that ended for good and belong to a group nobody asks for any more. */
static void forget_group(int group)
{
    for (uint32_t i = 0; i < fleet.slot_room; i++) {
        if (fleet.slots[i].group == group &&
            xdw_supervisor_forget(fleet.supervisor, i) == XD_OK) {
            fleet.slots[i].group = 0;
        }
    }
}

static enum xd_err launch(const struct xdw_command *command,
                          int group,
                          int count,
                          struct xd_error *error)
{
    pthread_mutex_lock(&fleet.lock);
    enum xd_err err = begin(error);
    for (int i = 0; i < count && err == XD_OK; i++) {
        uint32_t number;
        err = xdw_supervisor_start(fleet.supervisor, command, &number, error);
        if (err == XD_OK) {
            err = slot_make(number, group);
        }
    }
    if (err != XD_OK && is_ours()) {
        stop_group(group, 0);
    }
    pthread_mutex_unlock(&fleet.lock);
    wake();
    return err;
}

static const char **texts(SEXP x)
{
    R_xlen_t count = Rf_xlength(x);
    const char **out = (const char **)R_alloc((size_t)count + 1, sizeof *out);
    for (R_xlen_t i = 0; i < count; i++) {
        out[i] = Rf_translateChar(STRING_ELT(x, i));
    }
    out[count] = NULL;
    return out;
}

/* Start `n` processes of this command as members of `group` (a number of R's choice).
 * `url` "": as inherited. */
SEXP rxd_launch(SEXP group,
                SEXP argv,
                SEXP env,
                SEXP url,
                SEXP profile,
                SEXP owner,
                SEXP n)
{
    const struct xdw_command command = {
        .argv = texts(argv),
        .env = texts(env),
        .url = CHAR(STRING_ELT(url, 0))[0] == '\0' ? NULL
                                                   : Rf_translateChar(STRING_ELT(url, 0)),
        .profile = Rf_translateCharUTF8(STRING_ELT(profile, 0)),
        .owner = {strtoull(CHAR(STRING_ELT(owner, 0)), NULL, 10)},
    };
    struct xd_error error = {""};
    enum xd_err err = launch(&command, Rf_asInteger(group), Rf_asInteger(n), &error);
    if (err != XD_OK) {
        rxd_raise(err, &error, "cannot start local daemons");
    }
    return R_NilValue;
}

/* The session shows what the daemons of this group print, from now on. */
SEXP rxd_launched_echo(SEXP group)
{
    pthread_mutex_lock(&fleet.lock);
    for (size_t i = 0; i < fleet.slot_room; i++) {
        if (fleet.slots[i].group == Rf_asInteger(group)) {
            fleet.slots[i].echoes = true;
        }
    }
    pthread_mutex_unlock(&fleet.lock);
    return R_NilValue;
}

/* The last lines of the process that ended last, or, where none has, of the one that
 * runs; oldest first, as one text. */
static SEXP tail_of(const struct slot *slot)
{
    char text[LINES_KEPT * (LINE_SIZE + 1) + 1] = "";
    size_t size = 0;
    unsigned first = slot->ends > 0 ? slot->ended_from : slot->began;
    unsigned end = slot->ends > 0 ? slot->ended_to : slot->line_count;
    if (slot->line_count > LINES_KEPT && first < slot->line_count - LINES_KEPT) {
        first = slot->line_count - LINES_KEPT; /* older ones were not kept */
    }
    for (unsigned i = first; i < end; i++) {
        const char *line = slot->lines[i % LINES_KEPT];
        size += (size_t)snprintf(text + size, sizeof text - size, "%s\n", line);
    }
    return Rf_mkChar(text);
}

/* What is kept for R, copied under the lock. */
struct survey {
    int alive, over;
    unsigned ends;
    uint32_t crashes, fewest;     /* in a row: of the worst, of the best that is alive */
    int64_t started_at, ended_at; /* the first that is alive; the last that ended */
    struct slot worst;            /* the one to tell about */
};

static bool is_worse(const struct slot *slot, const struct slot *than)
{
    return than->group == 0 || (slot->ends > 0) > (than->ends > 0) ||
           (slot->ends > 0 && slot->ended_at > than->ended_at);
}

static void survey_slot(struct survey *out, uint32_t number)
{
    const struct slot *slot = &fleet.slots[number];
    enum xdw_state state;
    xdw_supervisor_slot(fleet.supervisor, number, &state, NULL);
    if (state == XDW_FINISHED || state == XDW_FAILED) {
        out->over++;
    } else {
        bool is_first = out->alive++ == 0;
        out->fewest =
            is_first || slot->crashes < out->fewest ? slot->crashes : out->fewest;
        bool is_oldest = is_first || slot->started_at < out->started_at;
        out->started_at = is_oldest ? slot->started_at : out->started_at;
    }
    out->ends += slot->ends;
    out->crashes = slot->crashes > out->crashes ? slot->crashes : out->crashes;
    out->ended_at = slot->ended_at > out->ended_at ? slot->ended_at : out->ended_at;
    if (is_worse(slot, &out->worst)) {
        out->worst = *slot;
    }
}

static struct survey survey(int group)
{
    struct survey out = {0};
    pthread_mutex_lock(&fleet.lock);
    for (uint32_t i = 0; is_ours() && i < fleet.slot_room; i++) {
        if (fleet.slots[i].group == group) {
            survey_slot(&out, i);
        }
    }
    pthread_mutex_unlock(&fleet.lock);
    return out;
}

static double seconds_since(int64_t then)
{
    return then == 0 ? R_PosInf : (double)(now_ns() - then) / 1e9;
}

/* What became of a group, a list:
 * - alive, over: how many of its processes run or will, how many ended for good
 * - reason, tail: why the last one ended that did, and what it said last
 * - ends: how many ends there were, starts that failed included
 * - crashes, fewest: in a row, of the worst and of the best of those that are alive
 * - since, age: seconds since the last end, and since the oldest process was started that
 *   runs; infinite where there is none. */
SEXP rxd_launched(SEXP group)
{
    const char *names[] = {"alive",
                           "over",
                           "reason",
                           "tail",
                           "ends",
                           "crashes",
                           "fewest",
                           "since",
                           "age",
                           ""};
    struct survey found = survey(Rf_asInteger(group));
    SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(out, 0, Rf_ScalarInteger(found.alive));
    SET_VECTOR_ELT(out, 1, Rf_ScalarInteger(found.over));
    SET_VECTOR_ELT(out, 2, Rf_mkString(found.worst.reason));
    SET_VECTOR_ELT(out, 3, Rf_ScalarString(PROTECT(tail_of(&found.worst))));
    SET_VECTOR_ELT(out, 4, Rf_ScalarInteger((int)found.ends));
    SET_VECTOR_ELT(out, 5, Rf_ScalarInteger((int)found.crashes));
    SET_VECTOR_ELT(out, 6, Rf_ScalarInteger((int)found.fewest));
    SET_VECTOR_ELT(out, 7, Rf_ScalarReal(seconds_since(found.ended_at)));
    SET_VECTOR_ELT(out, 8, Rf_ScalarReal(seconds_since(found.started_at)));
    UNPROTECT(2);
    return out;
}

/* Ask the group's processes to end, kill them after `grace` seconds (NA: wait for their
 * end no longer, but forget those that are over). Returns how many are still there. */
SEXP rxd_launched_stop(SEXP group, SEXP grace)
{
    int number = Rf_asInteger(group);
    double seconds = Rf_asReal(grace);
    pthread_mutex_lock(&fleet.lock);
    if (is_ours()) {
        if (!ISNA(seconds)) {
            stop_group(number, (int64_t)(seconds * 1e9));
        }
        forget_group(number);
    }
    pthread_mutex_unlock(&fleet.lock);
    if (is_ours()) {
        wake();
    }
    return Rf_ScalarInteger(survey(number).alive);
}

void rxd_supervise_end(void)
{
    if (!is_ours()) {
        return;
    }
    pthread_mutex_lock(&fleet.lock);
    fleet.ending = true;
    xdw_supervisor_stop(fleet.supervisor, XDW_ALL_SLOTS, END_GRACE_NS, now_ns());
    pthread_mutex_unlock(&fleet.lock);
    wake();
    pthread_join(fleet.thread, NULL);
    xdw_supervisor_free(fleet.supervisor);
    fleet.supervisor = NULL;
    close(fleet.wake_fd);
    free(fleet.slots);
    fleet.slots = NULL;
    fleet.slot_room = 0;
}
