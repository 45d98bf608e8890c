/* SPDX-License-Identifier: MIT */
/* Who may connect and what each may do: users of this host, keys of the allow-list, and
 * changes of that list while the broker runs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/rights.h"

static char state[] = "/tmp/xd-rights-XXXXXX";
static struct xd_key_pair user;
static struct xdb_rights *rights;

static void open_rights(void)
{
    const struct xdb_rights_options options = {.state = state, .user = &user};
    struct xd_error why = {""};
    cr_assert(xdb_rights_new(&options, &rights, &why) == XD_OK, "%s", why.text);
}

static void begin(void)
{
    struct xd_error why = {""};
    cr_assert_not_null(mkdtemp(state));
    cr_assert(xd_keys_user(state, true, &user, &why) == XD_OK, "%s", why.text);
    open_rights();
}

static void end(void)
{
    char command[96];
    xdb_rights_free(rights);
    (void)snprintf(command, sizeof command, "rm -r %s", state);
    cr_assert_eq(system(command), 0);
}

TestSuite(rights, .init = begin, .fini = end, .timeout = 30);

/* A key that nobody has: Z85 of 40 equal digits. */
static void add(const char *name, char digit, unsigned roles, const char *profile)
{
    char *profiles[] = {NULL};
    char copy[32];
    struct xd_allow entry = {.roles = roles};
    struct xd_error why = {""};
    (void)snprintf(entry.name, sizeof entry.name, "%s", name);
    memset(entry.public_key, digit, XD_KEY_Z85_ROOM - 1);
    if (profile != NULL) {
        (void)snprintf(copy, sizeof copy, "%s", profile);
        profiles[0] = copy;
        entry.profiles = profiles;
        entry.profile_count = 1;
    }
    cr_assert(xd_allow_add(state, &entry, &why) == XD_OK, "%s", why.text);
}

static const struct xdb_right *right_of(char digit)
{
    char key[XD_KEY_Z85_ROOM] = "";
    unsigned char bytes[XD_KEY_BYTES];
    memset(key, digit, sizeof key - 1);
    xd_key_bytes(key, bytes);
    return xdb_rights_of_key(rights, bytes);
}

static bool covers(const struct xdb_right *right, const char *profile)
{
    struct xd_bytes *name;
    cr_assert(xd_bytes_text(profile, &name) == XD_OK);
    bool yes = xdb_right_covers(right, name);
    xd_bytes_unref(name);
    return yes;
}

Test(rights, own_key_is_like_our_own_user)
{
    unsigned char bytes[XD_KEY_BYTES];
    xd_key_bytes(user.public_key, bytes);
    const struct xdb_right *right = xdb_rights_of_key(rights, bytes);
    cr_assert(right != NULL && right == xdb_rights_own(rights));
    cr_assert_eq(right->roles, XD_ALLOW_CLIENT | XD_ALLOW_WORKER | XD_ALLOW_ADMIN);
    cr_assert(covers(right, "any"));
    cr_assert(xdb_rights_at(rights, right->number) == right);
    cr_assert_null(xdb_rights_at(rights, 1000));
}

Test(rights, users_that_are_not_listed_may_not)
{
    uint32_t uid = 4000000000u, gid = 4000000001u;
    const struct xdb_rights_options options = {.uids = &uid,
                                               .uid_count = 1,
                                               .gids = &gid,
                                               .gid_count = 1};
    cr_assert_null(xdb_rights_of_user(rights, uid, gid));
    xdb_rights_free(rights);
    cr_assert(xdb_rights_new(&options, &rights, NULL) == XD_OK);
    cr_assert_not_null(xdb_rights_of_user(rights, uid, 1));
    cr_assert_not_null(xdb_rights_of_user(rights, 7, gid));
    cr_assert_null(xdb_rights_of_user(rights, 7, uid));
    cr_assert_null(right_of('a')); /* no state directory: no keys */
}

Test(rights, key_that_is_added_while_it_runs_may_at_once)
{
    cr_assert_null(right_of('a'));
    add("gpu", 'a', XD_ALLOW_WORKER, "deep");
    const struct xdb_right *right = right_of('a');
    cr_assert_not_null(right);
    cr_assert_str_eq(right->principal, "key=gpu");
    cr_assert_eq(right->roles, XD_ALLOW_WORKER);
    cr_assert(covers(right, "deep") && !covers(right, "deeper") && !covers(right, ""));
    cr_assert_null(right_of('b'));
}

Test(rights, changed_entry_is_a_new_right_and_the_old_one_stays_what_it_was)
{
    char path[96];
    add("gpu", 'a', XD_ALLOW_WORKER, "deep");
    const struct xdb_right *before = right_of('a');
    (void)snprintf(path, sizeof path, "%s/allow/gpu", state);
    cr_assert_eq(unlink(path), 0);
    cr_assert_null(right_of('a'));
    add("gpu", 'a', XD_ALLOW_CLIENT, NULL);
    const struct xdb_right *after = right_of('a');
    cr_assert(after != NULL && after != before && after->roles == XD_ALLOW_CLIENT);
    cr_assert(before->roles == XD_ALLOW_WORKER && covers(before, "deep"));
    cr_assert(right_of('a') == after, "nothing changed, and yet it is another");
}

Test(rights, bad_file_is_told_and_shuts_out_nobody_else)
{
    char path[96];
    struct xd_error complaint = {""};
    add("good", 'a', XD_ALLOW_CLIENT, NULL);
    (void)snprintf(path, sizeof path, "%s/allow/bad", state);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    (void)fputs("no key here\n", file);
    (void)fclose(file);
    cr_assert_not_null(right_of('a'));
    cr_assert(xdb_rights_complaint(rights, &complaint));
    cr_assert(strstr(complaint.text, "bad") != NULL, "%s", complaint.text);
    cr_assert(!xdb_rights_complaint(rights, &complaint), "told twice");
}
