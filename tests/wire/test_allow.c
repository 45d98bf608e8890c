/* SPDX-License-Identifier: MIT */
/* The list of keys a broker admits. */
#include <criterion/criterion.h>
#include <czmq.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/keys.h"
#include "xdt.h"

#define KEY_A "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_B "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define CURVE_A "curve\n    public-key = \"" KEY_A "\"\n"

static struct xdt_dir top;
static struct xd_error error;
static struct xd_allow *list;
static size_t count;
static char state[128], path[256];

static void setup(void)
{
    xdt_dir_make(&top);
    snprintf(state, sizeof state, "%s/state", top.path);
}

static void teardown(void)
{
    xd_allow_free(list, count);
    xdt_dir_remove(&top);
}

TestSuite(allow, .init = setup, .fini = teardown);

static const char *entry_path(const char *name)
{
    snprintf(path, sizeof path, "%s/allow/%s", state, name);
    return path;
}

static enum xd_err add_key(const char *name, const char *key)
{
    struct xd_allow entry = {.roles = XD_ALLOW_WORKER};
    snprintf(entry.name, sizeof entry.name, "%s", name);
    snprintf(entry.public_key, sizeof entry.public_key, "%s", key);
    return xd_allow_add(state, &entry, &error);
}

static void put(const char *name, mode_t mode, const char *text)
{
    int fd = open(entry_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* "" in `error` when nothing was left out. */
static void read_list(void)
{
    xd_allow_free(list, count);
    list = NULL;
    count = 0;
    snprintf(error.text, sizeof error.text, "not written");
    cr_assert_eq(xd_allow_read(state, &list, &count, &error), XD_OK, "%s", error.text);
}

/* ---- roles */

Test(allow, roles_are_read_and_written)
{
    static const struct {
        const char *text;
        unsigned bits;
        const char *again;
    } rows[] = {
        {"client", XD_ALLOW_CLIENT, "client"},
        {"worker,client", XD_ALLOW_CLIENT | XD_ALLOW_WORKER, "client,worker"},
        {" admin, worker client,", 7, "client,worker,admin"},
        {"worker worker", XD_ALLOW_WORKER, "worker"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        unsigned bits = 0;
        cr_assert_eq(xd_allow_roles(rows[i].text, &bits, &error), XD_OK);
        cr_assert_eq(bits, rows[i].bits, "row %zu", i);
        xd_allow_roles_text(bits, text, sizeof text);
        cr_assert_str_eq(text, rows[i].again);
    }
}

Test(allow, other_words_are_no_roles)
{
    static const char *const rows[] =
        {"", " ,", "clients", "Client", "clien", "client;worker"};
    unsigned bits = 99;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(xd_allow_roles(rows[i], &bits, &error),
                     XD_ERR_INVALID,
                     "row %zu",
                     i);
    }
    cr_assert_eq(xd_allow_roles("client,\x1b[2J", &bits, &error), XD_ERR_INVALID);
    cr_assert_not_null(strstr(error.text, "\\x1b"), "%s", error.text);
    cr_assert_eq(bits, 99);
}

Test(allow, roles_that_do_not_fit_are_cut)
{
    char text[9];
    xd_allow_roles_text(7, text, sizeof text);
    cr_assert_str_eq(text, "client,w");
    xd_allow_roles_text(0, text, sizeof text);
    cr_assert_str_eq(text, "");
}

/* ---- adding and reading */

Test(allow, a_missing_list_is_empty)
{
    read_list();
    cr_assert_eq(count, 0);
    cr_assert_str_eq(error.text, "");
    cr_assert_neq(access(state, F_OK), 0, "nothing was made");
}

Test(allow, entries_come_back_by_name)
{
    char *profiles[] = {(char[]){"default"}, (char[]){"a b/\xc3\xa9#"}};
    struct xd_allow entry = {.name = "zoe.laptop-1_x",
                             .public_key = KEY_A,
                             .roles = XD_ALLOW_CLIENT | XD_ALLOW_ADMIN,
                             .profiles = profiles,
                             .profile_count = 2};
    struct stat found;
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_OK, "%s", error.text);
    cr_assert_eq(add_key("bob", KEY_B), XD_OK, "%s", error.text);
    read_list();
    cr_assert_str_eq(error.text, "");
    cr_assert_eq(count, 2);
    cr_assert_str_eq(list[0].name, "bob");
    cr_assert_str_eq(list[0].public_key, KEY_B);
    cr_assert_eq(list[0].roles, XD_ALLOW_WORKER);
    cr_assert_null(list[0].profiles);
    cr_assert_str_eq(list[1].name, "zoe.laptop-1_x");
    cr_assert_str_eq(list[1].public_key, KEY_A);
    cr_assert_eq(list[1].roles, XD_ALLOW_CLIENT | XD_ALLOW_ADMIN);
    cr_assert_eq(list[1].profile_count, 2);
    cr_assert_str_eq(list[1].profiles[0], "default");
    cr_assert_str_eq(list[1].profiles[1], "a b/\xc3\xa9#");
    cr_assert_eq(stat(entry_path("bob"), &found), 0);
    cr_assert_eq(found.st_mode & 07777, 0600);
    cr_assert_eq(stat(entry_path(""), &found), 0);
    cr_assert_eq(found.st_mode & 07777, 0700);
}

Test(allow, a_name_and_a_key_are_there_once)
{
    cr_assert_eq(add_key("a", KEY_A), XD_OK);
    cr_assert_eq(add_key("a", KEY_B), XD_ERR_EXISTS);
    cr_assert_eq(add_key("b", KEY_A), XD_ERR_EXISTS);
    cr_assert_not_null(strstr(error.text, "as a"), "%s", error.text);
    read_list();
    cr_assert_eq(count, 1);
    cr_assert_str_eq(list[0].public_key, KEY_A);
}

#define ADDERS 6

Test(allow, of_those_who_add_a_key_at_once_one_wins)
{
    int status, won = 0;
    for (int i = 0; i < ADDERS; i++) {
        if (fork() == 0) {
            char name[] = {(char)('a' + i), '\0'};
            enum xd_err err = add_key(name, KEY_A);
            _exit(err == XD_OK ? 1 : err == XD_ERR_EXISTS ? 0 : 2);
        }
    }
    for (int i = 0; i < ADDERS; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        won += WEXITSTATUS(status);
    }
    cr_assert_eq(won, 1);
    read_list();
    cr_assert_eq(count, 1);
}

Test(allow, names_that_could_leave_the_directory_or_hide_are_refused)
{
    static const char *const rows[] =
        {"", ".", "..", ".hidden", "a/b", "../x", "a b", "a\n", "\xc3\xa9", "a:b"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(add_key(rows[i], KEY_A), XD_ERR_INVALID, "row %zu", i);
    }
    struct xd_allow entry = {.public_key = KEY_A, .roles = XD_ALLOW_CLIENT};
    memset(entry.name, 'n', sizeof entry.name - 1);
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_OK, "63 bytes");
}

