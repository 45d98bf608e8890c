/* SPDX-License-Identifier: MIT */
/* Questions to host agents: passed on, answered once, bounded, ended. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/agents.h"
#include "io/outbound.h"
#include "stage.h"

static struct xdb_right right = {.principal = "uid=1"}, other = {.principal = "key=x"};

static void begin(void)
{
    stage_begin();
    xdb_agents_init(&stage.agents);
    stage.now = 1000 * XD_S;
}

static void end(void)
{
    xdb_agents_fini(&stage.agents);
    stage_end();
}

TestSuite(agents, .init = begin, .fini = end);

static struct xd_bytes *words(const char *text)
{
    struct xd_bytes *bytes;
    cr_assert(xd_bytes_text(text, &bytes) == XD_OK);
    return bytes;
}

static struct xdb_peer *join(enum xd_role role, const char *name)
{
    struct xdb_peer *peer = stage_join(role);
    peer->right = &right;
    peer->facts.name = words(name);
    return peer;
}

static void leave(struct xdb_peer *peer)
{
    struct xd_session_id session = peer->session;
    xdb_peer_free(&stage.conns, peer);
    xdb_agents_session_gone(&stage, session);
}

/* The next ADMIN message to that session; false: nothing. */
static bool hear(const struct xdb_peer *peer, struct xd_msg *msg)
{
    xdb_outbound_flush(&stage);
    if (!stage_hear(peer, msg)) {
        return false;
    }
    cr_assert_eq(msg->kind, XD_KIND_ADMIN);
    return true;
}

static void expect_nothing(const struct xdb_peer *peer)
{
    struct xd_msg msg;
    cr_assert_not(hear(peer, &msg));
}

/* "agent WHICH kill 3", with that ticket. */
static enum xd_err ask(struct xdb_peer *asker, const char *which, uint64_t ticket)
{
    const char *why = "";
    struct xd_bytes *verb = words("agent");
    struct xd_bytes *args[] = {words(which), words("kill"), words("3")};
    const struct xd_admin question = {.verb = verb,
                                      .ticket = ticket,
                                      .args = args,
                                      .arg_count = 3};
    enum xd_err err = xdb_agents_ask(&stage, asker, &question, &why);
    cr_assert((err == XD_OK) == (why[0] == '\0'));
    xd_bytes_unref(verb);
    for (int i = 0; i < 3; i++) {
        xd_bytes_unref(args[i]);
    }
    return err;
}

/* The ticket under which the agent hears "kill 3". */
static uint64_t expect_question(const struct xdb_peer *agent)
{
    struct xd_msg msg;
    cr_assert(hear(agent, &msg));
    cr_assert(xd_bytes_is(msg.admin.verb, "kill") && !msg.admin.answer);
    cr_assert(msg.admin.arg_count == 1 && xd_bytes_is(msg.admin.args[0], "3"));
    uint64_t ticket = msg.admin.ticket;
    xd_msg_clear(&msg);
    return ticket;
}

static void answer(const struct xdb_peer *agent, uint64_t ticket, const char *text)
{
    struct xd_bytes *bytes = words(text);
    const struct xd_admin said = {.ticket = ticket, .answer = true, .text = bytes};
    xdb_agents_answer(&stage, agent, &said);
    xd_bytes_unref(bytes);
}

static void expect_answer(const struct xdb_peer *asker,
                          uint64_t ticket,
                          enum xd_err code,
                          const char *text)
{
    struct xd_msg msg;
    cr_assert(hear(asker, &msg), "no answer");
    cr_assert(msg.admin.answer && xd_bytes_is(msg.admin.verb, "agent"));
    cr_assert_eq(msg.admin.ticket, ticket);
    cr_assert_eq(msg.admin.code, code, "%s", xd_err_name(msg.admin.code));
    cr_assert(xd_bytes_is(msg.admin.text, text));
    xd_msg_clear(&msg);
}

Test(agents, a_question_goes_there_and_its_answer_back)
{
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    char session[24];
    cr_assert_eq(ask(asker, "node7", 41), XD_OK);
    answer(agent, expect_question(agent), "done");
    expect_answer(asker, 41, XD_OK, "done");
    snprintf(session, sizeof session, "%llu", (unsigned long long)agent->session.n);
    cr_assert_eq(ask(asker, session, 42), XD_OK);
    answer(agent, expect_question(agent), "done again");
    expect_answer(asker, 42, XD_OK, "done again");
    cr_assert_eq(stage.agents.count, 0);
}

