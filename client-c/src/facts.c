/* SPDX-License-Identifier: MIT */
/* Name, labels, versions and slot of this process. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "payload.h"
#include "wire/class.h"
#include "wire/limits.h"

static enum xd_err put_text(struct xd_bytes **list,
                            size_t *count,
                            const char *what,
                            const char *text,
                            struct xd_error *error)
{
    enum xd_err err = xd_name_check(what, text, xd_name_is_valid, error);
    if (err != XD_OK) {
        return err;
    }
    err = xd_bytes_text(text, &list[*count]);
    *count += err == XD_OK;
    return err == XD_OK ? err : xd_fail(error, err, "out of memory for a %s", what);
}

static enum xd_err put_list(const char *const *from,
                            size_t count,
                            size_t limit,
                            const char *what,
                            struct xd_bytes ***to,
                            size_t *to_count,
                            struct xd_error *error)
{
    if (count > limit) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%zu %ss, %zu are allowed",
                       count,
                       what,
                       limit);
    }
    *to = xd_calloc(count + 1, sizeof **to);
    if (*to == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for %ss", what);
    }
    enum xd_err err = XD_OK;
    for (size_t i = 0; i < count && err == XD_OK; i++) {
        err = put_text(*to, to_count, what, from[i], error);
    }
    return err;
}

/* "gpu,zone=a" from the environment. */
static enum xd_err put_inherited(struct xd_facts *facts, struct xd_error *error)
{
    const char *text = getenv("CROSSDOCK_LABELS");
    char *copy = text == NULL || text[0] == '\0' ? NULL : strdup(text), *rest;
    if (copy == NULL) {
        return XD_OK;
    }
    const char *words[XD_LABELS_MAX + 1];
    size_t count = 0;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL && count <= XD_LABELS_MAX;
         word = strtok_r(NULL, ",", &rest)) {
        words[count++] = word;
    }
    enum xd_err err = put_list(words,
                               count,
                               XD_LABELS_MAX,
                               "label",
                               &facts->labels,
                               &facts->label_count,
                               error);
    free(copy);
    return err;
}

static enum xd_err put_name(const char *name,
                            struct xd_facts *facts,
                            struct xd_error *error)
{
    struct utsname host;
    size_t count = 0;
    if (name == NULL) {
        name = getenv("CROSSDOCK_NAME");
    }
    if ((name == NULL || name[0] == '\0') && uname(&host) == 0) {
        name = host.nodename;
    }
    return name == NULL || name[0] == '\0'
               ? XD_OK
               : put_text(&facts->name, &count, "name", name, error);
}

static enum xd_err check_versions(const struct xd_told *told, struct xd_error *error)
{
    for (size_t i = 0; i < told->version_count; i++) {
        if (strlen(told->versions[i]) > XD_VERSION_MAX_BYTES) {
            return xd_fail(error,
                           XD_ERR_TOO_LARGE,
                           "version \"%.32s...\" has more than %u bytes",
                           told->versions[i],
                           XD_VERSION_MAX_BYTES);
        }
    }
    return XD_OK;
}

enum xd_err xd_facts_make(const struct xd_told *told,
                          struct xd_facts *out,
                          struct xd_error *error)
{
    struct xd_facts facts = {0};
    enum xd_err err = check_versions(told, error);
    if (err == XD_OK) {
        err = put_name(told->name, &facts, error);
    }
    if (err == XD_OK && told->labels == NULL) {
        err = put_inherited(&facts, error);
    } else if (err == XD_OK) {
        err = put_list(told->labels,
                       told->label_count,
                       XD_LABELS_MAX,
                       "label",
                       &facts.labels,
                       &facts.label_count,
                       error);
    }
    if (err == XD_OK) {
        err = put_list(told->versions,
                       told->version_count,
                       XD_VERSIONS_MAX,
                       "version",
                       &facts.versions,
                       &facts.version_count,
                       error);
    }
    if (err != XD_OK) {
        xd_facts_clear(&facts);
        return err;
    }
    *out = facts;
    return XD_OK;
}

void xd_facts_of_slot(struct xd_facts *facts)
{
    const char *agent = getenv("CROSSDOCK_AGENT"), *slot = getenv("CROSSDOCK_SLOT");
    facts->agent = agent == NULL ? 0 : strtoull(agent, NULL, 10);
    facts->slot =
        facts->agent == 0 || slot == NULL ? 0 : (uint32_t)strtoul(slot, NULL, 10);
}
