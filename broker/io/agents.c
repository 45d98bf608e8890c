/* SPDX-License-Identifier: MIT */
/* Host agents and questions about them. */
#include "io/agents.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/admin.h"
#include "io/outbound.h"
#include "io/server.h"

struct question {
    struct xd_list link;
    struct xd_session_id asker, agent;
    uint64_t asked; /* the asker's ticket */
    uint64_t ticket;
    struct xd_bytes *verb; /* the asker's: "agent" */
    xd_time deadline;
};

void xdb_agents_init(struct xdb_agents *agents)
{
    *agents = (struct xdb_agents){.count = 0};
    xd_list_init(&agents->questions);
}

static struct question *question_at(struct xd_list *link)
{
    return XD_ITEM(link, struct question, link);
}

static void drop(struct xdb_agents *agents, struct question *question)
{
    xd_list_remove(&question->link);
    agents->count--;
    xd_bytes_unref(question->verb);
    xd_free(question);
}

void xdb_agents_fini(struct xdb_agents *agents)
{
    while (!xd_list_is_empty(&agents->questions)) {
        drop(agents, question_at(agents->questions.next));
    }
}

/* ---- finding agents */

static struct xdb_peer *next_agent(const struct xdb_server *server, struct xdb_peer *last)
{
    struct xd_map_item *item = last == NULL ? NULL : &last->by_session;
    while ((item = xd_map_next(&server->conns.sessions, item)) != NULL) {
        struct xdb_peer *peer = XD_ITEM(item, struct xdb_peer, by_session);
        if (peer->role == XD_ROLE_AGENT) {
            return peer;
        }
    }
    return NULL;
}

size_t xdb_agents_count(const struct xdb_server *server)
{
    size_t count = 0;
    struct xdb_peer *peer = NULL;
    while ((peer = next_agent(server, peer)) != NULL) {
        count++;
    }
    return count;
}

/* Who may not speak for a host cannot claim its workers: the user must be the same. */
struct xd_session_id xdb_agents_of(const struct xdb_server *server,
                                   const struct xdb_peer *worker)
{
    struct xd_session_id none = {0};
    struct xdb_peer *peer = NULL;
    while (worker->facts.agent != 0 && (peer = next_agent(server, peer)) != NULL) {
        if (peer->facts.agent == worker->facts.agent && peer->right == worker->right) {
            return peer->session;
        }
    }
    return none;
}

static uint64_t session_number(const struct xd_bytes *text)
{
    char digits[24];
    char *end;
    if (text->size == 0 || text->size >= sizeof digits) {
        return 0;
    }
    memcpy(digits, text->data, text->size);
    digits[text->size] = '\0';
    uint64_t number = strtoull(digits, &end, 10);
    return *end == '\0' && digits[0] >= '0' && digits[0] <= '9' ? number : 0;
}

/* By its session, else by its name. */
static enum xd_err find(const struct xdb_server *server,
                        const struct xd_bytes *which,
                        struct xdb_peer **out,
                        const char **why)
{
    struct xd_session_id session = {session_number(which)};
    struct xdb_peer *found = xdb_peer_find(&server->conns, session), *peer = NULL;
    if (found != NULL && found->role == XD_ROLE_AGENT) {
        *out = found;
        return XD_OK;
    }
    found = NULL;
    while ((peer = next_agent(server, peer)) != NULL) {
        if (!xd_bytes_equal(peer->facts.name, which)) {
            continue;
        }
        if (found != NULL) {
            *why = "several agents have that name: say which by its session";
            return XD_ERR_EXISTS;
        }
        found = peer;
    }
    if (found == NULL) {
        *why = "there is no agent of that name or session";
        return XD_ERR_NOT_FOUND;
    }
    *out = found;
    return XD_OK;
}

/* ---- questions */

