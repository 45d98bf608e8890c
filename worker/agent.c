/* SPDX-License-Identifier: MIT */
/* The parent's loop over supervisor, signals and its own life pipe. */
#include "agent.h"

#include <czmq.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sys/signalfd.h>

#include "base/time.h"
#include "crossdock_supervise.h"
#include "guard.h"
#include "handlers.h"
#include "slot.h"

struct agent {
    const struct xdw_options *options;
    struct xdw_supervisor *supervisor;
    bool is_ready[XDW_SLOTS_MAX]; /* by slot: has been, at least once */
    uint32_t ready;
    bool announced, stopping, failed;
};

static xd_time now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (xd_time)time.tv_sec * XD_S + time.tv_nsec;
}

/* ---- what is printed ---- */

static void become_ready(struct agent *agent, uint32_t slot)
{
    const struct xdw_options *options = agent->options;
    agent->ready += !agent->is_ready[slot];
    agent->is_ready[slot] = true;
    if (agent->ready < options->slots || agent->announced) {
        return;
    }
    agent->announced = true;
    printf("ready slots=%" PRIu32 " pid=%d", options->slots, (int)getpid());
    if (options->profile) {
        printf(" profile=%s", options->profile);
    }
    if (options->name) {
        printf(" name=%s", options->name);
    }
    puts("");
}

/* Control characters could forge lines, or drive a terminal. */
static void print_text(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            fprintf(out, "\\x%02x", byte);
        } else {
            putc(byte, out);
        }
    }
}

static void on_line(void *context, const struct xdw_line *line)
{
    struct agent *agent = context;
    bool out = line->stream == XDW_STDOUT;
    if (out && agent->options->modules[0] && line->size == strlen(XDW_SLOT_READY) &&
        memcmp(line->text, XDW_SLOT_READY, line->size) == 0) {
        become_ready(agent, line->slot);
        return;
    }
    FILE *stream = out ? stdout : stderr;
    fprintf(stream,
            "slot=%" PRIu32 " stream=%s%s ",
            line->slot,
            out ? "stdout" : "stderr",
            line->more ? " part=1" : "");
    print_text(stream, line->text, line->size);
    putc('\n', stream);
    fflush(stream);
}

static void log_end(const struct xdw_notice *notice, const char *rest)
{
    const char *how = notice->end.how == XDW_END_EXIT ? "exit" : "signal";
    void (*log)(const char *, ...) =
        notice->state == XDW_FINISHED ? zsys_info : zsys_warning;
    log("slot=%" PRIu32 " state=%s pid=%d %s=%d%s",
        notice->slot,
        xdw_state_name(notice->state),
        (int)notice->pid,
        how,
        notice->end.code,
        rest);
}

static void log_notice(const struct xdw_notice *notice)
{
    char rest[300] = "";
    if (notice->state == XDW_BACKOFF) {
        snprintf(rest,
                 sizeof rest,
                 " crashes=%" PRIu32 " restart_ms=%" PRId64,
                 notice->crashes,
                 notice->delay_ns / XD_MS);
    } else if (notice->text[0]) {
        snprintf(rest, sizeof rest, " reason=\"%s\"", notice->text);
    }
    if (notice->end.how != XDW_END_NONE) {
        log_end(notice, rest);
    } else if (notice->state == XDW_FAILED || notice->state == XDW_BACKOFF) {
        zsys_error("slot=%" PRIu32 " state=%s%s",
                   notice->slot,
                   xdw_state_name(notice->state),
                   rest);
    } else {
        zsys_info("slot=%" PRIu32 " state=%s pid=%d",
                  notice->slot,
                  xdw_state_name(notice->state),
                  (int)notice->pid);
    }
}

/* A slot that could never work: a module, or R or its package, is not as it should be. (A
 * command of the user's has its own reasons for ending.) */
static bool is_unusable(const struct xdw_options *options, const struct xdw_end *end)
{
    if (end->how != XDW_END_EXIT) {
        return false;
    }
    return (options->modules[0] && end->code == XDW_EXIT_SETUP) ||
           (options->r && (end->code == 1 || end->code == XDW_EXIT_SETUP));
}

static void on_notice(void *context, const struct xdw_notice *notice)
{
    struct agent *agent = context;
    log_notice(notice);
    if (notice->state == XDW_UP && !agent->options->modules[0]) {
        become_ready(agent, notice->slot);
    }
    if (notice->state == XDW_FAILED || is_unusable(agent->options, &notice->end)) {
        agent->failed = true;
    }
}

/* ---- slots ---- */

