/* SPDX-License-Identifier: MIT */
/* The parent's loop over supervisor, signals and its own life pipe. */
#include "agent.h"

#include <czmq.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/signalfd.h>

#include "base/time.h"
#include "command.h"
#include "control.h"
#include "crossdock_agent.h"
#include "crossdock_supervise.h"
#include "guard.h"
#include "host.h"
#include "slot.h"

struct agent {
    const struct xdw_options *options;
    struct xdw_supervisor *supervisor;
    struct xdw_control control;
    struct xd_agent *session;
    struct xdw_slot_command slot_command;
    bool is_ready[XDW_SLOTS_MAX]; /* by slot: has been, at least once */
    uint32_t ready;
    bool announced, failed;
    enum xd_err told_state;        /* of the session, when it was last logged */
    char line[XDW_LOG_LINE_BYTES]; /* one, with control characters written out */
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
    const char *source = out ? "stdout" : "stderr";
    size_t size = xdw_escape(line->text, line->size, agent->line, sizeof agent->line);
    fprintf(stream,
            "slot=%" PRIu32 " stream=%s%s ",
            line->slot,
            source,
            line->more ? " part=1" : "");
    fwrite(agent->line, 1, size, stream);
    putc('\n', stream);
    fflush(stream);
    xdw_control_line(&agent->control, line->slot, source, agent->line, size);
}

/* "state=backoff pid=7 signal=9 crashes=1 restart_ms=80". */
static void describe(const struct xdw_notice *notice, char *out, size_t room)
{
    int used = snprintf(out, room, "state=%s", xdw_state_name(notice->state));
    size_t at = (size_t)used;
    if (notice->pid != 0) {
        at += (size_t)snprintf(out + at, room - at, " pid=%d", (int)notice->pid);
    }
    if (notice->end.how != XDW_END_NONE) {
        at += (size_t)snprintf(out + at,
                               room - at,
                               " %s=%d",
                               notice->end.how == XDW_END_EXIT ? "exit" : "signal",
                               notice->end.code);
    }
    if (notice->state == XDW_BACKOFF) {
        snprintf(out + at,
                 room - at,
                 " crashes=%" PRIu32 " restart_ms=%" PRId64,
                 notice->crashes,
                 notice->delay_ns / XD_MS);
    } else if (notice->text[0]) {
        snprintf(out + at, room - at, " reason=\"%s\"", notice->text);
    }
}

/* Error: it could not even start; warning: it ended by itself, and not in order. */
static void log_notice(struct agent *agent, const struct xdw_notice *notice)
{
    char text[400];
    bool over = notice->end.how != XDW_END_NONE;
    bool bad = notice->state == XDW_FAILED || notice->state == XDW_BACKOFF;
    void (*log)(const char *, ...) =
        over  ? notice->state == XDW_FINISHED ? zsys_info : zsys_warning
        : bad ? zsys_error
              : zsys_info;
    describe(notice, text, sizeof text);
    log("slot=%" PRIu32 " %s", notice->slot, text);
    xdw_control_line(&agent->control, notice->slot, "event", text, strlen(text));
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
    log_notice(agent, notice);
    xdw_control_notice(&agent->control, notice, now());
    if (notice->state == XDW_UP && !agent->options->modules[0]) {
        become_ready(agent, notice->slot);
    }
    if (notice->state == XDW_FAILED || is_unusable(agent->options, &notice->end)) {
        agent->failed = true;
    }
}

/* ---- slots ---- */

static enum xd_err start_slots(struct agent *agent, struct xd_error *error)
{
    enum xd_err err = XD_OK;
    for (uint32_t i = 0; !err && i < agent->options->slots; i++) {
        uint32_t slot;
        err = xdw_supervisor_start(agent->supervisor,
                                   &agent->slot_command.command,
                                   &slot,
                                   error);
    }
    return err;
}

static enum xd_err open_session(struct agent *agent, struct xd_error *error)
{
    const struct xdw_options *options = agent->options;
    size_t labels = 0;
    while (options->labels[labels]) {
        labels++;
    }
    const struct xd_agent_options session = {
        .address = options->url,
        .name = options->name,
        .labels = labels ? options->labels : NULL,
        .label_count = labels,
        .slots = options->slots,
        .cores = xdw_host_cores(),
        .memory_bytes = xdw_host_memory(),
    };
    return xd_agent_open(&session, &agent->session, error);
}

static enum xd_err start(struct agent *agent, struct xd_error *error)
{
    enum xd_err err = open_session(agent, error);
    if (!err) {
        err = xdw_slot_command_make(&agent->slot_command,
                                    agent->options,
                                    xd_agent_number(agent->session),
                                    error);
    }
    return err ? err : start_slots(agent, error);
}

