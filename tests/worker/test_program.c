/* SPDX-License-Identifier: MIT */
/* crossdock-worker as a program: tasks, crashes, cancels, orderly and other ends, with an
 * embedded broker. Arguments come from the environment: XDT_WORKER, XDT_HANDLERS,
 * XDT_SQLITE. */
#include <criterion/criterion.h>
#include <poll.h>
#include <sys/stat.h>

#include "crossdock.h"
#include "crossdock_broker.h"
#include "crossdock_supervise.h"
#include "watchdog.h"

struct fixture {
    struct xd_broker *broker;
    struct xd_client *client;
    struct xdw_supervisor *supervisor; /* runs crossdock-worker */
    uint32_t worker;
    struct xdw_end end;  /* of crossdock-worker */
    char lines[1 << 16]; /* what it printed, "\n" between */
};

static void on_line(void *context, const struct xdw_line *line)
{
    struct fixture *fixture = context;
    size_t used = strlen(fixture->lines);
    snprintf(fixture->lines + used,
             sizeof fixture->lines - used,
             "%.*s\n",
             (int)line->size,
             line->text);
}

static void on_notice(void *context, const struct xdw_notice *notice)
{
    struct fixture *fixture = context;
    if (notice->end.how != XDW_END_NONE) {
        fixture->end = notice->end;
    }
}

/* The program itself uses pidfds, which valgrind reports. */
static void need_programs(void)
{
    if (xdt_is_on_valgrind()) {
        cr_skip_test("not under valgrind");
    }
    cr_assert(getenv("XDT_WORKER") && getenv("XDT_HANDLERS") && getenv("XDT_SQLITE"),
              "run it by meson test");
}

static void turn(struct fixture *fixture)
{
    struct pollfd fds[] = {
        {.fd = fixture->client ? xd_client_fd(fixture->client) : -1, .events = POLLIN},
        {.fd = xdw_supervisor_fd(fixture->supervisor), .events = POLLIN}};
    poll(fds, 2, 20);
    xdw_supervisor_step(fixture->supervisor, xdt_now());
}

