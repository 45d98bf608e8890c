/* SPDX-License-Identifier: MIT */
/* The supervisor: the pool's decisions carried out on child processes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crossdock_supervise.h"
#include "supervise/child.h"
#include "supervise/lines.h"
#include "supervise/plan.h"
#include "supervise/pool.h"
#include "supervise/watch.h"

extern char **environ;

#define PLAIN_INTERVAL (20 * XD_MS)

/* One step reads so much of a stream at most, so that a chatty child starves nobody. */
enum { READ_SIZE = 65536, READS_A_STEP = 4, READS_AT_THE_END = 32, KEYS_A_STEP = 64 };

/* What a watched descriptor is; the streams' numbers are their places plus one. */
enum kind { KIND_END = 0, KIND_STDOUT = XDW_STDOUT, KIND_STDERR = XDW_STDERR };

/* A slot's process, and what outlives it. */
struct entry {
    struct xdw_plan plan;
    uint32_t starts; /* that there were */
    struct xdw_child child;
    struct xdw_lines lines[2];
};

struct xdw_supervisor {
    struct xdw_supervisor_options options;
    struct xdw_pool pool;
    struct entry **entries; /* by slot; each stays where it is, callbacks may add more */
    size_t entry_capacity;
    pid_t owner; /* this process; another one is a forked child */
    int watch_fd;
    xd_time now;
    char buffer[READ_SIZE];
};

static bool is_at(const struct xdw_supervisor *supervisor, uint32_t slot)
{
    return slot < supervisor->pool.count;
}

/* ---- notices and lines ---- */

static void notify(struct xdw_supervisor *supervisor,
                   uint32_t slot,
                   pid_t pid,
                   struct xdw_end end,
                   const char *text)
{
    if (!supervisor->options.notice) {
        return;
    }
    const struct xdw_slot *it = &supervisor->pool.slots[slot];
    struct xdw_notice notice = {
        .slot = slot,
        .state = it->state,
        .pid = pid,
        .end = end,
        .crashes = it->crashes,
        .delay_ns = it->state == XDW_BACKOFF ? it->delay : 0,
        .text = text,
    };
    supervisor->options.notice(supervisor->options.context, &notice);
}

static void notify_state(struct xdw_supervisor *supervisor, uint32_t slot)
{
    notify(supervisor,
           slot,
           supervisor->entries[slot]->child.pid,
           (struct xdw_end){XDW_END_NONE, 0},
           "");
}

struct line_context {
    struct xdw_supervisor *supervisor;
    uint32_t slot;
    enum xdw_stream stream;
};

static void emit_line(void *context, const char *text, size_t size, bool more)
{
    struct line_context *from = context;
    const struct xdw_supervisor_options *options = &from->supervisor->options;
    struct xdw_line line = {from->slot, from->stream, text, size, more};
    if (options->line) {
        options->line(options->context, &line);
    }
}

/* ---- a process's descriptors ---- */

static uint64_t key_of(uint32_t slot, enum kind kind)
{
    return (uint64_t)slot << 2 | (uint64_t)kind;
}

static void drop_fd(struct xdw_supervisor *supervisor, int *fd)
{
    if (*fd >= 0) {
        if (supervisor->watch_fd >= 0) {
            xdw_watch_remove(supervisor->watch_fd, *fd);
        }
        close(*fd);
        *fd = -1;
    }
}

static void drop_child(struct xdw_supervisor *supervisor, struct xdw_child *child)
{
    drop_fd(supervisor, &child->pidfd);
    drop_fd(supervisor, &child->out_fd[0]);
    drop_fd(supervisor, &child->out_fd[1]);
    xdw_child_close(child);
}

static enum xd_err watch_child(struct xdw_supervisor *supervisor, uint32_t slot)
{
    if (supervisor->watch_fd < 0) {
        return XD_OK;
    }
    const struct xdw_child *child = &supervisor->entries[slot]->child;
    const int fds[] = {child->pidfd, child->out_fd[0], child->out_fd[1]};
    for (int kind = KIND_END; kind <= KIND_STDERR; kind++) {
        if (fds[kind] >= 0 && xdw_watch_add(supervisor->watch_fd,
                                            fds[kind],
                                            key_of(slot, (enum kind)kind))) {
            return XD_ERR_SYSTEM;
        }
    }
    return XD_OK;
}

