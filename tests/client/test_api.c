/* SPDX-License-Identifier: MIT */
/* The public functions of client and worker over a scripted broker: threads, descriptors,
 * fork, refusals. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "client.h"
#include "crossdock.h"
#include "fake.h"
#include "worker.h"

static struct fake *fake;
static struct xd_client *client;

static bool echo(struct fake *self, enum xd_lane lane, struct xd_msg *msg)
{
    if (msg->kind == XD_KIND_SUBMIT) {
        fake_say_done(self, msg->tasks.tasks, msg->tasks.count);
        return true;
    }
    return fake_welcome(self, lane, msg);
}

static void begin(void)
{
    fake = fake_new();
    fake->answer = echo;
    struct xd_client_options options = {.link = &fake->link};
    struct xd_error error = {""};
    cr_assert_eq(xd_client_connect(&options, &client, &error), XD_OK, "%s", error.text);
}

static void end(void)
{
    xd_client_close(client);
    cr_assert(fake->closed);
    fake_free(fake);
}

TestSuite(api, .init = begin, .fini = end);

static struct xd_future *submit(void)
{
    struct xd_call call = {.callee = "f"};
    struct xd_future *future;
    cr_assert_eq(xd_submit(client, &call, &future, NULL), XD_OK);
    return future;
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    return poll(&item, 1, timeout_ms) == 1;
}

Test(api, submit_and_wait)
{
    struct xd_future *future = submit();
    cr_assert_eq(xd_future_wait(future, 5000), XD_OK);
    cr_assert_eq(xd_future_outcome(future), XD_OUTCOME_DONE);
    cr_assert_str_eq(xd_future_error(future), "");
    cr_assert_eq(xd_future_parts(future), 1);
    cr_assert_eq(xd_client_session(client).n, 7);
    xd_future_free(future);
}

Test(api, context_is_kept)
{
    struct xd_future *future = submit();
    cr_assert_null(xd_future_context(future));
    xd_future_set_context(future, fake);
    cr_assert_eq(xd_future_context(future), fake);
    xd_future_free(future);
}

Test(api, wait_has_an_end)
{
    fake->answer = fake_welcome;
    struct xd_future *future = submit();
    cr_assert_eq(xd_future_wait(future, 0), XD_ERR_TIMEOUT);
    cr_assert_eq(xd_future_wait(future, 20), XD_ERR_TIMEOUT);
    cr_assert_eq(xd_client_wait(client, 5), XD_ERR_TIMEOUT);
    xd_future_free(future);
}

Test(api, a_burst_is_few_messages)
{
    fake->answer = fake_welcome;
    struct xd_future *futures[1000];
    for (int i = 0; i < 1000; i++) {
        futures[i] = submit();
    }
    cr_assert_eq(xd_future_wait(futures[999], 50), XD_ERR_TIMEOUT);
    struct xd_msg msg;
    unsigned messages = 0;
    size_t tasks = 0;
    while (fake_hear(fake, &msg)) {
        messages += msg.kind == XD_KIND_SUBMIT;
        tasks += msg.kind == XD_KIND_SUBMIT ? msg.tasks.count : 0;
        xd_msg_clear(&msg);
    }
    cr_assert_eq(tasks, 1000);
    cr_assert_lt(messages, 100, "%u messages", messages);
    for (int i = 0; i < 1000; i++) {
        xd_future_free(futures[i]);
    }
}

Test(api, many_are_taken_together_or_not_at_all)
{
    struct xd_call calls[3] = {{.callee = "f"}, {.callee = "f"}, {.callee = ""}};
    struct xd_future *futures[3] = {0};
    cr_assert_eq(xd_submit_many(client, calls, 3, futures, NULL), XD_ERR_INVALID);
    cr_assert_null(futures[0]);
    calls[2].callee = "g";
    cr_assert_eq(xd_submit_many(client, calls, 3, futures, NULL), XD_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(xd_future_wait(futures[i], 5000), XD_OK);
        xd_future_free(futures[i]);
    }
}

Test(api, next_gives_each_once)
{
    struct xd_future *future = submit(), *got;
    cr_assert_eq(xd_client_wait(client, 5000), XD_OK);
    cr_assert_eq(xd_client_next(client, &got), XD_OK);
    cr_assert_eq(got, future);
    cr_assert_eq(xd_client_next(client, &got), XD_ERR_AGAIN);
    xd_future_free(future);
}

Test(api, descriptor_tells_of_ends)
{
    int fd = xd_client_fd(client);
    cr_assert_not(is_readable(fd, 0));
    struct xd_future *future = submit(), *got;
    cr_assert(is_readable(fd, 5000));
    cr_assert_eq(xd_client_next(client, &got), XD_OK);
    cr_assert_not(is_readable(fd, 0));
    xd_future_free(future);
    fake_break(fake);
    cr_assert(is_readable(fd, 5000), "the session is gone");
}

static bool is_ours(pthread_t sender)
{
    return pthread_equal(sender, pthread_self()) != 0;
}

/* The background thread sleeps on the link: no need to wake it for that. */
Test(api, task_leaves_at_once_though_another_thread_leads)
{
    enum { TRIES = 100 };
    bool at_once = false;
    (void)xd_client_fd(client);
    for (int i = 0; i < TRIES && !at_once; i++) {
        usleep(2000);
        struct xd_future *future = submit();
        pthread_mutex_lock(&fake->lock);
        at_once = is_ours(fake->sender);
        pthread_mutex_unlock(&fake->lock);
        cr_assert_eq(xd_future_wait(future, 5000), XD_OK);
        xd_future_free(future);
    }
    cr_assert(at_once);
}

