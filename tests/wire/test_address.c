/* SPDX-License-Identifier: MIT */
/* Addresses and the directories they lie in. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/address.h"
#include "xdt.h"

static struct xd_error error;
static char out[XD_ADDRESS_MAX_BYTES];

Test(address, an_absolute_path_or_a_host_and_a_port_is_usable)
{
    static const struct {
        const char *address;
        enum xd_err err;
    } rows[] = {
        {"ipc:///run/crossdock/broker", XD_OK},
        {"ipc:///a", XD_OK},
        {"ipc://relative", XD_ERR_INVALID},
        {"ipc://@abstract", XD_ERR_INVALID},
        {"abstract://bd3f0c-1_a.b", XD_OK},
        {"abstract://", XD_ERR_INVALID},
        {"abstract://../up", XD_ERR_INVALID},
        {"abstract://.hidden", XD_ERR_INVALID},
        {"abstract://a/b", XD_ERR_INVALID},
        {"ipc:///run/", XD_ERR_INVALID},
        {"ipc:///", XD_ERR_INVALID},
        {"ipc://", XD_ERR_INVALID},
        {"ipc://*", XD_ERR_INVALID},
        {"tcp://127.0.0.1:5555", XD_OK},
        {"tls+tcp://127.0.0.1:5555", XD_OK},
        {"tcp://head-1.cluster_a.example:0", XD_OK},
        {"tcp://[::1]:65535", XD_OK},
        {"tcp://[::ffff:10.0.0.1]:1", XD_OK},
        {"tcp://*:5555", XD_OK},
        {"tcp://", XD_ERR_INVALID},
        {"tcp://host", XD_ERR_INVALID},
        {"tcp://host:", XD_ERR_INVALID},
        {"tcp://:5555", XD_ERR_INVALID},
        {"tcp://host:*", XD_ERR_INVALID},
        {"tcp://host:65536", XD_ERR_INVALID},
        {"tcp://host:4294967297", XD_ERR_INVALID},
        {"tcp://host:-1", XD_ERR_INVALID},
        {"tcp://host: 1", XD_ERR_INVALID},
        {"tcp://host:1/", XD_ERR_INVALID},
        {"tcp://host:1;other:2", XD_ERR_INVALID},
        {"tcp://a;b:1", XD_ERR_INVALID},
        {"tcp://a b:1", XD_ERR_INVALID},
        {"tcp://-a:1", XD_ERR_INVALID},
        {"tcp://**:1", XD_ERR_INVALID},
        {"tcp://::1:1", XD_ERR_INVALID},
        {"tcp://[::1]", XD_ERR_INVALID},
        {"tcp://[]:1", XD_ERR_INVALID},
        {"tcp://[eth0]:1", XD_ERR_INVALID},
        {"tcp://[::1:1", XD_ERR_INVALID},
        {"TCP://host:1", XD_ERR_INVALID},
        {"tls+ipc:///run/x", XD_ERR_INVALID},
        {"tls+tls+tcp://host:1", XD_ERR_INVALID},
        {"tls://host:1", XD_ERR_INVALID},
        {"inproc://x", XD_ERR_INVALID},
        {"ws://x", XD_ERR_UNSUPPORTED},
        {"wss://host:443", XD_ERR_UNSUPPORTED},
        {"/run/x", XD_ERR_INVALID},
        {"", XD_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        error.text[0] = '\0';
        cr_assert_eq(xd_address_check(rows[i].address, &error),
                     rows[i].err,
                     "row %zu",
                     i);
        cr_assert_eq(error.text[0] != '\0', rows[i].err != XD_OK, "row %zu", i);
        cr_assert_eq(xd_address_check(rows[i].address, NULL), rows[i].err);
    }
}

/* "ipc://" and a path of `size` bytes. */
static void make_long(size_t size)
{
    memset(out, 'p', sizeof out);
    memcpy(out, "ipc:///", 7);
    out[6 + size] = '\0';
}

Test(address, every_endpoint_beside_a_usable_address_fits_a_socket)
{
    char beside[XD_ADDRESS_MAX_BYTES];
    make_long(99);
    cr_assert_eq(xd_address_check(out, &error), XD_OK);
    cr_assert_eq(xd_address_beside(out, ".workers", beside, &error), XD_OK);
    cr_assert_eq(strlen(beside), 6 + 107);
    make_long(100);
    cr_assert_eq(xd_address_check(out, &error), XD_ERR_TOO_LARGE);
    cr_assert_eq(xd_address_beside(out, ".workers", beside, &error), XD_ERR_TOO_LARGE);
}