Test(allow, an_entry_that_makes_no_sense_is_not_written)
{
    char quote[] = "a\"b", name[256], *profiles[XD_ALLOW_PROFILES_MAX + 1];
    struct xd_allow entry = {.name = "a", .public_key = KEY_A};
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_ERR_INVALID, "no roles");
    entry.roles = XD_ALLOW_CLIENT;
    entry.public_key[39] = '\0';
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_ERR_INVALID, "no key");
    entry.public_key[39] = 'D';
    entry.profiles = profiles;
    entry.profile_count = 1;
    profiles[0] = quote;
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_ERR_INVALID, "no profile");
    memset(name, 'p', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i <= XD_ALLOW_PROFILES_MAX; i++) {
        profiles[i] = name;
    }
    entry.profile_count = 20;
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_ERR_TOO_LARGE, "too long");
    entry.profile_count = XD_ALLOW_PROFILES_MAX + 1;
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_ERR_TOO_LARGE, "too many");
    read_list();
    cr_assert_eq(count, 0);
    name[8] = '\0';
    entry.profile_count = XD_ALLOW_PROFILES_MAX;
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_OK, "%s", error.text);
    read_list();
    cr_assert_eq(list[0].profile_count, XD_ALLOW_PROFILES_MAX);
}

Test(allow, one_bad_file_is_left_out_and_told)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "no roles"},
        {CURVE_A, "no roles"},
        {"metadata\n    roles = \"client\"\n", "no public-key"},
        {"metadata\n    roles = \"boss\"\n" CURVE_A, "no role \"boss\""},
        {"metadata\n    roles = \"client\"\n    roles = \"admin\"\n" CURVE_A, "twice"},
        {"metadata\n    roles = \"client\"\n    profiles = \"a\"\n" CURVE_A,
         "not profiles"},
        {"metadata\n    roles = \"client\"\n    profile = \"\"\n" CURVE_A,
         "no name for a profile"},
        {"metadata\n    roles = \"client\"\n" CURVE_A "    secret-key = \"" SECRET "\"\n",
         "secret-key does not belong"},
        {"metadata\n    roles = \"client\"\ncurve\n    public-key = \"x\"\n", "no key"},
        {"metadata\n    roles = \"client\"\n" CURVE_A "else\n", "line 5"},
    };
    cr_assert_eq(add_key("good", KEY_B), XD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("bad", 0600, rows[i].text);
        read_list();
        cr_assert_eq(count, 1, "row %zu", i);
        cr_assert_str_eq(list[0].name, "good");
        cr_assert_not_null(strstr(error.text, rows[i].why), "row %zu: %s", i, error.text);
        cr_assert_not_null(strstr(error.text, "bad"), "row %zu: %s", i, error.text);
        cr_assert_null(strstr(error.text, "D:)Q"), "row %zu: %s", i, error.text);
    }
    put("bad", 0644, "metadata\n    roles = \"client\"\n" CURVE_A);
    put("wrong name", 0600, "metadata\n    roles = \"client\"\n" CURVE_A);
    put(".new-1-1", 0600, "half");
    cr_assert_eq(mkfifo(entry_path("fifo"), 0600), 0);
    read_list();
    cr_assert_eq(count, 1);
    cr_assert_not_null(strstr(error.text, "(and 2 more)"), "%s", error.text);
}