Test(agents, whom_it_is_about_must_be_clear)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *one = join(XD_ROLE_AGENT, "twin");
    join(XD_ROLE_AGENT, "twin");
    join(XD_ROLE_WORKER, "busy");
    char session[24];
    cr_assert_eq(ask(asker, "twin", 1), XD_ERR_EXISTS);
    cr_assert_eq(ask(asker, "nobody", 1), XD_ERR_NOT_FOUND);
    cr_assert_eq(ask(asker, "", 1), XD_ERR_NOT_FOUND);
    cr_assert_eq(ask(asker, "busy", 1), XD_ERR_NOT_FOUND, "a worker is no agent");
    cr_assert_eq(ask(asker, "desk", 1), XD_ERR_NOT_FOUND);
    snprintf(session, sizeof session, "%llu", (unsigned long long)asker->session.n);
    cr_assert_eq(ask(asker, session, 1), XD_ERR_NOT_FOUND, "a client is no agent");
    snprintf(session, sizeof session, "%llu", (unsigned long long)one->session.n);
    cr_assert_eq(ask(asker, session, 1), XD_OK);
    cr_assert_eq(stage.agents.count, 1);
}

Test(agents, what_nobody_asked_of_this_agent_goes_nowhere)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    struct xdb_peer *liar = join(XD_ROLE_AGENT, "liar");
    cr_assert_eq(ask(asker, "node7", 5), XD_OK);
    uint64_t ticket = expect_question(agent);
    answer(liar, ticket, "I am node7");
    answer(agent, ticket + 1, "of another day");
    answer(agent, 0, "");
    expect_nothing(asker);
    answer(agent, ticket, "true");
    answer(agent, ticket, "twice");
    expect_answer(asker, 5, XD_OK, "true");
    expect_nothing(asker);
}

Test(agents, an_agent_that_goes_answers_gone)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    cr_assert_eq(ask(asker, "node7", 5), XD_OK);
    cr_assert_eq(ask(asker, "node7", 6), XD_OK);
    leave(agent);
    expect_answer(asker, 5, XD_ERR_GONE, "the agent is gone");
    expect_answer(asker, 6, XD_ERR_GONE, "the agent is gone");
    cr_assert_eq(stage.agents.count, 0);
}

Test(agents, who_asked_and_went_is_forgotten)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    cr_assert_eq(ask(asker, "node7", 5), XD_OK);
    uint64_t ticket = expect_question(agent);
    leave(asker);
    cr_assert_eq(stage.agents.count, 0);
    answer(agent, ticket, "late");
}

Test(agents, silence_ends_after_ten_seconds)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    cr_assert_eq(xdb_agents_deadline(&stage), XD_NEVER);
    cr_assert_eq(ask(asker, "node7", 5), XD_OK);
    uint64_t ticket = expect_question(agent);
    stage.now += XD_S;
    cr_assert_eq(ask(asker, "node7", 6), XD_OK);
    stage.now += 9 * XD_S - 1;
    xdb_agents_expire(&stage);
    expect_nothing(asker);
    cr_assert_eq(xdb_agents_deadline(&stage), stage.now + 1);
    stage.now += 1;
    xdb_agents_expire(&stage);
    expect_answer(asker, 5, XD_ERR_TIMEOUT, "the agent did not answer in time");
    answer(agent, ticket, "late");
    expect_nothing(asker);
    cr_assert_eq(stage.agents.count, 1);
}

Test(agents, open_questions_are_bounded)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    for (unsigned i = 0; i < XDB_QUESTIONS_MAX; i++) {
        cr_assert_eq(ask(asker, "node7", i + 1), XD_OK);
    }
    cr_assert_eq(ask(asker, "node7", 1000), XD_ERR_BUSY);
    answer(agent, expect_question(agent), "one less");
    cr_assert_eq(ask(asker, "node7", 1000), XD_OK);
}

Test(agents, only_an_agent_of_the_same_user_has_a_worker)
{
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    struct xdb_peer *worker = join(XD_ROLE_WORKER, "node7");
    cr_assert_eq(xdb_agents_of(&stage, worker).n, 0);
    worker->facts.agent = 77;
    cr_assert_eq(xdb_agents_of(&stage, worker).n, 0);
    agent->facts.agent = 77;
    cr_assert_eq(xdb_agents_of(&stage, worker).n, agent->session.n);
    agent->right = &other;
    cr_assert_eq(xdb_agents_of(&stage, worker).n, 0);
    cr_assert_eq(xdb_agents_count(&stage), 1);
}

Test(agents, failed_allocations_change_nothing)
{
    struct xdb_peer *asker = join(XD_ROLE_CLIENT, "desk");
    struct xdb_peer *agent = join(XD_ROLE_AGENT, "node7");
    const char *why = "";
    struct xd_bytes *args[] = {words("node7"), words("kill"), words("3")};
    const struct xd_admin question = {.verb = args[1], .args = args, .arg_count = 3};
    xd_alloc_fail_at(1);
    cr_assert_eq(xdb_agents_ask(&stage, asker, &question, &why), XD_ERR_NOMEM);
    xd_alloc_fail_at(0);
    cr_assert_eq(stage.agents.count, 0);
    expect_nothing(agent);
    for (int i = 0; i < 3; i++) {
        xd_bytes_unref(args[i]);
    }
}
