/* SPDX-License-Identifier: MIT */
/* A table that only grows, behind a mutex. */
#include "io/rights.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/time.h"
#include "wire/class.h"

#define ALL_ROLES (XD_ALLOW_CLIENT | XD_ALLOW_WORKER | XD_ALLOW_ADMIN)

/* File times are that coarse: a change so soon after a reading may not show in them. */
#define TIME_GRAIN (20 * XD_MS)

struct entry {
    unsigned char key[XD_KEY_BYTES];
    const struct xdb_right *right;
};

struct xdb_rights {
    pthread_mutex_t lock;
    struct xdb_right **all; /* those of before, too */
    size_t count, room;
    struct entry *entries; /* the allow-list as last read, the user's own key first */
    size_t entry_count;
    uint32_t *ids; /* uids, then gids */
    size_t uid_count, gid_count;
    bool has_keys;
    unsigned char own_key[XD_KEY_BYTES];
    char state[XD_STATE_MAX_BYTES];
    struct timespec changed;   /* the list's directory, when it was read */
    xd_time read_at;           /* wall clock */
    struct xd_error complaint; /* what was wrong with the list, until it is told */
};

static void right_free(struct xdb_right *right)
{
    if (right == NULL) {
        return;
    }
    for (size_t i = 0; i < right->profile_count; i++) {
        xd_free(right->profiles[i]);
    }
    xd_free(right->profiles);
    xd_free(right);
}

/* Takes the right; NULL, and it is freed, when there is no memory. */
static const struct xdb_right *keep(struct xdb_rights *rights, struct xdb_right *right)
{
    if (rights->count == rights->room) {
        size_t room = rights->room ? 2 * rights->room : 16;
        struct xdb_right **all = xd_realloc_array(rights->all, room, sizeof *all);
        if (all == NULL) {
            right_free(right);
            return NULL;
        }
        rights->all = all;
        rights->room = room;
    }
    right->number = (uint32_t)rights->count;
    rights->all[rights->count++] = right;
    return right;
}

/* ---- local users ---- */

