/* SPDX-License-Identifier: MIT */
/* Real programs for the system tests. */
#include "sys.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

xd_time sys_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (xd_time)now.tv_sec * XD_S + now.tv_nsec;
}

void sys_sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

int sys_slowness(void)
{
    return getenv("XDT_SLOW") == NULL ? 1 : 5;
}

static const char *program(const char *variable)
{
    const char *path = getenv(variable);
    cr_assert(path != NULL, "%s must name the program under test", variable);
    return path;
}

/* In the child: die with the test, output to `out` where that is a descriptor. */
static void run_child(const char *const *argv, pid_t parent, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
    }
    union {
        const char *const *in;
        char *const *out;
    } args = {argv};
    execv(argv[0], args.out);
    _exit(127);
}

static pid_t spawn(const char *const *argv, int out)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    cr_assert(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        run_child(argv, parent, out);
    }
    return pid;
}

/* The first line of a program says that it is ready. */
static void await_ready(int fd)
{
    char line[256];
    size_t used = 0;
    while (used < sizeof line - 1 && read(fd, line + used, 1) == 1 &&
           line[used] != '\n') {
        used++;
    }
    line[used] = '\0';
    cr_assert(strncmp(line, "ready", 5) == 0,
              "the program said '%s' instead of ready",
              line);
}

void sys_begin(struct sys *sys, const char *const *settings)
{
    const char *argv[24] = {program("CROSSDOCK_BROKER"),
                            "--quiet",
                            "--listen",
                            sys->address};
    size_t n = 4;
    int fds[2];
    (void)snprintf(sys->dir, sizeof sys->dir, "/tmp/xdtXXXXXX");
    cr_assert(mkdtemp(sys->dir) != NULL);
    (void)snprintf(sys->address, sizeof sys->address, "ipc://%s/broker", sys->dir);
    for (; settings != NULL && *settings != NULL; settings++) {
        argv[n++] = *settings;
    }
    cr_assert(pipe2(fds, O_CLOEXEC) == 0);
    sys->broker = spawn(argv, fds[1]);
    close(fds[1]);
    await_ready(fds[0]);
    close(fds[0]);
}

static void stop(pid_t pid, int signal_number)
{
    if (pid > 0) {
        kill(pid, signal_number);
        waitpid(pid, NULL, 0);
    }
}

static void remove_directory(const char *path)
{
    char file[400];
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        (void)unlink(file);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)rmdir(path);
}

void sys_end(struct sys *sys)
{
    for (size_t i = 0; i < sys->child_count; i++) {
        stop(sys->children[i], SIGTERM);
    }
    stop(sys->broker, SIGTERM);
    remove_directory(sys->dir);
}

pid_t sys_spawn(struct sys *sys, const char *const *argv)
{
    cr_assert(sys->child_count < SYS_CHILDREN_MAX);
    pid_t pid = spawn(argv, -1);
    sys->children[sys->child_count++] = pid;
    return pid;
}

pid_t sys_worker_with(struct sys *sys, const char *const *arguments)
{
    const char *argv[24] = {program("CROSSDOCK_WORKER"), "--url", sys->address};
    size_t n = 3;
    for (; *arguments != NULL; arguments++) {
        argv[n++] = *arguments;
    }
    return sys_spawn(sys, argv);
}

void sys_workers(struct sys *sys, int slots, const char *profile)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", slots);
    const char *arguments[] = {"--module",
                               program("XDT_HANDLERS"),
                               "--slots",
                               number,
                               "--profile",
                               profile == NULL ? "default" : profile,
                               NULL};
    struct xd_client *client = sys_client(sys);
    uint64_t before = sys_counter(client, "workers");
    (void)sys_worker_with(sys, arguments);
    sys_await_counter(client, "workers", before + (uint64_t)slots);
    xd_client_close(client);
}

struct xd_client *sys_client(const struct sys *sys)
{
    struct xd_client *client;
    struct xd_error why = {""};
    struct xd_client_options options = {.address = sys->address};
    enum xd_err err = xd_client_connect(&options, &client, &why);
    cr_assert(err == XD_OK, "connect: %s", why.text);
    return client;
}

struct xd_future *sys_submit(struct xd_client *client,
                             const char *callee,
                             const struct xd_payload *payloads,
                             size_t count)
{
    struct xd_call call = {.callee = callee,
                           .payloads = payloads,
                           .payload_count = count};
    struct xd_future *future;
    struct xd_error why = {""};
    enum xd_err err = xd_submit(client, &call, &future, &why);
    cr_assert(err == XD_OK, "submit %s: %s", callee, why.text);
    return future;
}

struct xd_future *sys_call(struct xd_client *client,
                           const char *callee,
                           const char *argument)
{
    struct xd_payload payload = {.tag = "text"};
    if (argument != NULL) {
        cr_assert(xd_bytes_text(argument, &payload.bytes) == XD_OK);
    }
    struct xd_future *future = sys_submit(client, callee, &payload, argument != NULL);
    xd_bytes_unref(payload.bytes);
    return future;
}

void sys_expect(struct xd_future *future, enum xd_outcome outcome)
{
    cr_assert(xd_future_wait(future, 20000) == XD_OK, "the task did not end within 20 s");
    cr_assert(xd_future_outcome(future) == outcome,
              "outcome %s instead of %s: %s",
              xd_outcome_name(xd_future_outcome(future)),
              xd_outcome_name(outcome),
              xd_future_error(future));
}

uint64_t sys_counter(struct xd_client *client, const char *name)
{
    char key[64];
    struct xd_bytes *json;
    struct xd_error why = {""};
    enum xd_err err = xd_admin(client, "status", NULL, 0, 10000, &json, &why);
    cr_assert(err == XD_OK, "status: %s", why.text);
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = memmem(json->data, json->size, key, strlen(key));
    cr_assert(at != NULL, "status has no %s", name);
    uint64_t value = strtoull(at + strlen(key), NULL, 10);
    xd_bytes_unref(json);
    return value;
}

void sys_await_counter(struct xd_client *client, const char *name, uint64_t value)
{
    xd_time until = sys_now() + 10 * XD_S;
    uint64_t is;
    while ((is = sys_counter(client, name)) != value) {
        cr_assert(sys_now() < until,
                  "%s is %llu and not %llu after 10 s",
                  name,
                  (unsigned long long)is,
                  (unsigned long long)value);
        sys_sleep_ms(5);
    }
}

size_t sys_rss(pid_t pid)
{
    char path[64];
    unsigned long size = 0, resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    cr_assert(fscanf(file, "%lu %lu", &size, &resident) == 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t sys_fds(pid_t pid)
{
    char path[64];
    size_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *dir = opendir(path);
    cr_assert(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}
