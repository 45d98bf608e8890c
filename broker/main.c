/* SPDX-License-Identifier: MIT */
/* crossdock-broker: the dispatcher as a program of its own. */
#include <argp.h>
#include <czmq.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/time.h"
#include "config.h"

/* Exit codes; README.md lists them. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_IN_USE = 3 };

const char *argp_program_version = "crossdock-broker " XD_VERSION;

static const char DOC[] =
    "The dispatcher: queues tasks from clients and hands them to workers.\v"
    "tcp is always encrypted and admits only keys it knows: this user's own, and those "
    "of "
    "`crossdock keys add'. "
    "Without --listen it listens on the default address: ipc in "
    "$XDG_RUNTIME_DIR/crossdock, else "
    "/run/crossdock (root), else a directory of the user's own in the temporary "
    "directory. Once "
    "it listens it prints one line, \"ready address=ADDRESS\". SIGTERM or SIGINT: no new "
    "tasks, "
    "wait drain_ms for what is there, say BYE to everybody, end; a second one ends at "
    "once.";

static const struct argp_option OPTIONS[] = {
    {"listen",
     'l',
     "ADDRESS",
     0,
     "Listen on ADDRESS (ipc:///path, tcp://host:port); may come several times",
     0},
    {"config", 'c', "FILE", 0, "Read settings from FILE (ZPL, section broker)", 0},
    {"set", 's', "KEY=VALUE", 0, "Set one of the settings (see --settings)", 0},
    {"settings", 'S', NULL, 0, "List all settings with their meaning", 0},
    {"quiet", 'q', NULL, 0, "Log warnings and errors only", 0},
    {NULL, 0, NULL, 0, NULL, 0}};

static void list_settings(void)
{
    const char *help;
    const char *key;
    for (size_t i = 0; (key = xdb_config_key(i, &help)) != NULL; i++) {
        printf("  %-14s %s\n", key, help);
    }
}

static enum xd_err set_pair(struct xdb_config *config,
                            const char *pair,
                            struct xd_error *error)
{
    char key[64];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || (size_t)(equals - pair) >= sizeof key) {
        return xd_fail(error, XD_ERR_INVALID, "--set takes KEY=VALUE, not '%.60s'", pair);
    }
    memcpy(key, pair, (size_t)(equals - pair));
    key[equals - pair] = '\0';
    return xdb_config_set(config, key, equals + 1, error);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct xdb_config *config = state->input;
    struct xd_error why;
    enum xd_err err = XD_OK;
    switch (key) {
    case 'l':
        err = xdb_config_set(config, "listen", argument, &why);
        break;
    case 'c':
        err = xdb_config_load(config, argument, &why);
        break;
    case 's':
        err = set_pair(config, argument, &why);
        break;
    case 'q':
        config->log_level = 1;
        break;
    case 'S':
        list_settings();
        exit(0);
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (err != XD_OK) {
        fprintf(stderr, "crossdock-broker: %s\n", why.text);
        exit(EXIT_USAGE);
    }
    return 0;
}

static void log_line(void *context, int level, const char *line)
{
    static const char *const NAMES[] = {"error", "warning", "info", "debug"};
    const struct xdb_config *config = context;
    if (level > (int)config->log_level) {
        return;
    }
    struct timespec now;
    struct tm parts;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    fprintf(stderr,
            "%s.%03ldZ %s %s\n",
            stamp,
            now.tv_nsec / 1000000,
            NAMES[level],
            line);
}

/* systemd's readiness protocol: one datagram to the socket named in the environment
 * (sd_notify(3)). */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof to.sun_path) {
        return;
    }
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        socklen_t size =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        (void)
            sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
        close(fd);
    }
}

/* One descriptor a connection: take all the system gives. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* libzmq's threads allocate what the loop frees, so a burst leaves much of the heap free
 * but resident (1,850 bytes for a queued task of 1,000). Once the process rests after
 * work the system gets that back; and again after a while, longer each time, since what a
 * client leaves behind may go without anything that counts as work. One arena for all
 * threads would do it too, but costs a tenth of the throughput. */
