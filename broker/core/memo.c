/* SPDX-License-Identifier: MIT */
/* Keys of tasks that are done once. */
#include "core/memo.h"

#include <string.h>

#include "core/inside.h"

enum xd_err xdb_memo_new(const struct xd_bytes *key, struct xdb_memo **out)
{
    struct xdb_memo *memo = xd_zalloc(sizeof *memo + sizeof(uint64_t) + key->size);
    if (memo == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_list_init(&memo->in_core);
    memo->key_size = (uint32_t)(sizeof(uint64_t) + key->size);
    if (key->size > 0) {
        memcpy(memo->key + sizeof(uint64_t), key->data, key->size);
    }
    *out = memo;
    return XD_OK;
}

void xdb_memo_free(struct xdb_memo *memo)
{
    if (memo != NULL) {
        xd_assert(!memo->is_in_map && xd_list_is_empty(&memo->in_core));
        xd_frames_free(memo->frames, memo->frame_count);
        xd_free(memo);
    }
}

enum xd_err xdb_memo_reserve(struct xdb_profile *profile, size_t more)
{
    return xd_map_reserve(&profile->memos, (size_t)profile->keys_unused + more);
}

void xdb_memo_attach(struct xdb_task *task, struct xdb_memo *memo)
{
    memo->profile = task->shape->profile;
    memo->profile->keys_unused++;
    memcpy(memo->key, &task->client->principal, sizeof task->client->principal);
}

struct xdb_memo *xdb_memo_find(const struct xdb_memo *own)
{
    struct xd_map_item *item = xd_map_get(&own->profile->memos, own->key, own->key_size);
    return item == NULL ? NULL : XD_ITEM(item, struct xdb_memo, by_key);
}

bool xdb_memo_has_key(const struct xdb_memo *memo, const struct xd_bytes *key)
{
    size_t size = memo->key_size - sizeof(uint64_t);
    return key->size == size &&
           (size == 0 || memcmp(memo->key + sizeof(uint64_t), key->data, size) == 0);
}

void xdb_memo_lead(struct xdb_memo *memo, struct xdb_task *task)
{
    xd_map_add(&memo->profile->memos, &memo->by_key, memo->key, memo->key_size);
    memo->profile->keys_unused--;
    memo->is_in_map = true;
    memo->task = task;
}

static void leave_map(struct xdb_memo *memo)
{
    if (memo->is_in_map) {
        xd_map_remove(&memo->profile->memos, &memo->by_key);
        memo->is_in_map = false;
    }
}

void xdb_memo_drop_kept(struct xdb_core *core, struct xdb_memo *memo)
{
    leave_map(memo);
    xd_list_remove(&memo->in_core);
    core->memo_count--;
    core->memo_bytes -= memo->bytes;
    xdb_memo_free(memo);
}

static struct xdb_memo *oldest(const struct xdb_core *core)
{
    return XD_ITEM(core->memos.next, struct xdb_memo, in_core);
}

void xdb_memo_make_room(struct xdb_core *core, uint64_t bytes)
{
    uint64_t budget = core->config.broker_bytes;
    while (budget != 0 && !xd_list_is_empty(&core->memos) &&
           core->account_bytes + core->outside_bytes + core->memo_bytes + bytes >
               budget) {
        xdb_memo_drop_kept(core, oldest(core));
    }
}

/* Without memory for it, it is not kept: the next one with the key runs. */
static bool keep(struct xdb_core *core, struct xdb_memo *memo, struct xdb_task *task)
{
    const struct xdb_core_config *config = &core->config;
    uint64_t bytes =
        xd_frames_bytes(xdb_task_frames(task), task->frame_count) + XDB_RECORD_BYTES;
    if (task->by_ref || core->silent || bytes > config->memo_bytes ||
        config->memo_count == 0 ||
        xd_frames_share(xdb_task_frames(task), task->frame_count, &memo->frames) !=
            XD_OK) {
        return false;
    }
    memo->task = NULL;
    memo->frame_count = task->frame_count;
    memo->bytes = bytes;
    xd_list_push_back(&core->memos, &memo->in_core);
    core->memo_count++;
    core->memo_bytes += bytes;
    while (core->memo_count > config->memo_count ||
           core->memo_bytes > config->memo_bytes) {
        xdb_memo_drop_kept(core, oldest(core));
    }
    xdb_memo_make_room(core, 0);
    return true;
}

void xdb_memo_end(struct xdb_core *core,
                  struct xdb_task *task,
                  const struct xdb_outcome *outcome)
{
    struct xdb_bond *bond = task->extra == NULL ? NULL : task->extra->bond;
    struct xdb_memo *memo = bond == NULL ? NULL : bond->memo;
    if (memo == NULL || memo->task != task) {
        return;
    }
    bool is_good = outcome->outcome == XD_OUTCOME_DONE || xdb_fault(30);
    memo->run = task->extra->run;
    if (is_good && keep(core, memo, task)) {
        bond->memo = NULL;
    }
}

void xdb_memo_detach(struct xdb_task *task)
{
    struct xdb_bond *bond = task->extra->bond;
    struct xdb_memo *memo = bond->memo;
    if (memo == NULL) {
        return;
    }
    memo->profile->keys_unused -= memo->is_in_map ? 0 : 1;
    leave_map(memo);
    bond->memo = NULL;
    xdb_memo_free(memo);
}

void xdb_memo_drop_all(struct xdb_core *core, struct xdb_profile *profile)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&profile->memos, NULL)) != NULL) {
        xdb_memo_drop_kept(core, XD_ITEM(item, struct xdb_memo, by_key));
    }
}
