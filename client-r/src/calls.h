/* SPDX-License-Identifier: MIT */
/* Every entry point that R calls: X(name, arguments), registered by init.c. */
#ifndef RXD_CALLS_H
#define RXD_CALLS_H

#include "rxd.h"

SEXP rxd_session_open(SEXP address, SEXP listen, SEXP server_key);
SEXP rxd_session_close(SEXP session);
SEXP rxd_session_address(SEXP session);
SEXP rxd_session_number(SEXP session);
SEXP rxd_session_ports(SEXP session);
SEXP rxd_session_fault(SEXP session);
SEXP rxd_session_trim(void);
SEXP rxd_setup_new(SEXP session, SEXP bytes);
SEXP rxd_profile_new(SEXP session, SEXP name, SEXP direct);
SEXP rxd_profile_close(SEXP profile, SEXP code);
SEXP rxd_profile_fail(SEXP profile, SEXP text);
SEXP rxd_profile_count(SEXP profile);
SEXP rxd_profile_waiting(SEXP profile, SEXP queued);
SEXP rxd_profile_wait(SEXP profile);
SEXP rxd_profile_set(SEXP profile, SEXP settings);
SEXP rxd_profile_kick(SEXP profile);
SEXP rxd_profile_tasks(SEXP profile);
SEXP rxd_tasks_hide(SEXP tasks);

SEXP rxd_submit(SEXP route, SEXP body, SEXP timeout, SEXP parts, SEXP options);
SEXP rxd_submit_call(SEXP route, SEXP callee, SEXP args, SEXP timeout, SEXP options);
SEXP rxd_task_class(SEXP expr);
SEXP rxd_task_is_kept(SEXP task);
SEXP rxd_task_is_detached(SEXP task);
SEXP rxd_task_explain(SEXP task);
SEXP rxd_task_ended(SEXP route, SEXP code);
SEXP rxd_task_data(SEXP pointer, SEXP task);
SEXP rxd_task_unresolved(SEXP x);
SEXP rxd_task_wait(SEXP x);
SEXP rxd_task_collect(SEXP x);
SEXP rxd_task_race(SEXP tasks, SEXP timeout);
SEXP rxd_task_resolved(SEXP value);
SEXP rxd_task_watch(SEXP pointer, SEXP number, SEXP events);
SEXP rxd_task_heard(SEXP pointer, SEXP number);
SEXP rxd_task_events(SEXP pointer, SEXP from);
SEXP rxd_task_events_set(SEXP pointer, SEXP events);
SEXP rxd_task_wait_event(SEXP pointer, SEXP from, SEXP timeout);
SEXP rxd_task_stop(SEXP x);

SEXP rxd_alarm(SEXP timeout);
SEXP rxd_alarm_end(SEXP alarm);

SEXP rxd_worker_open(SEXP address,
                     SEXP profile,
                     SEXP server_key,
                     SEXP has,
                     SEXP finishes);
SEXP rxd_worker_next(SEXP worker, SEXP timeout);
SEXP rxd_worker_arm(SEXP worker);
SEXP rxd_worker_disarm(SEXP worker);
SEXP rxd_worker_finish(SEXP worker, SEXP value, SEXP is_value, SEXP config);
SEXP rxd_worker_fail(SEXP worker, SEXP text);
SEXP rxd_worker_touch(SEXP worker);
SEXP rxd_worker_close(SEXP worker);
SEXP rxd_worker_emit(SEXP kind, SEXP bytes);
SEXP rxd_worker_output(SEXP quiet);
SEXP rxd_worker_guard(SEXP is_bound);
SEXP rxd_globals_mark(void);
SEXP rxd_globals_changed(SEXP mark);

SEXP rxd_launch(SEXP group,
                SEXP argv,
                SEXP env,
                SEXP url,
                SEXP profile,
                SEXP owner,
                SEXP n);
SEXP rxd_launched(SEXP group);
SEXP rxd_launched_echo(SEXP group);
SEXP rxd_launched_stop(SEXP group, SEXP grace);
SEXP rxd_starts_looked(void);
SEXP rxd_starts_expect(SEXP seconds);

SEXP rxd_launcher_start(SEXP line);
SEXP rxd_launchers(SEXP pids, SEXP end);

SEXP rxd_broker_run(SEXP local, SEXP url, SEXP path, SEXP life);
SEXP rxd_host_addresses(void);
SEXP rxd_server_key(SEXP given);

SEXP rxd_strip_srcref(SEXP expr);

#define RXD_CALLS(X)                                                                     \
    X(attach, 1)                                                                         \
    X(shutdown, 0)                                                                       \
    X(session_open, 3)                                                                   \
    X(session_close, 1)                                                                  \
    X(session_address, 1)                                                                \
    X(session_number, 1)                                                                 \
    X(session_ports, 1)                                                                  \
    X(session_fault, 1)                                                                  \
    X(session_trim, 0)                                                                   \
    X(setup_new, 2)                                                                      \
    X(profile_new, 3)                                                                    \
    X(profile_close, 2)                                                                  \
    X(profile_fail, 2)                                                                   \
    X(profile_count, 1)                                                                  \
    X(profile_waiting, 2)                                                                \
    X(profile_wait, 1)                                                                   \
    X(profile_set, 2)                                                                    \
    X(profile_kick, 1)                                                                   \
    X(profile_tasks, 1)                                                                  \
    X(tasks_hide, 1)                                                                     \
    X(submit, 5)                                                                         \
    X(submit_call, 5)                                                                    \
    X(task_class, 1)                                                                     \
    X(task_is_kept, 1)                                                                   \
    X(task_is_detached, 1)                                                               \
    X(task_explain, 1)                                                                   \
    X(task_ended, 2)                                                                     \
    X(task_data, 2)                                                                      \
    X(task_unresolved, 1)                                                                \
    X(task_wait, 1)                                                                      \
    X(task_collect, 1)                                                                   \
    X(task_race, 2)                                                                      \
    X(task_resolved, 1)                                                                  \
    X(task_watch, 3)                                                                     \
    X(task_heard, 2)                                                                     \
    X(task_events, 2)                                                                    \
    X(task_events_set, 2)                                                                \
    X(task_wait_event, 3)                                                                \
    X(task_stop, 1)                                                                      \
    X(alarm, 1)                                                                          \
    X(alarm_end, 1)                                                                      \
    X(worker_open, 5)                                                                    \
    X(worker_next, 2)                                                                    \
    X(worker_arm, 1)                                                                     \
    X(worker_disarm, 1)                                                                  \
    X(worker_finish, 4)                                                                  \
    X(worker_fail, 2)                                                                    \
    X(worker_touch, 1)                                                                   \
    X(worker_close, 1)                                                                   \
    X(worker_emit, 2)                                                                    \
    X(worker_output, 1)                                                                  \
    X(worker_guard, 1)                                                                   \
    X(globals_mark, 0)                                                                   \
    X(globals_changed, 1)                                                                \
    X(launch, 7)                                                                         \
    X(launched, 1)                                                                       \
    X(launched_echo, 1)                                                                  \
    X(launched_stop, 2)                                                                  \
    X(starts_looked, 0)                                                                  \
    X(starts_expect, 1)                                                                  \
    X(launcher_start, 1)                                                                 \
    X(launchers, 2)                                                                      \
    X(broker_run, 4)                                                                     \
    X(host_addresses, 0)                                                                 \
    X(server_key, 1)                                                                     \
    X(strip_srcref, 1)

#endif
