/* SPDX-License-Identifier: MIT */
/* Real programs for the system tests: a broker and workers as child processes in a
 * directory of their own. */
#ifndef XDT_SYSTEM_SYS_H
#define XDT_SYSTEM_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/time.h"
#include "crossdock.h"

#define SYS_CHILDREN_MAX 16

/* One test's world. Zero it, then sys_begin(); sys_end() stops every child by pid and
 * removes the directory. */
struct sys {
    char dir[64], address[96];
    const char *const *settings;
    pid_t broker, children[SYS_CHILDREN_MAX];
    size_t child_count;
    size_t file_count; /* in `dir`, with one broker */
};

/* A directory and a broker in it that has said "ready"; `settings` are more arguments,
 * ended by NULL (may be NULL; used again by sys_begin_again()). It listens on ipc, or on
 * tcp where XDT_TRANSPORT is "tcp": then its keys are in the directory as well, where
 * everybody here looks for them ($CROSSDOCK_STATE). */
void sys_begin(struct sys *sys, const char *const *settings);
void sys_end(struct sys *sys);

/* Kill the broker, and start another one on the same address. */
void sys_kill_broker(struct sys *sys);
void sys_begin_again(struct sys *sys);

/* Files in the directory, those of sub-directories left out. */
size_t sys_files(const struct sys *sys);

/* `slots` processes of crossdock-worker with the tests' handlers in `profile` (NULL:
 * default); waits until the broker counts them. */
void sys_workers(struct sys *sys, int slots, const char *profile);

/* The same with more arguments, ended by NULL; does not wait. Returns the agent's pid. */
pid_t sys_worker_with(struct sys *sys, const char *const *arguments);

/* Start any program, or (like fork()) a second process of the test; it dies with the
 * test. */
pid_t sys_spawn(struct sys *sys, const char *const *argv);
pid_t sys_fork(struct sys *sys);

/* Kill one of them. */
void sys_kill(struct sys *sys, pid_t child);

/* A connected client, or the test fails. */
struct xd_client *sys_client(const struct sys *sys);

/* Submit `callee` with these payloads in `profile`. */
struct xd_future *sys_submit(struct xd_client *client,
                             const char *callee,
                             const struct xd_payload *payloads,
                             size_t count);

/* The same with one text argument (NULL: none). */
struct xd_future *sys_call(struct xd_client *client,
                           const char *callee,
                           const char *argument);

/* Wait 20 s at most (longer under sanitizers) and expect this outcome; the test fails
 * with the future's error otherwise. */
void sys_expect(struct xd_future *future, enum xd_outcome outcome);

/* The pid of the worker that a "pid" task ran on. */
pid_t sys_worker_pid(struct xd_client *client);

/* A number of the status' counters, by name. */
uint64_t sys_counter(struct xd_client *client, const char *name);

/* Wait until the counter is `value`, 10 s at most; the test fails otherwise. */
void sys_await_counter(struct xd_client *client, const char *name, uint64_t value);

/* Resident memory of a process in bytes, the most it ever was, and its open descriptors.
 */
size_t sys_rss(pid_t pid);
size_t sys_peak(pid_t pid);
size_t sys_fds(pid_t pid);

/* How much longer things may take: 5 under sanitizers and valgrind, else 1. */
int sys_slowness(void);

xd_time sys_now(void);
void sys_sleep_ms(int ms);

#endif