#define TURN_UNTIL(fixture, claim)                                                       \
    do {                                                                                 \
        xd_time limit_ = xdt_now() + XDT_DEADLINE;                                       \
        while (!(claim)) {                                                               \
            cr_assert_lt(xdt_now(), limit_, "never: %s\n%s", #claim, (fixture)->lines);  \
            turn(fixture);                                                               \
        }                                                                                \
    } while (0)

static void start_worker(struct fixture *fixture, const char *const *argv)
{
    need_programs();
    const struct xdw_supervisor_options options = {.line = on_line,
                                                   .notice = on_notice,
                                                   .context = fixture,
                                                   .give_up_after = 1};
    cr_assert_eq(xdw_supervisor_new(&options, &fixture->supervisor, NULL), XD_OK);
    const struct xdw_command command = {
        .argv = argv,
        .url = fixture->broker ? xd_broker_address(fixture->broker) : "ipc:///no/broker",
    };
    struct xd_error error = {""};
    cr_assert_eq(
        xdw_supervisor_start(fixture->supervisor, &command, &fixture->worker, &error),
        XD_OK,
        "%s",
        error.text);
}

/* A broker, a client, and one crossdock-worker with so many slots. */
static void begin(struct fixture *fixture, const char *slots)
{
    need_programs();
    memset(fixture, 0, sizeof *fixture);
    struct xd_error error = {""};
    const struct xd_broker_options options = {.kill_after_ms = 200};
    cr_assert_eq(xd_broker_start(&options, &fixture->broker, &error),
                 XD_OK,
                 "%s",
                 error.text);
    struct xd_client_options dial = {0};
    cr_assert_eq(xd_broker_link(fixture->broker, &dial.link), XD_OK);
    cr_assert_eq(xd_client_connect(&dial, &fixture->client, &error),
                 XD_OK,
                 "%s",
                 error.text);
    start_worker(fixture,
                 (const char *const[]){getenv("XDT_WORKER"),
                                       "--slots",
                                       slots,
                                       "--module",
                                       getenv("XDT_HANDLERS"),
                                       "--module",
                                       getenv("XDT_SQLITE"),
                                       NULL});
    TURN_UNTIL(fixture, strstr(fixture->lines, "ready slots="));
}

static void finish(struct fixture *fixture)
{
    xdw_supervisor_free(fixture->supervisor);
    xd_client_close(fixture->client);
    xd_broker_stop(fixture->broker);
}

static struct xd_future *submit(struct fixture *fixture,
                                const char *callee,
                                const char *text)
{
    struct xd_bytes *bytes;
    struct xd_future *future;
    struct xd_error error = {""};
    cr_assert_eq(xd_bytes_text(text, &bytes), XD_OK);
    const struct xd_payload argument = {.bytes = bytes, .tag = "text"};
    const struct xd_call call = {.callee = callee,
                                 .payloads = &argument,
                                 .payload_count = 1};
    cr_assert_eq(xd_submit(fixture->client, &call, &future, &error),
                 XD_OK,
                 "%s",
                 error.text);
    xd_bytes_unref(bytes);
    return future;
}

/* Wait for its end; the text that came back is copied into *text (128 bytes). */
static enum xd_outcome collect(struct fixture *fixture,
                               struct xd_future *future,
                               char *text)
{
    TURN_UNTIL(fixture, xd_future_is_done(future));
    enum xd_outcome outcome = xd_future_outcome(future);
    snprintf(text, 128, "%s", xd_future_error(future));
    if (outcome == XD_OUTCOME_DONE) {
        const struct xd_bytes *bytes = xd_future_result(future, 0)->frames[0].bytes;
        snprintf(text, 128, "%.*s", (int)bytes->size, (const char *)bytes->data);
    }
    xd_future_free(future);
    return outcome;
}

static enum xd_outcome call(struct fixture *fixture,
                            const char *callee,
                            const char *argument,
                            char *text)
{
    return collect(fixture, submit(fixture, callee, argument), text);
}

static pid_t slot_pid(struct fixture *fixture)
{
    char text[128];
    cr_assert_eq(call(fixture, "pid", "", text), XD_OUTCOME_DONE);
    return (pid_t)atoi(text);
}

static _Atomic bool running;

static void see_running(void *context,
                        struct xd_future *future,
                        uint32_t part,
                        const char *kind,
                        struct xd_bytes *bytes)
{
    (void)context, (void)future, (void)part, (void)bytes;
    running = running || strcmp(kind, "running") == 0;
}

/* A task that says when it has begun. */
static struct xd_future *submit_running(struct fixture *fixture,
                                        const char *callee,
                                        const char *argument)
{
    running = false;
    xd_client_on_event(fixture->client, see_running, NULL);
    struct xd_future *future = submit(fixture, callee, argument);
    TURN_UNTIL(fixture, running);
    return future;
}

static pid_t worker_pid(struct fixture *fixture)
{
    pid_t pid;
    xdw_supervisor_slot(fixture->supervisor, fixture->worker, NULL, &pid);
    return pid;
}

static bool is_over(struct fixture *fixture)
{
    return xdw_supervisor_is_over(fixture->supervisor);
}

/* ---- tasks ---- */

Test(program, tasks_run_and_what_the_slot_prints_is_tagged)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "2");
    cr_expect_not_null(strstr(fixture.lines, "ready slots=2 pid="));
    cr_expect_eq(call(&fixture, "echo", "hello", text), XD_OUTCOME_DONE);
    cr_expect_str_eq(text, "hello");
    cr_expect_eq(call(&fixture, "say", "words\033[1m", text), XD_OUTCOME_DONE);
    TURN_UNTIL(&fixture, strstr(fixture.lines, "stream=stdout words\\x1b[1m\n"));
    TURN_UNTIL(&fixture, strstr(fixture.lines, "stream=stderr words\\x1b[1m\n"));
    finish(&fixture);
}

Test(program, a_modules_state_lives_as_long_as_its_slot)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    call(&fixture, "count", "", text);
    cr_expect_eq(call(&fixture, "count", "", text), XD_OUTCOME_DONE);
    cr_expect_str_eq(text, "2");
    finish(&fixture);
}

Test(program, a_handler_that_forgets_its_task_fails_it_and_lives)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    pid_t pid = slot_pid(&fixture);
    cr_expect_eq(call(&fixture, "forget", "", text), XD_OUTCOME_FAILED);
    cr_expect_str_eq(text, "the handler returned without ending its task");
    cr_expect_eq(call(&fixture, "fail", "so it is", text), XD_OUTCOME_FAILED);
    cr_expect_str_eq(text, "so it is");
    cr_expect_eq(slot_pid(&fixture), pid);
    finish(&fixture);
}

Test(program, arguments_of_another_class_are_named)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    cr_expect_eq(call(&fixture, "sqlite.query", "SELECT 1", text), XD_OUTCOME_FAILED);
    cr_expect_str_eq(text, "sqlite.query: argument 1 must be of class sqlite3, not text");
    finish(&fixture);
}

Test(program, a_crashed_slot_loses_its_task_and_comes_back)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    pid_t pid = slot_pid(&fixture);
    cr_expect_eq(call(&fixture, "crash", "", text), XD_OUTCOME_LOST);
    cr_expect_neq(slot_pid(&fixture), pid);
    TURN_UNTIL(&fixture, strstr(fixture.lines, "state=backoff"));
    finish(&fixture);
}

