/* SPDX-License-Identifier: MIT */
/* Host agents, and the questions that are passed on to them under a ticket of ours. */
#ifndef XDB_IO_AGENTS_H
#define XDB_IO_AGENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "base/time.h"
#include "wire/msg.h"

struct xdb_server;
struct xdb_peer;

/* Questions without an answer so far, of everybody together. */
#define XDB_QUESTIONS_MAX 256u
/* An agent has so long to answer. */
#define XDB_ANSWER_TIME (10 * XD_S)

struct xdb_agents {
    struct xd_list questions; /* oldest first */
    size_t count;
    uint64_t last_ticket;
};

void xdb_agents_init(struct xdb_agents *agents);
void xdb_agents_fini(struct xdb_agents *agents);

/* Pass on what `asker` asked with "agent": its arguments are a session or a name, a verb,
 * and arguments for that. Who asked hears the answer later. Errors, with static text in
 * *why: XD_ERR_INVALID, XD_ERR_NOT_FOUND, XD_ERR_EXISTS (several of that name),
 * XD_ERR_BUSY, XD_ERR_NOMEM. */
enum xd_err xdb_agents_ask(struct xdb_server *server,
                           struct xdb_peer *asker,
                           const struct xd_admin *question,
                           const char **why) XD_MUST_USE;

/* An agent has answered; what it was not asked goes nowhere. */
void xdb_agents_answer(struct xdb_server *server,
                       const struct xdb_peer *agent,
                       const struct xd_admin *answer);

/* A session has ended: an agent's questions are answered "gone", one's own forgotten. */
void xdb_agents_session_gone(struct xdb_server *server, struct xd_session_id session);

/* Answer those whose time is over. */
void xdb_agents_expire(struct xdb_server *server);
xd_time xdb_agents_deadline(const struct xdb_server *server);

/* How many agents there are; and the one that supervises this worker, 0: none here. */
size_t xdb_agents_count(const struct xdb_server *server);
struct xd_session_id xdb_agents_of(const struct xdb_server *server,
                                   const struct xdb_peer *worker);

#endif
