/* SPDX-License-Identifier: MIT */
/* Packing and unpacking with every allocation failing once. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/alloc.h"
#include "xdt.h"

static struct xd_msg sample;
static struct xd_frames packed;

static enum xd_err pack(void *unused)
{
    struct xd_frames frames;
    (void)unused;
    enum xd_err err = xd_msg_pack(&sample, &frames);
    xd_frames_clear(&frames); /* empty after a failure */
    return err;
}

/* Also: `out` stays as it was when it fails. */
static enum xd_err unpack(void *unused)
{
    struct xd_msg out, same;
    struct xd_error error;
    (void)unused;
    memset(&out, 0xa5, sizeof out);
    memcpy(&same, &out, sizeof out);
    enum xd_err err = xd_msg_unpack(packed.items, packed.count, &out, &error);
    if (err) {
        return memcmp(&out, &same, sizeof out) == 0 ? err : XD_ERR_INVALID;
    }
    xd_msg_clear(&out);
    return XD_OK;
}

static void expect_every_failure_reported(const char *what)
{
    cr_assert_eq(xd_msg_pack(&sample, &packed), XD_OK);
    cr_assert_gt(xdt_oom_loop(pack, NULL), 0, "packing %s", what);
    cr_assert_geq(xdt_oom_loop(unpack, NULL), 0, "unpacking %s", what);
    xd_frames_clear(&packed);
    xd_msg_clear(&sample);
}

Test(oom, every_kind)
{
    for (unsigned kind = 1; kind <= XDT_KIND_LAST; kind++) {
        xdt_sample((enum xd_kind)kind, &sample);
        expect_every_failure_reported(xd_kind_name(kind));
    }
}

Test(oom, batches_that_need_blocks_of_memory)
{
    xdt_batch(XD_KIND_SUBMIT, 200, 10, &sample);
    expect_every_failure_reported("tasks");
    xdt_batch(XD_KIND_RESULT, 200, 10, &sample);
    expect_every_failure_reported("results");
}