Test(program, a_cancelled_handler_that_listens_keeps_its_slot)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    pid_t pid = slot_pid(&fixture);
    struct xd_future *future = submit_running(&fixture, "spin", "");
    cr_assert_eq(xd_future_cancel(future), XD_OK);
    cr_expect_eq(collect(&fixture, future, text), XD_OUTCOME_CANCELLED);
    cr_expect_eq(slot_pid(&fixture), pid);
    finish(&fixture);
}

Test(program, one_that_does_not_listen_loses_its_process)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    pid_t pid = slot_pid(&fixture);
    struct xd_future *future = submit_running(&fixture, "spin_deaf", "");
    cr_assert_eq(xd_future_cancel(future), XD_OK);
    cr_expect_eq(collect(&fixture, future, text), XD_OUTCOME_CANCELLED);
    TURN_UNTIL(&fixture, strstr(fixture.lines, "exit=75"));
    cr_expect_neq(slot_pid(&fixture), pid);
    finish(&fixture);
}

/* The broker is gone in the middle of one task that does not listen and one that does. */
Test(program, without_a_broker_no_task_keeps_its_slot)
{
    struct fixture fixture;
    begin(&fixture, "2");
    xd_future_free(submit_running(&fixture, "spin_deaf", ""));
    xd_future_free(submit_running(&fixture, "spin", ""));
    xd_broker_stop(fixture.broker); /* before the client, whose end would cancel them */
    xd_client_close(fixture.client);
    fixture.broker = NULL;
    fixture.client = NULL;
    TURN_UNTIL(&fixture, strstr(fixture.lines, "exit=69")); /* it was free at once */
    cr_expect_null(strstr(fixture.lines, "exit=75"));
    TURN_UNTIL(&fixture, strstr(fixture.lines, "exit=75"));
    cr_expect_not_null(strstr(fixture.lines, "a task that was to stop did not"));
    finish(&fixture);
}

/* ---- ends ---- */

Test(program, told_to_end_it_finishes_the_running_task)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "2");
    struct xd_future *future = submit_running(&fixture, "sleep", "600");
    kill(worker_pid(&fixture), SIGTERM);
    cr_expect_eq(collect(&fixture, future, text), XD_OUTCOME_DONE);
    cr_expect_str_eq(text, "slept");
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect(fixture.end.how == XDW_END_EXIT && fixture.end.code == 0);
    finish(&fixture);
}

Test(program, a_second_signal_kills)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    struct xd_future *future = submit_running(&fixture, "spin_deaf", "");
    kill(worker_pid(&fixture), SIGTERM);
    TURN_UNTIL(&fixture, strstr(fixture.lines, "state=stopping"));
    kill(worker_pid(&fixture), SIGINT);
    cr_expect_eq(collect(&fixture, future, text), XD_OUTCOME_LOST);
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect(fixture.end.how == XDW_END_EXIT && fixture.end.code == 1);
    finish(&fixture);
}

Test(program, a_killed_parent_takes_its_slots_along_in_the_middle_of_a_task)
{
    struct fixture fixture;
    char text[128];
    begin(&fixture, "1");
    pid_t pid = slot_pid(&fixture);
    struct xd_future *future = submit_running(&fixture, "spin_deaf", "");
    kill(worker_pid(&fixture), SIGKILL);
    cr_expect_eq(collect(&fixture, future, text), XD_OUTCOME_LOST);
    cr_expect(xdt_wait_gone(pid));
    finish(&fixture);
}

Test(program, its_own_parents_end_is_an_orderly_end)
{
    struct fixture fixture = {0};
    char script[4096];
    need_programs();
    /* The shell hands its own life pipe on; what it prints last is the exit code. */
    snprintf(script,
             sizeof script,
             "sleep 0.3 | CROSSDOCK_LIFE_FD=0 '%s' -- sh -c 'read x <&3'; echo code=$?",
             getenv("XDT_WORKER"));
    start_worker(&fixture, (const char *const[]){"sh", "-c", script, NULL});
    TURN_UNTIL(&fixture, strstr(fixture.lines, "event=stop"));
    TURN_UNTIL(&fixture, strstr(fixture.lines, "code=0"));
    finish(&fixture);
}

/* ---- what cannot work ---- */

static void expect_failure(const char *const *argv, int code, const char *text)
{
    struct fixture fixture = {0};
    start_worker(&fixture, argv);
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect(fixture.end.how == XDW_END_EXIT && fixture.end.code == code,
              "%d\n%s",
              fixture.end.code,
              fixture.lines);
    cr_expect_not_null(strstr(fixture.lines, text), "%s", fixture.lines);
    cr_expect_null(strstr(fixture.lines, "ready slots"), "%s", fixture.lines);
    finish(&fixture);
}

