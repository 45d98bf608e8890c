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
 * XD_ERR_TIMEOUT (nobody answers there), XD_ERR_VERSION, XD_ERR_FORBIDDEN (a socket's
 * directory where others may write, a key file open to others; or the handshake failed:
 * another broker's key, or ours is not admitted), XD_ERR_NOMEM, XD_ERR_SYSTEM; `error`
 * says which and where. */
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

/* The ports of the tcp address it dialled, as the broker said when it answered: that
 * address's own (clients), the workers', the one of large payloads. A tunnel to the
 * broker has to forward all of them, under the same numbers. Errors: XD_ERR_UNSUPPORTED
 * (it did not dial tcp). */
#define XD_CLIENT_PORTS 3
enum xd_err xd_client_ports(const struct xd_client *client,
                            unsigned ports[XD_CLIENT_PORTS]) XD_MUST_USE;

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

struct xd_setup; /* below, like the next */
struct xd_future;

/* How a task is to be placed and what becomes of it; all zero: nothing special. Names and
 * keys are printable texts of 1 to 255 bytes without quotes and backslash, NULL: none.
 * Times count from the task's arrival at the broker, in milliseconds; 0: none. */
struct xd_call_options {
    enum xd_priority priority; /* strict classes, each with a minimum share */
    int rank; /* of policy "priority": the greater goes first; -32768 to 32767 */
    const char *task_class; /* what its run time is learned by; NULL: its callee */
    uint64_t estimate_us;   /* how long it will run, as far as is known; 0: unknown */
    uint64_t delay_ms;      /* it does not begin before */
    uint64_t deadline_ms; /* not begun by then it ends as EXPIRED; longer than delay_ms */
    /* Of one run, from its start or its last sign of life, which is an event or
     * xd_job_touch(); then it is interrupted, and EXPIRED. */
    uint64_t limit_ms;
    /* How often it runs again after an error, and after its worker was lost; at most
     * 1,000 each. One whose workers were lost three times is put aside, see
     * xd_profile_kick(). Before it runs again it pauses: each time twice as long, at most
     * an hour. */
    unsigned retries_failed, retries_lost;
    uint32_t backoff_ms;
    /* A key: this session's open task with the same one is cancelled. */
    const char *replaces;
    /* A key: while a task of the same user with it is open in the profile, or its result
     * still remembered, this one does not run and gets that one's outcome. */
    const char *dedupe;
    /* What its worker must have: words, name=text, name>=number, like "gpu>=1 memory>=4e9
     * fast" (xd_worker_options.has). A task that no worker of now can serve waits for
     * one, and there is an event of kind "warning". */
    const char *needs;
    struct xd_session_id worker; /* that it waits for, as long as it is there; 0: any */
    /* Tasks of this client, at most XD_AFTER_MAX, submitted before and not freed: it
     * begins when all are done and has their results, see xd_job_given(). When one ends
     * otherwise, it ends as FAILED. */
    struct xd_future *const *after;
    size_t after_count;
};

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
    const struct xd_call_options *options; /* NULL: none; read during the call only */
};

/* A future is one submitted task. Freed with xd_future_free(), which does not cancel it.
 *
 * Hand one task in; never waits. Returns the future in *out. It leaves at once where
 * nothing else is under way; else tasks gather for at most a millisecond, so that a loop
 * of submissions becomes few messages. What the broker refuses for lack of room (BUSY) is
 * kept and offered again without the caller's help. Errors: XD_ERR_INVALID (`error` names
 * the field), XD_ERR_TOO_LARGE (frames or names over the limit; or more than the
 * session's whole budget, so that no waiting helps), XD_ERR_BUSY (the session's budget is
 * used up: take results, try again), XD_ERR_GONE, XD_ERR_NOMEM, XD_ERR_SYSTEM (no random
 * numbers for the id). */
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

/* How much of what running tasks send is kept with their futures, for xd_future_event():
 * at most so many events and bytes of one task, and bytes of all futures together that
 * were not freed. Over a limit the oldest of the same task go. `events` 0: nothing is
 * kept, as at first. Events that came before are not there. */
struct xd_event_limits {
    size_t events, bytes, total_bytes;
};
void xd_client_keep_events(struct xd_client *client,
                           const struct xd_event_limits *limits);

/* One event that was kept. */
struct xd_kept_event {
    uint64_t number;  /* of its task: from 0, in the order they came */
    uint64_t dropped; /* events of the task that are not kept any more */
    int64_t came_ns;  /* when it came, by CLOCK_MONOTONIC */
    uint32_t part;
    struct xd_bytes *kind, *bytes; /* a reference each */
};

/* The first kept event of the task whose number is at least `number`, also after its end;
 * clear it with xd_kept_event_clear(). Never waits. Errors: XD_ERR_AGAIN (there is none);
 * XD_ERR_GONE in a forked child. */
enum xd_err xd_future_event(struct xd_future *future,
                            uint64_t number,
                            struct xd_kept_event *out) XD_MUST_USE;
void xd_kept_event_clear(struct xd_kept_event *event);

/* Wait until there is such an event or the task has ended, `timeout_ms` at most (-1: no
 * limit). Errors as xd_future_wait(). */
enum xd_err xd_future_wait_event(struct xd_future *future,
                                 uint64_t number,
                                 int timeout_ms) XD_MUST_USE;

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

/* How long ago its end became known here, in nanoseconds. */
uint64_t xd_future_ended_ago(const struct xd_future *future);

/* The error's sentence, ended by NUL; "" when there is none. Lives as long as the future.
 */
const char *xd_future_error(const struct xd_future *future);

/* How many parts it had: 1, or the number of workers an everywhere-task went to. */
size_t xd_future_parts(const struct xd_future *future);