/* This program once more, in its slot mode. */
struct slot_command {
    char self[PATH_MAX], modules[XDW_MODULES_MAX][PATH_MAX], hold[12];
    const char *argv[2 * XDW_MODULES_MAX + 5];
};

static enum xd_err make_slot_command(struct slot_command *command,
                                     const struct xdw_options *options,
                                     struct xd_error *error)
{
    ssize_t size = readlink("/proc/self/exe", command->self, PATH_MAX - 1);
    if (size <= 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "/proc/self/exe cannot be read");
    }
    command->self[size] = '\0';
    snprintf(command->hold, sizeof command->hold, "%" PRIu32, options->hold);
    const char **arg = command->argv;
    *arg++ = command->self;
    *arg++ = "--slot";
    *arg++ = "--hold";
    *arg++ = command->hold;
    for (int i = 0; options->modules[i]; i++) {
        enum xd_err err =
            xdw_module_file(options->modules[i], command->modules[i], error);
        if (err) {
            return err;
        }
        *arg++ = "--module";
        *arg++ = command->modules[i];
    }
    *arg = NULL;
    return XD_OK;
}

static enum xd_err start_slots(struct agent *agent,
                               const char *const *argv,
                               struct xd_error *error)
{
    const struct xdw_command command = {
        .argv = argv,
        .url = agent->options->url,
        .profile = agent->options->profile,
    };
    enum xd_err err = XD_OK;
    for (uint32_t i = 0; !err && i < agent->options->slots; i++) {
        uint32_t slot;
        err = xdw_supervisor_start(agent->supervisor, &command, &slot, error);
    }
    return err;
}

static enum xd_err start(struct agent *agent, struct xd_error *error)
{
    const struct xdw_options *options = agent->options;
    if (options->command) {
        return start_slots(agent, options->command, error);
    }
    struct slot_command *command = calloc(1, sizeof *command);
    if (!command) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory");
    }
    enum xd_err err = make_slot_command(command, options, error);
    err = err ? err : start_slots(agent, command->argv, error);
    free(command);
    return err;
}

/* ---- the loop ---- */

static void stop(struct agent *agent)
{
    xd_time grace = agent->stopping ? 0 : (xd_time)agent->options->grace_s * XD_S;
    agent->failed |= agent->stopping;
    agent->stopping = true;
    zsys_info("event=stop grace_s=%" PRId64, grace / XD_S);
    xdw_supervisor_stop(agent->supervisor, XDW_ALL_SLOTS, grace, now());
}

static void loop(struct agent *agent, int signal_fd, int life_fd)
{
    enum { SUPERVISOR, SIGNALS, LIFE, FDS };
    struct pollfd fds[FDS] = {
        [SUPERVISOR] = {.fd = xdw_supervisor_fd(agent->supervisor), .events = POLLIN},
        [SIGNALS] = {.fd = signal_fd, .events = POLLIN},
        [LIFE] = {.fd = life_fd, .events = POLLIN},
    };
    while (!xdw_supervisor_is_over(agent->supervisor)) {
        poll(fds,
             FDS,
             xd_time_poll_ms(now(), xdw_supervisor_deadline(agent->supervisor)));
        struct signalfd_siginfo info;
        if (fds[SIGNALS].revents && read(signal_fd, &info, sizeof info) > 0) {
            stop(agent);
        }
        if (fds[LIFE].revents) {
            fds[LIFE].fd = -1; /* our own parent is gone */
            stop(agent);
        }
        xdw_supervisor_step(agent->supervisor, now());
    }
}

static int open_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN); /* nobody reads our lines: no reason to end tasks */
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void open_log(const struct xdw_options *options)
{
    zsys_handler_set(NULL);
    zsys_set_logstream(stderr);
    if (options->name) {
        zsys_set_logident(options->name);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
}

int xdw_agent_run(const struct xdw_options *options)
{
    open_log(options);
    int signal_fd = open_signals();
    struct agent agent = {.options = options};
    struct xd_error error = {""};
    const struct xdw_supervisor_options supervision = {
        .notice = on_notice,
        .line = on_line,
        .context = &agent,
        .give_up_after = options->give_up_after,
        .seed = (uint64_t)now() ^ (uint64_t)getpid() << 40,
        .death_signal = SIGTERM,
    };
    enum xd_err err = xdw_supervisor_new(&supervision, &agent.supervisor, &error);
    err = err ? err : start(&agent, &error);
    if (err) {
        zsys_error("event=start reason=\"%s\"", error.text);
        agent.failed = true;
    } else {
        loop(&agent, signal_fd, xdw_life_fd());
    }
    xdw_supervisor_free(agent.supervisor);
    close(signal_fd);
    return agent.failed ? 1 : 0;
}
