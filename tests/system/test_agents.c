/* SPDX-License-Identifier: MIT */
/* Host agents with a real broker: questions and answers, breaks, crossdock-worker's own.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "crossdock_agent.h"
#include "crossdock_worker.h"
#include "sys.h"

static struct sys sys;

static void begin(void)
{
    sys_begin(&sys, NULL);
}

static void end(void)
{
    sys_end(&sys);
}

TestSuite(agents, .init = begin, .fini = end, .timeout = 240);

static struct xd_agent *open_agent(const char *name)
{
    static const char *const labels[] = {"gpu", "zone=a"}, *const versions[] = {
                                                               "R 4.2.2"};
    const struct xd_agent_options options = {.address = sys.address,
                                             .name = name,
                                             .labels = labels,
                                             .label_count = 2,
                                             .versions = versions,
                                             .version_count = 1,
                                             .slots = 3,
                                             .cores = 8,
                                             .memory_bytes = 1000};
    struct xd_agent *agent;
    struct xd_error error = {""};
    cr_assert_eq(xd_agent_open(&options, &agent, &error), XD_OK, "%s", error.text);
    return agent;
}

static void wait_for_news(const struct xd_agent *agent)
{
    struct pollfd fd = {.fd = xd_agent_fd(agent), .events = POLLIN};
    cr_assert_eq(poll(&fd, 1, 20000), 1, "no news from the agent's session");
}

static void await_state(struct xd_agent *agent, enum xd_err state)
{
    const struct xd_agent_question *none;
    struct xd_error why = {""};
    while (xd_agent_state(agent, &why) != state) {
        wait_for_news(agent);
        cr_assert_eq(xd_agent_next(agent, &none), XD_ERR_AGAIN);
    }
}

static const struct xd_agent_question *await_question(struct xd_agent *agent)
{
    const struct xd_agent_question *question;
    while (xd_agent_next(agent, &question) != XD_OK) {
        wait_for_news(agent);
    }
    return question;
}

/* Somebody who asks "agent WHICH logs 2 50" in a thread, since that waits. */
struct asker {
    pthread_t thread;
    const char *which;
    enum xd_err err;
    char text[256];
};

static void *ask(void *context)
{
    struct asker *asker = context;
    const char *args[] = {asker->which, "logs", "2", "50"};
    struct xd_client *client = sys_client(&sys);
    struct xd_bytes *answer = NULL;
    struct xd_error error = {""};
    asker->err = xd_admin(client, "agent", args, 4, 20000, &answer, &error);
    snprintf(asker->text, sizeof asker->text, "%s", error.text);
    if (answer != NULL) {
        snprintf(asker->text,
                 sizeof asker->text,
                 "%.*s",
                 (int)answer->size,
                 (const char *)answer->data);
    }
    xd_bytes_unref(answer);
    xd_client_close(client);
    return NULL;
}

static void start_asking(struct asker *asker, const char *which)
{
    *asker = (struct asker){.which = which};
    cr_assert_eq(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static char *workers_json(void)
{
    struct xd_client *client = sys_client(&sys);
    struct xd_bytes *answer;
    struct xd_error error = {""};
    cr_assert_eq(xd_admin(client, "workers", NULL, 0, 10000, &answer, &error),
                 XD_OK,
                 "%s",
                 error.text);
    char *text = strndup((const char *)answer->data, answer->size);
    xd_bytes_unref(answer);
    xd_client_close(client);
    return text;
}

Test(agents, a_question_is_answered_by_the_program)
{
    struct xd_agent *agent = open_agent("node7");
    struct asker asker;
    await_state(agent, XD_OK);
    start_asking(&asker, "node7");
    const struct xd_agent_question *question = await_question(agent);
    cr_assert_str_eq(question->verb, "logs");
    cr_assert_eq(question->arg_count, 2);
    cr_assert_str_eq(question->args[0], "2");
    cr_assert_str_eq(question->args[1], "50");
    xd_agent_answer(agent, question, XD_ERR_NOT_FOUND, "no such slot", 12);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.err, XD_ERR_NOT_FOUND);
    cr_assert_str_eq(asker.text, "no such slot");
    xd_agent_close(agent);
}

Test(agents, an_agent_is_shown_and_is_no_client)
{
    struct xd_agent *agent = open_agent("node7");
    struct xd_client *client = sys_client(&sys);
    await_state(agent, XD_OK);
    cr_assert_eq(sys_counter(client, "agents"), 1);
    cr_assert_eq(sys_counter(client, "clients"), 1);
    char *json = workers_json();
    cr_assert_not_null(strstr(json,
                              "\"slots\":3,\"cores\":8,\"memory_bytes\":1000,"
                              "\"name\":\"node7\""),
                       "%s",
                       json);
    cr_assert_not_null(strstr(json, "\"labels\":[\"gpu\",\"zone=a\"]"), "%s", json);
    cr_assert_not_null(strstr(json, "\"versions\":[\"R 4.2.2\"]"), "%s", json);
    free(json);
    xd_agent_close(agent);
    sys_await_counter(client, "agents", 0);
    xd_client_close(client);
}

Test(agents, who_asks_an_agent_that_ends_hears_so)
{
    struct xd_agent *agent = open_agent("node7");
    struct asker asker;
    await_state(agent, XD_OK);
    start_asking(&asker, "node7");
    await_question(agent);
    xd_agent_close(agent);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.err, XD_ERR_GONE);
    cr_assert_str_eq(asker.text, "the agent is gone");
}

