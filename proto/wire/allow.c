/* SPDX-License-Identifier: MIT */
/* The list of keys a broker admits, a file each. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/cert.h"
#include "wire/class.h"
#include "wire/key_file.h"
#include "wire/keys.h"

#define DIRECTORY "/allow"

/* ---- roles */

static const struct {
    const char *name;
    unsigned bit;
} roles[] = {
    {"client", XD_ALLOW_CLIENT},
    {"worker", XD_ALLOW_WORKER},
    {"admin", XD_ALLOW_ADMIN},
};
#define ROLES (sizeof roles / sizeof *roles)

static unsigned role_bit(const char *word, size_t length)
{
    for (size_t i = 0; i < ROLES; i++) {
        if (strlen(roles[i].name) == length && memcmp(roles[i].name, word, length) == 0) {
            return roles[i].bit;
        }
    }
    return 0;
}

enum xd_err xd_allow_roles(const char *text, unsigned *out, struct xd_error *error)
{
    static const char separators[] = ", ";
    unsigned bits = 0;
    for (const char *word = text + strspn(text, separators); *word != '\0';) {
        size_t length = strcspn(word, separators);
        unsigned bit = role_bit(word, length);
        if (bit == 0) {
            char shown[64];
            xd_name_escape(word, length, shown, sizeof shown);
            return xd_fail(error,
                           XD_ERR_INVALID,
                           "no role \"%s\": want client, worker or admin",
                           shown);
        }
        bits |= bit;
        word += length;
        word += strspn(word, separators);
    }
    if (bits == 0) {
        return xd_fail(error, XD_ERR_INVALID, "no role: want client, worker or admin");
    }
    *out = bits;
    return XD_OK;
}

void xd_allow_roles_text(unsigned bits, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ROLES; i++) {
        if (bits & roles[i].bit && used < room) {
            int length = snprintf(out + used,
                                  room - used,
                                  "%s%s",
                                  used > 0 ? "," : "",
                                  roles[i].name);
            used += length > 0 ? (size_t)length : 0;
        }
    }
}

/* ---- names and entries */

static bool is_entry_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length < XD_ALLOW_NAME_ROOM && name[0] != '.' &&
           strspn(name, allowed) == length;
}

static void clear(struct xd_allow *entry)
{
    for (size_t i = 0; i < entry->profile_count; i++) {
        xd_free(entry->profiles[i]);
    }
    xd_free(entry->profiles);
    entry->profiles = NULL;
    entry->profile_count = 0;
}

void xd_allow_free(struct xd_allow *entries, size_t count)
{
    for (size_t i = 0; entries && i < count; i++) {
        clear(&entries[i]);
    }
    xd_free(entries);
}

static enum xd_err check_profile(const char *name, struct xd_error *error)
{
    if (!xd_name_is_valid(name, strlen(name))) {
        char shown[64];
        xd_name_escape(name, strlen(name), shown, sizeof shown);
        return xd_fail(error, XD_ERR_INVALID, "no name for a profile: \"%s\"", shown);
    }
    return XD_OK;
}

static enum xd_err check_profile_count(size_t count, struct xd_error *error)
{
    return count <= XD_ALLOW_PROFILES_MAX
               ? XD_OK
               : xd_fail(error, XD_ERR_TOO_LARGE, "more than 64 profiles");
}

static enum xd_err add_profile(struct xd_allow *entry,
                               const char *name,
                               struct xd_error *error)
{
    enum xd_err err = check_profile(name, error);
    if (!err) {
        err = check_profile_count(entry->profile_count + 1, error);
    }
    if (err) {
        return err;
    }
    size_t size = strlen(name) + 1;
    char **grown =
        xd_realloc_array(entry->profiles, entry->profile_count + 1, sizeof *grown);
    if (!grown) {
        return XD_ERR_NOMEM;
    }
    entry->profiles = grown;
    if (!(grown[entry->profile_count] = xd_alloc(size))) {
        return XD_ERR_NOMEM;
    }
    memcpy(grown[entry->profile_count++], name, size);
    return XD_OK;
}

/* ---- reading. What is not understood is refused: a right that was meant to be narrower
 * must not become wider by a slip of the pen. */

static enum xd_err take_right(const struct xd_cert_item *item,
                              struct xd_allow *entry,
                              struct xd_error *error)
{
    if (strcmp(item->name, "name") == 0) {
        return XD_OK; /* for people: the file's name counts */
    }
    if (strcmp(item->name, "profile") == 0) {
        return add_profile(entry, item->value, error);
    }
    if (strcmp(item->name, "roles") != 0) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "\"metadata\" has name, roles and profile, not %.40s",
                       item->name);
    }
    if (entry->roles != 0) {
        return xd_fail(error, XD_ERR_INVALID, "roles is there twice");
    }
    return xd_allow_roles(item->value, &entry->roles, error);
}

