/* SPDX-License-Identifier: MIT */
/* The verbs of ADMIN that are about profiles and tasks, and what they share. */
#ifndef XDB_IO_ADMIN_VERBS_H
#define XDB_IO_ADMIN_VERBS_H

#include "io/server.h"

/* Answer a question in words. */
void xdb_admin_say(struct xdb_server *server,
                   struct xdb_conn *conn,
                   const struct xd_msg *question,
                   enum xd_err code,
                   const char *words);

/* Step for a question: errors of this session become the answer instead of an ERROR
 * message; without one it is XD_OK. */
void xdb_admin_step(struct xdb_server *server,
                    struct xdb_conn *conn,
                    const struct xd_msg *msg,
                    struct xdb_event *event);

/* The first argument is a profile that the one who asks may use; else it has been told
 * so. */
bool xdb_admin_names_profile(struct xdb_server *server,
                             struct xdb_conn *conn,
                             const struct xd_msg *msg);

/* What is behind NAME= of an argument, one reference; false: it is another one. A failure
 * to allocate looks like an empty value (NULL), which none may have. */
bool xdb_admin_value(const struct xd_bytes *argument,
                     const char *name,
                     struct xd_bytes **value);

/* A decimal number up to `most` and nothing else. */
bool xdb_admin_number(const struct xd_bytes *text, uint64_t most, uint64_t *out);

typedef void xdb_admin_verb(struct xdb_server *server,
                            struct xdb_conn *conn,
                            const struct xd_msg *msg);

/* admin_profile.c */
xdb_admin_verb xdb_admin_profile, xdb_admin_set, xdb_admin_kick, xdb_admin_counts;
/* admin_task.c */
xdb_admin_verb xdb_admin_cancel, xdb_admin_explain, xdb_admin_tasks;

#endif
