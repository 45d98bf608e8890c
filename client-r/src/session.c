/* SPDX-License-Identifier: MIT */
/* Sessions with brokers, and the compute profiles in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "calls.h"
#include "events.h"
#include "task.h"

#define SESSION "crossdock_session"
#define PROFILE "crossdock_profile"
#define SETUP "crossdock_setup"

/* A broker that does not answer within this is reported. */
#define CONNECT_TIMEOUT_MS 5000
/* How long a profile that is configured otherwise is asked for. */
#define IN_USE_TIMEOUT_MS 2000
#define IN_USE_PAUSE_MS 20

/* All that are open, so that the end of R ends them in order. */
static struct xd_list sessions = {&sessions, &sessions};
static pid_t owner; /* the process that opened them; 0: none */

/* ---- one session ---- */

static void session_close(struct rxd_session *session)
{
    xd_list_remove(&session->link);
    xd_client_close(session->client);
    session->client = NULL;
    xd_broker_stop(session->broker);
    session->broker = NULL;
}

static void session_unref(struct rxd_session *session)
{
    if (session == NULL || --session->refs > 0) {
        return;
    }
    if (owner == getpid()) {
        session_close(session);
    }
    free(session->address);
    free(session);
}

static void session_finalize(SEXP pointer)
{
    struct rxd_session *session = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    session_unref(session);
}

static struct rxd_session *session_of(SEXP pointer)
{
    struct rxd_session *session = rxd_pointer(pointer, SESSION);
    if (session == NULL || session->client == NULL) {
        struct xd_error error = {"the session is closed; call daemons() again"};
        rxd_raise(XD_ERR_GONE, &error, NULL);
    }
    return session;
}

void rxd_raise_session(enum xd_err err, struct xd_error *error, const char *what)
{
    if (err == XD_ERR_GONE) {
        char before[sizeof error->text];
        memcpy(before, error->text, sizeof before);
        xd_error_set(error,
                     "%.150s; call daemons() again",
                     before[0] == '\0' ? xd_err_text(err) : before);
    }
    rxd_raise(err, error, what);
}

void rxd_check_process(void)
{
    if (owner != 0 && owner != getpid()) {
        struct xd_error error = {"this process is a fork of the R session that uses "
                                 "crossdock; use it there, or in a new R process"};
        rxd_raise(XD_ERR_GONE, &error, NULL);
    }
    owner = getpid();
}

/* Dial in slices, so that Ctrl-C works while nobody answers; growing ones, so that a
 * broker far away can. */
static void dial(struct rxd_session *session, const char *address, const char *server_key)
{
    struct xd_client_options options = {.address = address[0] == '\0' ? NULL : address,
                                        .server_key = server_key,
                                        .timeout_ms = RXD_SLICE_MS};
    options.versions = rxd_versions(&options.version_count);
    struct xd_error error = {""};
    enum xd_err err = XD_ERR_TIMEOUT;
    for (int ms = 0; err == XD_ERR_TIMEOUT && ms < CONNECT_TIMEOUT_MS;
         ms += options.timeout_ms, options.timeout_ms *= 2) {
        R_CheckUserInterrupt();
        err = xd_client_connect(&options, &session->client, &error);
    }
    if (err != XD_OK) {
        rxd_raise(err, &error, "cannot reach the broker");
    }
}

/* Our own broker, as a thread; and a link to it. */
static void embed(struct rxd_session *session, const char *listen)
{
    const char *const addresses[] = {listen, NULL};
    struct xd_broker_options options = {.listen = listen == NULL ? NULL : addresses};
    struct xd_error error = {""};
    struct xd_link *link = NULL;
    enum xd_err err = xd_broker_start(&options, &session->broker, &error);
    err = err != XD_OK ? err : xd_broker_link(session->broker, &link);
    if (err == XD_OK) {
        struct xd_client_options client = {.link = link};
        client.versions = rxd_versions(&client.version_count);
        err = xd_client_connect(&client, &session->client, &error);
    }
    if (err != XD_OK) {
        rxd_raise(err, &error, "cannot start a broker");
    }
}

