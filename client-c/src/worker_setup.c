/* SPDX-License-Identifier: MIT */
/* Setups at a worker: kept by (session, number) until they are dropped. */
#include "base/alloc.h"
#include "worker_core.h"

static struct xd_kept_setup *find(const struct xd_worker_core *core,
                                  struct xd_session_id origin,
                                  uint64_t number)
{
    struct {
        uint64_t origin, number;
    } key = {origin.n, number};
    struct xd_map_item *item = xd_map_get(&core->setups, &key, sizeof key);
    return item == NULL ? NULL : XD_ITEM(item, struct xd_kept_setup, item);
}

void xd_kept_setup_unuse(struct xd_kept_setup *setup)
{
    if (setup != NULL && --setup->uses == 0) {
        xd_frames_free(setup->frames, setup->frame_count);
        xd_free(setup);
    }
}

static void drop(struct xd_worker_core *core, struct xd_kept_setup *setup)
{
    xd_map_remove(&core->setups, &setup->item);
    xd_kept_setup_unuse(setup);
}

/* Without memory for it the session is over: its tasks would all fail here. */
static void add(struct xd_worker_core *core, struct xd_msg *msg)
{
    struct xd_kept_setup *setup = NULL;
    if (xd_map_reserve(&core->setups, 1) == XD_OK) {
        setup = xd_zalloc(sizeof *setup);
    }
    if (setup == NULL) {
        xd_session_end(&core->channel.session, XD_ERR_NOMEM, "out of memory for a setup");
        return;
    }
    setup->key.origin = msg->setup.origin.n;
    setup->key.number = msg->setup.number;
    setup->frames = msg->setup.frames;
    setup->frame_count = msg->setup.frame_count;
    setup->uses = 1;
    msg->setup.frames = NULL;
    msg->setup.frame_count = 0;
    xd_map_add(&core->setups, &setup->item, &setup->key, sizeof setup->key);
}

void xd_worker_core_setup(struct xd_worker_core *core, struct xd_msg *msg)
{
    struct xd_kept_setup *known = find(core, msg->setup.origin, msg->setup.number);
    if (msg->setup.drop) {
        if (known != NULL) {
            drop(core, known);
        }
    } else if (known == NULL) { /* a number is never used for another one */
        add(core, msg);
    }
}

struct xd_kept_setup *xd_worker_core_setup_use(const struct xd_worker_core *core,
                                               const struct xd_task *task)
{
    struct xd_kept_setup *setup =
        task->setup == 0 ? NULL : find(core, task->origin, task->setup);
    if (setup != NULL) {
        setup->uses++;
    }
    return setup;
}

void xd_worker_core_setups_fini(struct xd_worker_core *core)
{
    struct xd_map_item *item;
    while ((item = xd_map_next(&core->setups, NULL)) != NULL) {
        drop(core, XD_ITEM(item, struct xd_kept_setup, item));
    }
    xd_map_fini(&core->setups);
}