static struct question *keep(struct xdb_server *server,
                             const struct xdb_peer *asker,
                             const struct xdb_peer *agent,
                             const struct xd_admin *asked)
{
    struct question *question = xd_zalloc(sizeof *question);
    if (question != NULL) {
        question->asker = asker->session;
        question->agent = agent->session;
        question->asked = asked->ticket;
        question->ticket = ++server->agents.last_ticket;
        question->verb = xd_bytes_ref(asked->verb);
        question->deadline = server->now + XDB_ANSWER_TIME;
        xd_list_push_back(&server->agents.questions, &question->link);
        server->agents.count++;
    }
    return question;
}

enum xd_err xdb_agents_ask(struct xdb_server *server,
                           struct xdb_peer *asker,
                           const struct xd_admin *question,
                           const char **why)
{
    struct xdb_peer *agent;
    if (question->arg_count < 2 || question->args[1]->size == 0 ||
        question->args[1]->size > XD_NAME_MAX_BYTES) {
        *why = "agent: an agent's name or session, and a verb for it";
        return XD_ERR_INVALID;
    }
    enum xd_err err = find(server, question->args[0], &agent, why);
    if (err != XD_OK) {
        return err;
    }
    if (server->agents.count >= XDB_QUESTIONS_MAX) {
        *why = "too many questions to agents are open";
        return XD_ERR_BUSY;
    }
    const struct question *kept = keep(server, asker, agent, question);
    if (kept == NULL) {
        *why = "the broker is out of memory";
        return XD_ERR_NOMEM;
    }
    const struct xd_msg msg = {
        .kind = XD_KIND_ADMIN,
        .admin =
            {
                .verb = question->args[1],
                .ticket = kept->ticket,
                .args = question->args + 2,
                .arg_count = question->arg_count - 2,
            },
    };
    xdb_peer_send(server, agent, &msg);
    return XD_OK;
}

/* Who asked may be gone; then nobody hears it. */
static void reply(struct xdb_server *server,
                  struct question *question,
                  enum xd_err code,
                  struct xd_bytes *text)
{
    struct xdb_peer *asker = xdb_peer_find(&server->conns, question->asker);
    if (asker != NULL) {
        xdb_admin_answer(server, asker, question->verb, question->asked, code, text);
    }
    drop(&server->agents, question);
}

static void reply_words(struct xdb_server *server,
                        struct question *question,
                        enum xd_err code,
                        const char *words)
{
    struct xd_bytes *text;
    if (xd_bytes_text(words, &text) != XD_OK) {
        server->stats.no_memory++;
        drop(&server->agents, question);
        return;
    }
    reply(server, question, code, text);
    xd_bytes_unref(text);
}

void xdb_agents_answer(struct xdb_server *server,
                       const struct xdb_peer *agent,
                       const struct xd_admin *answer)
{
    XD_LIST_EACH (link, &server->agents.questions) {
        struct question *question = question_at(link);
        if (question->ticket == answer->ticket &&
            xd_session_is(question->agent, agent->session)) {
            reply(server, question, answer->code, answer->text);
            return;
        }
    }
    xdb_log(server,
            3,
            "an answer nobody waits for session=%llu ticket=%llu",
            (unsigned long long)agent->session.n,
            (unsigned long long)answer->ticket);
}

void xdb_agents_session_gone(struct xdb_server *server, struct xd_session_id session)
{
    XD_LIST_EACH_SAFE (link, &server->agents.questions) {
        struct question *question = question_at(link);
        if (xd_session_is(question->agent, session)) {
            reply_words(server, question, XD_ERR_GONE, "the agent is gone");
        } else if (xd_session_is(question->asker, session)) {
            drop(&server->agents, question);
        }
    }
}

void xdb_agents_expire(struct xdb_server *server)
{
    struct xd_list *questions = &server->agents.questions;
    while (!xd_list_is_empty(questions) &&
           question_at(questions->next)->deadline <= server->now) {
        reply_words(server,
                    question_at(questions->next),
                    XD_ERR_TIMEOUT,
                    "the agent did not answer in time");
    }
}

xd_time xdb_agents_deadline(const struct xdb_server *server)
{
    const struct xd_list *questions = &server->agents.questions;
    return xd_list_is_empty(questions) ? XD_NEVER
                                       : question_at(questions->next)->deadline;
}
