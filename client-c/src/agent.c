/* SPDX-License-Identifier: MIT */
/* A host agent's session: one thread that dials, serves, and dials again. */
#include "crossdock_agent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/thread.h"
#include "channel.h"
#include "clock.h"
#include "dial.h"
#include "facts.h"
#include "origin.h"
#include "wire/limits.h"

/* So long may a greeting take. */
#define GREETING_TIME (5 * XD_S)
/* Between two tries to reach the broker: doubled from the first to the last. */
#define PAUSE_FIRST (100 * XD_MS)
#define PAUSE_LAST (5 * XD_S)
/* Questions that wait for the program; more are answered as busy. */
#define QUESTIONS_MAX 64u

struct question {
    struct xd_agent_question view; /* first */
    struct xd_list link;           /* asked, or taken */
    uint64_t era, ticket;
    struct xd_bytes *verb;
    const char *texts[XD_TASKS_MAX];
    char chars[]; /* verb and arguments, each ended by NUL */
};

struct xd_agent {
    struct xd_origin origin;
    char *address, *server_key, *key_file; /* as asked for; NULL: looked up at each try */
    struct xd_facts facts;
    int wake_fd, news_fd; /* for the thread; for the program */
    pthread_t thread;
    atomic_bool stopping;

    /* The thread's alone. */
    struct xd_channel channel;
    struct xd_batch inbox;

    pthread_mutex_t lock; /* of what follows */
    struct xd_list asked, taken;
    size_t question_count; /* in both */
    struct xd_outbox answers;
    uint64_t era; /* counts the sessions: their ids begin anew with each broker */
    enum xd_err state;
    struct xd_error why;
};

