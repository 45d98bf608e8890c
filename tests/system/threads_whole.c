/* SPDX-License-Identifier: MIT */
/* The whole system in one process, for the thread sanitizer: an embedded broker, workers
 * in threads, a host agent, clients by link and by socket. A plain program: Criterion
 * aborts under TSan. Exits 0 when every answer was right. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crossdock.h"
#include "crossdock_agent.h"
#include "crossdock_broker.h"
#include "crossdock_worker.h"

enum {
    WORKERS = 2,
    CLIENTS = 3,
    TASKS = 1500,
    LARGE = 3 * 1024 * 1024 + 5,
    QUESTIONS = 200
};

static char address[128];
static atomic_bool over;

#define NEED(claim)                                                                      \
    do {                                                                                 \
        if (!(claim)) {                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);                  \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

/* Echo every argument, until the broker says that it is over. */
static void *work(void *unused)
{
    static const char *const HANDLERS[] = {"echo"};
    struct xd_worker_options options = {.address = address,
                                        .handlers = HANDLERS,
                                        .handler_count = 1,
                                        .hold = 64};
    struct xd_worker *worker;
    struct xd_error why = {""};
    struct xd_job *job;
    (void)unused;
    NEED(xd_worker_connect(&options, &worker, &why) == XD_OK);
    while (!over) {
        enum xd_err err = xd_worker_next(worker, 50, &job, &why);
        if (err == XD_ERR_TIMEOUT) {
            continue;
        }
        NEED(err == XD_OK);
        struct xd_setup_view view;
        NEED(xd_job_setup(job, &view) && xd_bytes_is(view.frames[0].bytes, "how"));
        const struct xd_frame *arg = xd_job_arg(job, 0);
        struct xd_payload payload = {.bytes = xd_bytes_ref(arg->bytes), .tag = "raw"};
        NEED(xd_job_finish(job, &payload, 1) == XD_OK);
        xd_bytes_unref(payload.bytes);
    }
    xd_worker_leave(worker);
    return NULL;
}

static struct xd_setup *make_setup(struct xd_client *client)
{
    struct xd_payload payload = {0};
    struct xd_setup *setup;
    struct xd_error why = {""};
    NEED(xd_bytes_text("how", &payload.bytes) == XD_OK);
    NEED(xd_setup_new(client, &payload, 1, &setup, &why) == XD_OK);
    xd_bytes_unref(payload.bytes);
    return setup;
}

static struct xd_future *submit(struct xd_client *client,
                                struct xd_setup *setup,
                                size_t size)
{
    uint8_t *room;
    struct xd_payload payload = {.tag = "raw"};
    struct xd_call call = {.callee = "echo",
                           .payloads = &payload,
                           .payload_count = 1,
                           .setup = setup};
    struct xd_future *future;
    struct xd_error why = {""};
    NEED(xd_bytes_room(size, &room, &payload.bytes) == XD_OK);
    memset(room, 7, size);
    enum xd_err err = xd_submit(client, &call, &future, &why);
    if (err != XD_OK) {
        fprintf(stderr, "submit: %s\n", why.text);
    }
    NEED(err == XD_OK);
    xd_bytes_unref(payload.bytes);
    return future;
}

static void collect(struct xd_future *future, size_t size)
{
    NEED(xd_future_wait(future, 60000) == XD_OK);
    if (xd_future_outcome(future) != XD_OUTCOME_DONE) {
        fprintf(stderr, "outcome: %s\n", xd_future_error(future));
    }
    NEED(xd_future_outcome(future) == XD_OUTCOME_DONE);
    NEED(xd_future_result(future, 0)->frames[0].size == size);
    xd_future_free(future);
}

static void *submit_and_wait(void *argument)
{
    struct xd_client *client = argument;
    static _Thread_local struct xd_future *futures[TASKS];
    struct xd_setup *setup = make_setup(client);
    for (int i = 0; i < TASKS; i++) {
        futures[i] = submit(client, setup, 100);
    }
    struct xd_future *large = submit(client, setup, LARGE);
    struct xd_future *dropped = submit(client, setup, 10);
    NEED(xd_future_cancel(dropped) == XD_OK);
    xd_future_free(dropped);
    xd_setup_free(setup); /* while its tasks are open */
    struct xd_profile_counts counts;
    NEED(xd_profile_counts(client, "default", 60000, &counts, NULL) == XD_OK);
    for (int i = 0; i < TASKS; i++) {
        collect(futures[i], 100);
    }
    collect(large, LARGE);
    for (int i = 0; i < 100; i++) {
        setup = make_setup(client);
        struct xd_future *future = submit(client, setup, 20);
        xd_setup_free(setup);
        collect(future, 20);
    }
    return NULL;
}