/* ---- the loop ---- */

static void stop(struct agent *agent, xd_time grace)
{
    agent->control.draining = true;
    zsys_info("event=stop grace_s=%" PRId64, grace / XD_S);
    xdw_supervisor_stop(agent->supervisor, XDW_ALL_SLOTS, grace, now());
}

/* The first signal ends in order, the second at once. */
static void on_signal(struct agent *agent)
{
    bool again = agent->control.draining;
    agent->failed |= again;
    stop(agent, again ? 0 : (xd_time)agent->options->grace_s * XD_S);
}

static void on_question(struct agent *agent, const struct xd_agent_question *question)
{
    char *text;
    enum xd_err code = xdw_control_answer(&agent->control, question, now(), &text);
    zsys_info("event=asked verb=%s answer=%s", question->verb, xd_err_name(code));
    xd_agent_answer(agent->session,
                    question,
                    code,
                    text ? text : "",
                    strlen(text ? text : ""));
    free(text);
}

static void on_session(struct agent *agent)
{
    const struct xd_agent_question *question;
    while (xd_agent_next(agent->session, &question) == XD_OK) {
        on_question(agent, question);
    }
    struct xd_error why = {""};
    enum xd_err state = xd_agent_state(agent->session, &why);
    if (state == agent->told_state) {
        return;
    }
    agent->told_state = state;
    if (state == XD_OK) {
        zsys_info("event=session state=open");
    } else {
        zsys_warning("event=session state=lost reason=\"%s\"", why.text);
    }
}

static void loop(struct agent *agent, int signal_fd, int life_fd)
{
    enum { SUPERVISOR, SIGNALS, LIFE, SESSION, FDS };
    struct pollfd fds[FDS] = {
        [SUPERVISOR] = {.fd = xdw_supervisor_fd(agent->supervisor), .events = POLLIN},
        [SIGNALS] = {.fd = signal_fd, .events = POLLIN},
        [LIFE] = {.fd = life_fd, .events = POLLIN},
        [SESSION] = {.fd = xd_agent_fd(agent->session), .events = POLLIN},
    };
    bool restarts = false;
    while (restarts || !xdw_supervisor_is_over(agent->supervisor)) {
        poll(fds,
             FDS,
             xd_time_poll_ms(now(), xdw_supervisor_deadline(agent->supervisor)));
        struct signalfd_siginfo info;
        if (fds[SIGNALS].revents && read(signal_fd, &info, sizeof info) > 0) {
            on_signal(agent);
        }
        if (fds[LIFE].revents) {
            fds[LIFE].fd = -1; /* our own parent is gone */
            on_signal(agent);
        }
        if (fds[SESSION].revents) {
            on_session(agent);
        }
        if (agent->control.drain_grace != XD_NEVER) {
            stop(agent, agent->control.drain_grace);
            agent->control.drain_grace = XD_NEVER;
        }
        xdw_supervisor_step(agent->supervisor, now());
        restarts = xdw_control_restart(&agent->control, &agent->slot_command.command);
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

static enum xd_err init(struct agent *agent, struct xd_error *error)
{
    const struct xdw_supervisor_options supervision = {
        .notice = on_notice,
        .line = on_line,
        .context = agent,
        .give_up_after = agent->options->give_up_after,
        .seed = (uint64_t)now() ^ (uint64_t)getpid() << 40,
        .death_signal = SIGTERM,
    };
    enum xd_err err = xdw_supervisor_new(&supervision, &agent->supervisor, error);
    if (!err && xdw_control_init(&agent->control,
                                 agent->supervisor,
                                 agent->options->slots,
                                 (xd_time)agent->options->grace_s * XD_S)) {
        err = xd_fail(error, XD_ERR_NOMEM, "no memory");
    }
    return err ? err : start(agent, error);
}

static void fini(struct agent *agent)
{
    xdw_supervisor_free(agent->supervisor);
    xd_agent_close(agent->session);
    xdw_control_fini(&agent->control);
    xdw_slot_command_fini(&agent->slot_command);
}

int xdw_agent_run(const struct xdw_options *options)
{
    static struct agent agent; /* one a process, and large */
    agent = (struct agent){.options = options, .told_state = XD_ERR_AGAIN};
    open_log(options);
    int signal_fd = open_signals();
    struct xd_error error = {""};
    if (init(&agent, &error)) {
        zsys_error("event=start reason=\"%s\"", error.text);
        agent.failed = true;
    } else {
        loop(&agent, signal_fd, xdw_life_fd());
    }
    fini(&agent);
    close(signal_fd);
    return agent.failed ? 1 : 0;
}
