/* SPDX-License-Identifier: MIT */
/* libcrossdock, the client's side: submit tasks to a broker and take their results.
 *
 * Thread safe: any function may be called from any thread, unless it says otherwise. No
 * global state, no signal handlers, nothing is printed. A call that fails changes
 * nothing. After fork() the child must not use what the parent made: every function then
 * answers XD_ERR_GONE and touches nothing. */
#ifndef CROSSDOCK_H
#define CROSSDOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/link.h"
#include "base/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". Static text. */
const char *xd_version(void);

/* ---- connecting
 * ------------------------------------------------------------------------------------------
 */

struct xd_client;

struct xd_client_options {
    const char *address; /* "ipc:///path" or "tcp://host:port"; NULL: $CROSSDOCK_URL, else
                            the default address. Ignored with `link` */
    /* For tcp, which is always encrypted; both sides must know each other's key. */
    const char *server_key; /* the broker's public key, hexadecimal (64) or Z85 (40);
                               NULL: $CROSSDOCK_SERVER_KEY, else server.pub in the state
                               directory (see `crossdock keys`) */
    const char *key_file;   /* our own key pair; NULL: $CROSSDOCK_KEY_FILE, else user.key
                               there */
    struct xd_link *link;   /* of an embedded broker (crossdock_broker.h); taken, also on
                               failure. NULL: dial */
    int timeout_ms;         /* for the first answer; 0: 5000, -1: no limit */
    /* Of what matters here, for status: at most 16 of 64 bytes, like "R 4.2.2". */
    const char *const *versions;
    size_t version_count;
};

/* The public key that a dialler of a tcp address expects there, in hexadecimal, to be
 * told to others: `given` (either spelling), else $CROSSDOCK_SERVER_KEY, else server.pub
 * of the state directory. Errors: XD_ERR_INVALID, XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN (of
 * the file), XD_ERR_SYSTEM. Any thread. */
#define XD_SERVER_KEY_ROOM 65u
enum xd_err xd_server_key(const char *given,
                          char out[XD_SERVER_KEY_ROOM],
                          struct xd_error *error) XD_MUST_USE;

/* Dial a broker and wait for its answer. `options` may be NULL. Returns the client in
 * *out; free it with xd_client_close(). Errors: XD_ERR_INVALID or XD_ERR_UNSUPPORTED
 * (address, or a key that is none), XD_ERR_NOT_FOUND (no key where one is looked for),
 * XD_ERR_TIMEOUT (nobody answers there), XD_ERR_VERSION, XD_ERR_FORBIDDEN (socket
 * directory or key file open to others; or the handshake failed: another broker's key, or
 * ours is not admitted), XD_ERR_NOMEM, XD_ERR_SYSTEM; `error` says which and where. */
enum xd_err xd_client_connect(const struct xd_client_options *options,
                              struct xd_client **out,
                              struct xd_error *error) XD_MUST_USE;

/* Say BYE and end the session; tasks still open end as XD_OUTCOME_BROKER_GONE here and
 * are dropped by the broker. Futures stay valid until freed. Blocks for some
 * milliseconds. NULL allowed. */
void xd_client_close(struct xd_client *client);

/* Where it dialled, "ipc:///path", also where that was looked up; "" over a link. Valid
 * as long as the client. */
const char *xd_client_address(const struct xd_client *client);

/* The session's number with the broker. */
struct xd_session_id xd_client_session(const struct xd_client *client);

/* Is the session alive? XD_OK, or XD_ERR_GONE with the reason in `error` (may be NULL).
 */
enum xd_err xd_client_state(struct xd_client *client, struct xd_error *error) XD_MUST_USE;

/* ---- tasks
 * -----------------------------------------------------------------------------------------------
 */

/* One payload of a task or result, as it is given to submit: bytes of any size up to
 * memory. */
struct xd_payload {
    struct xd_bytes *bytes;  /* shared: the library takes its own reference */
    const char *tag;         /* class tag (1-255 bytes, printable), NULL: none */
    const char *name;        /* of a named argument, NULL: by position */
    enum xd_frame_role role; /* 0: OBJECT with a tag, else BODY; not SETUP */
    uint32_t count; /* role OBJECT: `bytes` are so many objects behind a table of their
                       sizes, as xd_frame_part() wants them; 0: they are one object */
    uint32_t codec; /* version of the class's encoding, 0 for the first */
};

struct xd_setup; /* below */

