/* SPDX-License-Identifier: MIT */
/* Faults planted in the core one at a time (broker/core/fault.h): the world finds each.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

int xdb_fault_planted;
extern int xdb_fault_planted;

#define SEEDS 3000u

struct fault {
    int number;
    char what[64];
};

/* Exit 0: found; 1: not. A failed assertion ends the child, which is a finding too. */
static void look_for(int number)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(sink, STDERR_FILENO);
    (void)alarm(300);
    xdb_fault_planted = number;
    struct xdt_world_report report = {0};
    uint64_t seeds = getenv("XDT_SLOW") != NULL ? SEEDS / 20 : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (xdt_world_run(seed, &report) != NULL) {
            _exit(0);
        }
    }
    _exit(1);
}

static bool is_found(int number)
{
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        look_for(number);
    }
    int status = 0;
    cr_assert(waitpid(child, &status, 0) == child);
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

ParameterizedTestParameters(faults, each_planted_fault_is_found)
{
    static struct fault list[] = {
        {1, "a result counts for a task it does not name"},
        {2, "an acknowledged result stays in the account"},
        {3, "the order of work forgets a task that left"},
        {4, "timers are not set earlier"},
        {5, "a cancelled task gives its slot back at once"},
        {6, "a known id is counted as accepted again"},
        {7, "an everywhere-task does not wait for what is before it"},
        {8, "an acknowledgement counts twice"},
        {9, "a returned task goes to the end of its queue"},
        {10, "the gate of the last everywhere-task stays shut"},
        {11, "a silent worker is not suspected"},
        {12, "a bound profile takes anybody's tasks"},
        {13, "a client's budget is not looked at"},
        {14, "a task that is handed back is forgotten"},
        {15, "the tasks of a lost worker are run again"},
    };
    return cr_make_param_array(struct fault, list, sizeof list / sizeof list[0]);
}

ParameterizedTest(struct fault *fault, faults, each_planted_fault_is_found)
{
    cr_assert(is_found(fault->number), "not found: %s", fault->what);
}

Test(faults, nothing_is_found_without_one)
{
    cr_assert_not(is_found(0));
}