Test(api, unwatched_session_hears_of_its_end)
{
    fake->answer = fake_welcome;
    struct xd_future *future = submit();
    fake_break(fake); /* nobody waits: the background thread sees it */
    for (int i = 0; i < 5000 && !xd_future_is_done(future); i++) {
        usleep(1000);
    }
    cr_assert_eq(xd_future_outcome(future), XD_OUTCOME_BROKER_GONE);
    struct xd_error error;
    cr_assert_eq(xd_client_state(client, &error), XD_ERR_GONE);
    struct xd_call call = {.callee = "f"};
    struct xd_future *none;
    cr_assert_eq(xd_submit(client, &call, &none, &error), XD_ERR_GONE);
    cr_assert_eq(xd_future_wait(future, -1), XD_OK);
    xd_future_free(future);
}

Test(api, future_outlives_its_client)
{
    fake->answer = fake_welcome;
    struct xd_future *future = submit();
    xd_client_close(client);
    client = NULL;
    cr_assert_eq(xd_future_outcome(future), XD_OUTCOME_BROKER_GONE);
    cr_assert_not_null(strstr(xd_future_error(future), "closed"));
    xd_future_free(future);
}

Test(api, close_says_bye)
{
    fake->answer = fake_welcome;
    xd_client_close(client);
    client = NULL;
    struct xd_msg msg;
    fake_expect(fake, XD_KIND_BYE, &msg);
    xd_msg_clear(&msg);
}

