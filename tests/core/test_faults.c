/* SPDX-License-Identifier: MIT */
/* Faults planted in the core one at a time (broker/core/fault.h): the world finds each.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched.h"
#include "world.h"

int xdb_fault_planted;
extern int xdb_fault_planted;

#define SEEDS 3000u
#define FIRST_OF_SCENES 16
#define LAST_OF_SCENES 28
#define MORE_OF_SCENES 37

struct fault {
    int number;
    char what[64];
    char scene[40]; /* that finds it by itself; empty: any may */
};

static bool a_scene_finds_it(const char *only)
{
    for (size_t i = 0; i < xdt_scene_count; i++) {
        if ((only[0] == '\0' || strcmp(only, xdt_scenes[i].name) == 0) &&
            xdt_scenes[i].play() != NULL) {
            return true;
        }
    }
    return false;
}

/* Exit 0: found; 1: not. A failed assertion ends the child, which is a finding too. */
static void look_for(const struct fault *fault)
{
    const struct rlimit none = {0, 0};
    int number = fault->number;
    (void)setrlimit(RLIMIT_CORE, &none);
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(sink, STDERR_FILENO);
    (void)alarm(300);
    xdb_fault_planted = number;
    if ((number >= FIRST_OF_SCENES && number <= LAST_OF_SCENES) ||
        number >= MORE_OF_SCENES) {
        _exit(a_scene_finds_it(fault->scene) ? 0 : 1);
    }
    struct xdt_world_report report = {0};
    uint64_t seeds = getenv("XDT_SLOW") != NULL ? SEEDS / 20 : SEEDS;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        if (xdt_world_run(seed, &report) != NULL) {
            _exit(0);
        }
    }
    _exit(1);
}

static bool is_found(const struct fault *fault)
{
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        look_for(fault);
    }
    int status = 0;
    cr_assert(waitpid(child, &status, 0) == child);
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

ParameterizedTestParameters(faults, each_planted_fault_is_found)
{
    static struct fault list[] = {
        {1, "a result counts for a task it does not name", ""},
        {2, "an acknowledged result stays in the account", ""},
        {3, "the order of work forgets a task that left", ""},
        {4, "timers are not set earlier", ""},
        {5, "a cancelled task gives its slot back at once", ""},
        {6, "a known id is counted as accepted again", ""},
        {7, "an everywhere-task does not wait for what is before it", ""},
        {8, "an acknowledgement counts twice", ""},
        {9, "a returned task goes to the end of its queue", ""},
        {10, "the gate of the last everywhere-task stays shut", ""},
        {11, "a silent worker is not suspected", ""},
        {12, "a bound profile takes anybody's tasks", ""},
        {13, "a client's budget is not looked at", ""},
        {14, "a task that is handed back is forgotten", ""},
        {15, "the tasks of a lost worker are run again", ""},
        {16, "no tier has a minimum share", ""},
        {17, "a profile that wakes has banked its sleep", ""},
        {18, "charges are not corrected", ""},
        {19, "the longest band goes first", ""},
        {20, "limits and pauses of profiles are not looked at", ""},
        {21, "a hint is believed for ever", ""},
        {22, "profiles have no weights", ""},
        {23, "bands have no weights", ""},
        {24, "shortest first without age", ""},
        {25, "ranks are not looked at", ""},
        {26, "what waits does not follow what is learned", ""},
        {27, "a correction goes below a profile's floor", ""},
        {28, "a tier out of its turn pays only what was predicted", ""},
        {29, "a task goes to a worker without what it needs", ""},
        {30, "an error of a task with a key is kept", ""},
        {32, "a task does not wait for those before it", ""},
        {33, "a twin waits for nobody", ""},
        {35, "a task runs after one that failed", ""},
        {36, "a result that others need goes with its acknowledgement", ""},
        {37, "a class of which nothing is known is not tried first", ""},
        {38, "a wrong prediction is paid for by the band it named", ""},
        {39, "a profile that wakes goes behind all", "a_query_waits_for_one_worker"},
    };
    return cr_make_param_array(struct fault, list, sizeof list / sizeof list[0]);
}

ParameterizedTest(struct fault *fault, faults, each_planted_fault_is_found)
{
    cr_assert(is_found(fault), "not found: %s", fault->what);
}

Test(faults, nothing_is_found_without_one)
{
    const struct fault none = {0, "", ""};
    cr_assert_not(is_found(&none));
    cr_assert_not(a_scene_finds_it(""));
}