/* Part `part` (0 for an ordinary task): its outcome, error, payload frames, run time,
 * worker (0: it was at none) and attempt (1: the first; 0: it was at none). The frames
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

/* How a profile's tasks go. `set` says which of the fields count. */
enum xd_profile_field {
    XD_SET_POLICY = 1,
    XD_SET_WEIGHT = 2,
    XD_SET_MAX_RUNNING = 4,
    XD_SET_PAUSED = 8,
    XD_SET_POOL = 16,
    XD_SET_MAX_TASKS = 32,
    XD_SET_MAX_BYTES = 64,
    XD_SET_LEARNED_CUTS = 128
};
#define XD_WEIGHT_MIN 1e-3
#define XD_WEIGHT_MAX 1e6
struct xd_profile_settings {
    unsigned set;       /* bits of enum xd_profile_field */
    const char *policy; /* "bands" (at first), "fifo", "sjf", "priority", "round_robin";
                           only while the profile is empty */
    double weight; /* its share of workers that profiles share; 1 at first; XD_WEIGHT_MIN
                      to XD_WEIGHT_MAX */
    uint32_t max_running; /* tasks at workers at one time; 0: no limit */
    bool paused;          /* nothing goes to workers */
    const char *pool;     /* the profile whose workers it uses; only while it is empty */
    uint64_t max_tasks, max_bytes; /* that may be there, unacknowledged results included;
                                      over it, tasks wait in their client (BUSY). 0: the
                                      broker's own limit */
    bool learned_cuts; /* bands: cut by how long this profile's own tasks run, instead of
                          from 1 ms by eights */
};

/* xd_profile_open() and these settings at once. `settings` may be NULL. Errors as there;
 * XD_ERR_INVALID names the field. */
enum xd_err xd_profile_make(struct xd_client *client,
                            const char *name,
                            unsigned flags,
                            const struct xd_profile_settings *settings,
                            struct xd_error *error) XD_MUST_USE;

/* Change settings of a profile that exists: one that this session made or nobody did, or,
 * for an administrator, any. Waits for the answer. Errors: XD_ERR_NOT_FOUND (no such
 * profile), XD_ERR_FORBIDDEN (another's), XD_ERR_EXISTS (policy of one that is not
 * empty), XD_ERR_INVALID (`error` names the field; a pool is for xd_profile_make()),
 * XD_ERR_GONE. */
enum xd_err xd_profile_set(struct xd_client *client,
                           const char *name,
                           const struct xd_profile_settings *settings,
                           struct xd_error *error) XD_MUST_USE;

/* Let the tasks of a profile that were put aside, because their workers died again and
 * again, run once more. Waits for the answer. Errors as xd_profile_set(). */
enum xd_err xd_profile_kick(struct xd_client *client,
                            const char *name,
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

/* Where a task is and why. Texts are ended by NUL. */
struct xd_task_why {
    char state[16];   /* "unsent" (it has not left this client), "queued", "delayed",
                         "waiting" (for tasks it comes after), "held" (at a worker, behind
                         others), "running", "cancelling", "quarantine", "ended" */
    char reason[160]; /* what it waits for; "" when it does not */
    struct xd_session_id worker; /* that has it, or that it waits for; 0: none */
    uint64_t ahead;              /* tasks of its kind before it */
    uint64_t workers;            /* that live and could run it */
    uint64_t predicted_us;       /* its run time; 0: unknown */
    uint32_t attempts;           /* runs that ended and were to be repeated; of them */
    uint32_t deaths;             /* by the loss of their worker */
    int64_t starts_in_ms;        /* about; -1: nothing can be said */
};

/* Why is it where it is? Waits `timeout_ms` at most (-1: no limit). Errors:
 * XD_ERR_TIMEOUT, XD_ERR_GONE, XD_ERR_NOMEM. */
enum xd_err xd_task_explain(struct xd_future *future,
                            int timeout_ms,
                            struct xd_task_why *out,
                            struct xd_error *error) XD_MUST_USE;

/* The states of this session's open tasks in a profile (NULL: in all), in one question:
 * `visit` is called, in this thread and before the function returns, for each that is not
 * simply queued ("unsent" ones among them), XD_STATES_MAX of each kind at most; who is
 * not named is queued.
 * `run_ms`: since it began, 0: it did not. Errors as xd_task_explain(), XD_ERR_INVALID
 * (name). */
#define XD_STATES_MAX 10000u
struct xd_task_state {
    struct xd_task_id id;
    char state[16]; /* as in xd_task_why */
    struct xd_session_id worker;
    uint32_t attempt; /* 1: the first */
    uint64_t run_ms;
};
enum xd_err xd_client_tasks(struct xd_client *client,
                            const char *profile,
                            int timeout_ms,
                            void (*visit)(void *context,
                                          const struct xd_task_state *state),
                            void *context,
                            struct xd_error *error) XD_MUST_USE;

/* Ask the broker: verb "status" (JSON; what does not fit a message, with thousands of
 * workers, comes in parts), "explain" with a task id or a worker's session,
 * or "cancel" with a task id as 32 hex digits, or one of "profile=NAME",
 * "session=NUMBER", "key=KEY" (given as `replaces` or `dedupe`), of all sessions of the
 * same user; more in the protocol's page, section 4. It leaves after the tasks that were
 * submitted before. Waits `timeout_ms` at most. Returns the answer's text in *out (one
 * reference). Errors: XD_ERR_TIMEOUT, XD_ERR_NOT_FOUND, XD_ERR_FORBIDDEN,
 * XD_ERR_UNSUPPORTED, XD_ERR_GONE; `error` has the broker's sentence. */
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
