/* SPDX-License-Identifier: MIT */
/* What lies where a key's file should be: read only when it is safe, written whole. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/key_file.h"
#include "xdt.h"

static struct xdt_dir top;
static struct xd_key_dir dir;
static struct xd_error error;
static char text[XD_KEY_FILE_ROOM];

static void setup(void)
{
    xdt_dir_make(&top);
    cr_assert_eq(xd_key_dir_open(top.path, false, XD_KEY_PRIVATE, &dir, &error), XD_OK);
}

static void teardown(void)
{
    xd_key_dir_close(&dir);
    xdt_dir_remove(&top);
}

TestSuite(key_file, .init = setup, .fini = teardown);

static void put(const char *name, mode_t mode, const void *bytes, size_t size)
{
    int fd = openat(dir.fd, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fchmod(fd, mode), 0);
    cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static enum xd_err get(const char *name)
{
    error.text[0] = '\0';
    enum xd_err err = xd_key_file_read(&dir, name, XD_KEY_PRIVATE, text, &error);
    cr_assert_eq(err != XD_OK, error.text[0] != '\0');
    return err;
}

static unsigned mode_of(const char *name)
{
    struct stat found;
    cr_assert_eq(fstatat(dir.fd, name, &found, AT_SYMLINK_NOFOLLOW), 0, "%s", name);
    return found.st_mode & 07777;
}

Test(key_file, text_comes_back)
{
    put("k", 0600, "some\ntext", 9);
    cr_assert_eq(get("k"), XD_OK);
    cr_assert_str_eq(text, "some\ntext");
    put("empty", 0600, "", 0);
    cr_assert_eq(get("empty"), XD_OK);
    cr_assert_str_eq(text, "");
}

Test(key_file, others_must_not_read_a_secret)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0644, 0666, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%zu", i);
        put(name, modes[i], "x", 1);
        cr_assert_eq(get(name), XD_ERR_FORBIDDEN, "mode %o", (unsigned)modes[i]);
        cr_assert_not_null(strstr(error.text, "chmod go-rwx"), "%s", error.text);
    }
    put("read-only", 0400, "x", 1);
    cr_assert_eq(get("read-only"), XD_OK);
}

Test(key_file, others_may_read_but_not_write_what_is_public)
{
    put("open", 0644, "x", 1);
    put("written", 0664, "x", 1);
    cr_assert_eq(xd_key_file_read(&dir, "open", XD_KEY_PUBLIC, text, &error), XD_OK);
    cr_assert_eq(xd_key_file_read(&dir, "written", XD_KEY_PUBLIC, text, &error),
                 XD_ERR_FORBIDDEN);
}

Test(key_file, only_a_regular_file_is_read_and_nothing_is_waited_for)
{
    put("k", 0600, "x", 1);
    cr_assert_eq(symlinkat("k", dir.fd, "link"), 0);
    cr_assert_eq(symlinkat("/dev/zero", dir.fd, "zero"), 0);
    cr_assert_eq(mkfifoat(dir.fd, "fifo", 0600), 0);
    cr_assert_eq(mkdirat(dir.fd, "directory", 0700), 0);
    cr_assert_eq(get("link"), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "symbolic link"), "%s", error.text);
    cr_assert_eq(get("zero"), XD_ERR_FORBIDDEN);
    cr_assert_eq(get("fifo"), XD_ERR_INVALID);
    cr_assert_eq(get("directory"), XD_ERR_INVALID);
    cr_assert_eq(get("none"), XD_ERR_NOT_FOUND);
}

Test(key_file, size_and_bytes_are_limited)
{
    char large[XD_KEY_FILE_MAX_BYTES + 1];
    memset(large, 'x', sizeof large);
    put("fits", 0600, large, XD_KEY_FILE_MAX_BYTES);
    put("over", 0600, large, sizeof large);
    put("nul", 0600, "a\0b", 3);
    put("sparse", 0600, "", 0);
    int fd = openat(dir.fd, "sparse", O_WRONLY);
    cr_assert_eq(ftruncate(fd, 100 * 1000 * 1000), 0);
    close(fd);
    cr_assert_eq(get("fits"), XD_OK);
    cr_assert_eq(strlen(text), XD_KEY_FILE_MAX_BYTES);
    cr_assert_eq(get("over"), XD_ERR_INVALID);
    cr_assert_eq(get("nul"), XD_ERR_INVALID);
    cr_assert_eq(get("sparse"), XD_ERR_INVALID);
}

Test(key_file, somebody_elses_is_refused)
{
    put("theirs", 0600, "x", 1);
    if (fchownat(dir.fd, "theirs", 12345, (gid_t)-1, 0) != 0) {
        cr_skip_test("only root can give a file away");
    }
    cr_assert_eq(get("theirs"), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "12345"));
    cr_assert_eq(xd_key_file_read(&dir, "theirs", XD_KEY_PUBLIC, text, &error),
                 XD_ERR_FORBIDDEN);
}

static enum xd_err write_it(const char *name, bool replace, const char *what)
{
    return xd_key_file_write(&dir, name, XD_KEY_PRIVATE, replace, what, &error);
}

Test(key_file, a_file_is_written_for_its_owner_only)
{
    mode_t before = umask(0);
    cr_assert_eq(write_it("k", false, "one"), XD_OK);
    cr_assert_eq(xd_key_file_write(&dir, "p", XD_KEY_PUBLIC, true, "open", &error),
                 XD_OK);
    umask(before);
    cr_assert_eq(mode_of("k"), 0600);
    cr_assert_eq(mode_of("p"), 0644);
    cr_assert_eq(get("k"), XD_OK);
    cr_assert_str_eq(text, "one");
}

/* Names in the directory. */
static int count_files(void)
{
    int count = 0;
    DIR *names = opendir(top.path);
    while (readdir(names) != NULL) {
        count++;
    }
    closedir(names);
    return count - 2; /* itself and its parent */
}

