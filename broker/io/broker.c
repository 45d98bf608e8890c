/* SPDX-License-Identifier: MIT */
/* crossdock_broker.h: the loop in a thread of its own. */
#include "crossdock_broker.h"

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "io/server.h"

struct xd_broker {
    struct xdb_server *server;
    pthread_t thread;
    pid_t pid; /* of the process that started it: a forked child has no thread */
};

static void *run(void *argument)
{
    struct xdb_server *server = argument;
    struct xd_error why = {""};
    enum xd_err err = xdb_server_run(server, &why);
    xdb_commands_end(&server->commands, err, &why);
    return NULL;
}

enum xd_err xd_broker_start(const struct xd_broker_options *options,
                            struct xd_broker **out,
                            struct xd_error *error)
{
    static const struct xd_broker_options nothing;
    struct xd_broker *broker = xd_zalloc(sizeof *broker);
    if (broker == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for a broker");
    }
    broker->pid = getpid();
    enum xd_err err =
        xdb_server_new(options == NULL ? &nothing : options, &broker->server, error);
    if (err == XD_OK) {
        err = xd_thread_start(&broker->thread, run, broker->server);
        if (err != XD_OK) {
            (void)xd_fail(error, err, "cannot start the broker's thread");
            xdb_server_free(broker->server);
        }
    }
    if (err != XD_OK) {
        xd_free(broker);
        return err;
    }
    *out = broker;
    return XD_OK;
}

const char *xd_broker_address(const struct xd_broker *broker)
{
    return broker->server->listeners.items[0].endpoint[0];
}

const char *xd_broker_listens(const struct xd_broker *broker, size_t index)
{
    const struct xdb_listeners *all = &broker->server->listeners;
    return index < all->count ? all->items[index].endpoint[0] : NULL;
}

_Static_assert(XD_BROKER_PORTS == XDB_SOCKET_COUNT, "a port for each socket");

enum xd_err xd_broker_ports(const struct xd_broker *broker,
                            size_t index,
                            unsigned ports[XD_BROKER_PORTS])
{
    const struct xdb_listeners *all = &broker->server->listeners;
    if (index >= all->count) {
        return XD_ERR_NOT_FOUND;
    }
    if (!all->items[index].is_tcp) {
        return XD_ERR_UNSUPPORTED;
    }
    for (int i = 0; i < XD_BROKER_PORTS; i++) {
        ports[i] = xd_address_port(all->items[index].endpoint[i]);
    }
    return XD_OK;
}

enum xd_err xd_broker_link(struct xd_broker *broker, struct xd_link **out)
{
    struct xdb_embed *embed;
    if (broker->pid != getpid()) {
        return XD_ERR_GONE;
    }
    enum xd_err err = xdb_embed_new(broker->server->embeds, &embed);
    if (err == XD_OK) {
        *out = &embed->link;
    }
    return err;
}

enum xd_err xd_broker_drain(struct xd_broker *broker, int timeout_ms)
{
    struct xdb_commands *commands = &broker->server->commands;
    if (broker->pid != getpid()) {
        return XD_ERR_GONE;
    }
    enum xd_err err =
        xdb_command(commands, broker->server->embeds->broker_fd, XDB_COMMAND_DRAIN, NULL);
    return err != XD_OK ? err
                        : xdb_commands_wait(commands, &commands->drained, timeout_ms);
}

void xd_broker_stop(struct xd_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    if (broker->pid == getpid()) {
        struct xdb_server *server = broker->server;
        enum xd_err err = xdb_command(&server->commands,
                                      server->embeds->broker_fd,
                                      XDB_COMMAND_STOP,
                                      NULL);
        (void)err; /* XD_ERR_GONE: it has ended already */
        pthread_join(broker->thread, NULL);
        xdb_server_free(server);
    }
    xd_free(broker);
}

enum xd_err xd_broker_wait(struct xd_broker *broker,
                           int timeout_ms,
                           struct xd_error *error)
{
    struct xdb_commands *commands = &broker->server->commands;
    if (broker->pid != getpid()) {
        return xd_fail(error, XD_ERR_GONE, "this process is a fork of the broker's");
    }
    enum xd_err err = xdb_commands_wait(commands, &commands->ended, timeout_ms);
    if (err != XD_OK) {
        return err;
    }
    if (commands->result != XD_OK && error != NULL) {
        *error = commands->why;
    }
    return commands->result;
}

enum xd_err xd_broker_status(struct xd_broker *broker, char **json)
{
    if (broker->pid != getpid()) {
        return XD_ERR_GONE;
    }
    struct xdb_server *server = broker->server;
    return xdb_command(&server->commands,
                       server->embeds->broker_fd,
                       XDB_COMMAND_STATUS,
                       json);
}
