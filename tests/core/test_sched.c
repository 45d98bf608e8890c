/* SPDX-License-Identifier: MIT */
/* Who gets the workers: each scene holds. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "sched.h"

struct named {
    size_t index;
    char name[64];
};

ParameterizedTestParameters(sched, each_scene_holds)
{
    static struct named list[64];
    for (size_t i = 0; i < xdt_scene_count; i++) {
        list[i].index = i;
        (void)strncpy(list[i].name, xdt_scenes[i].name, sizeof list[i].name - 1);
    }
    return cr_make_param_array(struct named, list, xdt_scene_count);
}

ParameterizedTest(struct named *scene, sched, each_scene_holds)
{
    const char *wrong = xdt_scenes[scene->index].play();
    cr_assert(wrong == NULL, "%s: %s", scene->name, wrong);
}