static bool listed(const uint32_t *ids, size_t count, unsigned long id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static const struct xdb_right *find_principal(const struct xdb_rights *rights,
                                              const char *principal)
{
    for (size_t i = rights->count; i-- > 0;) {
        if (strcmp(rights->all[i]->principal, principal) == 0) {
            return rights->all[i];
        }
    }
    return NULL;
}

static const struct xdb_right *user_right(struct xdb_rights *rights, unsigned long uid)
{
    char principal[XDB_PRINCIPAL_MAX];
    (void)snprintf(principal, sizeof principal, "uid=%lu", uid);
    const struct xdb_right *known = find_principal(rights, principal);
    if (known != NULL) {
        return known;
    }
    struct xdb_right *right = xd_zalloc(sizeof *right);
    if (right == NULL) {
        return NULL;
    }
    memcpy(right->principal, principal, sizeof right->principal);
    right->roles = ALL_ROLES;
    return keep(rights, right);
}

const struct xdb_right *xdb_rights_of_user(struct xdb_rights *rights,
                                           unsigned long uid,
                                           unsigned long gid)
{
    if (uid != geteuid() && uid != 0 && !listed(rights->ids, rights->uid_count, uid) &&
        !listed(rights->ids + rights->uid_count, rights->gid_count, gid)) {
        return NULL;
    }
    pthread_mutex_lock(&rights->lock);
    const struct xdb_right *right = user_right(rights, uid);
    pthread_mutex_unlock(&rights->lock);
    return right;
}

const struct xdb_right *xdb_rights_own(struct xdb_rights *rights)
{
    return xdb_rights_of_user(rights, geteuid(), getegid());
}

/* ---- keys ---- */

static bool same_profiles(const struct xdb_right *right, const struct xd_allow *allow)
{
    if (right->profile_count != allow->profile_count) {
        return false;
    }
    for (size_t i = 0; i < allow->profile_count; i++) {
        if (strcmp(right->profiles[i], allow->profiles[i]) != 0) {
            return false;
        }
    }
    return true;
}

static struct xdb_right *make_right(const char *principal, const struct xd_allow *allow)
{
    struct xdb_right *right = xd_zalloc(sizeof *right);
    if (right == NULL) {
        return NULL;
    }
    memcpy(right->principal, principal, sizeof right->principal);
    right->roles = allow->roles;
    if (allow->profile_count == 0) {
        return right;
    }
    right->profiles = xd_calloc(allow->profile_count, sizeof *right->profiles);
    for (size_t i = 0; right->profiles != NULL && i < allow->profile_count; i++) {
        size_t size = strlen(allow->profiles[i]) + 1;
        char *copy = xd_alloc(size);
        if (copy == NULL) {
            right_free(right);
            return NULL;
        }
        memcpy(copy, allow->profiles[i], size);
        right->profiles[right->profile_count++] = copy;
    }
    if (right->profiles == NULL) {
        right_free(right);
        return NULL;
    }
    return right;
}

/* What it was before, where nothing changed. */
static const struct xdb_right *key_right(struct xdb_rights *rights,
                                         const struct xd_allow *allow)
{
    char principal[XDB_PRINCIPAL_MAX];
    (void)snprintf(principal, sizeof principal, "key=%s", allow->name);
    const struct xdb_right *known = find_principal(rights, principal);
    if (known != NULL && known->roles == allow->roles && same_profiles(known, allow)) {
        return known;
    }
    struct xdb_right *right = make_right(principal, allow);
    return right == NULL ? NULL : keep(rights, right);
}

/* The list as it is now in place of the one before. On failure that stays. */
static enum xd_err read_list(struct xdb_rights *rights, struct xd_error *error)
{
    struct xd_allow *list;
    size_t count;
    enum xd_err err = xd_allow_read(rights->state, &list, &count, error);
    if (err != XD_OK) {
        return err;
    }
    struct entry *entries = xd_calloc(count + 1, sizeof *entries);
    bool ok = entries != NULL;
    if (ok) {
        memcpy(entries[0].key, rights->own_key, XD_KEY_BYTES);
        entries[0].right = user_right(rights, geteuid());
        ok = entries[0].right != NULL;
    }
    for (size_t i = 0; ok && i < count; i++) {
        xd_key_bytes(list[i].public_key, entries[i + 1].key);
        entries[i + 1].right = key_right(rights, &list[i]);
        ok = entries[i + 1].right != NULL;
    }
    xd_allow_free(list, count);
    if (!ok) {
        xd_free(entries);
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the list of keys");
    }
    xd_free(rights->entries);
    rights->entries = entries;
    rights->entry_count = count + 1;
    return XD_OK;
}

static xd_time wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (xd_time)now.tv_sec * XD_S + now.tv_nsec;
}

/* Entries are written under another name and renamed, so the directory's time tells. */
static void refresh(struct xdb_rights *rights)
{
    char path[XD_STATE_MAX_BYTES + 8];
    struct stat found;
    (void)snprintf(path, sizeof path, "%s/allow", rights->state);
    struct timespec changed = {0, 0};
    if (stat(path, &found) == 0) {
        changed = found.st_mtim;
    }
    xd_time at = (xd_time)changed.tv_sec * XD_S + changed.tv_nsec;
    if (changed.tv_sec == rights->changed.tv_sec &&
        changed.tv_nsec == rights->changed.tv_nsec && at < rights->read_at - TIME_GRAIN) {
        return;
    }
    xd_time now = wall_clock();
    if (read_list(rights, &rights->complaint) == XD_OK) {
        rights->changed = changed;
        rights->read_at = now;
    }
}

