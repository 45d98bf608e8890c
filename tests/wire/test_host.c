/* SPDX-License-Identifier: MIT */
/* The host id. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/class.h"
#include "wire/host.h"

Test(host, the_id_is_the_same_in_two_processes_of_a_host)
{
    char mine[XD_HOST_ID_MAX_BYTES], other[XD_HOST_ID_MAX_BYTES] = "";
    int ends[2], status;
    xd_host_id(mine);
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char own[XD_HOST_ID_MAX_BYTES] = "";
        xd_host_id(own);
        _exit(write(ends[1], own, sizeof own) == sizeof own ? 0 : 1);
    }
    cr_assert_eq(read(ends[0], other, sizeof other), sizeof other);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_str_eq(mine, other);
}

Test(host, the_id_can_travel_in_a_hello)
{
    char id[XD_HOST_ID_MAX_BYTES];
    xd_host_id(id);
    cr_assert(id[0] == '\0' || xd_name_is_valid(id, strlen(id)), "%s", id);
}
