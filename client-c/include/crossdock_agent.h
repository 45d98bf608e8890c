/* SPDX-License-Identifier: MIT */
/* libcrossdock, the side of a host agent: a program that supervises workers of its host
 * tells the broker of itself, and answers questions about its slots.
 *
 * A thread of the library dials, dials again after a break for as long as it takes, and
 * keeps the session alive; the program never waits for the broker. Same rules as
 * crossdock.h for threads and fork, except that xd_agent_next() and xd_agent_answer()
 * belong to one thread. */
#ifndef CROSSDOCK_AGENT_H
#define CROSSDOCK_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xd_agent;

/* Zero is a good value for every field. Copied. */
struct xd_agent_options {
    const char *address, *server_key, *key_file; /* as in xd_client_options */
    const char *name;          /* NULL: $CROSSDOCK_NAME, else the host's name */
    const char *const *labels; /* words or "key=value", at most 32 names; NULL:
                                  $CROSSDOCK_LABELS, with commas between */
    size_t label_count;
    const char *const *versions; /* at most 16 of 64 bytes, like "R 4.2.2" */
    size_t version_count;
    uint32_t slots;        /* how many it has */
    uint32_t cores;        /* of its host; 0: not known, like the next */
    uint64_t memory_bytes; /* what its slots may use together */
};

/* Begin; never waits, and no broker need be there. Returns the agent in *out; free it
 * with xd_agent_close(). Errors: XD_ERR_INVALID, XD_ERR_TOO_LARGE (name, labels,
 * versions), XD_ERR_NOMEM, XD_ERR_SYSTEM. */
enum xd_err xd_agent_open(const struct xd_agent_options *options,
                          struct xd_agent **out,
                          struct xd_error *error) XD_MUST_USE;

/* Say BYE and end; questions not answered are dropped. Blocks for some milliseconds. NULL
 * allowed. */
void xd_agent_close(struct xd_agent *agent);

/* The number it drew, never 0: children whose CROSSDOCK_AGENT it is, in decimal, are
 * shown as its slots. It stays the same over all sessions. */
uint64_t xd_agent_number(const struct xd_agent *agent);

/* Is there a session now? XD_OK; else XD_ERR_AGAIN, before the first try has ended, or
 * the error of the last one, with its sentence in `error` (may be NULL). */
enum xd_err xd_agent_state(struct xd_agent *agent, struct xd_error *error) XD_MUST_USE;

/* A descriptor that is readable while xd_agent_next() has something to give, or the state
 * has changed; never read or close it. */
int xd_agent_fd(const struct xd_agent *agent);

/* What somebody with the right to do so asks. Valid until it is answered. */
struct xd_agent_question {
    const char *verb; /* ended by NUL, like the arguments */
    const char *const *args;
    size_t arg_count;
};

/* The next question, in the order of their arrival, in *out; answer it with
 * xd_agent_answer(). Never waits. Errors: XD_ERR_AGAIN: there is none, and the descriptor
 * is readable again only after something new. */
enum xd_err xd_agent_next(struct xd_agent *agent,
                          const struct xd_agent_question **out) XD_MUST_USE;

/* Answer a question and free it: a code, and `size` bytes of text (UTF-8 without NUL; at
 * most 1 MiB: what is longer becomes XD_ERR_TOO_LARGE). An answer to a session of before
 * goes nowhere. */
void xd_agent_answer(struct xd_agent *agent,
                     const struct xd_agent_question *question,
                     enum xd_err code,
                     const char *text,
                     size_t size);

#ifdef __cplusplus
}
#endif

#endif