Test(allow, of_two_entries_with_one_key_the_first_counts)
{
    cr_assert_eq(add_key("b", KEY_A), XD_OK);
    put("a", 0600, "metadata\n    roles = \"client\"\n" CURVE_A);
    put("c", 0600, "metadata\n    roles = \"admin\"\n" CURVE_A);
    read_list();
    cr_assert_eq(count, 1);
    cr_assert_str_eq(list[0].name, "a");
    cr_assert_not_null(strstr(error.text, "same key"), "%s", error.text);
}

Test(allow, a_directory_open_to_others_is_refused)
{
    cr_assert_eq(add_key("a", KEY_A), XD_OK);
    cr_assert_eq(chmod(entry_path(""), 0770), 0);
    cr_assert_eq(xd_allow_read(state, &list, &count, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(add_key("b", KEY_B), XD_ERR_FORBIDDEN);
    cr_assert_eq(chmod(entry_path(""), 0700), 0);
    cr_assert_eq(chmod(state, 0707), 0);
    cr_assert_eq(xd_allow_read(state, &list, &count, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(add_key("b", KEY_B), XD_ERR_FORBIDDEN);
    cr_assert_null(list);
}

/* ---- with CZMQ, and without memory */

Test(allow, zcert_reads_an_entry)
{
    char *profiles[] = {(char[]){"gpu"}};
    struct xd_allow entry = {.name = "a",
                             .public_key = KEY_A,
                             .roles = XD_ALLOW_CLIENT | XD_ALLOW_WORKER,
                             .profiles = profiles,
                             .profile_count = 1};
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_OK);
    zcert_t *cert = zcert_load(entry_path("a"));
    cr_assert_not_null(cert);
    cr_assert_str_eq(zcert_public_txt(cert), KEY_A);
    cr_assert_str_eq(zcert_meta(cert, "name"), "a");
    cr_assert_str_eq(zcert_meta(cert, "roles"), "client,worker");
    cr_assert_str_eq(zcert_meta(cert, "profile"), "gpu");
    zcert_destroy(&cert);
}

Test(allow, we_read_a_certificate_that_zcert_gave_roles)
{
    cr_assert_eq(add_key("a", KEY_A), XD_OK);
    zcert_t *cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", "whoever");
    zcert_set_meta(cert, "roles", "%s", "worker");
    cr_assert_eq(zcert_save_public(cert, entry_path("b")), 0);
    cr_assert_eq(chmod(path, 0600), 0);
    read_list();
    cr_assert_eq(count, 2, "%s", error.text);
    cr_assert_str_eq(list[1].public_key, zcert_public_txt(cert));
    zcert_destroy(&cert);
}

static enum xd_err read_once(void *unused)
{
    struct xd_allow *entries = NULL;
    size_t entry_count = 0;
    (void)unused;
    enum xd_err err = xd_allow_read(state, &entries, &entry_count, NULL);
    xd_allow_free(entries, entry_count);
    return err == XD_OK && entry_count != 2 ? XD_ERR_INVALID : err;
}

static enum xd_err add_once(void *unused)
{
    (void)unused;
    return add_key("c", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf8");
}

Test(allow, without_memory_nothing_is_read_or_written)
{
    char *profiles[] = {(char[]){"gpu"}, (char[]){"cpu"}};
    struct xd_allow entry = {.name = "a",
                             .public_key = KEY_A,
                             .roles = XD_ALLOW_CLIENT,
                             .profiles = profiles,
                             .profile_count = 2};
    cr_assert_eq(xd_allow_add(state, &entry, &error), XD_OK);
    cr_assert_eq(add_key("b", KEY_B), XD_OK);
    cr_assert_gt(xdt_oom_loop(read_once, NULL), 3);
    cr_assert_gt(xdt_oom_loop(add_once, NULL), 3);
}