static enum xd_err parse(char *text, struct xd_allow *entry, struct xd_error *error)
{
    struct xd_cert_reader reader;
    struct xd_cert_item item;
    struct xd_key_pair pair = {"", ""};
    enum xd_err err;
    xd_cert_reader_init(&reader, text);
    while ((err = xd_cert_next(&reader, &item, error)) == XD_OK) {
        err = item.in_curve ? xd_cert_take_key(&item, &pair, error)
                            : take_right(&item, entry, error);
        if (err) {
            break;
        }
    }
    bool has_secret = pair.secret_key[0] != '\0';
    memcpy(entry->public_key, pair.public_key, sizeof entry->public_key);
    xd_key_pair_wipe(&pair);
    if (err != XD_ERR_NOT_FOUND) {
        return err;
    }
    if (has_secret) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "a secret-key does not belong here: make a new key");
    }
    if (entry->public_key[0] == '\0' || entry->roles == 0) {
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "no %s in it",
                       entry->roles == 0 ? "roles" : "public-key");
    }
    return XD_OK;
}

/* `out` owns its profiles. */
static enum xd_err read_entry(const struct xd_key_dir *dir,
                              const char *name,
                              struct xd_allow *out,
                              struct xd_error *error)
{
    char text[XD_KEY_FILE_ROOM];
    struct xd_allow entry = {.roles = 0};
    if (!is_entry_name(name)) {
        char shown[96];
        xd_name_escape(name, strlen(name), shown, sizeof shown);
        return xd_fail(error, XD_ERR_INVALID, "no name for a key: %s", shown);
    }
    enum xd_err err = xd_key_file_read(dir, name, XD_KEY_PRIVATE, text, error);
    if (!err) {
        err = parse(text, &entry, error);
        if (err) {
            xd_error_prefix(error, name);
        }
    }
    explicit_bzero(text, sizeof text);
    if (err) {
        clear(&entry);
        return err;
    }
    memcpy(entry.name, name, strlen(name) + 1);
    *out = entry;
    return XD_OK;
}

/* What has been read, and the first complaint. */
struct list {
    struct xd_allow *items;
    size_t count, capacity, left_out;
    struct xd_error first;
};

static void leave_out(struct list *list, const struct xd_error *why)
{
    if (list->left_out++ == 0) {
        list->first = *why;
    }
}

static enum xd_err append_entry(struct list *list,
                                const struct xd_key_dir *dir,
                                const char *name)
{
    struct xd_error why = {""};
    enum xd_err err = xd_reserve((void **)&list->items,
                                 &list->capacity,
                                 list->count + 1,
                                 sizeof *list->items);
    if (err) {
        return err;
    }
    err = read_entry(dir, name, &list->items[list->count], &why);
    if (!err) {
        list->count++;
    } else if (err != XD_ERR_NOMEM && err != XD_ERR_NOT_FOUND) {
        leave_out(list, &why); /* not found: removed just now */
    }
    return err == XD_ERR_NOMEM ? err : XD_OK;
}

static enum xd_err append_all(struct list *list,
                              const struct xd_key_dir *dir,
                              struct xd_error *error)
{
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    if (!names) {
        if (fd >= 0) {
            close(fd);
        }
        return xd_fail(error, XD_ERR_SYSTEM, "cannot list %s", dir->path);
    }
    enum xd_err err = XD_OK;
    for (struct dirent *entry; !err && (entry = readdir(names)) != NULL;) {
        if (entry->d_name[0] != '.') {
            err = append_entry(list, dir, entry->d_name);
        }
    }
    closedir(names);
    return err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct xd_allow *)a)->name, ((const struct xd_allow *)b)->name);
}

static int by_key(const void *a, const void *b)
{
    int order = strcmp(((const struct xd_allow *)a)->public_key,
                       ((const struct xd_allow *)b)->public_key);
    return order != 0 ? order : by_name(a, b);
}

static void sort(struct list *list, int (*order)(const void *, const void *))
{
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, order);
    }
}

/* One key has one set of rights. */
static void drop_doubles(struct list *list)
{
    size_t kept = 0;
    sort(list, by_key);
    for (size_t i = 0; i < list->count; i++) {
        struct xd_allow *entry = &list->items[i];
        const struct xd_allow *before = kept > 0 ? &list->items[kept - 1] : NULL;
        if (before && strcmp(before->public_key, entry->public_key) == 0) {
            struct xd_error why;
            xd_error_set(&why, "%s: the same key as %s", entry->name, before->name);
            leave_out(list, &why);
            clear(entry);
        } else {
            list->items[kept++] = *entry;
        }
    }
    list->count = kept;
    sort(list, by_name);
}

static enum xd_err read_list(const struct xd_key_dir *dir,
                             struct list *list,
                             struct xd_error *error)
{
    enum xd_err err = append_all(list, dir, error);
    if (!err) {
        drop_doubles(list);
    } else {
        xd_allow_free(list->items, list->count);
    }
    return err;
}