const struct xdb_right *xdb_rights_of_key(struct xdb_rights *rights,
                                          const unsigned char key[XD_KEY_BYTES])
{
    const struct xdb_right *right = NULL;
    if (!rights->has_keys) {
        return NULL;
    }
    pthread_mutex_lock(&rights->lock);
    refresh(rights);
    for (size_t i = 0; right == NULL && i < rights->entry_count; i++) {
        if (memcmp(rights->entries[i].key, key, XD_KEY_BYTES) == 0) {
            right = rights->entries[i].right;
        }
    }
    pthread_mutex_unlock(&rights->lock);
    return right;
}

/* ---- the table ---- */

const struct xdb_right *xdb_rights_at(struct xdb_rights *rights, uint32_t number)
{
    pthread_mutex_lock(&rights->lock);
    const struct xdb_right *right = number < rights->count ? rights->all[number] : NULL;
    pthread_mutex_unlock(&rights->lock);
    return right;
}

bool xdb_rights_complaint(struct xdb_rights *rights, struct xd_error *out)
{
    pthread_mutex_lock(&rights->lock);
    *out = rights->complaint;
    rights->complaint.text[0] = '\0';
    pthread_mutex_unlock(&rights->lock);
    return out->text[0] != '\0';
}

bool xdb_right_covers(const struct xdb_right *right, const struct xd_bytes *profile)
{
    if (right->profiles == NULL) {
        return true;
    }
    for (size_t i = 0; i < right->profile_count; i++) {
        if (xd_bytes_is(profile, right->profiles[i])) {
            return true;
        }
    }
    return false;
}

void xdb_right_deny(const struct xdb_right *right,
                    const struct xd_bytes *profile,
                    char text[XDB_DENIAL_ROOM])
{
    char name[80];
    xd_name_escape(profile->data, profile->size, name, sizeof name);
    (void)snprintf(text,
                   XDB_DENIAL_ROOM,
                   "%s may not use profile %s of this broker",
                   right->principal,
                   name);
}

static enum xd_err fill(struct xdb_rights *rights,
                        const struct xdb_rights_options *options,
                        struct xd_error *error)
{
    size_t count = options->uid_count + options->gid_count;
    rights->ids = xd_calloc(count + 1, sizeof *rights->ids);
    if (rights->ids == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the list of users");
    }
    for (size_t i = 0; i < count; i++) {
        rights->ids[i] = i < options->uid_count ? options->uids[i]
                                                : options->gids[i - options->uid_count];
    }
    rights->uid_count = options->uid_count;
    rights->gid_count = options->gid_count;
    if (user_right(rights, geteuid()) == NULL) {
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the list of users");
    }
    if (options->state == NULL) {
        return XD_OK;
    }
    (void)snprintf(rights->state, sizeof rights->state, "%s", options->state);
    xd_key_bytes(options->user->public_key, rights->own_key);
    rights->has_keys = true;
    enum xd_err err = read_list(rights, &rights->complaint);
    if (err != XD_OK && error != NULL) {
        *error = rights->complaint;
    }
    return err;
}

enum xd_err xdb_rights_new(const struct xdb_rights_options *options,
                           struct xdb_rights **out,
                           struct xd_error *error)
{
    struct xdb_rights *rights = xd_zalloc(sizeof *rights);
    if (rights == NULL || pthread_mutex_init(&rights->lock, NULL) != 0) {
        xd_free(rights);
        return xd_fail(error, XD_ERR_NOMEM, "out of memory for the list of users");
    }
    enum xd_err err = fill(rights, options, error);
    if (err != XD_OK) {
        xdb_rights_free(rights);
        return err;
    }
    *out = rights;
    return XD_OK;
}

void xdb_rights_free(struct xdb_rights *rights)
{
    if (rights == NULL) {
        return;
    }
    for (size_t i = 0; i < rights->count; i++) {
        right_free(rights->all[i]);
    }
    xd_free(rights->all);
    xd_free(rights->entries);
    xd_free(rights->ids);
    pthread_mutex_destroy(&rights->lock);
    xd_free(rights);
}