/* What to run. Zero fields are good values, but format CALL needs `callee`. */
struct xd_call {
    const char *profile;   /* NULL: "default" */
    enum xd_format format; /* 0: XD_FORMAT_CALL */
    const char *callee;    /* name of the handler */
    const struct xd_payload *payloads;
    size_t payload_count; /* at most 1,000 */
    uint32_t timeout_ms;  /* from its arrival at the broker; 0: none */
    bool everywhere; /* one part on each worker of the profile; tasks after it wait for
                        all parts */
    uint32_t min_workers;   /* everywhere: wait for so many workers; 0: one */
    struct xd_setup *setup; /* of the same client: a worker has it before the task begins
                               there; shared: kept until the task has ended. NULL: none */
};

/* One submitted task. Freed with xd_future_free(), which does not cancel it. */
struct xd_future;

/* Hand one task in; never waits. Returns the future in *out. It leaves at once where
 * nothing else is under way; else tasks gather for at most a millisecond, so that a loop
 * of submissions becomes few messages. What the broker refuses for lack of room (BUSY) is
 * kept and offered again without the caller's help. Errors: XD_ERR_INVALID (`error` names
 * the field), XD_ERR_TOO_LARGE (frames or names over the limit), XD_ERR_BUSY (the
 * session's budget is used up: take results, try again), XD_ERR_GONE, XD_ERR_NOMEM,
 * XD_ERR_SYSTEM (no random numbers for the id). */
enum xd_err xd_submit(struct xd_client *client,
                      const struct xd_call *call,
                      struct xd_future **out,
                      struct xd_error *error) XD_MUST_USE;

/* The same for `count` calls at once: all are taken or none. `out` has room for `count`.
 */
enum xd_err xd_submit_many(struct xd_client *client,
                           const struct xd_call *calls,
                           size_t count,
                           struct xd_future **out,
                           struct xd_error *error) XD_MUST_USE;

/* Has it ended? Never waits. */
bool xd_future_is_done(const struct xd_future *future);

/* Wait until it has ended, `timeout_ms` at most (-1: no limit). The end of the session
 * ends it, too. Any number of threads may wait, not a callback. Errors: XD_ERR_TIMEOUT;
 * XD_ERR_GONE in a forked child. */
enum xd_err xd_future_wait(struct xd_future *future, int timeout_ms) XD_MUST_USE;

/* Wait until the client has something in xd_client_next(), `timeout_ms` at most (-1: no
 * limit). With no task open nothing will come. Errors: XD_ERR_TIMEOUT; XD_ERR_GONE (the
 * session is over and there is nothing left to be had). */
enum xd_err xd_client_wait(struct xd_client *client, int timeout_ms) XD_MUST_USE;

/* The next future that has ended and was not given out here before, in the order of their
 * ends; XD_ERR_AGAIN when there is none. The pointer is the one from submit; no new
 * ownership. Freed futures are left out. */
enum xd_err xd_client_next(struct xd_client *client, struct xd_future **out) XD_MUST_USE;

/* A descriptor that is readable while xd_client_next() has something, or the session is
 * gone: for poll(2) and event loops. Level-triggered; never read or close it. From the
 * first call on a background thread serves the session all the time. -1: no descriptor
 * could be made. */
int xd_client_fd(struct xd_client *client);

/* Call `done(context, future)` once for each future that ends from now on, in the
 * library's thread, which must not be blocked; it may submit, cancel and free, but not
 * wait or close. NULL switches it off. Futures that end while it is set do not show up in
 * xd_client_next(). */
void xd_client_on_done(struct xd_client *client,
                       void (*done)(void *context, struct xd_future *future),
                       void *context);

/* Call `event(...)` for each event a running task sends, in the library's thread; the
 * same rules. `kind` is ended by NUL; `bytes` is borrowed during the call. Events of a
 * task come in order and before its end; without a function, or without memory, they are
 * dropped. */
void xd_client_on_event(struct xd_client *client,
                        void (*event)(void *context,
                                      struct xd_future *future,
                                      uint32_t part,
                                      const char *kind,
                                      struct xd_bytes *bytes),
                        void *context);

/* Ask that the task be ended; its outcome is CANCELLED unless it ended before. Never
 * waits. Errors: XD_ERR_GONE. */
enum xd_err xd_future_cancel(struct xd_future *future) XD_MUST_USE;

struct xd_task_id xd_future_id(const struct xd_future *future);

/* A place for the caller's own pointer; NULL at first. */
void xd_future_set_context(struct xd_future *future, void *context);
void *xd_future_context(const struct xd_future *future);

/* ---- results; all of these only once xd_future_is_done() (asserted)
 * ------------------------------------------ */

/* How it ended; for an everywhere-task the first outcome that is not DONE, else DONE. */
enum xd_outcome xd_future_outcome(const struct xd_future *future);

/* The error's sentence, ended by NUL; "" when there is none. Lives as long as the future.
 */
const char *xd_future_error(const struct xd_future *future);