static void ring(int fd)
{
    uint64_t one = 1;
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

static void hush(int fd)
{
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

/* ---- questions ---- */

static void question_free(struct xd_agent *agent, struct question *question)
{
    xd_list_remove(&question->link);
    agent->question_count--;
    xd_bytes_unref(question->verb);
    xd_free(question);
}

static char *copy_text(char *to, const struct xd_bytes *text)
{
    if (text->size > 0) {
        memcpy(to, text->data, text->size);
    }
    to[text->size] = '\0';
    return to + text->size + 1;
}

static struct question *question_new(const struct xd_admin *admin)
{
    size_t chars = admin->verb->size + 1;
    for (size_t i = 0; i < admin->arg_count; i++) {
        chars += admin->args[i]->size + 1;
    }
    struct question *question = xd_zalloc(sizeof *question + chars);
    if (question == NULL) {
        return NULL;
    }
    char *at = copy_text(question->chars, admin->verb);
    for (size_t i = 0; i < admin->arg_count; i++) {
        question->texts[i] = at;
        at = copy_text(at, admin->args[i]);
    }
    question->verb = xd_bytes_ref(admin->verb);
    question->ticket = admin->ticket;
    question->view =
        (struct xd_agent_question){question->chars, question->texts, admin->arg_count};
    return question;
}

/* With the lock. Without memory nothing is said: the broker gives up by itself. */
static void put_answer(struct xd_agent *agent,
                       struct xd_bytes *verb,
                       uint64_t ticket,
                       enum xd_err code,
                       const char *text,
                       size_t size)
{
    struct xd_msg msg = {.kind = XD_KIND_ADMIN};
    msg.admin = (struct xd_admin){.verb = xd_bytes_ref(verb),
                                  .ticket = ticket,
                                  .answer = true,
                                  .code = code};
    if (xd_bytes_copy(text, size, &msg.admin.text) != XD_OK ||
        xd_outbox_put(&agent->answers, &msg, size) != XD_OK) {
        xd_msg_clear(&msg);
    }
}

static void put_refusal(struct xd_agent *agent,
                        struct xd_bytes *verb,
                        uint64_t ticket,
                        enum xd_err code,
                        const char *text)
{
    put_answer(agent, verb, ticket, code, text, strlen(text));
}

static void on_message(void *owner, struct xd_msg *msg, xd_time now)
{
    (void)now;
    struct xd_agent *agent = owner;
    if (msg->kind != XD_KIND_ADMIN || msg->admin.answer) {
        return;
    }
    pthread_mutex_lock(&agent->lock);
    struct question *question = NULL;
    if (agent->question_count >= QUESTIONS_MAX) {
        put_refusal(agent,
                    msg->admin.verb,
                    msg->admin.ticket,
                    XD_ERR_BUSY,
                    "the agent has too many questions");
    } else if ((question = question_new(&msg->admin)) != NULL) {
        question->era = agent->era;
        xd_list_push_back(&agent->asked, &question->link);
        agent->question_count++;
        ring(agent->news_fd);
    }
    pthread_mutex_unlock(&agent->lock);
}

/* What the program has answered goes into the session's own outbox. */
static void move_answers(struct xd_agent *agent)
{
    struct xd_letter *letter;
    pthread_mutex_lock(&agent->lock);
    while ((letter = xd_outbox_first(&agent->answers)) != NULL) {
        if (xd_outbox_put(&agent->channel.outbox, &letter->msg, letter->bytes) != XD_OK) {
            break; /* tried again in the next turn */
        }
        xd_outbox_drop(&agent->answers, letter);
    }
    pthread_mutex_unlock(&agent->lock);
}

/* ---- the thread ---- */

static void set_state(struct xd_agent *agent, enum xd_err state, const char *why)
{
    pthread_mutex_lock(&agent->lock);
    bool changed = agent->state != state || strcmp(agent->why.text, why) != 0;
    agent->state = state;
    xd_error_set(&agent->why, "%s", why);
    pthread_mutex_unlock(&agent->lock);
    if (changed) {
        ring(agent->news_fd);
    }
}

/* True when something came: look again before sleeping. */
static bool turn(struct xd_agent *agent, xd_time now)
{
    struct xd_channel *channel = &agent->channel;
    bool was_open = xd_session_is_open(&channel->session);
    xd_channel_receive(channel, &agent->inbox);
    bool came = xd_channel_take(channel, &agent->inbox, now);
    xd_channel_run(channel, now);
    if (xd_session_is_open(&channel->session)) {
        if (!was_open) {
            set_state(agent, XD_OK, "");
        }
        move_answers(agent);
    }
    xd_channel_flush(channel, now);
    return came;
}

/* Until the session or the agent ends. True: there was a session. */
static bool serve(struct xd_agent *agent)
{
    struct xd_channel *channel = &agent->channel;
    struct xd_session *session = &channel->session;
    xd_time greet_by = xd_now() + GREETING_TIME;
    while (!session->gone && !atomic_load(&agent->stopping)) {
        xd_time now = xd_now();
        bool came = turn(agent, now);
        bool is_open = xd_session_is_open(session);
        if (!is_open && now >= greet_by) {
            xd_session_end(session, XD_ERR_TIMEOUT, "no broker answers");
        }
        if (came || session->gone) {
            continue;
        }
        xd_time until = is_open ? xd_channel_deadline(channel)
                                : xd_time_min(greet_by, channel->retry_at);
        enum xd_err err =
            xd_channel_wait(channel, agent->wake_fd, xd_time_poll_ms(now, until));
        hush(agent->wake_fd);
        if (err != XD_OK) {
            xd_session_end(session, XD_ERR_GONE, "the connection to the broker is gone");
        }
    }
    return session->id.n != 0;
}

/* Tickets of a broker that is gone mean nothing to the next one. */
static void forget_questions(struct xd_agent *agent)
{
    pthread_mutex_lock(&agent->lock);
    while (!xd_list_is_empty(&agent->asked)) {
        question_free(agent, XD_ITEM(agent->asked.next, struct question, link));
    }
    agent->era++;
    xd_outbox_fini(&agent->answers);
    xd_outbox_init(&agent->answers);
    pthread_mutex_unlock(&agent->lock);
}

/* One session from dial to end, and why it ended. True: there was one. */
static bool live_once(struct xd_agent *agent)
{
    static const struct xd_session_id none;
    const struct xd_dial_options dial = {agent->address,
                                         agent->server_key,
                                         agent->key_file};
    struct xd_dialled dialled;
    struct xd_link *link;
    struct xd_error error = {""};
    enum xd_err err = xd_dial(&dial, &dialled, &link, &error);
    if (err == XD_OK) {
        err = xd_channel_init(&agent->channel, link, XD_ROLE_AGENT, none, xd_now());
    }
    if (err != XD_OK) {
        set_state(agent, err, error.text[0] ? error.text : xd_err_text(err));
        return false;
    }
    struct xd_channel *channel = &agent->channel;
    channel->message = on_message;
    channel->owner = agent;
    channel->facts = &agent->facts;
    bool lived = serve(agent);
    if (!channel->session.gone) {
        move_answers(agent); /* the last ones, as far as they go without waiting */
        xd_channel_flush(channel, xd_now());
        xd_session_end(&channel->session, XD_ERR_GONE, "the agent ends");
        xd_channel_bye(channel);
    }
    error = channel->session.end;
    xd_dial_explain(&dialled, &error);
    forget_questions(agent);
    set_state(agent, channel->session.end_code, error.text);
    xd_channel_fini(channel, true);
    return lived;
}

/* With a share of chance, so that many agents do not come back in step. */
static xd_time draw_pause(xd_time full)
{
    uint32_t chance = 0;
    ssize_t ignored = getrandom(&chance, sizeof chance, 0);
    (void)ignored;
    return full - (xd_time)(chance % 1000) * (full / 2000);
}

static void *run(void *context)
{
    struct xd_agent *agent = context;
    xd_time pause = PAUSE_FIRST;
    while (!atomic_load(&agent->stopping)) {
        if (live_once(agent)) {
            pause = PAUSE_FIRST;
        }
        struct pollfd wake = {.fd = agent->wake_fd, .events = POLLIN};
        if (!atomic_load(&agent->stopping) &&
            poll(&wake, 1, (int)(draw_pause(pause) / XD_MS)) > 0) {
            hush(agent->wake_fd);
        }
        pause = xd_time_min(2 * pause, PAUSE_LAST);
    }
    return NULL;
}

/* ---- the program's side ---- */

static bool keep_text(const char *text, char **out)
{
    size_t size = text == NULL ? 0 : strlen(text) + 1;
    if (size == 0) {
        return true;
    }
    *out = xd_alloc(size);
    if (*out != NULL) {
        memcpy(*out, text, size);
    }
    return *out != NULL;
}

static enum xd_err fill(struct xd_agent *agent,
                        const struct xd_agent_options *options,
                        struct xd_error *error)
{
    const struct xd_told told = {options->name,
                                 options->labels,
                                 options->label_count,
                                 options->versions,
                                 options->version_count};
    enum xd_err err = xd_facts_make(&told, &agent->facts, error);
    if (err != XD_OK) {
        return err;
    }
    agent->facts.slot = options->slots;
    agent->facts.cores = options->cores;
    agent->facts.memory_bytes = options->memory_bytes;
    if (!keep_text(options->address, &agent->address) ||
        !keep_text(options->server_key, &agent->server_key) ||
        !keep_text(options->key_file, &agent->key_file)) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for an agent");
    }
    while (agent->facts.agent == 0) {
        if (getrandom(&agent->facts.agent, sizeof agent->facts.agent, 0) < 0) {
            return xd_fail(error, XD_ERR_SYSTEM, "no random numbers");
        }
    }
    return XD_OK;
}

static void agent_free(struct xd_agent *agent)
{
    struct xd_list *lists[] = {&agent->asked, &agent->taken};
    for (size_t i = 0; i < 2; i++) {
        while (!xd_list_is_empty(lists[i])) {
            question_free(agent, XD_ITEM(lists[i]->next, struct question, link));
        }
    }
    xd_outbox_fini(&agent->answers);
    xd_facts_clear(&agent->facts);
    xd_free(agent->address);
    xd_free(agent->server_key);
    xd_free(agent->key_file);
    if (agent->wake_fd >= 0) {
        close(agent->wake_fd);
    }
    if (agent->news_fd >= 0) {
        close(agent->news_fd);
    }
    xd_origin_fini(&agent->origin);
    xd_free(agent);
}

static enum xd_err start(struct xd_agent *agent, struct xd_error *error)
{
    agent->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    agent->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (agent->wake_fd < 0 || agent->news_fd < 0 ||
        pthread_mutex_init(&agent->lock, NULL) != 0) {
        return xd_fail(error, XD_ERR_SYSTEM, "no descriptor for an agent");
    }
    enum xd_err err = xd_thread_start(&agent->thread, run, agent);
    if (err != XD_OK) {
        pthread_mutex_destroy(&agent->lock);
        return xd_fail(error, err, "cannot start the agent's thread");
    }
    return XD_OK;
}

enum xd_err xd_agent_open(const struct xd_agent_options *options,
                          struct xd_agent **out,
                          struct xd_error *error)
{
    static const struct xd_agent_options nothing;
    struct xd_agent *agent = xd_zalloc(sizeof *agent);
    if (agent == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "no memory for an agent");
    }
    agent->wake_fd = agent->news_fd = -1;
    agent->state = XD_ERR_AGAIN;
    xd_list_init(&agent->asked);
    xd_list_init(&agent->taken);
    xd_outbox_init(&agent->answers);
    enum xd_err err = xd_origin_init(&agent->origin);
    if (err != XD_OK) {
        (void)xd_fail(error, err, "no memory for an agent");
    } else {
        err = fill(agent, options == NULL ? &nothing : options, error);
    }
    if (err == XD_OK) {
        err = start(agent, error);
    }
    if (err != XD_OK) {
        agent_free(agent);
        return err;
    }
    *out = agent;
    return XD_OK;
}

