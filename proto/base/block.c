/* SPDX-License-Identifier: MIT */
/* Large blocks of memory. */
#include "base/block.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else /* nobody may touch a block that is kept: for AddressSanitizer to see */
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

/* The oldest first. */
#define KEPT_MAX 32

struct block {
    uint8_t *start;
    size_t size;
};

static struct {
    pthread_mutex_t lock;
    struct block blocks[KEPT_MAX];
    size_t count;
    size_t bytes;
    size_t most;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint8_t *map(size_t size)
{
    size_t whole = size + XD_BLOCK_UNIT;
    uint8_t *all =
        mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t before = (XD_BLOCK_UNIT - (uintptr_t)all % XD_BLOCK_UNIT) % XD_BLOCK_UNIT;
    if (before > 0) {
        (void)munmap(all, before);
    }
    uint8_t *start = all + before;
    (void)munmap(start + size, XD_BLOCK_UNIT - before);
#ifdef MADV_HUGEPAGE
    (void)madvise(start, size, MADV_HUGEPAGE); /* else small ones: slower, no more */
#endif
    return start;
}

static struct block remove_at(size_t i)
{
    struct block block = kept.blocks[i];
    kept.count--;
    kept.bytes -= block.size;
    memmove(&kept.blocks[i], &kept.blocks[i + 1], (kept.count - i) * sizeof block);
    return block;
}

/* The smallest that is large enough, unless more than half of it would lie idle. */
static uint8_t *take_kept(size_t size, size_t *got)
{
    size_t best = KEPT_MAX;
    for (size_t i = 0; i < kept.count; i++) {
        size_t has = kept.blocks[i].size;
        if (has >= size && has / 2 <= size &&
            (best == KEPT_MAX || has < kept.blocks[best].size)) {
            best = i;
        }
    }
    if (best == KEPT_MAX) {
        return NULL;
    }
    struct block block = remove_at(best);
    ASAN_UNPOISON_MEMORY_REGION(block.start, block.size);
    *got = block.size;
    return block.start;
}

uint8_t *xd_block_take(size_t size, size_t *got)
{
    if (size > SIZE_MAX - 2 * XD_BLOCK_UNIT) { /* no sum overflows */
        return NULL;
    }
    size = (size + XD_BLOCK_UNIT - 1) / XD_BLOCK_UNIT * XD_BLOCK_UNIT;
    pthread_mutex_lock(&kept.lock);
    uint8_t *start = take_kept(size, got);
    pthread_mutex_unlock(&kept.lock);
    if (start == NULL) {
        *got = size;
        start = map(size);
    }
    return start;
}

/* Until there is a place for a block of `more` bytes. */
static void let_go(size_t more)
{
    while (kept.count > 0 && (kept.count == KEPT_MAX || kept.bytes + more > kept.most)) {
        struct block block = remove_at(0);
        ASAN_UNPOISON_MEMORY_REGION(block.start, block.size);
        (void)munmap(block.start, block.size);
    }
}

void xd_block_give(uint8_t *start, size_t size)
{
    pthread_mutex_lock(&kept.lock);
    bool stays = size <= kept.most;
    if (stays) {
        let_go(size);
        ASAN_POISON_MEMORY_REGION(start, size);
        kept.blocks[kept.count++] = (struct block){start, size};
        kept.bytes += size;
    }
    pthread_mutex_unlock(&kept.lock);
    if (!stays) {
        (void)munmap(start, size);
    }
}

void xd_blocks_keep(size_t most)
{
    pthread_mutex_lock(&kept.lock);
    kept.most = most;
    let_go(0);
    pthread_mutex_unlock(&kept.lock);
}

size_t xd_blocks_kept(void)
{
    pthread_mutex_lock(&kept.lock);
    size_t bytes = kept.bytes;
    pthread_mutex_unlock(&kept.lock);
    return bytes;
}
