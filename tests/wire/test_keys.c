/* SPDX-License-Identifier: MIT */
/* One's own keys: spellings, files, and that CZMQ's zcert reads and writes the same. */
#include <criterion/criterion.h>
#include <czmq.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/keys.h"
#include "xdt.h"

/* The pair of ZeroMQ's documentation of zmq_curve_keypair. */
#define Z85 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define HEX "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static struct xdt_dir top;
static struct xd_error error;
static struct xd_key_pair pair, again;
static char state[128], path[192];

static void setup(void)
{
    xdt_dir_make(&top);
    snprintf(state, sizeof state, "%s/x/state", top.path);
}

static void teardown(void)
{
    xdt_dir_remove(&top);
}

TestSuite(keys, .init = setup, .fini = teardown);

static const char *in_state(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", state, name);
    return path;
}

static void put(const char *name, mode_t mode, const char *text)
{
    int fd = open(in_state(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static unsigned mode_of(const char *name)
{
    struct stat found;
    cr_assert_eq(lstat(in_state(name), &found), 0);
    return found.st_mode & 07777;
}

/* ---- spellings */

Test(keys, both_spellings_give_the_same_key)
{
    char out[XD_KEY_Z85_ROOM], hex[XD_KEY_HEX_ROOM], fingerprint[XD_FINGERPRINT_ROOM];
    unsigned char bytes[XD_KEY_BYTES];
    cr_assert_eq(xd_key_parse(Z85, "k", out, &error), XD_OK);
    cr_assert_str_eq(out, Z85);
    memset(out, 0, sizeof out);
    cr_assert_eq(xd_key_parse(HEX, "k", out, &error), XD_OK);
    cr_assert_str_eq(out, Z85);
    xd_key_hex(out, hex);
    cr_assert_str_eq(hex, HEX);
    xd_key_fingerprint(out, fingerprint);
    cr_assert_str_eq(fingerprint, "bb88471d");
    xd_key_bytes(out, bytes);
    cr_assert_eq(bytes[0], 0xbb);
    cr_assert_eq(bytes[31], 0x18);
}

Test(keys, capital_hexadecimal_is_read)
{
    char out[XD_KEY_Z85_ROOM], capital[] = HEX;
    for (char *c = capital; *c; c++) {
        *c = (char)toupper(*c);
    }
    cr_assert_eq(xd_key_parse(capital, "k", out, &error), XD_OK);
    cr_assert_str_eq(out, Z85);
}

Test(keys, everything_else_is_no_key)
{
    static const char *const rows[] = {
        "",
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI",   /* 39 */
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hIDD", /* 41 */
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{h\"D",
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{h~D",
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{h D",
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV\xff\xff\xff\xff",
        "########################################", /* more than 32 bits a group */
        "%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1%nSc1", /* one more than fits */
        "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc51",
        "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc51g",
        "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc5188",
    };
    char out[XD_KEY_Z85_ROOM] = "same";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(xd_key_parse(rows[i], "tlscert", out, &error),
                     XD_ERR_INVALID,
                     "%zu",
                     i);
        cr_assert_not_null(strstr(error.text, "tlscert"));
        cr_assert(rows[i][0] == '\0' || !strstr(error.text, rows[i]), "shows it");
        cr_assert_str_eq(out, "same");
    }
}

Test(keys, wiping_leaves_nothing)
{
    static const struct xd_key_pair zero;
    cr_assert_eq(xd_key_parse(Z85, "k", pair.secret_key, &error), XD_OK);
    xd_key_pair_wipe(&pair);
    cr_assert_eq(memcmp(&pair, &zero, sizeof pair), 0);
    xd_key_pair_wipe(NULL);
}

/* ---- the state directory */

Test(keys, the_state_directory_comes_from_the_first_variable_that_says_it)
{
    char out[XD_STATE_MAX_BYTES] = "";
    setenv("HOME", "/h/u", 1);
    setenv("XDG_STATE_HOME", "/xdg", 1);
    setenv("CROSSDOCK_STATE", "/own", 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_OK);
    cr_assert_str_eq(out, "/own");
    setenv("CROSSDOCK_STATE", "", 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_OK);
    cr_assert_str_eq(out, "/xdg/crossdock");
    setenv("XDG_STATE_HOME", "relative", 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_OK);
    cr_assert_str_eq(out, "/h/u/.local/state/crossdock");
    unsetenv("HOME");
    cr_assert_eq(xd_state_directory(out, &error), XD_ERR_SYSTEM);
    setenv("CROSSDOCK_STATE", "relative", 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_ERR_INVALID);
    cr_assert_str_eq(out, "/h/u/.local/state/crossdock", "untouched");
}

Test(keys, a_state_directory_that_is_too_long_is_an_error)
{
    char out[XD_STATE_MAX_BYTES] = "same", longest[XD_STATE_MAX_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[XD_STATE_MAX_BYTES] = '\0';
    setenv("CROSSDOCK_STATE", longest, 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_ERR_TOO_LARGE);
    cr_assert_str_eq(out, "same");
    longest[XD_STATE_MAX_BYTES - 1] = '\0';
    setenv("CROSSDOCK_STATE", longest, 1);
    cr_assert_eq(xd_state_directory(out, &error), XD_OK);
    cr_assert_str_eq(out, longest);
}

/* ---- files */

Test(keys, the_server_has_one_pair_for_good)
{
    char public_key[XD_KEY_Z85_ROOM];
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK, "%s", error.text);
    cr_assert_eq(xd_keys_server(state, &again, &error), XD_OK, "%s", error.text);
    cr_assert_eq(memcmp(&pair, &again, sizeof pair), 0);
    cr_assert_eq(xd_keys_server_public(state, public_key, &error), XD_OK);
    cr_assert_str_eq(public_key, pair.public_key);
    cr_assert_eq(mode_of(""), 0700);
    cr_assert_eq(mode_of("server.key"), 0600);
    cr_assert_eq(mode_of("server.pub"), 0644);
}

Test(keys, the_users_pair_is_made_only_when_asked)
{
    cr_assert_eq(xd_keys_user(state, false, &pair, &error), XD_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(error.text, "crossdock keys new"), "%s", error.text);
    cr_assert_neq(access(state, F_OK), 0, "nothing was made");
    cr_assert_eq(xd_keys_user(state, true, &pair, &error), XD_OK, "%s", error.text);
    cr_assert_eq(xd_keys_user(state, false, &again, &error), XD_OK);
    cr_assert_eq(memcmp(&pair, &again, sizeof pair), 0);
    cr_assert_eq(xd_keys_read(in_state("user.key"), &again, &error), XD_OK);
    cr_assert_eq(memcmp(&pair, &again, sizeof pair), 0);
    cr_assert_eq(mode_of("user.key"), 0600);
}

Test(keys, without_a_server_public_key_the_error_says_where_to_get_it)
{
    char out[XD_KEY_Z85_ROOM] = "same";
    cr_assert_eq(xd_keys_server_public(state, out, &error), XD_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(error.text, "CROSSDOCK_SERVER_KEY"), "%s", error.text);
    cr_assert_str_eq(out, "same");
    cr_assert_eq(xd_keys_read(in_state("none"), &pair, &error), XD_ERR_NOT_FOUND);
}

Test(keys, a_public_file_that_is_missing_or_wrong_is_made_again)
{
    char out[XD_KEY_Z85_ROOM];
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    cr_assert_eq(unlink(in_state("server.pub")), 0);
    cr_assert_eq(xd_keys_server(state, &again, &error), XD_OK);
    cr_assert_eq(xd_keys_server_public(state, out, &error), XD_OK);
    cr_assert_str_eq(out, pair.public_key);
    put("server.pub", 0644, "curve\n    public-key = \"" Z85 "\"\n");
    cr_assert_eq(xd_keys_server_public(state, out, &error), XD_OK);
    cr_assert_str_eq(out, Z85);
    cr_assert_eq(xd_keys_server(state, &again, &error), XD_OK);
    cr_assert_eq(xd_keys_server_public(state, out, &error), XD_OK);
    cr_assert_str_eq(out, pair.public_key);
}

#define STARTERS 8

/* Waits for the end of `go`, so that all start at once; the key goes back in a pipe. */
static void start_broker(int go, int back)
{
    char byte;
    while (read(go, &byte, 1) > 0) {
    }
    struct xd_key_pair mine;
    bool ok = xd_keys_server(state, &mine, NULL) == XD_OK &&
              write(back, mine.secret_key, XD_KEY_Z85_ROOM) == (ssize_t)XD_KEY_Z85_ROOM;
    _exit(ok ? 0 : 1);
}

Test(keys, brokers_that_start_at_once_end_with_the_same_key)
{
    int go[2], back[2], status;
    char first[XD_KEY_Z85_ROOM], other[XD_KEY_Z85_ROOM];
    cr_assert_eq(pipe(go), 0);
    cr_assert_eq(pipe(back), 0);
    for (int i = 0; i < STARTERS; i++) {
        if (fork() == 0) {
            close(go[1]);
            start_broker(go[0], back[1]);
        }
    }
    close(go[1]);
    for (int i = 0; i < STARTERS; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_assert_eq(status, 0);
        cr_assert_eq(read(back[0], i ? other : first, sizeof other), sizeof other);
        cr_assert(i == 0 || strcmp(first, other) == 0, "another key");
    }
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    cr_assert_str_eq(pair.secret_key, first);
    cr_assert_eq(xd_keys_server_public(state, other, &error), XD_OK);
    cr_assert_str_eq(pair.public_key, other);
}

Test(keys, a_file_with_a_secret_must_be_as_it_should_be)
{
    static const struct {
        mode_t mode;
        const char *text;
        enum xd_err err;
    } rows[] = {
        {0600,
         "metadata\n    any = \"thing\"\ncurve\n    public-key = \"" Z85
         "\"\n    secret-key = \"" SECRET "\"\n",
         XD_OK},
        {0600,
         "curve\n    secret-key = \"" SECRET "\"\n    public-key = \"" HEX "\"\n",
         XD_OK},
        {0640,
         "curve\n    public-key = \"" Z85 "\"\n    secret-key = \"" SECRET "\"\n",
         XD_ERR_FORBIDDEN},
        {0600, "", XD_ERR_INVALID},
        {0600, "curve\n", XD_ERR_INVALID},
        {0600, "curve\n    public-key = \"" Z85 "\"\n", XD_ERR_INVALID},
        {0600, "curve\n    secret-key = \"" SECRET "\"\n", XD_ERR_INVALID},
        {0600,
         "metadata\n    public-key = \"" Z85 "\"\n    secret-key = \"" SECRET "\"\n",
         XD_ERR_INVALID},
        {0600,
         "curve\n    public-key = \"" Z85 "\"\n    secret-key = \"short\"\n",
         XD_ERR_INVALID},
        {0600,
         "curve\n    public-key = \"" Z85 "\"\n    secret-key = \"" Z85 "\"\n",
         XD_ERR_INVALID},
        {0600, "-----BEGIN CERTIFICATE-----\n", XD_ERR_INVALID},
    };
    cr_assert_eq(xd_keys_user(state, true, &pair, &error), XD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("user.key", rows[i].mode, rows[i].text);
        memset(&pair, 7, sizeof pair);
        again = pair;
        error.text[0] = '\0';
        enum xd_err err = xd_keys_user(state, true, &pair, &error);
        cr_assert_eq(err, rows[i].err, "row %zu: %s", i, error.text);
        if (err) {
            cr_assert_not_null(strstr(error.text, "user.key"), "%s", error.text);
            cr_assert_null(strstr(error.text, "D:)Q"), "shows the secret");
            cr_assert_eq(memcmp(&pair, &again, sizeof pair), 0, "touched");
        } else {
            cr_assert_str_eq(pair.public_key, Z85);
            cr_assert_str_eq(pair.secret_key, SECRET);
        }
    }
}

Test(keys, a_public_file_with_a_secret_in_it_is_refused)
{
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    put("server.pub",
        0644,
        "curve\n    public-key = \"" Z85 "\"\n    secret-key = \"" SECRET "\"\n");
    cr_assert_eq(xd_keys_server_public(state, path, &error), XD_ERR_INVALID);
}

Test(keys, a_link_in_the_place_of_a_key_is_not_followed_and_not_replaced)
{
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    cr_assert_eq(symlink("server.key", in_state("user.key")), 0);
    cr_assert_eq(xd_keys_user(state, true, &again, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(mode_of("user.key"), 0777, "a link still");
}

Test(keys, a_state_directory_open_to_others_is_refused)
{
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    cr_assert_eq(chmod(state, 0755), 0);
    cr_assert_eq(xd_keys_server(state, &again, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(xd_keys_user(state, true, &again, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(xd_keys_server_public(state, path, &error), XD_OK, "is public");
}

/* ---- with CZMQ */

Test(keys, zcert_reads_what_we_write)
{
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    zcert_t *secret = zcert_load(in_state("server.key"));
    cr_assert_not_null(secret);
    cr_assert_str_eq(zcert_public_txt(secret), pair.public_key);
    cr_assert_str_eq(zcert_secret_txt(secret), pair.secret_key);
    cr_assert_str_eq(zcert_meta(secret, "name"), "server.key");
    zcert_destroy(&secret);
    zcert_t *public = zcert_load(in_state("server.pub"));
    cr_assert_not_null(public);
    cr_assert_str_eq(zcert_public_txt(public), pair.public_key);
    zcert_destroy(&public);
}

Test(keys, we_read_what_zcert_writes)
{
    for (int i = 0; i < 200; i++) { /* every character of Z85 comes up */
        snprintf(path, sizeof path, "%s/cert", top.path);
        zcert_t *cert = zcert_new();
        zcert_set_meta(cert, "email", "%s", "someone@example.org");
        cr_assert_eq(zcert_save_secret(cert, path), 0);
        cr_assert_eq(chmod(path, 0600), 0);
        cr_assert_eq(xd_keys_read(path, &pair, &error), XD_OK, "%s", error.text);
        cr_assert_str_eq(pair.public_key, zcert_public_txt(cert));
        cr_assert_str_eq(pair.secret_key, zcert_secret_txt(cert));
        zcert_destroy(&cert);
        unlink(path);
    }
}

Test(keys, nothing_is_allocated)
{
    xd_alloc_fail_at(1);
    cr_assert_eq(xd_keys_server(state, &pair, &error), XD_OK);
    cr_assert_eq(xd_keys_user(state, true, &pair, &error), XD_OK);
    xd_alloc_fail_at(0);
}