/* Take what a stream has, at most `reads` times; drop it at its end. */
static void read_stream(struct xdw_supervisor *supervisor,
                        uint32_t slot,
                        enum xdw_stream stream,
                        int reads)
{
    struct line_context context = {supervisor, slot, stream};
    for (int i = 0; i < reads; i++) {
        struct entry *entry = supervisor->entries[slot];
        int *fd = &entry->child.out_fd[stream - 1];
        ssize_t n = *fd < 0 ? -1 : read(*fd, supervisor->buffer, READ_SIZE);
        if (n == 0) {
            drop_fd(supervisor, fd);
        }
        if (n <= 0) {
            return; /* nothing there now, or ever again */
        }
        xdw_lines_feed(&entry->lines[stream - 1],
                       supervisor->buffer,
                       (size_t)n,
                       emit_line,
                       &context);
    }
}

static void end_stream(struct xdw_supervisor *supervisor,
                       uint32_t slot,
                       enum xdw_stream stream)
{
    struct line_context context = {supervisor, slot, stream};
    read_stream(supervisor, slot, stream, READS_AT_THE_END);
    xdw_lines_end(&supervisor->entries[slot]->lines[stream - 1], emit_line, &context);
}

/* ---- ends and starts ---- */

static void check_end(struct xdw_supervisor *supervisor, uint32_t slot, bool wait)
{
    struct xdw_child *child = &supervisor->entries[slot]->child;
    pid_t pid = child->pid;
    struct xdw_end end;
    if (pid == 0 || !xdw_child_reap(child, wait, &end)) {
        return;
    }
    end_stream(supervisor, slot, XDW_STDOUT);
    end_stream(supervisor, slot, XDW_STDERR);
    drop_child(supervisor, &supervisor->entries[slot]->child);
    xdw_pool_ended(&supervisor->pool, slot, end, supervisor->now);
    bool gave_up = supervisor->pool.slots[slot].state == XDW_FAILED;
    notify(supervisor, slot, pid, end, gave_up ? "crashed too often in a row" : "");
}

static void start_failed(struct xdw_supervisor *supervisor,
                         uint32_t slot,
                         enum xd_err err,
                         const char *text)
{
    if (err == XD_ERR_SYSTEM || err == XD_ERR_NOMEM) {
        xdw_pool_refused(&supervisor->pool, slot, supervisor->now);
    } else {
        xdw_pool_event(&supervisor->pool, slot, XDW_EV_NOT_RUN, supervisor->now);
    }
    notify(supervisor, slot, 0, (struct xdw_end){XDW_END_NONE, 0}, text);
}

static void start_child(struct xdw_supervisor *supervisor, uint32_t slot)
{
    const struct xdw_supervisor_options *options = &supervisor->options;
    struct entry *entry = supervisor->entries[slot];
    struct xd_error error = {""};
    xdw_plan_restarts(&entry->plan, entry->starts++);
    enum xd_err err = xdw_child_start(&entry->child,
                                      &entry->plan,
                                      options->death_signal,
                                      options->plain,
                                      &error);
    if (!err && watch_child(supervisor, slot)) {
        struct xdw_end end;
        xdw_child_signal(&entry->child, SIGKILL);
        xdw_child_reap(&entry->child, true, &end);
        drop_child(supervisor, &entry->child);
        err = xd_fail(&error, XD_ERR_SYSTEM, "cannot watch a process's descriptors");
    }
    if (err) {
        start_failed(supervisor, slot, err, error.text);
        return;
    }
    xdw_pool_event(&supervisor->pool, slot, XDW_EV_RAN, supervisor->now);
    notify_state(supervisor, slot);
}

static void carry_out(struct xdw_supervisor *supervisor)
{
    uint32_t slot;
    for (;;) {
        switch (xdw_pool_next(&supervisor->pool, supervisor->now, &slot)) {
        case XDW_DO_START:
            start_child(supervisor, slot);
            break;
        case XDW_DO_TERM:
            xdw_child_signal(&supervisor->entries[slot]->child, SIGTERM);
            notify_state(supervisor, slot);
            break;
        case XDW_DO_KILL:
            xdw_child_signal(&supervisor->entries[slot]->child, SIGKILL);
            notify_state(supervisor, slot);
            break;
        case XDW_DO_NOTHING:
            return;
        }
    }
}

/* ---- the step ---- */

static void take(struct xdw_supervisor *supervisor, uint32_t slot, enum kind kind)
{
    if (kind == KIND_END) {
        check_end(supervisor, slot, false);
    } else {
        read_stream(supervisor, slot, (enum xdw_stream)kind, READS_A_STEP);
    }
}

static void take_watched(struct xdw_supervisor *supervisor)
{
    uint64_t keys[KEYS_A_STEP];
    size_t count = xdw_watch_take(supervisor->watch_fd, keys, KEYS_A_STEP);
    for (size_t i = 0; i < count; i++) {
        take(supervisor, (uint32_t)(keys[i] >> 2), (enum kind)(keys[i] & 3));
    }
}

