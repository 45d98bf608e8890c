/* SPDX-License-Identifier: MIT */
/* Options of tasks through real processes: at which worker. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

static struct sys sys;
static struct xd_client *client;

static void begin(void)
{
    sys_begin(&sys, NULL);
    client = sys_client(&sys);
}

static void end(void)
{
    xd_client_close(client);
    sys_end(&sys);
}

TestSuite(placing, .init = begin, .fini = end, .timeout = 300);

static void add_worker(const char *has)
{
    uint64_t before = sys_counter(client, "workers");
    const char *arguments[] = {"--module", getenv("XDT_HANDLERS"), "--has", has, NULL};
    (void)sys_worker_with(&sys, arguments);
    sys_await_counter(client, "workers", before + 1);
}

/* ---- needs */

struct warning {
    struct xd_future *of;
    char text[128];
};

static void note_warning(void *context,
                         struct xd_future *future,
                         uint32_t part,
                         const char *kind,
                         struct xd_bytes *bytes)
{
    struct warning *warning = context;
    (void)part;
    if (strcmp(kind, "warning") == 0) {
        (void)snprintf(warning->text,
                       sizeof warning->text,
                       "%.*s",
                       (int)bytes->size,
                       (const char *)bytes->data);
        __atomic_store_n(&warning->of, future, __ATOMIC_RELEASE);
    }
}

Test(placing, needs_that_nobody_meets_are_warned_of_and_wait)
{
    static struct warning warning;
    const struct xd_call_options needs = {.needs = "gpu>=2"};
    add_worker("gpu=1");
    xd_client_on_event(client, note_warning, &warning);
    struct xd_future *future = call_with(client, NULL, "count", NULL, &needs);
    const char *reason = call_await_state(future, "queued");
    cr_assert(strstr(reason, "needs") != NULL, "%s", reason);
    for (int i = 0; i < 5000 && __atomic_load_n(&warning.of, __ATOMIC_ACQUIRE) == NULL;
         i++) {
        sys_sleep_ms(1);
    }
    cr_assert(warning.of == future);
    cr_assert(strstr(warning.text, "needs") != NULL, "%s", warning.text);
    add_worker("gpu=2");
    call_expect_end(future, XD_OUTCOME_DONE);
}

Test(placing, a_slot_has_its_share_of_the_host)
{
    const struct xd_call_options share = {.needs = "cores>=0.01 memory>=1M fast"};
    add_worker("fast");
    call_expect_end(call_with(client, NULL, "count", NULL, &share), XD_OUTCOME_DONE);
}