Test(address, the_others_lie_beside_it)
{
    cr_assert_eq(xd_address_beside("ipc:///r/b", ".bulk", out, &error), XD_OK);
    cr_assert_str_eq(out, "ipc:///r/b.bulk");
    cr_assert_eq(xd_address_beside("tcp://x", ".bulk", out, &error), XD_ERR_INVALID);
    cr_assert_str_eq(out, "ipc:///r/b.bulk", "untouched");
}

Test(address, libzmq_gets_the_plain_spelling)
{
    cr_assert_eq(xd_address_plain("tls+tcp://h:1", out, &error), XD_OK);
    cr_assert_str_eq(out, "tcp://h:1");
    cr_assert_eq(xd_address_plain(out, out, &error), XD_OK);
    cr_assert_str_eq(out, "tcp://h:1");
    cr_assert_eq(xd_address_plain("ipc:///r/b", out, &error), XD_OK);
    cr_assert_str_eq(out, "ipc:///r/b");
    cr_assert_eq(xd_address_plain("tls+tcp://h", out, &error), XD_ERR_INVALID);
    cr_assert_str_eq(out, "ipc:///r/b", "untouched");
}

Test(address, tcp_is_told_from_ipc_and_has_a_port)
{
    cr_assert(xd_address_is_tcp("tcp://h:1"));
    cr_assert(xd_address_is_tcp("tls+tcp://h:1"));
    cr_assert_not(xd_address_is_tcp("ipc:///r/b"));
    cr_assert_eq(xd_address_port("tcp://[::1]:65535"), 65535);
    cr_assert_eq(xd_address_port("tls+tcp://h:0"), 0);
    cr_assert_eq(xd_address_port("ipc:///r/b:12"), 0);
}

Test(address, another_port_of_the_same_host)
{
    cr_assert_eq(xd_address_with_port("tls+tcp://h:1", 65535, out, &error), XD_OK);
    cr_assert_str_eq(out, "tcp://h:65535");
    cr_assert_eq(xd_address_with_port("tcp://[::1]:50000", 7, out, &error), XD_OK);
    cr_assert_str_eq(out, "tcp://[::1]:7");
    cr_assert_eq(xd_address_with_port("tcp://h:1", 65536, out, &error), XD_ERR_INVALID);
    cr_assert_eq(xd_address_with_port("ipc:///r/b", 1, out, &error), XD_ERR_INVALID);
    cr_assert_eq(xd_address_with_port("tcp://h", 1, out, &error), XD_ERR_INVALID);
    cr_assert_str_eq(out, "tcp://[::1]:7", "untouched");
}

Test(address, the_longest_tcp_address_fits_with_every_port)
{
    char address[XD_ADDRESS_MAX_BYTES + 8], other[XD_ADDRESS_MAX_BYTES];
    memset(address, 'h', sizeof address);
    memcpy(address, "tcp://", 6);
    strcpy(address + 253, ":1"); /* 255 bytes */
    cr_assert_eq(xd_address_plain(address, other, &error), XD_OK);
    cr_assert_str_eq(other, address);
    cr_assert_eq(xd_address_with_port(address, 9, other, &error), XD_OK);
    cr_assert_eq(xd_address_with_port(address, 10, other, &error), XD_ERR_INVALID);
    strcpy(address + 253, ":12");
    cr_assert_eq(xd_address_check(address, &error), XD_ERR_TOO_LARGE);
}

Test(address, tcp_has_no_directory)
{
    cr_assert_eq(xd_address_directory("tcp://h:1", 1, &error), XD_OK);
    cr_assert_eq(xd_address_directory("tls+tcp://h:1", 0, &error), XD_OK);
    cr_assert_eq(xd_address_directory("tcp://h", 0, &error), XD_ERR_INVALID);
}

Test(address, the_default_is_in_the_runtime_directory)
{
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    cr_assert_eq(xd_address_default(out, &error), XD_OK);
    cr_assert_str_eq(out, "ipc:///run/user/7/crossdock/broker");
}