static char *copy(const char *text)
{
    char *out = strdup(text);
    if (out == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    return out;
}

/* `address`: a broker's, to dial ("": where libcrossdock looks by itself), or NA: start
 * one here, which listens on `listen` (NA: a private address). `server_key`: of one on
 * tcp, or NULL. */
SEXP rxd_session_open(SEXP address, SEXP listen, SEXP server_key)
{
    rxd_check_process();
    SEXP pointer = PROTECT(rxd_pointer_new(SESSION, R_NilValue, session_finalize));
    struct rxd_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    session->refs = 1;
    xd_list_init(&session->link);
    R_SetExternalPtrAddr(pointer, session);
    xd_list_push_back(&sessions, &session->link);
    if (STRING_ELT(address, 0) != NA_STRING) {
        dial(session,
             Rf_translateCharUTF8(STRING_ELT(address, 0)),
             rxd_text_or_null(server_key));
        session->address = copy(xd_client_address(session->client));
    } else {
        SEXP text = STRING_ELT(listen, 0);
        embed(session, text == NA_STRING ? NULL : Rf_translateCharUTF8(text));
        session->address = copy(xd_broker_address(session->broker));
    }
    rxd_events_begin(session->client);
    UNPROTECT(1);
    return pointer;
}

SEXP rxd_session_close(SEXP pointer)
{
    struct rxd_session *session = rxd_pointer(pointer, SESSION);
    if (session != NULL && owner == getpid()) {
        session_close(session);
    }
    return R_NilValue;
}

SEXP rxd_session_address(SEXP pointer)
{
    return Rf_mkString(session_of(pointer)->address);
}

/* Its number with the broker, as the decimal text of CROSSDOCK_OWNER. */
SEXP rxd_session_number(SEXP pointer)
{
    char text[24];
    struct xd_session_id id = xd_client_session(session_of(pointer)->client);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)id.n);
    return Rf_mkString(text);
}

/* Of a broker on tcp, those that a tunnel forwards; NULL: it is none. */
SEXP rxd_session_ports(SEXP pointer)
{
    unsigned ports[XD_CLIENT_PORTS];
    if (xd_client_ports(session_of(pointer)->client, ports) != XD_OK) {
        return R_NilValue;
    }
    SEXP out = PROTECT(Rf_allocVector(INTSXP, XD_CLIENT_PORTS));
    for (int i = 0; i < XD_CLIENT_PORTS; i++) {
        INTEGER(out)[i] = (int)ports[i];
    }
    UNPROTECT(1);
    return out;
}

/* NULL while it works, else why not. */
SEXP rxd_session_fault(SEXP pointer)
{
    struct rxd_session *session = rxd_pointer(pointer, SESSION);
    struct xd_error error = {"the session is closed"};
    if (session != NULL && session->client != NULL &&
        xd_client_state(session->client, &error) == XD_OK) {
        return R_NilValue;
    }
    return Rf_mkString(error.text);
}

/* What a long queue took goes back to the system. */
SEXP rxd_session_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return R_NilValue;
}

SEXP rxd_shutdown(void)
{
    if (owner != getpid()) {
        return R_NilValue;
    }
    XD_LIST_EACH (link, &sessions) { /* the brokers cancel what still runs */
        struct rxd_session *session = XD_ITEM(link, struct rxd_session, link);
        xd_client_close(session->client);
        session->client = NULL;
    }
    rxd_supervise_end();
    while (!xd_list_is_empty(&sessions)) {
        session_close(XD_ITEM(sessions.next, struct rxd_session, link));
    }
    return R_NilValue;
}

/* ---- a session's serial configurations ---- */

static void setup_finalize(SEXP pointer)
{
    struct xd_setup *setup = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    xd_setup_free(setup);
}

/* `bytes`: the serialized configuration. The pointer keeps the session's alive. */
SEXP rxd_setup_new(SEXP session_pointer, SEXP bytes)
{
    struct rxd_session *session = session_of(session_pointer);
    SEXP pointer = PROTECT(rxd_pointer_new(SETUP, session_pointer, setup_finalize));
    struct xd_payload payload = {0};
    enum xd_err err =
        xd_bytes_copy(RAW(bytes), (size_t)Rf_xlength(bytes), &payload.bytes);
    struct xd_error error = {""};
    struct xd_setup *setup = NULL;
    if (err == XD_OK) {
        err = xd_setup_new(session->client, &payload, 1, &setup, &error);
        xd_bytes_unref(payload.bytes);
    }
    if (err != XD_OK) {
        rxd_raise(err, &error, "cannot send the serial configuration");
    }
    R_SetExternalPtrAddr(pointer, setup);
    UNPROTECT(1);
    return pointer;
}

struct xd_setup *rxd_setup_of(SEXP pointer)
{
    return rxd_pointer(pointer, SETUP);
}

/* ---- profiles ---- */

void rxd_profile_unref(struct rxd_profile *profile)
{
    if (profile == NULL || --profile->refs > 0) {
        return;
    }
    session_unref(profile->session);
    free(profile->fault);
    free(profile->name);
    free(profile);
}

static void profile_finalize(SEXP pointer)
{
    struct rxd_profile *profile = R_ExternalPtrAddr(pointer);
    R_ClearExternalPtr(pointer);
    rxd_profile_unref(profile);
}

