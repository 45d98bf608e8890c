/* SPDX-License-Identifier: MIT */
/* Large payloads on their way from owner to reader: who may read what, and the credit
 * between the two. The broker keeps no payload: at most a window of chunks of each stream
 * is here, and a reader that grants credit without reading loses its streams. */
#ifndef XDB_IO_RELAY_H
#define XDB_IO_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/task.h"
#include "wire/limits.h"
#include "wire/msg.h"

struct xdb_server;
struct xdb_peer;

/* A payload that somebody may still read: it has grants, or results that refer to it are
 * held. */
struct xdb_payload {
    struct xd_map_item by_key;
    struct xd_list of_owner; /* of its owner's end */
    struct {
        uint64_t owner, counter;
    } key;
    unsigned grants, holds;
};

/* One reader's permission for one payload. */
struct xdb_grant {
    struct xd_map_item by_key;
    struct xdb_payload *payload;
    struct xd_list of_owner, of_reader; /* links in the two sessions' lists */
    struct {
        uint64_t owner, counter, reader;
    } key;
    uint32_t credit;  /* chunks the owner may still send */
    uint32_t waiting; /* credit that the owner was not told yet: its bulk lane is not
                         open, or memory was short */
    uint32_t unread;  /* chunks passed on that no credit has answered: at most so many
                         are still on their way */
    uint32_t stale;   /* chunks that may still come of a reading that is over */
    uint64_t next;    /* where the next chunk begins; others are of a reading before, also
                         of one that an earlier grant was for */
    unsigned uses;    /* how often it was granted */
};

/* A session's payloads and grants, as owner and as reader. */
struct xdb_relay_end {
    struct xd_map_item by_session;
    struct xd_session_id session;
    struct xd_list payloads, owned, read;
};

struct xdb_relay {
    struct xd_map payloads, grants, ends;
    bool is_short; /* of memory: some credit is to be told again */
};

/* The payloads of one message of results, noted before the core takes it. */
struct xdb_relay_refs {
    struct xd_ref items[XD_FRAMES_MAX];
    size_t count;
};

void xdb_relay_init(struct xdb_relay *relay, uint64_t seed);
void xdb_relay_fini(struct xdb_relay *relay);

/* `reader` is being sent these frames: let it read what they refer to. */
enum xd_err xdb_relay_grant(struct xdb_server *server,
                            const struct xd_frame *frames,
                            size_t count,
                            struct xd_session_id reader) XD_MUST_USE;

/* A result with these frames is of use to others than its reader until it is let go: once
 * for each time it is held. An owner hears that nobody reads a payload any more (`done`
 * with reader 0) when there is neither a grant for it nor such a result. */
enum xd_err xdb_relay_hold(struct xdb_server *server,
                           const struct xd_frame *frames,
                           size_t count) XD_MUST_USE;
void xdb_relay_let_go(struct xdb_server *server,
                      const struct xd_frame *frames,
                      size_t count);

/* The frames did not leave after all. */
void xdb_relay_revoke(struct xdb_server *server,
                      const struct xd_frame *frames,
                      size_t count,
                      struct xd_session_id reader);

/* Results may come that nobody is sent (their task was cancelled, their client is gone).
 * Note what `owner` refers to in them; after the core's step, the owner may let go of
 * what no reader was granted. */
void xdb_relay_note(struct xdb_relay_refs *refs,
                    struct xd_session_id owner,
                    const struct xd_result *results,
                    size_t count);
void xdb_relay_settle(struct xdb_server *server, const struct xdb_relay_refs *refs);

/* A CREDIT from a reader or a CHUNK from an owner. Errors: XD_ERR_FORBIDDEN (no such
 * grant, and the owner is there; chunks beyond the credit, or credit of more than a
 * window: nothing was relayed), XD_ERR_NOMEM. Credit that with what there is would be
 * more than a window is cut down to that: a reader that counts late chunks of a reading
 * before thinks it has less than it has. */
enum xd_err xdb_relay_credit(struct xdb_server *server,
                             struct xd_session_id reader,
                             const struct xd_credit *credit) XD_MUST_USE;
enum xd_err xdb_relay_chunk(struct xdb_server *server,
                            struct xd_session_id owner,
                            const struct xd_chunk *chunk) XD_MUST_USE;

/* The session's bulk lane is open now: tell it the credit that waited. */
void xdb_relay_bulk_open(struct xdb_server *server, struct xd_session_id session);

/* Its bulk lane is closed, though the session lives: its streams end with an error. */
void xdb_relay_bulk_gone(struct xdb_server *server, struct xd_session_id session);

/* The session is over: its readers hear that the payload is gone, its owners that nobody
 * reads any more. */
void xdb_relay_session_gone(struct xdb_server *server, struct xd_session_id session);

/* Send what was parked because a reader's bulk lane was full. True when some is still
 * parked. */
bool xdb_relay_flush(struct xdb_server *server, struct xdb_peer *peer);

/* Tell the credit for which there was no memory. */
void xdb_relay_retry(struct xdb_server *server);

#endif
