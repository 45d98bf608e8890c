/* SPDX-License-Identifier: MIT */
/* What HELLO says of this process, put together from options and environment. */
#ifndef XD_CLIENT_FACTS_H
#define XD_CLIENT_FACTS_H

#include "wire/msg.h"

/* As the application gives it; borrowed. */
struct xd_told {
    const char *name;          /* NULL: $CROSSDOCK_NAME, else the host's */
    const char *const *labels; /* NULL: $CROSSDOCK_LABELS, with commas between */
    size_t label_count;
    const char *const *versions;
    size_t version_count;
};

/* Returns the facts in *out; xd_facts_clear() them. Errors: XD_ERR_INVALID,
 * XD_ERR_TOO_LARGE (`error` names the text), XD_ERR_NOMEM. */
enum xd_err xd_facts_make(const struct xd_told *told,
                          struct xd_facts *out,
                          struct xd_error *error) XD_MUST_USE;

/* Whose slot this process is, from $CROSSDOCK_AGENT and $CROSSDOCK_SLOT; nothing where it
 * is none. */
void xd_facts_of_slot(struct xd_facts *facts);

#endif