/* The tasks of its last use may just be on their way out. */
static void configure(const struct rxd_profile *profile)
{
    unsigned flags = profile->is_direct ? XD_PROFILE_ROUND_ROBIN : 0;
    struct xd_error error = {""};
    enum xd_err err = XD_ERR_EXISTS;
    for (int ms = 0; err == XD_ERR_EXISTS && ms < IN_USE_TIMEOUT_MS;
         ms += IN_USE_PAUSE_MS) {
        if (ms > 0) {
            rxd_pause(IN_USE_PAUSE_MS);
        }
        err = xd_profile_open(profile->session->client, profile->name, flags, &error);
    }
    if (err != XD_OK) {
        rxd_raise(err, &error, "cannot set the compute profile up");
    }
}

/* `direct`: bind tasks to daemons in turn as they arrive. */
SEXP rxd_profile_new(SEXP session_pointer, SEXP name, SEXP direct)
{
    rxd_check_process();
    struct rxd_session *session = session_of(session_pointer);
    SEXP pointer = PROTECT(rxd_pointer_new(PROFILE, R_NilValue, profile_finalize));
    struct rxd_profile *profile = calloc(1, sizeof *profile);
    if (profile == NULL) {
        rxd_raise(XD_ERR_NOMEM, NULL, NULL);
    }
    static unsigned last_number;
    xd_list_init(&profile->open);
    profile->number = ++last_number;
    profile->refs = 1;
    profile->session = session;
    session->refs++;
    R_SetExternalPtrAddr(pointer, profile);
    profile->name = copy(Rf_translateCharUTF8(STRING_ELT(name, 0)));
    profile->is_direct = Rf_asLogical(direct) == TRUE;
    configure(profile);
    UNPROTECT(1);
    return pointer;
}

struct rxd_profile *rxd_profile_open(SEXP pointer)
{
    struct rxd_profile *profile = rxd_pointer(pointer, PROFILE);
    if (profile == NULL || profile->closed != 0 || profile->session->client == NULL) {
        struct xd_error error = {"the compute profile is closed; call daemons() again"};
        rxd_raise(XD_ERR_GONE, &error, NULL);
    }
    return profile;
}

static void end_open(struct rxd_profile *profile, int code)
{
    while (!xd_list_is_empty(&profile->open)) {
        struct rxd_task *task = XD_ITEM(profile->open.next, struct rxd_task, link);
        xd_list_remove(&task->link);
        if (!rxd_task_is_done(task)) {
            rxd_task_end(task, code);
        }
        if (task->is_orphan) {
            rxd_task_free(task);
        }
    }
}

/* Its open tasks end as errors with this text, now: there is no daemon for them. */
SEXP rxd_profile_fail(SEXP pointer, SEXP text)
{
    struct rxd_profile *profile = rxd_profile_open(pointer);
    char *fault = copy(Rf_translateCharUTF8(STRING_ELT(text, 0)));
    free(profile->fault);
    profile->fault = fault;
    end_open(profile, RXD_CODE_NO_START);
    return R_NilValue;
}

/* Its open tasks end with `code`, now; the profile is of no use after it. */
SEXP rxd_profile_close(SEXP pointer, SEXP code)
{
    struct rxd_profile *profile = rxd_pointer(pointer, PROFILE);
    if (profile == NULL) {
        return R_NilValue;
    }
    rxd_check_process();
    profile->closed = Rf_asInteger(code);
    end_open(profile, profile->closed);
    if (profile->session->client != NULL) { /* tasks that nobody holds any more, too */
        struct xd_client *client = profile->session->client;
        enum xd_err err = xd_profile_cancel(client, profile->name);
        if (err == XD_OK) {
            err = xd_profile_open(client, profile->name, XD_PROFILE_FREE, NULL);
        }
        (void)err; /* a session that is gone has nothing open */
    }
    return R_NilValue;
}

/* workers, r_workers, joined, queued, leased, ended: doubles. */
SEXP rxd_profile_count(SEXP pointer)
{
    struct rxd_profile *profile = rxd_profile_open(pointer);
    struct xd_profile_counts counts = {0};
    struct xd_error error = {""};
    enum xd_err err = XD_ERR_TIMEOUT;
    for (int ms = 0; err == XD_ERR_TIMEOUT && ms < RXD_ANSWER_TIMEOUT_MS;
         ms += RXD_SLICE_MS) {
        R_CheckUserInterrupt();
        err = xd_profile_counts(profile->session->client,
                                profile->name,
                                RXD_SLICE_MS,
                                &counts,
                                &error);
    }
    if (err != XD_OK) {
        rxd_raise_session(err, &error, "the broker does not tell the counts");
    }
    const uint64_t values[] = {counts.workers,
                               counts.r_workers,
                               counts.joined,
                               counts.queued,
                               counts.leased,
                               counts.ended};
    const int count = sizeof values / sizeof values[0];
    SEXP out = PROTECT(Rf_allocVector(REALSXP, count));
    for (int i = 0; i < count; i++) {
        REAL(out)[i] = (double)values[i];
    }
    UNPROTECT(1);
    return out;
}