Test(api, forked_child_touches_nothing)
{
    fake->answer = fake_welcome;
    struct xd_future *future = submit();
    pid_t pid = fork();
    if (pid == 0) {
        struct xd_call call = {.callee = "f"};
        struct xd_future *none;
        bool good = xd_submit(client, &call, &none, NULL) == XD_ERR_GONE &&
                    xd_future_wait(future, -1) == XD_ERR_GONE &&
                    xd_future_cancel(future) == XD_ERR_GONE &&
                    xd_client_state(client, NULL) == XD_ERR_GONE &&
                    xd_client_next(client, &none) == XD_ERR_GONE &&
                    xd_client_fd(client) == -1;
        xd_future_free(future);
        xd_client_close(client);
        _exit(good && !fake->closed ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(xd_client_state(client, NULL), XD_OK, "the parent goes on");
    xd_future_free(future);
}

/* ---- setups ---- */

static struct xd_setup *make_setup(void)
{
    struct xd_payload payload = {0};
    struct xd_setup *setup;
    struct xd_error error = {""};
    cr_assert_eq(xd_bytes_text("how", &payload.bytes), XD_OK);
    cr_assert_eq(xd_setup_new(client, &payload, 1, &setup, &error),
                 XD_OK,
                 "%s",
                 error.text);
    xd_bytes_unref(payload.bytes);
    return setup;
}

static struct xd_future *submit_with(struct xd_setup *setup)
{
    struct xd_call call = {.callee = "f", .setup = setup};
    struct xd_future *future;
    cr_assert_eq(xd_submit(client, &call, &future, NULL), XD_OK);
    return future;
}

Test(api, setup_is_dropped_at_once_when_nobody_uses_it)
{
    struct xd_setup *setup = make_setup();
    struct xd_future *future = submit_with(setup);
    cr_assert_eq(xd_future_wait(future, 5000), XD_OK);
    xd_future_free(future);
    xd_setup_free(setup);
    struct xd_msg msg = {0};
    bool dropped = false;
    for (int i = 0; i < 5000 && !dropped; i++) { /* whoever leads says so */
        while (fake_hear(fake, &msg)) {
            dropped = dropped || (msg.kind == XD_KIND_SETUP && msg.setup.drop);
            xd_msg_clear(&msg);
        }
        usleep(dropped ? 0 : 200);
    }
    cr_assert(dropped);
    cr_assert_eq(atomic_load(&client->refs), 1);
}

Test(api, setup_may_outlive_its_client_and_its_tasks)
{
    fake->answer = fake_welcome;
    struct xd_setup *used = make_setup(), *unused = make_setup();
    struct xd_future *future = submit_with(used);
    xd_setup_free(NULL);
    xd_client_close(client);
    client = NULL;
    xd_setup_free(used);
    cr_assert_eq(xd_future_outcome(future), XD_OUTCOME_BROKER_GONE);
    xd_future_free(future);
    xd_setup_free(unused);
}

Test(api, setup_that_is_freed_first_goes_with_its_last_task)
{
    fake->answer = fake_welcome;
    struct xd_setup *setup = make_setup();
    struct xd_future *future = submit_with(setup);
    xd_setup_free(setup);
    cr_assert_eq(atomic_load(&client->refs), 3);
    fake_break(fake);
    cr_assert_eq(xd_future_wait(future, 5000), XD_OK);
    xd_future_free(future);
    cr_assert_eq(atomic_load(&client->refs), 1);
}

Test(api, setup_in_a_forked_child_is_only_memory)
{
    fake->answer = fake_welcome;
    struct xd_setup *setup = make_setup(), *none;
    struct xd_future *future = submit_with(setup);
    pid_t pid = fork();
    if (pid == 0) {
        struct xd_payload payload = {0};
        struct xd_profile_counts counts;
        bool good = xd_bytes_text("how", &payload.bytes) == XD_OK &&
                    xd_setup_new(client, &payload, 1, &none, NULL) == XD_ERR_GONE &&
                    xd_profile_counts(client, "p", -1, &counts, NULL) == XD_ERR_GONE;
        xd_bytes_unref(payload.bytes);
        xd_setup_free(setup);
        xd_future_free(future);
        xd_client_close(client);
        _exit(good && !fake->closed ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    xd_setup_free(setup);
    xd_future_free(future);
}

/* ---- counts ---- */

static const char *counts_text;

static bool answer_question(struct fake *self, enum xd_lane lane, struct xd_msg *msg)
{
    if (msg->kind != XD_KIND_ADMIN) {
        return fake_welcome(self, lane, msg);
    }
    struct xd_msg answer = {.kind = XD_KIND_ADMIN};
    answer.admin = (struct xd_admin){.verb = msg->admin.verb,
                                     .ticket = msg->admin.ticket,
                                     .answer = true};
    cr_assert(xd_bytes_is(msg->admin.verb, "counts") &&
              xd_bytes_is(msg->admin.args[0], "mine"));
    cr_assert_eq(xd_bytes_text(counts_text, &answer.admin.text), XD_OK);
    fake_say(self, lane, &answer);
    xd_bytes_unref(answer.admin.text);
    return true;
}

Test(api, counts_are_read_by_name)
{
    struct xd_profile_counts counts;
    struct xd_error error = {""};
    fake->answer = answer_question;
    counts_text = "ended 18446744073709551615\nlater 7\nworkers 1\njoined 2\nqueued 3\n"
                  "leased 4\nr_workers 5\n";
    cr_assert_eq(xd_profile_counts(client, "mine", 5000, &counts, &error),
                 XD_OK,
                 "%s",
                 error.text);
    cr_assert(counts.workers == 1 && counts.joined == 2 && counts.queued == 3 &&
              counts.leased == 4 && counts.r_workers == 5 && counts.ended == UINT64_MAX);
    cr_assert_str_eq(xd_client_address(client), ""); /* over a link */
    static const char *const bad[] = {"", "workers 1\n", "workers\n", "what is this"};
    for (size_t i = 0; i < 4; i++) {
        counts_text = bad[i];
        cr_assert_eq(xd_profile_counts(client, "mine", 5000, &counts, &error),
                     XD_ERR_PROTOCOL,
                     "%s",
                     bad[i]);
    }
    cr_assert_eq(counts.joined, 2, "a failed call changes nothing");
}

/* ---- connecting ---- */

static bool refuse(struct fake *self, enum xd_lane lane, struct xd_msg *msg)
{
    struct xd_msg error = {.kind = XD_KIND_ERROR};
    error.error.code = *(enum xd_err *)self->context;
    error.error.kind = msg->kind;
    fake_say(self, lane, &error);
    return true;
}

static enum xd_err connect_refused(enum xd_err code)
{
    fake = fake_new();
    fake->answer = refuse;
    fake->context = &code;
    struct xd_client_options options = {.link = &fake->link};
    struct xd_error error = {""};
    enum xd_err err = xd_client_connect(&options, &client, &error);
    cr_assert_gt(strlen(error.text), 0);
    cr_assert(fake->closed);
    fake_free(fake);
    return err;
}

Test(connect, refusals_keep_their_code)
{
    cr_assert_eq(connect_refused(XD_ERR_VERSION), XD_ERR_VERSION);
    cr_assert_eq(connect_refused(XD_ERR_FORBIDDEN), XD_ERR_FORBIDDEN);
}

Test(connect, silence_is_a_timeout)
{
    fake = fake_new();
    struct xd_client_options options = {.link = &fake->link, .timeout_ms = 20};
    cr_assert_eq(xd_client_connect(&options, &client, NULL), XD_ERR_TIMEOUT);
    cr_assert(fake->closed);
    fake_free(fake);
}

Test(connect, every_failed_allocation_is_an_error)
{
    for (size_t n = 1; n < 100; n++) {
        fake = fake_new();
        fake->answer = fake_welcome;
        struct xd_client_options options = {.link = &fake->link, .timeout_ms = 2000};
        xd_alloc_fail_at(n);
        enum xd_err err = xd_client_connect(&options, &client, NULL);
        size_t counted = xd_alloc_fail_at(0);
        if (err == XD_OK) {
            xd_client_close(client);
        }
        cr_assert(fake->closed);
        fake_free(fake);
        if (err == XD_OK && counted < n) {
            return;
        }
    }
    cr_assert_fail("it never connected");
}

Test(connect, nobody_there_names_the_address)
{
    char dir[] = "/tmp/xdt-XXXXXX", address[64];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(address, sizeof address, "ipc://%s/none", dir);
    struct xd_client_options options = {.address = address, .timeout_ms = 50};
    struct xd_error error;
    cr_assert_eq(xd_client_connect(&options, &client, &error), XD_ERR_TIMEOUT);
    cr_assert_not_null(strstr(error.text, address), "%s", error.text);
    options.address = "http://x";
    cr_assert_neq(xd_client_connect(&options, &client, &error), XD_OK);
    rmdir(dir);
}

/* ---- budget ---- */

static bool small_budget(struct fake *self, enum xd_lane lane, struct xd_msg *msg)
{
    if (msg->kind == XD_KIND_HELLO) {
        fake_say_hello_ok(self, lane, 3);
        return true;
    }
    return echo(self, lane, msg);
}

/* BUSY is for the moments in which the background thread leads. */
static struct xd_future *submit_when_free(void)
{
    struct xd_call call = {.callee = "f"};
    struct xd_future *future = NULL;
    enum xd_err err;
    while ((err = xd_submit(client, &call, &future, NULL)) == XD_ERR_BUSY) {
        usleep(1000);
    }
    cr_assert_eq(err, XD_OK);
    return future;
}

/* What the new lane brings must wake the thread that leads: it polls the others. */
Test(connect, lane_that_a_submission_opens_is_heard_at_once)
{
    static uint8_t bytes[2 * 1024 * 1024];
    struct xd_payload payload = {0};
    cr_assert_eq(xd_bytes_wrap(bytes, sizeof bytes, NULL, NULL, &payload.bytes), XD_OK);
    const struct xd_call call = {.callee = "f", .payloads = &payload, .payload_count = 1};
    fake = fake_new();
    fake->answer = echo;
    fake->heartbeat_ms = 20000;
    struct xd_client_options options = {.link = &fake->link};
    cr_assert_eq(xd_client_connect(&options, &client, NULL), XD_OK);
    (void)xd_client_fd(client);
    usleep(50000); /* it sleeps until its next beat */
    struct xd_future *future;
    cr_assert_eq(xd_submit(client, &call, &future, NULL), XD_OK);
    for (int i = 0; i < 5000 && !xd_future_is_done(future); i++) {
        usleep(1000);
    }
    cr_assert(xd_future_is_done(future), "it waits for the next beat");
    xd_future_free(future);
    xd_bytes_unref(payload.bytes);
    end();
}

Test(connect, over_budget_results_that_wait_make_room)
{
    fake = fake_new();
    fake->answer = small_budget;
    struct xd_client_options options = {.link = &fake->link};
    cr_assert_eq(xd_client_connect(&options, &client, NULL), XD_OK);
    for (int i = 0; i < 50; i++) { /* nobody waits for any of them */
        xd_future_free(submit_when_free());
    }
    struct xd_future *last = submit_when_free();
    cr_assert_eq(xd_future_wait(last, 5000), XD_OK);
    xd_future_free(last);
    fake->answer = fake_welcome;
    struct xd_call call = {.callee = "f"};
    struct xd_future *future;
    enum xd_err err;
    int taken = 0;
    while ((err = xd_submit(client, &call, &future, NULL)) == XD_OK && taken < 10) {
        xd_future_free(future);
        taken++;
    }
    cr_assert_eq(err, XD_ERR_BUSY);
    cr_assert_eq(taken, 3);
    end();
}