/* How many parts it had: 1, or the number of workers an everywhere-task went to. */
size_t xd_future_parts(const struct xd_future *future);

/* Part `part` (0 for an ordinary task): its outcome, error, payload frames. The frames
 * live as long as the future and have their bytes here, also those that came as chunks.
 * part < parts (asserted). */
const struct xd_result *xd_future_result(const struct xd_future *future, size_t part);

/* Give the future up: its result, now or later, is dropped. Does not cancel. NULL
 * allowed. */
void xd_future_free(struct xd_future *future);

/* ---- setups
 * ----------------------------------------------------------------------------------------------
 */

/* What many tasks of this session need at a worker (in R: how objects of which class are
 * serialized). It is sent to the broker once, with the first task that uses it, and from
 * there once to each worker that gets such a task; its bytes are not looked at. Freed
 * with xd_setup_free(). */

/* Make one of `count` payloads (at least one; their role is ignored, tags and names may
 * be NULL), together at most 768 KiB. Never waits, and nothing is sent yet. Errors:
 * XD_ERR_INVALID (`error` names the field), XD_ERR_TOO_LARGE, XD_ERR_BUSY (256 are alive
 * in this session, those freed while tasks that use them are open included), XD_ERR_GONE,
 * XD_ERR_NOMEM. */
enum xd_err xd_setup_new(struct xd_client *client,
                         const struct xd_payload *payloads,
                         size_t count,
                         struct xd_setup **out,
                         struct xd_error *error) XD_MUST_USE;

/* No further task will use it: broker and workers forget it after the last task that does
 * has ended. Also allowed after xd_client_close(). NULL allowed. */
void xd_setup_free(struct xd_setup *setup);

/* ---- profiles and questions
 * -------------------------------------------------------------------------------- */

enum xd_profile_flags {
    XD_PROFILE_BOUND = 1, /* gone with its tasks when this session ends; only this session
                             submits to it */
    XD_PROFILE_ROUND_ROBIN = 2, /* tasks are bound to workers in turn as they arrive */
    XD_PROFILE_FREE = 4 /* given up again, alone: forgotten once nothing is in it */
};

/* Make a profile, or set the flags of one that is empty. It lives, with its counts, until
 * this session ends or gives it up; profiles that are only used are made as shared FIFOs
 * and forgotten when nothing is in them. Waits for the answer. Errors: XD_ERR_EXISTS
 * (another session's), XD_ERR_INVALID (name), XD_ERR_GONE. */
enum xd_err xd_profile_open(struct xd_client *client,
                            const char *name,
                            unsigned flags,
                            struct xd_error *error) XD_MUST_USE;

/* Cancel every task of this session in a profile that has not ended, also those whose
 * futures were freed. Never waits. Errors: XD_ERR_GONE. */
enum xd_err xd_profile_cancel(struct xd_client *client, const char *name) XD_MUST_USE;

struct xd_profile_counts {
    uint64_t workers;   /* in the profile now */
    uint64_t r_workers; /* of them, that take tasks in R's format */
    uint64_t joined;    /* that ever joined it, those included */
    uint64_t queued; /* tasks that wait; an everywhere-task counts as its parts: those not
                        sent yet, or before it opens the workers it waits for */
    uint64_t leased; /* tasks and parts that workers have, run or hold */
    uint64_t ended;  /* tasks and parts whose outcome was told, or that were dropped with
                        their client */
};

/* How much there is in a profile, of all sessions together; what this thread submitted
 * before counts. A cancelled task has ended and may still be at its worker. A shared
 * profile that nobody uses any more is forgotten: all zero, as for one that never was.
 * Waits `timeout_ms` at most (-1: no limit). Errors: XD_ERR_FORBIDDEN (bound to another
 * session), XD_ERR_INVALID (name), XD_ERR_TIMEOUT, XD_ERR_GONE, XD_ERR_NOMEM. */
enum xd_err xd_profile_counts(struct xd_client *client,
                              const char *name,
                              int timeout_ms,
                              struct xd_profile_counts *out,
                              struct xd_error *error) XD_MUST_USE;

/* Ask the broker: verb "status" (JSON), or "cancel" with a task id of another session of
 * the same user as 32 hex digits. It leaves after the tasks that were submitted before.
 * Waits `timeout_ms` at most. Returns the answer's text in *out (one reference). Errors:
 * XD_ERR_TIMEOUT, XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN, XD_ERR_UNSUPPORTED, XD_ERR_GONE;
 * `error` has the broker's sentence. */
enum xd_err xd_admin(struct xd_client *client,
                     const char *verb,
                     const char *const *args,
                     size_t arg_count,
                     int timeout_ms,
                     struct xd_bytes **out,
                     struct xd_error *error) XD_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
