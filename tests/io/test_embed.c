/* SPDX-License-Identifier: MIT */
/* The link of an embedded broker: messages both ways, waking, and either side closing
 * first. */
#include <criterion/criterion.h>
#include <poll.h>

#include "io/embed.h"
#include "io/outbox.h"

static struct xdb_embeds *embeds;
static struct xdb_embed *embed;

static void begin(void)
{
    cr_assert(xdb_embeds_new(&embeds) == XD_OK);
    cr_assert(xdb_embed_new(embeds, &embed) == XD_OK);
}

TestSuite(embed, .init = begin);

static struct xd_bytes *text(const char *words)
{
    struct xd_bytes *bytes;
    cr_assert(xd_bytes_text(words, &bytes) == XD_OK);
    return bytes;
}

static bool broker_is_woken(void)
{
    struct pollfd fd = {embeds->broker_fd, POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
}

static void finish(void)
{
    embed->link.close(&embed->link);
    xdb_embed_drop(embed);
    xdb_embeds_free(embeds);
}

Test(embed, message_to_the_broker_wakes_it_and_keeps_lane_and_order)
{
    struct xd_bytes *words[] = {text("one"), text("two")};
    cr_assert_not(broker_is_woken());
    for (int i = 0; i < 2; i++) {
        cr_assert(embed->link.send(&embed->link, XD_LANE_BULK, &words[i], 1) == XD_OK);
    }
    cr_assert(broker_is_woken());
    cr_assert(xdb_embed_recv(embed, XD_LANE_CONTROL) == NULL);
    for (int i = 0; i < 2; i++) {
        struct xdb_parked *message = xdb_embed_recv(embed, XD_LANE_BULK);
        cr_assert(message != NULL && message->count == 1 &&
                  message->frames[0] == words[i]);
        xdb_parked_free(message);
        xd_bytes_unref(words[i]);
    }
    finish();
}

/* True: there is something to read, or was within that time. */
static bool wait_for(int timeout_ms)
{
    struct pollfd fds[XD_LINK_FDS];
    size_t count = embed->link.arm(&embed->link, fds);
    bool woke = count == 0 || poll(fds, (nfds_t)count, timeout_ms) > 0;
    if (count > 0) {
        embed->link.woke(&embed->link, fds, count);
    }
    return woke;
}

Test(embed, message_to_the_client_ends_its_wait)
{
    struct xd_bytes *word = text("hello"), *got[4];
    size_t count = 0;
    cr_assert_not(wait_for(0));
    cr_assert(embed->link.recv(&embed->link, XD_LANE_CONTROL, got, 4, &count) ==
              XD_ERR_AGAIN);
    cr_assert(xdb_embed_send(embed, XD_LANE_CONTROL, &word, 1) == XD_OK);
    cr_assert(wait_for(10000));
    cr_assert(embed->link.recv(&embed->link, XD_LANE_CONTROL, got, 4, &count) == XD_OK);
    cr_assert(count == 1 && got[0] == word);
    xd_bytes_unref(got[0]);
    xd_bytes_unref(word);
    finish();
}

Test(embed, client_too_far_ahead_is_told_to_wait)
{
    struct xd_bytes *word = text("x");
    enum xd_err err = XD_OK;
    size_t sent = 0;
    while (err == XD_OK && sent < 100000) {
        err = embed->link.send(&embed->link, XD_LANE_CONTROL, &word, 1);
        sent += err == XD_OK;
    }
    cr_assert(err == XD_ERR_AGAIN && sent == 1000, "%zu sent", sent);
    cr_assert(word->refs == 1 + sent);
    xd_bytes_unref(word);
    finish();
}

Test(embed, client_that_closes_is_over_once_its_messages_are_read)
{
    struct xd_bytes *word = text("last");
    cr_assert(embed->link.send(&embed->link, XD_LANE_CONTROL, &word, 1) == XD_OK);
    embed->link.close(&embed->link);
    cr_assert(xdb_embeds_over(embeds) == NULL);
    xdb_parked_free(xdb_embed_recv(embed, XD_LANE_CONTROL));
    cr_assert(xdb_embeds_over(embeds) == embed);
    cr_assert(xdb_embed_send(embed, XD_LANE_CONTROL, &word, 1) == XD_ERR_GONE);
    xdb_embed_drop(embed);
    cr_assert(xdb_embeds_next(embeds, NULL) == NULL);
    xdb_embeds_free(embeds);
    xd_bytes_unref(word);
}

Test(embed, link_that_outlives_its_broker_is_gone_but_safe)
{
    struct xd_bytes *word = text("x"), *got[1];
    size_t count;
    cr_assert(xdb_embed_send(embed, XD_LANE_CONTROL, &word, 1) == XD_OK);
    xdb_embeds_free(embeds);
    cr_assert(wait_for(10000));
    cr_assert(embed->link.recv(&embed->link, XD_LANE_CONTROL, got, 1, &count) == XD_OK);
    xd_bytes_unref(got[0]);
    cr_assert(embed->link.recv(&embed->link, XD_LANE_CONTROL, got, 1, &count) ==
              XD_ERR_GONE);
    cr_assert(embed->link.send(&embed->link, XD_LANE_CONTROL, &word, 1) == XD_ERR_GONE);
    embed->link.close(&embed->link);
    xd_bytes_unref(word);
}