Test(agents, an_answer_that_is_too_large_says_so)
{
    struct xd_agent *agent = open_agent("node7");
    struct asker asker;
    size_t size = (size_t)2 << 20;
    char *text = malloc(size);
    memset(text, 'x', size);
    await_state(agent, XD_OK);
    start_asking(&asker, "node7");
    xd_agent_answer(agent, await_question(agent), XD_OK, text, size);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.err, XD_ERR_TOO_LARGE);
    free(text);
    xd_agent_close(agent);
}

Test(agents, an_agent_outlives_its_broker_and_forgets_its_questions)
{
    struct xd_agent *agent = open_agent("node7");
    struct asker asker;
    await_state(agent, XD_OK);
    uint64_t number = xd_agent_number(agent);
    start_asking(&asker, "node7");
    const struct xd_agent_question *old = await_question(agent);
    kill(sys.broker, SIGKILL);
    waitpid(sys.broker, NULL, 0);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.err, XD_ERR_GONE);
    await_state(agent, XD_ERR_GONE);
    sys.broker = 0;
    sys_spawn(&sys,
              (const char *const[]){getenv("CROSSDOCK_BROKER"),
                                    "--quiet",
                                    "--listen",
                                    sys.address,
                                    NULL});
    await_state(agent, XD_OK);
    cr_assert_eq(xd_agent_number(agent), number);
    start_asking(&asker, "node7");
    const struct xd_agent_question *fresh = await_question(agent);
    xd_agent_answer(agent, old, XD_OK, "old", 3); /* both may have the same ticket */
    xd_agent_answer(agent, fresh, XD_OK, "fresh", 5);
    pthread_join(asker.thread, NULL);
    cr_assert_eq(asker.err, XD_OK);
    cr_assert_str_eq(asker.text, "fresh");
    xd_agent_close(agent);
}

Test(agents, without_a_broker_it_tries_and_can_be_closed)
{
    const struct xd_agent_options options = {.address = "ipc:///tmp/xdt-no-broker"};
    struct xd_agent *agent;
    cr_assert_eq(xd_agent_open(&options, &agent, NULL), XD_OK);
    const xd_time start = sys_now();
    xd_agent_close(agent);
    cr_assert_lt(sys_now() - start, 3 * XD_S);
}