/* Those that no descriptor tells about: all of them without epoll, else the ends of
 * processes without a pidfd. */
static void take_unwatched(struct xdw_supervisor *supervisor)
{
    for (uint32_t slot = 0; is_at(supervisor, slot); slot++) {
        if (supervisor->watch_fd < 0) {
            take(supervisor, slot, KIND_STDOUT);
            take(supervisor, slot, KIND_STDERR);
        }
        if (supervisor->entries[slot]->child.pidfd < 0) {
            take(supervisor, slot, KIND_END);
        }
    }
}

void xdw_supervisor_step(struct xdw_supervisor *supervisor, int64_t now_ns)
{
    supervisor->now = now_ns > supervisor->now ? now_ns : supervisor->now;
    if (supervisor->watch_fd >= 0) {
        take_watched(supervisor);
    }
    take_unwatched(supervisor);
    carry_out(supervisor);
}

int xdw_supervisor_fd(const struct xdw_supervisor *supervisor)
{
    return supervisor->watch_fd;
}

int64_t xdw_supervisor_deadline(const struct xdw_supervisor *supervisor)
{
    xd_time first = xdw_pool_deadline(&supervisor->pool);
    for (size_t i = 0; i < supervisor->pool.count; i++) {
        const struct xdw_child *child = &supervisor->entries[i]->child;
        if (child->pid != 0 && (child->pidfd < 0 || supervisor->watch_fd < 0)) {
            return xd_time_min(first, xd_time_add(supervisor->now, PLAIN_INTERVAL));
        }
    }
    return first;
}

/* ---- slots ---- */

static enum xd_err fill_entry(struct xdw_supervisor *supervisor,
                              const struct xdw_command *command,
                              uint32_t slot,
                              struct xd_error *error)
{
    struct entry entry = {.child = XDW_CHILD_NONE};
    enum xd_err err = xdw_plan_make(&entry.plan, command, slot, environ, error);
    for (int i = 0; !err && i < 2; i++) {
        err = xdw_lines_init(&entry.lines[i], supervisor->options.line_limit);
    }
    if (err) {
        xdw_plan_fini(&entry.plan);
        xdw_lines_fini(&entry.lines[0]);
        return err;
    }
    *supervisor->entries[slot] = entry;
    return XD_OK;
}

static void clear_entry(struct entry *entry)
{
    xdw_plan_fini(&entry->plan);
    xdw_lines_fini(&entry->lines[0]);
    xdw_lines_fini(&entry->lines[1]);
    *entry = (struct entry){.child = XDW_CHILD_NONE};
}

/* A slot of the pool with an entry beside it, old or new. */
static enum xd_err add_slot(struct xdw_supervisor *supervisor, uint32_t *slot)
{
    size_t count = supervisor->pool.count;
    void *entries = supervisor->entries;
    if (xd_reserve(&entries,
                   &supervisor->entry_capacity,
                   count + 1,
                   sizeof(struct entry *))) {
        return XD_ERR_NOMEM;
    }
    supervisor->entries = entries;
    struct entry *entry = xd_alloc(sizeof *entry);
    if (!entry || xdw_pool_add(&supervisor->pool, slot)) {
        xd_free(entry);
        return XD_ERR_NOMEM;
    }
    if (*slot < count) { /* a vacant one: it has its entry */
        xd_free(entry);
        return XD_OK;
    }
    *entry = (struct entry){.child = XDW_CHILD_NONE};
    supervisor->entries[*slot] = entry;
    return XD_OK;
}

enum xd_err xdw_supervisor_start(struct xdw_supervisor *supervisor,
                                 const struct xdw_command *command,
                                 uint32_t *slot,
                                 struct xd_error *error)
{
    uint32_t added;
    enum xd_err err = add_slot(supervisor, &added);
    if (err) {
        return xd_fail(error, err, "no memory for a slot");
    }
    err = fill_entry(supervisor, command, added, error);
    if (err) {
        return err; /* the slot stays vacant */
    }
    xdw_pool_event(&supervisor->pool, added, XDW_EV_START, supervisor->now);
    *slot = added;
    return XD_OK;
}

void xdw_supervisor_stop(struct xdw_supervisor *supervisor,
                         uint32_t slot,
                         int64_t grace_ns,
                         int64_t now_ns)
{
    xd_time now = now_ns > supervisor->now ? now_ns : supervisor->now;
    for (uint32_t i = 0; is_at(supervisor, i); i++) {
        if ((slot == i || slot == XDW_ALL_SLOTS) &&
            xdw_pool_stop(&supervisor->pool, i, grace_ns, now) &&
            supervisor->pool.slots[i].state == XDW_FINISHED) {
            notify_state(supervisor, i);
        }
    }
}

