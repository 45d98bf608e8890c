/* SPDX-License-Identifier: MIT */
/* Real programs for the system tests. */
#include "sys.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
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

/* A child that dies with the test. */
static pid_t fork_child(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    cr_assert(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    return pid;
}

/* Output to `out` where that is a descriptor. */
static pid_t spawn(const char *const *argv, int out)
{
    pid_t pid = fork_child();
    if (pid == 0) {
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
    return pid;
}

/* The first line of a program says that it is ready, and the broker's where it listens.
 */
static void await_ready(struct sys *sys, int fd)
{
    char line[256], where[96];
    size_t used = 0;
    while (used < sizeof line - 1 && read(fd, line + used, 1) == 1 &&
           line[used] != '\n') {
        used++;
    }
    line[used] = '\0';
    cr_assert(strncmp(line, "ready", 5) == 0,
              "the program said '%s' instead of ready",
              line);
    if (sscanf(line, "ready address=%95s", where) == 1) {
        memcpy(sys->address, where, sizeof where);
    }
}

static bool is_tcp(void)
{
    const char *transport = getenv("XDT_TRANSPORT");
    return transport != NULL && strcmp(transport, "tcp") == 0;
}

void sys_begin(struct sys *sys, const char *const *settings)
{
    char state[96];
    (void)snprintf(sys->dir, sizeof sys->dir, "/tmp/xdtXXXXXX");
    cr_assert(mkdtemp(sys->dir) != NULL);
    if (is_tcp()) {
        (void)snprintf(sys->address, sizeof sys->address, "tcp://127.0.0.1:0");
    } else {
        (void)snprintf(sys->address, sizeof sys->address, "ipc://%s/broker", sys->dir);
    }
    (void)snprintf(state, sizeof state, "%s/state", sys->dir);
    cr_assert(setenv("CROSSDOCK_STATE", state, 1) == 0);
    sys->settings = settings;
    sys_begin_again(sys);
    sys->file_count = sys_files(sys);
}

void sys_begin_again(struct sys *sys)
{
    const char *argv[24] = {program("CROSSDOCK_BROKER"),
                            "--quiet",
                            "--listen",
                            sys->address};
    size_t n = 4;
    int fds[2];
    for (size_t i = 0; sys->settings != NULL && sys->settings[i] != NULL; i++) {
        argv[n++] = sys->settings[i];
    }
    cr_assert(pipe2(fds, O_CLOEXEC) == 0);
    sys->broker = spawn(argv, fds[1]);
    close(fds[1]);
    await_ready(sys, fds[0]);
    close(fds[0]);
}

static void stop(pid_t pid, int signal_number)
{
    if (pid > 0) {
        kill(pid, signal_number);
        waitpid(pid, NULL, 0);
    }
}

void sys_kill_broker(struct sys *sys)
{
    stop(sys->broker, SIGKILL);
    sys->broker = 0;
}

size_t sys_files(const struct sys *sys)
{
    size_t count = 0;
    DIR *dir = opendir(sys->dir);
    cr_assert(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
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
    char state[96];
    (void)snprintf(state, sizeof state, "%s/state", sys->dir);
    remove_directory(state);
    remove_directory(sys->dir);
}

static pid_t keep(struct sys *sys, pid_t pid)
{
    cr_assert(sys->child_count < SYS_CHILDREN_MAX);
    sys->children[sys->child_count++] = pid;
    return pid;
}

pid_t sys_spawn(struct sys *sys, const char *const *argv)
{
    return keep(sys, spawn(argv, -1));
}

pid_t sys_fork(struct sys *sys)
{
    pid_t pid = fork_child();
    return pid == 0 ? 0 : keep(sys, pid);
}

void sys_kill(struct sys *sys, pid_t child)
{
    for (size_t i = 0; i < sys->child_count; i++) {
        if (sys->children[i] == child) {
            sys->children[i] = sys->children[--sys->child_count];
            stop(child, SIGKILL);
            return;
        }
    }
    cr_assert(false, "%ld is no child", (long)child);
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
    int seconds = 20 * sys_slowness();
    cr_assert(xd_future_wait(future, 1000 * seconds) == XD_OK,
              "the task did not end within %d s",
              seconds);
    cr_assert(xd_future_outcome(future) == outcome,
              "outcome %s instead of %s: %s",
              xd_outcome_name(xd_future_outcome(future)),
              xd_outcome_name(outcome),
              xd_future_error(future));
}

pid_t sys_worker_pid(struct xd_client *client)
{
    char text[32] = "";
    struct xd_future *future = sys_call(client, "pid", NULL);
    sys_expect(future, XD_OUTCOME_DONE);
    const struct xd_frame *frame = &xd_future_result(future, 0)->frames[0];
    memcpy(text, frame->bytes->data, frame->size < 31 ? frame->size : 31);
    xd_future_free(future);
    return (pid_t)strtol(text, NULL, 10);
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

size_t sys_peak(pid_t pid)
{
    char path[64], line[128];
    size_t kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    while (kib == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoull(line + 6, NULL, 10);
        }
    }
    (void)fclose(file);
    cr_assert(kib > 0, "%s has no VmHWM", path);
    return kib * 1024;
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