Test(agents, a_bad_label_or_version_is_refused)
{
    const char *const labels[] = {"ok", "not\nok"};
    const char *const versions[] = {
        "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct xd_agent_options options = {.labels = labels, .label_count = 2};
    struct xd_agent *agent;
    struct xd_error error = {""};
    cr_assert_eq(xd_agent_open(&options, &agent, &error), XD_ERR_INVALID);
    cr_assert_not_null(strstr(error.text, "label"), "%s", error.text);
    options = (struct xd_agent_options){.versions = versions, .version_count = 1};
    cr_assert_eq(xd_agent_open(&options, &agent, &error), XD_ERR_TOO_LARGE);
    cr_assert_not_null(strstr(error.text, "more than 64 bytes"), "%s", error.text);
}

Test(agents, workers_say_their_name_labels_versions_and_slot)
{
    const char *const versions[] = {"R 4.2.2", "codec arrow 1"};
    struct xd_agent *agent = open_agent("node7");
    await_state(agent, XD_OK);
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)xd_agent_number(agent));
    setenv("CROSSDOCK_AGENT", number, 1);
    setenv("CROSSDOCK_SLOT", "2", 1);
    setenv("CROSSDOCK_LABELS", "big,zone=b", 1);
    const struct xd_worker_options options = {.address = sys.address,
                                              .name = "mine",
                                              .versions = versions,
                                              .version_count = 2};
    struct xd_worker *worker;
    struct xd_client *client = sys_client(&sys);
    cr_assert_eq(xd_worker_connect(&options, &worker, NULL), XD_OK);
    sys_await_counter(client, "workers", 1);
    char *json = workers_json();
    char expected[64];
    snprintf(expected,
             sizeof expected,
             "\"agent\":%llu,\"slot\":2,\"name\":\"mine\"",
             strtoull(strstr(json, "\"session\":") + 10, NULL, 10));
    cr_assert_not_null(strstr(json, expected), "no %s in %s", expected, json);
    cr_assert_not_null(strstr(json, "\"labels\":[\"big\",\"zone=b\"]"), "%s", json);
    cr_assert_not_null(strstr(json, "\"versions\":[\"R 4.2.2\",\"codec arrow 1\"]"));
    free(json);
    xd_worker_leave(worker);
    xd_client_close(client);
    xd_agent_close(agent);
}

/* ---- crossdock-worker as the agent ---- */

static enum xd_err ask_worker(struct xd_client *client,
                              const char *verb,
                              const char *argument,
                              char *text,
                              size_t room)
{
    const char *args[] = {"here", verb, argument};
    struct xd_bytes *answer = NULL;
    struct xd_error error = {""};
    enum xd_err err =
        xd_admin(client, "agent", args, argument == NULL ? 2 : 3, 20000, &answer, &error);
    snprintf(text, room, "%s", error.text);
    if (answer != NULL) {
        snprintf(text, room, "%.*s", (int)answer->size, (const char *)answer->data);
    }
    xd_bytes_unref(answer);
    return err;
}

Test(agents, a_slot_is_killed_restarted_read_and_all_are_drained)
{
    char text[4096];
    struct xd_client *client = sys_client(&sys);
    pid_t pid = sys_worker_with(&sys,
                                (const char *const[]){"--module",
                                                      getenv("XDT_HANDLERS"),
                                                      "--slots",
                                                      "2",
                                                      "--name",
                                                      "here",
                                                      NULL});
    sys_await_counter(client, "workers", 2);
    sys_await_counter(client, "agents", 1);
    struct xd_future *future = sys_call(client, "say", "some words");
    sys_expect(future, XD_OUTCOME_DONE);
    xd_future_free(future);
    future = sys_call(client, "sleep", "60000");
    sys_await_counter(client, "leased", 1);
    for (int i = 0; i < 2; i++) { /* one of them runs the task, which ends as lost */
        cr_assert_eq(ask_worker(client, "kill", i ? "1" : "0", text, sizeof text),
                     XD_OK,
                     "%s",
                     text);
    }
    sys_expect(future, XD_OUTCOME_LOST);
    xd_future_free(future);
    sys_await_counter(client, "workers", 2);
    cr_assert_eq(ask_worker(client, "slots", NULL, text, sizeof text), XD_OK);
    cr_assert_not_null(strstr(text, "\"crashes\":1,\"starts\":2"), "%s", text);
    char both[8192] = "";
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(ask_worker(client, "logs", i ? "1" : "0", text, sizeof text), XD_OK);
        strcat(both, text);
    }
    cr_assert_not_null(strstr(both, "stdout some words\n"), "%s", both);
    cr_assert_not_null(strstr(both, "signal=9"), "%s", both);
    cr_assert_eq(ask_worker(client, "drain", "20", text, sizeof text), XD_OK);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    sys_await_counter(client, "workers", 0);
    sys_await_counter(client, "agents", 0);
    sys.children[0] = 0;
    xd_client_close(client);
}