Test(key_file, what_is_there_stays_unless_it_may_be_replaced)
{
    cr_assert_eq(write_it("k", false, "one"), XD_OK);
    cr_assert_eq(write_it("k", false, "two"), XD_ERR_EXISTS);
    cr_assert_eq(get("k"), XD_OK);
    cr_assert_str_eq(text, "one");
    cr_assert_eq(write_it("k", true, "two"), XD_OK);
    cr_assert_eq(get("k"), XD_OK);
    cr_assert_str_eq(text, "two");
    cr_assert_eq(count_files(), 1, "nothing temporary is left");
}

Test(key_file, what_a_crash_left_behind_is_in_nobodys_way)
{
    char name[48];
    snprintf(name, sizeof name, ".new-%ld-0", (long)getpid());
    put(name, 0600, "half", 4);
    cr_assert_eq(write_it("k", false, "one"), XD_OK);
    cr_assert_eq(write_it("k", true, "two"), XD_OK);
    cr_assert_eq(count_files(), 2);
}

Test(key_file, a_failed_write_leaves_nothing)
{
    cr_assert_eq(mkdirat(dir.fd, "d", 0700), 0);
    cr_assert_eq(write_it("d", true, "x"), XD_ERR_SYSTEM);
    cr_assert_eq(write_it("no/such", false, "x"), XD_ERR_NOT_FOUND);
    cr_assert_eq(count_files(), 1);
}

static enum xd_err open_at(const char *behind, bool make, enum xd_key_access access)
{
    struct xd_key_dir opened;
    char path[256];
    snprintf(path, sizeof path, "%s%s", top.path, behind);
    enum xd_err err = xd_key_dir_open(path, make, access, &opened, &error);
    if (!err) {
        xd_key_dir_close(&opened);
        xd_key_dir_close(&opened);
    }
    return err;
}

Test(key_file, directories_are_made_with_their_parents_for_their_owner_only)
{
    mode_t before = umask(0);
    cr_assert_eq(open_at("/a/b//c/", false, XD_KEY_PRIVATE), XD_ERR_NOT_FOUND);
    cr_assert_eq(open_at("/a/b//c/", true, XD_KEY_PRIVATE), XD_OK);
    umask(before);
    cr_assert_eq(mode_of("a"), 0700);
    cr_assert_eq(mode_of("a/b"), 0700);
    cr_assert_eq(mode_of("a/b/c"), 0700);
    cr_assert_eq(open_at("/a/b/c", false, XD_KEY_PRIVATE), XD_OK);
}

Test(key_file, a_directory_open_to_others_is_refused)
{
    cr_assert_eq(mkdirat(dir.fd, "d", 0700), 0);
    cr_assert_eq(fchmodat(dir.fd, "d", 0750, 0), 0);
    cr_assert_eq(open_at("/d", true, XD_KEY_PRIVATE), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "0750"), "%s", error.text);
    cr_assert_eq(open_at("/d", false, XD_KEY_PUBLIC), XD_OK);
    cr_assert_eq(fchmodat(dir.fd, "d", 0770, 0), 0);
    cr_assert_eq(open_at("/d", false, XD_KEY_PUBLIC), XD_ERR_FORBIDDEN);
}

Test(key_file, a_link_to_a_private_directory_is_one)
{
    cr_assert_eq(mkdirat(dir.fd, "d", 0700), 0);
    cr_assert_eq(symlinkat("d", dir.fd, "link"), 0);
    cr_assert_eq(open_at("/link", true, XD_KEY_PRIVATE), XD_OK);
    cr_assert_eq(symlinkat("none", dir.fd, "dangling"), 0);
    cr_assert_neq(open_at("/dangling", true, XD_KEY_PRIVATE), XD_OK);
}

Test(key_file, other_things_are_no_directory)
{
    struct xd_key_dir opened;
    char path[XD_KEY_PATH_ROOM + 8];
    put("k", 0600, "x", 1);
    cr_assert_eq(open_at("/k", true, XD_KEY_PRIVATE), XD_ERR_SYSTEM);
    cr_assert_eq(open_at("/k/d", true, XD_KEY_PRIVATE), XD_ERR_SYSTEM);
    cr_assert_eq(xd_key_dir_open("relative", true, XD_KEY_PRIVATE, &opened, &error),
                 XD_ERR_INVALID);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[XD_KEY_PATH_ROOM] = '\0';
    cr_assert_eq(xd_key_dir_open(path, true, XD_KEY_PRIVATE, &opened, &error),
                 XD_ERR_TOO_LARGE);
}
