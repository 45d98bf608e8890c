/* SPDX-License-Identifier: MIT */
/* Requests to the loop from other threads of the process. */
#include "io/command.h"

#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/server.h"
#include "io/status.h"

enum xd_err xdb_commands_init(struct xdb_commands *commands)
{
    memset(commands, 0, sizeof *commands);
    pthread_condattr_t attr;
    if (pthread_mutex_init(&commands->lock, NULL) != 0) {
        return XD_ERR_SYSTEM;
    }
    bool ok = pthread_condattr_init(&attr) == 0 &&
              pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&commands->changed, &attr) == 0;
    if (!ok) {
        pthread_mutex_destroy(&commands->lock);
        return XD_ERR_SYSTEM;
    }
    pthread_condattr_destroy(&attr);
    return XD_OK;
}

void xdb_commands_fini(struct xdb_commands *commands)
{
    pthread_cond_destroy(&commands->changed);
    pthread_mutex_destroy(&commands->lock);
}

enum xd_err xdb_command(struct xdb_commands *commands,
                        int wake_fd,
                        enum xdb_command_kind kind,
                        char **json)
{
    uint64_t one = 1;
    pthread_mutex_lock(&commands->lock);
    while (commands->asked != XDB_COMMAND_NONE && !commands->ended) {
        pthread_cond_wait(&commands->changed, &commands->lock);
    }
    enum xd_err err = XD_ERR_GONE;
    if (!commands->ended) {
        commands->asked = kind;
        commands->answered = false;
        (void)!write(wake_fd, &one, sizeof one);
        while (!commands->answered && !commands->ended) {
            pthread_cond_wait(&commands->changed, &commands->lock);
        }
        err = commands->answered ? commands->err : XD_ERR_GONE;
        if (json != NULL && err == XD_OK) {
            *json = commands->json;
        }
        commands->json = NULL;
        commands->asked = XDB_COMMAND_NONE;
        pthread_cond_broadcast(&commands->changed);
    }
    pthread_mutex_unlock(&commands->lock);
    return err;
}

enum xd_err xdb_commands_wait(struct xdb_commands *commands,
                              const bool *flag,
                              int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(timeout_ms > 0 ? timeout_ms : 0) * XD_MS;
    until.tv_sec += (time_t)(ns / XD_S);
    until.tv_nsec = (long)(ns % XD_S);
    int late = 0;
    pthread_mutex_lock(&commands->lock);
    while (!*flag && !commands->ended && late == 0) {
        late = timeout_ms < 0
                   ? pthread_cond_wait(&commands->changed, &commands->lock)
                   : pthread_cond_timedwait(&commands->changed, &commands->lock, &until);
    }
    enum xd_err err = *flag || commands->ended ? XD_OK : XD_ERR_TIMEOUT;
    pthread_mutex_unlock(&commands->lock);
    return err;
}

void xdb_commands_serve(struct xdb_server *server)
{
    struct xdb_commands *commands = &server->commands;
    pthread_mutex_lock(&commands->lock);
    enum xdb_command_kind kind = commands->answered ? XDB_COMMAND_NONE : commands->asked;
    pthread_mutex_unlock(&commands->lock);
    if (kind == XDB_COMMAND_NONE) {
        return;
    }
    enum xd_err err = XD_OK;
    char *json = NULL;
    if (kind == XDB_COMMAND_STATUS) {
        err = xdb_status(server, NULL, &json);
    } else if (kind == XDB_COMMAND_DRAIN) {
        struct xdb_event event = {.kind = XDB_EVENT_DRAIN, .now = server->now};
        err = xdb_server_step(server, &event);
    } else {
        server->stopping = true;
    }
    pthread_mutex_lock(&commands->lock);
    commands->err = err;
    commands->json = json;
    commands->answered = true;
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
}

void xdb_commands_drained(struct xdb_commands *commands)
{
    pthread_mutex_lock(&commands->lock);
    commands->drained = true;
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
}

void xdb_commands_end(struct xdb_commands *commands,
                      enum xd_err result,
                      const struct xd_error *why)
{
    pthread_mutex_lock(&commands->lock);
    commands->ended = true;
    commands->result = result;
    commands->why = *why;
    pthread_cond_broadcast(&commands->changed);
    pthread_mutex_unlock(&commands->lock);
}