#define TRIM_FIRST (XD_S / 2)
#define TRIM_LAST (60 * XD_S)

struct rest {
    xd_time looked, cpu;
    xd_time trim_at, wait; /* of rest; 0: it has not worked yet */
};

static xd_time read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (xd_time)now.tv_sec * XD_S + now.tv_nsec;
}

static void trim_when_resting(struct rest *rest)
{
    xd_time now = read_clock(CLOCK_MONOTONIC), cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (now - rest->looked < TRIM_FIRST) {
        return;
    }
    bool works = cpu - rest->cpu > (now - rest->looked) / 50;
    rest->looked = now;
    rest->cpu = cpu;
    if (works) {
        rest->wait = TRIM_FIRST;
        rest->trim_at = now;
    } else if (rest->wait > 0 && now >= rest->trim_at) {
#ifdef __GLIBC__
        (void)malloc_trim(0);
#endif
        rest->trim_at = now + rest->wait;
        rest->wait = xd_time_min(2 * rest->wait, TRIM_LAST);
    }
}

static void end_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

/* Until a signal (XD_ERR_TIMEOUT) or the broker's own end. */
static enum xd_err wait_for_end(struct xd_broker *broker,
                                const sigset_t *signals,
                                struct xd_error *why)
{
    struct rest rest = {0};
    for (;;) {
        struct timespec slice = {0, 200000000};
        trim_when_resting(&rest);
        if (sigtimedwait(signals, NULL, &slice) > 0) {
            return XD_ERR_TIMEOUT;
        }
        enum xd_err err = xd_broker_wait(broker, 0, why);
        if (err != XD_ERR_TIMEOUT) {
            return err;
        }
    }
}

/* No new tasks; until nothing is left, drain_ms are over, or a second signal comes. */
static void drain(struct xd_broker *broker, const sigset_t *signals, uint32_t drain_ms)
{
    for (uint32_t waited = 0; waited < drain_ms; waited += 100) {
        struct timespec none = {0, 0};
        if (xd_broker_drain(broker, 100) != XD_ERR_TIMEOUT ||
            sigtimedwait(signals, NULL, &none) > 0) {
            return;
        }
    }
}

static int run(struct xdb_config *config, const sigset_t *signals)
{
    struct xd_error why = {""};
    struct xd_broker *broker;
    config->options.log = log_line;
    config->options.log_context = config;
    enum xd_err err = xdb_config_finish(config, &why);
    if (err == XD_OK) {
        err = xd_broker_start(&config->options, &broker, &why);
    }
    if (err != XD_OK) {
        fprintf(stderr, "crossdock-broker: %s\n", why.text);
        return err == XD_ERR_EXISTS ? EXIT_IN_USE : EXIT_FAILED;
    }
    printf("ready");
    for (size_t i = 0; xd_broker_listens(broker, i) != NULL; i++) {
        printf(" address=%s", xd_broker_listens(broker, i));
    }
    puts("");
    fflush(stdout);
    notify("READY=1");
    err = wait_for_end(broker, signals, &why);
    if (err == XD_ERR_TIMEOUT) {
        notify("STOPPING=1");
        drain(broker, signals, config->drain_ms);
        err = XD_OK;
    } else if (err != XD_OK) {
        fprintf(stderr, "crossdock-broker: %s\n", why.text);
    }
    xd_broker_stop(broker);
    return err == XD_OK ? 0 : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct xdb_config config;
    sigset_t signals;
    const struct argp argp = {OPTIONS, parse, NULL, DOC, NULL, NULL, NULL};
    xd_keep_memory(XD_KEPT_OF_MESSAGES);
    zsys_handler_set(NULL); /* CZMQ must leave our signals alone */
    xdb_config_init(&config);
    argp_parse(&argp, argc, argv, 0, NULL, &config);
    end_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread starts */
    raise_descriptor_limit();
    int code = run(&config, &signals);
    xdb_config_fini(&config);
    return code;
}