void xd_agent_close(struct xd_agent *agent)
{
    if (agent == NULL || !xd_origin_is_here(&agent->origin)) {
        return; /* in a forked child all of it is the parent's */
    }
    atomic_store(&agent->stopping, true);
    ring(agent->wake_fd);
    pthread_join(agent->thread, NULL);
    pthread_mutex_destroy(&agent->lock);
    agent_free(agent);
}

uint64_t xd_agent_number(const struct xd_agent *agent)
{
    return agent->facts.agent;
}

int xd_agent_fd(const struct xd_agent *agent)
{
    return agent->news_fd;
}

enum xd_err xd_agent_state(struct xd_agent *agent, struct xd_error *error)
{
    if (!xd_origin_is_here(&agent->origin)) {
        return xd_fail(error, XD_ERR_GONE, "this process is a fork of the agent's");
    }
    pthread_mutex_lock(&agent->lock);
    enum xd_err state = agent->state;
    if (state != XD_OK) {
        (void)xd_fail(error, state, "%s", agent->why.text);
    }
    pthread_mutex_unlock(&agent->lock);
    return state;
}

enum xd_err xd_agent_next(struct xd_agent *agent, const struct xd_agent_question **out)
{
    if (!xd_origin_is_here(&agent->origin)) {
        return XD_ERR_GONE;
    }
    enum xd_err err = XD_ERR_AGAIN;
    pthread_mutex_lock(&agent->lock);
    if (xd_list_is_empty(&agent->asked)) {
        hush(agent->news_fd);
    } else {
        struct question *question = XD_ITEM(agent->asked.next, struct question, link);
        xd_list_remove(&question->link);
        xd_list_push_back(&agent->taken, &question->link);
        *out = &question->view;
        err = XD_OK;
    }
    pthread_mutex_unlock(&agent->lock);
    return err;
}

static struct question *find_taken(struct xd_agent *agent,
                                   const struct xd_agent_question *question)
{
    struct question *found = NULL;
    XD_LIST_EACH (link, &agent->taken) {
        struct question *it = XD_ITEM(link, struct question, link);
        found = &it->view == question ? it : found;
    }
    xd_assert(found != NULL);
    return found;
}

void xd_agent_answer(struct xd_agent *agent,
                     const struct xd_agent_question *question,
                     enum xd_err code,
                     const char *text,
                     size_t size)
{
    if (!xd_origin_is_here(&agent->origin)) {
        return;
    }
    pthread_mutex_lock(&agent->lock);
    struct question *it = find_taken(agent, question);
    if (it->era != agent->era) {
        /* who asked was told that we were gone */
    } else if (size > XD_MESSAGE_MAX_BYTES) {
        put_refusal(agent,
                    it->verb,
                    it->ticket,
                    XD_ERR_TOO_LARGE,
                    "the answer is larger than a message");
    } else {
        put_answer(agent, it->verb, it->ticket, code, text, size);
    }
    question_free(agent, it);
    pthread_mutex_unlock(&agent->lock);
    ring(agent->wake_fd);
}
