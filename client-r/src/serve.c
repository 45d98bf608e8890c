/* SPDX-License-Identifier: MIT */
/* The broker's process of a session that listens on tcp: what runs in it. It ends when it
 * is told to, when the session is gone, or when the broker itself ends. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "calls.h"

/* How often the broker is asked whether it still runs. */
#define LOOK_MS 500

#define ON_TCP 1 /* the place of that address */

static int wake_fd = -1; /* the signal handler has nothing but statics to reach */

static void on_terminate(int number)
{
    (void)number;
    uint64_t one = 1;
    ssize_t written = write(wake_fd, &one, sizeof one);
    (void)written;
}

/* What someone should know goes to standard error; its last lines are kept by the
 * supervisor. */
static void on_log(void *context, int level, const char *line)
{
    (void)context;
    if (level <= 1) {
        (void)dprintf(STDERR_FILENO, "%s\n", line);
    }
}

/* The file is there whole or not at all. */
static void report(const char *path, const char *text)
{
    char beside[4096];
    int size = snprintf(beside, sizeof beside, "%s.new", path);
    FILE *file = (size_t)size < sizeof beside ? fopen(beside, "w") : NULL;
    bool written = file != NULL && fputs(text, file) >= 0;
    written = file != NULL && fclose(file) == 0 && written;
    if (!written || rename(beside, path) != 0) {
        Rf_error("cannot write %s", path);
    }
}

/* "ready", the address on tcp, the public key, the three ports; a line each. */
static enum xd_err report_address(const char *path,
                                  const struct xd_broker *broker,
                                  struct xd_error *error)
{
    char key[XD_SERVER_KEY_ROOM], text[512];
    unsigned ports[XD_BROKER_PORTS];
    enum xd_err err = xd_server_key(NULL, key, error);
    if (err == XD_OK) {
        err = xd_broker_ports(broker, ON_TCP, ports);
    }
    if (err != XD_OK) {
        return err;
    }
    (void)snprintf(text,
                   sizeof text,
                   "ready\n%s\n%s\n%u\n%u\n%u\n",
                   xd_broker_listens(broker, ON_TCP),
                   key,
                   ports[0],
                   ports[1],
                   ports[2]);
    report(path, text);
    return XD_OK;
}

/* The error's name, and its sentence. */
static void report_failure(const char *path, enum xd_err err, const char *reason)
{
    char text[2048];
    (void)snprintf(text,
                   sizeof text,
                   "%s\n%s\n",
                   xd_err_name(err),
                   reason[0] != '\0' ? reason : xd_err_text(err));
    report(path, text);
}

/* Until somebody says stop, or the broker has ended: then its reason. */
static enum xd_err wait_for_end(struct xd_broker *broker,
                                int life_fd,
                                struct xd_error *error)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = life_fd, .events = POLLIN},
                               {.fd = wake_fd, .events = POLLIN}};
        (void)poll(fds, 2, LOOK_MS);
        if (fds[0].revents != 0 || fds[1].revents != 0) {
            return XD_OK;
        }
        enum xd_err err = xd_broker_wait(broker, 0, error);
        if (err != XD_ERR_TIMEOUT) {
            return err;
        }
    }
}

static enum xd_err serve(const char *const listen[],
                         const char *path,
                         int life_fd,
                         struct xd_error *error)
{
    struct xd_broker_options options = {.listen = listen, .log = on_log};
    struct xd_broker *broker;
    enum xd_err err = xd_broker_start(&options, &broker, error);
    if (err == XD_OK) {
        err = report_address(path, broker, error);
        err = err == XD_OK ? wait_for_end(broker, life_fd, error) : err;
        xd_broker_stop(broker);
    }
    return err;
}

/* Run a broker on a private address and on one on tcp to its end. The file `path` says
 * how it began. `life`: a descriptor whose end of file says that the session is gone. */
SEXP rxd_broker_run(SEXP local, SEXP url, SEXP path, SEXP life)
{
    const char *const listen[] =
        {[0] = rxd_text_or_null(local), [ON_TCP] = rxd_text_or_null(url), [2] = NULL};
    const char *file = Rf_translateChar(STRING_ELT(path, 0));
    struct sigaction action = {.sa_handler = on_terminate};
    xd_keep_memory(XD_KEPT_OF_MESSAGES);
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)sigaction(SIGTERM, &action, NULL);
    struct xd_error error = {""};
    enum xd_err err = serve(listen, file, Rf_asInteger(life), &error);
    if (err != XD_OK && access(file, F_OK) != 0) {
        report_failure(file, err, error.text);
    } else if (err != XD_OK) {
        rxd_raise(err, &error, "the broker has ended");
    }
    return R_NilValue;
}
