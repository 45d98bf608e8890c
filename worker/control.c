/* SPDX-License-Identifier: MIT */
/* The verbs of a host agent. */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* `logs` without a number. */
#define LOG_LINES 100u
/* A grace in seconds, at most. */
#define GRACE_MAX 1000000u

enum xd_err xdw_control_init(struct xdw_control *control,
                             struct xdw_supervisor *supervisor,
                             uint32_t slots,
                             xd_time grace)
{
    *control = (struct xdw_control){.supervisor = supervisor,
                                    .slots = xd_calloc(slots + 1, sizeof *control->slots),
                                    .count = slots,
                                    .grace = grace,
                                    .drain_grace = XD_NEVER};
    return control->slots == NULL ? XD_ERR_NOMEM : XD_OK;
}

void xdw_control_fini(struct xdw_control *control)
{
    for (uint32_t i = 0; control->slots != NULL && i < control->count; i++) {
        xdw_log_fini(&control->slots[i].log);
    }
    xd_free(control->slots);
    control->slots = NULL;
}

void xdw_control_notice(struct xdw_control *control,
                        const struct xdw_notice *notice,
                        xd_time now)
{
    struct xdw_record *record = &control->slots[notice->slot];
    record->crashes = notice->crashes;
    if (notice->state == XDW_UP) {
        record->starts++;
        record->since = now;
    }
}

void xdw_control_line(struct xdw_control *control,
                      uint32_t slot,
                      const char *source,
                      const char *text,
                      size_t size)
{
    xdw_log_add(&control->slots[slot].log, source, text, size);
}

/* ---- arguments ---- */

/* What a verb works on; its answer is written to `out`. */
struct request {
    struct xdw_control *control;
    const struct xd_agent_question *question;
    xd_time now;
    FILE *out;
};

static enum xd_err refuse(struct request *request, enum xd_err code, const char *words)
{
    fputs(words, request->out);
    return code;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
        return false;
    }
    *out = value;
    return true;
}

/* Argument `at` as a number up to `most`; `out` stays where there is no such argument. */
static bool optional_number(const struct request *request,
                            size_t at,
                            uint64_t most,
                            uint64_t *out)
{
    uint64_t value;
    if (request->question->arg_count <= at) {
        return true;
    }
    if (!read_number(request->question->args[at], &value) || value > most) {
        return false;
    }
    *out = value;
    return true;
}

static enum xd_err find_slot(struct request *request, uint32_t *out)
{
    uint64_t number;
    if (request->question->arg_count < 1 ||
        !read_number(request->question->args[0], &number)) {
        return refuse(request, XD_ERR_INVALID, "the first argument is a slot's number");
    }
    if (number >= request->control->count) {
        fprintf(request->out,
                "there is no slot %" PRIu64 ": they are 0 to %" PRIu32,
                number,
                request->control->count - 1);
        return XD_ERR_NOT_FOUND;
    }
    *out = (uint32_t)number;
    return XD_OK;
}

/* ---- verbs ---- */

static enum xd_err say_slots(struct request *request)
{
    struct xdw_control *control = request->control;
    fputs("{\"slots\":[", request->out);
    for (uint32_t i = 0; i < control->count; i++) {
        const struct xdw_record *record = &control->slots[i];
        enum xdw_state state;
        pid_t pid;
        xdw_supervisor_slot(control->supervisor, i, &state, &pid);
        fprintf(request->out,
                "%s{\"slot\":%" PRIu32 ",\"pid\":%d,\"state\":\"%s\",\"crashes\":%" PRIu32
                ",\"starts\":%" PRIu32 ",\"up_ms\":%" PRId64 "}",
                i == 0 ? "" : ",",
                i,
                (int)pid,
                xdw_state_name(state),
                record->crashes,
                record->starts,
                pid == 0 ? 0 : (request->now - record->since) / XD_MS);
    }
    fputs("]}\n", request->out);
    return XD_OK;
}

/* A slot's number, else a slot's process: pids that small are not ours to have. */
static enum xd_err find_process(struct request *request, uint32_t *slot)
{
    struct xdw_control *control = request->control;
    uint64_t number;
    if (request->question->arg_count != 1 ||
        !read_number(request->question->args[0], &number)) {
        return refuse(request, XD_ERR_INVALID, "kill: a slot's number, or its pid");
    }
    for (uint32_t i = 0; i < control->count; i++) {
        pid_t pid;
        xdw_supervisor_slot(control->supervisor, i, NULL, &pid);
        if (number == i ||
            (number >= control->count && pid > 0 && (uint64_t)pid == number)) {
            *slot = i;
            return XD_OK;
        }
    }
    fprintf(request->out, "no slot and no process of a slot is %" PRIu64, number);
    return XD_ERR_NOT_FOUND;
}