/* The directory "allow" in that state directory, which is looked at as well. */
static enum xd_err open_allow(const char *state,
                              bool make,
                              struct xd_key_dir *out,
                              struct xd_error *error)
{
    struct xd_key_dir parent;
    char path[XD_KEY_PATH_ROOM];
    if (strlen(state) + sizeof DIRECTORY > sizeof path) {
        return xd_fail(error, XD_ERR_TOO_LARGE, "the path is too long: %s", state);
    }
    enum xd_err err = xd_key_dir_open(state, make, XD_KEY_PRIVATE, &parent, error);
    if (err) {
        return err;
    }
    xd_key_dir_close(&parent);
    (void)snprintf(path, sizeof path, "%s" DIRECTORY, state);
    return xd_key_dir_open(path, make, XD_KEY_PRIVATE, out, error);
}

enum xd_err xd_allow_read(const char *state,
                          struct xd_allow **out,
                          size_t *count,
                          struct xd_error *error)
{
    struct xd_key_dir dir;
    struct list list = {.items = NULL};
    enum xd_err err = open_allow(state, false, &dir, error);
    if (!err) {
        err = read_list(&dir, &list, error);
        xd_key_dir_close(&dir);
    } else if (err == XD_ERR_NOT_FOUND) {
        err = XD_OK;
    }
    if (err) {
        return err;
    }
    if (list.left_out > 1) {
        xd_error_set(error, "%.200s (and %zu more)", list.first.text, list.left_out - 1);
    } else {
        xd_error_set(error, "%s", list.first.text);
    }
    *out = list.items;
    *count = list.count;
    return XD_OK;
}

/* ---- writing */

static enum xd_err check_entry(const struct xd_allow *entry, struct xd_error *error)
{
    char key[XD_KEY_Z85_ROOM], names[32];
    unsigned bits;
    if (!is_entry_name(entry->name)) {
        char shown[96];
        xd_name_escape(entry->name, strlen(entry->name), shown, sizeof shown);
        return xd_fail(error,
                       XD_ERR_INVALID,
                       "no name for a key: \"%s\" (want up to 63 letters, digits, \".\", "
                       "\"_\", \"-\", and no dot in front)",
                       shown);
    }
    enum xd_err err = xd_key_parse(entry->public_key, "the public key", key, error);
    if (err) {
        return err;
    }
    xd_allow_roles_text(entry->roles, names, sizeof names);
    err = xd_allow_roles(names, &bits, error);
    for (size_t i = 0; !err && i < entry->profile_count; i++) {
        err = check_profile(entry->profiles[i], error);
    }
    return err ? err : check_profile_count(entry->profile_count, error);
}

/* Files that cannot be read admit nobody, so only their names are in the way. */
static enum xd_err check_new(const struct xd_key_dir *dir,
                             const struct xd_allow *entry,
                             struct xd_error *error)
{
    struct list list = {.items = NULL};
    enum xd_err err = read_list(dir, &list, error);
    if (err) {
        return err;
    }
    for (size_t i = 0; !err && i < list.count; i++) {
        if (strcmp(list.items[i].public_key, entry->public_key) == 0) {
            err = xd_fail(error,
                          XD_ERR_EXISTS,
                          "that key is admitted already, as %s",
                          list.items[i].name);
        }
    }
    xd_allow_free(list.items, list.count);
    return err;
}

static enum xd_err write_entry(const struct xd_key_dir *dir,
                               const struct xd_allow *entry,
                               struct xd_error *error)
{
    char names[32];
    struct xd_key_pair half = {"", ""};
    struct xd_cert_writer writer;
    memcpy(half.public_key, entry->public_key, sizeof half.public_key);
    xd_allow_roles_text(entry->roles, names, sizeof names);
    xd_cert_write_start(&writer, "a key this user's brokers admit");
    xd_cert_write(&writer, "name", entry->name);
    xd_cert_write(&writer, "roles", names);
    for (size_t i = 0; i < entry->profile_count; i++) {
        xd_cert_write(&writer, "profile", entry->profiles[i]);
    }
    xd_cert_write_keys(&writer, &half);
    if (writer.is_cut) {
        return xd_fail(error,
                       XD_ERR_TOO_LARGE,
                       "%s: the names of its profiles are too long together",
                       entry->name);
    }
    return xd_key_file_write(dir, entry->name, XD_KEY_PRIVATE, false, writer.text, error);
}

enum xd_err xd_allow_add(const char *state,
                         const struct xd_allow *entry,
                         struct xd_error *error)
{
    struct xd_key_dir dir;
    enum xd_err err = check_entry(entry, error);
    if (!err) {
        err = open_allow(state, true, &dir, error);
    }
    if (err) {
        return err;
    }
    /* One at a time, where the file system can: a key is not to come in under two names.
     */
    (void)flock(dir.fd, LOCK_EX);
    err = check_new(&dir, entry, error);
    if (!err) {
        err = write_entry(&dir, entry, error);
    }
    xd_key_dir_close(&dir);
    return err;
}