enum xd_err xdw_supervisor_kill(struct xdw_supervisor *supervisor, uint32_t slot)
{
    if (!is_at(supervisor, slot) || supervisor->entries[slot]->child.pid == 0) {
        return XD_ERR_NOT_FOUND;
    }
    xdw_child_signal(&supervisor->entries[slot]->child, SIGKILL);
    return XD_OK;
}

enum xd_err xdw_supervisor_forget(struct xdw_supervisor *supervisor, uint32_t slot)
{
    if (!is_at(supervisor, slot) || supervisor->pool.slots[slot].state == XDW_VACANT) {
        return XD_ERR_NOT_FOUND;
    }
    if (!xdw_state_is_over(supervisor->pool.slots[slot].state)) {
        return XD_ERR_BUSY;
    }
    xdw_pool_event(&supervisor->pool, slot, XDW_EV_FORGET, supervisor->now);
    clear_entry(supervisor->entries[slot]);
    return XD_OK;
}

void xdw_supervisor_slot(const struct xdw_supervisor *supervisor,
                         uint32_t slot,
                         enum xdw_state *state,
                         pid_t *pid)
{
    bool known = is_at(supervisor, slot);
    if (state) {
        *state = known ? supervisor->pool.slots[slot].state : XDW_VACANT;
    }
    if (pid) {
        *pid = known ? supervisor->entries[slot]->child.pid : 0;
    }
}

uint32_t xdw_supervisor_count(const struct xdw_supervisor *supervisor,
                              enum xdw_state state)
{
    uint32_t count = 0;
    for (size_t i = 0; i < supervisor->pool.count && state != XDW_VACANT; i++) {
        count += supervisor->pool.slots[i].state == state;
    }
    return count;
}

bool xdw_supervisor_is_over(const struct xdw_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->pool.count; i++) {
        if (!xdw_state_is_over(supervisor->pool.slots[i].state)) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

static struct xdw_supervisor_options with_defaults(
    const struct xdw_supervisor_options *options)
{
    struct xdw_supervisor_options full = {0};
    if (options) {
        full = *options;
    }
    full.line_limit = full.line_limit ? full.line_limit : 8192;
    full.backoff_ns = full.backoff_ns > 0 ? full.backoff_ns : 100 * XD_MS;
    full.backoff_cap_ns = full.backoff_cap_ns > 0 ? full.backoff_cap_ns : 30 * XD_S;
    full.stable_ns = full.stable_ns > 0 ? full.stable_ns : 10 * XD_S;
    full.plain = full.plain || !xdw_watch_is_known();
    return full;
}

enum xd_err xdw_supervisor_new(const struct xdw_supervisor_options *options,
                               struct xdw_supervisor **out,
                               struct xd_error *error)
{
    struct xdw_supervisor *made = xd_zalloc(sizeof *made);
    if (!made) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for a supervisor");
    }
    made->options = with_defaults(options);
    made->owner = getpid();
    made->watch_fd = -1;
    if (!made->options.plain && xdw_watch_open(&made->watch_fd)) {
        xd_free(made);
        return xd_fail(error, XD_ERR_SYSTEM, "no descriptor for a supervisor");
    }
    const struct xdw_pool_config config = {
        .backoff = made->options.backoff_ns,
        .backoff_cap = made->options.backoff_cap_ns,
        .stable = made->options.stable_ns,
        .give_up_after = made->options.give_up_after,
        .seed = made->options.seed,
    };
    xdw_pool_init(&made->pool, &config);
    *out = made;
    return XD_OK;
}

static void end_children(struct xdw_supervisor *supervisor)
{
    xdw_supervisor_stop(supervisor, XDW_ALL_SLOTS, 0, supervisor->now);
    carry_out(supervisor);
    for (uint32_t slot = 0; is_at(supervisor, slot); slot++) {
        xdw_child_signal(&supervisor->entries[slot]->child, SIGKILL);
        check_end(supervisor, slot, true);
    }
}

void xdw_supervisor_free(struct xdw_supervisor *supervisor)
{
    if (!supervisor) {
        return;
    }
    bool ours = supervisor->owner == getpid();
    if (ours) {
        end_children(supervisor);
    }
    for (size_t i = 0; i < supervisor->pool.count; i++) {
        xdw_child_close(&supervisor->entries[i]->child);
        clear_entry(supervisor->entries[i]);
        xd_free(supervisor->entries[i]);
    }
    if (supervisor->watch_fd >= 0) {
        close(supervisor->watch_fd);
    }
    xd_free(supervisor->entries);
    xdw_pool_fini(&supervisor->pool);
    xd_free(supervisor);
}
