/* SPDX-License-Identifier: MIT */
/* Allocation behind one counter, so that a test can fail the n-th. */
#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Of this thread only: a test that fails its own allocations leaves other threads alone,
 * and counting costs no synchronization. Not state of the library: nothing but the hook
 * reads it. */
static _Thread_local size_t count_since_hook;
static _Thread_local size_t fail_at; /* 0: never */
static _Thread_local long balance;

static bool fails(void)
{
    count_since_hook++;
    return fail_at != 0 && count_since_hook == fail_at;
}

static void *counted(void *memory)
{
    balance += memory != NULL;
    return memory;
}

size_t xd_alloc_fail_at(size_t n)
{
    size_t counted = count_since_hook;
    count_since_hook = 0;
    fail_at = n;
    return counted;
}

long xd_alloc_balance(void)
{
    return balance;
}

/* A size of 0 gives memory too, so that NULL always means failure. */
void *xd_alloc(size_t size)
{
    return fails() ? NULL : counted(malloc(size ? size : 1));
}

void *xd_zalloc(size_t size)
{
    return fails() ? NULL : counted(calloc(1, size ? size : 1));
}

void *xd_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (fails() || __builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return counted(calloc(1, bytes ? bytes : 1));
}

void *xd_realloc_array(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (fails() || __builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *memory = realloc(old, bytes ? bytes : 1);
    return old ? memory : counted(memory);
}

void xd_free(void *memory)
{
    balance -= memory != NULL;
    free(memory);
}

enum xd_err xd_reserve(void **items, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity) {
        return XD_OK;
    }
    size_t room = *capacity < 4 ? 8 : *capacity > SIZE_MAX / 2 ? need : *capacity * 2;
    if (room < need) {
        room = need;
    }
    void *grown = xd_realloc_array(*items, room, size);
    if (!grown) {
        return XD_ERR_NOMEM;
    }
    *items = grown;
    *capacity = room;
    return XD_OK;
}