Test(address, an_abstract_name_is_a_socket_there)
{
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    cr_assert_eq(xd_address_plain("abstract://bd3f0c", out, &error), XD_OK);
    cr_assert_str_eq(out, "ipc:///run/user/7/crossdock/bd3f0c");
    cr_assert_eq(xd_address_plain("abstract://a b", out, &error), XD_ERR_INVALID);
}

Test(address, without_a_runtime_directory_it_depends_on_the_user)
{
    char expected[64];
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", "/var/tmp", 1);
    snprintf(expected,
             sizeof expected,
             "ipc:///var/tmp/crossdock-%lu/broker",
             (unsigned long)geteuid());
    cr_assert_eq(xd_address_default(out, &error), XD_OK);
    cr_assert_str_eq(out, geteuid() ? expected : "ipc:///run/crossdock/broker");
}

Test(address, a_relative_runtime_directory_is_not_used)
{
    setenv("XDG_RUNTIME_DIR", "here", 1);
    cr_assert_eq(xd_address_default(out, &error), XD_OK);
    cr_assert_null(strstr(out, "here"));
}

Test(address, a_runtime_directory_that_is_too_long_is_an_error)
{
    char path[400];
    for (size_t size = 99; size < sizeof path; size += 100) {
        memset(path, 'x', size);
        path[0] = '/';
        path[size] = '\0';
        setenv("XDG_RUNTIME_DIR", path, 1);
        strcpy(out, "same");
        cr_assert_eq(xd_address_default(out, &error), XD_ERR_TOO_LARGE);
        cr_assert_str_eq(out, "same");
    }
}

static struct xdt_dir dir;

static const char *inside(const char *rest)
{
    snprintf(out, sizeof out, "ipc://%s/%s", dir.path, rest);
    return out;
}

Test(address, the_broker_makes_its_directory_for_itself_only)
{
    struct stat found;
    char path[128];
    xdt_dir_make(&dir);
    snprintf(path, sizeof path, "%s/new", dir.path);
    cr_assert_eq(xd_address_directory(inside("new/broker"), 1, &error), XD_OK);
    cr_assert_eq(stat(path, &found), 0);
    cr_assert_eq(found.st_mode & 07777, 0700);
    cr_assert_eq(xd_address_directory(inside("new/broker"), 1, &error), XD_OK);
    cr_assert_eq(xd_address_directory(inside("new/broker"), 0, &error), XD_OK);
    rmdir(path);
    xdt_dir_remove(&dir);
}

Test(address, a_directory_open_to_others_is_refused_by_the_broker)
{
    xdt_dir_make(&dir);
    cr_assert_eq(chmod(dir.path, 0755), 0);
    cr_assert_eq(xd_address_directory(inside("broker"), 1, &error), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "0755"));
    cr_assert_eq(xd_address_directory(inside("broker"), 0, &error), XD_OK);
    xdt_dir_remove(&dir);
}

Test(address, a_missing_directory_is_a_broker_that_does_not_answer)
{
    xdt_dir_make(&dir);
    cr_assert_eq(xd_address_directory(inside("none/broker"), 0, &error), XD_ERR_TIMEOUT);
    cr_assert_eq(xd_address_directory(inside("a/b/broker"), 1, &error), XD_ERR_SYSTEM);
    xdt_dir_remove(&dir);
}

Test(address, a_file_or_a_link_is_no_directory)
{
    char path[128];
    xdt_dir_make(&dir);
    snprintf(path, sizeof path, "%s/link", dir.path);
    cr_assert_eq(symlink(dir.path, path), 0);
    cr_assert_eq(xd_address_directory(inside("link/broker"), 1, &error),
                 XD_ERR_FORBIDDEN);
    cr_assert_eq(xd_address_directory(inside("link/broker"), 0, &error),
                 XD_ERR_FORBIDDEN);
    xdt_dir_remove(&dir);
}

Test(address, a_directory_of_root_is_good_for_clients_only)
{
    cr_assert_eq(xd_address_directory("ipc:///broker", 0, &error), XD_OK);
    cr_assert_eq(xd_address_directory("ipc:///broker", 1, &error), XD_ERR_FORBIDDEN);
}

Test(address, somebody_elses_directory_is_refused)
{
    xdt_dir_make(&dir);
    if (chown(dir.path, 12345, (gid_t)-1) != 0) {
        xdt_dir_remove(&dir);
        cr_skip_test("only root can give a directory away");
    }
    cr_assert_eq(xd_address_directory(inside("broker"), 1, &error), XD_ERR_FORBIDDEN);
    cr_assert_eq(xd_address_directory(inside("broker"), 0, &error), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "12345"));
    xdt_dir_remove(&dir);
}