/* Answer what is asked with the argument that came. */
static void *attend(void *context)
{
    struct xd_agent *agent = context;
    const struct xd_agent_question *question;
    struct pollfd fd = {.fd = xd_agent_fd(agent), .events = POLLIN};
    while (!over) {
        while (xd_agent_next(agent, &question) == XD_OK) {
            NEED(question->arg_count == 1);
            xd_agent_answer(agent,
                            question,
                            XD_OK,
                            question->args[0],
                            strlen(question->args[0]));
        }
        poll(&fd, 1, 50);
    }
    return NULL;
}

static void ask_agent(struct xd_agent *agent, struct xd_client *client)
{
    char text[24];
    const char *args[] = {"here", "repeat", text};
    struct xd_bytes *answer;
    while (xd_agent_state(agent, NULL) != XD_OK) {
        usleep(1000);
    }
    for (int i = 0; i < QUESTIONS; i++) {
        (void)snprintf(text, sizeof text, "number %d", i);
        NEED(xd_admin(client, "agent", args, 3, 20000, &answer, NULL) == XD_OK);
        NEED(xd_bytes_is(answer, text));
        xd_bytes_unref(answer);
    }
}

static struct xd_client *connect_by(struct xd_broker *broker, bool link)
{
    struct xd_client_options options = {.address = address};
    struct xd_client *client;
    struct xd_error why = {""};
    if (link) {
        NEED(xd_broker_link(broker, &options.link) == XD_OK);
    }
    enum xd_err err = xd_client_connect(&options, &client, &why);
    if (err != XD_OK) {
        fprintf(stderr, "connect: %s\n", why.text);
    }
    NEED(err == XD_OK);
    return client;
}

int main(void)
{
    char dir[] = "/tmp/xdtXXXXXX";
    const char *listen[] = {address, NULL};
    struct xd_broker_options options = {.listen = listen};
    struct xd_broker *broker;
    struct xd_error why = {""};
    struct xd_agent_options agent_options = {.address = address, .name = "here"};
    struct xd_agent *agent;
    pthread_t workers[WORKERS], threads[CLIENTS + 1], attendant;
    struct xd_client *clients[CLIENTS];
    alarm(300);
    NEED(mkdtemp(dir) != NULL);
    (void)snprintf(address, sizeof address, "ipc://%s/broker", dir);
    NEED(xd_broker_start(&options, &broker, &why) == XD_OK);
    for (int i = 0; i < WORKERS; i++) {
        NEED(pthread_create(&workers[i], NULL, work, NULL) == 0);
    }
    NEED(xd_agent_open(&agent_options, &agent, &why) == XD_OK);
    NEED(pthread_create(&attendant, NULL, attend, agent) == 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_by(broker, i > 0);
        NEED(pthread_create(&threads[i], NULL, submit_and_wait, clients[i]) == 0);
    }
    NEED(pthread_create(&threads[CLIENTS], NULL, submit_and_wait, clients[0]) == 0);
    ask_agent(agent, clients[1]);
    for (int i = 0; i < CLIENTS + 1; i++) {
        NEED(pthread_join(threads[i], NULL) == 0);
    }
    char *json;
    NEED(xd_broker_status(broker, &json) == XD_OK);
    free(json);
    for (int i = 0; i < CLIENTS; i++) {
        xd_client_close(clients[i]);
    }
    over = true;
    for (int i = 0; i < WORKERS; i++) {
        NEED(pthread_join(workers[i], NULL) == 0);
    }
    NEED(pthread_join(attendant, NULL) == 0);
    xd_agent_close(agent);
    NEED(xd_broker_drain(broker, 5000) == XD_OK);
    xd_broker_stop(broker);
    NEED(rmdir(dir) == 0); /* the broker left nothing */
    puts("whole system: every answer right");
    return 0;
}