Test(program, wrong_use_and_bad_modules_end_it_with_a_sentence)
{
    need_programs();
    const char *program = getenv("XDT_WORKER"), *handlers = getenv("XDT_HANDLERS");
    const struct {
        const char *argv[6];
        int code;
        const char *text;
    } table[] = {
        {{program, NULL}, 64, "give one of --module FILE.so, --r and a COMMAND"},
        {{program, "--r", "--module", handlers, NULL},
         64,
         "give one of --module FILE.so"},
        {{program, "--r", "--", "true", NULL}, 64, "--r is a command already"},
        {{program, "--slots", "x", "true", NULL}, 64, "\"x\" is not a number from 0"},
        {{program, "--slots", "0", "true", NULL}, 64, "no slots"},
        {{program, "--module", "/no/such.so", NULL},
         1,
         "module /no/such.so: No such file or directory"},
        {{program, "--module", program, NULL}, 1, "module cannot be loaded: "},
        {{program, "--module", handlers, "--module", handlers, NULL},
         1,
         "there is a handler \"echo\" already"},
        {{program, "no-such-command", NULL}, 1, "command not found: no-such-command"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        expect_failure(table[i].argv, table[i].code, table[i].text);
    }
}

Test(program, without_a_broker_slots_try_again)
{
    struct fixture fixture = {0};
    start_worker(&fixture,
                 (const char *const[]){getenv("XDT_WORKER"),
                                       "--module",
                                       getenv("XDT_HANDLERS"),
                                       NULL});
    TURN_UNTIL(&fixture, strstr(fixture.lines, "exit=69 crashes=1 restart_ms="));
    cr_expect_null(strstr(fixture.lines, "ready slots"));
    kill(worker_pid(&fixture), SIGTERM);
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect_eq(fixture.end.code, 0, "%s", fixture.lines);
    finish(&fixture);
}

Test(program, commands_find_their_broker_and_their_number)
{
    struct fixture fixture = {0};
    const char *script = "echo at $CROSSDOCK_URL in $CROSSDOCK_PROFILE";
    start_worker(&fixture,
                 (const char *const[]){getenv("XDT_WORKER"),
                                       "--slots=2",
                                       "--url=ipc:///x",
                                       "--profile=gpu",
                                       "--",
                                       "sh",
                                       "-c",
                                       script,
                                       NULL});
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect_eq(fixture.end.code, 0);
    cr_expect_not_null(
        strstr(fixture.lines, "slot=0 stream=stdout at ipc:///x in gpu\n"));
    cr_expect_not_null(
        strstr(fixture.lines, "slot=1 stream=stdout at ipc:///x in gpu\n"));
    finish(&fixture);
}

/* Something that stands in for R, in a folder of its own that becomes the PATH. */
static void put_rscript(char *folder, const char *script)
{
    char path[256];
    need_programs();
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/Rscript", folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    cr_assert_eq(chmod(path, 0700), 0);
    cr_assert_eq(setenv("PATH", folder, 1), 0);
}

static void remove_rscript(const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/Rscript", folder);
    unlink(path);
    rmdir(folder);
}

Test(program, r_is_short_for_an_r_daemon_in_each_slot)
{
    struct fixture fixture = {0};
    char folder[] = "/tmp/xdt-XXXXXX";
    put_rscript(folder, "printf '%s;' $# \"$@\" at $CROSSDOCK_URL; echo");
    start_worker(&fixture,
                 (const char *const[]){getenv("XDT_WORKER"),
                                       "--slots=2",
                                       "--url=ipc:///x",
                                       "--r",
                                       NULL});
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect_eq(fixture.end.code, 0, "%s", fixture.lines);
    const char *said = "stream=stdout 2;-e;crossdock::daemon();at;ipc:///x;\n";
    const char *first = strstr(fixture.lines, said);
    cr_expect(first && strstr(first + 1, said), "%s", fixture.lines);
    finish(&fixture);
    remove_rscript(folder);
}

/* Without the package R ends with 1, which from another command would be final and fine.
 */
Test(program, r_without_its_package_is_a_failure)
{
    struct fixture fixture = {0};
    char folder[] = "/tmp/xdt-XXXXXX";
    put_rscript(folder, "exit 1");
    start_worker(&fixture, (const char *const[]){getenv("XDT_WORKER"), "--r", NULL});
    TURN_UNTIL(&fixture, is_over(&fixture));
    cr_expect_eq(fixture.end.code, 1, "%s", fixture.lines);
    finish(&fixture);
    remove_rscript(folder);
}