static enum xd_err kill_slot(struct request *request)
{
    uint32_t slot;
    pid_t pid;
    enum xd_err err = find_process(request, &slot);
    if (err != XD_OK) {
        return err;
    }
    xdw_supervisor_slot(request->control->supervisor, slot, NULL, &pid);
    if (xdw_supervisor_kill(request->control->supervisor, slot) != XD_OK) {
        fprintf(request->out, "slot %" PRIu32 " has no process now", slot);
        return XD_ERR_NOT_FOUND;
    }
    fprintf(request->out, "killed slot %" PRIu32 ", pid %d\n", slot, (int)pid);
    return XD_OK;
}

static enum xd_err restart_slot(struct request *request)
{
    struct xdw_control *control = request->control;
    uint32_t slot;
    enum xd_err err = find_slot(request, &slot);
    if (err != XD_OK) {
        return err;
    }
    if (control->draining) {
        return refuse(request, XD_ERR_GONE, "the agent is about to end");
    }
    control->slots[slot].restarting = true;
    xdw_supervisor_stop(control->supervisor, slot, control->grace, request->now);
    fprintf(request->out, "restarting slot %" PRIu32 "\n", slot);
    return XD_OK;
}

static enum xd_err say_log(struct request *request)
{
    uint32_t slot;
    uint64_t lines = LOG_LINES;
    enum xd_err err = find_slot(request, &slot);
    if (err != XD_OK) {
        return err;
    }
    if (!optional_number(request, 1, UINT32_MAX, &lines)) {
        return refuse(request, XD_ERR_INVALID, "logs: a slot, and a number of lines");
    }
    xdw_log_tail(&request->control->slots[slot].log, (size_t)lines, request->out);
    return XD_OK;
}

static enum xd_err drain(struct request *request)
{
    struct xdw_control *control = request->control;
    uint64_t seconds = (uint64_t)(control->grace / XD_S);
    if (!optional_number(request, 0, GRACE_MAX, &seconds)) {
        return refuse(request, XD_ERR_INVALID, "drain: a number of seconds");
    }
    control->drain_grace = (xd_time)seconds * XD_S;
    fprintf(request->out, "draining, within %" PRIu64 " s\n", seconds);
    return XD_OK;
}

static const struct {
    const char *name;
    enum xd_err (*run)(struct request *request);
} verbs[] = {
    {"slots", say_slots},
    {"kill", kill_slot},
    {"restart", restart_slot},
    {"logs", say_log},
    {"drain", drain},
};

static enum xd_err run_verb(struct request *request)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, request->question->verb) == 0) {
            return verbs[i].run(request);
        }
    }
    return refuse(request,
                  XD_ERR_UNSUPPORTED,
                  "an agent's verbs are slots, kill, restart, logs and drain");
}

enum xd_err xdw_control_answer(struct xdw_control *control,
                               const struct xd_agent_question *question,
                               xd_time now,
                               char **text)
{
    size_t size;
    struct request request = {control, question, now, NULL};
    *text = NULL;
    request.out = open_memstream(text, &size);
    if (request.out == NULL) {
        return XD_ERR_NOMEM;
    }
    enum xd_err code = run_verb(&request);
    bool ok = ferror(request.out) == 0;
    if (fclose(request.out) != 0 || !ok) {
        free(*text);
        *text = NULL;
        return XD_ERR_NOMEM;
    }
    return code;
}

/* ---- restarts ---- */

/* Its number is the lowest vacant one, since no other was made vacant. */
static void start_anew(struct xdw_control *control,
                       const struct xdw_command *command,
                       uint32_t slot)
{
    static const char words[] = "it cannot be restarted: no memory";
    uint32_t given;
    control->slots[slot].restarting = false;
    if (xdw_supervisor_forget(control->supervisor, slot) != XD_OK ||
        xdw_supervisor_start(control->supervisor, command, &given, NULL) != XD_OK) {
        xdw_control_line(control, slot, "event", words, sizeof words - 1);
    }
}

bool xdw_control_restart(struct xdw_control *control, const struct xdw_command *command)
{
    bool some = false;
    for (uint32_t i = 0; i < control->count; i++) {
        enum xdw_state state;
        if (!control->slots[i].restarting) {
            continue;
        }
        xdw_supervisor_slot(control->supervisor, i, &state, NULL);
        if (control->draining) {
            control->slots[i].restarting = false;
        } else if (state == XDW_FINISHED || state == XDW_FAILED) {
            start_anew(control, command, i);
        } else {
            some = true;
        }
    }
    return some;
}
