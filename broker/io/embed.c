/* SPDX-License-Identifier: MIT */
/* The link of an embedded broker. */
#include "io/embed.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/outbox.h"

/* A client may be this many messages ahead of the loop; then it hears XD_ERR_AGAIN. */
#define QUEUE_MAX 1000

static void wake(int fd)
{
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

static void unwake(int fd)
{
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
}

enum xd_err xdb_embeds_new(struct xdb_embeds **out)
{
    struct xdb_embeds *embeds = xd_zalloc(sizeof *embeds);
    if (embeds == NULL) {
        return XD_ERR_NOMEM;
    }
    xd_list_init(&embeds->links);
    embeds->refs = 1;
    embeds->broker_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (embeds->broker_fd < 0 || pthread_mutex_init(&embeds->lock, NULL) != 0) {
        if (embeds->broker_fd >= 0) {
            close(embeds->broker_fd);
        }
        xd_free(embeds);
        return XD_ERR_SYSTEM;
    }
    *out = embeds;
    return XD_OK;
}

/* One holder less, with the lock held; unlocks. */
static void unref_and_unlock(struct xdb_embeds *embeds, size_t less)
{
    embeds->refs -= less;
    bool last = embeds->refs == 0;
    pthread_mutex_unlock(&embeds->lock);
    if (last) {
        pthread_mutex_destroy(&embeds->lock);
        close(embeds->broker_fd);
        xd_free(embeds);
    }
}

static void queue_init(struct xdb_queue *queue)
{
    xd_list_init(&queue->messages);
    queue->count = 0;
}

static void queue_push(struct xdb_queue *queue, struct xdb_parked *message)
{
    xd_list_push_back(&queue->messages, &message->link);
    queue->count++;
}

static struct xdb_parked *queue_pop(struct xdb_queue *queue)
{
    if (queue->count == 0) {
        return NULL;
    }
    struct xdb_parked *message = XD_ITEM(queue->messages.next, struct xdb_parked, link);
    xd_list_remove(&message->link);
    queue->count--;
    return message;
}

/* Both sides have let go; the lock is held. */
static void embed_free(struct xdb_embed *embed)
{
    xd_list_remove(&embed->in_all);
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        xdb_parked_free_all(&embed->to_broker[lane].messages);
        xdb_parked_free_all(&embed->to_client[lane].messages);
    }
    close(embed->client_fd);
    xd_free(embed);
}

void xdb_embeds_free(struct xdb_embeds *embeds)
{
    if (embeds == NULL) {
        return;
    }
    size_t freed = 0;
    pthread_mutex_lock(&embeds->lock);
    XD_LIST_EACH_SAFE (link, &embeds->links) {
        struct xdb_embed *embed = XD_ITEM(link, struct xdb_embed, in_all);
        embed->broker_closed = true;
        wake(embed->client_fd);
        if (embed->client_closed) {
            embed_free(embed);
            freed++;
        }
    }
    unref_and_unlock(embeds, freed + 1);
}

/* ---- the client's side: struct xd_link */

static enum xd_err link_send(struct xd_link *link,
                             enum xd_lane lane,
                             struct xd_bytes *const *frames,
                             size_t count)
{
    struct xdb_embed *embed = (struct xdb_embed *)link;
    struct xdb_parked *parked;
    enum xd_err err = xdb_parked_new(frames, count, &parked);
    if (err != XD_OK) {
        return err;
    }
    pthread_mutex_lock(&embed->all->lock);
    struct xdb_queue *queue = &embed->to_broker[lane];
    if (embed->broker_closed) {
        err = XD_ERR_GONE;
    } else if (queue->count >= QUEUE_MAX) {
        err = XD_ERR_AGAIN;
    } else {
        queue_push(queue, parked);
        if (queue->count == 1) {
            wake(embed->all->broker_fd);
        }
    }
    pthread_mutex_unlock(&embed->all->lock);
    if (err != XD_OK) {
        xdb_parked_free(parked);
    }
    return err;
}

static enum xd_err link_recv(struct xd_link *link,
                             enum xd_lane lane,
                             struct xd_bytes **frames,
                             size_t capacity,
                             size_t *count)
{
    struct xdb_embed *embed = (struct xdb_embed *)link;
    pthread_mutex_lock(&embed->all->lock);
    struct xdb_parked *message = queue_pop(&embed->to_client[lane]);
    bool gone = embed->broker_closed;
    pthread_mutex_unlock(&embed->all->lock);
    if (message == NULL) {
        return gone ? XD_ERR_GONE : XD_ERR_AGAIN;
    }
    enum xd_err err = message->count > capacity ? XD_ERR_TOO_LARGE : XD_OK;
    if (err == XD_OK) {
        memcpy(frames, message->frames, message->count * sizeof *frames);
        *count = message->count;
        message->count = 0; /* the references are the caller's now */
    }
    xdb_parked_free(message);
    return err;
}