/* ---- where the sockets lie */

static char place[XD_ADDRESS_MAX_BYTES];

static enum xd_err placed(const char *rest, bool create)
{
    return xd_address_place(inside(rest), create, place, &error);
}

/* What stands behind the directory of the test. */
static const char *place_inside(void)
{
    return place + strlen("ipc:///") + strlen(dir.path);
}

static void make_directory(const char *rest, mode_t mode)
{
    const char *path = inside(rest) + strlen("ipc://");
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static void remove_directory(const char *rest)
{
    cr_assert_eq(rmdir(inside(rest) + strlen("ipc://")), 0);
}

Test(address, in_a_directory_of_ones_own_or_a_new_one_the_sockets_lie_where_it_says)
{
    xdt_dir_make(&dir);
    for (int create = 0; create <= 1; create++) {
        cr_assert_eq(placed("name", create == 1), XD_OK);
        cr_assert_str_eq(place_inside(), "name");
        cr_assert_eq(placed("new/name", create == 1), XD_OK);
        cr_assert_str_eq(place_inside(), "new/name");
    }
    xdt_dir_remove(&dir);
}

Test(address, in_one_that_others_use_too_the_path_becomes_a_directory)
{
    static const mode_t modes[] = {0755, 01777, 01770};
    xdt_dir_make(&dir);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        make_directory("open", modes[i]);
        cr_assert_eq(placed("open/name", true), XD_OK, "%s", error.text);
        cr_assert_str_eq(place_inside(), "open/name/broker");
        cr_assert_eq(xd_address_directory(place, 1, &error), XD_OK);
        cr_assert_eq(placed("open/name", false), XD_OK, "%s", error.text);
        cr_assert_str_eq(place_inside(), "open/name/broker");
        cr_assert_eq(placed("open/name", true), XD_OK, "once more");
        cr_assert_str_eq(place_inside(), "open/name/broker");
        remove_directory("open/name");
        remove_directory("open");
    }
    xdt_dir_remove(&dir);
}

Test(address, where_others_may_replace_it_nobody_listens)
{
    xdt_dir_make(&dir);
    make_directory("loose", 0777);
    cr_assert_eq(placed("loose/name", true), XD_ERR_FORBIDDEN);
    cr_assert_not_null(strstr(error.text, "/loose"));
    remove_directory("loose");
    xdt_dir_remove(&dir);
}

Test(address, where_others_may_write_a_dialler_takes_a_directory_only)
{
    char path[128];
    xdt_dir_make(&dir);
    make_directory("sticky", 01777);
    cr_assert_eq(placed("sticky/name", false), XD_ERR_TIMEOUT);
    cr_assert_not_null(strstr(error.text, "sticky/name"));
    snprintf(path, sizeof path, "%s/sticky/name", dir.path);
    cr_assert_eq(symlink(dir.path, path), 0);
    cr_assert_eq(placed("sticky/name", false), XD_ERR_FORBIDDEN);
    cr_assert_eq(unlink(path), 0);
    remove_directory("sticky");
    xdt_dir_remove(&dir);
}

Test(address, a_place_has_no_room_for_a_path_that_is_too_long)
{
    char rest[128];
    xdt_dir_make(&dir);
    make_directory("open", 0755);
    size_t before = strlen(dir.path) + strlen("/open/");
    memcpy(rest, "open/", 5);
    memset(rest + 5, 'p', sizeof rest - 5);
    rest[5 + 92 - before] = '\0';
    cr_assert_eq(placed(rest, true), XD_OK, "%s", error.text);
    memset(rest + 5, 'p', sizeof rest - 5);
    rest[5 + 93 - before] = '\0';
    cr_assert_eq(placed(rest, true), XD_ERR_TOO_LARGE);
    remove_directory("open");
    xdt_dir_remove(&dir);
}

Test(address, tcp_stays_what_it_is)
{
    cr_assert_eq(xd_address_place("tls+tcp://h:1", true, place, &error), XD_OK);
    cr_assert_str_eq(place, "tcp://h:1");
    cr_assert_eq(xd_address_place("tcp://h", true, place, &error), XD_ERR_INVALID);
}
