/* SPDX-License-Identifier: MIT */
/* Needs and what meets them. */
#include <criterion/criterion.h>

#include "base/bytes.h"
#include "base/needs.h"

static struct xd_bytes *text(const char *from)
{
    struct xd_bytes *bytes = NULL;
    cr_assert_eq(xd_bytes_text(from, &bytes), XD_OK);
    return bytes;
}

static bool meets(const char *needs, const char *has)
{
    struct xd_bytes *needed = text(needs), *had = text(has);
    bool met = xd_needs_are_met(needed, had);
    xd_bytes_unref(needed);
    xd_bytes_unref(had);
    return met;
}

Test(needs, are_met_by_words_texts_and_numbers)
{
    static const struct {
        const char *needs, *has;
        bool met;
    } cases[] = {
        {"", "", true},
        {"", "gpu=1", true},
        {"gpu", "gpu", true},
        {"gpu", "gpu=1", true},
        {"gpu", "gpus", false},
        {"gpu", "", false},
        {"zone=a", "zone=a fast", true},
        {"zone=a", "zone=b", false},
        {"zone=a", "zone", false},
        {"gpu>=1", "gpu=1", true},
        {"gpu>=1", "gpu=0", false},
        {"gpu>=1", "gpu", false},
        {"gpu>=2 fast", " fast  gpu=4 ", true},
        {"gpu>=2 fast", "gpu=4", false},
        {"memory>=1.5G", "memory=2000M", true},
        {"memory>=1.5G", "memory=1499999999", false},
        {"cpu>=0.5", "cpu=.5", true},
        {"memory>=4e9", "memory=4G", true},
        {"memory>=4e9", "memory=3999M", false},
        {"memory>=4G", "memory=4.0e+9", true},
        {"cpu>=5e-1", "cpu=.5", true},
        {"cpu>=1e999", "cpu=1e300", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_eq(meets(cases[i].needs, cases[i].has),
                     cases[i].met,
                     "'%s' of '%s'",
                     cases[i].needs,
                     cases[i].has);
    }
}

Test(needs, are_words_or_refused)
{
    static const char *const bad[] =
        {"=1", "gpu=", "gpu>=", "gpu>=x", "gpu>=1Q", "gpu>=1e", "gpu>=1e2M", ">=1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct xd_bytes *needs = text(bad[i]);
        cr_expect_not(xd_needs_are_valid(needs), "%s", bad[i]);
        xd_bytes_unref(needs);
    }
}