static bool something_to_read(struct xdb_embed *embed)
{
    pthread_mutex_lock(&embed->all->lock);
    bool is = embed->broker_closed;
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        is = is || embed->to_client[lane].count > 0;
    }
    pthread_mutex_unlock(&embed->all->lock);
    return is;
}

static size_t link_arm(struct xd_link *link, struct pollfd *fds)
{
    struct xdb_embed *embed = (struct xdb_embed *)link;
    if (something_to_read(embed)) {
        return 0;
    }
    fds[0] = (struct pollfd){.fd = embed->client_fd, .events = POLLIN};
    return 1;
}

static void link_woke(struct xd_link *link, const struct pollfd *fds, size_t count)
{
    (void)fds;
    (void)count;
    unwake(((struct xdb_embed *)link)->client_fd);
}

static enum xd_err link_open(struct xd_link *link,
                             enum xd_lane lane,
                             const char *endpoint,
                             struct xd_error *error)
{
    (void)link;
    (void)lane;
    (void)endpoint;
    (void)error;
    return XD_OK; /* all lanes are open from the start */
}

static void link_close(struct xd_link *link)
{
    struct xdb_embed *embed = (struct xdb_embed *)link;
    struct xdb_embeds *all = embed->all;
    pthread_mutex_lock(&all->lock);
    embed->client_closed = true;
    if (embed->broker_closed) {
        embed_free(embed);
        unref_and_unlock(all, 1);
    } else {
        wake(all->broker_fd);
        pthread_mutex_unlock(&all->lock);
    }
}

enum xd_err xdb_embed_new(struct xdb_embeds *embeds, struct xdb_embed **out)
{
    struct xdb_embed *embed = xd_zalloc(sizeof *embed);
    if (embed == NULL) {
        return XD_ERR_NOMEM;
    }
    embed->client_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (embed->client_fd < 0) {
        xd_free(embed);
        return XD_ERR_SYSTEM;
    }
    embed->link = (struct xd_link){link_send,
                                   link_recv,
                                   link_arm,
                                   link_woke,
                                   link_open,
                                   link_close};
    embed->all = embeds;
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        queue_init(&embed->to_broker[lane]);
        queue_init(&embed->to_client[lane]);
    }
    pthread_mutex_lock(&embeds->lock);
    embeds->refs++;
    xd_list_push_back(&embeds->links, &embed->in_all);
    pthread_mutex_unlock(&embeds->lock);
    *out = embed;
    return XD_OK;
}

/* ---- the loop's side */

enum xd_err xdb_embed_send(struct xdb_embed *embed,
                           enum xd_lane lane,
                           struct xd_bytes *const *frames,
                           size_t count)
{
    struct xdb_parked *parked;
    enum xd_err err = xdb_parked_new(frames, count, &parked);
    if (err != XD_OK) {
        return err;
    }
    pthread_mutex_lock(&embed->all->lock);
    if (embed->client_closed) {
        err = XD_ERR_GONE;
    } else {
        queue_push(&embed->to_client[lane], parked);
        wake(embed->client_fd);
    }
    pthread_mutex_unlock(&embed->all->lock);
    if (err != XD_OK) {
        xdb_parked_free(parked);
    }
    return err;
}

struct xdb_parked *xdb_embed_recv(struct xdb_embed *embed, enum xd_lane lane)
{
    pthread_mutex_lock(&embed->all->lock);
    struct xdb_parked *message = queue_pop(&embed->to_broker[lane]);
    pthread_mutex_unlock(&embed->all->lock);
    return message;
}

struct xdb_embed *xdb_embeds_next(struct xdb_embeds *embeds, struct xdb_embed *embed)
{
    pthread_mutex_lock(&embeds->lock);
    struct xd_list *next = embed == NULL ? embeds->links.next : embed->in_all.next;
    pthread_mutex_unlock(&embeds->lock);
    return next == &embeds->links ? NULL : XD_ITEM(next, struct xdb_embed, in_all);
}

static bool is_over(const struct xdb_embed *embed)
{
    bool is = embed->client_closed;
    for (int lane = 0; lane < XD_LANE_COUNT; lane++) {
        is = is && embed->to_broker[lane].count == 0;
    }
    return is;
}

struct xdb_embed *xdb_embeds_over(struct xdb_embeds *embeds)
{
    struct xdb_embed *found = NULL;
    pthread_mutex_lock(&embeds->lock);
    XD_LIST_EACH (link, &embeds->links) {
        struct xdb_embed *embed = XD_ITEM(link, struct xdb_embed, in_all);
        if (found == NULL && is_over(embed)) {
            found = embed;
        }
    }
    pthread_mutex_unlock(&embeds->lock);
    return found;
}

void xdb_embed_drop(struct xdb_embed *embed)
{
    struct xdb_embeds *all = embed->all;
    pthread_mutex_lock(&all->lock);
    embed->broker_closed = true;
    wake(embed->client_fd);
    size_t freed = 0;
    if (embed->client_closed) {
        embed_free(embed);
        freed = 1;
    }
    unref_and_unlock(all, freed);
}
